//! Strict JSON: what a body must be before anything else is asked of it.
//!
//! RFC 8259 leaves it to the reader what to make of a name that occurs twice, of endless nesting
//! and of an escape that stands for no character. Readers that decide differently can be played
//! off against each other, so all of it is refused here, as I-JSON (RFC 7493) does.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

pub use self::integer::{MAX_SAFE_INTEGER, NotAnInteger, integer};

mod integer;

/// The deepest nesting that is read; the outermost array or object counts as 1.
pub const MAX_DEPTH: usize = 32;

/// The members of a JSON object in their own order: names decoded, values as they were written.
pub type Members<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// Why a body is not acceptable JSON, and where. It never quotes the body: that may hold a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (line {line}, column {column})")]
pub struct Malformed {
    /// What is wrong.
    pub problem: Problem,
    /// The line, from 1, at which reading stopped or the refused value begins.
    pub line: usize,
    /// The column there: bytes, from 1.
    pub column: usize,
}

/// What can be wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Bytes that are not UTF-8.
    #[error("the body is not UTF-8")]
    Encoding,
    /// RFC 8259, section 8.1: JSON text does not begin with a byte order mark.
    #[error("the body begins with a byte order mark; send JSON without one")]
    ByteOrderMark,
    /// Bytes outside the JSON grammar, or after the value.
    #[error("the body is not JSON")]
    Syntax,
    /// The body stops inside a value, or is empty.
    #[error("the body ends before its JSON value does")]
    Truncated,
    /// Half of a surrogate pair: no character.
    #[error("a string holds an escape that stands for no character")]
    LoneSurrogate,
    /// A name that an object holds twice, however it is escaped.
    #[error("an object holds the same name twice")]
    DuplicateName,
    /// More than [`MAX_DEPTH`] arrays and objects inside one another.
    #[error("arrays and objects are nested more than {MAX_DEPTH} deep")]
    TooDeep,
}

/// Reads one JSON value strictly.
///
/// A number beyond the range of a double becomes the double next to it: the grammar allows it and
/// its type is clear; who needs its value reads the lexeme with [`integer`].
///
/// # Errors
/// [`Malformed`] with the first thing that is wrong. The caller bounds the length of `bytes`.
pub fn parse(bytes: &[u8]) -> Result<Value, Malformed> {
    let document = Document::new(bytes)?;
    document.value(document.outermost()?.get(), 0)
}

/// Reads one JSON value as [`parse`] does and, if it is an object, its members as they were
/// written (none of anything else).
///
/// # Errors
/// As [`parse`].
pub fn parse_with_members(bytes: &[u8]) -> Result<(Value, Members<'_>), Malformed> {
    let document = Document::new(bytes)?;
    // Of what is an object this holds the whole text against the grammar, too.
    if let Ok(Object(members)) = serde_json::from_str(document.text) {
        return Ok((document.object(&members, 1)?, members));
    }
    Ok((document.value(document.outermost()?.get(), 0)?, Vec::new()))
}

/// The items of a JSON array as they were written.
///
/// # Errors
/// If it is no array.
pub fn items(array: &RawValue) -> Result<Vec<&RawValue>, serde_json::Error> {
    serde_json::from_str(array.get())
}

/// The text that positions are counted in.
struct Document<'a> {
    text: &'a str,
}

impl<'a> Document<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.starts_with(b"\xEF\xBB\xBF") {
            return Err(Malformed { problem: Problem::ByteOrderMark, line: 1, column: 1 });
        }
        match str::from_utf8(bytes) {
            Ok(text) => Ok(Self { text }),
            Err(error) => {
                let (line, column) = position(&bytes[..error.valid_up_to()]);
                Err(Malformed { problem: Problem::Encoding, line, column })
            }
        }
    }

    /// Holds the whole text against the grammar. What is left to refuse afterwards is what the
    /// grammar allows.
    fn outermost(&self) -> Result<&'a RawValue, Malformed> {
        serde_json::from_str(self.text).map_err(|error| Malformed {
            problem: if error.is_eof() { Problem::Truncated } else { Problem::Syntax },
            line: error.line().max(1),
            column: error.column().max(1),
        })
    }

    /// Builds the value of a part; `depth` counts the arrays and objects around it.
    fn value(&self, part: &'a str, depth: usize) -> Result<Value, Malformed> {
        match part.as_bytes().first() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(self.refuse(Problem::TooDeep, part)),
            Some(b'{') => self.object(&self.members(part)?, depth + 1),
            Some(b'[') => self.array(part, depth + 1),
            Some(b'"') => self.string(part),
            Some(b't') => Ok(Value::Bool(true)),
            Some(b'f') => Ok(Value::Bool(false)),
            Some(b'n') => Ok(Value::Null),
            _ => Ok(number(part)),
        }
    }

    fn members(&self, part: &'a str) -> Result<Members<'a>, Malformed> {
        match serde_json::from_str(part) {
            Ok(Object(members)) => Ok(members),
            Err(_) => Err(self.refuse(Problem::LoneSurrogate, part)),
        }
    }

    fn object(&self, members: &Members<'a>, depth: usize) -> Result<Value, Malformed> {
        let mut map = Map::with_capacity(members.len());
        for (name, raw) in members {
            let value = self.value(raw.get(), depth)?;
            if map.insert(name.clone().into_owned(), value).is_some() {
                return Err(self.refuse(Problem::DuplicateName, raw.get()));
            }
        }
        Ok(Value::Object(map))
    }

    fn array(&self, part: &'a str, depth: usize) -> Result<Value, Malformed> {
        let items: Vec<&'a RawValue> = serde_json::from_str(part).map_err(|_| self.refuse(Problem::Syntax, part))?;
        items.into_iter().map(|item| self.value(item.get(), depth)).collect()
    }

    fn string(&self, part: &str) -> Result<Value, Malformed> {
        match serde_json::from_str(part) {
            Ok(string) => Ok(Value::String(string)),
            Err(_) => Err(self.refuse(Problem::LoneSurrogate, part)),
        }
    }

    /// Names a part of the text as what is wrong.
    fn refuse(&self, problem: Problem, part: &str) -> Malformed {
        let offset = part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        let (line, column) = position(&self.text.as_bytes()[..offset.min(self.text.len())]);
        Malformed { problem, line, column }
    }
}

/// The value of a number that the grammar has accepted: only its size can still be too much.
fn number(lexeme: &str) -> Value {
    match serde_json::from_str::<Number>(lexeme) {
        Ok(number) => Value::Number(number),
        Err(_) if lexeme.starts_with('-') => Value::from(f64::MIN),
        Err(_) => Value::from(f64::MAX),
    }
}

/// Line and column, from 1, of the byte that follows.
fn position(before: &[u8]) -> (usize, usize) {
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
    (line, column)
}

/// Reads an object as [`Members`]: a map would hide names that occur twice.
struct Object<'a>(Members<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor).map(Object)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Members<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(16);
        while let Some((Name(name), value)) = map.next_entry()? {
            members.push((name, value));
        }
        Ok(members)
    }
}

/// A member's name, borrowed from the text unless it holds an escape.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests;
