//! Stories: what the tests tell the fold, a line for each event.
//!
//! `notice [1,2] +3 key=k1` is a Provet notice that lists departments 1 and 2 and adds 3, with an
//! Idempotency-Key; `isl START session=s1 hash=h1` is an HTTP event of ISL, `jwt user_create ann jti=j1` a token. Each line becomes the bytes of a ledger entry, as intake would write them, and
//! is read back from there.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::change::{Change, Data};
use crate::client::{Client, ClientRow, client_id};
use crate::command::{Outcome, row_key};
use crate::directory::{PRIVATE_KEY, definition};
use crate::event::{Attributes, Event, EventType, encode};
use crate::isl;
use crate::{Envelope, Kind, Placed, Row, RowKey, Rows, Sealed, fold, notice};

/// The id of the ledger of every story.
pub(crate) const LEDGER: &str = "l1";

/// The genesis and the integration of every notice that names no other.
pub(crate) const BEGINNING: [&str; 2] = ["genesis l1", "create acme-lab"];

/// The fields of a notice that says no more of itself.
const FIELDS: [(&str, &str); 9] = [
    ("provet_id", "1234"),
    ("client_id", r#""abc""#),
    ("algorithm", r#""RS256""#),
    ("authorization_grant_type", r#""client_credentials""#),
    ("client_type", r#""confidential""#),
    ("redirect_uris", r#""https://example.com/callback""#),
    ("token_url", r#""https://provetcloud.com/1234/oauth2/token/""#),
    ("authorize_url", r#""https://provetcloud.com/1234/oauth2/authorize/""#),
    ("openid_autodiscovery_url", "null"),
];

/// A partition while its story is told.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) rows: Rows,
    ledger_time: Timestamp,
    next: u64,
}

impl Story {
    /// An empty partition.
    pub(crate) fn untold() -> Self {
        Self { rows: Rows::default(), ledger_time: Timestamp::MIN, next: 0 }
    }

    /// A partition with a directory.
    pub(crate) fn new() -> Self {
        let mut story = Self::untold();
        for line in BEGINNING {
            story.tell(line);
        }
        story
    }

    /// Tells lines and asks of each what became of it.
    pub(crate) fn of(lines: &[(&str, &str)]) -> Self {
        let mut story = Self::new();
        for (line, outcome) in lines {
            assert_eq!(story.tell(line), *outcome, "{line:?} in {lines:#?}");
        }
        story
    }

    /// Tells one line; answers what changed, why a command was refused, or `nothing`.
    pub(crate) fn tell(&mut self, line: &str) -> String {
        let (placed, changes) = self.fold(line);
        let mut said: Vec<String> = changes.iter().map(describe).collect();
        match self.rows.get(&RowKey::new(Kind::Command, row_key(&placed.event.attributes).id)) {
            Some(Row::Command(command)) if command.position == placed.position => match &command.outcome {
                Outcome::Refused { reason } => said.push(format!("refused: {reason:?}")),
                Outcome::Applied { .. } if said.is_empty() => said.push("applied".to_owned()),
                Outcome::Applied { .. } => {}
            },
            _ if said.is_empty() => said.push("nothing".to_owned()),
            _ => {}
        }
        said.join(", ")
    }

    /// Tells one line; answers its event and what changed.
    pub(crate) fn fold(&mut self, line: &str) -> (Placed, Vec<Change>) {
        let placed = place(self.ledger_time, self.next, line);
        self.next += 1;
        self.ledger_time = placed.recorded_time;
        for key in placed.rows() {
            if !self.rows.holds(&key) {
                self.rows.know(key, None);
            }
        }
        let changes = fold(&mut self.rows, &placed);
        (placed, changes)
    }

    /// The row of the client that a notice of these words is about.
    pub(crate) fn row(&self, words: &str) -> &ClientRow {
        let id = Words(words.split_whitespace().collect()).client();
        match self.rows.get(&RowKey::new(Kind::Client, id)) {
            Some(Row::Client(row)) => row,
            other => panic!("no client of {words:?} but {other:?}"),
        }
    }

    /// When the last notice was received of the client that a notice of these words is about.
    pub(crate) fn last_notice(&self, words: &str) -> Option<Timestamp> {
        let id = Words(words.split_whitespace().collect()).client();
        match self.rows.get(&RowKey::new(Kind::Client, id)) {
            Some(Row::Client(row)) => Some(row.notice_time),
            _ => None,
        }
    }

    /// The client whose notices name no other.
    pub(crate) fn client(&self) -> &Client {
        &self.row("").client
    }

    /// That client's departments and state.
    pub(crate) fn standing(&self) -> String {
        let client = self.client();
        format!("{} {}", json!(client.departments), client.state.as_str())
    }
}

/// The event that a line tells, at its place.
pub(crate) fn place(ledger_time: Timestamp, position: u64, line: &str) -> Placed {
    let event = Event::parse(&entry(position, line)).unwrap_or_else(|e| panic!("{line:?}: {e:?}"));
    Placed::after(ledger_time, 0, position, event)
}

/// When a second of a story is: that of an event's position, unless the line says `at=`.
pub(crate) fn second(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// The ledger entry that a line tells.
pub(crate) fn entry(position: u64, line: &str) -> Vec<u8> {
    let words = Words(line.split_whitespace().collect());
    if words.verb() == "notice" {
        return words.notice(position);
    }
    let (kind, data) = words.command();
    let subject = match kind {
        EventType::ClientRetire | EventType::ClientReveal => words.client(),
        EventType::IslEvent | EventType::IslToken => isl::tenant(words.integration(), Some(words.isl_domain())),
        _ => words.name().to_owned(),
    };
    let attributes = words.attributes(position, subject);
    encode(&attributes, kind, &data).unwrap()
}

/// The id of an integration or an era: fixed by its name, so that nobody needs to know where it was made.
pub(crate) fn named_id(name: &str) -> Uuid {
    let number = name.bytes().fold(0_u128, |number, byte| number << 8 | u128::from(byte));
    Uuid::from_u128(number)
}

fn sealed(fingerprints: &str) -> Sealed {
    Sealed {
        sealed: Envelope {
            alg: "A256GCM".to_owned(),
            kid: "k1".to_owned(),
            nonce: "AAAAAAAAAAAAAAAA".to_owned(),
            ct: "c2VhbGVk".to_owned(),
            fp: fingerprints.split(',').map(str::to_owned).collect(),
        },
    }
}

/// The words of a line.
struct Words<'a>(Vec<&'a str>);

impl<'a> Words<'a> {
    /// How an integration is notified; by mail is what `mail=start` says.
    fn notify(&self) -> (Option<Value>, Option<Value>) {
        match self.value("mail") {
            Some("no") => (Some(json!({"kind": "hookup"})), None),
            Some(start) => {
                let start: Value = start.parse().unwrap();
                (Some(json!({"kind": "email"})), Some(json!({"address": sealed("a"), "start": start})))
            }
            None => (None, None),
        }
    }

    /// What stands after `name=`.
    fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// The second that stands after `name=`.
    fn second(&self, name: &str) -> Option<Timestamp> {
        self.value(name).map(|text| second(text.parse().unwrap()))
    }

    fn integration(&self) -> &'a str {
        self.value("in").unwrap_or("acme-lab")
    }

    fn verb(&self) -> &'a str {
        self.0[0]
    }

    /// What comes after the verb.
    fn name(&self) -> &'a str {
        self.0.get(1).copied().unwrap_or_default()
    }

    fn attributes(&self, position: u64, subject: String) -> Attributes {
        Attributes {
            id: Uuid::from_u64_pair(1, position),
            source: self.source(),
            subject,
            time: self.second("at").unwrap_or_else(|| second(position.cast_signed())),
            recorded_time: self.second("released"),
            integration_id: Some(named_id(self.integration())),
            idempotency_key: self.value("key").map(str::to_owned),
            fingerprint: None,
            actor: Some("token-1".to_owned()),
        }
    }

    /// The type and the data of everything but a notice.
    fn command(&self) -> (EventType, Value) {
        let (name, domain) = (self.name(), self.value("domain"));
        let reason = json!({"reason": "a test"});
        let released = |superseded: bool| json!({"partition": 0, "position": 0, "superseded": superseded});
        match self.verb() {
            "genesis" => (EventType::LedgerCreate, json!({"ledger": name, "partitions": 1})),
            "restore" => {
                let heads: Value = self.value("heads").unwrap().parse().unwrap();
                (EventType::LedgerRestore, json!({"era": named_id(name), "heads": heads}))
            }
            "create" => {
                let (notify, mailbox) = self.notify();
                let notify = notify.unwrap_or_else(|| json!({"kind": "hookup"}));
                let spec = json!({"name": name, "source": "provet", "notify": notify,
                    "domain": domain.unwrap_or("default")});
                let data = json!({"integration": spec, "hookup_key_hash": "h0", "mailbox": mailbox});
                (EventType::IntegrationCreate, data)
            }
            "update" => {
                let (notify, mailbox) = self.notify();
                let data = json!({"owner": self.value("owner"), "notify": notify, "mailbox": mailbox});
                (EventType::IntegrationUpdate, data)
            }
            "rotate" => {
                let data = json!({"hookup_key_hash": self.value("hash"), "grace_until": second(500)});
                (EventType::IntegrationRotateHookup, data)
            }
            "delete" => (EventType::IntegrationDelete, json!({})),
            "domain" => (EventType::DomainCreate, json!({"domain": {"name": name}})),
            "undomain" => (EventType::DomainDelete, json!({"purge_after": self.purge_after()})),
            "purge-domain" => (EventType::DomainPurge, json!({})),
            "user" => {
                let data = json!({"domain_id": self.domain_id(), "roles": ["member"], "name": sealed("n"),
                    "name_index": self.name_index(), "password": sealed("p")});
                (EventType::UserCreate, data)
            }
            "rename" => {
                let from = self.value("from").unwrap_or("ann");
                let rename = json!({"from_index": self.index_of(from), "name_index": self.name_index(),
                    "name": sealed("n")});
                (EventType::UserUpdate, json!({"rename": rename}))
            }
            "email" => {
                let email = self.value("to").map(sealed);
                (EventType::UserUpdate, json!({"email": {"to": email}}))
            }
            "roles" => {
                let roles: Vec<&str> = self.value("to").unwrap().split(',').collect();
                (EventType::UserUpdate, json!({"roles": roles}))
            }
            "signup" => {
                let data = json!({"domain_id": self.domain_id(), "roles": ["member"], "name": sealed("n"),
                    "name_index": self.name_index(), "email": sealed("e"), "password": sealed("p"),
                    "confirm_until": self.purge_after()});
                (EventType::UserCreate, data)
            }
            "confirm" => (EventType::UserConfirm, json!({"name_index": self.name_index()})),
            "forgot" => (EventType::UserForgotPassword, json!({"until": self.purge_after()})),
            "password" => {
                // the link that the event at that position asked for
                let request = self.value("request").map(|position| Uuid::from_u64_pair(1, position.parse().unwrap()));
                (EventType::UserSetPassword, json!({"password": sealed("p"), "request": request}))
            }
            "unuser" => (EventType::UserDelete, json!({"purge_after": self.purge_after()})),
            "reuser" => (EventType::UserUndelete, json!({})),
            "purge" => (EventType::UserPurge, json!({"name_index": self.name_index()})),
            "token" => {
                let spec = json!({"name": "t", "scopes": ["admin"], "domain": domain});
                let data = json!({"token": spec, "token_hash": format!("hash of {name}")});
                (EventType::TokenCreate, data)
            }
            "revoke" => (EventType::TokenRevoke, json!({})),
            "retire" => (EventType::ClientRetire, json!({})),
            "subscribe" => {
                let spec = json!({"name": name, "domain": domain, "kind": "webhook", "integrations": [], "tenants": [],
                    "types": [], "signature": "v1"});
                let start: Value = self.value("start").unwrap_or("[]").parse().unwrap();
                let data = json!({"subscription": spec, "origin": "https://example.com", "target": sealed("u"),
                    "keys": [{"key": sealed("k0")}], "start": start});
                (EventType::SubscriptionCreate, data)
            }
            "refilter" => (EventType::SubscriptionUpdate, json!({"id": named_id(name), "types": ["client.*"]})),
            "retarget" => {
                let target = json!({"origin": "https://example.org", "target": sealed("u2")});
                (EventType::SubscriptionUpdate, json!({"id": named_id(name), "target": target}))
            }
            "unsubscribe" => (EventType::SubscriptionDelete, json!({})),
            "pause" => (EventType::SubscriptionPause, json!({})),
            "resume" => {
                let start: Option<Value> = self.value("start").map(|start| start.parse().unwrap());
                (EventType::SubscriptionResume, json!({"start": start}))
            }
            "rekey" => {
                let key = json!({"key": sealed("k1"), "public_key": self.value("public")});
                let data = json!({"id": named_id(name), "signature": "v1", "keys": [key], "grace_until": self.second("until")});
                (EventType::SubscriptionRotateSecret, data)
            }
            "suspend" => {
                let revision: u64 = self.value("revision").unwrap().parse().unwrap();
                (EventType::SubscriptionSuspend, json!({"reason": self.value("why"), "revision": revision}))
            }
            "reveal" => (EventType::ClientReveal, reason),
            "receive" => {
                let data = json!({"id": name, "body": sealed(name), "bytes": 17, "status": 422,
                    "detail": "not a registration", "expires_time": second(900)});
                (EventType::QuarantineReceive, data)
            }
            "release" => (EventType::QuarantineRelease, released(false)),
            "supersede" => (EventType::QuarantineRelease, released(true)),
            "dismiss" => (EventType::QuarantineDismiss, json!({})),
            "look" => (EventType::QuarantineReveal, reason),
            "set" | "unset" => (EventType::SettingSet, self.setting()),
            "isl" => (EventType::IslEvent, self.isl_event()),
            "jwt" => {
                let until = self.second("until");
                let data = json!({"domain_id": self.isl_domain(), "token": [self.value("jti")], "until": until,
                    "facts": [self.fact(name)], "jwt": sealed(name)});
                (EventType::IslToken, data)
            }
            other => panic!("{other} is no verb of a story"),
        }
    }

    /// When what is deleted may be purged: at `due=`.
    fn purge_after(&self) -> Timestamp {
        self.second("due").unwrap_or_else(|| second(100))
    }

    /// Where an event is from: a domain if it is about a user, which is in `default` unless the line says `of=`.
    fn source(&self) -> String {
        match self.verb() {
            "user" | "signup" | "confirm" | "forgot" | "rename" | "email" | "roles" | "password" | "unuser"
            | "reuser" | "purge" => {
                format!("/domains/{}", self.value("of").unwrap_or("default"))
            }
            _ => format!("/integrations/{}", self.integration()),
        }
    }

    /// Id of the domain of a user: that of the event that made it, at position `made=`; nil for `default`.
    fn domain_id(&self) -> Uuid {
        let made = self.value("made").map(|position| position.parse().unwrap());
        made.map_or(Uuid::nil(), |position| Uuid::from_u64_pair(1, position))
    }

    fn name_index(&self) -> String {
        self.index_of(self.value("name").unwrap_or("ann"))
    }

    fn index_of(&self, name: &str) -> String {
        format!("{name} of {}", self.domain_id())
    }

    /// `set KEY VALUE`; what is secret is sealed, and a private key has a public half of its name.
    fn setting(&self) -> Value {
        let (key, value) = (self.name(), self.0.get(2).copied().unwrap_or_default());
        let public_key = (key == PRIVATE_KEY).then(|| json!({"kid": value}));
        let secret = json!({"secret": {"value": sealed(value), "summary": null, "public_key": public_key}});
        let is_sealed = definition(key).is_some_and(|definition| definition.kind.is_sealed());
        let value = if is_sealed { secret } else { json!({"plain": value}) };
        let value = (self.verb() == "set").then_some(value);
        json!({"key": key, "domain": self.value("domain"), "value": value, "overlap_until": self.second("until")})
    }

    fn isl_domain(&self) -> &'a str {
        self.value("domain").unwrap_or("7")
    }

    /// What happened in the directory of a source, to whom.
    fn fact(&self, what: &str) -> Value {
        let user = self.value("user").map(|user| json!({"id": user, "name": sealed(user)}));
        json!({"what": what, "user": user})
    }

    fn isl_event(&self) -> Value {
        let name = self.name();
        let is_of_directory = name.starts_with("USER_") || name.starts_with("DOMAIN_");
        let facts = Vec::from_iter(is_of_directory.then(|| self.fact(&name.to_lowercase())));
        let hash = self.value("hash").unwrap_or("h0").split(',').collect::<Vec<_>>();
        json!({"module": self.value("module").unwrap_or("ISL_LIGHT"), "event": name, "domain_id": self.isl_domain(),
            "session_id": self.value("session"), "hash": hash, "facts": facts, "body": sealed(name),
            "save": self.0.contains(&"save")})
    }

    /// The body of a hookup call.
    fn body(&self) -> String {
        let field = |(name, lexeme)| (name, self.value(name).unwrap_or(lexeme));
        let mut fields: Vec<(&str, &str)> = FIELDS.into_iter().map(field).collect();
        let secret = if self.value("secret") == Some("null") { "null" } else { r#""hunter2""# };
        fields.push(("client_secret", secret));
        for word in &self.0 {
            match word.as_bytes()[0] {
                b'[' => fields.push(("departments", word)),
                b'+' => fields.push(("added_department", &word[1..])),
                b'-' => fields.push(("removed_department", &word[1..])),
                _ => {}
            }
        }
        let members = fields.iter().map(|(name, lexeme)| format!("{name:?}:{lexeme}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    fn notice(&self, position: u64) -> Vec<u8> {
        let body = self.body();
        let notice = notice::parse(body.as_bytes()).unwrap_or_else(|e| panic!("{body}: {e:?}"));
        let secret = notice.client_secret.as_ref();
        let secret = secret.map(|_| sealed(self.value("secret").unwrap_or("s1")));
        let data = notice.data(secret.as_ref(), None);
        let attributes = self.attributes(position, notice.tenant.to_string());
        encode(&attributes, EventType::ProvetRegistration, &data).unwrap()
    }

    fn client(&self) -> String {
        let body = self.body();
        let notice = notice::parse(body.as_bytes()).unwrap();
        let integration = named_id(self.integration());
        client_id(integration, &notice.tenant.to_string(), &notice.client_id)
    }
}

/// A change in a few words: `departments_added [3] drift`, `integration.created`.
fn describe(change: &Change) -> String {
    let mut words = vec![change.kind.short().trim_start_matches("client.").to_owned()];
    if let Data::User(data) = &change.data {
        words.extend(data.fields.as_ref().map(|fields| fields.join(" ")));
    }
    if let Data::Client(data) = &change.data {
        words.extend(data.fields.as_ref().map(|fields| fields.join(" ")));
        words.extend(data.departments.as_ref().map(|ids| json!(ids).to_string()));
        words.extend((data.drift == Some(true)).then(|| "drift".to_owned()));
    }
    words.join(" ")
}
