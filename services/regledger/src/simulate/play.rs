//! Sending: each connection plays its organisations in turn, and the notices of one organisation in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use admission::Receipt;
use anyhow::Context;
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::header::CONTENT_TYPE;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Simulate;
use super::receipts::{Kept, Receipts};
use super::report::{Report, Tally};
use super::script::{Length, Message, Script, Target};
use crate::client::builder;

/// An answer must be there after so long.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a message is sent again and again.
const PATIENCE: Duration = Duration::from_secs(60);
/// After a message without an answer the connection waits: who is not there need not be asked thousands of times.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Plays until the scripts end or `stop` says so.
///
/// # Errors
/// If the receipts cannot be written.
pub async fn play(simulate: &Simulate, stop: &CancellationToken, terminal: bool) -> anyhow::Result<Report> {
    let receipts = match &simulate.receipts {
        Some(path) => Some(Receipts::create(path).await?),
        None => None,
    };
    let pace = Arc::new(Pace { start: Instant::now(), rate: simulate.rate, tickets: AtomicU64::new(0) });
    let progress = progress(simulate, terminal);
    let connections = simulate.connections.min(simulate.tenants);
    let mut playing = Vec::new();
    for number in 0..connections {
        let tenants = (number..simulate.tenants).step_by(connections as usize);
        let connection = Connection {
            http: builder(&simulate.hookup).pool_max_idle_per_host(1).timeout(DEADLINE).build()?,
            targets: Targets::of(&simulate.hookup)?,
            scripts: tenants.map(|tenant| simulate.script(tenant)).collect(),
            pace: pace.clone(),
            stop: stop.clone(),
            retry: simulate.retry,
            receipts: receipts.as_ref().map(Receipts::sender),
            progress: progress.clone(),
            tally: Tally::default(),
        };
        playing.push(tokio::spawn(connection.play()));
    }
    let mut tally = Tally::default();
    for connection in playing {
        tally.merge(connection.await?);
    }
    let took = pace.start.elapsed();
    progress.finish_and_clear();
    if let Some(receipts) = receipts {
        receipts.close().await?;
    }
    Ok(tally.report(took))
}

/// Draws on stderr, and only on a terminal.
fn progress(simulate: &Simulate, terminal: bool) -> ProgressBar {
    let (template, total) = match simulate.length(0) {
        Length::Messages(_) => ("{bar:40} {human_pos}/{human_len}  {per_sec}  {eta} left", simulate.notices),
        Length::Once | Length::Endless => ("{spinner} {human_pos} sent  {per_sec}  {elapsed}", None),
    };
    let target = if terminal { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(total, target).with_style(style)
}

/// When messages are due.
struct Pace {
    start: Instant,
    /// Messages a second; 0: at once.
    rate: f64,
    tickets: AtomicU64,
}

impl Pace {
    /// When the next message is due; none: now.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    fn next(&self) -> Option<Instant> {
        let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
        (self.rate > 0.0).then(|| self.start + Duration::from_secs_f64(ticket as f64 / self.rate))
    }
}

/// The URLs that messages go to.
struct Targets {
    hookup: Url,
    wrong_key: Url,
    unknown_integration: Url,
}

impl Targets {
    /// From `…/hookup/{integration}/{key}`.
    fn of(hookup: &Url) -> anyhow::Result<Self> {
        let replaced = |from_the_end: usize, word: &str| {
            let mut segments: Vec<&str> = hookup.path_segments()?.collect();
            let index = segments.len().checked_sub(from_the_end)?;
            *segments.get_mut(index)? = word;
            let mut url = hookup.clone();
            url.set_path(&segments.join("/"));
            Some(url)
        };
        let targets = || {
            Some(Self {
                hookup: hookup.clone(),
                wrong_key: replaced(1, "a-key-that-nobody-gave-out")?,
                unknown_integration: replaced(2, "an-integration-that-nobody-made")?,
            })
        };
        targets().context("--hookup is not a hookup URL: it must end with the integration's name and key")
    }

    fn url(&self, target: Target) -> Url {
        match target {
            Target::Hookup => &self.hookup,
            Target::WrongKey => &self.wrong_key,
            Target::UnknownIntegration => &self.unknown_integration,
        }
        .clone()
    }
}

/// A connection and the organisations that it plays.
struct Connection {
    http: reqwest::Client,
    targets: Targets,
    scripts: VecDeque<Script>,
    pace: Arc<Pace>,
    stop: CancellationToken,
    retry: bool,
    receipts: Option<mpsc::Sender<Kept>>,
    progress: ProgressBar,
    tally: Tally,
}

impl Connection {
    async fn play(mut self) -> Tally {
        while let Some(mut script) = self.scripts.pop_front() {
            let Some(message) = script.next() else {
                continue;
            };
            let Some(due) = self.wait_for_turn().await else {
                break;
            };
            self.deliver(&message, due).await;
            self.progress.inc(1);
            self.scripts.push_back(script);
        }
        self.tally
    }

    /// When the message was due: latencies are counted from then, so that a slow server does not hide behind a
    /// client that waits for it. None if the play is over.
    async fn wait_for_turn(&self) -> Option<Instant> {
        if self.stop.is_cancelled() {
            return None;
        }
        let now = Instant::now();
        let Some(due) = self.pace.next() else {
            return Some(now);
        };
        if due <= now {
            return Some(due);
        }
        tokio::select! {
            () = self.stop.cancelled() => None,
            () = tokio::time::sleep_until(due) => Some(Instant::now()),
        }
    }

    async fn deliver(&mut self, message: &Message, due: Instant) {
        let mut pause = FIRST_PAUSE;
        loop {
            let answer = self.send(message).await;
            let unavailable = !matches!(answer, Some((status, _)) if status != 503);
            let again = self.retry && unavailable && due.elapsed() < PATIENCE && !self.stop.is_cancelled();
            match answer {
                _ if again => self.tally.retried(),
                Some((status, body)) => {
                    return self.judge(message, status, &body, due.elapsed()).await;
                }
                None => self.tally.unanswered(),
            }
            tokio::time::sleep(pause).await;
            if !again {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// None: nobody answered.
    async fn send(&self, message: &Message) -> Option<(u16, Bytes)> {
        let mut request = self.http.post(self.targets.url(message.target)).body(message.body.clone());
        if let Some(content_type) = message.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let response = request.send().await.ok()?;
        Some((response.status().as_u16(), response.bytes().await.ok()?))
    }

    async fn judge(&mut self, message: &Message, status: u16, body: &[u8], latency: Duration) {
        let expected = self.tally.answer(message, status, latency);
        let receipt = serde_json::from_slice::<Receipt>(body).ok().filter(|_| status == 200);
        if !expected || (status == 200 && receipt.is_none()) {
            self.tally.unexpected(message, status, body);
        }
        if let (Some(receipt), Some(receipts)) = (receipt, &self.receipts) {
            let kept = Kept { receipt, tenant: message.tenant.clone(), step: message.step };
            // A file that cannot be written is reported when it is closed.
            let _ = receipts.send(kept).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_keys_and_names_are_put_where_the_right_ones_were() {
        let targets = Targets::of(&"http://h:1/hub/hookup/acme-lab/k3y".parse().unwrap()).unwrap();
        assert_eq!(targets.url(Target::Hookup).path(), "/hub/hookup/acme-lab/k3y");
        assert_eq!(targets.url(Target::WrongKey).path(), "/hub/hookup/acme-lab/a-key-that-nobody-gave-out");
        let unknown = targets.url(Target::UnknownIntegration);
        assert_eq!(unknown.path(), "/hub/hookup/an-integration-that-nobody-made/k3y");
        assert!(Targets::of(&"http://h:1/".parse().unwrap()).is_err());
    }
}
