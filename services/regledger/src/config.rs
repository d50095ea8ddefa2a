//! Settings of the process: a flag beats a `REGLEDGER_…` variable, which beats the configuration file, which beats the default.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use delivery::destination::Encryption;
use ipnet::IpNet;
use jiff::SignedDuration;
use serde::Deserialize;
use url::Url;

mod backend;
mod layers;
mod setting;

pub use self::backend::{KafkaTopics, LedgerBackend, StateBackend};
pub use self::layers::{Layers, Origin, SettingError, Values};
pub use self::setting::{DOCUMENTED, SETTINGS, Setting, SettingFlags, did_you_mean};

/// The environment of the process: read once, at its edge.
pub type Variables = BTreeMap<String, String>;

/// What a process is told, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the embedded stores live.
    pub data_dir: PathBuf,
    /// Address on which HTTP is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The parts of regledger that this process runs: at least one, none twice.
    pub roles: Vec<Role>,
    /// What keeps the ledger.
    pub ledger: LedgerBackend,
    /// What keeps the client table and the changes.
    pub state: StateBackend,
    /// Partitions of a ledger in Kafka.
    pub partitions: u32,
    /// Whether topics are accepted that could lose acknowledged events.
    pub accept_unsafe_topics: bool,
    /// More settings of the Kafka client, by librdkafka's names.
    pub kafka: BTreeMap<String, String>,
    /// Holds the token of the first start; made by it, mode 0600.
    pub admin_token_file: PathBuf,
    /// Where the key-encryption key comes from.
    pub kek: KekSource,
    /// The HTTP server.
    pub http: Http,
    /// Outgoing calls.
    pub egress: EgressSettings,
    /// How deliveries are bounded.
    pub delivery: DeliverySettings,
    /// Where mails are handed in; none if none are sent.
    pub smtp: Option<SmtpSettings>,
    /// What is logged, and how.
    pub log: Log,
    /// How many days what is deleted in the directory can come back.
    pub directory_retention_days: u16,
    /// Below this many free bytes in the data directory the process is unready.
    pub disk_min_free_bytes: u64,
    /// How long requests may go on after the process was told to stop.
    pub shutdown_drain: Duration,
    /// How long a change stream may be silent before a heartbeat.
    pub stream_heartbeat: Duration,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where the outside reaches this server, without a slash at the end: hookup URLs begin with it. None: scheme and host of
    /// the request.
    pub public_url: Option<String>,
    /// Proxies whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Connections served at a time; more wait in the listen queue.
    pub max_connections: usize,
    /// Wrong hookup keys answered for one address in a minute before 429; a right key is never limited.
    pub wrong_keys_per_minute: u32,
    /// Sign-ups and forgotten passwords taken from one address in a minute before 429.
    pub account_requests_per_minute: u32,
}

/// Outgoing calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressSettings {
    /// Networks that may be called although they are not public.
    pub allow: Vec<IpNet>,
    /// A PEM file with certificates of authorities that are trusted besides the machine's.
    pub ca_file: Option<PathBuf>,
}

/// Where mails are handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpSettings {
    /// Name of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is encrypted.
    pub encryption: Encryption,
    /// The user to be.
    pub user: Option<String>,
    /// Holds the password of that user.
    pub password_file: Option<PathBuf>,
    /// The address that mails come from.
    pub from: String,
}

/// How deliveries are bounded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverySettings {
    /// How long one attempt may take.
    pub attempt: Duration,
    /// How long after its first failure a delivery is given up.
    pub give_up: Duration,
    /// How long nothing but failure is borne before a subscription is paused.
    pub pause: Duration,
}

/// What is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// A filter of `tracing`: `info`, or `info,intake=debug`.
    pub level: String,
}

/// Where the key-encryption key comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KekSource {
    /// A file with its base64; made by the first start if absent.
    File(PathBuf),
    /// A command, with its arguments, that prints its base64.
    Command(Vec<String>),
}

/// A part of regledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Notifications in.
    Intake,
    /// Ledger to client table and changes.
    Projector,
    /// Client table, changes, events and administration out.
    Query,
    /// Changes to subscriptions.
    Dispatcher,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// How long what is deleted can come back.
    pub fn retention(&self) -> SignedDuration {
        SignedDuration::from_hours(24 * i64::from(self.directory_retention_days))
    }

    /// Reads and checks every value.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is not acceptable, with where it comes from.
    pub fn read(values: &Values) -> Result<Self, SettingError> {
        let data_dir: PathBuf = values.get("data_dir")?;
        Ok(Self {
            listen: values.get("listen")?,
            roles: values.roles()?,
            ledger: values.get("ledger")?,
            state: values.get("state")?,
            partitions: values.partitions()?,
            accept_unsafe_topics: values.switch("accept_unsafe_topics")?,
            kafka: values.flat("kafka")?,
            admin_token_file: values.maybe("admin_token_file")?.unwrap_or_else(|| data_dir.join("admin-token")),
            kek: values.kek(&data_dir)?,
            http: Http {
                public_url: values.public_url()?,
                trusted_proxies: values.get("http.trusted_proxies")?,
                max_connections: values.get::<NonZeroUsize>("http.max_connections")?.get(),
                wrong_keys_per_minute: values.get::<NonZeroU32>("http.wrong_keys_per_minute")?.get(),
                account_requests_per_minute: values.get::<NonZeroU32>("http.account_requests_per_minute")?.get(),
            },
            egress: EgressSettings { allow: values.get("egress.allow")?, ca_file: values.maybe("egress.ca_file")? },
            delivery: DeliverySettings {
                attempt: values.seconds("delivery.attempt_seconds")?,
                give_up: values.seconds("delivery.give_up_seconds")?,
                pause: values.seconds("delivery.pause_seconds")?,
            },
            smtp: values.smtp()?,
            log: Log { format: values.get("log.format")?, level: values.get("log.level")? },
            directory_retention_days: values.get("directory.retention_days")?,
            disk_min_free_bytes: values.get("disk.min_free_bytes")?,
            shutdown_drain: values.seconds("shutdown.drain_seconds")?,
            stream_heartbeat: values.seconds("stream.heartbeat_seconds")?,
            data_dir,
        })
    }

    /// Whether something is kept in the data directory.
    pub fn is_embedded(&self) -> bool {
        !matches!(self.ledger, LedgerBackend::Kafka(_)) || self.state == StateBackend::Sqlite
    }

    /// Whether this process reads or writes the client table and the changes.
    pub fn needs_state(&self) -> bool {
        self.state == StateBackend::Sqlite || self.roles.iter().any(|role| *role != Role::Intake)
    }

    /// Whether this process reads or writes how far subscriptions are.
    pub fn needs_deliveries(&self) -> bool {
        self.roles.iter().any(|role| matches!(role, Role::Query | Role::Dispatcher))
    }

    /// The ledger of the embedded deployment.
    pub fn ledger_file(&self) -> PathBuf {
        self.data_dir.join(LEDGER_FILE)
    }

    /// The wrapped data keys of the embedded deployment.
    pub fn keys_file(&self) -> PathBuf {
        self.data_dir.join(KEYS_FILE)
    }

    /// Where the client table is, for messages.
    pub fn state_place(&self) -> String {
        match &self.state {
            StateBackend::Sqlite => self.state_file().display().to_string(),
            StateBackend::Postgres(_) => "the schema regledger_state in PostgreSQL".to_owned(),
        }
    }

    /// The client table and the changes of the embedded deployment: derived, and made anew if it is missing.
    pub fn state_file(&self) -> PathBuf {
        self.data_dir.join(STATE_FILE)
    }

    /// How far subscriptions are, in the embedded deployment: if it is missing, each is asked from where to go on.
    pub fn deliveries_file(&self) -> PathBuf {
        self.data_dir.join(DELIVERIES_FILE)
    }
}

/// The most partitions of a ledger: each takes some connections of every process, and a state store has room for 512.
const MOST_PARTITIONS: u32 = 128;

/// Name of the ledger's file in a data directory or a backup.
pub const LEDGER_FILE: &str = "ledger.db";
/// Name of the key store's file in a data directory or a backup.
pub const KEYS_FILE: &str = "keys.db";
/// Name of the delivery store's file in a data directory.
pub const DELIVERIES_FILE: &str = "deliveries.db";
/// Name of the state store's file in a data directory.
pub const STATE_FILE: &str = "state.db";

impl Values {
    fn roles(&self) -> Result<Vec<Role>, SettingError> {
        let roles: Vec<Role> = self.get("roles")?;
        let twice = roles.iter().enumerate().any(|(index, role)| roles[..index].contains(role));
        if roles.is_empty() || twice {
            return Err(self.wrong("roles", "must be at least one role, and none twice"));
        }
        Ok(roles)
    }

    fn partitions(&self) -> Result<u32, SettingError> {
        let partitions = self.get("partitions")?;
        if (2..=MOST_PARTITIONS).contains(&partitions) {
            return Ok(partitions);
        }
        Err(self.wrong("partitions", format_args!("must be 2 to {MOST_PARTITIONS}")))
    }

    fn kek(&self, data_dir: &Path) -> Result<KekSource, SettingError> {
        let command: Vec<String> = self.get("kek.command")?;
        match (self.maybe("kek.file")?, command.is_empty()) {
            (Some(_), false) => Err(self.wrong("kek.command", "must be left out when kek.file is set")),
            (file, true) => Ok(KekSource::File(file.unwrap_or_else(|| data_dir.join("kek")))),
            (None, false) => Ok(KekSource::Command(command)),
        }
    }

    fn public_url(&self) -> Result<Option<String>, SettingError> {
        let url: Option<Url> = self.maybe("http.public_url")?;
        let fits =
            |url: &Url| matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
        match url {
            Some(url) if !fits(&url) => {
                Err(self
                    .wrong("http.public_url", "must be an http or https URL without query, as https://hub.example.com"))
            }
            url => Ok(url.map(|url| url.as_str().trim_end_matches('/').to_owned())),
        }
    }

    fn smtp(&self) -> Result<Option<SmtpSettings>, SettingError> {
        let settings = SmtpSettings {
            host: String::new(),
            port: self.get::<std::num::NonZeroU16>("smtp.port")?.get(),
            encryption: self.get("smtp.encryption")?,
            user: self.maybe("smtp.user")?,
            password_file: self.maybe("smtp.password_file")?,
            from: self.get("smtp.from")?,
        };
        Ok(self.maybe("smtp.host")?.map(|host| SmtpSettings { host, ..settings }))
    }

    fn seconds(&self, key: &'static str) -> Result<Duration, SettingError> {
        self.get::<NonZeroU32>(key).map(|seconds| Duration::from_secs(seconds.get().into()))
    }
}

#[cfg(test)]
mod tests;
