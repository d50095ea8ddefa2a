//! What is known of an ISL system: its sessions, and its own directory of domains and users.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::client::SealedSecret;
use crate::directory::Former;
use crate::place::Place;
use crate::row::{Columns, Kind, RowKey, short_hash};

/// Messages remembered for each session, and for each domain, to know a repetition.
const REMEMBERED_MESSAGES: usize = 64;

/// Tokens remembered for each domain while they would be believed. Beyond that the earliest to expire are forgotten.
const REMEMBERED_TOKENS: usize = 1_024;

/// Events that a session keeps, and how many characters of ciphertext: the oldest go first.
const SAVED_EVENTS: usize = 1_000;
const SAVED_CHARACTERS: usize = 512 * 1024;

/// Names of events that a session counts; those beyond are counted together.
const COUNTED_NAMES: usize = 64;

/// Under which name those are counted.
const OTHERS: &str = "OTHERS";

/// Whether a session has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// It was made, and waits.
    Created,
    /// It has started.
    Started,
    /// It has ended.
    Ended,
}

impl SessionState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Started => "started",
            Self::Ended => "ended",
        }
    }

    /// The state that an event leads to; none if it says nothing of it.
    fn after(event: &str) -> Option<Self> {
        Some(match event {
            "NEW_SESSION" | "SESSION_CREATE" | "CODE" | "GET_CODE" => Self::Created,
            "START" | "RECONNECT" | "SESSION_START" | "SESSION_ACTIVE" => Self::Started,
            "STOP" | "END" | "TERMINATED" | "INVALID" | "SESSION_STOP" | "SESSION_END" | "SESSION_DELETE" => {
                Self::Ended
            }
            _ => return None,
        })
    }
}

/// A session or chat of an ISL system, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// Its id in the ISL system.
    pub id: String,
    /// Name of the integration.
    pub integration: String,
    /// The domain of the ISL system.
    pub domain_id: Option<String>,
    /// The product.
    pub module: String,
    /// Whether it has begun.
    pub state: SessionState,
    /// How many events of each name there were.
    pub counts: BTreeMap<String, u64>,
    /// When it was heard of first.
    pub first_time: Timestamp,
    /// When it was heard of last.
    pub last_time: Timestamp,
    /// When it started.
    pub started_time: Option<Timestamp>,
    /// When it ended; none while it goes on.
    pub ended_time: Option<Timestamp>,
}

/// A session with what only the fold and the edge need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRow {
    /// What readers see.
    pub session: Session,
    /// Its events, where the setting says that they are kept.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub saved: VecDeque<SavedEvent>,
    /// Its last messages.
    pub memory: Memory,
    /// Where it was heard of first.
    pub at: Place,
}

/// An event that a session keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedEvent {
    /// What happened.
    pub event: String,
    /// When ISL says that it happened.
    pub sent_time: Option<Timestamp>,
    /// When it was received.
    pub time: Timestamp,
    /// The form.
    pub body: SealedSecret,
}

/// The last messages, by the keyed fingerprints of each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory(VecDeque<Vec<String>>);

impl Memory {
    /// Whether the message is a repetition; if not it is remembered.
    pub(crate) fn is_repeated(&mut self, hash: &[String]) -> bool {
        if self.0.iter().flatten().any(|known| hash.contains(known)) {
            return true;
        }
        if self.0.len() == REMEMBERED_MESSAGES {
            self.0.pop_front();
        }
        self.0.push_back(hash.to_vec());
        false
    }
}

impl SessionRow {
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns {
            integration: Some(&self.session.integration),
            // a session has no tenant that it is found by, but an id in a system of its own
            tenant: Some(&self.session.id),
            state: Some(self.session.state.as_str()),
            partition: self.at.partition,
            position: self.at.position,
            ..Columns::default()
        }
    }

    /// Counts an event, and follows it.
    pub(crate) fn follow(&mut self, event: &str, time: Timestamp) {
        let session = &mut self.session;
        let is_counted = session.counts.contains_key(event) || session.counts.len() < COUNTED_NAMES;
        let name = if is_counted { event } else { OTHERS };
        *session.counts.entry(name.to_owned()).or_default() += 1;
        session.last_time = time;
        match SessionState::after(event) {
            Some(SessionState::Started) => {
                session.state = SessionState::Started;
                session.started_time.get_or_insert(time);
                session.ended_time = None;
            }
            Some(SessionState::Ended) => {
                session.state = SessionState::Ended;
                session.ended_time.get_or_insert(time);
            }
            // a code can be asked for again while the session runs
            Some(SessionState::Created) | None => {}
        }
    }

    /// Keeps an event; the oldest make room.
    pub(crate) fn save(&mut self, event: SavedEvent) {
        let size = |event: &SavedEvent| event.body.sealed.sealed.ct.len();
        self.saved.push_back(event);
        let mut kept: usize = self.saved.iter().map(size).sum();
        while self.saved.len() > SAVED_EVENTS || (kept > SAVED_CHARACTERS && self.saved.len() > 1) {
            kept -= self.saved.pop_front().as_ref().map_or(0, size);
        }
    }
}

/// Whether something is in the directory of its system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DirectoryState {
    /// It is.
    Active,
    /// It was deleted there.
    Deleted,
}

impl DirectoryState {
    fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deleted => "deleted",
        }
    }
}

/// A domain of an ISL system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceDomain {
    /// A hash of integration and domain.
    pub id: String,
    /// Name of the integration.
    pub integration: String,
    /// Its id in the ISL system.
    pub domain_id: Option<String>,
    /// Whether it was deleted there.
    pub state: DirectoryState,
    /// When it was heard of first.
    pub created_time: Timestamp,
    /// When it was changed last.
    pub changed_time: Timestamp,
}

/// A user of an ISL system. The name is nobody's business but of those who ask for it at the edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceUser {
    /// A hash of integration, domain and keyed fingerprint of the name.
    pub id: String,
    /// Name of the integration.
    pub integration: String,
    /// The id of its domain in the ISL system.
    pub domain_id: Option<String>,
    /// Whether it was deleted there.
    pub state: DirectoryState,
    /// When it was heard of first.
    pub created_time: Timestamp,
    /// When it was changed last.
    pub changed_time: Timestamp,
}

/// A domain of an ISL system with what only the fold needs: what it heard last that is of no session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDomainRow {
    /// What readers see; none before anything of the directory was heard.
    pub domain: Option<SourceDomain>,
    /// Name of the integration.
    pub integration: String,
    /// Its tenant.
    pub tenant: String,
    /// Its last messages that were of no session.
    pub memory: Memory,
    /// Its last tokens.
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    pub tokens: VecDeque<SeenToken>,
    /// Where it was deleted last: its users were deleted there too.
    pub deleted_position: Option<u64>,
    /// Where it was heard of first.
    pub at: Place,
}

/// A user of an ISL system with what only the fold and the edge need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceUserRow {
    /// What readers see.
    pub user: SourceUser,
    /// Its tenant: the keys of its domain seal its name.
    pub tenant: String,
    /// Name and e-mail address as they came last.
    pub name: SealedSecret,
    /// How they came before, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<Former>,
    /// Where it was changed last.
    pub changed_position: u64,
    /// Where it was heard of first.
    pub at: Place,
}

/// A token that was believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenToken {
    /// Its keyed fingerprints.
    pub token: Vec<String>,
    /// Until when it would be believed again.
    pub until: Option<Timestamp>,
}

impl SourceDomainRow {
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns {
            integration: Some(&self.integration),
            tenant: Some(&self.tenant),
            state: self.domain.as_ref().map(|domain| domain.state.as_str()),
            partition: self.at.partition,
            position: self.at.position,
            ..Columns::default()
        }
    }

    /// Whether the token was believed before and has not expired since; if not it is remembered.
    pub(crate) fn is_replayed(&mut self, seen: SeenToken, now: Timestamp) -> bool {
        let is_believed = |known: &SeenToken| known.until.is_none_or(|until| now < until);
        let mut believed = self.tokens.iter().filter(|known| is_believed(known)).flat_map(|known| &known.token);
        if believed.any(|known| seen.token.contains(known)) {
            return true;
        }
        self.tokens.retain(is_believed);
        if self.tokens.len() == REMEMBERED_TOKENS {
            let until = |index: &usize| self.tokens.get(*index).and_then(|known| known.until);
            let first =
                (0..self.tokens.len()).min_by_key(|index| until(index).map_or((1, None), |until| (0, Some(until))));
            first.and_then(|index| self.tokens.remove(index));
        }
        self.tokens.push_back(seen);
        false
    }
}

impl SourceUserRow {
    /// With the name that it had at a position: what is told of that again is told as it was told first.
    #[must_use]
    pub fn as_of(mut self, position: u64) -> Self {
        if let Some(name) = Former::at(&self.former, position).and_then(|former| former.name.clone()) {
            self.name = name;
        }
        self
    }

    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns {
            integration: Some(&self.user.integration),
            tenant: Some(&self.tenant),
            state: Some(self.user.state.as_str()),
            partition: self.at.partition,
            position: self.at.position,
            ..Columns::default()
        }
    }
}

/// The row of a session. One id in two domains, or of two products, is two sessions: an event of one never writes what
/// belongs to another partition.
pub fn session_key(integration: Uuid, domain_id: Option<&str>, module: &str, session_id: &str) -> RowKey {
    RowKey::new(Kind::Session, hashed('s', integration, &[domain_id.unwrap_or_default(), module, session_id]))
}

/// The row of a domain of an ISL system.
pub fn domain_key(integration: Uuid, domain_id: Option<&str>) -> RowKey {
    RowKey::new(Kind::SourceDomain, hashed('d', integration, &[domain_id.unwrap_or_default()]))
}

/// The row of a user of an ISL system; `id` is the keyed fingerprint of the name.
pub fn user_key(integration: Uuid, domain_id: Option<&str>, id: &str) -> RowKey {
    RowKey::new(Kind::SourceUser, hashed('u', integration, &[domain_id.unwrap_or_default(), id]))
}

fn hashed(letter: char, integration: Uuid, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(integration.as_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("{letter}{}", short_hash(&hash.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::super::loose::normal;
    use super::*;

    #[test]
    fn a_session_begins_and_ends_however_that_is_written() {
        let after = |event: &str| SessionState::after(&normal(event).unwrap());
        for (state, events) in [
            (Some(SessionState::Started), "start|START|SessionStart|SESSION START|session-start|SESSION_START"),
            (Some(SessionState::Ended), "stop|SessionStop|SESSION STOP|session-stop|SESSION_STOP|Session_Stop"),
            (Some(SessionState::Ended), "End|SessionEnd|SESSION END|session-end|SESSION_END|sessionend"),
            (None, "message|starting|endless|session"),
        ] {
            for event in events.split('|') {
                assert_eq!(after(event), state, "{event}");
            }
        }
    }
}
