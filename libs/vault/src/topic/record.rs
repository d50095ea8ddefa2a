//! The records of the topic.
//!
//! | key | value |
//! | --- | --- |
//! | `store/<id>` | whose keys these are; the first record counts |
//! | `key/<kid>` | a wrapped data key; without a value, the key is destroyed |
//! | `probe` | nothing: that it could be written and read is what it says |
//!
//! Compaction keeps the last record of each key of a record, so every claim and every data key has one of its own, and none is
//! written twice.

use bytes::Bytes;
use data_encoding::BASE64;
use kafka::{Message, Record};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use thiserror::Error;

use crate::row::{Belonging, FingerprintRow, KeyRow};

const STORE: &str = "store/";

const KEY: &str = "key/";

const PROBE: &str = "probe";

/// The only partition: its order decides which key of a subject is the first.
pub(super) const PARTITION: u32 = 0;

/// What a record says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Belongs(Belonging),
    Made(KeyRow),
    Destroyed { kid: String },
    Nothing,
}

/// A record that no version up to this one has written. What it means cannot be guessed.
#[derive(Debug, Error)]
#[error("the record at offset {offset} of the key topic is not one of ours")]
pub(super) struct Foreign {
    offset: u64,
    source: Option<serde_json::Error>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBelonging {
    ledger: String,
    #[serde(deserialize_with = "base64")]
    kek_check: Vec<u8>,
    fingerprint_keys: Vec<StoredFingerprintKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredFingerprintKey {
    kid: String,
    #[serde(deserialize_with = "base64")]
    wrapped: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    kind: String,
    name: String,
    made: i64,
    expires: Option<i64>,
    #[serde(deserialize_with = "base64")]
    wrapped: Vec<u8>,
}

/// Says whose keys these are.
pub(super) fn belongs(belonging: &Belonging) -> Record {
    let Belonging { ledger, kek_check, fingerprint_keys } = belonging;
    let id = fingerprint_keys.first().map_or("", |key| &key.kid);
    let stored = |key: &FingerprintRow| json!({ "kid": key.kid, "wrapped": BASE64.encode(&key.wrapped) });
    let fingerprint_keys: Vec<Value> = fingerprint_keys.iter().map(stored).collect();
    let kek_check = BASE64.encode(kek_check);
    let value = json!({ "ledger": ledger, "kek_check": kek_check, "fingerprint_keys": fingerprint_keys });
    record(format!("{STORE}{id}"), Some(value))
}

/// Keeps a key.
pub(super) fn made(row: &KeyRow) -> Record {
    let KeyRow { kid, kind, name, made, expires, wrapped } = row;
    let wrapped = BASE64.encode(wrapped);
    let value = json!({ "kind": kind, "name": name, "made": made, "expires": expires, "wrapped": wrapped });
    record(format!("{KEY}{kid}"), Some(value))
}

/// Destroys a key: from here on for whoever follows the topic, and in its files once they are compacted.
pub(super) fn destroyed(kid: &str) -> Record {
    record(format!("{KEY}{kid}"), None)
}

pub(super) fn probe() -> Record {
    record(PROBE.to_owned(), Some(json!({})))
}

/// What a message says.
pub(super) fn read(message: &Message) -> Result<Said, Foreign> {
    let foreign = |source| Foreign { offset: message.offset, source };
    let name = message.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).ok_or_else(|| foreign(None))?;
    let value = message.value.as_deref();
    if let Some(kid) = name.strip_prefix(KEY) {
        let kid = kid.to_owned();
        return match value {
            Some(json) => Ok(Said::Made(key(kid, json).map_err(|error| foreign(Some(error)))?)),
            None => Ok(Said::Destroyed { kid }),
        };
    }
    match (name, value) {
        (PROBE, _) => Ok(Said::Nothing),
        (name, Some(json)) if name.starts_with(STORE) => {
            Ok(Said::Belongs(belonging(json).map_err(|error| foreign(Some(error)))?))
        }
        _ => Err(foreign(None)),
    }
}

fn key(kid: String, json: &[u8]) -> serde_json::Result<KeyRow> {
    let StoredKey { kind, name, made, expires, wrapped } = serde_json::from_slice(json)?;
    Ok(KeyRow { kid, kind, name, made, expires, wrapped })
}

fn belonging(json: &[u8]) -> serde_json::Result<Belonging> {
    let StoredBelonging { ledger, kek_check, fingerprint_keys } = serde_json::from_slice(json)?;
    let row = |StoredFingerprintKey { kid, wrapped }| FingerprintRow { kid, wrapped };
    Ok(Belonging { ledger, kek_check, fingerprint_keys: fingerprint_keys.into_iter().map(row).collect() })
}

fn record(key: String, value: Option<Value>) -> Record {
    let value = value.map(|value| Bytes::from(value.to_string()));
    Record { partition: PARTITION, key: Some(key.into()), value }
}

/// Bytes as base64 (RFC 4648, 4).
fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64.decode(text.as_bytes()).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(key: Option<&[u8]>, value: Option<&[u8]>) -> Message {
        let bytes = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        Message { partition: PARTITION, offset: 7, key: key.map(bytes), value: value.map(bytes) }
    }

    fn said(record: Record) -> Said {
        read(&message(record.key.as_deref(), record.value.as_deref())).unwrap()
    }

    #[test]
    fn a_record_says_what_was_written() {
        let row = KeyRow {
            kid: "k1".to_owned(),
            kind: "tenant".to_owned(),
            name: "provetcloud.com/1".to_owned(),
            made: -1,
            expires: Some(i64::MAX),
            wrapped: vec![0, 255],
        };
        let fingerprint_keys = vec![FingerprintRow { kid: "f1".to_owned(), wrapped: vec![1] }];
        let belonging = Belonging { ledger: "ledger".to_owned(), kek_check: vec![2; 32], fingerprint_keys };
        assert_eq!(said(made(&row)), Said::Made(row));
        assert_eq!(said(destroyed("k1")), Said::Destroyed { kid: "k1".to_owned() });
        assert_eq!(said(belongs(&belonging)), Said::Belongs(belonging));
        assert_eq!(said(probe()), Said::Nothing);
    }

    /// The format of what is there already.
    #[test]
    fn a_record_of_the_first_version_is_read() {
        let json = br#"{"kind":"quarantine","name":"0198","made":1,"expires":2,"wrapped":"AP8="}"#;
        let Said::Made(row) = read(&message(Some(b"key/k1"), Some(json))).unwrap() else { panic!("a key") };
        assert_eq!((row.kid.as_str(), row.kind.as_str(), row.name.as_str()), ("k1", "quarantine", "0198"));
        assert_eq!((row.made, row.expires, row.wrapped), (1, Some(2), vec![0, 255]));
    }

    #[test]
    fn what_is_not_one_of_ours_is_refused() {
        let good = made(&KeyRow {
            kid: "k".to_owned(),
            kind: String::new(),
            name: String::new(),
            made: 0,
            expires: None,
            wrapped: Vec::new(),
        });
        let good = good.value.unwrap();
        //            key, value
        let cases: [[Option<&[u8]>; 2]; 8] = [
            [None, Some(&good)],
            [Some(b"\xff"), Some(&good)],
            [Some(b"of a later version"), Some(&good)],
            [Some(b"store/f1"), Some(&good)],
            [Some(b"store/f1"), None],
            [Some(b"key/k1"), Some(b"")],
            [Some(b"key/k1"), Some(b"{\"kind\":\"tenant\"}")],
            [Some(b"key/k1"), Some(b"{\"kind\":\"\",\"name\":\"\",\"made\":0,\"expires\":null,\"wrapped\":\"?\"}")],
        ];
        for [key, value] in cases {
            let error = read(&message(key, value)).expect_err(&format!("{key:?} {value:?}"));
            assert!(error.to_string().contains("offset 7"), "{error}");
        }
    }
}
