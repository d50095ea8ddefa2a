//! The HTTP server: the routes of this process's roles, and those that every process has.

use std::collections::HashSet;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Server, ServiceRequest, ServiceResponse};
use actix_web::http::header::CACHE_CONTROL;
use actix_web::http::{ConnectionType, Method};
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, Data};
use actix_web::{App as ActixApp, Error, HttpResponse, HttpServer};
use admission::{Clock, DirectoryView, Passwords};
use anyhow::Context;
use api::{Gate, Health, Observer, Problem, Reason, Throttle};
use delivery::jwt::Verifiers;
use intake::Intake;
use parking_lot::Mutex;
use prometheus::TextEncoder;
use query::Query;
use query::account::Accounts;
use query::stream::subscriber::Feed;
use query::stream::tailer::Tailer;
use serde_json::json;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::metrics::Gauges;
use super::stores::Stores;
use super::unread;
use crate::config::{Role, Settings};
use crate::documents::Documents;

/// How long the head of a request may take.
const REQUEST_HEAD: Duration = Duration::from_secs(10);

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// How long connections may take to end after the drain.
const LAST_WORDS_SECONDS: u64 = 10;

/// What the workers serve.
pub(super) struct App {
    intake: Option<Data<Intake>>,
    query: Option<Data<Query>>,
    tailer: Option<Arc<Tailer>>,
    health: Data<Health>,
    gauges: Data<Gauges>,
    observer: Data<Observer>,
    documents: Data<Described>,
    signatures: Data<Signatures>,
    draining: Data<Draining>,
}

/// By which keys what is signed here is verified.
struct Signatures {
    directory: Arc<DirectoryView>,
    clock: Clock,
}

/// Whether the process is shutting down, and how many requests it is still working on.
#[derive(Clone, Default)]
pub(super) struct Draining(Arc<Drain>);

#[derive(Default)]
struct Drain {
    has_begun: AtomicBool,
    requests: AtomicUsize,
    arrived: AtomicUsize,
}

impl App {
    pub fn new(
        settings: &Settings,
        stores: &Stores,
        mut checks: Vec<(&'static str, Reason)>,
        streams: &CancellationToken,
        draining: &Draining,
    ) -> anyhow::Result<Self> {
        let has = |role| settings.roles.contains(&role);
        let intake = has(Role::Intake)
            .then(|| {
                Intake::new(
                    stores.admission.clone(),
                    stores.directory.clone(),
                    settings.http.trusted_proxies.clone(),
                    settings.http.wrong_keys_per_minute,
                    stores.egress.clone(),
                    &stores.registry,
                )
            })
            .transpose()?;
        let tailer = match has(Role::Query) {
            true => Some(Tailer::new(stores.state()?.clone(), &stores.directory.ledger())),
            false => None,
        };
        checks.extend(tailer.as_ref().map(|tailer| ("stream", tailer.health())));
        let gauges = Gauges::new(stores, tailer.clone())?;
        let query = match &tailer {
            Some(tailer) => Some(Data::new(query(settings, stores, tailer, streams, &gauges)?)),
            None => None,
        };
        Ok(Self {
            intake: intake.map(Data::new),
            query,
            tailer,
            health: Data::new(Health::new(checks, &stores.registry)?),
            gauges: Data::new(gauges),
            observer: Data::new(Observer::new(&stores.registry, stores.clock.clone())?),
            documents: Data::new(Described::default()),
            signatures: Data::new(Signatures { directory: stores.directory.clone(), clock: stores.clock.clone() }),
            draining: Data::new(draining.clone()),
        })
    }

    /// Follows the projection for the change streams.
    pub fn start_tailer(&self, roles: &mut JoinSet<anyhow::Result<()>>, stop: &CancellationToken) {
        if let Some(tailer) = self.tailer.clone() {
            let stop = stop.clone();
            roles.spawn(async move { tailer.run(stop).await.context("the change stream died") });
        }
    }

    /// Starts the workers.
    pub fn serve(self, settings: &Settings, listener: TcpListener) -> anyhow::Result<Server> {
        let Self { intake, query, health, gauges, observer, documents, signatures, draining, .. } = self;
        let workers = available_parallelism().map_or(1, NonZeroUsize::get);
        let server = HttpServer::new(move || {
            ActixApp::new()
                .app_data(health.clone())
                .app_data(gauges.clone())
                .app_data(observer.clone())
                .app_data(documents.clone())
                .app_data(signatures.clone())
                .app_data(draining.clone())
                .app_data(web::PathConfig::default().error_handler(|_, _| Problem::not_found().into()))
                .wrap(from_fn(unread::hold))
                .wrap(from_fn(count))
                .wrap(from_fn(api::observe))
                .configure(|config| {
                    if let Some(intake) = intake.clone() {
                        config.configure(intake::routes(intake));
                    }
                    if let Some(query) = query.clone() {
                        config.configure(query::routes(query));
                    }
                })
                .configure(open_routes)
                .default_service(web::to(|| async { Err::<HttpResponse, _>(Problem::not_found()) }))
        });
        Ok(server
            .disable_signals()
            .workers(workers)
            // the server counts for each worker
            .max_connections(settings.http.max_connections.div_ceil(workers))
            .tcp_nodelay(true)
            .h1_allow_half_closed(false)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(REQUEST_HEAD)
            .shutdown_timeout(LAST_WORDS_SECONDS)
            .listen(listener)?
            .run())
    }
}

fn query(
    settings: &Settings,
    stores: &Stores,
    tailer: &Arc<Tailer>,
    streams: &CancellationToken,
    gauges: &Gauges,
) -> anyhow::Result<Query> {
    let gate = Gate::new(stores.directory.clone(), stores.clock.clone());
    let feed = Feed {
        store: stores.state()?.clone(),
        tailer: tailer.clone(),
        gate: gate.clone(),
        clock: stores.clock.clone(),
        stop: streams.clone(),
        heartbeat: settings.stream_heartbeat,
        delay: gauges.stream_delay.clone(),
    };
    Ok(Query {
        ledger: stores.ledger.clone(),
        store: stores.state()?.clone(),
        gate,
        admission: stores.admission.clone(),
        feed: Arc::new(feed),
        passwords: Passwords::default(),
        retention: settings.retention(),
        accounts: Accounts {
            throttle: Throttle::new(settings.http.account_requests_per_minute),
            proxies: settings.http.trusted_proxies.clone(),
            sends_mail: settings.smtp.is_some(),
        },
        outbox: stores.outbox()?.clone(),
        egress: stores.egress.clone(),
        verifiers: Verifiers::new(stores.egress.clone()),
        public_url: settings.http.public_url.clone(),
        in_progress: Mutex::new(HashSet::new()),
    })
}

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 4096;

/// Listens on an address.
pub(super) fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The routes that every process has, whatever its roles.
fn open_routes(config: &mut web::ServiceConfig) {
    for (path, route) in [
        ("/healthz", web::to(healthz)),
        ("/readyz", web::to(readyz)),
        ("/metrics", web::to(metrics)),
        ("/openapi.json", web::to(openapi)),
        ("/asyncapi.json", web::to(asyncapi)),
        ("/schemas/{name}", web::to(schema)),
        ("/.well-known/jwks.json", web::to(jwks)),
    ] {
        config.service(api::resource(path, [(Method::GET, route)]));
    }
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

async fn readyz(health: Data<Health>, draining: Data<Draining>) -> HttpResponse {
    let readiness = health.readiness(draining.has_begun());
    if readiness.ready {
        HttpResponse::Ok().json(readiness)
    } else {
        HttpResponse::ServiceUnavailable().json(readiness)
    }
}

async fn metrics(gauges: Data<Gauges>, health: Data<Health>) -> Result<HttpResponse, Problem> {
    health.readiness(false);
    let families = gauges.gather().await;
    let text = TextEncoder::new().encode_to_string(&families);
    let text = text.map_err(|_| Problem::unavailable("The metrics cannot be written."))?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}

/// The documents, made when somebody asks for them first.
#[derive(Default)]
struct Described(OnceLock<Documents>);

impl Described {
    fn documents(&self) -> Result<&Documents, Problem> {
        if self.0.get().is_none() {
            let made = Documents::new().map_err(|error| {
                tracing::error!(%error, "the documents cannot be made");
                Problem::unavailable("The documents cannot be made; the log says why.")
            })?;
            // Another request may have made them meanwhile, and the same.
            let _ = self.0.set(made);
        }
        self.0.get().ok_or_else(Problem::not_found)
    }
}

async fn openapi(described: Data<Described>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(&described.documents()?.openapi))
}

async fn asyncapi(described: Data<Described>) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(&described.documents()?.asyncapi))
}

/// The public keys that verify what is signed here, and what was signed a while ago (RFC 7517).
async fn jwks(signatures: Data<Signatures>) -> HttpResponse {
    let directory = signatures.directory.read();
    let keys = directory.public_keys(signatures.clock.now());
    let max_age = (CACHE_CONTROL, "public, max-age=300");
    HttpResponse::Ok()
        .content_type("application/jwk-set+json")
        .insert_header(max_age)
        .body(json!({"keys": keys}).to_string())
}

async fn schema(described: Data<Described>, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    let schema = described.documents()?.schemas.get(name.as_str());
    let schema = schema.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().content_type("application/schema+json").json(schema))
}

/// Middleware: counts the requests in work, and asks clients to come back on another connection
/// once the process is shutting down.
async fn count(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let draining = request.app_data::<Data<Draining>>().cloned();
    let _working = draining.as_ref().map(|draining| draining.work());
    let mut response = next.call(request).await?;
    if draining.as_ref().is_some_and(|draining| draining.has_begun()) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}

struct Working(Draining);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.0.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Draining {
    fn has_begun(&self) -> bool {
        self.0.has_begun.load(Ordering::SeqCst)
    }

    fn work(&self) -> Working {
        self.0.requests.fetch_add(1, Ordering::SeqCst);
        self.0.arrived.fetch_add(1, Ordering::SeqCst);
        Working(self.clone())
    }

    /// From now on `/readyz` says no, and each answer closes its connection.
    pub fn begin(&self) {
        self.0.has_begun.store(true, Ordering::SeqCst);
    }

    /// Waits until nothing has arrived for a while, or as long as is allowed.
    pub async fn wait(&self, allowed: Duration) {
        let quiet = async {
            let mut arrived = usize::MAX;
            loop {
                let now = self.0.arrived.load(Ordering::SeqCst);
                if now == arrived && self.0.requests.load(Ordering::SeqCst) == 0 {
                    return;
                }
                arrived = now;
                tokio::time::sleep(QUIET).await;
            }
        };
        let _ = tokio::time::timeout(allowed, quiet).await;
    }
}

const QUIET: Duration = Duration::from_millis(250);

/// Lets the kernel take no more connections while those it holds are still accepted: closing a
/// listener resets what waits in its queue. Who comes now hears nothing, and is refused when it asks
/// again.
pub(super) async fn turn_away(listener: &TcpListener) {
    if let Err(error) = take_no_more(listener) {
        tracing::warn!(%error, "the listen queue could not be closed");
    }
    tokio::time::sleep(QUIET).await;
}

/// A filter on the listener drops each TCP segment with SYN set, in byte 13 of the header (RFC 9293,
/// section 3.1). Handshakes that have begun are completed.
#[cfg(target_os = "linux")]
fn take_no_more(listener: &TcpListener) -> std::io::Result<()> {
    const LOAD_BYTE: u16 = 0x30;
    const JUMP_IF_SET: u16 = 0x45;
    const RETURN: u16 = 0x06;
    const SYN: u32 = 0x02;
    socket2::SockRef::from(listener).attach_filter(&[
        socket2::SockFilter::new(LOAD_BYTE, 0, 0, 13),
        socket2::SockFilter::new(JUMP_IF_SET, 0, 1, SYN),
        socket2::SockFilter::new(RETURN, 0, 0, 0),
        socket2::SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// A queue without room still takes one connection, but there is no better way here.
#[cfg(not(target_os = "linux"))]
fn take_no_more(listener: &TcpListener) -> std::io::Result<()> {
    Ok(rustix::net::listen(listener, 0)?)
}
