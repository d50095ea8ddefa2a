//! Following the change stream: server-sent events that come back after every interruption.

use std::collections::VecDeque;
use std::time::Duration;

use reqwest::Response;

use crate::client::{Api, Problem};
use crate::output::say;
use crate::sse::{Frame, Parser};

/// Without a sign of life for so long, the connection is taken for dead: heartbeats come far more often.
const SILENCE: Duration = Duration::from_secs(90);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A change stream that is followed.
pub struct Follower {
    api: Api,
    query: Vec<(&'static str, String)>,
    last_id: Option<String>,
    stream: Option<(Response, Parser)>,
    frames: VecDeque<Frame>,
    connected_before: bool,
    pause: Duration,
}

impl Follower {
    /// A stream of `/v1/changes` with these parameters.
    pub fn new(api: Api, query: Vec<(&'static str, String)>) -> Self {
        Self {
            api,
            query,
            last_id: None,
            stream: None,
            frames: VecDeque::new(),
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
            if let Some(frame) = self.frames.pop_front() {
                self.pause = FIRST_PAUSE;
                if frame.id.is_some() {
                    self.last_id.clone_from(&frame.id);
                }
                return Ok(frame);
            }
            if let Err(error) = self.advance().await {
                self.stream = None;
                if !self.connected_before || is_final(&error) {
                    return Err(error);
                }
                say(format_args!("the stream was interrupted ({error}); connecting again"));
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Connects, or takes what comes next.
    async fn advance(&mut self) -> anyhow::Result<()> {
        let Some((response, parser)) = &mut self.stream else {
            let response = self.api.stream("/v1/changes", &self.query, self.last_id.as_deref()).await?;
            self.stream = Some((response, Parser::default()));
            self.connected_before = true;
            return Ok(());
        };
        let chunk = tokio::time::timeout(SILENCE, response.chunk()).await?;
        let chunk = chunk.map_err(|error| self.api.explain(&error))?;
        let Some(chunk) = chunk else { anyhow::bail!("the server ended it") };
        self.frames.extend(parser.feed(&chunk)?);
        Ok(())
    }
}

/// Whether asking again would be answered alike: what is not allowed or not understood, and a cursor that is gone.
fn is_final(error: &anyhow::Error) -> bool {
    let status = error.downcast_ref::<Problem>().map(|problem| problem.status);
    status.is_some_and(|status| (400..500).contains(&status) && status != 408 && status != 429)
}
