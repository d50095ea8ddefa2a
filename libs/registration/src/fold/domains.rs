//! What happens to domains.

use uuid::Uuid;

use crate::change::{Change, ChangeType};
use crate::command::{Outcome, Refusal};
use crate::directory::{DEFAULT_DOMAIN, Domain, DomainCreate, DomainDelete, DomainState};
use crate::fold::Placed;
use crate::row::{Kind, Row, RowKey, Rows};

/// The domain that an event is about, by its source.
pub(super) fn name(source: &str) -> &str {
    source.strip_prefix("/domains/").unwrap_or(source)
}

/// The domain of that name, if it is in use.
pub(super) fn active<'a>(rows: &'a Rows, name: &str) -> Option<&'a Domain> {
    match rows.get(&RowKey::new(Kind::Domain, name)) {
        Some(Row::Domain(domain)) if domain.is_active() => Some(domain),
        _ => None,
    }
}

/// Makes the domain that exists from the start.
pub(super) fn create_default(rows: &mut Rows, placed: &Placed) -> Change {
    let domain = Domain::new(Uuid::nil(), DEFAULT_DOMAIN.to_owned(), placed.recorded_time, placed.position);
    put(rows, ChangeType::DomainCreated, domain)
}

pub(super) fn create(rows: &mut Rows, placed: &Placed, create: &DomainCreate, changes: &mut Vec<Change>) -> Outcome {
    let name = create.domain.name.clone();
    let before = rows.get(&RowKey::new(Kind::Domain, &name));
    if matches!(before, Some(Row::Domain(domain)) if domain.state != DomainState::Purged) {
        return Outcome::Refused { reason: Refusal::NameTaken };
    }
    let id = placed.event.attributes.id;
    let domain = Domain::new(id, name.clone(), placed.recorded_time, placed.position);
    changes.push(put(rows, ChangeType::DomainCreated, domain));
    Outcome::Applied { id: name }
}

/// One change: what it owns is hidden by it, and not rewritten.
pub(super) fn delete(rows: &mut Rows, placed: &Placed, delete: &DomainDelete, changes: &mut Vec<Change>) -> Outcome {
    let name = &placed.event.attributes.subject;
    if name == DEFAULT_DOMAIN {
        return Outcome::Refused { reason: Refusal::DefaultDomain };
    }
    let Some(domain) = active(rows, name) else {
        return Outcome::Refused { reason: Refusal::NotFound };
    };
    let domain = Domain {
        state: DomainState::Deleted,
        deleted_time: Some(placed.recorded_time),
        purge_after: Some(delete.purge_after),
        ..domain.clone()
    };
    changes.push(put(rows, ChangeType::DomainDeleted, domain));
    Outcome::Applied { id: name.clone() }
}

/// Too early, or for the second time, it changes nothing. By its own time: ledger time follows from events that not everybody
/// who folds the directory reads. Nobody hears of it: for subscribers the domain was gone already.
pub(super) fn purge(rows: &mut Rows, placed: &Placed) -> Outcome {
    let key = RowKey::new(Kind::Domain, &placed.event.attributes.subject);
    match rows.get(&key) {
        Some(Row::Domain(domain)) if domain.is_due(placed.event.attributes.time) => {
            let domain = Domain { state: DomainState::Purged, ..domain.clone() };
            let id = domain.name.clone();
            rows.put(key, Row::Domain(domain));
            Outcome::Applied { id }
        }
        _ => Outcome::Refused { reason: Refusal::NotFound },
    }
}

fn put(rows: &mut Rows, kind: ChangeType, domain: Domain) -> Change {
    let change = Change::domain_of(kind, &domain);
    rows.put(change.row.clone(), Row::Domain(domain));
    change
}
