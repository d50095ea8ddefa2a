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

/// A change of this ledger as it is sent, and the key of its row.
pub(crate) fn item(change: StoredChange, ledger: &str) -> (String, Item) {
    let StoredChange { partition, position, ordinal, kind, row, recorded_time, body, .. } = change;
    let key = match kind.split_once('.') {
        Some(("client", _)) | None => row,
        Some((noun, _)) => format!("{noun}:{row}"),
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
