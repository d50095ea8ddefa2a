//! Tokens that are meant to deceive.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{KeyError, LEEWAY, SigningKey, Verifier, VerifyError, jwks};

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn signing_key(pkcs8: &[u8]) -> SigningKey {
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64.encode(pkcs8));
    SigningKey::from_pem(&pem.into()).unwrap()
}

fn ec() -> SigningKey {
    signing_key(EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap().as_ref())
}

fn ed25519() -> SigningKey {
    signing_key(Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap().as_ref())
}

fn verifier(keys: &[&SigningKey]) -> Verifier {
    Verifier::from_jwks(&serde_json::to_vec(&jwks(keys.iter().copied())).unwrap()).unwrap()
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn encode(part: &[u8]) -> String {
    BASE64URL_NOPAD.encode(part)
}

/// A token with any header and claims, signed by Ed25519.
fn forged(pair: &Ed25519KeyPair, header: &Value, claims: &str) -> String {
    let message = format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.as_bytes()));
    let signature = encode(pair.sign(message.as_bytes()).as_ref());
    format!("{message}.{signature}")
}

fn pair_and_verifier(jwk: impl FnOnce(&mut Value)) -> (Ed25519KeyPair, Result<Verifier, KeyError>) {
    let pair = Ed25519KeyPair::generate().unwrap();
    let mut key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": encode(pair.public_key().as_ref())});
    jwk(&mut key);
    (pair, Verifier::from_jwks(json!({"keys": [key]}).to_string().as_bytes()))
}

#[test]
fn what_is_not_signed_by_a_known_key_is_not_believed() {
    let (key, other, stranger) = (ed25519(), ec(), ed25519());
    let verifier = verifier(&[&key, &other]);
    let claims = object(json!({"jti": "1"}));
    let good = key.sign(&claims).unwrap();
    assert_eq!(verifier.verify(&good, now()), Ok(claims.clone()));
    assert_eq!(verifier.verify(&other.sign(&claims).unwrap(), now()), Ok(claims.clone()));

    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let with_header = |header: Value| format!("{}.{payload}.{signature}", encode(header.to_string().as_bytes()));
    let public = BASE64URL_NOPAD.decode(json!(key.jwk())["x"].as_str().unwrap().as_bytes()).unwrap();
    let by_public_key = |algorithm: &str| {
        let header = encode(json!({"alg": algorithm, "kid": key.kid()}).to_string().as_bytes());
        let message = format!("{header}.{payload}");
        let tag = hmac::sign(&hmac::Key::new(HMAC_SHA256, &public), message.as_bytes());
        format!("{message}.{}", encode(tag.as_ref()))
    };
    let cases = [
        (stranger.sign(&claims).unwrap(), VerifyError::NoKey),
        (with_header(json!({"alg": "none"})), VerifyError::NotAToken),
        (with_header(json!({"alg": "None", "kid": key.kid()})), VerifyError::NotAToken),
        (with_header(json!({"typ": "JWT"})), VerifyError::NotAToken),
        (format!("{}.{payload}.", encode(br#"{"alg":"none"}"#)), VerifyError::NotAToken),
        (by_public_key("HS256"), VerifyError::NoKey),
        (by_public_key("EdDSA"), VerifyError::Signature),
        (with_header(json!({"alg": "ES256", "kid": key.kid()})), VerifyError::NoKey),
        (with_header(json!({"alg": "EdDSA", "kid": "other"})), VerifyError::NoKey),
        (with_header(json!({"alg": "EdDSA"})), VerifyError::Signature),
        (format!("{header}.{}.{signature}", encode(br#"{"jti":"2"}"#)), VerifyError::Signature),
        (format!("{header}.{payload}."), VerifyError::Signature),
        (format!("{header}.{payload}.AAAA"), VerifyError::Signature),
        (format!("{header}.{payload}"), VerifyError::NotAToken),
        (format!("{good}.{signature}"), VerifyError::NotAToken),
        (format!(" {good}"), VerifyError::NotAToken),
        (format!("{good}="), VerifyError::Signature),
        (String::new(), VerifyError::NotAToken),
        ("..".to_owned(), VerifyError::NotAToken),
        (format!("{header}.{}.{signature}", "A".repeat(64 * 1024)), VerifyError::NotAToken),
    ];
    for (token, expected) in cases {
        assert_eq!(verifier.verify(&token, now()), Err(expected), "{token}");
    }
}

#[test]
fn what_a_known_key_signed_must_be_claims_that_are_read_in_one_way() {
    let (pair, verifier) = pair_and_verifier(|_| {});
    let (verifier, header) = (verifier.unwrap(), json!({"alg": "EdDSA", "kid": "a"}));
    let critical = json!({"alg": "EdDSA", "kid": "a", "crit": ["b64"], "b64": false});
    let cases = [
        (&header, "{}", Ok(Map::new())),
        (&header, r#"{"sub": "a", "sub": "b"}"#, Err(VerifyError::Claims)),
        (&header, r#"{"sub": "\ud800"}"#, Err(VerifyError::Claims)),
        (&header, "[]", Err(VerifyError::Claims)),
        (&header, "no JSON", Err(VerifyError::Claims)),
        (&header, r#""{}""#, Err(VerifyError::Claims)),
        (&critical, "{}", Err(VerifyError::Critical)),
    ];
    for (header, claims, expected) in cases {
        assert_eq!(verifier.verify(&forged(&pair, header, claims), now()), expected, "{header} {claims}");
    }
}

#[test]
fn times_fit_within_the_leeway() {
    let key = ed25519();
    let verifier = verifier(&[&key]);
    let at = |seconds: i64| 1_800_000_000 + seconds;
    let leeway = LEEWAY.as_secs();
    let cases = [
        (json!({"exp": at(1), "nbf": at(0), "iat": at(0)}), Ok(())),
        (json!({"exp": at(1 - leeway)}), Ok(())),
        (json!({"exp": at(-leeway)}), Err(VerifyError::Expired)),
        (json!({"exp": 0}), Err(VerifyError::Expired)),
        (json!({"exp": -1}), Err(VerifyError::Expired)),
        (json!({"exp": 1_800_000_000.5}), Ok(())),
        (json!({"exp": 1e300}), Ok(())),
        (json!({"exp": "1800000001"}), Err(VerifyError::NotATime("exp"))),
        (json!({"exp": null}), Err(VerifyError::NotATime("exp"))),
        (json!({"exp": [at(1)]}), Err(VerifyError::NotATime("exp"))),
        (json!({"nbf": at(leeway)}), Ok(())),
        (json!({"nbf": at(leeway + 1)}), Err(VerifyError::NotYet)),
        (json!({"nbf": "soon"}), Err(VerifyError::NotATime("nbf"))),
        (json!({"iat": at(leeway)}), Ok(())),
        (json!({"iat": at(leeway + 1)}), Err(VerifyError::NotYet)),
        (json!({"iat": true}), Err(VerifyError::NotATime("iat"))),
    ];
    for (claims, expected) in cases {
        let token = key.sign(&object(claims.clone())).unwrap();
        assert_eq!(verifier.verify(&token, now()).map(drop), expected, "{claims}");
    }
    let token = key.sign(&object(json!({"exp": at(0)}))).unwrap();
    assert_eq!(verifier.verify(&token, now() + SignedDuration::from_hours(1)), Err(VerifyError::Expired));
}

#[test]
fn of_a_jwk_set_only_keys_to_verify_with_are_used() {
    type Change = fn(&mut Value);
    let cases: [(Change, bool); 11] = [
        (|_| {}, true),
        (|key| key["use"] = json!("sig"), true),
        (|key| key["alg"] = json!("EdDSA"), true),
        (|key| drop(key.as_object_mut().unwrap().remove("kid")), true),
        (|key| key["more"] = json!({"a": 1}), true),
        (|key| key["use"] = json!("enc"), false),
        (|key| key["alg"] = json!("ES256"), false),
        (|key| key["alg"] = json!("HS256"), false),
        (|key| key["crv"] = json!("X25519"), false),
        (|key| key["crv"] = json!("P-256"), false),
        (|key| *key = json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}), false),
    ];
    for (index, (change, is_used)) in cases.into_iter().enumerate() {
        let (pair, verifier) = pair_and_verifier(change);
        let token = forged(&pair, &json!({"alg": "EdDSA", "kid": "a"}), "{}");
        match verifier {
            Ok(verifier) => assert!(is_used && verifier.verify(&token, now()).is_ok(), "case {index}"),
            Err(error) => assert!(!is_used && error == KeyError::NoUsableKey, "case {index}: {error}"),
        }
    }
    let short = json!({"keys": [{"kty": "RSA", "n": "AQAB".repeat(40), "e": "AQAB"}]}).to_string();
    assert_eq!(Verifier::from_jwks(short.as_bytes()).err(), Some(KeyError::NoUsableKey));
    for document in ["", "{}", "[]", r#"{"keys": {}}"#, r#"{"keys": [], "keys": []}"#] {
        assert_eq!(Verifier::from_jwks(document.as_bytes()).err(), Some(KeyError::NotAJwkSet), "{document}");
    }
}

#[test]
fn during_a_rotation_both_keys_are_known() {
    let (old, new) = (ed25519(), ec());
    let verifier = verifier(&[&new, &old]);
    for key in [&old, &new] {
        assert!(verifier.verify(&key.sign(&Map::new()).unwrap(), now()).is_ok());
    }
    assert_ne!(old.kid(), new.kid());
}

#[test]
fn printing_shows_no_key() {
    let key = ed25519();
    assert_eq!(format!("{key:?}"), format!("SigningKey(EdDSA, {})", key.kid()));
    let shown = format!("{:?}", verifier(&[&key]));
    assert!(shown.contains(key.kid()) && !shown.contains(json!(key.jwk())["x"].as_str().unwrap()), "{shown}");
}
