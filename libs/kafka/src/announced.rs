//! How many brokers a cluster is set up for, of which some may not be up yet.

use std::collections::BTreeMap;
use std::fmt;

/// How many brokers there are to be, and which setting of a broker says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// How many.
    pub brokers: usize,
    setting: &'static str,
    value: String,
}

/// A copy cannot be on a broker that is not there.
const REPLICAS: [&str; 3] =
    ["default.replication.factor", "offsets.topic.replication.factor", "transaction.state.log.replication.factor"];

/// Controllers, by their addresses.
const CONTROLLERS: [&str; 2] = ["controller.quorum.voters", "controller.quorum.bootstrap.servers"];

impl Announced {
    /// What the settings of a broker say: the most of all that they say.
    pub(crate) fn by(settings: &BTreeMap<String, String>) -> Option<Self> {
        let said = |setting: &'static str, count: fn(&str) -> usize| {
            settings.get(setting).map(|value| Self { brokers: count(value), setting, value: value.clone() })
        };
        // Where controllers are apart from brokers, how many they are says nothing.
        let is_both = settings.get("process.roles").is_some_and(|roles| roles.contains("controller"));
        let controllers = CONTROLLERS.into_iter().filter(|_| is_both).filter_map(|setting| said(setting, listed));
        let replicas = REPLICAS.into_iter().filter_map(|setting| said(setting, number));
        controllers.chain(replicas).max_by_key(|announced| announced.brokers)
    }
}

impl fmt::Display for Announced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={}", self.setting, self.value)
    }
}

fn listed(value: &str) -> usize {
    value.split(',').filter(|one| !one.trim().is_empty()).count()
}

fn number(value: &str) -> usize {
    value.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settings of a broker, how many brokers they announce, and what says so.
    type Case = (&'static [(&'static str, &'static str)], Option<(usize, &'static str)>);

    const BOTH: (&str, &str) = ("process.roles", "broker,controller");

    #[test]
    fn the_settings_of_a_broker_tell_of_the_others() {
        let cases: [Case; 6] = [
            (&[], None),
            (&[BOTH, ("controller.quorum.voters", "1@a:9093")], Some((1, "controller.quorum.voters=1@a:9093"))),
            (&[BOTH, ("controller.quorum.voters", "1@a:1,2@b:1")], Some((2, "controller.quorum.voters=1@a:1,2@b:1"))),
            (&[("process.roles", "broker"), ("controller.quorum.voters", "1@a:1,2@b:1")], None),
            (
                &[BOTH, ("controller.quorum.voters", ""), ("controller.quorum.bootstrap.servers", "a:1,b:1,c:1")],
                Some((3, "controller.quorum.bootstrap.servers=a:1,b:1,c:1")),
            ),
            (
                &[BOTH, ("controller.quorum.voters", "1@a:1"), ("offsets.topic.replication.factor", "3")],
                Some((3, "offsets.topic.replication.factor=3")),
            ),
        ];
        for (settings, expected) in cases {
            let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let found = Announced::by(&settings).map(|announced| (announced.brokers, announced.to_string()));
            assert_eq!(found, expected.map(|(brokers, said)| (brokers, said.to_owned())), "{settings:?}");
        }
    }
}
