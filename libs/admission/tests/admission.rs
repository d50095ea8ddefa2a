//! What is appended is sealed, and what is appended elsewhere is known after catching up.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use admission::{
    AccountLink, Admission, Capability, Clock, Delivery, DirectoryError, DirectoryView, Intent, Link, Passwords,
    Prepared, RefusedKind,
};
use jiff::Timestamp;
use ledger::{Ledger, Limit, MemoryLedger};
use prometheus::Registry;
use registration::directory::{
    Allow, IntegrationCreate, IntegrationRow, IntegrationSpec, Notify, Role, Source, Token, UserConfirm, UserCreate,
    UserDelete,
};
use registration::event::{Body, EventType};
use registration::{Event, Sealed};
use tempfile::TempDir;
use uuid::Uuid;
use vault::{Context, Kek, SqliteKeys, Subject, Vault};

const ALL: Limit = Limit { events: 1000, bytes: usize::MAX };

const SECRET: &str = "canary-of-the-secret";
const UNKNOWN: &str = "canary-of-an-unknown-field";

struct Hub {
    ledger: MemoryLedger,
    directory: Arc<DirectoryView>,
    admission: Admission,
    _dir: TempDir,
}

fn clock() -> Clock {
    let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    Clock::new(move || now)
}

async fn hub(partitions: u32) -> Hub {
    let dir = TempDir::new().unwrap();
    let ledger = MemoryLedger::new(partitions);
    let directory = DirectoryView::open(Arc::new(ledger.clone()), None, &clock()).await.unwrap();
    let kek = Kek::create_file(&dir.path().join("kek")).unwrap();
    let keys = Arc::new(SqliteKeys::open(&dir.path().join("keys.db")).unwrap());
    let vault = Vault::open(keys, kek, &directory.ledger_id()).await.unwrap();
    let admission = Admission::new(Arc::new(ledger.clone()), vault, clock(), &Registry::new()).unwrap();
    Hub { ledger, directory, admission, _dir: dir }
}

impl Hub {
    async fn integration(&self, name: &str, allow: Allow) -> Arc<IntegrationRow> {
        let spec = IntegrationSpec {
            name: name.to_owned(),
            source: Source::Provet,
            domain: "default".to_owned(),
            notify: Notify::Hookup {},
            owner: None,
            authorization_grant_type: None,
            redirect_uris: Vec::new(),
            allow,
            jwt_key: None,
            jwks_url: None,
        };
        let actor = Token {
            id: "t".to_owned(),
            name: String::new(),
            scopes: Vec::new(),
            domain: None,
            integrations: Vec::new(),
            expires_time: None,
            revoked_time: None,
            created_time: Timestamp::UNIX_EPOCH,
        };
        let intent = Intent::new(EventType::IntegrationCreate, format!("/integrations/{name}"), &actor);
        let hookup_key_hash = Capability::new("").unwrap().hash;
        let data = IntegrationCreate { integration: spec, hookup_key_hash, mailbox: None };
        self.admission.submit(intent.about(name), &data).await.unwrap();
        self.directory.catch_up().await.unwrap();
        self.directory.read().integration(name).unwrap().clone()
    }

    async fn last_event(&self, partition: u32) -> (String, Event) {
        let entry = self.ledger.read(partition, 0, ALL).await.unwrap().pop().unwrap();
        let text = String::from_utf8(entry.bytes.to_vec()).unwrap();
        (text, Event::parse(&entry.bytes).unwrap())
    }
}

fn notice(tenant: u32) -> Vec<u8> {
    format!(
        r#"{{"provet_id":{tenant}.0,"client_id":"abc","client_secret":"{SECRET}","algorithm":null,
        "authorization_grant_type":"client_credentials","client_type":"confidential","redirect_uris":"",
        "token_url":"https://provetcloud.com/{tenant}/oauth2/token/","authorize_url":"https://provetcloud.com/",
        "openid_autodiscovery_url":null,"departments":[3 ,1e0],"new_field":"{UNKNOWN}"}}"#
    )
    .into_bytes()
}

fn delivery<'a>(integration: &'a IntegrationRow, body: &'a [u8]) -> Delivery<'a> {
    Delivery { integration, body, idempotency_key: None, time: clock().now(), released: None }
}

#[tokio::test]
async fn a_notice_is_sealed_before_it_is_appended_and_opens_again() {
    let hub = hub(1).await;
    let integration = hub.integration("acme-lab", Allow::default()).await;
    let body = notice(1234);
    let prepared = Prepared::check(delivery(&integration, &body)).unwrap();
    let receipt = hub.admission.record(prepared).await.unwrap();
    let (text, event) = hub.last_event(0).await;
    assert!(!text.contains(SECRET) && !text.contains(UNKNOWN) && !text.contains("new_field"), "{text}");
    assert!(text.contains(r#""provet_id":1234.0"#) && text.contains("1e0"), "lexemes are kept: {text}");
    assert_eq!(event.attributes.id, receipt.event_id);
    assert_eq!(event.attributes.subject, "provetcloud.com/1234");
    let Body::ProvetRegistration(registration) = event.body else { panic!("{text}") };
    assert_eq!(registration.departments, Some(vec![3, 1]));
    let subject = Subject::Tenant(event.attributes.subject.clone());
    for (field, sealed, plain) in [
        ("client_secret", registration.client_secret, SECRET.to_owned()),
        ("unknown", registration.unknown, format!(r#"{{"new_field":"{UNKNOWN}"}}"#)),
    ] {
        let Sealed { sealed } = sealed.expect(field);
        let context = Context { event: event.attributes.id, field };
        let opened = hub.admission.vault().open_envelope(&subject, &context, &sealed).await.unwrap();
        assert_eq!(*opened, plain.into_bytes(), "{field}");
    }
}

#[tokio::test]
async fn a_quarantined_message_is_sealed_whole_and_known_again() {
    let hub = hub(3).await;
    let integration = hub.integration("acme-lab", Allow::default()).await;
    let body = format!("not json {SECRET}");
    let delivery = delivery(&integration, body.as_bytes());
    let refused = Prepared::check(delivery).unwrap_err();
    assert_eq!(refused.kind, RefusedKind::Malformed);
    let first = hub.admission.quarantine(delivery, &refused).await.unwrap();
    let second = hub.admission.quarantine(delivery, &refused).await.unwrap();
    assert_eq!(first, second, "the same message has the same id");
    let heads =
        [hub.ledger.head(0).await.unwrap(), hub.ledger.head(1).await.unwrap(), hub.ledger.head(2).await.unwrap()];
    assert_eq!(heads[0], 2, "a message never goes to the directory's partition");
    assert_eq!(heads[1] + heads[2], 2, "both are in one partition: {heads:?}");
    let (text, _) = hub.last_event(if heads[1] > 0 { 1 } else { 2 }).await;
    assert!(!text.contains(SECRET), "{text}");
}

#[tokio::test]
async fn allow_lists_hold_for_token_hosts_and_addresses() {
    let hub = hub(1).await;
    let allow =
        Allow { addresses: vec!["192.0.2.0/24".parse().unwrap()], token_hosts: vec!["us.provetcloud.com".to_owned()] };
    let integration = hub.integration("acme-lab", allow).await;
    let body = notice(1);
    let delivery = delivery(&integration, &body);
    let refused = Prepared::check(delivery).unwrap_err();
    assert_eq!((refused.kind, refused.violations[0].pointer.as_str()), (RefusedKind::Invalid, "/token_url"));
    for (address, allowed) in [("192.0.2.7", true), ("::ffff:192.0.2.7", true), ("192.0.3.7", false), ("::1", false)] {
        let checked = delivery.check_address(address.parse().unwrap());
        assert_eq!(checked.is_ok(), allowed, "{address}");
    }
}

#[tokio::test]
async fn who_signs_in_is_who_has_the_name_and_the_password() {
    let hub = hub(1).await;
    let passwords = Passwords::default();
    let draft = hub.admission.draft();
    let sealer = hub.admission.seal_new_person(draft).await.unwrap();
    let hash = passwords.hash("correct horse".into()).await.unwrap();
    let data = UserCreate {
        domain_id: Uuid::nil(),
        roles: vec![Role::Member],
        name_index: hub.admission.name_index(Uuid::nil(), "Ann").unwrap(),
        name: sealer.name("Ann").unwrap(),
        email: None,
        password: Some(sealer.password(&hash).unwrap()),
        confirm_until: None,
    };
    let intent = |kind| Intent::by_itself(kind, "/domains/default".to_owned(), "test");
    hub.admission.submit(intent(EventType::UserCreate).drafted(draft), &data).await.unwrap();
    hub.directory.catch_up().await.unwrap();
    let (text, _) = hub.last_event(0).await;
    assert!(!text.contains("Ann") && !text.contains("argon2"), "{text}");
    let id = draft.id.to_string();
    let sign_in = async |domain: &str, name: &str, password: &str| {
        let signed_in = hub.admission.sign_in(&hub.directory, &passwords, domain, name, password.into()).await;
        signed_in.unwrap().map(|row| row.user.id)
    };
    for (domain, name, password, is_let_in) in [
        ("default", "Ann", "correct horse", true),
        ("default", "ANN", "correct horse", true),
        ("default", "ann", "correct horsf", false),
        ("default", "bob", "correct horse", false),
        ("default", "a b", "correct horse", false),
        ("nowhere", "ann", "correct horse", false),
    ] {
        let expected = is_let_in.then(|| id.clone());
        assert_eq!(sign_in(domain, name, password).await, expected, "{domain} {name} {password}");
    }
    let delete = UserDelete { purge_after: clock().now() };
    hub.admission.submit(intent(EventType::UserDelete).about(&id), &delete).await.unwrap();
    hub.directory.catch_up().await.unwrap();
    assert_eq!(sign_in("default", "ann", "correct horse").await, None, "a deleted user does not sign in");
}

#[tokio::test]
async fn nothing_is_sealed_for_a_user_whose_key_is_destroyed() {
    let hub = hub(1).await;
    let draft = hub.admission.draft();
    let sealer = hub.admission.seal_new_person(draft).await.unwrap();
    let name_index = hub.admission.name_index(Uuid::nil(), "Ann").unwrap();
    let data = UserCreate {
        domain_id: Uuid::nil(),
        roles: vec![Role::Member],
        name_index,
        name: sealer.name("Ann").unwrap(),
        email: Some(sealer.email("ann@example.com").unwrap()),
        password: None,
        confirm_until: None,
    };
    let intent = Intent::by_itself(EventType::UserCreate, "/domains/default".to_owned(), "test");
    hub.admission.submit(intent.drafted(draft), &data).await.unwrap();
    hub.directory.catch_up().await.unwrap();
    let row = hub.directory.read().user(&draft.id.to_string()).unwrap().clone();
    let person = hub.admission.person(&row).await.unwrap().unwrap();
    assert_eq!((person.name.as_str(), person.email.as_deref()), ("Ann", Some("ann@example.com")));
    hub.admission.vault().shred(&Subject::User(draft.id.to_string())).await.unwrap();
    assert_eq!(hub.admission.person(&row).await.unwrap(), None);
    let late = hub.admission.seal_person(&row, hub.admission.draft()).await;
    assert!(matches!(late.err(), Some(vault::UnsealError::NoKey)), "no new key is made");
}

#[tokio::test]
async fn an_integration_made_elsewhere_is_known_after_catching_up() {
    let hub = hub(1).await;
    let elsewhere = DirectoryView::open(Arc::new(hub.ledger.clone()), None, &clock()).await.unwrap();
    hub.integration("acme-lab", Allow::default()).await;
    assert!(elsewhere.read().integration("acme-lab").is_none());
    let checks = (0..50).map(|_| elsewhere.catch_up());
    for checked in futures_util::future::join_all(checks).await {
        checked.unwrap();
    }
    assert!(elsewhere.read().integration("acme-lab").is_some());
    assert_eq!(elsewhere.ledger_id(), hub.directory.ledger_id());
}

#[tokio::test]
async fn first_starts_that_write_the_admin_token_at_once_make_one() {
    let hub = hub(1).await;
    let elsewhere = DirectoryView::open(Arc::new(hub.ledger.clone()), None, &clock()).await.unwrap();
    for directory in [&hub.directory, &elsewhere] {
        directory.ensure_admin_token("hash".to_owned(), &clock()).await.unwrap();
    }
    for directory in [&hub.directory, &elsewhere] {
        directory.catch_up().await.unwrap();
        assert_eq!(directory.read().tokens().len(), 1);
        assert!(directory.read().token_by_hash("hash").is_some());
    }
}

#[tokio::test]
async fn a_ledger_is_opened_with_the_partitions_that_it_was_made_with() {
    let one = MemoryLedger::new(1);
    let directory =
        DirectoryView::open(Arc::new(one.clone()), Some("known-before".to_owned()), &clock()).await.unwrap();
    assert_eq!(directory.ledger_id(), "known-before", "the id that the key store knows is taken");
    let two = MemoryLedger::new(2);
    let genesis = one.read(0, 0, ALL).await.unwrap().remove(0);
    let entry = ledger::Entry::new(0, true, genesis.bytes);
    two.append(vec![entry]).await.unwrap();
    let refused = DirectoryView::open(Arc::new(two), None, &clock()).await;
    assert!(matches!(refused.err(), Some(DirectoryError::OtherPartitions { ledger: 1, opened: 2 })));
}

#[tokio::test]
async fn whoever_signed_up_signs_in_once_that_is_confirmed() {
    let hub = hub(1).await;
    let passwords = Passwords::default();
    let draft = hub.admission.draft();
    let sealer = hub.admission.seal_new_person(draft).await.unwrap();
    let hash = passwords.hash("correct horse".into()).await.unwrap();
    let name_index = hub.admission.name_index(Uuid::nil(), "Ann").unwrap();
    let data = UserCreate {
        domain_id: Uuid::nil(),
        roles: vec![Role::Member],
        name_index: name_index.clone(),
        name: sealer.name("Ann").unwrap(),
        email: Some(sealer.email("ann@example.com").unwrap()),
        password: Some(sealer.password(&hash).unwrap()),
        confirm_until: Some(Timestamp::MAX),
    };
    let intent = |kind| Intent::by_itself(kind, "/domains/default".to_owned(), "test");
    let signs_in = async || {
        hub.directory.catch_up().await.unwrap();
        let password = "correct horse".into();
        let signed_in = hub.admission.sign_in(&hub.directory, &passwords, "default", "ann", password).await;
        signed_in.unwrap().is_some()
    };
    hub.admission.submit(intent(EventType::UserCreate).drafted(draft), &data).await.unwrap();
    assert!(!signs_in().await);
    let confirm = intent(EventType::UserConfirm).about(&draft.id.to_string());
    hub.admission.submit(confirm, &UserConfirm { name_index }).await.unwrap();
    assert!(signs_in().await);
}

#[tokio::test]
async fn a_mailed_link_is_believed_for_its_purpose_by_its_own_hub_and_in_its_time() {
    let (hub, other) = (hub(1).await, hub(1).await);
    let at = |seconds: i64| clock().now() + jiff::SignedDuration::from_secs(seconds);
    for request in [None, Some(Uuid::nil())] {
        let link = AccountLink { user: "u1".to_owned(), request, until: at(1) };
        let token = hub.admission.link_token(&link).unwrap();
        assert_eq!(hub.admission.link_token(&link).unwrap(), token, "the same at every attempt");
        assert_eq!(hub.admission.link_of::<AccountLink>(&token), Some(link.clone()));
        assert_eq!(hub.admission.link_of::<Link>(&token), None);
        assert_eq!(other.admission.link_of::<AccountLink>(&token), None);
        for bad in [format!("{token}x"), token[1..].to_owned(), String::new(), ".".to_owned()] {
            assert_eq!(hub.admission.link_of::<AccountLink>(&bad), None, "{bad}");
        }
        let over = hub.admission.link_token(&AccountLink { until: at(0), ..link }).unwrap();
        assert_eq!(hub.admission.link_of::<AccountLink>(&over), None);
    }
    let link = Link { client: "c1".to_owned(), change: "l-0-1-0".to_owned(), until: at(1) };
    let token = hub.admission.link_token(&link).unwrap();
    assert_eq!(hub.admission.link_of::<Link>(&token), Some(link));
    assert_eq!(hub.admission.link_of::<AccountLink>(&token), None);
}
