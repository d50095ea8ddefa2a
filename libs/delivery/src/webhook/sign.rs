//! Signing: the headers of an attempt.

use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue, InvalidHeaderValue};
use thiserror::Error;

use super::key::SigningKey;
use super::{ID, SIGNATURE, TIMESTAMP, signed_content};

/// Why an attempt cannot be signed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SignError {
    /// A full stop separates what is signed: with one in the id, another id and body could have the same signature.
    #[error("an id has at least one character and no full stop")]
    Id,
    /// There is no key to sign with.
    #[error("there is no key to sign with")]
    NoKey,
    /// The id cannot stand in a header.
    #[error("the id cannot stand in a header")]
    Header(#[from] InvalidHeaderValue),
}

/// Signs with all keys that are valid at the moment, in their order.
#[derive(Debug)]
pub struct Signer(Vec<(SigningKey, Option<Timestamp>)>);

impl Signer {
    /// Signs with these keys, the newest first.
    pub fn new(keys: Vec<SigningKey>) -> Self {
        Self::until(keys.into_iter().map(|key| (key, None)).collect())
    }

    /// Signs with each of these keys until its time, the newest first.
    pub fn until(keys: Vec<(SigningKey, Option<Timestamp>)>) -> Self {
        Self(keys)
    }

    /// The three headers of an attempt at `now` to deliver `body`, which has this id at every attempt.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, id: &str, now: Timestamp, body: &[u8]) -> Result<HeaderMap, SignError> {
        if id.is_empty() || id.contains('.') {
            return Err(SignError::Id);
        }
        let timestamp = now.as_second().to_string();
        let content = signed_content(id, &timestamp, body);
        let keys = self.0.iter().filter(|(_, until)| until.is_none_or(|until| now < until));
        let signatures: Vec<String> = keys.map(|(key, _)| key.sign(&content)).collect();
        if signatures.is_empty() {
            return Err(SignError::NoKey);
        }
        let mut headers = HeaderMap::with_capacity(3);
        headers.insert(ID, HeaderValue::from_str(id)?);
        headers.insert(TIMESTAMP, HeaderValue::from_str(&timestamp)?);
        headers.insert(SIGNATURE, HeaderValue::from_str(&signatures.join(" "))?);
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(keys: &[&str]) -> Signer {
        Signer::new(keys.iter().map(|key| SigningKey::parse(&(*key).into()).unwrap()).collect())
    }

    /// The examples of the specification and of Svix's tests, which it was written after.
    #[test]
    fn published_examples_have_the_published_signatures() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let pair = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";
        let now = Timestamp::from_second(1_614_265_330).unwrap();
        let headers =
            signer(&[secret, pair]).sign("msg_p5jXN8AQM9LWM0D4loKWxJek", now, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(headers[ID], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(headers[TIMESTAMP], "1614265330");
        let signatures = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= \
            v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==";
        assert_eq!(headers[SIGNATURE], signatures);
    }

    #[test]
    fn a_key_signs_until_its_time() {
        let key = |byte| SigningKey::parse(&crate::webhook::new_secret(&[byte; 32])).unwrap();
        let time = |second| Timestamp::from_second(second).unwrap();
        let signer = Signer::until(vec![(key(1), Some(time(30))), (key(2), Some(time(20)))]);
        for (now, signatures) in [(19, Some(2)), (20, Some(1)), (30, None)] {
            let headers = signer.sign("a", time(now), b"");
            let found = headers.ok().map(|headers| headers[SIGNATURE].to_str().unwrap().split(' ').count());
            assert_eq!(found, signatures, "{now}");
        }
    }

    #[test]
    fn an_id_that_could_be_mistaken_is_refused() {
        let signer = signer(&["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]);
        for id in ["", ".", "a.b"] {
            assert!(matches!(signer.sign(id, Timestamp::UNIX_EPOCH, b""), Err(SignError::Id)), "{id}");
        }
        assert!(matches!(signer.sign("a\r\nb: c", Timestamp::UNIX_EPOCH, b""), Err(SignError::Header(_))));
    }

    #[test]
    fn nothing_leaves_without_a_signature() {
        assert!(matches!(signer(&[]).sign("a", Timestamp::UNIX_EPOCH, b""), Err(SignError::NoKey)));
    }
}
