//! What the store tells while nobody asks: how far each partition is, and whether writing works.
//!
//! Each commit notifies all processes, in its own transaction: PostgreSQL hands that on after the commit has become visible,
//! and never if it was rolled back. What is lost on the way, as with a connection, the poll behind it finds.

use std::convert::Infallible;
use std::future::poll_fn;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_postgres::{AsyncMessage, Client, Connection};
use tokio_util::sync::CancellationToken;

use postgres::{Connector, Fault, explain};

use super::schema::HEADS;

/// Time between two polls, and between two attempts to connect.
const POLL: Duration = Duration::from_secs(1);

/// How long a poll may take until the connection counts as lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// Writes nothing new, but shows whether writing works.
const PROBE: &str = "UPDATE ledger SET id = id";

/// What all handles of a store are told.
pub(super) struct Told {
    heads: watch::Sender<Vec<u64>>,
    /// None when nothing will be written any more.
    health: Mutex<Option<watch::Sender<Option<String>>>>,
    healthy: watch::Receiver<Option<String>>,
}

impl Told {
    pub(super) fn new(heads: Vec<u64>) -> Self {
        let (health, healthy) = watch::channel(None);
        Self { heads: watch::Sender::new(heads), health: Mutex::new(Some(health)), healthy }
    }

    pub(super) fn heads(&self) -> watch::Receiver<Vec<u64>> {
        self.heads.subscribe()
    }

    pub(super) fn health(&self) -> watch::Receiver<Option<String>> {
        self.healthy.clone()
    }

    pub(super) fn partitions(&self) -> usize {
        self.heads.borrow().len()
    }

    /// Notes that everything before `next` is visible.
    pub(super) fn advance(&self, partition: u32, next: u64) {
        self.heads.send_if_modified(|heads| match heads.get_mut(partition as usize) {
            Some(head) if *head < next => {
                *head = next;
                true
            }
            _ => false,
        });
    }

    /// Notes that writing fails.
    pub(super) fn failing(&self, fault: &Fault) {
        let reason = explain(fault);
        if fault.is_damage() {
            tracing::error!(reason, "the state store is not what it was");
            self.end();
            return;
        }
        let news = self.report(Some(reason.clone()));
        if news {
            tracing::error!(reason, "the state store fails");
        }
    }

    fn recovered(&self) {
        if self.report(None) {
            tracing::info!("the state store works again");
        }
    }

    fn report(&self, reason: Option<String>) -> bool {
        let health = self.health.lock();
        health
            .as_ref()
            .is_some_and(|health| health.send_if_modified(|known| std::mem::replace(known, reason.clone()) != reason))
    }

    /// Tells that nothing will be written any more.
    pub(super) fn end(&self) {
        self.health.lock().take();
    }
}

/// The channel that a ledger's commits are told on.
pub(super) fn channel(ledger: &str) -> String {
    format!("regledger {ledger}")
}

/// Follows the commits of all processes, until it is told to stop.
pub(super) async fn follow(told: &Told, connector: &Connector, ledger: &str, stop: CancellationToken) {
    let following = async {
        loop {
            let Err(fault) = connection(told, connector, ledger).await;
            told.failing(&fault);
            sleep(POLL).await;
        }
    };
    stop.run_until_cancelled(following).await;
}

/// Follows on one connection, until it is lost.
async fn connection(told: &Told, connector: &Connector, ledger: &str) -> Result<Infallible, Fault> {
    let (client, connection) = connector.config.connect(connector.tls.clone()).await?;
    tokio::select! {
        lost = listen(told, connection) => Err(lost),
        failed = poll(told, &client, ledger) => failed,
    }
}

/// Drives the connection and takes what it is notified of; returns why it ended.
async fn listen<S, T>(told: &Told, mut connection: Connection<S, T>) -> Fault
where
    Connection<S, T>: Unpin,
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(notification))) => {
                if let Some((partition, next)) = read(notification.payload()) {
                    told.advance(partition, next);
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return error.into(),
            None => return Fault::Lost,
        }
    }
}

/// What a commit tells: `partition:next`.
fn read(payload: &str) -> Option<(u32, u64)> {
    let (partition, next) = payload.split_once(':')?;
    Some((partition.parse().ok()?, next.parse().ok()?))
}

/// Looks where the cursors stand, again and again, and whether writing works if it did not.
async fn poll(told: &Told, client: &Client, ledger: &str) -> Result<Infallible, Fault> {
    let listen = format!("LISTEN \"{}\"", channel(ledger).replace('"', "\"\""));
    timeout(PATIENCE, client.batch_execute(&listen)).await.map_err(|_| Fault::Late)??;
    loop {
        timeout(PATIENCE, look(told, client)).await.map_err(|_| Fault::Late)??;
        sleep(POLL).await;
    }
}

async fn look(told: &Told, client: &Client) -> Result<(), Fault> {
    let failing = told.healthy.borrow().is_some();
    if failing {
        client.batch_execute(PROBE).await?;
    }
    // Taken before asking: what was told was visible by then.
    let known = told.heads.borrow().clone();
    let partitions = i32::try_from(known.len()).unwrap_or(i32::MAX);
    for row in client.query(HEADS, &[&partitions]).await? {
        let (partition, next): (i32, i64) = (row.try_get(0)?, row.try_get(1)?);
        let (partition, next) = (partition.cast_unsigned(), next.cast_unsigned());
        if known.get(partition as usize).is_some_and(|known| next < *known) {
            return Err(went_back(partition));
        }
        told.advance(partition, next);
    }
    told.recovered();
    Ok(())
}

/// As after a failover to a replica that lagged, or with a restored or emptied database: readers would skip what is projected
/// anew. A start goes by what is there.
fn went_back(partition: u32) -> Fault {
    Fault::Content(format!(
        "the database has less of partition {partition} than it had: it is another, or an older one"
    ))
}
