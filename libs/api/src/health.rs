//! Health: whether what this process needs answers, each thing by name.

use std::sync::Arc;

use prometheus::{IntGaugeVec, Opts, Registry};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::watch;

/// One thing that a process needs: `None` while it answers, else why it does not.
pub type Reason = watch::Receiver<Option<String>>;

/// The things that this process needs.
#[derive(Clone)]
pub struct Health {
    checks: Arc<Vec<(&'static str, Reason)>>,
    ready: IntGaugeVec,
}

/// The state of one thing, as `/readyz` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Check {
    /// What it is: `ledger`, `keys`, `projection`, `disk`.
    pub name: String,
    /// Whether it answers.
    pub ready: bool,
    /// Why it does not.
    pub reason: Option<String>,
}

/// The answer of `/readyz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Readiness {
    /// Whether everything that this process needs answers.
    pub ready: bool,
    /// Each thing by name.
    pub checks: Vec<Check>,
}

impl Health {
    /// Watches things by name and registers `regledger_ready`.
    ///
    /// # Errors
    /// If the metric is registered already.
    pub fn new(checks: Vec<(&'static str, Reason)>, metrics: &Registry) -> Result<Self, prometheus::Error> {
        let ready = IntGaugeVec::new(
            Opts::new("regledger_ready", "Whether something that the process needs answers: 1 or 0."),
            &["check"],
        )?;
        metrics.register(Box::new(ready.clone()))?;
        Ok(Self { checks: Arc::new(checks), ready })
    }

    /// What is the case now; sets the metric too. A process that shuts down is not ready.
    pub fn readiness(&self, is_draining: bool) -> Readiness {
        let mut checks: Vec<Check> = self
            .checks
            .iter()
            .map(|(name, reason)| {
                let reason = reason.borrow().clone();
                Check { name: (*name).to_owned(), ready: reason.is_none(), reason }
            })
            .collect();
        for check in &checks {
            self.ready.with_label_values(&[&check.name]).set(i64::from(check.ready));
        }
        if is_draining {
            let reason = Some("the process is shutting down".to_owned());
            checks.push(Check { name: "process".to_owned(), ready: false, reason });
        }
        Readiness { ready: checks.iter().all(|check| check.ready), checks }
    }
}
