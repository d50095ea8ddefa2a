//! Waits at the start for what is away, and answers meanwhile that it does.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::KeepAlive;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use api::{Check, Problem, Readiness};
use parking_lot::Mutex;
use tokio::time::sleep;

use super::backends::is_away;
use crate::config::{LedgerBackend, Settings};

/// The first pause before something is tried again; each is twice the one before, up to the longest.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15);

/// How long an answer may take once there is no need to wait any more.
const LAST_WORDS_SECONDS: u64 = 1;

/// A process that starts. What it keeps itself need not be waited for.
pub(super) struct Waiting {
    server: Option<ServerHandle>,
    why: Data<Mutex<Why>>,
}

struct Why {
    reason: String,
    /// All reasons that were logged: each is once.
    told: BTreeSet<String>,
}

impl Waiting {
    /// Begins to answer on the address that is served later, if others keep what the process needs.
    pub fn begin(settings: &Settings, listener: &TcpListener) -> anyhow::Result<Self> {
        let why = Why { reason: "the process is starting".to_owned(), told: BTreeSet::new() };
        let why = Data::new(Mutex::new(why));
        if !matches!(settings.ledger, LedgerBackend::Kafka(_)) {
            return Ok(Self { server: None, why });
        }
        let shown = why.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shown.clone())
                .route("/healthz", web::get().to(async || "ok\n"))
                .route("/readyz", web::get().to(readyz))
                .default_service(web::to(async || Err::<HttpResponse, _>(come_back())))
        });
        let server = server.disable_signals().workers(1).keep_alive(KeepAlive::Disabled);
        let server = server.shutdown_timeout(LAST_WORDS_SECONDS).listen(listener.try_clone()?)?.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { server: Some(handle), why })
    }

    /// Tries until it works, or fails in a way that does not pass.
    pub async fn until_there<T>(&self, open: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let mut pause = FIRST;
        loop {
            match open().await {
                Err(error) if self.server.is_some() && is_away(&error) => self.note(&error),
                done => return done,
            }
            sleep(pause).await;
            pause = LONGEST.min(pause * 2);
        }
    }

    /// Leaves the address to whoever serves.
    pub async fn end(self) {
        if let Some(server) = self.server {
            server.stop(true).await;
        }
    }

    fn note(&self, error: &anyhow::Error) {
        let mut why = self.why.lock();
        why.reason = format!("{error:#}");
        let reason = why.reason.clone();
        if why.told.insert(reason.clone()) {
            tracing::warn!(reason, "the start waits for what is away");
        }
    }
}

async fn readyz(why: Data<Mutex<Why>>) -> HttpResponse {
    let start = Check { name: "start".to_owned(), ready: false, reason: Some(why.lock().reason.clone()) };
    HttpResponse::ServiceUnavailable().json(Readiness { ready: false, checks: vec![start] })
}

fn come_back() -> Problem {
    Problem::unavailable("The process starts, and waits for what it needs; /readyz says for what.")
}
