//! Sending: each connection plays its organisations in turn, and the notices of one organisation in order.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use admission::Receipt;
use anyhow::Context;
use bytes::Bytes;
use delivery::egress::Answer;
use delivery::reply;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use parking_lot::Mutex;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::report::Report;
use super::script::{Length, Message, Target};
use super::{Playing, Simulate};
use crate::client::builder;

/// An answer must be there after so long.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long a message is sent again and again after the first attempt.
const PATIENCE: Duration = Duration::from_secs(60);
/// After a message without an answer the connection waits: who is not there need not be asked thousands of times.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection is cut so long after a message began to be sent: it may have arrived, or not.
const CUT: Duration = Duration::from_millis(2);
/// How often a message is still sent once the play was told to stop.
const LAST_TRIES: u32 = 5;

/// Plays until the scripts end or `stop` says so.
pub async fn play(simulate: &Simulate, stop: &CancellationToken, terminal: bool) -> anyhow::Result<Report> {
    let receipts = simulate.receipts.as_ref();
    let receipts = receipts.map(|path| File::create(path).with_context(|| format!("cannot make {}", path.display())));
    let play = Arc::new(Play {
        simulate: simulate.clone(),
        start: Instant::now(),
        tickets: AtomicU64::new(0),
        stop: stop.clone(),
        receipts: receipts.transpose()?.map(Mutex::new),
        progress: progress(simulate, terminal),
        report: Mutex::new(Report::new()?),
    });
    let url = simulate.url().context("no URL was given")?;
    let connections = simulate.connections.min(simulate.tenants);
    let mut playing = Vec::new();
    for number in 0..connections {
        let tenants = (number..simulate.tenants).step_by(connections as usize);
        let scripts = tenants.map(|tenant| simulate.script(tenant)).collect();
        let http = builder(url).pool_max_idle_per_host(1).timeout(DEADLINE).build()?;
        playing.push(tokio::spawn(Connection { http, play: play.clone() }.play(scripts)));
    }
    for connection in playing {
        connection.await?.context("cannot write the receipts")?;
    }
    play.progress.finish_and_clear();
    if let Some(receipts) = &play.receipts {
        receipts.lock().sync_all().context("cannot write the receipts")?;
    }
    let mut report = std::mem::replace(&mut *play.report.lock(), Report::new()?);
    report.took(play.start.elapsed());
    Ok(report)
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

/// What all connections share.
struct Play {
    simulate: Simulate,
    start: Instant,
    tickets: AtomicU64,
    stop: CancellationToken,
    /// What was acknowledged is kept, to be held against the ledger later.
    receipts: Option<Mutex<File>>,
    progress: ProgressBar,
    report: Mutex<Report>,
}

impl Play {
    /// When the next message is due: latencies are counted from then, so that a slow server does not hide behind a
    /// client that waits for it. None if the play is over.
    async fn next_turn(&self) -> Option<Instant> {
        let now = Instant::now();
        let due = match self.simulate.rate {
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            rate if rate > 0.0 => {
                let ticket = self.tickets.fetch_add(1, Ordering::Relaxed);
                self.start + Duration::from_secs_f64(ticket as f64 / rate)
            }
            _ => now,
        };
        let turn = async {
            if due <= now {
                return due;
            }
            tokio::time::sleep_until(due).await;
            Instant::now()
        };
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            due = turn => Some(due),
        }
    }
}

/// A receipt and what it is for: the tenant is `host/provet_id`, or the id of a domain of an ISL system, which is told no place in
/// the ledger.
#[derive(Serialize)]
struct Kept<'a> {
    #[serde(flatten)]
    receipt: Option<Receipt>,
    tenant: &'a str,
    step: &'static str,
}

/// A connection.
struct Connection {
    http: reqwest::Client,
    play: Arc<Play>,
}

impl Connection {
    async fn play(self, mut scripts: VecDeque<Playing>) -> std::io::Result<()> {
        while let Some(mut script) = scripts.pop_front() {
            let Some(message) = script.next() else {
                continue;
            };
            let Some(due) = self.play.next_turn().await else {
                break;
            };
            self.deliver(&message, due).await?;
            self.play.progress.inc(1);
            scripts.push_back(script);
        }
        Ok(())
    }

    async fn deliver(&self, message: &Message, due: Instant) -> std::io::Result<()> {
        let Play { simulate, stop, report, .. } = &*self.play;
        let (mut pause, mut last_tries) = (FIRST_PAUSE, LAST_TRIES);
        if message.is_cut {
            let _ = tokio::time::timeout(CUT, self.send(message)).await;
            report.lock().retried += 1;
        }
        // Not from when it was due: after an outage all are late, and each is still to be sent again.
        let first_attempt = Instant::now();
        loop {
            let answer = self.send(message).await;
            let is_final = |(status, body): &(u16, Bytes)| match simulate.plays_isl() {
                true if is_nowhere(message, *status) => true,
                true => message.expected.contains(status) && (*status != 200 || is_valid_reply(body)),
                false => *status != 503,
            };
            let unavailable = !answer.as_ref().is_some_and(is_final);
            last_tries -= u32::from(stop.is_cancelled());
            let again = (simulate.retry || simulate.plays_isl())
                && unavailable
                && first_attempt.elapsed() < PATIENCE
                && last_tries > 0;
            match answer {
                _ if again => report.lock().retried += 1,
                Some((status, body)) => return self.judge(message, status, &body, due.elapsed()),
                None => report.lock().unanswered(),
            }
            tokio::time::sleep(pause).await;
            if !again {
                return Ok(());
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// None: nobody answered.
    async fn send(&self, message: &Message) -> Option<(u16, Bytes)> {
        let url = message.target.url(self.play.simulate.url()?)?;
        let mut request = self.http.post(url).body(message.body.clone());
        if let Some(content_type) = message.content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        let response = request.send().await.ok()?;
        Some((response.status().as_u16(), response.bytes().await.ok()?))
    }

    fn judge(&self, message: &Message, status: u16, body: &Bytes, latency: Duration) -> std::io::Result<()> {
        let receipt = serde_json::from_slice::<Receipt>(body).ok();
        let is_acknowledged = match self.play.simulate.plays_isl() {
            true => status == 200 && is_valid_reply(body),
            false => status == 200 && receipt.is_some(),
        };
        let mut report = self.play.report.lock();
        report.answered(status, latency);
        if !message.expected.contains(&status) || (status == 200 && !is_acknowledged) {
            report.unexpected(message, status, body);
        }
        if is_nowhere(message, status) {
            // all the others would be answered so, too
            report.is_nowhere = true;
            self.play.stop.cancel();
        }
        drop(report);
        let Some(receipts) = self.play.receipts.as_ref().filter(|_| is_acknowledged) else { return Ok(()) };
        let mut line = serde_json::to_vec(&Kept { receipt, tenant: &message.tenant, step: message.step })?;
        line.push(b'\n');
        receipts.lock().write_all(&line)
    }
}

/// Whether the URL that was given leads nowhere.
fn is_nowhere(message: &Message, status: u16) -> bool {
    status == 404 && message.target == Target::Given
}

/// Whether ISL Conference Proxy would take it for a reply: valid XML.
fn is_valid_reply(body: &Bytes) -> bool {
    let answer = Answer { status: StatusCode::OK, retry_after: None, body: body.clone(), is_whole: true };
    reply::read(&answer).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::{Canned, json};
    use crate::simulate::Script;
    use crate::simulate::tests::{RECEIPT, simulation};

    #[tokio::test]
    async fn a_message_that_is_late_is_sent_again_as_long_as_one_in_time() {
        let server = Canned::serve(vec![json(503, "{}"), json(200, RECEIPT)]).await;
        let simulate = Simulate {
            hookup: Some(format!("{}hookup/a/k", server.url).parse().unwrap()),
            retry: true,
            ..simulation("http://unused")
        };
        let message = Script::new(1, 0, Length::Once, false).next().unwrap();
        let play = Arc::new(Play {
            progress: progress(&simulate, false),
            simulate,
            start: Instant::now(),
            tickets: AtomicU64::new(0),
            stop: CancellationToken::new(),
            receipts: None,
            report: Mutex::new(Report::new().unwrap()),
        });
        let connection = Connection { http: reqwest::Client::new(), play: play.clone() };
        let due = Instant::now().checked_sub(2 * PATIENCE).unwrap();
        connection.deliver(&message, due).await.unwrap();
        let report = play.report.lock();
        assert_eq!((report.retried, report.unexpected), (1, 0));
    }
}
