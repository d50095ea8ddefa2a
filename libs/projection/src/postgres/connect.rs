//! How the database is reached: its URL, TLS, the pools, and the time that everything may take.

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{BuildError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::fault::Fault;

/// Where the store's tables lie, apart from whatever else the database holds.
pub(super) const SCHEMA: &str = "regledger_state";

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long the database may work on a statement.
const STATEMENT: Duration = Duration::from_secs(30);

/// How long an answer may take, network and waiting for a connection included.
pub(super) const ANSWER: Duration = Duration::from_secs(35);

/// How long a transaction may stand still before the database ends it. Less than any lease lasts: a worker that is paused in a
/// commit must not keep its successor from claiming the lease, whose row it holds.
const STANDSTILL: Duration = Duration::from_secs(2);

/// How long sent data may remain unacknowledged, on either side; less than a lease for the same reason.
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);

/// Commits that are carried out at a time.
const WRITERS: usize = 8;

/// Connections for leases.
const KEEPERS: usize = 2;

/// Why a URL is not one of a database.
#[derive(Debug, thiserror::Error)]
pub(super) enum UrlError {
    #[error("it is not written postgres://USER:PASSWORD@HOST:PORT/DATABASE?PARAMETER=VALUE")]
    Parameters(#[from] tokio_postgres::Error),
    #[error("sslmode is disable, prefer, require, verify-ca or verify-full")]
    Mode,
    #[error("the certificates of sslrootcert cannot be read")]
    Certificates(#[from] rustls::pki_types::pem::Error),
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("connections cannot be kept")]
    Pool(#[from] BuildError),
}

/// How connections are made.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
}

impl Connector {
    /// Reads a URL, with `sslmode` and `sslrootcert` as libpq has them; see [`PostgresStore::open`](super::PostgresStore::open).
    pub(super) fn new(url: &str) -> Result<Self, UrlError> {
        let (url, trust) = take_trust(url)?;
        let mut config: Config = url.parse()?;
        let millis = |time: Duration| time.as_millis();
        let options = format!(
            "{} -c search_path={SCHEMA} -c client_min_messages=warning -c statement_timeout={} -c idle_in_transaction_session_timeout={} \
             -c tcp_user_timeout={} -c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 -c tcp_keepalives_count=3",
            config.get_options().unwrap_or_default(),
            millis(STATEMENT),
            millis(STANDSTILL),
            millis(UNACKNOWLEDGED),
        );
        config
            .application_name("regledger")
            .options(options.trim_start())
            .connect_timeout(CONNECT)
            .tcp_user_timeout(UNACKNOWLEDGED)
            .keepalives_idle(Duration::from_secs(2))
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(3);
        Ok(Self { config, tls: MakeRustlsConnect::new(client_config(trust)?) })
    }

    /// The database, for people: without user and password.
    pub(super) fn name(&self) -> String {
        format!("schema {SCHEMA} of database {}", self.config.get_dbname().unwrap_or("postgres"))
    }

    fn pool(&self, connections: usize) -> Result<Pool, BuildError> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(self.config.clone(), self.tls.clone(), recycling);
        Pool::builder(manager)
            .max_size(connections.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(ANSWER))
            .create_timeout(Some(CONNECT))
            .build()
    }
}

/// The connections of a store. Those for leases are apart: no number of reads or commits keeps one from being renewed.
pub(super) struct Connections {
    readers: Pool,
    writers: Pool,
    keepers: Pool,
}

impl Connections {
    pub(super) fn new(connector: &Connector, readers: usize) -> Result<Self, UrlError> {
        let (writers, keepers) = (connector.pool(WRITERS)?, connector.pool(KEEPERS)?);
        Ok(Self { readers: connector.pool(readers)?, writers, keepers })
    }

    /// Asks one question.
    pub(super) async fn read(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        ask(&self.readers, sql, values).await
    }

    /// Reads or writes leases with one statement.
    pub(super) async fn keep(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        ask(&self.keepers, sql, values).await
    }

    /// A connection for a transaction.
    pub(super) async fn writer(&self) -> Result<Object, Fault> {
        Ok(self.writers.get().await?)
    }
}

async fn ask(pool: &Pool, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
    let connection = pool.get().await?;
    let answer = async {
        let statement = connection.prepare_cached(sql).await?;
        connection.query(&statement, values).await
    };
    match timeout(ANSWER, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => {
            abandon(connection);
            Err(Fault::Late)
        }
    }
}

/// Gives up a connection whose answer is overdue, so that nobody else waits behind it.
pub(super) fn abandon(connection: Object) {
    drop(Object::take(connection));
}

/// Whose certificates are trusted.
enum Trust {
    /// Anybody's: the connection is encrypted, but it is not checked to whom.
    Anybody,
    /// The operating system's.
    System,
    /// Those of a file.
    File(String),
}

/// Takes those parameters out of a URL that the driver does not know.
fn take_trust(url: &str) -> Result<(String, Trust), UrlError> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let (mut mode, mut file, mut others) = (None, None, Vec::new());
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        match url::form_urlencoded::parse(parameter.as_bytes()).next() {
            Some((key, value)) if key == "sslmode" => mode = Some(value),
            Some((key, value)) if key == "sslrootcert" => file = Some(value),
            _ => others.push(parameter.to_owned()),
        }
    }
    let (mode, verifies) = match mode.as_deref() {
        None => ("prefer", false),
        Some("verify-ca" | "verify-full") => ("require", true),
        Some(mode @ ("disable" | "prefer" | "require")) => (mode, false),
        Some(_) => return Err(UrlError::Mode),
    };
    let trust = match file {
        Some(file) if file != "system" => Trust::File(file.into_owned()),
        Some(_) => Trust::System,
        None if verifies => Trust::System,
        None => Trust::Anybody,
    };
    others.push(format!("sslmode={mode}"));
    Ok((format!("{base}?{}", others.join("&")), trust))
}

fn client_config(trust: Trust) -> Result<ClientConfig, UrlError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let builder = match trust {
        Trust::System => builder.with_platform_verifier()?,
        Trust::Anybody => builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider))),
        Trust::File(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(file)? {
                roots.add(certificate?)?;
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(builder.with_no_client_auth())
}

/// Takes any certificate, as libpq does for `sslmode=require`; that its holder signed the handshake is checked.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
