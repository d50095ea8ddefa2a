//! Things shown once, and requests refused for their fields.

use api::{Problem, ProblemType};
use registration::quarantine::Violation;
use schemars::JsonSchema;
use serde::Serialize;

/// Whether a secret was shown before, and how to get another.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Shown {
    /// True where a repeated request would have shown it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_shown: Option<bool>,
    /// The command that makes a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_secret: Option<String>,
}

impl Shown {
    /// It was shown before; this command makes a new one.
    pub fn before(command: String) -> Self {
        Self { secret_shown: Some(true), new_secret: Some(command) }
    }
}

/// Refuses a request whose fields break rules.
pub(crate) fn refuse(violations: Vec<Violation>) -> Result<(), Problem> {
    if violations.is_empty() {
        return Ok(());
    }
    Err(Problem::new(ProblemType::InvalidBody, "Fields break rules; mend those that are listed.").errors(violations))
}
