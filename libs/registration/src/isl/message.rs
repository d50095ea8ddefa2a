//! HTTP events: what a form says, or why it cannot be accepted.

use std::fmt;

use jiff::Timestamp;

use super::event::What;
use super::form::{self, MAX_FIELDS};
use super::loose::{loose, normal};
use crate::quarantine::Violation;

/// The longest id of a domain or session, in characters.
const MAX_ID: usize = 200;

/// The longest name of a user, and e-mail address, in characters.
const MAX_NAME: usize = 500;

/// Where the names of users stand, best first.
pub(super) const USER_NAMES: [&str; 5] = ["cpuserid", "userid", "username", "user", "name"];

/// Where their e-mail addresses stand.
pub(super) const USER_EMAILS: [&str; 3] = ["email", "useremail", "mail"];

/// What an HTTP event says.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// The product, by the one name that it has here.
    pub module: String,
    /// What happened, by the one name that it has here.
    pub event: String,
    /// When ISL says that it happened.
    pub sent_time: Option<Timestamp>,
    /// The domain that it is about.
    pub domain_id: Option<String>,
    /// The session or chat that it is about.
    pub session_id: Option<String>,
    /// What it says of the source's own directory.
    pub facts: Vec<MessageFact>,
    /// All fields, sorted, each with its length: the same for the same message.
    pub identity: Vec<u8>,
}

/// What a message says of the source's own directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageFact {
    /// What happened.
    pub what: What,
    /// To which user; none if it happened to the domain.
    pub user: Option<User>,
}

/// A user of the source. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// As it was written: `\\domain\user`.
    pub name: String,
    /// Where mail reaches them.
    pub email: Option<String>,
}

impl User {
    /// A user, if the texts can be a name and an address.
    pub(super) fn new(name: &str, email: Option<&str>) -> Option<Self> {
        let email = email.map(str::trim).filter(|email| is_text(email, MAX_NAME)).map(str::to_owned);
        let name = name.trim();
        is_text(name, MAX_NAME).then(|| Self { name: name.to_owned(), email })
    }

    /// What two spellings of one name have in common: ISL does not tell upper from lower case.
    pub fn compared(&self) -> String {
        self.name.to_lowercase()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("User(..)")
    }
}

/// Reads the form of an HTTP event.
///
/// # Errors
/// Everything that is wrong with it; no value is quoted.
pub fn message(body: &[u8]) -> Result<Message, Vec<Violation>> {
    let form = Form::read(body)?;
    let mut found = Vec::new();
    let module = form.required(&mut found, "MODULE", normal);
    let event = form.required(&mut found, "EVENT", normal);
    let sent_time = form.optional(&mut found, "TIMESTAMP", time, "must be seconds since 1970");
    let domain_id = form.optional(&mut found, "DOMAIN_ID", id, IS_ID);
    let session_id = form.optional(&mut found, "SESSIONID", id, IS_ID);
    let session_id = session_id.or_else(|| form.optional(&mut found, "CHATID", id, IS_ID));
    let what = event.as_deref().and_then(What::named);
    let facts = what.and_then(|what| form.fact(&mut found, what, domain_id.is_some()));
    match (module, event) {
        (Some(module), Some(event)) if found.is_empty() => Ok(Message {
            identity: form.identity(&module, &event),
            facts: facts.into_iter().collect(),
            module,
            event,
            sent_time,
            domain_id,
            session_id,
        }),
        _ => Err(found),
    }
}

const IS_ID: &str = "must be at most 200 characters of UTF-8, none a control character";

fn violation(field: &str, detail: &str) -> Violation {
    Violation { pointer: format!("/{field}"), detail: detail.to_owned() }
}

/// Whether a text is not empty, not too long, and without control characters: U+0000 is one that no database holds.
fn is_text(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

pub(super) fn id(text: &str) -> Option<String> {
    let text = text.trim();
    is_text(text, MAX_ID).then(|| text.to_owned())
}

/// Seconds since 1970, perhaps with a fraction.
fn time(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.trim().split_once('.').unwrap_or((text.trim(), "0"));
    let are_digits = [seconds, fraction].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    are_digits.then(|| seconds.parse().ok().and_then(|seconds| Timestamp::from_second(seconds).ok())).flatten()
}

/// Fields by their names as they are compared.
struct Form(Vec<(String, Vec<u8>)>);

impl Form {
    fn read(body: &[u8]) -> Result<Self, Vec<Violation>> {
        let fields = form::fields(body);
        if fields.len() > MAX_FIELDS {
            return Err(vec![Violation { pointer: String::new(), detail: "may have 1000 fields at most".to_owned() }]);
        }
        let named = |field: form::Field<'_>| (loose(&String::from_utf8_lossy(&field.name)), field.value.into_owned());
        let mut fields: Vec<_> = fields.into_iter().map(named).collect();
        fields.sort_unstable();
        Ok(Self(fields))
    }

    /// The value of a field; an error if it has several that are not the same, or one that is not UTF-8.
    fn value(&self, compared: &str) -> Result<Option<&str>, ()> {
        let mut values = self.0.iter().filter(|(name, _)| name == compared).map(|(_, value)| value);
        let Some(first) = values.next() else { return Ok(None) };
        if values.any(|value| value != first) {
            return Err(());
        }
        str::from_utf8(first).map(Some).map_err(drop)
    }

    fn required(
        &self,
        found: &mut Vec<Violation>,
        name: &str,
        read: impl Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let value = self.value(&loose(name)).ok().flatten().and_then(read);
        if value.is_none() {
            found.push(violation(name, "must be there once, a name of at most 64 characters"));
        }
        value
    }

    /// A field that may be left out, or be empty.
    fn optional<T>(
        &self,
        found: &mut Vec<Violation>,
        name: &str,
        read: impl Fn(&str) -> Option<T>,
        rule: &str,
    ) -> Option<T> {
        match self.value(&loose(name)) {
            Ok(None | Some("")) => None,
            Ok(Some(text)) => {
                let value = read(text);
                found.extend(value.is_none().then(|| violation(name, rule)));
                value
            }
            Err(()) => {
                found.push(violation(name, "must be there once, and in UTF-8"));
                None
            }
        }
    }

    /// What the form says of the directory: that can only be acted on if it says of whom.
    fn fact(&self, found: &mut Vec<Violation>, what: What, has_domain: bool) -> Option<MessageFact> {
        if !what.is_of_user() {
            found.extend((!has_domain).then(|| violation("DOMAIN_ID", "must say which domain")));
            return has_domain.then_some(MessageFact { what, user: None });
        }
        let first =
            |names: &[&str]| names.iter().find_map(|name| self.value(name).ok().flatten().filter(|v| !v.is_empty()));
        let user = first(&USER_NAMES).and_then(|name| User::new(name, first(&USER_EMAILS)));
        found.extend(user.is_none().then(|| violation("CPUSER_ID", "must say which user, in at most 500 characters")));
        user.map(|user| MessageFact { what, user: Some(user) })
    }

    /// Fields in the order of their names, with what is compared loosely in its one spelling.
    fn identity(&self, module: &str, event: &str) -> Vec<u8> {
        let mut identity = Vec::new();
        for (name, value) in &self.0 {
            let value = match name.as_str() {
                "module" => module.as_bytes(),
                "event" => event.as_bytes(),
                _ => value,
            };
            for part in [name.as_bytes(), value] {
                identity.extend_from_slice(&(part.len() as u64).to_be_bytes());
                identity.extend_from_slice(part);
            }
        }
        identity
    }
}

#[cfg(test)]
mod tests;
