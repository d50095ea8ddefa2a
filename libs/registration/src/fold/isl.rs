//! What an ISL system says: sessions are followed, and its own directory is kept as far as it speaks of it.

use std::collections::{BTreeMap, VecDeque};

use crate::change::{Change, ChangeType};
use crate::client::SealedSecret;
use crate::command::Outcome;
use crate::directory::Former;
use crate::fold::Placed;
use crate::fold::clients::integration_name;
use crate::fold::commands::leave;
use crate::isl::{
    DirectoryState, Fact, IslEvent, IslToken, Memory, NamedUser, SavedEvent, SeenToken, Session, SessionRow,
    SessionState, SourceDomain, SourceDomainRow, SourceUser, SourceUserRow, What, domain_key, session_key, user_key,
};
use crate::place::Place;
use crate::row::{Row, RowKey, Rows};

/// The rows that an HTTP event is about.
pub(super) fn rows_of_event(placed: &Placed, event: &IslEvent) -> Vec<RowKey> {
    let mut keys = rows_of_facts(placed, event.domain_id.as_deref(), &event.facts);
    keys.extend(session_of(placed, event));
    keys
}

/// The rows that a token is about.
pub(super) fn rows_of_token(placed: &Placed, token: &IslToken) -> Vec<RowKey> {
    rows_of_facts(placed, token.domain_id.as_deref(), &token.facts)
}

fn rows_of_facts(placed: &Placed, domain_id: Option<&str>, facts: &[Fact]) -> Vec<RowKey> {
    let integration = placed.integration_id();
    let users = facts.iter().filter_map(|fact| fact.user.as_ref());
    let users = users.map(|user| user_key(integration, domain_id, &user.id));
    [domain_key(integration, domain_id)].into_iter().chain(users).collect()
}

fn session_of(placed: &Placed, event: &IslEvent) -> Option<RowKey> {
    let session_id = event.session_id.as_deref()?;
    Some(session_key(placed.integration_id(), event.domain_id.as_deref(), &event.module, session_id))
}

/// A message that was among the last of its session, else of its domain, is a repetition and changes nothing.
pub(super) fn hear(rows: &mut Rows, placed: &Placed, event: &IslEvent) -> Vec<Change> {
    if placed.is_release() {
        leave(rows, placed, Outcome::Applied { id: placed.event.attributes.subject.clone() });
    }
    let mut source = SourceRow::take(rows, placed, event.domain_id.as_deref());
    let session = session_of(placed, event);
    let is_repeated = match &session {
        Some(key) => !follow(rows, placed, event, key),
        None => source.row.memory.is_repeated(&event.hash),
    };
    let mut changes = Vec::new();
    if !is_repeated {
        source.learn(rows, placed, &event.facts, &mut changes);
    }
    let is_heard = !is_repeated && (session.is_none() || !changes.is_empty());
    source.put(rows, is_heard);
    changes
}

/// A token that was believed before, and would be believed again, changes nothing. One that was in quarantine is believed as of
/// when it came.
pub(super) fn believe(rows: &mut Rows, placed: &Placed, token: &IslToken) -> Vec<Change> {
    let mut now = placed.recorded_time;
    if placed.is_release() {
        leave(rows, placed, Outcome::Applied { id: placed.event.attributes.subject.clone() });
        now = placed.event.attributes.time;
    }
    let mut source = SourceRow::take(rows, placed, token.domain_id.as_deref());
    let seen = SeenToken { token: token.token.clone(), until: token.until };
    let mut changes = Vec::new();
    let is_replayed = source.row.is_replayed(seen, now);
    if !is_replayed {
        source.learn(rows, placed, &token.facts, &mut changes);
    }
    source.put(rows, !is_replayed);
    changes
}

/// Follows the session of an event; whether the event is news to it.
fn follow(rows: &mut Rows, placed: &Placed, event: &IslEvent, key: &RowKey) -> bool {
    let mut row = match rows.take(key) {
        Some(Row::Session(row)) => row,
        _ => Box::new(new_session(placed, event)),
    };
    let is_news = !row.memory.is_repeated(&event.hash);
    if is_news {
        row.follow(&event.event, placed.recorded_time);
        if event.save {
            let sealed = SealedSecret { event: placed.event.attributes.id, sealed: event.body.clone() };
            let (time, sent_time) = (placed.event.attributes.time, event.sent_time);
            row.save(SavedEvent { event: event.event.clone(), sent_time, time, body: sealed });
        }
        rows.put(key.clone(), Row::Session(row));
    } else {
        rows.restore(key, Some(Row::Session(row)));
    }
    is_news
}

fn new_session(placed: &Placed, event: &IslEvent) -> SessionRow {
    let session = Session {
        id: event.session_id.clone().unwrap_or_default(),
        integration: integration_name(&placed.event.attributes.source).to_owned(),
        domain_id: event.domain_id.clone(),
        module: event.module.clone(),
        state: SessionState::Created,
        counts: BTreeMap::new(),
        first_time: placed.recorded_time,
        last_time: placed.recorded_time,
        started_time: None,
        ended_time: None,
    };
    SessionRow { session, saved: VecDeque::new(), memory: Memory::default(), at: at(placed) }
}

fn at(placed: &Placed) -> Place {
    Place { partition: placed.partition, position: placed.position }
}

/// The row of a domain of an ISL system while an event is folded.
struct SourceRow<'a> {
    key: RowKey,
    row: Box<SourceDomainRow>,
    domain_id: Option<&'a str>,
    /// Whether the row was there before.
    is_known: bool,
}

impl<'a> SourceRow<'a> {
    fn take(rows: &mut Rows, placed: &Placed, domain_id: Option<&'a str>) -> Self {
        let key = domain_key(placed.integration_id(), domain_id);
        let (row, is_known) = match rows.take(&key) {
            Some(Row::SourceDomain(row)) => (row, true),
            _ => (Box::new(new_domain(placed)), false),
        };
        Self { key, row, domain_id, is_known }
    }

    /// Puts the row back, written if it `is_changed`.
    fn put(self, rows: &mut Rows, is_changed: bool) {
        if is_changed {
            rows.put(self.key, Row::SourceDomain(self.row));
        } else {
            rows.restore(&self.key, self.is_known.then_some(Row::SourceDomain(self.row)));
        }
    }

    fn learn(&mut self, rows: &mut Rows, placed: &Placed, facts: &[Fact], changes: &mut Vec<Change>) {
        for fact in facts {
            match (fact.what, &fact.user) {
                (What::DomainDelete, _) => self.delete(placed, changes),
                (What::DomainCreate, _) => self.create(placed, changes),
                (what, Some(user)) => {
                    if what != What::UserDelete {
                        // who is made or brought back in it says that it is there
                        self.create(placed, changes);
                    }
                    self.learn_of_user(rows, placed, what, user, changes);
                }
                (_, None) => {}
            }
        }
    }

    fn state(&self) -> Option<DirectoryState> {
        self.row.domain.as_ref().map(|domain| domain.state)
    }

    fn create(&mut self, placed: &Placed, changes: &mut Vec<Change>) {
        if self.state() != Some(DirectoryState::Active) {
            self.change(placed, DirectoryState::Active, ChangeType::DomainCreated, changes);
        }
    }

    /// One change, however many users it has: they are deleted by it.
    fn delete(&mut self, placed: &Placed, changes: &mut Vec<Change>) {
        if self.state() != Some(DirectoryState::Deleted) {
            self.row.deleted_position = Some(placed.position);
            self.change(placed, DirectoryState::Deleted, ChangeType::DomainDeleted, changes);
        }
    }

    fn change(&mut self, placed: &Placed, state: DirectoryState, kind: ChangeType, changes: &mut Vec<Change>) {
        let domain = self.row.domain.get_or_insert_with(|| SourceDomain {
            id: self.key.id.clone(),
            integration: self.row.integration.clone(),
            domain_id: self.domain_id.map(str::to_owned),
            state,
            created_time: placed.recorded_time,
            changed_time: placed.recorded_time,
        });
        domain.state = state;
        domain.changed_time = placed.recorded_time;
        changes.push(Change::source_domain(kind, &self.key, &self.row.tenant, domain));
    }

    /// A user whose deletion or return is the first that is heard of them was there before: we were not.
    fn learn_of_user(
        &self,
        rows: &mut Rows,
        placed: &Placed,
        what: What,
        named: &NamedUser,
        changes: &mut Vec<Change>,
    ) {
        let key = user_key(placed.integration_id(), self.domain_id, &named.id);
        let before = match rows.take(&key) {
            Some(Row::SourceUser(row)) => Some(row),
            _ => None,
        };
        let is_active = before.as_ref().map(|row| self.has(row));
        let (state, kind) = match what {
            What::UserCreate => (DirectoryState::Active, ChangeType::UserCreated),
            What::UserUndelete => (DirectoryState::Active, ChangeType::UserUndeleted),
            _ => (DirectoryState::Deleted, ChangeType::UserDeleted),
        };
        if is_active == Some(state == DirectoryState::Active) {
            return rows.restore(&key, before.map(Row::SourceUser));
        }
        let mut row = match before {
            Some(mut row) => {
                let name = std::mem::replace(&mut row.name, sealed_name(placed, named));
                Former { until: placed.position, name: Some(name), email: None }.keep(&mut row.former);
                row
            }
            None => Box::new(self.new_user(placed, &key, named)),
        };
        row.user.state = state;
        row.user.changed_time = placed.recorded_time;
        row.changed_position = placed.position;
        changes.push(Change::source_user(kind, &key, &row));
        rows.put(key, Row::SourceUser(row));
    }

    /// Whether a user is there: not deleted, nor their domain since.
    fn has(&self, row: &SourceUserRow) -> bool {
        let outlived = self.row.deleted_position.is_none_or(|deleted| row.changed_position >= deleted);
        row.user.state == DirectoryState::Active && outlived
    }

    fn new_user(&self, placed: &Placed, key: &RowKey, named: &NamedUser) -> SourceUserRow {
        SourceUserRow {
            user: SourceUser {
                id: key.id.clone(),
                integration: self.row.integration.clone(),
                domain_id: self.domain_id.map(str::to_owned),
                state: DirectoryState::Active,
                created_time: placed.recorded_time,
                changed_time: placed.recorded_time,
            },
            tenant: self.row.tenant.clone(),
            name: sealed_name(placed, named),
            former: Vec::new(),
            changed_position: placed.position,
            at: at(placed),
        }
    }
}

fn sealed_name(placed: &Placed, named: &NamedUser) -> SealedSecret {
    SealedSecret { event: placed.event.attributes.id, sealed: named.name.clone() }
}

fn new_domain(placed: &Placed) -> SourceDomainRow {
    let attributes = &placed.event.attributes;
    SourceDomainRow {
        domain: None,
        integration: integration_name(&attributes.source).to_owned(),
        tenant: attributes.subject.clone(),
        memory: Memory::default(),
        tokens: VecDeque::new(),
        deleted_position: None,
        at: at(placed),
    }
}
