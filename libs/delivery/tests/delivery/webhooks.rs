//! Standard Webhooks as others have it: they verify what is signed here, and what they sign is verified here.

use delivery::webhook::{Signer, SigningKey, Verifier, VerifyingKey, new_key_pair, new_secret};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::others::Language;

const ID: &str = "0198c0de-0-17-0";
const BODY: &str = r#"{"data":{"note":"Größe: „ß“ 🐾"}}"#;

/// The clock that the other libraries read, too.
#[expect(clippy::disallowed_methods, reason = "the libraries of others hold attempts against the machine's clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

fn signed(keys: &[&SecretString], now: Timestamp) -> Map<String, Value> {
    let signer = Signer::new(keys.iter().map(|key| SigningKey::parse(key).unwrap()).collect());
    let headers = signer.sign(ID, now, BODY.as_bytes()).unwrap();
    headers.iter().map(|(name, value)| (name.to_string(), json!(value.to_str().unwrap()))).collect()
}

fn verifies(key: &SecretString, headers: &Map<String, Value>, body: &str) -> bool {
    let verifier = Verifier::new(vec![VerifyingKey::parse(key).unwrap()]);
    verifier.verify(|name| headers.get(name)?.as_str(), body.as_bytes(), now()).is_ok()
}

#[test]
fn libraries_of_others_agree_on_every_signature() {
    let (old, new, other) = (new_secret(&[1; 32]), new_secret(&[2; 32]), new_secret(&[3; 32]));
    let pair = new_key_pair(&[4; 32]).unwrap();
    let public: SecretString = SigningKey::parse(&pair).unwrap().public_key().unwrap().into();
    let all = [&new, &old, &pair];
    let mut changed = signed(&all, now());
    changed.insert("webhook-id".to_owned(), json!("0198c0de-0-17-1"));
    let attempts = [
        (signed(&[&new], now()), [false, true, false, false]),
        (signed(&[&new, &old], now()), [true, true, false, false]),
        (signed(&[&pair], now()), [false, false, false, true]),
        (signed(&all, now()), [true, true, false, true]),
        (changed, [false; 4]),
    ];
    let keys = [&old, &new, &other, &public];
    let texts = keys.map(|key| key.expose_secret());
    let sent = attempts.iter().map(|(headers, _)| json!({"keys": texts, "headers": headers, "body": BODY}));
    let to_sign = json!({"secret": old.expose_secret(), "pair": pair.expose_secret(), "id": ID, "body": BODY});
    let task = json!({"attempts": sent.collect::<Vec<_>>(), "sign": to_sign});

    for (headers, expected) in &attempts {
        assert_eq!(keys.map(|key| verifies(key, headers, BODY)), *expected, "here: {headers:?}");
    }
    for language in Language::ALL {
        let done = language.run("webhooks", &task);
        let expected: Vec<_> = attempts.iter().map(|(_, expected)| json!(expected)).collect();
        assert_eq!(done["verified"], json!(expected), "{language:?}");

        let headers = done["signed"].as_object().unwrap();
        assert_eq!(keys.map(|key| verifies(key, headers, BODY)), [true, false, false, true], "{language:?}");
        assert_eq!(keys.map(|key| verifies(key, headers, "{}")), [false; 4], "{language:?}");
    }
}

#[test]
fn an_old_attempt_is_believed_nowhere() {
    let secret = new_secret(&[1; 32]);
    let old = signed(&[&secret], now() - jiff::SignedDuration::from_mins(6));
    assert!(!verifies(&secret, &old, BODY));
    let pair = new_key_pair(&[4; 32]).unwrap();
    let to_sign = json!({"secret": secret.expose_secret(), "pair": pair.expose_secret(), "id": ID, "body": BODY});
    let sent = json!({"keys": [secret.expose_secret()], "headers": old, "body": BODY});
    for language in Language::ALL {
        let done = language.run("webhooks", &json!({"attempts": [sent], "sign": to_sign}));
        assert_eq!(done["verified"], json!([[false]]), "{language:?}");
    }
}
