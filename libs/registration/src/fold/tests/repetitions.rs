//! Repetitions: what is no new fact, and what comes too late to be one.

use super::*;
use crate::client::REMEMBERED_KEYS;
use crate::command::{Outcome, Refusal};
use crate::row::Row;

#[test]
fn a_notice_identical_to_the_last_changes_nothing() {
    for notice in ["notice", "notice []", "notice [1,2] +3 -1", "notice -1", "notice [1] secret=null"] {
        let mut story = Story::of(&[(notice, "registered")]);
        let before = story.client().clone();
        for again in ["", "key=k1", "at=99"] {
            assert_eq!(story.tell(&format!("{notice} {again}")), "nothing", "{notice} {again}");
        }
        assert_eq!(*story.client(), before, "{notice}");
    }
}

#[test]
fn what_was_so_before_the_last_notice_is_a_new_fact() {
    Story::of(&[
        ("notice +1", "registered"),
        ("notice -1", "departments_removed [1], deactivated"),
        ("notice +1", "departments_added [1], reactivated"),
        ("notice secret=s2", "updated client_secret"),
        ("notice secret=s1", "updated client_secret"),
    ]);
}

#[test]
fn a_redelivered_notice_changes_nothing() {
    Story::of(&[
        ("notice +1 key=k1", "registered"),
        ("notice -1 key=k2", "departments_removed [1], deactivated"),
        ("notice +1 key=k1", "nothing"),
        ("notice +1 key=k3", "departments_added [1], reactivated"),
        ("notice -1 key=k2", "nothing"),
        ("notice -1", "departments_removed [1], deactivated"),
    ]);
}

#[test]
fn an_idempotency_key_is_remembered_by_its_client_alone() {
    Story::of(&[
        ("notice key=k1", "registered"),
        ("notice key=k1 provet_id=1235", "registered"),
        ("notice key=k1 +3", "nothing"),
    ]);
}

#[test]
fn an_idempotency_key_is_remembered_for_64_keys() {
    for (others, expected) in [(0, "nothing"), (63, "nothing"), (64, "departments_added [9]")] {
        let mut story = Story::of(&[("notice [1] key=first", "registered")]);
        for key in 0..others {
            story.tell(&format!("notice [1] key=k{key}"));
        }
        assert_eq!(story.tell("notice +9 key=first"), expected, "after {others} others");
        assert_eq!(story.row("").idempotency_keys.len(), REMEMBERED_KEYS.min(1 + others));
    }
}

#[test]
fn a_redelivery_does_not_refresh_its_key() {
    let mut story = Story::of(&[("notice [1] key=first", "registered")]);
    for key in 0..63 {
        story.tell(&format!("notice [1] key=k{key}"));
    }
    assert_eq!(story.tell("notice +8 key=first"), "nothing");
    assert_eq!(story.tell("notice [1] key=k63"), "nothing");
    assert_eq!(story.tell("notice +8 key=first"), "departments_added [8]");
}

#[test]
fn a_released_notice_that_is_older_than_the_last_is_superseded() {
    for (released, expected) in [
        ("notice +9 at=49 released=100", "refused: Superseded"),
        ("notice +9 at=50 released=100", "departments_added [9]"),
        ("notice +9 at=51 released=100", "departments_added [9]"),
        // not released: ordered by position alone
        ("notice +9 at=49", "departments_added [9]"),
    ] {
        Story::of(&[("notice [1] at=50", "registered"), (released, expected)]);
    }
}

#[test]
fn a_superseded_notice_leaves_its_outcome_and_no_other_trace() {
    let mut story = Story::of(&[("notice [1] at=50 key=k1", "registered")]);
    let before = story.row("").clone();
    assert_eq!(story.tell("notice +9 at=49 released=100 key=k2 secret=s2"), "refused: Superseded");
    assert_eq!(*story.row(""), before);
}

#[test]
fn a_released_notice_keeps_its_reception_time() {
    Story::of(&[
        ("notice [1] at=10", "registered"),
        ("notice +2 at=20 released=100", "departments_added [2]"),
        ("notice +3 at=15 released=101", "refused: Superseded"),
        ("notice +4 at=30 released=102", "departments_added [4]"),
        ("notice +5 at=90", "departments_added [5]"),
    ]);
}

#[test]
fn the_order_of_notices_is_measured_by_the_last_also_if_it_changed_nothing() {
    Story::of(&[
        ("notice [1] at=10", "registered"),
        ("notice [1] at=50", "nothing"),
        ("notice +3 at=20 released=100", "refused: Superseded"),
    ]);
}

#[test]
fn a_released_notice_can_be_a_clients_first() {
    let story = Story::of(&[
        ("notice [1] at=10 released=100", "registered"),
        ("notice +2 at=5 released=101", "refused: Superseded"),
    ]);
    assert_eq!(story.client().registered_time, second(100));
    assert_eq!(story.row("").notice_time, second(10));
}

#[test]
fn the_outcome_of_a_release_is_decided_where_it_stands_and_the_first_one_holds() {
    for (lines, outcome) in [
        (&[("notice [1] at=10 released=100 key=r", "registered")][..], "applied 2"),
        (&[("notice [1] at=10", "registered"), ("notice [1] at=10 released=100 key=r", "applied")], "applied 3"),
        (
            &[("notice [1] at=10", "registered"), ("notice [1] at=9 released=100 key=r", "refused: Superseded")],
            "superseded 3",
        ),
        // an attempt that came no further than its first event is repeated, and a newer notice came between
        (
            &[
                ("notice [1] at=10 released=100 key=r", "registered"),
                ("notice +2 at=20", "departments_added [2]"),
                ("notice [1] at=10 released=101 key=r", "nothing"),
            ],
            "applied 2",
        ),
        (
            &[
                ("notice [1] at=20", "registered"),
                ("notice +2 at=10 released=100 key=r", "refused: Superseded"),
                ("notice +2 at=10 released=101 key=r", "nothing"),
            ],
            "superseded 3",
        ),
    ] {
        let story = Story::of(lines);
        let Some(Row::Command(row)) = story.rows.get(&RowKey::new(Kind::Command, "r")) else {
            panic!("{lines:#?} leave no outcome")
        };
        let said = match &row.outcome {
            Outcome::Applied { id } if *id == story.client().id => "applied",
            Outcome::Refused { reason: Refusal::Superseded } => "superseded",
            other => panic!("{other:?}"),
        };
        assert_eq!(format!("{said} {}", row.position), outcome, "{lines:#?}");
    }
}

#[test]
fn a_notice_that_was_never_in_quarantine_leaves_no_outcome() {
    let mut story = Story::new();
    let before = story.rows.of(Kind::Command).count();
    for line in ["notice key=k1", "notice +3 key=k2", "notice at=0"] {
        story.tell(line);
        assert_eq!(story.rows.of(Kind::Command).count(), before, "{line}");
    }
}
