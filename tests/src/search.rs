//! The search: a value in every usual encoding, in texts and files.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;

/// A value of its own for each place: what is found says how it came there.
pub fn canary(place: &str) -> String {
    format!("cnry {place} \"7f/9a+\\<&%>={place}")
}

/// How a value may stand in a file: as it is, escaped, encoded, at any offset of base64.
fn disguises(value: &str) -> Vec<Vec<u8>> {
    let json = Value::from(value).to_string();
    let percent: String = value.bytes().map(escaped).collect();
    let mut disguises = vec![
        value.as_bytes().to_vec(),
        json.as_bytes()[1..json.len() - 1].to_vec(),
        Value::from(&json[1..json.len() - 1]).to_string().trim_matches('"').as_bytes().to_vec(),
        percent.as_bytes().to_vec(),
        percent.replace("%20", "+").into_bytes(),
        percent.to_ascii_lowercase().into_bytes(),
        HEXLOWER.encode(value.as_bytes()).into_bytes(),
        value.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ];
    for offset in 0..3 {
        let shifted = [&b"   "[..offset], value.as_bytes()].concat();
        for encoding in [BASE64_NOPAD, BASE64URL_NOPAD] {
            let encoded = encoding.encode(&shifted);
            // The ends share their bits with what stands beside them.
            disguises.push(encoded.as_bytes()[offset + 1..encoded.len() - 2].to_vec());
        }
    }
    disguises
}

/// A byte in the path of a URL, or in a query.
pub fn escaped(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
}

/// Bytes by which a disguise is recognised before it is compared.
const PREFIX: usize = 8;

/// What is looked for, and where it was found.
pub struct Search {
    /// Disguises and their canaries, by how they begin.
    disguises: HashMap<[u8; PREFIX], Vec<(Vec<u8>, String)>>,
    /// By which byte a disguise may begin, since most bytes begin none.
    begins: [bool; 256],
    /// What was found, and where.
    pub found: Vec<String>,
}

impl Search {
    /// A search for values.
    pub fn of(values: impl IntoIterator<Item = String>) -> Self {
        let mut known: HashMap<[u8; PREFIX], Vec<_>> = HashMap::new();
        for value in values {
            for disguise in disguises(&value) {
                let prefix = *disguise.first_chunk().unwrap();
                known.entry(prefix).or_default().push((disguise, value.clone()));
            }
        }
        let begins = std::array::from_fn(|byte| known.keys().any(|prefix| usize::from(prefix[0]) == byte));
        Self { disguises: known, begins, found: Vec::new() }
    }

    /// Searches a text.
    pub fn text(&mut self, what: &str, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        for (position, window) in text.windows(PREFIX).enumerate() {
            if !self.begins[usize::from(window[0])] {
                continue;
            }
            let candidates = self.disguises.get(window).into_iter().flatten();
            for (_, value) in candidates.filter(|(disguise, _)| text[position..].starts_with(disguise)) {
                let around = &text[position.saturating_sub(200)..(position + 200).min(text.len())];
                self.found.push(format!("{value} in {what}: … {} …", String::from_utf8_lossy(around)));
            }
        }
    }

    /// Every file below a directory but those that are to hold a secret.
    pub fn files(&mut self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.files(&path);
            } else if !path.ends_with("admin-token") {
                self.text(&path.display().to_string(), fs::read(&path).unwrap());
            }
        }
    }

    /// Panics with all that was found.
    pub fn found_nothing(&self) {
        assert!(self.found.is_empty(), "{}", self.found.join("\n"));
    }
}

#[test]
fn a_canary_is_found_in_every_disguise() {
    let value = canary("client-secret");
    let percent = value.bytes().map(escaped).collect::<String>();
    let texts = [
        format!("x{value}x"),
        Value::from(value.as_str()).to_string(),
        serde_json::json!({"detail": Value::from(value.as_str()).to_string()}).to_string(),
        format!("/path?q={percent}&x"),
        format!("q={}", percent.replace("%20", "+")),
        BASE64_NOPAD.encode(format!("{{\"client_secret\":\"{value}\"}}").as_bytes()),
        BASE64_NOPAD.encode(format!("a{value}").as_bytes()),
        BASE64URL_NOPAD.encode(format!("ab{value}?").as_bytes()),
        HEXLOWER.encode(value.as_bytes()),
    ];
    for text in texts {
        let mut search = Search::of([value.clone()]);
        search.text("a text", &text);
        assert!(!search.found.is_empty(), "{text}");
    }
}
