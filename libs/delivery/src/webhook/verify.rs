//! Verifying: what a receiver does with an attempt.

use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use thiserror::Error;

use super::key::VerifyingKey;
use super::{ID, SIGNATURE, TIMESTAMP, signed_content};

/// How far the time of an attempt may be from ours, to either side.
pub const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// The most signatures of one attempt that are looked at.
const MAX_SIGNATURES: usize = 32;

/// Why an attempt is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// A header is missing.
    #[error("the header {0} is missing")]
    Missing(&'static str),
    /// The time is no whole number of seconds.
    #[error("the header webhook-timestamp is not a number of seconds")]
    NotATime,
    /// It is older than five minutes: somebody may be repeating it.
    #[error("the attempt is older than five minutes")]
    TooOld,
    /// It is more than five minutes ahead.
    #[error("the attempt is from more than five minutes ahead")]
    TooNew,
    /// No signature is by one of the keys.
    #[error("no signature is by a key that is known here")]
    NoMatch,
}

/// Verifies with all keys that are valid at the moment.
#[derive(Debug)]
pub struct Verifier(Vec<VerifyingKey>);

impl Verifier {
    /// Verifies with any of these keys.
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        Self(keys)
    }

    /// Whether an attempt that came at `now` was signed by one of the keys. `header` gives a header's value by its name
    /// in lower case. The body is what came, byte for byte.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify<'h>(
        &self,
        header: impl Fn(&str) -> Option<&'h str>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        let required = |name| header(name).ok_or(VerifyError::Missing(name));
        let (id, timestamp, signatures) = (required(ID)?, required(TIMESTAMP)?, required(SIGNATURE)?);
        check_time(timestamp, now)?;
        let content = signed_content(id, timestamp, body);
        let is_ours = |entry: &str| self.is_ours(entry, &content);
        let matches = signatures.split(' ').take(MAX_SIGNATURES).any(is_ours);
        if matches { Ok(()) } else { Err(VerifyError::NoMatch) }
    }

    fn is_ours(&self, entry: &str, content: &[u8]) -> bool {
        let Some((version, signature)) = entry.split_once(',') else {
            return false;
        };
        let Ok(signature) = BASE64.decode(signature.as_bytes()) else {
            return false;
        };
        self.0.iter().any(|key| key.verifies(version, &signature, content))
    }
}

fn check_time(timestamp: &str, now: Timestamp) -> Result<(), VerifyError> {
    let seconds = timestamp.parse().map_err(|_| VerifyError::NotATime)?;
    let time = Timestamp::from_second(seconds).map_err(|_| VerifyError::NotATime)?;
    let age = now.duration_since(time);
    if age > TOLERANCE {
        Err(VerifyError::TooOld)
    } else if age < -TOLERANCE {
        Err(VerifyError::TooNew)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::webhook::{Signer, SigningKey, new_key_pair, new_secret};
    use Kind::{Pair, Secret};

    const BODY: &[u8] = br#"{"a":1}"#;

    fn now() -> Timestamp {
        Timestamp::from_second(1_800_000_000).unwrap()
    }

    fn sent(keys: &[Kind]) -> HeaderMap {
        let keys = keys.iter().map(|source| SigningKey::parse(&source.private()).unwrap()).collect();
        Signer::new(keys).sign("l-0-17-0", now(), BODY).unwrap()
    }

    fn verify(keys: &[Kind], headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<(), VerifyError> {
        let keys = keys.iter().map(|source| VerifyingKey::parse(&source.public()).unwrap()).collect();
        Verifier::new(keys).verify(|name| headers.get(name)?.to_str().ok(), body, now)
    }

    /// A key by its kind and its random bytes.
    #[derive(Clone, Copy)]
    enum Kind {
        Secret(u8),
        Pair(u8),
    }

    impl Kind {
        fn private(self) -> secrecy::SecretString {
            match self {
                Self::Secret(byte) => new_secret(&[byte; 32]),
                Self::Pair(byte) => new_key_pair(&[byte; 32]).unwrap(),
            }
        }

        fn public(self) -> secrecy::SecretString {
            let public = SigningKey::parse(&self.private()).unwrap().public_key();
            public.map_or_else(|| self.private(), Into::into)
        }
    }

    #[test]
    fn one_key_in_common_suffices() {
        let cases = [
            (vec![Secret(1)], vec![Secret(1)], true),
            (vec![Pair(1)], vec![Pair(1)], true),
            (vec![Secret(2), Secret(1)], vec![Secret(1)], true),
            (vec![Secret(1)], vec![Secret(2), Secret(1)], true),
            (vec![Pair(2), Secret(1)], vec![Secret(1)], true),
            (vec![Pair(1), Secret(2)], vec![Pair(1), Pair(3)], true),
            (vec![Secret(1)], vec![Secret(2)], false),
            (vec![Secret(1)], vec![Pair(1)], false),
            (vec![Pair(1)], vec![Secret(1)], false),
            (vec![Secret(1)], vec![], false),
        ];
        for (index, (signing, verifying, verified)) in cases.into_iter().enumerate() {
            let found = verify(&verifying, &sent(&signing), BODY, now());
            assert_eq!(found.is_ok(), verified, "case {index}: {found:?}");
        }
    }

    #[test]
    fn nothing_of_an_attempt_can_be_changed() {
        let keys = [Secret(1), Pair(1)];
        assert_eq!(verify(&keys, &sent(&keys), b"{\"a\":2}", now()), Err(VerifyError::NoMatch));
        let changes = [
            (ID, "l-0-17-1", VerifyError::NoMatch),
            (TIMESTAMP, "1800000001", VerifyError::NoMatch),
            (TIMESTAMP, "01800000000", VerifyError::NoMatch),
            (TIMESTAMP, "1800000000.0", VerifyError::NotATime),
            (TIMESTAMP, "", VerifyError::NotATime),
            (TIMESTAMP, "9223372036854775807", VerifyError::NotATime),
            (SIGNATURE, "", VerifyError::NoMatch),
            (SIGNATURE, "v1", VerifyError::NoMatch),
            (SIGNATURE, "v1,", VerifyError::NoMatch),
            (SIGNATURE, "v1,?", VerifyError::NoMatch),
            (SIGNATURE, "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", VerifyError::NoMatch),
        ];
        for (name, value, expected) in changes {
            let mut headers = sent(&keys);
            headers.insert(name, value.parse().unwrap());
            assert_eq!(verify(&keys, &headers, BODY, now()), Err(expected), "{name}: {value}");
        }
        for name in [ID, TIMESTAMP, SIGNATURE] {
            let mut headers = sent(&keys);
            headers.remove(name);
            assert_eq!(verify(&keys, &headers, BODY, now()), Err(VerifyError::Missing(name)));
        }
    }

    #[test]
    fn a_signature_of_one_kind_is_not_taken_for_the_other() {
        for key in [Secret(1), Pair(1)] {
            let mut headers = sent(&[key]);
            let signature = headers[SIGNATURE].to_str().unwrap().to_owned();
            let (version, rest) = signature.split_once(',').unwrap();
            let other = if version == "v1" { "v1a" } else { "v1" };
            headers.insert(SIGNATURE, format!("{other},{rest}").parse().unwrap());
            assert_eq!(verify(&[key], &headers, BODY, now()), Err(VerifyError::NoMatch), "{version}");
        }
    }

    #[test]
    fn an_attempt_is_good_for_five_minutes_to_either_side() {
        let cases = [(300, Ok(())), (301, Err(VerifyError::TooOld)), (-300, Ok(())), (-301, Err(VerifyError::TooNew))];
        for (seconds, expected) in cases {
            let then = now() + SignedDuration::from_secs(seconds);
            assert_eq!(verify(&[Secret(1)], &sent(&[Secret(1)]), BODY, then), expected, "{seconds}");
        }
    }

    #[test]
    fn only_so_many_signatures_are_looked_at() {
        let right = sent(&[Secret(1)]);
        for (others, expected) in [(MAX_SIGNATURES - 1, Ok(())), (MAX_SIGNATURES, Err(VerifyError::NoMatch))] {
            let mut headers = right.clone();
            let signature = right[SIGNATURE].to_str().unwrap();
            headers.insert(SIGNATURE, format!("{}{signature}", "v1,AAAA ".repeat(others)).parse().unwrap());
            assert_eq!(verify(&[Secret(1)], &headers, BODY, now()), expected, "{others}");
        }
    }
}
