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

/// The longest address of a mailbox, and of what stands before its @ (RFC 5321, 4.5.3.1), in bytes. Dots there are not counted,
/// so that one regular expression says the same.
const MAX_ADDRESS: usize = 254;
const MAX_LOCAL: usize = 64;

/// What is said of anything else.
pub const MAILBOX_RULE: &str = "must be the address of one mailbox, as ann@example.com";

/// Whether a text is the address of one mailbox, as a form of a browser takes it (HTML Standard, "valid e-mail address"), but
/// for dots that separate nothing, which no mail server takes (RFC 5321, 4.1.2). No header of a mail takes it for anything else.
pub fn is_mailbox(address: &str) -> bool {
    let is_atom = |atom: &str| !atom.is_empty() && atom.bytes().all(is_atext);
    let Some((local, host)) = address.split_once('@') else { return false };
    address.len() <= MAX_ADDRESS
        && local.bytes().filter(|byte| *byte != b'.').count() <= MAX_LOCAL
        && local.split('.').all(is_atom)
        && host.split('.').all(is_label)
}

fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~-".contains(&byte)
}

fn is_label(label: &str) -> bool {
    let is_plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (1..=63).contains(&label.len()) && is_plain && !label.starts_with('-') && !label.ends_with('-')
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_a_mail_server_takes() {
        let long = |local: usize, label: usize| format!("{}@{}.example", "a".repeat(local), "b".repeat(label));
        for address in ["a@localhost", "o'neil+x.y@sub.example.com", "a_%&b@x-1.example", &long(64, 63)] {
            assert!(is_mailbox(address), "{address}");
        }
        let wrong = [
            "",
            "a",
            "@b",
            "a@",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a@b, c@d",
            "A <a@b>",
            "a@b\r\nBcc: c@d",
            "\"a\"@b",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a@b..c",
            "a@b.",
            "a@-b",
            "a@b-",
            "a@[127.0.0.1]",
            "ä@b",
            "a@ä.example",
            "a@b_c",
        ];
        for address in wrong.into_iter().chain([&*long(65, 1), &*long(1, 64)]) {
            assert!(!is_mailbox(address), "{address}");
        }
        assert!(!is_mailbox(&format!("a@{}", ["b"; 127].join("."))), "255 bytes");
    }
}
