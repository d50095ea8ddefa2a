//! One process: opens its stores, runs its roles, serves HTTP, and takes everything down in order.

mod backends;
mod credentials;
mod disk;
mod http;
mod metrics;
mod stores;
mod unread;
mod waiting;

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use anyhow::Context;
use delivery::destination::{MailSettings, Mailer};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::{Role, Settings};
use crate::logging;
pub use backends::{open_keys, open_ledger};
use stores::Stores;
use waiting::Waiting;

/// How often quarantined messages whose time has come lose their keys.
const EXPIRY_EVERY: Duration = Duration::from_secs(60);

/// SIGXFSZ: a file reached the limit of the process. The write should fail, not the process.
const SIGXFSZ: i32 = 25;

/// A process that serves.
pub struct Running {
    /// Where it is reached.
    pub url: String,
    stores: Stores,
    listener: TcpListener,
    server: ServerHandle,
    roles: JoinSet<anyhow::Result<()>>,
    streams: CancellationToken,
    stop: CancellationToken,
    drain: Duration,
    draining: http::Draining,
}

/// Serves until SIGTERM or SIGINT, or until a role dies. Until then a start waits for what is away.
///
/// # Errors
/// If it cannot start, or a role died: the process should end with a non-zero exit.
pub async fn run(settings: &Settings) -> anyhow::Result<()> {
    let logging = logging::start(&settings.log)?;
    end_on_panic(logging.last_words());
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut running = tokio::select! {
        started = start(settings) => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let died = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        died = running.died() => died,
    };
    tracing::info!("shutting down");
    running.stop().await;
    died
}

/// A panic anywhere is a broken invariant: the process ends, with what the panic said on stderr.
fn end_on_panic(last_words: impl Fn() + Send + Sync + 'static) {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        last_words();
        say(panic);
        std::process::abort();
    }));
}

/// Starts a process; it serves when this returns.
///
/// # Errors
/// If the data directory is in use, a store is damaged or cannot be opened, a key is wrong, or the
/// address is taken.
pub async fn start(settings: &Settings) -> anyhow::Result<Running> {
    // Taken and ignored: a write beyond RLIMIT_FSIZE is then an error like that of a full disk.
    let _ = signal(SignalKind::from_raw(SIGXFSZ))?;
    let listener = http::listen(settings.listen)
        .with_context(|| format!("cannot listen on {}; is it in use?", settings.listen))?;
    let url = format!("http://{}", listener.local_addr()?);
    let waiting = Waiting::begin(settings, &listener)?;
    let stores = Stores::open(settings, &waiting).await?;
    let (stop, streams) = (CancellationToken::new(), CancellationToken::new());
    let mut roles = JoinSet::new();
    let mut checks = stores.checks();
    if settings.roles.contains(&Role::Projector) {
        checks.push(("projection", start_projector(&stores, &mut roles, &stop)?));
        let publishing = backends::start_publisher(settings, &stores, &mut roles, &stop)?;
        checks.extend(publishing.map(|status| ("topics", status)));
    }
    if settings.roles.contains(&Role::Query) {
        checks.push(("purge", start_purger(settings, &stores, &mut roles, &stop)?));
    }
    if settings.roles.contains(&Role::Dispatcher) {
        checks.push(("dispatch", start_dispatcher(settings, &stores, &mut roles, &stop)?));
    }
    if settings.is_embedded() {
        checks.push(("disk", disk::watch(settings, &stores.registry, &mut roles, &stop)?));
    }
    watch_stores(&stores, &mut roles, &streams);
    follow_directory(&stores, &mut roles, &stop);
    expire_keys(&stores, &mut roles, &stop);
    let draining = http::Draining::default();
    let app = http::App::new(settings, &stores, checks, &streams, &draining)?;
    app.start_tailer(&mut roles, &stop);
    waiting.end().await;
    let server = app.serve(settings, listener.try_clone()?)?;
    let handle = server.handle();
    roles.spawn(async move { server.await.context("the HTTP server died") });
    tracing::info!(url, version = env!("CARGO_PKG_VERSION"), "serving");
    Ok(Running {
        url,
        stores,
        listener,
        server: handle,
        roles,
        streams,
        stop,
        drain: settings.shutdown_drain,
        draining,
    })
}

fn start_projector(
    stores: &Stores,
    roles: &mut JoinSet<anyhow::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<api::Reason> {
    let (clock, ids) = (stores.clock.clone(), stores.clock.clone());
    let projector = projector::Projector::new(
        stores.ledger.clone(),
        stores.state()?.clone(),
        &stores.directory.ledger_id(),
        move || clock.now(),
        move || ids.new_id(),
        &stores.registry,
    )?;
    let status = projector.status();
    let stop = stop.clone();
    roles.spawn(async move { projector.run(stop).await.context("the projector died") });
    Ok(status)
}

/// Ends for good what was deleted in the directory, whenever the lease of it is ours.
fn start_purger(
    settings: &Settings,
    stores: &Stores,
    roles: &mut JoinSet<anyhow::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<api::Reason> {
    let purger = query::purge::Purger::new(stores.admission.clone(), stores.directory.clone(), settings.retention());
    let status = purger.status();
    let (store, clock, stop) = (stores.state()?.clone(), stores.clock.clone(), stop.clone());
    let ids = std::sync::Arc::new(move || clock.new_id());
    roles.spawn(async move { purger.run(store, ids, stop).await.context("purging died") });
    Ok(status)
}

fn start_dispatcher(
    settings: &Settings,
    stores: &Stores,
    roles: &mut JoinSet<anyhow::Result<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<api::Reason> {
    let bounds = dispatcher::Bounds {
        attempt: settings.delivery.attempt,
        give_up: settings.delivery.give_up,
        pause: settings.delivery.pause,
        drain: settings.shutdown_drain,
    };
    let dispatcher = dispatcher::Dispatcher {
        store: stores.state()?.clone(),
        outbox: stores.outbox()?.clone(),
        directory: stores.directory.clone(),
        admission: stores.admission.clone(),
        egress: stores.egress.clone(),
        mail: mail_office(settings)?,
        clock: stores.clock.clone(),
        bounds,
    };
    let dispatcher = dispatcher.prepare(&stores.registry)?;
    let (status, stop) = (dispatcher.status(), stop.clone());
    roles.spawn(async move { dispatcher.run(stop).await.context("the dispatcher died") });
    Ok(status)
}

/// How mail is sent, if that was set up.
fn mail_office(settings: &Settings) -> anyhow::Result<Option<dispatcher::MailOffice>> {
    let Some(smtp) = &settings.smtp else { return Ok(None) };
    let read =
        |file: &std::path::PathBuf| std::fs::read(file).with_context(|| format!("cannot read {}", file.display()));
    let password = smtp.password_file.as_ref().map(read).transpose()?.unwrap_or_default();
    let password = String::from_utf8_lossy(&password).trim().to_owned();
    let mailer = Mailer::new(MailSettings {
        host: smtp.host.clone(),
        port: smtp.port,
        encryption: smtp.encryption,
        credentials: smtp.user.clone().map(|user| (user, password.into())),
        from: smtp.from.clone(),
        roots: settings.egress.ca_file.as_ref().map(read).transpose()?,
        deadline: settings.delivery.attempt,
    });
    let public_url = settings.http.public_url.clone().unwrap_or_else(|| format!("http://{}", settings.listen));
    Ok(Some(dispatcher::MailOffice { mailer: mailer.context("smtp: mail cannot be sent")?, public_url }))
}

/// Keeps the directory current.
fn follow_directory(stores: &Stores, roles: &mut JoinSet<anyhow::Result<()>>, stop: &CancellationToken) {
    let (directory, stop) = (stores.directory.clone(), stop.clone());
    roles.spawn(async move {
        let followed = stop.run_until_cancelled(directory.follow()).await;
        followed.unwrap_or(Ok(())).context("the directory cannot be followed")
    });
}

/// Ends the process once a store takes nothing any more, unless that is because it shuts down.
fn watch_stores(stores: &Stores, roles: &mut JoinSet<anyhow::Result<()>>, shutdown: &CancellationToken) {
    let mut watched = vec![("ledger", stores.ledger.health()), ("key store", stores.vault.health())];
    watched.extend(stores.state.as_ref().map(|state| ("state store", state.health())));
    watched.extend(stores.outbox.as_ref().map(|outbox| ("delivery store", outbox.health())));
    for (name, mut health) in watched {
        let shutdown = shutdown.clone();
        roles.spawn(async move {
            let ended = async { while health.changed().await.is_ok() {} };
            match shutdown.run_until_cancelled(ended).await {
                Some(()) => {
                    anyhow::bail!("the {name} is damaged and takes nothing any more; the lines above say what is wrong")
                }
                None => Ok(()),
            }
        });
    }
}

fn expire_keys(stores: &Stores, roles: &mut JoinSet<anyhow::Result<()>>, stop: &CancellationToken) {
    let (vault, clock, stopped) = (stores.vault.clone(), stores.clock.clone(), stop.clone());
    roles.spawn(async move {
        let mut every = tokio::time::interval(EXPIRY_EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stopped.cancelled() => return Ok(()),
            }
            if let Err(error) = vault.expire(clock.now()).await {
                if error.is_damage() {
                    return Err(error).context("keys cannot be expired");
                }
                tracing::warn!(error = &error as &dyn std::error::Error, "keys could not be expired");
            }
        }
    });
}

impl Running {
    /// Waits until a role dies.
    ///
    /// # Errors
    /// Why it died.
    pub async fn died(&mut self) -> anyhow::Result<()> {
        match self.roles.join_next().await {
            Some(Ok(Ok(()))) | None => anyhow::bail!("a role ended although nobody stopped it"),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(error)) => Err(error).context("a role panicked"),
        }
    }

    /// Drains and stops, in the order of the data flow: requests, ledger, projection, stores.
    pub async fn stop(mut self) {
        self.draining.begin();
        self.streams.cancel();
        self.draining.wait(self.drain).await;
        http::turn_away(&self.listener).await;
        self.server.stop(true).await;
        self.stores.ledger.close().await;
        self.stop.cancel();
        while let Some(ended) = self.roles.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(error = %error, "a role ended badly"),
                Err(error) => tracing::error!(error = %error, "a role panicked"),
            }
        }
        if let Some(state) = &self.stores.state {
            state.close().await;
        }
        if let Some(outbox) = &self.stores.outbox {
            outbox.close().await;
        }
        self.stores.vault.close().await;
        tracing::info!("stopped");
    }
}
