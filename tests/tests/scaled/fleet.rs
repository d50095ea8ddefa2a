//! A fleet: processes with roles, on one ledger in Kafka and one database of PostgreSQL.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use acceptance::audit::audit;
use acceptance::{Client, Kafka, Options, Postgres, Server, eventually, free_address, notice};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;

/// Partitions of every ledger here.
pub const PARTITIONS: usize = 3;

/// What the processes of a fleet share.
pub struct Fleet {
    /// Beginning of the names of its topics.
    pub name: String,
    /// The URL of its database.
    pub database: String,
    arguments: Vec<String>,
    data: PathBuf,
    /// Holds the folder of the credentials.
    pub dir: TempDir,
    _postgres: Arc<Postgres>,
}

/// A process of a fleet; it keeps its address when it is started again.
pub struct Process {
    role: &'static str,
    listen: String,
    pub server: Server,
}

impl Fleet {
    /// A fleet on the broker and the cluster that tests share.
    pub fn new() -> Self {
        Self::on(Kafka::shared(), Postgres::shared())
    }

    /// A fleet without processes, on a new topic and a new database.
    pub fn on(kafka: &Kafka, postgres: Arc<Postgres>) -> Self {
        static FLEETS: AtomicU32 = AtomicU32::new(0);
        let name = format!("fleet{}", FLEETS.fetch_add(1, Ordering::Relaxed));
        let ledger = format!("kafka://{}/{name}.events", kafka.bootstrap_servers());
        let database = postgres.database();
        let partitions = PARTITIONS.to_string();
        let given = ["--ledger", &ledger, "--state", &database, "--partitions", &partitions];
        let dir = TempDir::new().unwrap();
        let (arguments, data) = (given.map(str::to_owned).to_vec(), dir.path().join("shared"));
        Self { name, database, arguments, data, dir, _postgres: postgres }
    }

    /// Gives its processes more arguments.
    pub fn allowing(mut self, more: &[&str]) -> Self {
        self.arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Starts a process of a role.
    pub fn start(&self, role: &'static str) -> Process {
        let listen = free_address();
        Process { server: self.serve(role, &listen), role, listen }
    }

    /// Starts a process of a role, which cannot serve yet.
    pub fn begin(&self, role: &'static str) -> Process {
        self.begin_at(role, free_address())
    }

    /// Starts a process again that was killed and cannot serve yet.
    pub fn begin_again(&self, killed: Process) -> Process {
        self.begin_at(killed.role, killed.listen)
    }

    fn begin_at(&self, role: &'static str, listen: String) -> Process {
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        arguments.extend(["--roles", role]);
        let options = Options { arguments: &arguments, listen: Some(&listen), ..Options::default() };
        Process { server: Server::begin_in(&self.data, &options), role, listen }
    }

    /// Starts a process of some roles with more arguments.
    pub fn start_with(&self, role: &'static str, arguments: &[&str]) -> Process {
        let listen = free_address();
        let more = arguments.iter().map(|argument| (*argument).to_owned());
        let arguments: Vec<String> = self.arguments.iter().cloned().chain(more).collect();
        Process { server: self.serve_with(&arguments, role, &listen), role, listen }
    }

    /// Starts a process of a role that reaches the database by another way.
    pub fn start_by(&self, role: &'static str, database: &str) -> Process {
        let elsewhere = |argument: &String| if *argument == self.database { database } else { argument }.to_owned();
        let listen = free_address();
        let arguments: Vec<String> = self.arguments.iter().map(elsewhere).collect();
        Process { server: self.serve_with(&arguments, role, &listen), role, listen }
    }

    /// Starts a process of each of these roles, all at once.
    pub fn start_all<const N: usize>(&self, roles: [&'static str; N]) -> [Process; N] {
        std::thread::scope(|scope| {
            roles.map(|role| scope.spawn(move || self.start(role))).map(|started| started.join().unwrap())
        })
    }

    /// Kills a process and starts it again, where it was.
    pub fn restart(&self, process: &mut Process) {
        process.server.kill();
        process.server = self.serve(process.role, &process.listen);
    }

    /// Ends a process as an upgrade does, and starts the next one in its place.
    pub fn upgrade(&self, process: &mut Process) {
        process.server.signal("TERM");
        let ended = process.server.wait();
        assert!(ended.success(), "{} ended badly: {ended}", process.role);
        process.server = self.serve(process.role, &process.listen);
    }

    /// Starts a projector that is told otherwise; what it said before it ended.
    pub fn refuses(&self, name: &str, value: &str) -> String {
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let named = arguments.iter().position(|argument| *argument == name).unwrap();
        arguments[named + 1] = value;
        arguments.extend(["--roles", "projector"]);
        let options = Options { arguments: &arguments, ..Options::default() };
        Server::try_start_in(&self.data, &options).err().unwrap_or_else(|| panic!("it starts with {name} {value}"))
    }

    fn serve(&self, role: &str, listen: &str) -> Server {
        self.serve_with(&self.arguments, role, listen)
    }

    fn serve_with(&self, arguments: &[String], role: &str, listen: &str) -> Server {
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.extend(["--roles", role]);
        let options = Options { arguments: &arguments, listen: Some(listen), ..Options::default() };
        Server::start_in(&self.data, &options)
    }
}

impl Process {
    /// A client with the admin token.
    pub fn admin(&self) -> Client {
        self.server.admin()
    }

    /// The URL of an integration, as it is reached at this process.
    pub fn reached(&self, hookup: &str) -> String {
        let path = hookup.find("/hookup/").or_else(|| hookup.find("/isl/")).unwrap();
        format!("{}{}", self.server.url, &hookup[path..])
    }

    /// Posts the notices of so many tenants; their receipts.
    pub async fn acknowledged(&self, hookup: &str, provet_ids: std::ops::Range<u64>) -> Vec<Value> {
        let (admin, hookup) = (self.admin(), self.reached(hookup));
        let mut receipts = Vec::new();
        for provet_id in provet_ids {
            receipts.push(admin.notify(&hookup, &notice(provet_id)).await);
        }
        receipts
    }

    /// What `/readyz` says; none where nobody listens yet, or not any more.
    async fn readiness(&self) -> Option<(StatusCode, Value)> {
        let answer = self.admin().request(Method::GET, "/readyz").send().await.ok()?;
        Some((answer.status(), answer.json().await.ok()?))
    }

    /// Waits until `/readyz` says that it is ready.
    pub async fn is_ready(&self) {
        eventually("a ready process", async || self.readiness().await?.0.is_success().then_some(())).await;
    }

    /// Waits until `/readyz` says why something is not ready; the reason.
    pub async fn is_unready(&self, check: &str) -> String {
        eventually(check, async || {
            let (status, readiness) = self.readiness().await?;
            let mut checks = readiness["checks"].as_array()?.iter();
            let found = checks.find(|found| found["name"] == check && found["ready"] == false)?;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
            Some(found["reason"].as_str().unwrap().to_owned())
        })
        .await
    }
}

/// Waits until every acknowledged notice is projected.
pub async fn projected(admin: &Client, receipts: &[Value]) {
    for receipt in receipts {
        let path = format!("/v1/clients?limit=1&min_position={}", Client::place(receipt));
        eventually(&path, async || admin.try_get(&path).await.0.is_success().then_some(())).await;
    }
}

/// Audits what was acknowledged, the first notices of as many tenants: there is a registration of each, and no other.
pub async fn each_is_registered_once(admin: &Client, receipts: &[Value]) {
    let audited = audit(admin, PARTITIONS, receipts).await;
    let registered = audited.changes.iter().filter(|change| change.contains("client.registered")).count();
    assert_eq!(registered, receipts.len());
}
