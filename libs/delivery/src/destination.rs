//! Destinations: how something is sent, and what became of it.

mod mail;
mod webhook;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::egress::{Answer, Call, CallError, Egress};
use crate::retry::{Verdict, judge};

pub use self::mail::{Encryption, Letter, Links, Mail, MailError, MailSettings, Mailer};
pub use self::webhook::Webhook;

/// How much is kept of an answer, in characters.
const EXCERPT: usize = 200;

/// What is sent: the same at every attempt.
#[derive(Clone, Debug)]
pub struct Parcel {
    /// Its id, the same at every attempt.
    pub id: String,
    /// Its type, in the short form.
    pub kind: String,
    /// The bytes.
    pub body: Bytes,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it means for the delivery.
    pub verdict: Verdict,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The first characters of the answer, or why there was none.
    pub answer: String,
    /// How long the receiver asks to be left alone.
    pub asked_wait: Option<Duration>,
}

impl Outcome {
    /// In one word: `delivered`, `failed`, `gone` or `refused`.
    pub fn word(&self) -> &'static str {
        match (self.verdict, self.status) {
            (Verdict::Done, _) => "delivered",
            (Verdict::Retry | Verdict::Drop, _) => "failed",
            (Verdict::Pause, Some(_)) => "gone",
            (Verdict::Pause, None) => "refused",
        }
    }

    /// Nothing was sent, for a reason that may pass.
    pub fn unsent(reason: String) -> Self {
        Self { verdict: Verdict::Retry, status: None, answer: reason, asked_wait: None }
    }

    /// Nothing is to be sent, for this reason.
    pub fn needless(reason: &str) -> Self {
        Self { verdict: Verdict::Done, status: None, answer: format!("nothing was sent: {reason}"), asked_wait: None }
    }

    /// What the outcome of a call comes to.
    pub fn of_call(called: &Result<Answer, CallError>, now: Timestamp) -> Self {
        let verdict = judge(called);
        match called {
            Ok(answer) => Self {
                verdict,
                status: Some(answer.status.as_u16()),
                answer: excerpt(&answer.body),
                asked_wait: answer.retry_after.map(|asked| asked.from(now)),
            },
            Err(error) => Self { verdict, status: None, answer: error.to_string(), asked_wait: None },
        }
    }
}

/// Sends parcels to one place.
pub trait Destination: Send + Sync {
    /// Attempts to send a parcel, once.
    fn attempt<'a>(&'a self, parcel: &'a Parcel, now: Timestamp) -> BoxFuture<'a, Outcome>;

    /// The host that is called, for a bound on how much goes there at a time.
    fn host(&self) -> &str;

    /// Whether everything is sent in one order, and not only what is of one row.
    fn is_in_one_order(&self) -> bool {
        false
    }
}

/// Makes a call and says what became of it.
async fn call(egress: &Egress, call: Call<'_>, now: Timestamp) -> Outcome {
    Outcome::of_call(&egress.send(call).await, now)
}

/// The first characters of an answer, as far as they can be shown and kept.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * EXCERPT)]);
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_short_and_can_be_shown() {
        for (body, expected) in [
            (&b""[..], String::new()),
            (b"no\x00 \n\x1b[31mred", "no    [31mred".to_owned()),
            (b"\xff\xfe", "\u{fffd}\u{fffd}".to_owned()),
            ("é".repeat(500).as_bytes(), "é".repeat(200)),
        ] {
            assert_eq!(excerpt(body), expected);
        }
    }
}
