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
    /// They are deleted after the time, or beyond the size, that the operator sets.
    Expire,
    /// They stay until a later one has the same key, and are gone for certain after `lag`.
    Compact {
        /// `max.compaction.lag.ms`, to the millisecond.
        lag: Duration,
        /// How long a tombstone stays, so that who was away still reads it: `delete.retention.ms`, to the millisecond.
        tombstones: Duration,
    },
}

/// A topic as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// How many brokers answer now: there may be more.
    pub(crate) brokers: usize,
    /// How many replicas each partition has.
    pub(crate) replicas: Vec<usize>,
    /// How many of them are in sync; 0 where there is no leader.
    pub(crate) in_sync: Vec<usize>,
    /// Where each partition begins.
    pub(crate) begins: Vec<u64>,
    /// Every setting that has a value.
    pub(crate) settings: BTreeMap<String, String>,
}

impl Topic {
    /// The settings that have one right value.
    fn fixed(&self) -> Vec<(&'static str, String)> {
        let policy = if matches!(self.cleanup, Cleanup::Compact { .. }) { "compact" } else { "delete" };
        let mut fixed = vec![("cleanup.policy", policy.to_owned())];
        if self.cleanup != Cleanup::Expire {
            fixed.extend([("retention.ms", "-1".to_owned()), ("retention.bytes", "-1".to_owned())]);
        }
        fixed.push(("unclean.leader.election.enable", "false".to_owned()));
        if let Cleanup::Compact { lag, tombstones } = self.cleanup {
            fixed.push(("max.compaction.lag.ms", lag.as_millis().to_string()));
            fixed.push(("delete.retention.ms", tombstones.as_millis().to_string()));
        }
        fixed
    }

    /// Whether so many brokers are enough for all its replicas.
    pub(crate) fn is_safe_on(&self, brokers: usize) -> bool {
        brokers >= REPLICAS
    }

    /// The replicas and the settings with which it is created on so many brokers; None if it could
    /// not be safe there.
    pub(crate) fn plan(&self, brokers: usize) -> Option<(usize, Vec<(&'static str, String)>)> {
        let mut settings = self.fixed();
        settings.push(("max.message.bytes", "1048588".to_owned()));
        if self.is_safe_on(brokers) {
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
        if self.cleanup != Cleanup::Expire {
            violations.extend(found.deleted());
        }
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
        let in_sync = self.needed();
        if replicas == 1 && self.brokers == 1 {
            let found = self.setting("flush.messages");
            return (found != "1").then(|| Violation::Flush { found: found.to_owned() });
        }
        let safe = replicas >= REPLICAS && (IN_SYNC..replicas).contains(&in_sync);
        (!safe).then_some(Violation::Replication { replicas, in_sync })
    }

    /// Whether what is acknowledged may be lost with one broker, although that is no reason to refuse it.
    pub(crate) fn is_frail(&self) -> bool {
        self.replicas.contains(&1) || self.too_few().is_some()
    }

    fn needed(&self) -> usize {
        self.setting("min.insync.replicas").parse().unwrap_or(0)
    }

    /// Where nothing can be written now. It passes by itself, so it is no reason to refuse a topic.
    pub(crate) fn behind(&self) -> impl Iterator<Item = Violation> {
        let needed = self.needed().max(1);
        let in_sync = self.in_sync.iter().copied().zip(0..).filter(move |(in_sync, _)| *in_sync < needed);
        in_sync.map(move |(in_sync, partition)| Violation::Behind { partition, in_sync, needed })
    }

    fn deleted(&self) -> impl Iterator<Item = Violation> {
        let begins = self.begins.iter().copied().zip(0..);
        begins.filter(|(offset, _)| *offset > 0).map(|(offset, partition)| Violation::Deleted { partition, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes something else of a sound topic.
    type Change = fn(&mut Found);

    fn ledger() -> Topic {
        Topic { name: "ledger".to_owned(), partitions: 2, cleanup: Cleanup::Never, risk_accepted: false }
    }

    fn keys() -> Topic {
        let cleanup = Cleanup::Compact { lag: Duration::from_secs(60), tombstones: Duration::from_secs(3600) };
        Topic { cleanup, ..ledger() }
    }

    fn changes() -> Topic {
        Topic { cleanup: Cleanup::Expire, ..ledger() }
    }

    /// What a topic is after it was created on so many brokers.
    fn created(topic: &Topic, brokers: usize) -> Found {
        let (replicas, settings) = topic.plan(brokers).unwrap();
        let partitions = topic.partitions as usize;
        let settings = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let all = vec![replicas; partitions];
        Found { brokers, replicas: all.clone(), in_sync: all, begins: vec![0; partitions], settings }
    }

    fn set(found: &mut Found, name: &str, value: &str) {
        found.settings.insert(name.to_owned(), value.to_owned());
    }

    fn told(violations: &[Violation]) -> Vec<String> {
        violations.iter().map(Violation::to_string).collect()
    }

    #[test]
    fn a_topic_is_created_as_it_must_be() {
        for topic in [ledger(), keys(), changes()] {
            for brokers in [1, 3, 5] {
                let found = created(&topic, brokers);
                assert_eq!(topic.violations(&found), [], "{brokers} brokers, {topic:?}");
                assert_eq!(found.behind().count(), 0, "{brokers} brokers, {topic:?}");
            }
        }
    }

    #[test]
    fn only_a_risk_that_is_accepted_is_taken_on_two_brokers() {
        assert_eq!(ledger().plan(2), None);
        let accepting = Topic { risk_accepted: true, ..ledger() };
        assert_eq!(accepting.violations(&created(&accepting, 2)), []);
        assert_eq!(ledger().violations(&created(&accepting, 2)).len(), 1);
    }

    #[test]
    fn every_deviation_is_told() {
        let cases: [(&str, Change); 13] = [
            ("it has 1 partitions instead of 2", |found| found.replicas.truncate(1)),
            ("cleanup.policy is compact,delete instead of delete", |found| {
                set(found, "cleanup.policy", "compact,delete")
            }),
            ("retention.ms is 604800000 instead of -1", |found| set(found, "retention.ms", "604800000")),
            ("retention.bytes is 1 instead of -1", |found| set(found, "retention.bytes", "1")),
            ("retention.bytes is unset instead of -1", |found| drop(found.settings.remove("retention.bytes"))),
            ("unclean.leader.election.enable is true instead of false", |found| {
                set(found, "unclean.leader.election.enable", "true");
            }),
            ("max.message.bytes is 65536, and at least 1000000 is needed", |found| {
                set(found, "max.message.bytes", "65536")
            }),
            ("2 replicas with min.insync.replicas=2 may lose what was acknowledged", |found| found.replicas[1] = 2),
            ("3 replicas with min.insync.replicas=1 may lose what was acknowledged", |found| {
                set(found, "min.insync.replicas", "1");
            }),
            ("3 replicas with min.insync.replicas=3 may lose what was acknowledged", |found| {
                set(found, "min.insync.replicas", "3");
            }),
            ("1 replicas with min.insync.replicas=2 may lose what was acknowledged", |found| {
                found.replicas = vec![1, 1]
            }),
            ("one broker alone may lose what was acknowledged unless flush.messages is 1, and it is unset", |found| {
                found.replicas = vec![1, 1];
                found.brokers = 1;
            }),
            ("partition 1 begins at 7: what was before that has been deleted", |found| found.begins[1] = 7),
        ];
        for (expected, change) in cases {
            let mut found = created(&ledger(), 3);
            change(&mut found);
            let violations = told(&ledger().violations(&found));
            assert!(violations.len() == 1 && violations[0].starts_with(expected), "{expected}: {violations:?}");
        }
    }

    #[test]
    fn a_topic_for_something_else_is_told_apart() {
        assert_eq!(
            told(&keys().violations(&created(&ledger(), 3))),
            [
                "cleanup.policy is delete instead of compact",
                "max.compaction.lag.ms is unset instead of 60000",
                "delete.retention.ms is unset instead of 3600000",
            ]
        );
    }

    #[test]
    fn how_long_records_stay_that_may_expire_is_for_the_operator_to_say() {
        let mut found = created(&changes(), 3);
        assert!(!found.settings.contains_key("retention.ms"), "that of the brokers");
        set(&mut found, "retention.ms", "86400000");
        found.begins[1] = 7;
        assert_eq!(changes().violations(&found), []);
        set(&mut found, "cleanup.policy", "compact");
        assert_eq!(told(&changes().violations(&found)), ["cleanup.policy is compact instead of delete"]);
    }

    #[test]
    fn a_partition_without_replicas_enough_takes_nothing() {
        for (in_sync, expected) in [(vec![2, 3], vec![]), (vec![1, 3], vec![0]), (vec![1, 0], vec![0, 1])] {
            let found = Found { in_sync: in_sync.clone(), ..created(&ledger(), 3) };
            let behind = found.behind().map(|violation| match violation {
                Violation::Behind { partition, .. } => partition,
                other => panic!("{other:?}"),
            });
            assert_eq!(behind.collect::<Vec<u32>>(), expected, "{in_sync:?}");
            assert_eq!(ledger().violations(&found), [], "{in_sync:?}: that passes");
        }
    }
}
