//! Kafka brokers as child processes.

mod secure;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::metadata::MetadataPartition;
use serde_json::Value;
use tempfile::TempDir;

pub use secure::Credentials;

use crate::tools::{kafka_libraries, tool};
use crate::{PATIENCE, eventually};

/// A cluster on free ports of 127.0.0.1, in a folder of its own; killed when it is dropped.
pub struct Kafka {
    nodes: Vec<Node>,
    /// What the secure listeners want.
    pub credentials: Credentials,
    _own: TempDir,
}

/// A broker that is a controller as well.
struct Node {
    folder: PathBuf,
    broker: u16,
    secure: u16,
    controller: u16,
    /// None while it is dead.
    child: Mutex<Option<Child>>,
}

impl Kafka {
    /// The one broker that all tests of a process share, each with topics of its own. Nobody kills
    /// it; it ends with the process.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Kafka> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts one broker.
    pub fn start() -> Self {
        Self::start_nodes(1)
    }

    /// Starts as many brokers. Of three, two go on when one is killed.
    pub fn start_nodes(count: usize) -> Self {
        Self::start_with(count, &[])
    }

    /// Starts as many brokers, with properties that beat those of tests.
    pub fn start_with(count: usize, properties: &[&str]) -> Self {
        let own = TempDir::new().unwrap();
        // All are held at once, so that no port is given twice.
        let listeners: Vec<_> = (0..3 * count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect();
        drop(listeners);
        let node = |(index, ports): (usize, &[u16])| Node {
            folder: own.path().join(index.to_string()),
            broker: ports[0],
            secure: ports[1],
            controller: ports[2],
            child: Mutex::new(None),
        };
        let nodes = ports.chunks(3).enumerate().map(node).collect();
        let kafka = Self { nodes, credentials: Credentials::create(own.path()), _own: own };
        kafka.format(properties);
        kafka.nodes.iter().for_each(Node::spawn);
        kafka.nodes.iter().for_each(Node::bring_up);
        kafka
    }

    /// Where clients connect: the `bootstrap.servers` of librdkafka.
    pub fn bootstrap_servers(&self) -> String {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.broker)).collect::<Vec<_>>().join(",")
    }

    /// Where clients with [`Kafka::credentials`] connect.
    pub fn secure_servers(&self) -> String {
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.secure)).collect::<Vec<_>>().join(",")
    }

    /// Kills a node, counted from 0, as a power cut would.
    pub fn kill(&self, node: usize) {
        self.nodes[node].kill();
    }

    /// Starts a killed node again, on what it has written, and waits until it serves.
    pub fn restart(&self, node: usize) {
        self.nodes[node].spawn();
        self.nodes[node].bring_up();
    }

    /// Stops a node where it is: it keeps its connections and answers nothing.
    pub fn pause(&self, node: usize) {
        self.nodes[node].signal("STOP");
    }

    /// Lets a node go on that was stopped.
    pub fn resume(&self, node: usize) {
        self.nodes[node].signal("CONT");
    }

    /// The node whose controller is active, counted from 0: the one that the others voted for last.
    pub fn controller(&self) -> usize {
        let states = self.nodes.iter().filter_map(|node| {
            let state = std::fs::read(node.folder.join("data/__cluster_metadata-0/quorum-state")).ok()?;
            let state: Value = serde_json::from_slice(&state).ok()?;
            Some((state["leaderEpoch"].as_i64()?, state["leaderId"].as_u64().filter(|id| *id > 0)?))
        });
        let (_, id) = states.max().unwrap();
        id as usize - 1
    }

    /// The files that hold the records of the topics whose names begin so.
    pub fn segments(&self, prefix: &str) -> Vec<PathBuf> {
        let data = self.nodes.iter().map(|node| node.folder.join("data"));
        let folders = data.flat_map(|data| std::fs::read_dir(data).unwrap()).map(|folder| folder.unwrap());
        let ours = folders.filter(|folder| folder.file_name().to_string_lossy().starts_with(prefix));
        let files = ours.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap()).map(|file| file.unwrap().path());
        files.filter(|file| file.extension().is_some_and(|extension| extension == "log")).collect()
    }

    /// Makes a topic, each partition on one broker.
    pub async fn create_topic(&self, topic: &str, partitions: u32, settings: &[(&str, &str)]) {
        let new = NewTopic::new(topic, partitions.cast_signed(), TopicReplication::Fixed(1));
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        let created = self.admin().create_topics([&new], &AdminOptions::new()).await.unwrap();
        created.into_iter().for_each(|result| drop(result.unwrap()));
    }

    /// Waits until every replica of a topic has what its leader has.
    pub async fn is_in_sync(&self, topic: &str) {
        let consumer: BaseConsumer =
            ClientConfig::new().set("bootstrap.servers", self.bootstrap_servers()).create().unwrap();
        eventually("all replicas in sync", async || {
            let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).ok()?;
            let whole = |partition: &MetadataPartition| partition.isr().len() == partition.replicas().len();
            metadata.topics()[0].partitions().iter().all(whole).then_some(())
        })
        .await;
    }

    /// Sets settings of a topic; the others stay.
    pub async fn alter_topic(&self, topic: &str, settings: &[(&str, &str)]) {
        let admin = self.admin();
        let resource = ResourceSpecifier::Topic(topic);
        let described = admin.describe_configs([&resource], &AdminOptions::new()).await.unwrap();
        let entries = described.into_iter().next().unwrap().unwrap().entries.into_iter();
        let own = entries.filter(|entry| entry.source == ConfigSource::DynamicTopic);
        let mut all: BTreeMap<String, String> = own.map(|entry| (entry.name, entry.value.unwrap())).collect();
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        // The request replaces all settings of a topic.
        let alter = all.iter().fold(AlterConfig::new(resource), |alter, (name, value)| alter.set(name, value));
        let altered = admin.alter_configs([&alter], &AdminOptions::new()).await.unwrap();
        altered.into_iter().for_each(|result| drop(result.unwrap()));
    }

    /// Makes the brokers forget the positions of a consumer group, as they do when nothing commits them for long.
    pub async fn forget_group(&self, name: &str) {
        let deleted = self.admin().delete_groups(&[name], &AdminOptions::new()).await.unwrap();
        deleted.into_iter().for_each(|result| drop(result.unwrap()));
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", self.bootstrap_servers()).create().unwrap()
    }

    fn format(&self, properties: &[&str]) {
        let formatting: Vec<Child> = (0..self.nodes.len()).map(|index| self.format_node(index, properties)).collect();
        for mut child in formatting {
            assert!(child.wait().unwrap().success(), "a node's folder cannot be formatted");
        }
    }

    fn format_node(&self, index: usize, properties: &[&str]) -> Child {
        let folder = &self.nodes[index].folder;
        std::fs::create_dir(folder).unwrap();
        let properties = [&[&*self.properties(index)], properties].concat().join("\n");
        std::fs::write(folder.join("server.properties"), properties).unwrap();
        let mut format = java();
        format.args(["kafka.tools.StorageTool", "format", "--cluster-id", "cmVnbGVkZ2VyLXRlc3Rzcw", "--config"]);
        format.arg(folder.join("server.properties")).stdout(Stdio::null()).spawn().unwrap()
    }

    fn properties(&self, index: usize) -> String {
        let Node { folder, broker, secure, controller, .. } = &self.nodes[index];
        let voters = self.nodes.iter().zip(1..).map(|(node, id)| format!("{id}@127.0.0.1:{}", node.controller));
        let replicas = self.nodes.len().min(3);
        [
            "process.roles=broker,controller".to_owned(),
            format!("node.id={}", index + 1),
            format!("controller.quorum.voters={}", voters.collect::<Vec<_>>().join(",")),
            "controller.listener.names=CONTROLLER".to_owned(),
            format!(
                "listeners=PLAINTEXT://127.0.0.1:{broker},SECURE://127.0.0.1:{secure},\
                 CONTROLLER://127.0.0.1:{controller}"
            ),
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL,CONTROLLER:PLAINTEXT".to_owned(),
            self.credentials.listener().join("\n"),
            format!("log.dirs={}", folder.join("data").display()),
            "auto.create.topics.enable=false".to_owned(),
            format!("offsets.topic.replication.factor={replicas}"),
            "offsets.topic.num.partitions=1".to_owned(),
            format!("transaction.state.log.replication.factor={replicas}"),
            "transaction.state.log.min.isr=1".to_owned(),
            "transaction.state.log.num.partitions=1".to_owned(),
            // What is to be compacted is compacted at once.
            "log.cleaner.backoff.ms=200".to_owned(),
            // A killed node may come back when its session is over; one on a busy machine should not lose it.
            "broker.session.timeout.ms=4000".to_owned(),
            "broker.heartbeat.interval.ms=300".to_owned(),
        ]
        .join("\n")
    }
}

impl Node {
    /// A shell stands in between: it kills the broker when its own standard input ends, so also
    /// when this process is killed, or ends with a broker that is never dropped.
    fn spawn(&self) {
        let broker = java();
        let mut shell = Command::new("sh");
        shell.args(["-c", r#"pid=$1; shift; "$@" & echo $! > "$pid"; read -r _; kill -9 $!; wait"#, "sh"]);
        shell.arg(self.folder.join("pid")).arg(broker.get_program()).args(broker.get_args());
        shell.arg("kafka.Kafka").arg(self.folder.join("server.properties"));
        let log = File::create(self.log()).unwrap();
        shell.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        let previous = self.child.lock().unwrap().replace(shell.spawn().unwrap());
        assert!(previous.is_none(), "the node is running");
    }

    /// Waits until it serves. A virtual machine was once seen to say nothing for a minute; it is given a second chance.
    fn bring_up(&self) {
        if !self.is_ready_in_time() {
            self.kill();
            self.spawn();
            let said = || std::fs::read_to_string(self.log()).unwrap();
            assert!(self.is_ready_in_time(), "Kafka did not start; it said:\n{}", said());
        }
    }

    fn is_ready_in_time(&self) -> bool {
        let pause = Duration::from_millis(20);
        (0..(2 * PATIENCE.as_millis() / pause.as_millis())).any(|_| {
            let is_ready = std::fs::read_to_string(self.log()).unwrap().contains("Kafka Server started");
            if !is_ready {
                std::thread::sleep(pause);
            }
            is_ready
        })
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn signal(&self, name: &str) {
        let pid = std::fs::read_to_string(self.folder.join("pid")).unwrap();
        assert!(Command::new("kill").args(["-s", name, pid.trim()]).status().unwrap().success());
    }

    fn kill(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            drop(child.stdin.take());
            child.wait().unwrap();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What starts quickly and stays small, rather than what runs fast for long.
fn java() -> Command {
    let mut java = tool("java");
    java.args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=INFO", "-cp"]);
    java.arg(kafka_libraries().join("*"));
    java
}
