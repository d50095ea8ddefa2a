//! Subscribers: each reads from the store until it has caught up, then from the tailer. One that
//! falls behind reads from the store again and never slows the others.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use actix_web::web::Bytes;
use admission::{Clock, DirectoryError};
use api::Gate;
use futures_util::Stream;
use jiff::Timestamp;
use ledger::Place;
use projection::{AsOf, ClientFilter, Store, StoreError, StoredChange};
use prometheus::Histogram;
use registration::directory::Token;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep};
use tokio_util::sync::CancellationToken;

use crate::stream::cursor::Cursor;
use crate::stream::filter::Filter;
use crate::stream::frame;
use crate::stream::tailer::{Published, Tailer};

/// Changes or rows read from the store at once: thousands of subscribers may catch up together.
const CHUNK: usize = 32;

/// What a subscriber needs of its process.
pub struct Feed {
    /// The rows and changes.
    pub store: Arc<dyn Store>,
    /// The new changes.
    pub tailer: Arc<Tailer>,
    /// Knows whether the token is still valid.
    pub gate: Gate,
    /// The time.
    pub clock: Clock,
    /// Ends all streams.
    pub stop: CancellationToken,
    /// Time between heartbeats.
    pub heartbeat: Duration,
    /// `regledger_stream_delay_seconds`.
    pub delay: Histogram,
}

/// One who follows the change stream.
pub struct Subscriber {
    feed: Arc<Feed>,
    filter: Filter,
    token: Token,
    expiry: Option<Pin<Box<Sleep>>>,
    cursor: Cursor,
    ready: VecDeque<Bytes>,
    phase: Phase,
    beat: Interval,
    directory: watch::Receiver<u64>,
    bookmarked: bool,
}

enum Phase {
    /// The rows as they were at the cursor; `after` is the last one sent.
    Snapshot { after: Option<Place> },
    /// Changes up to `until` come from the store, later ones are waiting in `live`.
    CatchUp { until: Cursor, live: broadcast::Receiver<Weak<Published>> },
    /// Changes come from the tailer.
    Live(broadcast::Receiver<Weak<Published>>),
}

/// Why a stream ends.
enum End {
    Stopped,
    /// Its token was revoked or has expired.
    Invalid,
    Unreadable(StoreError),
    Unknown(DirectoryError),
}

impl End {
    fn log(&self) {
        let error: &dyn std::error::Error = match self {
            Self::Stopped | Self::Invalid => return,
            Self::Unreadable(error) => error,
            Self::Unknown(error) => error,
        };
        tracing::warn!(error, "a stream ended");
    }
}

impl Subscriber {
    /// Follows from a cursor; with `snapshot` the rows as of the cursor come first.
    pub fn new(feed: Arc<Feed>, filter: Filter, token: Token, cursor: Cursor, snapshot: bool) -> Self {
        let mut beat = interval_at(Instant::now() + feed.heartbeat, feed.heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let directory = feed.gate.directory().version();
        let phase = if snapshot { Phase::Snapshot { after: None } } else { catch_up(&feed.tailer) };
        let ready = VecDeque::from([Bytes::from_static(frame::RETRY)]);
        let expiry = until_expiry(&token, &feed.clock);
        Self { feed, filter, token, expiry, cursor, ready, phase, beat, directory, bookmarked: false }
    }

    /// The frames, until the process stops, the token ends, or the store cannot be read: the client
    /// then comes back with its cursor.
    pub fn frames(self) -> impl Stream<Item = Result<Bytes, std::convert::Infallible>> {
        futures_util::stream::unfold(self, |mut subscriber| async move {
            loop {
                if let Some(bytes) = subscriber.ready.pop_front() {
                    return Some((Ok(bytes), subscriber));
                }
                if let Err(end) = subscriber.step().await {
                    end.log();
                    return None;
                }
            }
        })
    }

    /// Makes more frames ready.
    async fn step(&mut self) -> Result<(), End> {
        if self.feed.stop.is_cancelled() {
            return Err(End::Stopped);
        }
        match &mut self.phase {
            Phase::Live(_) => self.live().await,
            Phase::Snapshot { after } => {
                let after = *after;
                self.check_token()?;
                self.snapshot(after).await.map_err(End::Unreadable)
            }
            Phase::CatchUp { until, .. } => {
                let until = until.clone();
                self.check_token()?;
                self.catch_up(&until).await
            }
        }
    }

    async fn snapshot(&mut self, after: Option<Place>) -> Result<(), StoreError> {
        let heads = self.cursor.next.iter().map(|next| next.position).collect();
        let filter = ClientFilter::default();
        let page = self.feed.store.clients_as_of(AsOf::Heads(heads), filter, after, CHUNK).await?;
        let last = page.last().map(|listed| listed.at);
        let directory = self.feed.gate.directory().read();
        for listed in &page {
            let client = &listed.client;
            let (integration, tenant) = (Some(&*client.integration), Some(&*client.tenant));
            let is_hidden = directory.hides(&client.integration);
            if !is_hidden && self.filter.passes_row(integration, tenant, &directory) {
                let row = serde_json::to_vec(client).unwrap_or_default();
                self.ready.push_back(frame::snapshot(&row));
            }
        }
        drop(directory);
        self.phase = match last {
            Some(_) if page.len() == CHUNK => Phase::Snapshot { after: last },
            _ => {
                self.bookmark();
                catch_up(&self.feed.tailer)
            }
        };
        Ok(())
    }

    /// Reads one chunk of one partition from the store; once all are read it goes live.
    async fn catch_up(&mut self, until: &Cursor) -> Result<(), End> {
        for (partition, (from, until)) in (0..).zip(self.cursor.next.clone().iter().zip(&until.next)) {
            if from >= until {
                continue;
            }
            let from = (from.position, from.ordinal);
            // The tailer may be amid an event. All of its changes are committed: what is read of
            // them here is not sent again when it comes from the tailer.
            let end = until.position + u64::from(until.ordinal > 0);
            let changes = self.feed.store.changes(partition, from, end, CHUNK).await.map_err(End::Unreadable)?;
            let at_end = changes.len() < CHUNK;
            for change in &changes {
                self.know(change).await?;
                self.cursor.pass(partition, change.position, change.ordinal);
                self.send(change, None);
            }
            if at_end && let Some(next) = self.cursor.next.get_mut(partition as usize) {
                *next = (*next).max(*until);
            }
            return Ok(());
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Snapshot { after: None });
        if let Phase::CatchUp { live, .. } = phase {
            self.phase = Phase::Live(live);
        }
        if !self.bookmarked {
            self.bookmark();
        }
        Ok(())
    }

    async fn live(&mut self) -> Result<(), End> {
        let Phase::Live(live) = &mut self.phase else {
            return Ok(());
        };
        tokio::select! {
            received = live.recv() => match received {
                Ok(published) => match published.upgrade() {
                    Some(published) => self.receive(&published).await?,
                    None => self.phase = catch_up(&self.feed.tailer),
                },
                Err(RecvError::Lagged(_)) => self.phase = catch_up(&self.feed.tailer),
                Err(RecvError::Closed) => return Err(End::Stopped),
            },
            _ = self.beat.tick() => {
                if self.bookmarked {
                    self.ready.push_back(Bytes::from_static(frame::HEARTBEAT));
                } else {
                    self.bookmark();
                }
                self.check_token()?;
            }
            _ = self.directory.changed() => self.check_token()?,
            () = elapsed(self.expiry.as_mut()) => {
                self.check_token()?;
                self.expiry = until_expiry(&self.token, &self.feed.clock);
            }
            () = self.feed.stop.cancelled() => return Err(End::Stopped),
        }
        Ok(())
    }

    async fn receive(&mut self, published: &Published) -> Result<(), End> {
        let change = &published.change;
        self.know(change).await?;
        if self.cursor.pass(change.partition, change.position, change.ordinal) {
            let shared = (self.cursor == published.after).then(|| published.frame.clone());
            self.send(change, shared);
        }
        Ok(())
    }

    /// Lets the directory catch up if it does not know the change's integration yet and a limited
    /// token may see it: a stream that cannot know ends rather than skips the change.
    async fn know(&self, change: &StoredChange) -> Result<(), End> {
        let directory = self.feed.gate.directory();
        let asks = self.filter.asks_directory(change, &directory.read());
        if asks {
            directory.catch_up().await.map_err(End::Unknown)?;
        }
        Ok(())
    }

    fn send(&mut self, change: &StoredChange, shared: Option<Bytes>) {
        self.bookmarked = false;
        if !self.filter.passes(change, &self.feed.gate.directory().read()) {
            return;
        }
        let is_new = shared.is_some();
        self.ready.push_back(shared.unwrap_or_else(|| frame::change(change, &self.cursor)));
        self.bookmarked = true;
        if is_new {
            self.feed.delay.observe(seconds_since(change.recorded_time, self.feed.clock.now()));
        }
    }

    fn bookmark(&mut self) {
        self.ready.push_back(frame::bookmark(&self.cursor));
        self.bookmarked = true;
    }

    fn check_token(&self) -> Result<(), End> {
        if self.feed.gate.is_still_valid(&self.token.id) { Ok(()) } else { Err(End::Invalid) }
    }
}

/// Longer than a timer may run, and shorter than what nobody waits for: the clock is asked again then.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// A timer up to the moment at which a token expires, if it does. A clock that is set meanwhile is noticed with the heartbeat.
fn until_expiry(token: &Token, clock: &Clock) -> Option<Pin<Box<Sleep>>> {
    let left = token.expires_time?.duration_since(clock.now());
    let left = Duration::try_from(left).unwrap_or_default().min(LONGEST_WAIT);
    Some(Box::pin(sleep(left)))
}

async fn elapsed(timer: Option<&mut Pin<Box<Sleep>>>) {
    match timer {
        Some(timer) => timer.await,
        None => pending().await,
    }
}

fn catch_up(tailer: &Tailer) -> Phase {
    let (until, live) = tailer.subscribe();
    Phase::CatchUp { until, live }
}

fn seconds_since(then: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(then).as_secs_f64().max(0.0)
}
