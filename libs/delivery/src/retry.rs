//! Retries: what the outcome of a call means for a delivery, and how long to wait before the next attempt.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use reqwest::StatusCode;

use crate::egress::{Answer, CallError};

/// The wait after the first failure, before it is varied.
pub const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait that we choose.
pub const LONGEST_WAIT: Duration = Duration::from_secs(5 * 60);

/// The longest wait that a receiver can ask for.
pub const LONGEST_ASKED_WAIT: Duration = Duration::from_secs(60 * 60);

/// What the outcome of a call means for the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has arrived.
    Done,
    /// It has not, or nobody knows; the same again, later.
    Retry,
    /// Nothing more is sent to this URL until somebody decides: the receiver is gone, or its URL may not be called.
    Pause,
    /// It has not, and is not sent again: the next one is.
    Drop,
}

/// Judges the outcome of a call as Standard Webhooks suggests (1.0.0, "Delivery success and failure"): 2xx has arrived,
/// 410 ends what is sent there, and anything else is a failure, which is repeated.
///
/// So a 400, 401, 404 or 422 is repeated as well as a 408, 425, 429 or 5xx. The same body may meet another answer: most
/// of these come from a route that is not deployed yet, a secret that is being rotated, or a proxy in front of the
/// receiver, and a delivery that is given up for one of them is lost without anybody having decided it. What fails for
/// ever is bounded by the subscription, which pauses after a long failure and says so. A redirection is a failure,
/// since its target was chosen by the receiver's answer and not by whoever set the URL.
pub fn judge(outcome: &Result<Answer, CallError>) -> Verdict {
    match outcome {
        Ok(answer) if answer.status.is_success() => Verdict::Done,
        Ok(answer) if answer.status == StatusCode::GONE => Verdict::Pause,
        Err(error) if !error.can_pass() => Verdict::Pause,
        Ok(_) | Err(_) => Verdict::Retry,
    }
}

/// How long to wait after a number of failures in a row, from 1: 1 s, doubling, varied by a fifth to either side, at
/// most [`LONGEST_WAIT`]; longer if the receiver asked for it, at most [`LONGEST_ASKED_WAIT`]. `random` is any number,
/// evenly distributed.
pub fn wait(failures: u32, random: u32, asked: Option<Duration>) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let even = FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT);
    let varied = (even * (800 + random % 401) / 1000).min(LONGEST_WAIT);
    varied.max(asked.unwrap_or_default().min(LONGEST_ASKED_WAIT))
}

/// When a receiver asks to be called again (RFC 9110, 10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// After so long.
    In(Duration),
    /// At this time by its own clock.
    At(Timestamp),
}

impl RetryAfter {
    /// Reads the header's value: seconds, or a date in one of the three forms of HTTP. None if it is neither.
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
            // so many digits are longer than any bound
            return Some(Self::In(Duration::from_secs(value.parse().unwrap_or(u64::MAX))));
        }
        let date: SystemTime = httpdate::parse_http_date(value).ok()?;
        Timestamp::try_from(date).ok().map(Self::At)
    }

    /// How long that is from now; nothing if the time has passed.
    pub fn from(self, now: Timestamp) -> Duration {
        match self {
            Self::In(wait) => wait,
            Self::At(time) => Duration::try_from(time.duration_since(now)).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::egress::{Part, Refusal};

    fn answer(status: u16) -> Result<Answer, CallError> {
        let status = StatusCode::from_u16(status).unwrap();
        Ok(Answer { status, retry_after: None, body: Bytes::new(), is_whole: true })
    }

    #[test]
    fn every_outcome_has_a_verdict() {
        let cases = [
            (Verdict::Done, vec![200, 201, 202, 204, 206, 299]),
            (Verdict::Pause, vec![410]),
            (Verdict::Retry, vec![301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 425, 429]),
            (Verdict::Retry, vec![500, 501, 502, 503, 504, 599, 999]),
        ];
        for (verdict, statuses) in cases {
            for status in statuses {
                assert_eq!(judge(&answer(status)), verdict, "{status}");
            }
        }
        let address = Refusal::Address { what: "a private address" };
        let failures = [
            (CallError::Deadline(Part::Body), Verdict::Retry),
            (CallError::Address(address), Verdict::Retry),
            (CallError::Url(address), Verdict::Pause),
            (CallError::Url(Refusal::Scheme), Verdict::Pause),
        ];
        for (error, verdict) in failures {
            let case = error.to_string();
            assert_eq!(judge(&Err(error)), verdict, "{case}");
        }
    }

    #[test]
    fn waits_double_up_to_five_minutes() {
        let middle = 200;
        let seconds: Vec<_> = (0..12).map(|failures| wait(failures, middle, None).as_secs()).collect();
        assert_eq!(seconds, [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(wait(u32::MAX, middle, None), LONGEST_WAIT);
    }

    #[test]
    fn a_receiver_can_ask_for_more_and_not_for_less() {
        let seconds = |failures, asked| wait(failures, 200, Some(Duration::from_secs(asked))).as_secs();
        assert_eq!(seconds(1, 30), 30);
        assert_eq!(seconds(5, 3), 16);
        assert_eq!(seconds(1, 3600), 3600);
        assert_eq!(seconds(1, 3601), 3600);
        assert_eq!(seconds(1, u64::MAX), 3600);
    }

    proptest! {
        #[test]
        fn a_wait_varies_by_a_fifth_within_its_bound(failures in 1_u32.., random: u32) {
            let even = wait(failures, 200, None);
            let varied = wait(failures, random, None);
            prop_assert!(varied >= even * 4 / 5 && varied <= even * 6 / 5 && varied <= LONGEST_WAIT, "{:?}", varied);
        }
    }

    #[test]
    fn retry_after_is_read_in_every_form() {
        let date = |text: &str| Some(RetryAfter::At(text.parse().unwrap()));
        let cases = [
            ("120", Some(RetryAfter::In(Duration::from_secs(120)))),
            (" 0 ", Some(RetryAfter::In(Duration::ZERO))),
            ("99999999999999999999999", Some(RetryAfter::In(Duration::from_secs(u64::MAX)))),
            ("Sun, 06 Nov 1994 08:49:37 GMT", date("1994-11-06T08:49:37Z")),
            ("Sunday, 06-Nov-94 08:49:37 GMT", date("1994-11-06T08:49:37Z")),
            ("Sun Nov  6 08:49:37 1994", date("1994-11-06T08:49:37Z")),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
            ("2026-11-26T06:00:00Z", None),
        ];
        for (value, expected) in cases {
            assert_eq!(RetryAfter::parse(value), expected, "{value}");
        }
    }

    #[test]
    fn a_date_is_counted_from_now_and_never_backwards() {
        let now: Timestamp = "2026-11-26T06:00:00Z".parse().unwrap();
        let at = |text: &str| RetryAfter::At(text.parse().unwrap()).from(now).as_secs();
        assert_eq!(at("2026-11-26T06:01:30Z"), 90);
        assert_eq!(at("2026-11-26T05:00:00Z"), 0);
        assert_eq!(RetryAfter::In(Duration::from_secs(7)).from(now).as_secs(), 7);
    }
}
