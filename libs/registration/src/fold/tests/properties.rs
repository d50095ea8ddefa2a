//! What holds for any story.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;
use crate::change::{Change, ChangeType, Data};
use crate::client::{Client, ClientState};
use crate::command::{Outcome, Refusal};
use crate::row::Row;
use crate::story::{BEGINNING, LEDGER};

/// Departments in a notice, listed, added and removed, each or none.
fn departments() -> impl Strategy<Value = String> {
    let list = prop::option::weighted(0.3, prop::collection::vec(1..5_i64, 0..4));
    let id = || prop::option::weighted(0.3, 1..5_i64);
    (list, id(), id()).prop_map(|(list, adds, removes)| {
        let list = list.map_or(String::new(), |ids| serde_json::json!(ids).to_string());
        let adds = adds.map_or(String::new(), |id| format!("+{id}"));
        let removes = removes.map_or(String::new(), |id| format!("-{id}"));
        format!("{list} {adds} {removes}")
    })
}

/// One of three clients, one of them in two spellings.
fn whose() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("provet_id=1234"), Just("provet_id=1.234e3"), Just("provet_id=1235"), Just("in=acme-pay"),]
}

fn notice() -> impl Strategy<Value = String> {
    let secret = prop_oneof![Just("s1"), Just("s1,s2"), Just("s2"), Just("null")];
    let algorithm = prop_oneof![5 => Just("\"RS256\""), 1 => Just("null")];
    let fields = (secret, algorithm).prop_map(|(secret, algorithm)| format!("secret={secret} algorithm={algorithm}"));
    let key = prop_oneof![2 => Just(String::new()), 1 => (0..4).prop_map(|key| format!("key=n{key}"))];
    // what is released was received at a time of its own
    let times = prop_oneof![
        2 => Just(String::new()),
        2 => (0..60).prop_map(|at| format!("at={at}")),
        1 => (0..60, 60..90).prop_map(|(at, then)| format!("at={at} released={then}")),
    ];
    (whose(), departments(), fields, key, times).prop_map(|(whose, departments, fields, key, times)| {
        format!("notice {whose} {departments} {fields} {key} {times}")
    })
}

/// A command, perhaps repeated with its key. Those of the directory share keys among themselves.
fn command() -> impl Strategy<Value = String> {
    let verbs = prop_oneof![
        whose().prop_map(|whose| (format!("retire {whose}"), "c")),
        whose().prop_map(|whose| (format!("reveal {whose}"), "c")),
        "(receive|release|supersede|dismiss|look) q[12]".prop_map(|line| (line, "c")),
        "(create|update|delete) (acme-lab|b|c)( owner=[xy])?".prop_map(|line| (line, "d")),
        "create (b|c) domain=(default|nowhere)".prop_map(|line| (line, "d")),
        "rotate (acme-lab|b|c) hash=h[12]".prop_map(|line| (line, "d")),
        "(domain|undomain|purge-domain) b( at=9[0-9])?".prop_map(|line| (line, "d")),
        "create d domain=b".prop_map(|line| (line, "d")),
        "(user|unuser|reuser|purge|password) u[12] name=(ann|bob)( due=[1-9]0)?".prop_map(|line| (line, "d")),
        "(rename|email) u[12] name=(ann|bob)".prop_map(|line| (line, "d")),
        "isl (JOIN|STOP|(USER_CREATE|USER_DELETE) user=(ann|bob)|DOMAIN_DELETE)( session=s[12])?( save)? hash=[1-9]"
            .prop_map(|line| (line, "i")),
        "jwt (user_create|user_delete) user=(ann|bob) jti=[1-9]( until=[1-9])?".prop_map(|line| (line, "i")),
        "(set|unset) (jwt_webhook.(url|private_key)|http_events.save_into_sessions) (yes|no)( domain=(default|nowhere))?"
            .prop_map(|line| (line, "d")),
        "(token|revoke) t[12]".prop_map(|line| (line, "d")),
        "(genesis l[12]|restore e[12] heads=\\[[1-9]\\])".prop_map(|line| (line, "d")),
    ];
    (verbs, prop::option::weighted(0.3, 0..3_u8)).prop_map(|((line, pool), key)| match key {
        Some(key) => format!("{line} key={pool}{key}"),
        None => line,
    })
}

/// Lines after the beginning, mostly notices.
fn lines() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(prop_oneof![3 => notice(), 2 => command()], 0..40)
}

/// The events of a whole story, from the beginning.
fn events(lines: &[String]) -> Vec<Placed> {
    let mut ledger_time = Timestamp::MIN;
    let lines = BEGINNING.into_iter().chain(lines.iter().map(String::as_str));
    lines
        .zip(0..)
        .map(|(line, position)| {
            let placed = place(ledger_time, position, line);
            ledger_time = placed.recorded_time;
            placed
        })
        .collect()
}

/// A state store: rows as JSON.
type Store = BTreeMap<RowKey, Vec<u8>>;

/// Folds batches as a projector does, from store to store; answers the changes as subscribers get
/// them. After a batch, `keeps` says whether the rows are still held for the next one.
fn project(store: &mut Store, batches: &[&[Placed]], keeps: &[bool]) -> Vec<String> {
    let mut rows = Rows::default();
    let mut stream = Vec::new();
    for (batch, keeps) in batches.iter().zip(keeps.iter().chain([false].iter().cycle())) {
        for key in batch.iter().flat_map(Placed::rows) {
            if !rows.holds(&key) {
                let row = store.get(&key).map(|json| Row::from_json(key.kind, json).unwrap());
                rows.know(key, row);
            }
        }
        for placed in *batch {
            for (change, ordinal) in fold(&mut rows, placed).iter().zip(0..) {
                let event = change.cloud_event(LEDGER, placed, ordinal);
                stream.push(serde_json::to_string(&event).unwrap());
            }
        }
        for (key, row) in rows.written() {
            store.insert(key.clone(), row.to_json().unwrap());
        }
        rows.settle();
        if !keeps {
            rows.clear();
        }
    }
    stream
}

/// Splits events into batches of these lengths, and a last one of what is left.
fn split<'a>(mut events: &'a [Placed], lengths: &[usize]) -> Vec<&'a [Placed]> {
    let mut batches = Vec::new();
    for length in lengths {
        let (batch, rest) = events.split_at(events.len().min(*length));
        batches.push(batch);
        events = rest;
    }
    batches.push(events);
    batches
}

/// Tells a whole story; answers each event with its changes, and the rows.
fn told(lines: &[String]) -> (Vec<(Placed, Vec<Change>)>, Story) {
    let mut story = Story::untold();
    let lines = BEGINNING.into_iter().chain(lines.iter().map(String::as_str));
    let folded = lines.map(|line| story.fold(line)).collect();
    (folded, story)
}

fn client_of(change: &Change) -> Option<&Client> {
    match &change.data {
        Data::Client(data) => Some(&data.client),
        _ => None,
    }
}

fn clients(rows: &Rows) -> HashMap<String, Client> {
    rows.of(Kind::Client)
        .map(|row| match row {
            Row::Client(row) => (row.client.id.clone(), row.client.as_ref().clone()),
            other => panic!("{other:?}"),
        })
        .collect()
}

/// What a subscriber makes of a client by what each change says, without its row.
#[derive(Debug, Default, PartialEq)]
struct Followed {
    departments: Vec<i64>,
    is_active: bool,
    is_retired: bool,
}

impl Followed {
    fn follow(&mut self, change: &Change) {
        let Data::Client(data) = &change.data else {
            return;
        };
        let named = data.departments.as_deref().unwrap_or_default();
        match change.kind {
            ChangeType::ClientRegistered => {
                self.departments = data.client.departments.clone().unwrap_or_default();
                self.is_active = data.client.state == ClientState::Active;
            }
            ChangeType::ClientDepartmentsAdded => {
                assert!(named.iter().all(|id| !self.departments.contains(id)), "{change:?}");
                self.departments.extend(named);
                self.departments.sort_unstable();
            }
            ChangeType::ClientDepartmentsRemoved => {
                self.departments.retain(|id| !named.contains(id));
            }
            ChangeType::ClientDeactivated => {
                assert!(self.is_active, "{change:?}");
                self.is_active = false;
            }
            ChangeType::ClientReactivated => {
                assert!(!self.is_active, "{change:?}");
                (self.is_active, self.is_retired) = (true, false);
            }
            ChangeType::ClientRetired => (self.is_active, self.is_retired) = (false, true),
            _ => {}
        }
    }
}

/// The place of a change's type in the order of the design.
fn rank(kind: ChangeType) -> usize {
    ChangeType::ALL.iter().position(|other| *other == kind).unwrap()
}

proptest! {
    #[test]
    fn a_replay_gives_the_same_rows_and_changes(lines in lines()) {
        let events = events(&lines);
        let (mut first, mut second) = (Store::new(), Store::new());
        let stream = project(&mut first, &[&events], &[]);
        prop_assert_eq!(project(&mut second, &[&events], &[]), stream);
        prop_assert_eq!(second, first);
    }

    #[test]
    fn batches_and_reloads_change_nothing(
        lines in lines(),
        lengths in prop::collection::vec(0..6_usize, 0..20),
        keeps in prop::collection::vec(any::<bool>(), 20),
    ) {
        let events = events(&lines);
        let (mut whole, mut pieces) = (Store::new(), Store::new());
        let stream = project(&mut whole, &[&events], &[]);
        prop_assert_eq!(project(&mut pieces, &split(&events, &lengths), &keeps), stream);
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn the_last_notice_repeated_changes_nothing_unless_its_client_was_retired(
        lines in lines(), last in notice(), between in prop::option::of(command()),
    ) {
        let (_, mut story) = told(&lines);
        let (placed, _) = story.fold(&last);
        if let Some(between) = &between {
            story.tell(between);
        }
        let id = placed.rows()[0].id.clone();
        let before = clients(&story.rows).remove(&id).unwrap();
        let is_superseded = placed.event.attributes.time < story.row(&last).notice_time
            && placed.event.attributes.recorded_time.is_some();
        let (_, changes) = story.fold(&last);
        let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
        if before.state == ClientState::Retired && !is_superseded {
            prop_assert!(kinds.contains(&ChangeType::ClientReactivated), "{:?}", kinds);
        } else {
            prop_assert_eq!(kinds, []);
            prop_assert_eq!(&clients(&story.rows)[&id], &before);
        }
    }

    #[test]
    fn a_release_is_superseded_if_and_only_if_a_newer_notice_came_before_it(lines in lines()) {
        let mut story = Story::new();
        let mut due: HashMap<String, bool> = HashMap::new();
        for line in &lines {
            let last = line.starts_with("notice").then(|| story.last_notice(line)).flatten();
            let (placed, _) = story.fold(line);
            if placed.is_release() {
                let superseded = last.is_some_and(|last| placed.event.attributes.time < last);
                due.entry(command_key(&placed.event.attributes).id).or_insert(superseded);
            }
        }
        for (id, superseded) in due {
            let Some(Row::Command(row)) = story.rows.get(&RowKey::new(Kind::Command, id)) else {
                return Err(TestCaseError::fail("a release without an outcome"));
            };
            let is_so = matches!(row.outcome, Outcome::Refused { reason: Refusal::Superseded });
            prop_assert_eq!(is_so, superseded);
        }
    }

    #[test]
    fn each_changes_row_stands_where_its_event_does(lines in lines()) {
        for (placed, changes) in told(&lines).0 {
            for client in changes.iter().filter_map(client_of) {
                prop_assert_eq!((client.partition, client.position), (0, placed.position));
                prop_assert_eq!(client.changed_time, placed.recorded_time);
            }
        }
    }

    #[test]
    fn the_last_change_of_each_client_holds_its_row(lines in lines()) {
        let (folded, story) = told(&lines);
        let changes = folded.iter().flat_map(|(_, changes)| changes);
        let last: HashMap<String, Client> = changes
            .filter_map(client_of)
            .map(|client| (client.id.clone(), client.clone()))
            .collect();
        prop_assert_eq!(last, clients(&story.rows));
    }

    #[test]
    fn what_changes_say_can_be_followed_without_their_rows(lines in lines()) {
        let (folded, story) = told(&lines);
        let mut followed: HashMap<&str, Followed> = HashMap::new();
        for change in folded.iter().flat_map(|(_, changes)| changes) {
            if let Some(client) = client_of(change) {
                followed.entry(&client.id).or_default().follow(change);
            }
        }
        for (id, client) in clients(&story.rows) {
            let expected = Followed {
                departments: client.departments.unwrap_or_default(),
                is_active: client.state == ClientState::Active,
                is_retired: client.state == ClientState::Retired,
            };
            prop_assert_eq!(&followed[&*id], &expected);
        }
    }

    #[test]
    fn the_changes_of_a_notice_come_in_order_each_once(lines in lines()) {
        for (placed, changes) in told(&lines).0 {
            let kinds: Vec<_> = changes.iter().map(|change| change.kind).collect();
            if kinds.contains(&ChangeType::ClientRegistered) {
                prop_assert_eq!(kinds.len(), 1);
            }
            let both = [ChangeType::ClientReactivated, ChangeType::ClientDeactivated];
            let ends_retirement = kinds.ends_with(&both);
            let kinds = &kinds[..kinds.len() - usize::from(ends_retirement)];
            let is_ordered = kinds.is_sorted_by(|a, b| rank(*a) < rank(*b));
            prop_assert!(is_ordered, "{:?}: {:?}", placed.event, kinds);
        }
    }

    #[test]
    fn a_state_follows_from_departments_unless_retired(lines in lines()) {
        for client in clients(&told(&lines).1.rows).values() {
            let expected = match &client.departments {
                _ if client.state == ClientState::Retired => ClientState::Retired,
                Some(ids) if ids.is_empty() => ClientState::Inactive,
                _ => ClientState::Active,
            };
            prop_assert_eq!(client.state, expected);
            let ids = client.departments.as_deref().unwrap_or_default();
            prop_assert!(ids.is_sorted_by(|a, b| a < b), "{:?}", ids);
        }
    }
}
