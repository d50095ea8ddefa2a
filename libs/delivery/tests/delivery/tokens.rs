//! Tokens as others have them: keys that OpenSSL made, tokens that PyJWT and jose verify by our JWK set, and theirs.

use delivery::jwt::{Claims, KeyError, SecurityEvent, SigningKey, Verifier, VerifyError, jwks};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::others::Language;

/// The clock that the other libraries read, too.
#[expect(clippy::disallowed_methods, reason = "the libraries of others hold tokens against the machine's clock")]
fn now() -> Timestamp {
    Timestamp::now()
}

/// PEMs by what they are.
struct Pems(Value);

impl Pems {
    fn new() -> Self {
        Self(Language::JavaScript.run("keys", &Value::Null))
    }

    fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_else(|| panic!("{name}"))
    }

    fn key(&self, name: &str) -> Result<SigningKey, KeyError> {
        SigningKey::from_pem(&self.text(name).into())
    }
}

/// Keys that are used, and what they sign with.
const USED: [(&str, &str); 9] = [
    ("rsa 2048 pkcs8", "RS256"),
    ("rsa 3072 pkcs1", "RS256"),
    ("rsa-pss pkcs8", "PS256"),
    ("rsa-pss sha-256", "PS256"),
    ("p-256 pkcs8", "ES256"),
    ("p-256 sec1", "ES256"),
    ("p-384 pkcs8", "ES384"),
    ("p-384 sec1", "ES384"),
    ("ed25519 pkcs8", "EdDSA"),
];

#[test]
fn every_key_is_recognised_or_refused_with_the_reason() {
    let pems = Pems::new();
    for (name, algorithm) in USED {
        let jwk = json!(pems.key(name).unwrap().jwk());
        assert_eq!((&jwk["alg"], &jwk["use"]), (&json!(algorithm), &json!("sig")), "{name}");
        let secret = ["d", "p", "q", "dp", "dq", "qi", "k"].iter().find(|member| jwk.get(**member).is_some());
        assert_eq!(secret, None, "{name}: only what is public");
        let certificate = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
        let as_of_a_server = format!("{certificate}{}\n{certificate}", pems.text(name));
        assert_eq!(
            SigningKey::from_pem(&as_of_a_server.into()).unwrap().jwk(),
            pems.key(name).unwrap().jwk(),
            "{name}"
        );
    }
    let refused = [
        ("rsa 1024 pkcs8", KeyError::Rsa),
        ("rsa 1024 pkcs1", KeyError::Rsa),
        ("rsa-pss sha-512", KeyError::Pss),
        ("rsa-pss sha-1", KeyError::Pss),
        ("rsa-pss mask", KeyError::Pss),
        ("rsa-pss salt", KeyError::Pss),
        ("rsa-pss 1024", KeyError::Rsa),
        ("p-521 pkcs8", KeyError::Unsupported),
        ("p-521 sec1", KeyError::Unsupported),
        ("secp256k1 sec1", KeyError::Unsupported),
        ("ed448 pkcs8", KeyError::Unsupported),
        ("x25519 pkcs8", KeyError::Unsupported),
        ("locked rsa pkcs8", KeyError::Encrypted),
        ("locked rsa pkcs1", KeyError::Encrypted),
        ("locked p-256 sec1", KeyError::Encrypted),
        ("public rsa 2048 pkcs8", KeyError::NotPrivate),
        ("public p-256 sec1", KeyError::NotPrivate),
        ("public rsa pkcs1", KeyError::NotPrivate),
    ];
    for (name, expected) in refused {
        assert_eq!(pems.key(name).err(), Some(expected), "{name}");
    }
}

#[test]
fn public_keys_verify_and_all_others_are_refused_with_the_reason() {
    let pems = Pems::new();
    for (name, _) in USED {
        let token = pems.key(name).unwrap().sign(&Map::new()).unwrap();
        let verifier = Verifier::from_pem(pems.text(&format!("public {name}"))).unwrap();
        assert_eq!(verifier.verify(&token, now()), Ok(Map::new()), "{name}");
    }
    assert!(Verifier::from_pem(pems.text("public rsa pkcs1")).is_ok());
    let refused = [
        ("rsa 2048 pkcs8", KeyError::NotPublic),
        ("p-256 sec1", KeyError::NotPublic),
        ("locked rsa pkcs8", KeyError::NotPublic),
        ("public rsa 1024 pkcs8", KeyError::Rsa),
        ("public rsa-pss sha-512", KeyError::Pss),
        ("public rsa-pss 1024", KeyError::Rsa),
        ("public p-521 pkcs8", KeyError::Unsupported),
        ("public ed448 pkcs8", KeyError::Unsupported),
    ];
    for (name, expected) in refused {
        assert_eq!(Verifier::from_pem(pems.text(name)).err(), Some(expected), "{name}");
    }
}

#[test]
fn others_verify_our_tokens_by_our_jwk_set() {
    let pems = Pems::new();
    let keys: Vec<_> = USED.iter().map(|&(name, _)| pems.key(name).unwrap()).collect();
    let claims = |now| {
        let payload = json!({"client": {"tenant": "provetcloud.com/1", "note": "Größe"}}).as_object().unwrap().clone();
        let event = SecurityEvent { issuer: "https://hub.example", id: "l-0-17-0", uri: "urn:x:registered", payload };
        Claims::parse(r#"{"rid": "456"}"#).unwrap().with(event, now)
    };
    let good = claims(now());
    let mut tokens: Vec<_> = keys.iter().map(|key| key.sign(&good).unwrap()).collect();
    let expired = keys[0].sign(&claims(now() - SignedDuration::from_hours(1))).unwrap();
    let other = keys[0].sign(&claims(now() + SignedDuration::from_secs(1))).unwrap();
    let (message, signature) = (other.rsplit_once('.').unwrap().0, tokens[0].rsplit_once('.').unwrap().1);
    let pieced = format!("{message}.{signature}");
    tokens.extend([expired, pieced]);
    let mut expected: Vec<_> = keys.iter().map(|_| json!(good)).collect();
    expected.extend([Value::Null, Value::Null]);

    for language in Language::ALL {
        let done = language.run("tokens", &json!({"jwks": jwks(&keys), "tokens": tokens, "claims": {}}));
        assert_eq!(done["verified"], json!(expected), "{language:?}");
        if let Some(kids) = done.get("kids") {
            assert_eq!(*kids, json!(keys.iter().map(SigningKey::kid).collect::<Vec<_>>()), "RFC 7638");
        }
    }
}

#[test]
fn we_verify_the_tokens_of_others() {
    let claims = json!({"iss": "isl", "jti": "1", "exp": now().as_second() + 60, "note": "Größe"});
    for language in Language::ALL {
        let done = language.run("tokens", &json!({"jwks": {"keys": [first_key()]}, "tokens": [], "claims": claims}));
        let by_set = Verifier::from_jwks(done["jwks"].to_string().as_bytes()).unwrap();
        let pems: Vec<_> = done["pems"].as_array().unwrap().iter().map(|pem| pem.as_str().unwrap()).collect();
        for (index, token) in done["issued"].as_array().unwrap().iter().enumerate() {
            let token = token.as_str().unwrap();
            let verified = by_set.verify(token, now()).unwrap();
            assert_eq!(
                (&verified["jti"], &verified["note"]),
                (&claims["jti"], &claims["note"]),
                "{language:?} {index}"
            );
            let by_pem = Verifier::from_pem(pems[index]).unwrap();
            assert_eq!(by_pem.verify(token, now()), Ok(verified), "{language:?} {index}");
            let later = now() + SignedDuration::from_mins(10);
            assert_eq!(by_set.verify(token, later), Err(VerifyError::Expired), "{language:?} {index}");
            let other = Verifier::from_pem(pems[(index + 1) % pems.len()]).unwrap();
            assert!(other.verify(token, now()).is_err(), "{language:?} {index}: by another key");
        }
    }
}

/// A JWK set must not be empty for some libraries.
fn first_key() -> Value {
    json!(Pems::new().key("ed25519 pkcs8").unwrap().jwk())
}
