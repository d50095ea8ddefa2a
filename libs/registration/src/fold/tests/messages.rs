//! Quarantined messages: held, counted, and settled once.

use super::*;
use crate::quarantine::Quarantined;
use crate::row::Row;

fn message(story: &Story) -> &Quarantined {
    match story.rows.get(&RowKey::new(Kind::Quarantined, "q1")) {
        Some(Row::Quarantined(row)) => row,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_is_settled_only_while_it_is_held() {
    for (lines, standing) in [
        (&[("receive q1", "nothing")][..], "held 1"),
        (&[("receive q1", "nothing"), ("receive q1", "nothing")], "held 2"),
        (&[("receive q1", "nothing"), ("release q1", "applied")], "released 1"),
        (&[("receive q1", "nothing"), ("supersede q1", "applied")], "superseded 1"),
        (&[("receive q1", "nothing"), ("dismiss q1", "applied")], "dismissed 1"),
        (
            &[
                ("receive q1", "nothing"),
                ("release q1", "applied"),
                ("release q1", "refused: NotFound"),
                ("supersede q1", "refused: NotFound"),
                ("dismiss q1", "refused: NotFound"),
            ],
            "released 1",
        ),
        (
            &[
                ("receive q1", "nothing"),
                ("supersede q1", "applied"),
                ("release q1", "refused: NotFound"),
                ("dismiss q1", "refused: NotFound"),
            ],
            "superseded 1",
        ),
        (
            &[
                ("receive q1", "nothing"),
                ("dismiss q1", "applied"),
                ("release q1", "refused: NotFound"),
                ("supersede q1", "refused: NotFound"),
                ("dismiss q1", "refused: NotFound"),
            ],
            "dismissed 1",
        ),
        // one that comes again is held again
        (&[("receive q1", "nothing"), ("dismiss q1", "applied"), ("receive q1", "nothing")], "held 2"),
        (&[("receive q1", "nothing"), ("release q1", "applied"), ("receive q1", "nothing")], "held 2"),
        (
            &[
                ("receive q1", "nothing"),
                ("dismiss q1", "applied"),
                ("receive q1", "nothing"),
                ("release q1", "applied"),
            ],
            "released 2",
        ),
        // a command that was repeated is not another
        (
            &[
                ("receive q1", "nothing"),
                ("dismiss q1 key=k1", "applied"),
                ("receive q1", "nothing"),
                ("dismiss q1 key=k1", "nothing"),
            ],
            "held 2",
        ),
        // others are others
        (&[("receive q1", "nothing"), ("receive q2", "nothing"), ("dismiss q2", "applied")], "held 1"),
    ] {
        let story = Story::of(lines);
        let message = &message(&story).message;
        let found = format!("{} {}", message.state.as_str(), message.count);
        assert_eq!(found, standing, "{lines:#?}");
    }
}

#[test]
fn what_was_never_received_cannot_be_settled() {
    for line in ["release q1", "supersede q1", "dismiss q1"] {
        Story::of(&[(line, "refused: NotFound")]);
    }
}

#[test]
fn a_message_says_when_it_came_first_and_last_and_keeps_its_place() {
    let mut story = Story::of(&[("receive q1 at=10", "nothing")]);
    let (placed, _) = story.fold("receive q1 at=20");
    let row = message(&story);
    assert_eq!((row.message.first_time, row.message.last_time), (second(10), second(20)));
    assert_eq!((row.partition, row.position), (0, 2));
    assert_eq!(row.body.event, placed.event.attributes.id, "the body is the one that came last");
}
