//! Sources: what is read from the state store, and turned into parcels.

use delivery::destination::Parcel;
use outbox::{At, Held};
use projection::StoredChange;
use registration::change::change_id;
use registration::directory::{ChangeFilter, Directory, FixedSubscription};

use crate::fixed;
use crate::lanes::Item;

/// Which changes a subscription wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Those of this domain; none for the whole hub.
    pub domain: Option<String>,
    /// Which of them.
    pub filter: ChangeFilter,
    /// What is configured by settings.
    pub(crate) fixed: Option<FixedSubscription>,
}

impl Wanted {
    pub(crate) fn wants(&self, change: &StoredChange, directory: &Directory) -> bool {
        if let Some(fixed) = &self.fixed {
            return fixed::wants(fixed, change, directory);
        }
        let of_domain = |domain: &String| directory.concerns(domain, change.integration.as_deref(), &change.body);
        self.filter.wants(&change.kind, change.integration.as_deref(), change.tenant.as_deref())
            && self.domain.as_ref().is_none_or(of_domain)
    }
}

/// A change of this ledger as it is sent, and the key of its order: its client, or kind and subject.
pub(crate) fn item(change: StoredChange, ledger: &str) -> (String, Item) {
    let StoredChange { partition, position, ordinal, kind, row, tenant, recorded_time, body, .. } = change;
    let key = match kind.split_once('.') {
        Some(("client", _)) | None => row,
        Some((noun, _)) => format!("{noun}:{}", tenant.unwrap_or(row)),
    };
    let id = change_id(ledger, (partition, position), ordinal);
    let item = Item {
        at: At { partition, position, ordinal },
        parcel: Parcel { id, kind, body },
        recorded_time,
        attempts: 0,
        first_failure: None,
        is_held: false,
    };
    (key, item)
}

/// A change that is held, as it is sent again.
pub(crate) fn again(held: Held, change: StoredChange) -> Item {
    Item {
        at: held.at,
        parcel: Parcel { id: held.change, kind: held.kind, body: change.body },
        recorded_time: held.recorded_time,
        attempts: held.attempts,
        first_failure: held.first_failure,
        is_held: true,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn changes_are_in_the_order_of_their_client_or_of_their_subject() {
        for (kind, row, tenant, key) in [
            ("client.updated", "c1", Some("provetcloud.com/7"), "c1"),
            ("integration.created", "acme-lab", None, "integration:acme-lab"),
            ("user.created", "01a21812-8130-7000-8000-000000000000", None, "user:01a21812-8130-7000-8000-000000000000"),
            ("user.created", "u4fq", Some("isl/7"), "user:isl/7"),
            ("domain.deleted", "d4fq", Some("isl/7"), "domain:isl/7"),
        ] {
            let change = StoredChange {
                partition: 3,
                position: 41,
                ordinal: 2,
                kind: kind.to_owned(),
                row: row.to_owned(),
                integration: None,
                tenant: tenant.map(str::to_owned),
                recorded_time: Timestamp::UNIX_EPOCH,
                body: Bytes::new(),
            };
            let (found, item) = item(change, "l");
            assert_eq!((found.as_str(), item.parcel.id.as_str()), (key, "l-3-41-2"));
        }
    }
}
