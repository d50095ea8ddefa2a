use std::collections::BTreeSet;

use super::*;
use crate::isl::{domain_key, session_key, user_key};
use crate::story::{Story, named_id};

const KINDS: [Kind; 14] = [
    Kind::Client,
    Kind::Command,
    Kind::Domain,
    Kind::Integration,
    Kind::Ledger,
    Kind::Quarantined,
    Kind::Session,
    Kind::Setting,
    Kind::SourceDomain,
    Kind::SourceUser,
    Kind::Subscription,
    Kind::Token,
    Kind::User,
    Kind::UserName,
];

/// A story that leaves rows of every kind, some in every state.
fn everything() -> Story {
    let mut story = Story::new();
    for line in [
        "notice [2,1] key=k1",
        "notice provet_id=7 secret=null algorithm=null",
        "notice provet_id=8",
        "retire provet_id=8",
        "update acme-lab owner=x key=k2",
        "rotate acme-lab hash=h1",
        "create b",
        "delete b",
        "create b",
        "token t1 domain=default",
        "revoke t1",
        "token t2",
        "receive q1",
        "dismiss q1",
        "receive q2",
        "user u1",
        "unuser u1",
        "subscribe s1 domain=default",
        "rekey s1 until=900",
        "pause s1",
        "subscribe s2",
        "unsubscribe s2",
        "isl START session=s1 hash=1 save",
        "isl USER_CREATE user=ann hash=2",
        "isl MESSAGE domain=8 hash=3",
        "jwt user_delete user=ann jti=j1 until=40",
        "set webhook_events.user_create yes domain=default",
        "set jwt_webhook.private_key k1",
        "set jwt_webhook.private_key k2 until=90",
        "set jwt_webhook.claims {}",
        "unset jwt_webhook.claims",
    ] {
        story.tell(line);
    }
    story
}

#[test]
fn a_row_of_any_kind_is_read_as_it_was_written() {
    let story = everything();
    let mut kinds = BTreeSet::new();
    for (key, row) in story.rows.written() {
        let json = row.to_json().unwrap();
        assert_eq!(&Row::from_json(key.kind, &json).unwrap(), row, "{key:?}");
        kinds.insert(key.kind);
    }
    assert_eq!(kinds, BTreeSet::from(KINDS));
}

#[test]
fn a_row_is_not_read_as_one_of_another_kind() {
    for (key, row) in everything().rows.written() {
        let json = row.to_json().unwrap();
        for kind in KINDS.into_iter().filter(|kind| *kind != key.kind) {
            assert!(Row::from_json(kind, &json).is_err(), "{key:?} as {kind:?}");
        }
    }
}

#[test]
fn a_kind_has_one_word_in_the_store() {
    for kind in KINDS {
        let json = serde_json::to_value(kind).unwrap();
        assert_eq!(json, kind.as_str(), "{kind:?}");
    }
}

#[test]
fn a_row_is_found_by_its_columns() {
    let story = everything();
    let client = story.client().id.clone();
    let retired = story.row("provet_id=8").client.id.clone();
    let place = |position| Columns { position, ..Columns::default() };
    let acme = named_id("acme-lab");
    let (integration, tenant) = (Some("acme-lab"), Some("isl:acme-lab/7"));
    let of_source = |state, position| Columns { integration, tenant, state, ..place(position) };
    for (kind, id, expected) in [
        (
            Kind::Client,
            client.as_str(),
            Columns {
                integration: Some("acme-lab"),
                tenant: Some("provetcloud.com/1234"),
                state: Some("active"),
                terms: &[1, 2],
                ..place(2)
            },
        ),
        (
            Kind::Client,
            retired.as_str(),
            Columns {
                integration: Some("acme-lab"),
                tenant: Some("provetcloud.com/8"),
                state: Some("retired"),
                ..place(4)
            },
        ),
        (Kind::Command, "k2", place(6)),
        (Kind::Domain, "default", Columns { domain: Some("default"), state: Some("active"), ..place(0) }),
        (
            Kind::Integration,
            "acme-lab",
            Columns { domain: Some("default"), integration: Some("acme-lab"), state: Some("active"), ..place(1) },
        ),
        (
            Kind::Integration,
            "b",
            Columns { domain: Some("default"), integration: Some("b"), state: Some("deleted"), ..place(8) },
        ),
        (Kind::Ledger, "", Columns::default()),
        (Kind::Quarantined, "q1", Columns { integration: Some("acme-lab"), state: Some("dismissed"), ..place(14) }),
        (Kind::Subscription, "s1", Columns { domain: Some("default"), state: Some("paused"), ..place(19) }),
        (Kind::Subscription, "s2", Columns { state: Some("deleted"), ..place(22) }),
        (Kind::Token, "t1", Columns { domain: Some("default"), state: Some("revoked"), ..place(11) }),
        (Kind::Token, "t2", Columns { state: Some("active"), ..place(13) }),
        (Kind::User, "u1", Columns { domain: Some("default"), state: Some("deleted"), ..place(17) }),
        (Kind::UserName, "ann of 00000000-0000-0000-0000-000000000000", Columns::default()),
        (
            Kind::Session,
            &session_key(acme, Some("7"), "ISL_LIGHT", "s1").id,
            Columns { integration: Some("acme-lab"), tenant: Some("s1"), state: Some("started"), ..place(24) },
        ),
        (
            Kind::Setting,
            "webhook_events.user_create@default",
            Columns { domain: Some("default"), state: Some("set"), ..place(28) },
        ),
        (Kind::Setting, "jwt_webhook.claims", Columns { state: Some("unset"), ..place(31) }),
        (Kind::SourceDomain, &domain_key(acme, Some("7")).id, of_source(Some("active"), 25)),
        (
            Kind::SourceDomain,
            &domain_key(acme, Some("8")).id,
            Columns { tenant: Some("isl:acme-lab/8"), ..of_source(None, 26) },
        ),
        (Kind::SourceUser, &user_key(acme, Some("7"), "ann").id, of_source(Some("deleted"), 25)),
    ] {
        let row = story.rows.get(&RowKey::new(kind, id)).unwrap();
        assert_eq!(row.columns(), expected, "{kind:?} {id}");
    }
}

#[test]
fn what_is_written_is_told_once_until_it_is_settled() {
    let mut rows = Rows::default();
    let key = RowKey::new(Kind::Ledger, "");
    let row = |partitions| Row::Ledger(LedgerRow { partitions, ..LedgerRow::default() });
    rows.know(key.clone(), None);
    assert!(rows.holds(&key) && rows.get(&key).is_none());
    assert_eq!(rows.written().count(), 0, "what is known is not written");
    rows.put(key.clone(), row(1));
    rows.put(key.clone(), row(2));
    assert_eq!(rows.written().collect::<Vec<_>>(), [(&key, &row(2))]);
    rows.settle();
    assert_eq!(rows.written().count(), 0);
    assert_eq!(rows.get(&key), Some(&row(2)), "what is settled is still known");
    rows.put(key.clone(), row(3));
    assert_eq!(rows.written().count(), 1);
    rows.clear();
    assert!(rows.is_empty() && !rows.holds(&key) && rows.written().next().is_none());
}

#[test]
fn a_row_that_is_put_back_is_not_written() {
    let mut rows = Rows::default();
    let key = RowKey::new(Kind::Ledger, "");
    rows.know(key.clone(), Some(Row::Ledger(LedgerRow::default())));
    let row = rows.take(&key);
    rows.restore(&key, row.clone());
    assert_eq!(rows.get(&key), row.as_ref());
    assert_eq!(rows.written().count(), 0);
    assert_eq!(rows.len(), 1);
}

#[test]
fn a_short_hash_is_24_url_safe_characters() {
    let hash = short_hash(&[0xff; 32]);
    assert_eq!(hash, "7".repeat(24));
    assert_ne!(short_hash(&[0; 32]), hash);
}
