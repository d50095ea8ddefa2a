//! Commands: the fold decides, and a repetition changes nothing.

use super::*;
use crate::command::{Command, Outcome, Refusal};
use crate::directory::{IntegrationRow, TokenRow};
use crate::row::Row;

fn integration<'a>(story: &'a Story, name: &str) -> &'a IntegrationRow {
    match story.rows.get(&RowKey::new(Kind::Integration, name)) {
        Some(Row::Integration(row)) => row,
        other => panic!("{name} is {other:?}"),
    }
}

fn token<'a>(story: &'a Story, id: &str) -> &'a TokenRow {
    match story.rows.get(&RowKey::new(Kind::Token, id)) {
        Some(Row::Token(row)) => row,
        other => panic!("{id} is {other:?}"),
    }
}

#[test]
fn a_genesis_makes_the_default_domain_and_a_second_changes_nothing() {
    let mut story = Story::untold();
    for (line, expected) in [("genesis l1", "domain.created"), ("genesis l2", "nothing"), ("genesis l1", "nothing")] {
        assert_eq!(story.tell(line), expected, "{line}");
    }
    let Some(Row::Ledger(row)) = story.rows.get(&RowKey::new(Kind::Ledger, "")) else {
        panic!("there is no ledger row")
    };
    assert_eq!((row.ledger.as_str(), row.partitions), ("l1", 1));
}

#[test]
fn a_ledger_knows_the_restores_after_each_of_its_eras() {
    let mut story = Story::new();
    for line in ["restore e1 heads=[2]", "restore e2 heads=[3]", "genesis l2"] {
        assert_eq!(story.tell(line), "nothing", "{line}");
    }
    let Some(Row::Ledger(row)) = story.rows.get(&RowKey::new(Kind::Ledger, "")) else {
        panic!("there is no ledger row")
    };
    assert_eq!((row.ledger.as_str(), row.era()), ("l1", Some(named_id("e2"))));
    let cases: [(_, Option<&[u64]>); 4] =
        [(None, Some(&[2, 3])), (Some("e1"), Some(&[3])), (Some("e2"), Some(&[])), (Some("e3"), None)];
    for (era, due) in cases {
        let since = row.restores_since(era.map(named_id));
        let heads: Option<Vec<u64>> = since.map(|since| since.iter().map(|restore| restore.heads[0]).collect());
        assert_eq!(heads.as_deref(), due, "{era:?}");
    }
}

#[test]
fn a_command_is_decided_by_what_came_before_it() {
    for lines in [
        &[("create b", "integration.created"), ("create b", "refused: NameTaken")][..],
        &[("create b domain=nowhere", "refused: DomainNotFound")],
        // the domain first: who may not look into it learns nothing of names
        &[("create acme-lab domain=nowhere", "refused: DomainNotFound")],
        &[("update b", "refused: NotFound"), ("update acme-lab owner=x", "integration.updated")],
        &[("rotate b hash=h", "refused: NotFound"), ("rotate acme-lab hash=h", "integration.hookup_rotated")],
        &[
            ("delete b", "refused: NotFound"),
            ("delete acme-lab", "integration.deleted"),
            ("delete acme-lab", "refused: NotFound"),
            ("update acme-lab owner=x", "refused: NotFound"),
            ("rotate acme-lab hash=h", "refused: NotFound"),
            ("create acme-lab", "refused: NameTaken"),
        ],
        &[("token t1", "applied"), ("token t1", "refused: NameTaken")],
        &[("token t1 domain=default", "applied")],
        &[("token t1 domain=nowhere", "refused: DomainNotFound")],
        &[
            ("revoke t1", "refused: NotFound"),
            ("token t1", "applied"),
            ("revoke t1", "applied"),
            ("revoke t1", "applied"),
            ("token t1", "refused: NameTaken"),
        ],
        &[("retire", "refused: NotFound"), ("notice", "registered"), ("retire", "retired"), ("retire", "applied")],
    ] {
        Story::of(lines);
    }
}

#[test]
fn a_command_repeated_with_its_idempotency_key_changes_nothing() {
    for lines in [
        &[("create b key=k1", "integration.created"), ("create b key=k1", "nothing")][..],
        &[("create b key=k1", "integration.created"), ("create c key=k1", "nothing")],
        &[
            ("create b key=k1", "integration.created"),
            ("create b key=k2", "refused: NameTaken"),
            ("create b key=k2", "nothing"),
        ],
        // a refusal is an outcome too, and stands
        &[
            ("update b owner=x key=k1", "refused: NotFound"),
            ("create b", "integration.created"),
            ("update b owner=x key=k1", "nothing"),
            ("update b owner=x key=k2", "integration.updated"),
        ],
        &[
            ("rotate acme-lab hash=h1 key=k1", "integration.hookup_rotated"),
            ("rotate acme-lab hash=h2 key=k1", "nothing"),
        ],
        &[("delete acme-lab key=k1", "integration.deleted"), ("delete acme-lab key=k1", "nothing")],
        &[("token t1 key=k1", "applied"), ("token t2 key=k1", "nothing")],
        &[
            ("notice", "registered"),
            ("retire key=k1", "retired"),
            ("notice", "reactivated"),
            ("retire key=k1", "nothing"),
            ("retire key=k2", "retired"),
        ],
    ] {
        Story::of(lines);
    }
}

#[test]
fn the_outcome_of_a_command_stands_in_a_row() {
    let applied = |id: &str| Outcome::Applied { id: id.to_owned() };
    let refused = Outcome::Refused { reason: Refusal::NameTaken };
    for (line, id, outcome) in [
        ("create b key=k1", "k1", applied("b")),
        ("create acme-lab key=k1", "k1", refused),
        ("token t1", "00000000-0000-0001-0000-000000000002", applied("t1")),
        ("rotate acme-lab hash=h key=k1", "k1", applied("acme-lab")),
    ] {
        let mut story = Story::new();
        story.tell(line);
        let command = Command { id: id.to_owned(), fingerprint: None, partition: 0, position: 2, outcome };
        let row = story.rows.get(&RowKey::new(Kind::Command, id));
        assert_eq!(row, Some(&Row::Command(command)), "{line}");
    }
}

#[test]
fn the_first_outcome_stands_when_a_command_is_repeated() {
    let mut story = Story::of(&[("create b key=k1", "integration.created")]);
    let key = RowKey::new(Kind::Command, "k1");
    let first = story.rows.get(&key).cloned();
    story.tell("create b key=k1");
    assert_eq!(story.rows.get(&key).cloned(), first);
}

#[test]
fn a_rotation_keeps_the_previous_key() {
    let mut story = Story::new();
    for (line, current, previous) in [
        ("rotate acme-lab hash=h1", "h1", "h0"),
        ("rotate acme-lab hash=h2", "h2", "h1"),
        ("update acme-lab owner=x", "h2", "h1"),
    ] {
        story.tell(line);
        let row = integration(&story, "acme-lab");
        let kept = row.previous_key.as_ref().map(|key| (key.hash.as_str(), key.until));
        assert_eq!(row.hookup_key_hash, current, "{line}");
        assert_eq!(kept, Some((previous, second(500))), "{line}");
    }
}

#[test]
fn an_update_replaces_only_what_it_names() {
    let story =
        Story::of(&[("update acme-lab owner=x", "integration.updated"), ("update acme-lab", "integration.updated")]);
    let row = integration(&story, "acme-lab");
    assert_eq!(row.integration.owner.as_deref(), Some("x"));
    assert_eq!((row.integration.created_time, row.integration.changed_time), (second(1), second(3)));
}

#[test]
fn an_integrations_id_is_its_events() {
    let mut story = Story::new();
    let (placed, _) = story.fold("create b");
    assert_eq!(integration(&story, "b").integration.id, placed.event.attributes.id);
}

#[test]
fn a_deleted_integration_keeps_its_clients() {
    Story::of(&[
        ("notice", "registered"),
        ("delete acme-lab", "integration.deleted"),
        ("notice +3", "departments_added [3]"),
    ]);
}

#[test]
fn a_token_stays_revoked_since_it_first_was() {
    let story = Story::of(&[("token t1", "applied"), ("revoke t1", "applied"), ("revoke t1", "applied")]);
    assert_eq!(token(&story, "t1").token.revoked_time, Some(second(3)));
}

#[test]
fn a_refused_command_writes_its_outcome_and_nothing_else() {
    let mut story = Story::of(&[("delete acme-lab", "integration.deleted")]);
    for line in ["create acme-lab", "update acme-lab", "create b domain=nowhere", "dismiss q", "retire"] {
        story.rows.settle();
        story.tell(line);
        let written: Vec<Kind> = story.rows.written().map(|(key, _)| key.kind).collect();
        assert_eq!(written, [Kind::Command], "{line}");
    }
}

#[test]
fn another_address_is_told_from_where_the_first_one_was_and_one_after_none_from_then_on() {
    let mut story = Story::new();
    let mut told = |line: &str| {
        assert!(story.tell(line).starts_with("integration."), "{line}");
        let row = integration(&story, "b");
        row.notified.as_ref().map(|notified| (notified.start.positions.clone(), notified.revision))
    };
    for (line, due) in [
        ("create b mail=[2,7]", Some((vec![3, 7], 2))),
        ("update b owner=x", Some((vec![3, 7], 2))),
        ("update b mail=[4,9]", Some((vec![3, 7], 4))),
        ("update b mail=no", None),
        ("update b mail=[6,9]", Some((vec![7, 9], 6))),
        ("delete b", None),
    ] {
        assert_eq!(told(line), due, "{line}");
    }
}

#[test]
fn an_event_that_changes_an_integration_reads_as_it_was_written_before_there_were_mails() {
    let mut story = Story::new();
    assert_eq!(story.tell("update acme-lab owner=x"), "integration.updated");
    let before: crate::directory::IntegrationChange = serde_json::from_str(r#"{"owner":"x"}"#).unwrap();
    assert_eq!((before.update.owner.as_deref(), before.mailbox), (Some("x"), None));
}
