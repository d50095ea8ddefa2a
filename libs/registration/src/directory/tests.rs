use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::story::{BEGINNING, place, second};

/// The directory after these lines.
fn directory(lines: &[&str]) -> Directory {
    let mut directory = Directory::default();
    let mut ledger_time = Timestamp::MIN;
    for (line, position) in BEGINNING.iter().chain(lines).zip(0..) {
        let placed = place(ledger_time, position, line);
        ledger_time = placed.recorded_time;
        directory.apply(&placed);
    }
    directory
}

fn spec(name: &str, value: Value) -> Value {
    let mut spec = json!({"name": "acme-lab", "source": "provet", "notify": {"kind": "hookup"}});
    spec[name] = value;
    spec
}

#[test]
fn a_directory_knows_its_ledger_after_the_genesis() {
    assert_eq!(Directory::default().ledger(), None);
    let directory = directory(&["genesis l2"]);
    let ledger = LedgerRow { ledger: "l1".to_owned(), partitions: 1, ..LedgerRow::default() };
    assert_eq!(directory.ledger(), Some(&ledger));
}

#[test]
fn an_imported_ledger_knows_what_came_from_the_other_one() {
    let genesis = LedgerCreate {
        ledger: "l2".to_owned(),
        partitions: 2,
        imported: Some(Imported {
            ledger: "l1".to_owned(),
            sealed_for: "l0".to_owned(),
            logs: vec![LogHead { entries: 6, root: String::new() }],
            heads: vec![2, 4],
        }),
    };
    let LedgerCreate { ledger, partitions, imported } = genesis.clone();
    let row = LedgerRow { ledger, partitions, imported, restores: Vec::new() };
    assert_eq!((row.sealed_for(), genesis.sealed_for()), ("l0", "l0"));
    for (partition, position, is_imported) in [(0, 1, true), (0, 2, false), (1, 3, true), (1, 4, false), (2, 0, false)]
    {
        let place = Place { partition, position };
        assert_eq!(row.is_imported(place), is_imported, "{place}");
        assert!(!LedgerRow::default().is_imported(place), "{place}");
    }
}

#[test]
fn an_integration_is_found_until_it_is_deleted() {
    let directory = directory(&["create c", "create b", "delete c", "create d", "create c"]);
    let names: Vec<_> = directory.integrations().iter().map(|row| row.integration.name.as_str()).collect();
    assert_eq!(names, ["acme-lab", "b", "d"], "in the order of their making");
    for (name, is_found) in [("b", true), ("c", false), ("nowhere", false)] {
        assert_eq!(directory.integration(name).is_some(), is_found, "{name}");
    }
}

#[test]
fn a_token_is_found_by_its_hash_and_by_its_id() {
    let directory = directory(&["token t2", "token t1", "revoke t2", "token t3 domain=nowhere"]);
    for (id, is_valid) in [("t1", Some(true)), ("t2", Some(false)), ("t3", None)] {
        let by_id = directory.token(id);
        assert_eq!(directory.token_by_hash(&format!("hash of {id}")), by_id, "{id}");
        assert_eq!(by_id.map(|token| token.is_valid(second(9))), is_valid, "{id}");
    }
    let ids: Vec<_> = directory.tokens().iter().map(|row| row.token.id.as_str()).collect();
    assert_eq!(ids, ["t2", "t1"], "in the order of their making");
}

#[test]
fn a_command_repeated_with_its_key_changes_nothing_here_either() {
    let directory = directory(&["create b key=k1", "delete b key=k2", "create c key=k2"]);
    assert!(directory.integration("b").is_none() && directory.integration("c").is_none());
}

fn token(spec: Value) -> Token {
    let mut token = json!({"id": "t", "name": "t", "scopes": [], "domain": null,
        "integrations": [], "expires_time": null, "revoked_time": null, "created_time": second(0)});
    for (name, value) in spec.as_object().unwrap() {
        token[name] = value.clone();
    }
    serde_json::from_value(token).unwrap()
}

#[test]
fn a_token_ends_when_it_expires_or_is_revoked() {
    for (spec, is_valid) in [
        (json!({}), true),
        (json!({"expires_time": second(11)}), true),
        (json!({"expires_time": second(10)}), false),
        (json!({"revoked_time": second(20)}), false),
        (json!({"expires_time": second(11), "revoked_time": second(1)}), false),
    ] {
        assert_eq!(token(spec.clone()).is_valid(second(10)), is_valid, "{spec}");
    }
}

#[test]
fn an_admin_may_do_everything_but_see_secrets() {
    for scope in Scope::ALL {
        let own = token(json!({"scopes": [scope.as_str()]}));
        let is_secret = matches!(scope, Scope::SecretsReveal | Scope::TokensMint);
        assert!(own.allows(scope), "{scope:?}");
        assert_eq!(token(json!({"scopes": ["admin"]})).allows(scope), !is_secret, "{scope:?}");
        assert!(!token(json!({})).allows(scope), "{scope:?}");
        let others = Scope::ALL.into_iter().filter(|other| *other != scope);
        for other in others.filter(|_| scope != Scope::Admin) {
            assert!(!own.allows(other), "{scope:?} {other:?}");
        }
    }
}

#[test]
fn a_token_sees_its_domain_and_its_integrations() {
    let directory = directory(&[]);
    let integration = &directory.integration("acme-lab").unwrap().integration;
    for (spec, sees, is_unrestricted) in [
        (json!({}), true, true),
        (json!({"domain": "default"}), true, false),
        (json!({"domain": "other"}), false, false),
        (json!({"integrations": ["acme-lab"]}), true, false),
        (json!({"integrations": ["acme-pay"]}), false, false),
        (json!({"domain": "other", "integrations": ["acme-lab"]}), false, false),
    ] {
        let token = token(spec.clone());
        assert_eq!((token.sees(integration), token.is_unrestricted()), (sees, is_unrestricted), "{spec}");
    }
}

#[test]
fn every_fault_of_an_integration_is_told_where_it_is() {
    let many = || vec!["192.0.2.0/24"; 101];
    for (name, value, pointers) in [
        ("name", json!("a"), &[][..]),
        ("name", json!("0-a-"), &[]),
        ("name", json!("a".repeat(63)), &[]),
        ("name", json!("a".repeat(64)), &["/name"]),
        ("name", json!(""), &["/name"]),
        ("name", json!("-a"), &["/name"]),
        ("name", json!("A"), &["/name"]),
        ("name", json!("a_b"), &["/name"]),
        ("name", json!("é"), &["/name"]),
        ("domain", json!("other"), &[]),
        ("domain", json!("a\u{0}b"), &["/domain"]),
        ("owner", json!("é".repeat(500)), &[]),
        ("owner", json!("é".repeat(501)), &["/owner"]),
        ("owner", json!("a\nb"), &["/owner"]),
        ("authorization_grant_type", json!("authorization_code"), &[]),
        ("authorization_grant_type", json!("a\u{0}b"), &["/authorization_grant_type"]),
        ("redirect_uris", json!(["https://example.com/callback"]), &[]),
        ("redirect_uris", json!(["a", "\u{0}", "b", "\t"]), &["/redirect_uris/1", "/redirect_uris/3"]),
        ("redirect_uris", json!(many()), &[""]),
        ("allow", json!({"addresses": ["192.0.2.0/24", "2001:db8::/32"]}), &[]),
        ("allow", json!({"addresses": many()}), &[""]),
        ("allow", json!({"token_hosts": ["provetcloud.com", "example.com:8443"]}), &[]),
        (
            "allow",
            json!({"token_hosts": ["Provetcloud.com", "a.example", "b.example:443"]}),
            &["/allow/token_hosts/0", "/allow/token_hosts/2"],
        ),
    ] {
        let spec: IntegrationSpec = serde_json::from_value(spec(name, value.clone())).unwrap();
        let found = spec.violations();
        let found: Vec<_> = found.iter().map(|violation| violation.pointer.as_str()).collect();
        assert_eq!(found, pointers, "{name}: {value}");
        if matches!(name, "name" | "domain") {
            continue; // an update can replace neither
        }
        let update: IntegrationUpdate = serde_json::from_value(json!({name: value})).unwrap();
        let found = update.violations();
        let found: Vec<_> = found.iter().map(|violation| violation.pointer.as_str()).collect();
        assert_eq!(found, pointers, "update {name}: {value}");
    }
}

#[test]
fn every_fault_of_a_token_is_told_where_it_is() {
    for (name, value, pointers) in [
        ("name", json!("for the hub"), &[][..]),
        ("name", json!(""), &["/name"]),
        ("name", json!("a\u{7f}"), &["/name"]),
        ("name", json!("a".repeat(501)), &["/name"]),
        ("scopes", json!([]), &["/scopes"]),
        ("scopes", json!(["admin", "clients:read"]), &[]),
        ("domain", json!("default"), &[]),
        ("domain", json!("\u{0}"), &["/domain"]),
        ("integrations", json!(["acme-lab"]), &[]),
        ("integrations", json!(["acme-lab", "A", "b", ""]), &["/integrations/1", "/integrations/3"]),
        ("integrations", json!(vec!["a"; 101]), &["/integrations"]),
    ] {
        let mut spec = json!({"name": "t", "scopes": ["admin"]});
        spec[name] = value.clone();
        let spec: TokenSpec = serde_json::from_value(spec).unwrap();
        let found = spec.violations();
        let found: Vec<_> = found.iter().map(|violation| violation.pointer.as_str()).collect();
        assert_eq!(found, pointers, "{name}: {value}");
    }
}

#[test]
fn a_specification_is_read_strictly_and_completed() {
    let complete: IntegrationSpec = serde_json::from_value(spec("owner", Value::Null)).unwrap();
    assert_eq!(complete.domain, DEFAULT_DOMAIN);
    assert_eq!(complete.allow, Allow::default());
    for (name, value) in [
        ("colour", json!("blue")),
        ("source", json!("other")),
        ("notify", json!({"kind": "pigeon"})),
        ("allow", json!({"addresses": ["everywhere"]})),
        ("allow", json!({"hosts": []})),
    ] {
        let read = serde_json::from_value::<IntegrationSpec>(spec(name, value.clone()));
        assert!(read.is_err(), "{name}: {value}");
    }
}

proptest! {
    #[test]
    fn nothing_without_violations_holds_a_control_character(
        name in ".{0,8}", owner in ".{0,8}", uri in ".{0,8}", domain in ".{0,8}", grant in ".{0,8}",
    ) {
        let mut json = spec("name", json!(name));
        json["owner"] = json!(owner);
        json["redirect_uris"] = json!([uri]);
        json["domain"] = json!(domain);
        json["authorization_grant_type"] = json!(grant);
        let spec: IntegrationSpec = serde_json::from_value(json).unwrap();
        if spec.violations().is_empty() {
            let text = [name, owner, uri, domain, grant].concat();
            prop_assert!(!text.contains(char::is_control), "{:?}", text);
        }
    }
}

#[test]
fn a_domain_has_its_own_setting_or_the_hubs() {
    let key = "http_events.save_into_sessions";
    for (lines, hub, default) in [
        (&[][..], false, false),
        (&["set http_events.save_into_sessions yes"], true, true),
        (&["set http_events.save_into_sessions yes domain=default"], false, true),
        (
            &["set http_events.save_into_sessions yes", "set http_events.save_into_sessions no domain=default"],
            true,
            false,
        ),
        (
            &[
                "set http_events.save_into_sessions yes",
                "set http_events.save_into_sessions no domain=default",
                "unset http_events.save_into_sessions domain=default",
            ],
            true,
            true,
        ),
    ] {
        let directory = directory(lines);
        assert_eq!((directory.is_on(key, None), directory.is_on(key, Some("default"))), (hub, default), "{lines:?}");
        assert_eq!(directory.saves_into_sessions("default"), default, "{lines:?}");
    }
}

#[test]
fn the_public_keys_of_all_settings_are_known_each_once() {
    let directory = directory(&[
        "set jwt_webhook.private_key k1",
        "set jwt_webhook.private_key k2 until=50 at=10",
        "set jwt_webhook.private_key k3 domain=default",
        "set jwt_webhook.private_key k3 domain=default until=50 at=20",
    ]);
    for (now, expected) in [(49, &["k1", "k2", "k3"][..]), (50, &["k2", "k3"])] {
        let found: Vec<_> = directory.public_keys(second(now)).iter().map(|key| key["kid"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "at {now}");
    }
}
