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

use crate::Fault;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// How long the database may work on a statement.
const STATEMENT: Duration = Duration::from_secs(30);

/// How long an answer may take, network and waiting for a connection included.
pub const ANSWER: Duration = Duration::from_secs(35);

/// How long that may take about a lease: as long as one lasts. Whoever is cut off must say so, and not wait and seem to be well.
const LEASE_ANSWER: Duration = Duration::from_secs(5);

/// How long a transaction may stand still before the database ends it. Less than any lease lasts: a worker that is paused in a
/// commit must not keep its successor from claiming the lease, whose row it holds.
const STANDSTILL: Duration = Duration::from_secs(2);

/// How long sent data may remain unacknowledged, on either side; less than a lease for the same reason.
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);

/// How many connections there are for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Reads at a time.
    pub readers: usize,
    /// Transactions at a time.
    pub writers: usize,
    /// For what must not wait behind either, as leases.
    pub keepers: usize,
}

/// Why a URL is not one of a database.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum UrlError {
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
pub struct Connector {
    /// The settings of a connection.
    pub config: Config,
    /// How it is encrypted.
    pub tls: MakeRustlsConnect,
    schema: &'static str,
}

impl Connector {
    /// Reads a URL, as in `postgres://USER:PASSWORD@HOST:PORT/DATABASE`; tables lie in a schema of that name.
    ///
    /// TLS is as with libpq: `sslmode` in the URL is `disable`, `prefer` (the default: TLS if the server has it), `require` (no
    /// connection without TLS), `verify-ca` or `verify-full`. The last two also check the server's certificate, and both that
    /// it is for the host that was asked for: against the PEM file that `sslrootcert` names, else against the operating
    /// system's certificates. `sslrootcert` makes `require` and `prefer` check it too. The server may ask for a password
    /// (SCRAM, with channel binding over TLS), but not for a client certificate.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn new(url: &str, schema: &'static str) -> Result<Self, UrlError> {
        let (url, trust) = take_trust(url)?;
        let mut config: Config = url.parse()?;
        let millis = |time: Duration| time.as_millis();
        let options = format!(
            "{} -c search_path={schema} -c client_min_messages=warning -c statement_timeout={} -c idle_in_transaction_session_timeout={} \
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
        Ok(Self { config, tls: MakeRustlsConnect::new(client_config(trust)?), schema })
    }

    /// The database, for people: without user and password.
    pub fn name(&self) -> String {
        format!("schema {} of database {}", self.schema, self.config.get_dbname().unwrap_or("postgres"))
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
pub struct Connections {
    readers: Pool,
    writers: Pool,
    keepers: Pool,
    schema: &'static str,
}

impl Connections {
    /// Makes them when they are needed.
    ///
    /// # Errors
    /// [`UrlError::Pool`].
    pub fn new(connector: &Connector, sizes: Sizes) -> Result<Self, UrlError> {
        let (writers, keepers) = (connector.pool(sizes.writers)?, connector.pool(sizes.keepers)?);
        Ok(Self { readers: connector.pool(sizes.readers)?, writers, keepers, schema: connector.schema })
    }

    /// Where the tables lie, apart from whatever else the database holds.
    pub fn schema(&self) -> &'static str {
        self.schema
    }

    /// Asks one question.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn read(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        ask(&self.readers, ANSWER, sql, values).await
    }

    /// Reads or writes, with one statement, what must not wait.
    ///
    /// # Errors
    /// [`Fault`].
    pub async fn keep(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
        ask(&self.keepers, LEASE_ANSWER, sql, values).await
    }

    /// A connection for a transaction.
    ///
    /// # Errors
    /// [`Fault::Connect`].
    pub async fn writer(&self) -> Result<Object, Fault> {
        Ok(self.writers.get().await?)
    }
}

async fn ask(pool: &Pool, limit: Duration, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Fault> {
    let connection = timeout(limit, pool.get()).await.map_err(|_| Fault::Late)??;
    let answer = async {
        let statement = connection.prepare_cached(sql).await?;
        connection.query(&statement, values).await
    };
    match timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => {
            abandon(connection);
            Err(Fault::Late)
        }
    }
}

/// Gives up a connection whose answer is overdue, so that nobody else waits behind it.
pub fn abandon(connection: Object) {
    drop(Object::take(connection));
}

/// Waits for one answer: a batch of many pieces may take long on a slow network, a piece may not.
///
/// # Errors
/// [`Fault`], also if it takes too long.
pub async fn answer<T, E>(asked: impl Future<Output = Result<T, E>>) -> Result<T, Fault>
where
    Fault: From<E>,
{
    Ok(timeout(ANSWER, asked).await.map_err(|_| Fault::Late)??)
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
