//! What an ISL system says of sessions, and of its own directory.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::change::{Change, ChangeType, Data};
use crate::isl::{Session, SessionRow, SessionState, SourceDomainRow, domain_key, session_key};
use crate::row::Row;
use crate::story::{named_id, second};

fn session(story: &Story, id: &str) -> SessionRow {
    let key = session_key(named_id("acme-lab"), Some("7"), "ISL_LIGHT", id);
    match story.rows.get(&key) {
        Some(Row::Session(row)) => (**row).clone(),
        other => panic!("no session {id} but {other:?}"),
    }
}

fn domain(story: &Story, id: &str) -> SourceDomainRow {
    match story.rows.get(&domain_key(named_id("acme-lab"), Some(id))) {
        Some(Row::SourceDomain(row)) => (**row).clone(),
        other => panic!("no domain {id} but {other:?}"),
    }
}

#[test]
fn users_and_domains_come_and_go_as_the_source_says() {
    Story::of(&[
        ("isl USER_CREATE user=ann hash=1", "domain.created, user.created"),
        ("isl USER_CREATE user=ann hash=2", "nothing"),
        ("isl USER_CREATE user=bob hash=3", "user.created"),
        ("isl USER_DELETE user=ann hash=4", "user.deleted"),
        ("isl USER_DELETE user=ann hash=5", "nothing"),
        ("isl USER_UNDELETE user=ann hash=6", "user.undeleted"),
        ("isl USER_UNDELETE user=ann hash=7", "nothing"),
        ("isl DOMAIN_DELETE hash=8", "domain.deleted"),
        ("isl DOMAIN_DELETE hash=9", "nothing"),
        // bob was deleted with his domain
        ("isl USER_DELETE user=bob hash=10", "nothing"),
        ("isl USER_CREATE user=bob hash=11", "domain.created, user.created"),
        ("isl USER_UNDELETE user=ann hash=12", "user.undeleted"),
        ("isl DOMAIN_CREATE hash=13", "nothing"),
        ("isl USER_CREATE user=ann domain=8 hash=1", "domain.created, user.created"),
        ("isl USER_CREATE user=ann in=acme-pay hash=1", "domain.created, user.created"),
    ]);
}

#[test]
fn who_is_heard_of_first_when_they_go_was_there_before() {
    Story::of(&[
        ("isl USER_DELETE user=ann hash=1", "user.deleted"),
        ("isl USER_UNDELETE user=bob hash=2", "domain.created, user.undeleted"),
        ("isl DOMAIN_DELETE domain=8 hash=1", "domain.deleted"),
    ]);
}

#[test]
fn a_released_message_has_an_outcome_that_a_repeated_release_finds() {
    Story::of(&[
        ("isl USER_CREATE user=ann hash=1 at=1 released=20 key=r1", "domain.created, user.created"),
        ("isl USER_CREATE user=bob hash=2 at=1 released=21 key=r2", "user.created"),
        ("isl JOIN session=s1 hash=3 at=1 released=22 key=r3", "applied"),
    ]);
}

#[test]
fn a_session_is_followed() {
    let mut story = Story::new();
    for (line, state) in [
        ("isl NEW_SESSION session=s1 hash=1", SessionState::Created),
        ("isl START session=s1 hash=2", SessionState::Started),
        ("isl JOIN session=s1 hash=3", SessionState::Started),
        ("isl JOIN session=s1 hash=4", SessionState::Started),
        ("isl STOP session=s1 hash=5", SessionState::Ended),
        ("isl RECONNECT session=s1 hash=6", SessionState::Started),
        ("isl TERMINATED session=s1 hash=7", SessionState::Ended),
    ] {
        assert_eq!(story.tell(line), "nothing", "{line}");
        assert_eq!(session(&story, "s1").session.state, state, "{line}");
    }
    let Session { counts, first_time, last_time, started_time, ended_time, .. } = session(&story, "s1").session;
    assert_eq!(counts["JOIN"], 2);
    assert_eq!(counts.values().sum::<u64>(), 7);
    assert_eq!((first_time, last_time), (second(2), second(8)));
    assert_eq!((started_time, ended_time), (Some(second(3)), Some(second(8))));
}

#[test]
fn sessions_of_domains_and_products_are_their_own() {
    let mut story = Story::new();
    for line in [
        "isl START session=s1 hash=1",
        "isl START session=s1 hash=1 domain=8",
        "isl START session=s1 hash=1 module=ISL_PRONTO",
        "isl START session=s2 hash=1",
        "isl START session=s1 hash=1 in=acme-pay",
    ] {
        story.tell(line);
    }
    assert_eq!(story.rows.of(Kind::Session).count(), 5);
}

#[test]
fn a_repeated_message_changes_nothing() {
    let mut story = Story::new();
    for (first, again) in [
        ("isl JOIN session=s1 hash=1 save", "isl JOIN session=s1 hash=1 save"),
        // while the key of the fingerprints is rotated a message has two
        ("isl LEAVE session=s1 hash=2,3", "isl LEAVE session=s1 hash=3,4"),
        ("isl MESSAGE hash=5", "isl MESSAGE hash=5"),
        ("isl USER_CREATE user=ann hash=6", "isl USER_CREATE user=bob hash=6"),
        ("jwt user_create user=bob jti=j1", "jwt user_delete user=bob jti=j1"),
    ] {
        story.tell(first);
        story.rows.settle();
        assert_eq!(story.tell(again), "nothing", "{again}");
        assert_eq!(story.rows.written().count(), 0, "{again}");
    }
    assert_eq!(session(&story, "s1").saved.len(), 1);
    // the same message in another session is another
    story.tell("isl JOIN session=s2 hash=1");
    assert_eq!(session(&story, "s2").session.counts["JOIN"], 1);
}

#[test]
fn the_last_64_messages_are_known_again() {
    let mut story = Story::new();
    for number in 0..=64 {
        story.tell(&format!("isl JOIN session=s1 hash={number}"));
    }
    story.tell("isl JOIN session=s1 hash=1");
    assert_eq!(session(&story, "s1").session.counts["JOIN"], 65);
    story.tell("isl JOIN session=s1 hash=0");
    assert_eq!(session(&story, "s1").session.counts["JOIN"], 66, "that was forgotten");
}

#[test]
fn a_token_is_known_again_until_it_expires() {
    Story::of(&[
        ("jwt user_create user=ann jti=1 until=20", "domain.created, user.created"),
        ("jwt user_delete user=ann jti=2 until=20 at=18", "user.deleted"),
        ("jwt user_create user=ann jti=1 until=20 at=19", "nothing"),
        ("jwt user_create user=ann jti=1 until=20 at=20", "user.created"),
        ("jwt user_delete user=ann jti=3", "user.deleted"),
        ("jwt user_delete user=ann jti=3 at=9999", "nothing"),
    ]);
}

#[test]
fn tokens_are_remembered_within_bounds_and_the_first_to_expire_is_forgotten() {
    let mut story = Story::new();
    for number in 0..1_030 {
        story.tell(&format!("jwt user_create user=ann jti={number} until={} at=5", 10_000 - number));
    }
    story.tell("jwt user_create user=ann jti=lasting at=5");
    let known = domain(&story, "7").tokens;
    assert_eq!(known.len(), 1_024);
    let first = known.iter().filter_map(|token| token.until).min();
    assert_eq!(first, Some(second(10_000 - 1_022)));
}

#[test]
fn a_session_keeps_its_last_events_if_the_event_says_so() {
    let mut story = Story::new();
    for number in 0..1_010 {
        story.tell(&format!("isl MESSAGE session=s1 hash={number} save"));
        story.tell(&format!("isl MESSAGE session=s2 hash={number}"));
    }
    let saved = session(&story, "s1").saved;
    assert_eq!(saved.len(), 1_000);
    assert_eq!(saved.back().unwrap().time, second(2 + 2 * 1_009));
    assert!(session(&story, "s2").saved.is_empty());
}

#[test]
fn names_of_events_are_counted_within_bounds() {
    let mut story = Story::new();
    for number in 0..100 {
        story.tell(&format!("isl E{number} session=s1 hash={number}"));
    }
    let counts = session(&story, "s1").session.counts;
    assert_eq!((counts.len(), counts["OTHERS"]), (65, 36));
}

#[test]
fn changes_name_integration_and_tenant_and_no_user() {
    let mut story = Story::new();
    let (placed, changes) = story.fold("isl USER_CREATE user=ann hash=1");
    for (change, ordinal) in changes.iter().zip(0..) {
        let event = change.cloud_event("l1", &placed, ordinal);
        assert_eq!((&*event.source, event.subject), ("/integrations/acme-lab", "isl:acme-lab/7"));
        let json = serde_json::to_value(&event).unwrap();
        let row = json["data"].get("user").or_else(|| json["data"].get("domain")).unwrap();
        assert_eq!(
            (&row["integration"], &row["domain_id"], &row["state"]),
            (&"acme-lab".into(), &"7".into(), &"active".into())
        );
        assert!(!json.to_string().contains("ann") && !json.to_string().contains("sealed"), "{json}");
    }
}

/// Messages of two users, two domains and two sessions, often repeated.
fn line() -> impl Strategy<Value = String> {
    let what = "(USER_CREATE|USER_DELETE|USER_UNDELETE) user=(ann|bob)|(DOMAIN_CREATE|DOMAIN_DELETE)|JOIN|START|STOP";
    let about = "( domain=8)?( session=s[12])?( save)?";
    let heard = (what, about, 0..200_u8).prop_map(|(what, about, hash)| format!("isl {what}{about} hash={hash}"));
    let what = "(user_create|user_delete|user_undelete) user=(ann|bob)|(domain_create|domain_delete)";
    let believed = (what, 0..40_u8, prop::option::of(0..90_u8)).prop_map(|(what, jti, until)| {
        let mut line = format!("jwt {what} jti={jti}");
        until.into_iter().for_each(|until| write!(line, " until={until}").unwrap());
        line
    });
    prop_oneof![2 => heard, 1 => believed]
}

/// Whether each user is there, by what the changes say alone.
fn followed(changes: &[Change]) -> std::collections::BTreeMap<(Option<String>, String), bool> {
    let mut users = std::collections::BTreeMap::new();
    for change in changes {
        match &change.data {
            Data::SourceUser(data) => {
                let key = (data.user.domain_id.clone(), data.user.id.clone());
                let is_there = change.kind != ChangeType::UserDeleted;
                let before = users.insert(key, is_there);
                assert_ne!(before, Some(is_there), "{change:?}");
            }
            Data::SourceDomain(data) if change.kind == ChangeType::DomainDeleted => {
                let mine = users.iter_mut().filter(|((domain, _), _)| *domain == data.domain.domain_id);
                mine.for_each(|(_, is_there)| *is_there = false);
            }
            _ => {}
        }
    }
    users
}

proptest! {
    #[test]
    fn every_message_repeated_at_once_changes_nothing(lines in prop::collection::vec(line(), 1..40)) {
        let mut story = Story::new();
        for line in &lines {
            story.tell(line);
            story.rows.settle();
            // one of its name may end between the two
            let name = line.split(' ').find(|word| word.starts_with("jti="));
            let ends = |other: &String| name.is_some_and(|name| other.split(' ').any(|word| word == name)) && other.contains("until=");
            if !lines.iter().any(ends) {
                prop_assert_eq!(story.tell(line), "nothing");
                prop_assert_eq!(story.rows.written().count(), 0);
            }
        }
    }

    #[test]
    fn what_changes_say_of_users_can_be_followed(lines in prop::collection::vec(line(), 0..60)) {
        let mut story = Story::new();
        let changes: Vec<_> = lines.iter().flat_map(|line| story.fold(line).1).collect();
        followed(&changes);
    }
}

#[test]
fn a_user_who_comes_back_under_another_spelling_was_called_otherwise_before() {
    let mut story = Story::new();
    for line in ["USER_CREATE user=ann hash=1", "USER_DELETE user=ann hash=2", "USER_UNDELETE user=ann hash=3"] {
        story.tell(&format!("isl {line}"));
    }
    let rows: Vec<_> = story.rows.of(Kind::SourceUser).cloned().collect();
    let [Row::SourceUser(row)] = rows.as_slice() else { panic!("{rows:?}") };
    let said: Vec<_> = [2, 3, 4].map(|position| (**row).clone().as_of(position).name.event).to_vec();
    assert_eq!(said.len(), 3);
    assert_eq!(said[2], row.name.event);
    assert!(said[0] != said[1] && said[1] != said[2], "{said:?}");
}

#[test]
fn a_token_that_is_released_is_believed_as_of_when_it_came() {
    Story::of(&[
        ("jwt user_create user=ann jti=j1 until=1050 at=1010", "domain.created, user.created"),
        ("jwt user_delete user=ann jti=j2 until=1050 at=1020", "user.deleted"),
        // it came once more, and was kept; its time is over, but then it was a replay
        ("jwt user_create user=ann jti=j1 until=1050 at=1030 released=1100 key=r1", "applied"),
        ("jwt user_create user=bob jti=j3 until=1050 at=1030 released=1101 key=r2", "user.created"),
        ("jwt user_create user=bob jti=j3 until=1050 at=1030 released=1102 key=r2", "nothing"),
    ]);
}
