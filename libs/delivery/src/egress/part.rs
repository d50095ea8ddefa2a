//! The parts of a call, and which one a call is at: when the deadline comes, that is the one that did not end.

use std::cell::Cell;
use std::fmt;

tokio::task_local! {
    static CURRENT: Cell<Part>;
}

/// A part of a call, in the order in which they follow on one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Whether the URL may be called at all.
    Url,
    /// Looking up the addresses of the host, and whether they may be called.
    Resolve,
    /// Connecting, TLS included.
    Connect,
    /// Sending the request, and the answer's status and headers.
    Answer,
    /// The answer's body.
    Body,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "checking the URL",
            Self::Resolve => "looking up the host",
            Self::Connect => "connecting",
            Self::Answer => "waiting for the answer",
            Self::Body => "reading the body of the answer",
        })
    }
}

/// Runs a call, which begins with the answer's part: a connection that is kept open needs neither name nor connecting.
pub(super) async fn track<T>(call: impl Future<Output = T>) -> T {
    CURRENT.scope(Cell::new(Part::Answer), call).await
}

/// The part that the call of this task is at.
pub(super) fn current() -> Part {
    CURRENT.try_with(Cell::get).unwrap_or(Part::Answer)
}

/// Notes that a part begins. A connection that is finished for a later call belongs to none.
pub(super) fn begin(part: Part) {
    let _ = CURRENT.try_with(|current| current.set(part));
}

/// Notes when connecting begins and ends.
pub(super) async fn connecting<T, E>(connect: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    begin(Part::Connect);
    let connected = connect.await;
    if connected.is_ok() {
        begin(Part::Answer);
    }
    connected
}
