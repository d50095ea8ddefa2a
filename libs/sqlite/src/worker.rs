//! The thread behind a [`Writer`](crate::Writer): gathers what is queued, commits it, and heals
//! after a failure.

use std::error::Error;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use rusqlite::{Connection, Transaction};
use tokio::sync::watch;

use crate::checkpoint::{Checkpoints, empty_log};
use crate::database::BUSY_TIMEOUT;
use crate::transaction::transact;
use crate::{Database, Failure, Options, Work, WriteError};

/// An operation and who waits for it.
pub(crate) struct Request<Op, Out> {
    pub(crate) op: Op,
    pub(crate) reply: Reply<Out>,
}

type Reply<Out> = reply::Reply<Result<Out, WriteError>>;

pub(crate) struct Worker<Op, Out, W> {
    database: Database,
    /// None after a write of unknown outcome, until the file has been opened again.
    connection: Option<Connection>,
    checkpoints: Checkpoints,
    options: Options,
    requests: Receiver<Request<Op, Out>>,
    report: watch::Sender<Option<String>>,
    work: W,
    /// Whether the last transaction was shared, so that others are likely to be on their way.
    crowded: bool,
}

/// What the thread does next.
enum Next<Op, Out> {
    Write(Request<Op, Out>),
    Probe,
    End,
}

impl<Op: Send + 'static, Out: Send + 'static, W: Work<Op, Out>> Worker<Op, Out, W> {
    pub(crate) fn new(
        database: Database,
        connection: Connection,
        checkpoints: Checkpoints,
        options: Options,
        requests: Receiver<Request<Op, Out>>,
        report: watch::Sender<Option<String>>,
        work: W,
    ) -> Self {
        let connection = Some(connection);
        Self { database, connection, checkpoints, options, requests, report, work, crowded: false }
    }

    pub(crate) fn run(mut self) {
        let ended = loop {
            let step = match self.next() {
                Next::Write(first) => self.write(first),
                Next::Probe => self.probe(),
                Next::End => break Ok(()),
            };
            if let Err(damage) = step.and_then(|()| self.advance()) {
                break Err(damage);
            }
        };
        match ended {
            Ok(()) => self.settle(),
            Err(damage) => self.refuse(&damage),
        }
    }

    fn next(&self) -> Next<Op, Out> {
        let healthy = self.report.borrow().is_none();
        if healthy {
            return self.requests.recv().map_or(Next::End, Next::Write);
        }
        match self.requests.recv_timeout(self.options.probe_every) {
            Ok(first) => Next::Write(first),
            Err(RecvTimeoutError::Timeout) => Next::Probe,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    /// Commits `first` and whatever has queued behind it, then answers. An error means that the
    /// file is damaged.
    fn write(&mut self, first: Request<Op, Out>) -> Result<(), WriteError> {
        let (ops, replies) = self.gather(first);
        let result = self.transact(|work, transaction| {
            let outs = work.apply(transaction, &ops)?;
            assert_eq!(outs.len(), ops.len(), "every operation has one result");
            Ok(outs)
        });
        if let (Ok(outs), Some(connection)) = (&result, &self.connection) {
            self.work.committed(connection, outs);
            if let Some(observe) = &self.options.observe {
                observe(outs.len());
            }
        }
        let verdict = self.note(&result);
        answer(replies, result);
        verdict
    }

    /// If the last transaction had company, the thread gives a turn to others first. Those that were answered together come back
    /// one by one: without this the first would commit alone and the others after it. More turns, or sleeping, cost more in
    /// switching and in waiting than larger commits save. A lone writer never waits.
    fn gather(&mut self, first: Request<Op, Out>) -> (Vec<Op>, Vec<Reply<Out>>) {
        let mut batch = vec![first];
        self.take_queued(&mut batch);
        if self.crowded {
            std::thread::yield_now();
            self.take_queued(&mut batch);
        }
        self.crowded = batch.len() > 1;
        batch.into_iter().map(|request| (request.op, request.reply)).unzip()
    }

    fn take_queued(&self, batch: &mut Vec<Request<Op, Out>>) {
        let room = self.options.batch.saturating_sub(batch.len());
        batch.extend(self.requests.try_iter().take(room));
    }

    fn advance(&mut self) -> Result<(), WriteError> {
        let Some(connection) = &self.connection else { return Ok(()) };
        let advanced = self.checkpoints.advance(connection);
        if let Err(damage) = &advanced {
            self.failing(damage);
        }
        advanced
    }

    /// Tries whether writing works again: with as much as the largest entry of a ledger, so that a
    /// disk with room for only a few bytes does not pass for healthy.
    fn probe(&mut self) -> Result<(), WriteError> {
        let result = self.transact(|_, transaction| {
            transaction.execute("INSERT OR REPLACE INTO probe (one, room) VALUES (1, zeroblob(65536))", [])
        });
        self.note(&result)
    }

    fn transact<T>(
        &mut self,
        body: impl FnOnce(&mut W, &Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, WriteError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.reopen()?,
        };
        let result = transact(&connection, &self.options.commit, |transaction| body(&mut self.work, transaction));
        self.connection = Some(connection);
        result
    }

    /// Takes note of how a transaction ended. An error means that the file is damaged.
    fn note<T>(&mut self, result: &Result<T, WriteError>) -> Result<(), WriteError> {
        let Err(error) = result else {
            self.recovered();
            return Ok(());
        };
        self.failing(error);
        match error {
            WriteError::Damaged { .. } => Err(error.clone()),
            WriteError::Unknown { .. } => self.start_over(),
            _ => Ok(()),
        }
    }

    /// After a write of unknown outcome: what a fresh connection finds is what was written.
    fn start_over(&mut self) -> Result<(), WriteError> {
        self.connection = None;
        match self.reopen() {
            Ok(connection) => self.connection = Some(connection),
            Err(damage @ WriteError::Damaged { .. }) => {
                self.failing(&damage);
                return Err(damage);
            }
            // Not even that works: the next write or probe tries again.
            Err(error) => self.failing(&error),
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<Connection, WriteError> {
        let mut connection = self.database.reopen().map_err(|error| WriteError::rejected(Failure::Reopen(error)))?;
        self.checkpoints
            .follow(&mut connection)
            .and_then(|()| restart_log(&connection))
            .and_then(|()| self.work.reopened(&connection))
            .map_err(|error| WriteError::rejected(Failure::Recover(error)))?;
        Ok(connection)
    }

    fn recovered(&self) {
        if self.report.send_if_modified(|reason| reason.take().is_some()) {
            tracing::info!(database.path = %self.database.path.display(), "writing works again");
        }
    }

    fn failing(&self, error: &WriteError) {
        let reason = explain(error);
        let news = self.report.send_if_modified(|known| known.replace(reason.clone()).as_ref() != Some(&reason));
        if news {
            tracing::error!(database.path = %self.database.path.display(), reason, "writing fails");
        }
    }

    /// Leaves the file complete without its write-ahead log.
    fn settle(self) {
        drop(self.checkpoints);
        let settled = self.connection.as_ref().map(restart_log);
        if let Some(Err(error)) = settled {
            let path = self.database.path.display();
            tracing::warn!(database.path = %path, %error, "the write-ahead log could not be emptied");
        }
    }

    /// Answers whoever comes with the damage, until the writer is closed.
    fn refuse(self, damage: &WriteError) {
        // Tells those who watch the health that this is final.
        drop(self.report);
        for request in self.requests {
            request.reply.send(Err(damage.clone()));
        }
    }
}

/// [Empties the log](empty_log).
///
/// After a failed sync this is more than housekeeping: the kernel reports lost pages once, so a
/// later commit behind them would sync well and yet be cut off by recovery, which stops at the
/// first damaged frame.
fn restart_log(connection: &Connection) -> rusqlite::Result<()> {
    if empty_log(connection, BUSY_TIMEOUT)? {
        return Ok(());
    }
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    let said = "readers keep the write-ahead log from being emptied";
    Err(rusqlite::Error::SqliteFailure(code, Some(said.to_owned())))
}

fn answer<Out: Send + 'static>(replies: Vec<Reply<Out>>, result: Result<Vec<Out>, WriteError>) {
    match result {
        Ok(outs) => replies.into_iter().zip(outs).for_each(|(reply, out)| reply.send(Ok(out))),
        Err(error) => replies.into_iter().for_each(|reply| reply.send(Err(error.clone()))),
    }
}

/// The error and its causes, in one line.
fn explain(error: &WriteError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        // What lies below would only repeat SQLite's message.
        cause = if error.is::<rusqlite::Error>() { None } else { error.source() };
    }
    line
}
