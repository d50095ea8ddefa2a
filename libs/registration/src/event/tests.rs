use proptest::prelude::*;
use schemars::schema_for;
use serde_json::{Value, json};

use super::*;
use crate::change::CloudEvent;
use crate::story::{Story, entry, second};

/// A line for each type of event.
const LINES: [(&str, EventType); 36] = [
    ("genesis l1", EventType::LedgerCreate),
    ("restore e1 heads=[2]", EventType::LedgerRestore),
    ("domain b", EventType::DomainCreate),
    ("undomain b", EventType::DomainDelete),
    ("purge-domain b", EventType::DomainPurge),
    ("create b", EventType::IntegrationCreate),
    ("update b owner=x", EventType::IntegrationUpdate),
    ("rotate b hash=h", EventType::IntegrationRotateHookup),
    ("delete b", EventType::IntegrationDelete),
    ("token t1", EventType::TokenCreate),
    ("revoke t1", EventType::TokenRevoke),
    ("user u1", EventType::UserCreate),
    ("email u1", EventType::UserUpdate),
    ("unuser u1", EventType::UserDelete),
    ("reuser u1", EventType::UserUndelete),
    ("purge u1", EventType::UserPurge),
    ("password u1 request=5", EventType::UserSetPassword),
    ("confirm u1", EventType::UserConfirm),
    ("forgot u1", EventType::UserForgotPassword),
    ("notice", EventType::ProvetRegistration),
    ("retire", EventType::ClientRetire),
    ("reveal", EventType::ClientReveal),
    ("receive q1", EventType::QuarantineReceive),
    ("release q1", EventType::QuarantineRelease),
    ("dismiss q1", EventType::QuarantineDismiss),
    ("look q1", EventType::QuarantineReveal),
    ("set jwt_webhook.private_key k1 until=9", EventType::SettingSet),
    ("isl USER_CREATE user=ann session=s1 hash=h1 save", EventType::IslEvent),
    ("jwt user_delete user=ann jti=j1 until=5", EventType::IslToken),
    ("subscribe s", EventType::SubscriptionCreate),
    ("retarget s", EventType::SubscriptionUpdate),
    ("unsubscribe s", EventType::SubscriptionDelete),
    ("pause s", EventType::SubscriptionPause),
    ("resume s start=[7]", EventType::SubscriptionResume),
    ("rekey s until=9", EventType::SubscriptionRotateSecret),
    ("suspend s why=gone revision=7", EventType::SubscriptionSuspend),
];

/// An entry with one attribute replaced, or taken out.
fn altered(line: &str, name: &str, value: Option<Value>) -> Vec<u8> {
    let mut entry: Value = serde_json::from_slice(&entry(0, line)).unwrap();
    let attributes = entry.as_object_mut().unwrap();
    match value {
        Some(value) => attributes.insert(name.to_owned(), value),
        None => attributes.remove(name),
    };
    serde_json::to_vec(&entry).unwrap()
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let text = || any::<String>();
    let time = || (0..4_000_000_000_i64, 0..1_000_000_000_i32);
    let maybe = || prop::option::of(any::<String>());
    let times = (time(), prop::option::of(time()));
    let hashes = (maybe(), maybe(), maybe());
    (any::<u128>(), text(), text(), times, prop::option::of(any::<u128>()), hashes).prop_map(
        |(id, source, subject, (time, recorded), integration, (key, fingerprint, actor))| {
            let timestamp = |(second, nano)| Timestamp::new(second, nano).unwrap();
            Attributes {
                id: Uuid::from_u128(id),
                source,
                subject,
                time: timestamp(time),
                recorded_time: recorded.map(timestamp),
                integration_id: integration.map(Uuid::from_u128),
                idempotency_key: key,
                fingerprint,
                actor,
            }
        },
    )
}

proptest! {
    #[test]
    fn attributes_are_read_as_they_were_written(attributes in attributes()) {
        let entry = encode(&attributes, EventType::TokenRevoke, &Nothing {}).unwrap();
        prop_assert!(!entry.contains(&b'\n'));
        prop_assert_eq!(Event::parse(&entry).unwrap().attributes, attributes);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, cut in 0..400_usize) {
        prop_assert!(Event::parse(&bytes).is_err());
        let mut entry = entry(0, "notice [1]");
        entry.truncate(cut);
        prop_assert!(Event::parse(&entry).is_err());
    }
}

#[test]
fn every_type_is_written_and_read_as_itself() {
    assert_eq!(LINES.map(|(_, kind)| kind), EventType::ALL);
    for (line, kind) in LINES {
        let entry = entry(0, line);
        let read = Event::parse(&entry).unwrap().body;
        let variant = format!("{read:?}");
        let name = format!("{kind:?}");
        assert_eq!(variant.split(['(', ' ']).next(), Some(name.as_str()), "{line}");
        let json: Value = serde_json::from_slice(&entry).unwrap();
        assert_eq!(json["type"], kind.as_str(), "{line}");
        assert_eq!(json["dataschema"], format!("/schemas/{}.json", kind.as_str()), "{line}");
    }
}

#[test]
fn only_what_belongs_to_partition_0_is_of_the_directory() {
    for kind in EventType::ALL {
        let noun = kind.as_str().split('.').nth(1);
        let expected =
            matches!(noun, Some("ledger" | "domain" | "integration" | "token" | "user" | "subscription" | "setting"));
        assert_eq!(kind.is_directory(), expected, "{kind:?}");
    }
}

#[test]
fn an_entry_holds_the_attributes_of_cloudevents_in_lower_case() {
    let entry = entry(7, "retire key=k1 at=5 released=9");
    let json: Value = serde_json::from_slice(&entry).unwrap();
    let names: Vec<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let is_attribute = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    assert!(names.iter().all(|name| is_attribute(name)), "{names:?}");
    assert_eq!(json["specversion"], "1.0");
    assert_eq!(json["datacontenttype"], "application/json");
    assert_eq!(json["time"], json!(second(5)));
    assert_eq!(json["recordedtime"], json!(second(9)));
    assert_eq!(json["idempotencykey"], "k1");
}

#[test]
fn attributes_that_are_none_are_not_written() {
    let entry = encode(&Attributes::default(), EventType::TokenRevoke, &Nothing {}).unwrap();
    let json: Value = serde_json::from_slice(&entry).unwrap();
    let required = ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"];
    let mut names: Vec<_> = json.as_object().unwrap().keys().collect();
    let mut expected = required.to_vec();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[test]
fn the_data_of_a_notice_keeps_its_lexemes() {
    let entry = entry(0, "notice provet_id=1.2340e3 [1.0,2e0] +30E-1");
    let text = str::from_utf8(&entry).unwrap();
    for lexeme in ["1.2340e3", "[1.0,2e0]", "30E-1"] {
        assert!(text.contains(lexeme), "{lexeme} in {text}");
    }
    let Body::ProvetRegistration(notice) = Event::parse(&entry).unwrap().body else { panic!("{text}") };
    assert_eq!(notice.provet_id, 1234);
    assert_eq!(notice.departments, Some(vec![1, 2]));
    assert_eq!(notice.added_department, Some(3));
}

#[test]
fn a_registration_is_read_as_it_was_written() {
    for line in ["notice", "notice [1,2] +3 -4", "notice [] secret=null", "notice secret=a,b"] {
        let Body::ProvetRegistration(notice) = Event::parse(&entry(0, line)).unwrap().body else { panic!("{line}") };
        let json = serde_json::to_string(&notice).unwrap();
        assert_eq!(serde_json::from_str::<Registration>(&json).unwrap(), *notice, "{line}");
    }
}

#[test]
fn an_unknown_type_is_named_so_that_the_executable_can_be_upgraded() {
    for kind in ["regledger.client.retire.v2", "regledger.isl.dance.v1", ""] {
        let entry = altered("retire", "type", Some(json!(kind)));
        match Event::parse(&entry) {
            Err(EventError::UnknownType(found)) => assert_eq!(found, kind),
            other => panic!("{kind}: {other:?}"),
        }
    }
}

#[test]
fn what_is_no_event_is_unreadable() {
    for (name, value) in [
        ("id", None),
        ("id", Some(json!("7"))),
        ("type", None),
        ("source", None),
        ("subject", None),
        ("time", None),
        ("time", Some(json!("yesterday"))),
        ("recordedtime", Some(json!(5))),
        ("integrationid", Some(json!("acme-lab"))),
        ("data", None),
        ("data", Some(json!({}))),
        ("data", Some(json!({"provet_id": 1.5}))),
    ] {
        let parsed = Event::parse(&altered("notice", name, value.clone()));
        let is_unreadable = matches!(parsed, Err(EventError::Unreadable(_)));
        assert!(is_unreadable, "{name} {value:?}: {parsed:?}");
    }
}

/// The JSON Schema of the data of a type of event.
fn schema(kind: EventType) -> schemars::Schema {
    match kind {
        EventType::LedgerCreate => schema_for!(LedgerCreate),
        EventType::LedgerRestore => schema_for!(LedgerRestore),
        EventType::DomainCreate => schema_for!(DomainCreate),
        EventType::DomainDelete => schema_for!(DomainDelete),
        EventType::UserCreate => schema_for!(UserCreate),
        EventType::UserUpdate => schema_for!(UserUpdate),
        EventType::UserDelete => schema_for!(UserDelete),
        EventType::UserPurge => schema_for!(UserPurge),
        EventType::UserSetPassword => schema_for!(UserSetPassword),
        EventType::UserConfirm => schema_for!(UserConfirm),
        EventType::UserForgotPassword => schema_for!(UserForgotPassword),
        EventType::IntegrationCreate => schema_for!(IntegrationCreate),
        EventType::IntegrationUpdate => schema_for!(IntegrationChange),
        EventType::IntegrationRotateHookup => schema_for!(IntegrationRotateHookup),
        EventType::TokenCreate => schema_for!(TokenCreate),
        EventType::ProvetRegistration => schema_for!(Registration),
        EventType::ClientReveal | EventType::QuarantineReveal => schema_for!(Reveal),
        EventType::QuarantineReceive => schema_for!(QuarantineReceive),
        EventType::SettingSet => schema_for!(SettingSet),
        EventType::IslEvent => schema_for!(IslEvent),
        EventType::IslToken => schema_for!(IslToken),
        EventType::QuarantineRelease => schema_for!(QuarantineRelease),
        EventType::SubscriptionCreate => schema_for!(SubscriptionCreate),
        EventType::SubscriptionUpdate => schema_for!(SubscriptionUpdate),
        EventType::SubscriptionResume => schema_for!(SubscriptionResume),
        EventType::SubscriptionRotateSecret => schema_for!(SubscriptionRotateSecret),
        EventType::SubscriptionSuspend => schema_for!(SubscriptionSuspend),
        EventType::SubscriptionDelete
        | EventType::SubscriptionPause
        | EventType::DomainPurge
        | EventType::UserUndelete
        | EventType::IntegrationDelete
        | EventType::TokenRevoke
        | EventType::ClientRetire
        | EventType::QuarantineDismiss => schema_for!(Nothing),
    }
}

#[test]
fn the_data_of_every_event_is_as_its_schema_says() {
    let spelled = ("notice provet_id=1.234e3 [1.0] -2", EventType::ProvetRegistration);
    for (line, kind) in LINES.into_iter().chain([spelled]) {
        let event: Value = serde_json::from_slice(&entry(0, line)).unwrap();
        let schema = schema(kind).to_value();
        let found = jsonschema::validate(&schema, &event["data"]);
        assert!(found.is_ok(), "{line}: {found:?}");
    }
}

#[test]
fn every_change_is_as_its_schema_says() {
    let schema = schema_for!(CloudEvent<'static>).to_value();
    let mut story = Story::untold();
    let mut count = 0;
    for line in [
        "genesis l1",
        "create acme-lab",
        "update acme-lab owner=x",
        "notice [1]",
        "notice [] +3 secret=null",
        "notice -3",
        "retire",
        "notice",
        "delete acme-lab",
        "isl USER_CREATE user=ann hash=1",
        "isl USER_DELETE user=ann hash=2",
        "isl USER_UNDELETE user=ann hash=3",
        "isl DOMAIN_DELETE hash=4",
        "set webhook_events.user_create yes",
        "unset webhook_events.user_create",
        "subscribe s",
        "rekey s until=900 public=whpk_a",
        "pause s",
        "signup u1",
        "confirm u1",
        "forgot u1",
        "password u1",
    ] {
        let (placed, changes) = story.fold(line);
        for (change, ordinal) in changes.iter().zip(0..) {
            let event = serde_json::to_value(change.cloud_event("l1", &placed, ordinal)).unwrap();
            let found = jsonschema::validate(&schema, &event);
            assert!(found.is_ok(), "{line}: {found:?} {event}");
            count += 1;
        }
    }
    assert_eq!(count, 28);
}
