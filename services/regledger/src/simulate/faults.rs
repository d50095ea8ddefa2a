//! Malformed and hostile messages, each with the answer that it must get; and odd ones that must be accepted.

use serde_json::{Value, json};

use super::script::{Message, Target};

/// The largest body that a hookup takes, in bytes.
const MAX_BODY: usize = 40 * 1024;

/// A kind of fault.
struct Case {
    name: &'static str,
    expected: &'static [u16],
    /// What it does to a valid message.
    spoil: fn(&mut Message),
}

const fn case(expected: &'static [u16], name: &'static str, spoil: fn(&mut Message)) -> Case {
    Case { name, expected, spoil }
}

/// Every kind of fault. Wrong keys are limited for each address, so that 429 is right too.
const CASES: &[Case] = &[
    case(&[400], "fault: empty", |m| m.body = "".into()),
    case(&[400], "fault: cut off", |m| m.body.truncate(m.body.len() / 2)),
    case(&[400], "fault: not UTF-8", |m| m.body = b"{\"client_id\":\"\xff\"}"[..].into()),
    case(&[400], "fault: byte order mark", |m| m.body = [b"\xef\xbb\xbf", &m.body[..]].concat().into()),
    case(&[400], "fault: something behind the object", |m| m.body = [&m.body[..], b"{}"].concat().into()),
    case(&[400], "fault: a name twice", |m| {
        m.body = [b"{\"client_id\":\"first\",", &m.body[1..]].concat().into();
    }),
    case(&[400], "fault: a name twice, deep inside", |m| set_raw(m, r#"{"a":[{"b":1,"b":2}]}"#)),
    case(&[400], "fault: nested too deep", |m| set_raw(m, &(["["; 40].concat() + &["]"; 40].concat()))),
    case(&[400], "fault: half a surrogate pair", |m| set_raw(m, r#""\ud800""#)),
    case(&[400], "fault: NaN", |m| set_raw(m, "NaN")),
    case(&[413], "fault: a byte too large", |m| pad(m, MAX_BODY + 1)),
    case(&[413], "fault: far too large", |m| pad(m, 4 * MAX_BODY)),
    case(&[415], "fault: a form", |m| m.content_type = Some("application/x-www-form-urlencoded")),
    case(&[415], "fault: multipart", |m| m.content_type = Some("multipart/form-data; boundary=x")),
    case(&[415], "fault: XML", |m| m.content_type = Some("application/xml")),
    case(&[422], "fault: an array", |m| m.body = "[]".into()),
    case(&[422], "fault: null", |m| m.body = "null".into()),
    case(&[422], "fault: an empty object", |m| m.body = "{}".into()),
    case(&[422], "fault: provet_id as text", |m| set(m, "provet_id", json!("1234"))),
    case(&[422], "fault: provet_id with a fraction", |m| set(m, "provet_id", json!(1234.5))),
    case(&[422], "fault: provet_id beyond a double", |m| set(m, "provet_id", json!(9_007_199_254_740_993_u64))),
    case(&[422], "fault: client_id is null", |m| set(m, "client_id", Value::Null)),
    case(&[422], "fault: departments are texts", |m| set(m, "departments", json!(["3"]))),
    case(&[422], "fault: half a department", |m| set(m, "added_department", json!(3.5))),
    case(&[422], "fault: token_url is relative", |m| set(m, "token_url", json!("/oauth2/token/"))),
    case(&[422], "fault: token_url is a file", |m| set(m, "token_url", json!("file:///etc/passwd"))),
    case(&[422], "fault: token_url with a user", |m| {
        set(m, "token_url", json!("https://provetcloud.com@evil.example/"))
    }),
    case(&[422], "fault: U+0000", |m| set(m, "client_id", json!("a\u{0}b"))),
    case(&[404, 429], "fault: wrong key", |m| m.target = Target::WrongKey),
    case(&[404, 429], "fault: unknown integration", |m| m.target = Target::UnknownIntegration),
    case(&[200], "odd: no media type", |m| m.content_type = None),
    case(&[200], "odd: text/plain", |m| m.content_type = Some("text/plain; charset=utf-8")),
    case(&[200], "odd: unknown fields", |m| set(m, "api_key", json!({"value": "s3cret", "more": [1, 2, 3]}))),
    case(&[200], "odd: as large as may be", |m| pad(m, MAX_BODY)),
    case(&[200], "odd: no secret", |m| set(m, "client_secret", Value::Null)),
    case(&[200], "odd: U+0000 in the secret", |m| set(m, "client_secret", json!("a\u{0}b"))),
    case(&[200], "odd: indented", |m| {
        let value: Value = serde_json::from_slice(&m.body).unwrap_or_default();
        m.body = format!("\n{value:#}\n").into();
    }),
];

/// The fault of a turn: each kind in its turn.
pub fn fault(turn: u64, valid: &Message) -> Message {
    let case = &CASES[(turn % CASES.len() as u64) as usize];
    let mut message = Message { step: case.name, expected: case.expected, ..valid.clone() };
    (case.spoil)(&mut message);
    message
}

/// How many kinds there are.
#[cfg(test)]
pub fn kinds() -> u64 {
    CASES.len() as u64
}

/// Sets a field.
fn set(message: &mut Message, name: &str, value: Value) {
    let mut notice: Value = serde_json::from_slice(&message.body).unwrap_or_default();
    notice[name] = value;
    message.body = notice.to_string().into();
}

/// Adds a field whose value stands as it is, JSON or not.
fn set_raw(message: &mut Message, value: &str) {
    let inner = &message.body[..message.body.len().saturating_sub(1)];
    message.body = [inner, b",\"extra\":", value.as_bytes(), b"}"].concat().into();
}

/// Makes a valid body so many bytes long.
fn pad(message: &mut Message, bytes: usize) {
    let frame = message.body.len() + r#","extra":"""#.len();
    set_raw(message, &format!("\"{}\"", "x".repeat(bytes.saturating_sub(frame))));
}
