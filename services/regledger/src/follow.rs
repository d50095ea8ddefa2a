//! Following the change stream: server-sent events that come back after every interruption.

use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use serde_json::Value;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

use crate::client::{Api, Problem};
use crate::output::say;
use crate::sse::{Frame, MAX_EVENT_BYTES, Parser};

/// Without a sign of life for so long, the connection is taken for dead: heartbeats come far more often.
const SILENCE: Duration = Duration::from_secs(90);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

type Lines = BoxStream<'static, Result<String, LinesCodecError>>;

/// A change stream that is followed.
pub struct Follower {
    api: Api,
    query: Value,
    last_id: Option<String>,
    stream: Option<Lines>,
    parser: Parser,
    connected_before: bool,
    pause: Duration,
}

impl Follower {
    /// A stream of `/v1/changes` with these parameters.
    pub fn new(api: Api, query: Value) -> Self {
        Self {
            api,
            query,
            last_id: None,
            stream: None,
            parser: Parser::default(),
            connected_before: false,
            pause: FIRST_PAUSE,
        }
    }

    /// The next event. An interrupted stream goes on after the last id, so that nothing is missed.
    ///
    /// # Errors
    /// If the server refuses, or was not there from the start.
    pub async fn next(&mut self) -> anyhow::Result<Frame> {
        loop {
            match self.advance().await {
                Ok(None) => {}
                Ok(Some(frame)) => {
                    self.pause = FIRST_PAUSE;
                    self.last_id = frame.id.clone().or(self.last_id.take());
                    return Ok(frame);
                }
                Err(error) if !self.connected_before || is_final(&error) => return Err(error),
                Err(error) => {
                    self.stream = None;
                    say(format_args!("the stream was interrupted ({error}); connecting again"));
                    tokio::time::sleep(self.pause).await;
                    self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Connects, or takes the next line.
    async fn advance(&mut self) -> anyhow::Result<Option<Frame>> {
        let Some(lines) = &mut self.stream else {
            let response = self.api.stream("/v1/changes", &self.query, self.last_id.as_deref()).await?;
            let api = self.api.clone();
            let bytes = response.bytes_stream().map_err(move |error| std::io::Error::other(api.explain(&error)));
            let lines = FramedRead::new(StreamReader::new(bytes), LinesCodec::new_with_max_length(MAX_EVENT_BYTES));
            (self.stream, self.parser) = (Some(lines.boxed()), Parser::default());
            self.connected_before = true;
            return Ok(None);
        };
        match tokio::time::timeout(SILENCE, lines.next()).await? {
            Some(line) => self.parser.line(&line?),
            None => anyhow::bail!("the server ended it"),
        }
    }
}

/// Whether asking again would be answered alike: what is not allowed or not understood, and a cursor that is gone.
fn is_final(error: &anyhow::Error) -> bool {
    let status = error.downcast_ref::<Problem>().map(|problem| problem.status);
    status.is_some_and(|status| (400..500).contains(&status) && status != 408 && status != 429)
}
