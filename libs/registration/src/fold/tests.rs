use super::*;
use crate::story::{Story, named_id, place, second};

mod commands;
mod departments;
mod domains;
mod isl;
mod messages;
mod properties;
mod registrations;
mod repetitions;
mod settings;
mod subscriptions;
mod users;

#[test]
fn ledger_time_never_goes_back() {
    for (before, line, expected) in [
        (0, "notice at=5", 5),
        (9, "notice at=5", 9),
        (9, "notice at=5 released=20", 20),
        (30, "notice at=5 released=20", 30),
    ] {
        let placed = place(second(before), 7, line);
        assert_eq!(placed.recorded_time, second(expected), "{line} after {before}");
        assert_eq!(placed.event.attributes.time, second(5), "{line} after {before}");
    }
}

#[test]
fn the_time_of_a_change_is_ledger_time() {
    let mut story = Story::new();
    story.tell("notice at=50");
    story.tell("notice +3 at=40");
    let client = story.client();
    assert_eq!((client.registered_time, client.changed_time), (second(50), second(50)));
    story.tell("notice -3 at=60");
    let client = story.client();
    assert_eq!((client.registered_time, client.changed_time), (second(50), second(60)));
}

#[test]
fn a_reveal_is_an_event_that_changes_nothing() {
    let mut story = Story::of(&[("notice", "registered"), ("receive q1", "nothing")]);
    for (line, said, written) in [
        ("reveal", "nothing", 0),
        ("look q1", "nothing", 0),
        // that it was asked for has to be known again
        ("reveal key=k1", "applied", 1),
        ("look q1 key=k2", "applied", 1),
        ("reveal key=k1", "nothing", 0),
        ("look q1 key=k2", "nothing", 0),
    ] {
        story.rows.settle();
        assert_eq!(story.tell(line), said, "{line}");
        assert_eq!(story.rows.written().filter(|(key, _)| key.kind == Kind::Command).count(), written, "{line}");
        assert_eq!(story.rows.written().count(), written, "{line}");
    }
}
