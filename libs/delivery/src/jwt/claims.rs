//! Claims of a token that is sent: those of the configuration and those of the change, as a security event token.

use jiff::{SignedDuration, Timestamp};
use registration::json::{self, Malformed};
use serde_json::{Map, Value, json};
use thiserror::Error;

/// How long a token is good for. A later attempt has a new token with the same `jti`.
pub const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// The claims that are ours to make.
const OURS: [&str; 4] = ["iat", "exp", "jti", "events"];

/// Claims that every token has besides the generated ones, as ISL's "JWT Claims".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

/// Why a text is not a set of claims. It quotes nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClaimsError {
    /// It is no JSON.
    #[error("the claims are not JSON: {0}")]
    NotJson(#[from] Malformed),
    /// It is JSON, but no object.
    #[error("the claims are not a JSON object, as {{\"iss\": \"some_iss\"}} is")]
    NotAnObject,
    /// It has a claim that is generated.
    #[error("the claim {0} is generated for each token and cannot be set")]
    Generated(&'static str),
    /// `iss` is no string (RFC 7519, 4.1.1).
    #[error("the claim iss is not a string")]
    Issuer,
}

/// What one token says. It cannot be printed: the payload may be personal.
#[derive(Clone)]
pub struct SecurityEvent<'a> {
    /// Who says it, unless the configured claims do.
    pub issuer: &'a str,
    /// The `jti`: the id of the change, the same at every attempt.
    pub id: &'a str,
    /// What happened, as a URI (RFC 8417, 2.2).
    pub uri: &'a str,
    /// What is said of it, a JSON object.
    pub payload: Map<String, Value>,
}

impl Claims {
    /// Reads configured claims: a JSON object.
    ///
    /// # Errors
    /// [`ClaimsError`] with the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, ClaimsError> {
        let Value::Object(claims) = json::parse(text.as_bytes())? else {
            return Err(ClaimsError::NotAnObject);
        };
        if let Some(ours) = OURS.into_iter().find(|ours| claims.contains_key(*ours)) {
            return Err(ClaimsError::Generated(ours));
        }
        if claims.get("iss").is_some_and(|issuer| !issuer.is_string()) {
            return Err(ClaimsError::Issuer);
        }
        Ok(Self(claims))
    }

    /// The claims of a token that is made at `now` (RFC 8417, 2.2). RFC 8417 advises against `exp`, because an event
    /// stays true; ours is that of the token, so that one that was intercepted is soon worth nothing.
    pub fn with(&self, event: SecurityEvent<'_>, now: Timestamp) -> Map<String, Value> {
        let mut claims = self.0.clone();
        claims.entry("iss").or_insert_with(|| json!(event.issuer));
        claims.insert("iat".to_owned(), json!(now.as_second()));
        claims.insert("exp".to_owned(), json!(now.as_second() + TOKEN_LIFETIME.as_secs()));
        claims.insert("jti".to_owned(), json!(event.id));
        claims.insert("events".to_owned(), json!({ event.uri: event.payload }));
        claims
    }
}

#[cfg(test)]
mod tests {
    use registration::json::Problem;

    use super::*;

    #[test]
    fn what_is_not_a_set_of_claims_is_refused_with_the_reason() {
        let not_json = |problem, column| ClaimsError::NotJson(Malformed { problem, line: 1, column });
        let cases = [
            ("", not_json(Problem::Truncated, 1)),
            ("iss=me", not_json(Problem::Syntax, 1)),
            (r#"{"rid": 1, "rid": 2}"#, not_json(Problem::DuplicateName, 19)),
            ("[]", ClaimsError::NotAnObject),
            ("null", ClaimsError::NotAnObject),
            (r#""{}""#, ClaimsError::NotAnObject),
            (r#"{"iat": 1}"#, ClaimsError::Generated("iat")),
            (r#"{"exp": null}"#, ClaimsError::Generated("exp")),
            (r#"{"a": 1, "jti": "x"}"#, ClaimsError::Generated("jti")),
            (r#"{"\u0065vents": {}}"#, ClaimsError::Generated("events")),
            (r#"{"iss": 1}"#, ClaimsError::Issuer),
        ];
        for (text, expected) in cases {
            assert_eq!(Claims::parse(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn configured_and_generated_claims_are_one_object() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let payload = json!({"client": "c4k2"}).as_object().unwrap().clone();
        let event = SecurityEvent { issuer: "https://hub.example", id: "l-0-17-0", uri: "urn:x:registered", payload };
        let generated = json!({
            "iss": "https://hub.example", "iat": 1_800_000_000, "exp": 1_800_000_300, "jti": "l-0-17-0",
            "events": {"urn:x:registered": {"client": "c4k2"}},
        });
        assert_eq!(Value::Object(Claims::default().with(event.clone(), now)), generated);

        let configured = Claims::parse(r#"{"iss": "some_iss", "rid": "456", "aud": ["a"]}"#).unwrap();
        let claims = configured.with(event, now);
        assert_eq!(
            (&claims["iss"], &claims["rid"], &claims["aud"]),
            (&json!("some_iss"), &json!("456"), &json!(["a"]))
        );
        assert_eq!((&claims["jti"], claims.len()), (&json!("l-0-17-0"), 7));
    }
}
