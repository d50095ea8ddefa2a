//! How a topic must be that loses nothing, and what is otherwise in one that was found.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Violation;
use crate::connection::REQUEST_BYTES;

/// Replicas of a topic where there are brokers enough; [`IN_SYNC`] of them have what is
/// acknowledged, so that one may be away.
const REPLICAS: usize = 3;

/// `min.insync.replicas` of a topic where there are brokers enough.
const IN_SYNC: usize = 2;

/// How a topic must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// The operator accepts that what was acknowledged may be lost: any replication will do.
    pub risk_accepted: bool,
}

/// What becomes of old records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleanup {
    /// They stay.
    Never,
    /// They stay until a later one has the same key, and are gone for certain after `lag`.
    Compact {
        /// `max.compaction.lag.ms`, to the millisecond.
        lag: Duration,
    },
}

/// A topic as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// How many brokers the cluster has now.
    pub(crate) brokers: usize,
    /// How many replicas each partition has.
    pub(crate) replicas: Vec<usize>,
    /// Where each partition begins.
    pub(crate) begins: Vec<u64>,
    /// Every setting that has a value.
    pub(crate) settings: BTreeMap<String, String>,
}

impl Topic {
    /// The settings that have one right value.
    fn fixed(&self) -> Vec<(&'static str, String)> {
        let (policy, lag) = match self.cleanup {
            Cleanup::Never => ("delete", None),
            Cleanup::Compact { lag } => ("compact", Some(("max.compaction.lag.ms", lag.as_millis().to_string()))),
        };
        let mut fixed = vec![
            ("cleanup.policy", policy.to_owned()),
            ("retention.ms", "-1".to_owned()),
            ("retention.bytes", "-1".to_owned()),
            ("unclean.leader.election.enable", "false".to_owned()),
        ];
        fixed.extend(lag);
        fixed
    }

    /// The replicas and the settings with which it is created on so many brokers; None if it could
    /// not be safe there.
    pub(crate) fn plan(&self, brokers: usize) -> Option<(usize, Vec<(&'static str, String)>)> {
        let mut settings = self.fixed();
        settings.push(("max.message.bytes", "1048588".to_owned()));
        if brokers >= REPLICAS {
            settings.push(("min.insync.replicas", IN_SYNC.to_string()));
            return Some((REPLICAS, settings));
        }
        settings.push(("min.insync.replicas", "1".to_owned()));
        if !self.risk_accepted {
            settings.push(("flush.messages", "1".to_owned()));
        }
        (brokers == 1 || self.risk_accepted).then_some((brokers.max(1), settings))
    }

    /// Everything that is wrong with a topic that was found.
    pub(crate) fn violations(&self, found: &Found) -> Vec<Violation> {
        let mut violations = Vec::new();
        let partitions = found.replicas.len() as u32;
        if partitions != self.partitions {
            violations.push(Violation::Partitions { found: partitions, expected: self.partitions });
        }
        let fixed = self.fixed().into_iter();
        violations.extend(fixed.filter_map(|(name, expected)| {
            let value = found.setting(name);
            (value != expected).then(|| Violation::Setting { name, found: value.to_owned(), expected })
        }));
        violations.extend(found.too_small());
        if !self.risk_accepted {
            violations.extend(found.too_few());
        }
        violations.extend(found.deleted());
        violations
    }
}

impl Found {
    fn setting(&self, name: &str) -> &str {
        self.settings.get(name).map_or("unset", String::as_str)
    }

    fn too_small(&self) -> Option<Violation> {
        let found = self.setting("max.message.bytes");
        let enough = found.parse().is_ok_and(|bytes: u32| bytes >= REQUEST_BYTES);
        (!enough).then(|| Violation::MessageBytes { found: found.to_owned(), least: REQUEST_BYTES })
    }

    /// What is wrong with how many brokers have what is acknowledged, and with what one alone does.
    fn too_few(&self) -> Option<Violation> {
        let replicas = self.replicas.iter().copied().min()?;
        let in_sync = self.setting("min.insync.replicas").parse().unwrap_or(0);
        if replicas == 1 && self.brokers == 1 {
            let found = self.setting("flush.messages");
            return (found != "1").then(|| Violation::Flush { found: found.to_owned() });
        }
        let safe = replicas >= REPLICAS && (IN_SYNC..replicas).contains(&in_sync);
        (!safe).then_some(Violation::Replication { replicas, in_sync })
    }

    fn deleted(&self) -> impl Iterator<Item = Violation> {
        let begins = self.begins.iter().copied().zip(0..);
        begins.filter(|(offset, _)| *offset > 0).map(|(offset, partition)| Violation::Deleted { partition, offset })
    }
}
