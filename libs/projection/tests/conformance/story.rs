//! A small world to fold: two integrations and what happens to their clients.

use jiff::{SignedDuration, Timestamp};
use projection::{Commit, ListedClient, NewChange, Place, Store, WrittenRow};
use registration::client::Registration;
use registration::directory::{IntegrationCreate, IntegrationSpec, LedgerCreate};
use registration::event::{Attributes, Body};
use registration::isl::{Fact, IslEvent, NamedUser, What, tenant};
use registration::quarantine::QuarantineReceive;
use registration::{Envelope, Event, Kind, Placed, Row, RowKey, Rows, Sealed, fold};
use uuid::Uuid;

use super::lease;

pub const INTEGRATIONS: [&str; 2] = ["acme-lab", "acme-pay"];

/// What a notice says.
#[derive(Clone, Copy, Debug, Default)]
pub struct Notice {
    pub integration: usize,
    pub tenant: i64,
    pub installation: usize,
    pub secret: usize,
    pub adds: Option<i64>,
    pub removes: Option<i64>,
}

/// Events of one partition, folded one after the other.
pub struct Story {
    partition: u32,
    time: Timestamp,
    next: u64,
    ledger_time: Timestamp,
    rows: Rows,
    /// The commit of each event.
    commits: Vec<Commit>,
}

impl Story {
    /// An empty partition.
    pub fn new(partition: u32) -> Self {
        Self {
            partition,
            time: start(),
            next: 0,
            ledger_time: Timestamp::MIN,
            rows: Rows::default(),
            commits: Vec::new(),
        }
    }

    /// Partition 0 with the genesis and the integrations: the first three events.
    pub fn with_directory() -> Self {
        let mut story = Self::new(0);
        let genesis = LedgerCreate { ledger: "l".to_owned(), partitions: 1, imported: None };
        story.tell("/ledger", "l", Body::LedgerCreate(genesis));
        for name in INTEGRATIONS {
            let spec = format!(r#"{{"name":"{name}","source":"provet","notify":{{"kind":"hookup"}}}}"#);
            let integration: IntegrationSpec = serde_json::from_str(&spec).unwrap();
            let create = IntegrationCreate { integration, hookup_key_hash: "h".to_owned(), mailbox: None };
            story.tell(&format!("/integrations/{name}"), name, Body::IntegrationCreate(Box::new(create)));
        }
        story
    }

    /// Moves the senders' clock, which may go back.
    pub fn pass(&mut self, seconds: i64) {
        self.time = self.time.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    pub fn notice(&mut self, mut notice: Notice) -> &Commit {
        // A tenant's notices are all in one partition.
        notice.tenant += 100 * i64::from(self.partition);
        let source = format!("/integrations/{}", INTEGRATIONS[notice.integration]);
        let subject = format!("provetcloud.com/{}", notice.tenant);
        self.tell(&source, &subject, Body::ProvetRegistration(Box::new(registration(notice))))
    }

    pub fn retire(&mut self, client: &str) -> &Commit {
        self.tell("/clients", client, Body::ClientRetire)
    }

    pub fn quarantine(&mut self, id: &str, integration: usize, expires_time: Timestamp) -> &Commit {
        let message = QuarantineReceive {
            id: id.to_owned(),
            body: sealed(0),
            bytes: 17,
            kept_bytes: None,
            hash: Vec::new(),
            status: 422,
            detail: "not a registration".to_owned(),
            violations: Vec::new(),
            expires_time,
        };
        let source = format!("/integrations/{}", INTEGRATIONS[integration]);
        self.tell(&source, "", Body::QuarantineReceive(Box::new(message)))
    }

    /// An HTTP event of an ISL system, of a session or of none.
    pub fn isl(&mut self, integration: usize, domain: &str, session: Option<&str>, event: &str) -> &Commit {
        self.hear(integration, domain, session, event, Vec::new())
    }

    /// A user of an ISL system is made.
    pub fn isl_user(&mut self, integration: usize, domain: &str, name: &str) -> &Commit {
        let user = Some(NamedUser { id: name.to_owned(), name: sealed(0) });
        self.hear(integration, domain, None, "USER_CREATE", vec![Fact { what: What::UserCreate, user }])
    }

    fn hear(
        &mut self,
        integration: usize,
        domain: &str,
        session: Option<&str>,
        event: &str,
        facts: Vec<Fact>,
    ) -> &Commit {
        let name = INTEGRATIONS[integration];
        let heard = IslEvent {
            module: "ISL_LIGHT".to_owned(),
            event: event.to_owned(),
            sent_time: None,
            domain_id: Some(domain.to_owned()),
            session_id: session.map(str::to_owned),
            hash: vec![self.next.to_string()],
            facts,
            body: sealed(0),
            save: true,
        };
        let source = format!("/integrations/{name}");
        self.tell(&source, &tenant(name, Some(domain)), Body::IslEvent(Box::new(heard)))
    }

    pub fn dismiss(&mut self, id: &str) -> &Commit {
        self.tell("/quarantine", id, Body::QuarantineDismiss)
    }

    fn tell(&mut self, source: &str, subject: &str, body: Body) -> &Commit {
        let integration = INTEGRATIONS.iter().position(|name| source.ends_with(name));
        let attributes = Attributes {
            id: Uuid::from_u64_pair(u64::from(self.partition) + 1, self.next),
            source: source.to_owned(),
            subject: subject.to_owned(),
            time: self.time,
            integration_id: integration.map(|index| Uuid::from_u128(index as u128 + 1)),
            ..Attributes::default()
        };
        let event = Event { attributes, body };
        let placed = Placed::after(self.ledger_time, self.partition, self.next, event);
        let commit = self.fold(&placed);
        self.next += 1;
        self.ledger_time = placed.recorded_time;
        self.commits.push(commit);
        self.commits.last().unwrap()
    }

    fn fold(&mut self, placed: &Placed) -> Commit {
        for key in placed.rows() {
            if !self.rows.holds(&key) {
                self.rows.know(key, None);
            }
        }
        let changes = fold(&mut self.rows, placed).into_iter().zip(0..);
        let changes = changes.map(|(change, ordinal)| NewChange {
            position: placed.position,
            ordinal,
            kind: change.kind,
            row: change.row.clone(),
            recorded_time: placed.recorded_time,
            body: serde_json::to_vec(&change.cloud_event("l", placed, ordinal)).unwrap().into(),
        });
        let changes = changes.collect();
        let written = self.rows.written().map(|(key, row)| WrittenRow::new(key, row).unwrap());
        let rows = written.collect();
        self.rows.settle();
        Commit {
            partition: self.partition,
            lease: lease(self.partition),
            expected: self.next,
            next: self.next + 1,
            ledger_time: placed.recorded_time,
            rows,
            changes,
        }
    }

    pub fn next(&self) -> u64 {
        self.next
    }

    pub fn ledger_time(&self) -> Timestamp {
        self.ledger_time
    }

    /// The commit of each event so far.
    pub fn commits(&self) -> &[Commit] {
        &self.commits
    }

    /// Commits everything, event by event.
    pub async fn commit_to(&self, store: &dyn Store) {
        for commit in &self.commits {
            store.commit(commit.clone()).await.unwrap();
        }
    }

    /// The partition's clients as a reader would see them now; `latest` within this partition.
    pub fn table(&self) -> Vec<ListedClient> {
        let mut table: Vec<ListedClient> = self
            .rows
            .of(Kind::Client)
            .map(|row| {
                let Row::Client(row) = row else { unreachable!() };
                let at = Place { partition: self.partition, position: row.first_position };
                let mut client = row.client.as_ref().clone();
                client.domain = Some("default".to_owned());
                ListedClient { at, client }
            })
            .collect();
        table.sort_by_key(|listed| listed.at);
        let all = table.clone();
        for listed in &mut table {
            let key = |client: &ListedClient| (client.client.integration.clone(), client.client.tenant.clone());
            let later = all.iter().any(|other| key(other) == key(listed) && other.at > listed.at);
            listed.client.latest = Some(!later);
        }
        table
    }

    pub fn row(&self, key: &RowKey) -> Option<&Row> {
        self.rows.get(key)
    }

    pub fn client_ids(&self) -> Vec<String> {
        self.table().into_iter().map(|listed| listed.client.id).collect()
    }
}

/// When every story begins.
pub fn start() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

/// Events by which a few clients come to differ in everything that can be filtered.
pub fn variety() -> Story {
    let mut story = Story::with_directory();
    let notice = Notice::default();
    for tenant in [7, 8, 9] {
        for integration in [0, 1] {
            for installation in [0, 1] {
                story.pass(10);
                let adds = (tenant != 9).then_some(tenant - 4 + installation as i64);
                story.notice(Notice { integration, tenant, installation, adds, ..notice });
            }
        }
    }
    story.notice(Notice { tenant: 7, removes: Some(3), ..notice });
    story.notice(Notice { tenant: 8, secret: 1, adds: Some(3), ..notice });
    story.retire(&story.client_ids()[5]);
    story
}

fn registration(notice: Notice) -> Registration {
    let Notice { tenant, installation, adds, removes, secret, .. } = notice;
    Registration {
        provet_id: tenant,
        client_id: format!("client-{installation}"),
        client_secret: Some(sealed(secret)),
        algorithm: Some("RS256".to_owned()),
        authorization_grant_type: "client_credentials".to_owned(),
        client_type: "confidential".to_owned(),
        redirect_uris: "https://example.com/callback".to_owned(),
        token_url: format!("https://provetcloud.com/{tenant}/oauth2/token/"),
        authorize_url: format!("https://provetcloud.com/{tenant}/oauth2/authorize/"),
        openid_autodiscovery_url: None,
        departments: None,
        added_department: adds,
        removed_department: removes,
        unknown: None,
    }
}

fn sealed(secret: usize) -> Sealed {
    let envelope = Envelope {
        alg: "A256GCM".to_owned(),
        kid: "k1".to_owned(),
        nonce: "AAAAAAAAAAAAAAAA".to_owned(),
        ct: "c2VhbGVk".to_owned(),
        fp: vec![format!("f1:{secret}")],
    };
    Sealed { sealed: envelope }
}
