use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::story::{BEGINNING, Story, place, second};

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
fn what_a_deleted_domain_owns_is_hidden_and_another_of_its_name_owns_nothing_of_it() {
    let owns = [
        "domain b",
        "create c domain=b",
        "token t1 domain=b",
        "user u1 of=b made=2",
        "user u2 name=bob",
        "subscribe s1 domain=b",
        "set webhook_events.user_create yes domain=b",
    ];
    let unlimited: Token = token(json!({}));
    let limited: Token = token(json!({"integrations": ["c"]}));
    assert_eq!(directory(&owns).seen_by(&unlimited), None);
    for (lines, is_there) in [
        (&["domain b"][..], true),
        (&["undomain b"], false),
        (&["undomain b due=9", "purge-domain b at=9"], false),
        (&["undomain b due=9", "purge-domain b at=9", "domain b"], false),
    ] {
        let directory = directory(&[&owns, lines].concat());
        assert_eq!(directory.integration("c").is_some(), is_there, "{lines:?}");
        assert_eq!(directory.integrations().len(), if is_there { 2 } else { 1 }, "{lines:?}");
        assert_eq!(directory.hides("c"), !is_there, "{lines:?}");
        assert_eq!(directory.sees(&limited, "c"), Some(is_there), "{lines:?}");
        let seen = directory.seen_by(&unlimited);
        assert_eq!(seen, (!is_there).then(|| vec!["acme-lab".to_owned()]), "{lines:?}");
        assert_eq!(directory.token("t1").is_some(), is_there, "{lines:?}");
        assert_eq!(directory.token_by_hash("hash of t1").is_some(), is_there, "{lines:?}");
        assert_eq!(directory.tokens().len(), usize::from(is_there), "{lines:?}");
        assert_eq!(directory.user("u1").is_some(), is_there, "{lines:?}");
        assert_eq!(directory.subscription("s1").is_some(), is_there, "{lines:?}");
        assert_eq!(directory.subscriptions().len(), usize::from(is_there), "{lines:?}");
        assert_eq!(directory.is_on("webhook_events.user_create", Some("b")), is_there, "{lines:?}");
        let names: Vec<_> = directory.users().iter().map(|row| row.user.id.clone()).collect();
        assert_eq!(names, if is_there { vec!["u1", "u2"] } else { vec!["u2"] }, "{lines:?}");
    }
}

#[test]
fn a_change_concerns_the_domain_that_had_the_name_then_and_has_it_now() {
    let lines = ["domain b", "create c domain=b", "user u1 of=b made=2", "user u2"];
    let mut story = Story::new();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let (placed, changes) = story.fold(line);
            let body = serde_json::to_vec(&changes[0].cloud_event("l1", &placed, 0)).unwrap();
            (changes[0].integration().map(str::to_owned), body)
        })
        .collect();
    let again = ["undomain b due=6", "purge-domain b at=7", "domain b"];
    for (more, due) in [(&[][..], [true, true, true, false]), (&again[..1], [false; 4]), (&again, [false; 4])] {
        let directory = directory(&[&lines[..], more].concat());
        for ((integration, body), due) in told.iter().zip(due) {
            let text = String::from_utf8_lossy(body);
            assert_eq!(directory.concerns("b", integration.as_deref(), body), due, "{more:?}: {text}");
        }
    }
}

#[test]
fn what_is_due_is_told_users_first_and_what_is_gone_is_forgotten_once() {
    let lines =
        ["domain b", "user u1", "user u2 of=b made=2 name=bob", "user u3", "unuser u1 due=50", "undomain b due=60"];
    let user = |id: &str, domain: &str, name_index: String| Due::User {
        id: id.to_owned(),
        domain: domain.to_owned(),
        name_index,
    };
    let ann = user("u1", "default", format!("ann of {}", Uuid::nil()));
    let bob = user("u2", "b", format!("bob of {}", Uuid::from_u64_pair(1, 2)));
    let due = |lines: &[&str], at| directory(lines).due(second(at));
    assert_eq!(due(&lines, 49), []);
    assert_eq!(due(&lines, 50), std::slice::from_ref(&ann));
    let mut both = due(&lines, 60);
    both.sort_by_key(|due| format!("{due:?}"));
    assert_eq!(both, [ann, bob]);
    let gone = [&lines[..], &["purge u1 at=60", "purge u2 of=b made=2 name=bob at=60", "purge u1 at=60"]].concat();
    assert_eq!(due(&gone, 60), [Due::Domain { name: "b".to_owned() }]);
    assert_eq!(due(&[&gone[..], &["purge-domain b at=60"]].concat(), 99), []);
    let users = ["u3", "u1", "u2"].map(|id| Forgotten::User(id.to_owned()));
    assert_eq!(forgotten(&gone), users, "u3 asked for a name that was taken");
}

fn forgotten(lines: &[&str]) -> Vec<Forgotten> {
    directory(lines).forgotten().iter().map(|(one, _)| one.clone()).collect()
}

#[test]
fn what_was_deleted_or_asked_for_in_vain_is_forgotten_and_nothing_that_is_there() {
    let at = |position| Forgotten::Subscription(Uuid::from_u64_pair(1, position));
    for (lines, due) in [
        (&["subscribe s", "pause s", "refilter s", "rekey s until=9"][..], &[][..]),
        (&["subscribe s", "unsubscribe s"], &[at(2)]),
        (&["subscribe s", "subscribe s"], &[at(3)]),
        (&["subscribe s", "unsubscribe s", "subscribe s", "unsubscribe s", "unsubscribe s"], &[at(2), at(4)]),
        (&["subscribe s key=k", "subscribe s key=k"], &[at(3)]),
        (&["rekey s until=9"], &[Forgotten::Subscription(crate::story::named_id("s"))]),
    ] {
        assert_eq!(forgotten(lines), due, "{lines:?}");
    }
    let domain = ["domain b", "subscribe s domain=b", "create i domain=b"];
    assert_eq!(forgotten(&[&domain[..], &["undomain b due=60"]].concat()), [], "its time is not over");
    let purged = forgotten(&[&domain[..], &["undomain b due=60", "purge-domain b at=60"]].concat());
    assert!(matches!(purged[..], [Forgotten::Subscription(_), Forgotten::Integration(_)]), "{purged:?}");
    let integrations = forgotten(&["create i mail=[]", "create i", "create i mail=[]", "update i mail=[]", "delete i"]);
    assert!(matches!(integrations[..], [Forgotten::Integration(_), Forgotten::Integration(_)]), "{integrations:?}");
    assert_ne!(integrations[0], integrations[1], "one was refused, and one deleted");
}

#[test]
fn who_signed_up_is_listed_once_and_forgotten_when_the_time_is_over() {
    let lines = ["signup u1 due=50", "user u2 name=bob", "signup u3 due=50", "confirm u1"];
    let listed = directory(&lines);
    let ids: Vec<_> = listed.users().iter().map(|row| row.user.id.clone()).collect();
    assert_eq!(ids, ["u1", "u2", "u3"], "in the order of their making");
    let due = listed.due(second(50));
    assert!(matches!(&due[..], [Due::User { id, .. }] if id == "u3"), "{due:?}");
    let over = forgotten(&[&lines[..], &["purge u3 at=50"]].concat());
    assert_eq!(over, [Forgotten::User("u3".to_owned())]);
}

#[test]
fn a_user_is_found_by_the_index_of_its_name_until_it_is_purged() {
    let index = format!("ann of {}", Uuid::nil());
    for (lines, found) in [
        (&["user u1"][..], Some("u1")),
        (&["user u1", "unuser u1"], Some("u1")),
        (&["user u1", "rename u1 name=bob"], None),
        (&["user u1", "unuser u1 due=4", "purge u1"], None),
        (&["user u1", "unuser u1 due=4", "purge u1", "user u2"], Some("u2")),
        (&["signup u1"], None),
        (&["signup u1", "signup u2", "confirm u2"], Some("u2")),
        (&["signup u1 due=4", "user u2", "purge u1 at=4"], Some("u2")),
    ] {
        let directory = directory(lines);
        let id = directory.user_by_name(&index).map(|row| row.user.id.as_str());
        assert_eq!(id, found, "{lines:?}");
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
        ("notify", json!({"kind": "hookup"}), &[]),
        ("notify", json!({"kind": "email", "address": "hooks@example.com"}), &[]),
        ("notify", json!({"kind": "email"}), &["/notify/address"]),
        ("notify", json!({"kind": "email", "address": "a@b, c@d"}), &["/notify/address"]),
        ("notify", json!({"kind": "email", "address": "a@b\r\nBcc: c@d"}), &["/notify/address"]),
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

/// Lines of everything, at any time: a clock may be set back.
fn any_lines() -> impl Strategy<Value = Vec<String>> {
    let user = "(user|signup|confirm|forgot|unuser|reuser|purge|password|rename) u[1-3] name=(ann|bob)( of=b made=[2-9])?( due=[1-9]0)?";
    let other = "(notice|retire|receive q1|create c domain=b|delete c|token t1 domain=b|revoke t1)";
    let line = prop_oneof![user, other, "(domain|undomain|purge-domain) b( due=[1-9]0)?"];
    let timed = (line, prop::option::of(0..99_u8)).prop_map(|(line, at)| match at {
        Some(at) => format!("{line} at={at}"),
        None => line,
    });
    prop::collection::vec(timed, 0..50)
}

/// What was decided about users, domains and integrations, without times.
fn decided(rows: &Rows) -> Vec<String> {
    let kinds = [Kind::Domain, Kind::Integration, Kind::Token, Kind::User, Kind::UserName, Kind::Command];
    let decided = kinds.into_iter().flat_map(|kind| rows.of(kind)).filter_map(|row| match row {
        Row::Domain(domain) => Some(format!("{} {:?} {}", domain.name, domain.state, domain.id)),
        Row::Integration(row) => Some(format!("{} {} {}", row.integration.name, row.deleted, row.domain_id)),
        Row::Token(row) => Some(format!("{} {} {}", row.token.id, row.token.revoked_time.is_some(), row.domain_id)),
        Row::User(row) => Some(format!("{} {:?} {:?}", row.user.id, row.user.state, row.name_index)),
        Row::UserName(name) => Some(format!("{name:?}")),
        _ => None,
    });
    let mut decided: Vec<_> = decided.collect();
    decided.sort();
    decided
}

proptest! {
    /// Intake folds the directory alone, and a projector everything that is in its partition.
    #[test]
    fn the_directory_alone_decides_as_the_whole_partition_does(lines in any_lines()) {
        let (mut directory, mut ledger_time) = (Directory::default(), Timestamp::MIN);
        let mut whole = crate::story::Story::untold();
        for (line, position) in BEGINNING.into_iter().chain(lines.iter().map(String::as_str)).zip(0..) {
            whole.tell(line);
            let entry = crate::story::entry(position, line);
            let event = crate::Event::parse(&entry).unwrap();
            let kind: Value = serde_json::from_slice(&entry).unwrap();
            let kind = crate::event::EventType::ALL.into_iter().find(|known| kind["type"] == known.as_str()).unwrap();
            if kind.is_directory() {
                let placed = Placed::after(ledger_time, 0, position, event);
                ledger_time = placed.recorded_time;
                directory.apply(&placed);
            }
        }
        prop_assert_eq!(decided(&directory.rows), decided(&whole.rows));
    }

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

#[test]
fn a_setting_is_what_it_was_when_something_happened() {
    let (key, first) = ("webhook_events.user_create", BEGINNING.len() as u64);
    let cases: [(&[&str], &str); 7] = [
        (&["other", "set yes", "other", "other"], "nnyy"),
        (&["set yes", "other", "set no", "other"], "nynn"),
        (&["set yes", "other", "unset", "other"], "nynn"),
        (&["set yes", "other", "set no", "set no"], "nynn"),
        (&["set yes", "set no", "set yes", "other"], "nnny"),
        (&["set yes", "set no domain", "other", "other"], "nynn"),
        (&["set yes domain", "other", "unset domain", "other"], "nynn"),
    ];
    for (said, expected) in cases {
        let lines = said.iter().map(|said| {
            let domain = if said.ends_with("domain") { " domain=default" } else { "" };
            match *said {
                "other" => "set http_events.save_into_sessions yes".to_owned(),
                said if said.starts_with("unset") => format!("unset {key}{domain}"),
                said => format!("set {key} {}{domain}", if said.contains("yes") { "yes" } else { "no" }),
            }
        });
        let lines: Vec<_> = lines.collect();
        let directory = directory(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let was_on = |index| directory.setting_at(key, Some("default"), first + index).is_some();
        let seen: String = (0..4).map(|index| if was_on(index) { 'y' } else { 'n' }).collect();
        assert_eq!(seen, expected, "{said:?}");
    }
}

#[test]
fn what_has_no_row_is_known_by_its_name_also_when_nothing_is_sent() {
    let directory = directory(&[
        "set jwt_webhook.private_key k1",
        "set jwt_webhook.url u1",
        "set http_events.global.server s1",
        "set http_events.per_domain.server s2 domain=default",
        "set external_webapi.service_account_url u2",
        "unset external_webapi.service_account_url",
        "create a mail=[]",
    ]);
    let mut fixed = directory.fixed_subscriptions();
    fixed.sort_by(|one, other| one.name.cmp(&other.name));
    let told: Vec<_> =
        fixed.iter().map(|one| (one.name.as_str(), one.domain.as_deref(), one.start.is_some())).collect();
    let expected = [
        ("account-mail", None, true),
        ("domain-http-events@default", Some("default"), true),
        ("external-webapi", None, false),
        ("http-events", None, false),
        ("jwt-webhook", None, true),
        ("notify@a", Some("default"), true),
    ];
    assert_eq!(told, expected);
    for name in ["jwt-webhook", "http-events", "account-mail"] {
        let spec: SubscriptionSpec = serde_json::from_value(
            json!({"name": name, "kind": "webhook", "integrations": [], "tenants": [], "types": []}),
        )
        .unwrap();
        assert!(!spec.violations().is_empty(), "{name} is taken");
    }
    // deliveries in every delivery store hang on it
    assert_eq!(fixed[4].id().to_string(), "852f25eb-bba6-9265-5de4-e98d488f7c5b");
}

#[test]
fn the_mails_to_users_begin_with_the_ledger_and_leave_out_what_was_imported() {
    let imported = json!({"ledger": "l0", "sealed_for": "l0", "logs": [], "heads": [7, 9]});
    for (imported, positions) in [(json!(null), vec![]), (imported, vec![7, 9])] {
        let genesis = json!({"specversion": "1.0", "id": Uuid::nil(), "source": "/ledger", "subject": "l1",
            "type": "regledger.ledger.create.v1", "time": "2026-11-23T08:00:00Z",
            "datacontenttype": "application/json", "dataschema": "/schemas/regledger.ledger.create.v1.json",
            "data": {"ledger": "l1", "partitions": 2, "imported": imported}});
        let event = crate::Event::parse(genesis.to_string().as_bytes()).unwrap();
        let mut directory = Directory::default();
        directory.apply(&Placed::after(Timestamp::MIN, 0, 0, event));
        let all = directory.fixed_subscriptions();
        let [mail] = &all[..] else { panic!("only the mails to users") };
        assert_eq!(mail.start, Some(Start { said: i64::MAX.cast_unsigned(), positions }));
    }
}
