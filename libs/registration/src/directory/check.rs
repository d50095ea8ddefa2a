//! What is asked of every text and every name in the directory.

use crate::quarantine::Violation;

/// The longest list in a request.
pub(super) const MAX_ITEMS: usize = 100;

/// The longest text in characters.
const MAX_TEXT: usize = 500;

pub(super) fn violation(pointer: &str, detail: &str) -> Violation {
    Violation { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

pub(super) fn check_text(found: &mut Vec<Violation>, pointer: &str, text: &str) {
    if text.chars().count() > MAX_TEXT || text.chars().any(char::is_control) {
        found.push(violation(pointer, "must be at most 500 characters, none a control character"));
    }
}

/// The longest address of a mailbox (RFC 5321, 4.5.3.1.3, without the brackets).
const MAX_ADDRESS: usize = 254;

/// Whether a text is the address of one mailbox, in a form that no header of a mail takes for another.
pub fn is_mailbox(address: &str) -> bool {
    let is_plain = |part: &str| !part.is_empty() && part.chars().all(|c| !c.is_control() && !" <>,;:\"\\@".contains(c));
    let parts = address.split_once('@');
    address.len() <= MAX_ADDRESS && parts.is_some_and(|(name, host)| is_plain(name) && is_plain(host))
}

/// Names of domains and integrations: `[a-z0-9][a-z0-9-]{0,62}`.
pub(super) fn check_name(found: &mut Vec<Violation>, pointer: &str, name: &str) {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_name = (1..=63).contains(&name.len())
        && name.bytes().all(|b| letter(b) || b == b'-')
        && name.bytes().next().is_some_and(letter);
    if !is_name {
        found.push(violation(pointer, "must be 1 to 63 of a-z, 0-9 and -, and not begin with -"));
    }
}
