//! PEM (RFC 7468): what a file is said to hold, and why that is not the key that is asked for.

use thiserror::Error;

/// Why a text holds no key to use. It holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It is not PEM, or damaged.
    #[error("this is not a key in PEM: it begins with a line such as -----BEGIN PRIVATE KEY-----")]
    NotPem,
    /// The key is encrypted under a password.
    #[error("the key is encrypted under a password; decrypt it first, as with: openssl pkey -in FILE")]
    Encrypted,
    /// There is a public key or a certificate where a private key is asked for.
    #[error("this is a public key or a certificate; the private key is needed")]
    NotPrivate,
    /// There is a certificate where a public key is asked for: nobody would see it expire.
    #[error("this is a certificate; take the public key out of it, as with: openssl x509 -pubkey -noout -in FILE")]
    Certificate,
    /// There is a private key where a public one is asked for.
    #[error("this is a private key, which stays with whoever signs; the public key is needed")]
    NotPublic,
    /// There is more than one key.
    #[error("there is more than one key; which one is meant cannot be told")]
    Several,
    /// A key of another kind.
    #[error("the key is of a kind that is not used: RSA, RSA-PSS, EC on P-256 or P-384, and Ed25519 are")]
    Unsupported,
    /// An RSA key that is damaged or has not 2,048 to 8,192 bits.
    #[error("the RSA key is damaged, or has less than 2048 or more than 8192 bits")]
    Rsa,
    /// An RSASSA-PSS key that may not be used for PS256.
    #[error("the RSA-PSS key demands another hash than SHA-256, for MGF1 too, or a salt of more than 32 bytes")]
    Pss,
    /// The document is not a JWK set (RFC 7517).
    #[error("this is not a JWK set: a JSON object with an array of keys")]
    NotAJwkSet,
    /// No key of the set is one to verify with.
    #[error(
        "no key of the JWK set is used to verify: RSA, EC on P-256 or P-384, and Ed25519 are, and nothing symmetric"
    )]
    NoUsableKey,
}

/// What the sections of a text hold by their first lines, as far as it is keys and certificates.
fn labels(text: &str) -> impl Iterator<Item = &str> {
    let begins = text.lines().filter_map(|line| line.trim_end().strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
    begins.filter(|label| label.ends_with("KEY") || *label == "CERTIFICATE")
}

/// The section of the one private key that the text holds, from its first line to its last, and what the first line calls it.
/// Certificates may stand around it, as in the file of an HTTPS server.
pub(super) fn private(text: &str) -> Result<(&str, &str), KeyError> {
    let is_encrypted = |line: &str| line.starts_with("Proc-Type:") && line.trim_end().ends_with(",ENCRYPTED");
    if labels(text).any(|label| label == "ENCRYPTED PRIVATE KEY") || text.lines().any(is_encrypted) {
        return Err(KeyError::Encrypted);
    }
    let mut private = labels(text).filter(|label| label.ends_with("PRIVATE KEY"));
    match (private.next(), private.next()) {
        (Some(label), None) => section(text, label).map(|section| (label, section)).ok_or(KeyError::NotPem),
        (Some(_), Some(_)) => Err(KeyError::Several),
        (None, _) if labels(text).next().is_some() => Err(KeyError::NotPrivate),
        (None, _) => Err(KeyError::NotPem),
    }
}

fn section<'t>(text: &'t str, label: &str) -> Option<&'t str> {
    let end = format!("-----END {label}-----");
    let section = &text[text.find(&format!("-----BEGIN {label}-----"))?..];
    section.get(..section.find(&end)? + end.len())
}

/// Whether the text holds one public key and nothing private.
pub(super) fn public(text: &str) -> Result<(), KeyError> {
    if labels(text).any(|label| label.ends_with("PRIVATE KEY")) {
        return Err(KeyError::NotPublic);
    }
    let mut all = labels(text);
    match (all.next(), all.next()) {
        (Some("CERTIFICATE"), _) => Err(KeyError::Certificate),
        (Some(_), None) => Ok(()),
        (Some(_), Some(_)) => Err(KeyError::Several),
        (None, _) => Err(KeyError::NotPem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(labels: &[&str]) -> String {
        let sections = labels.iter().map(|label| format!("-----BEGIN {label}-----\nMA==\n-----END {label}-----\r\n"));
        sections.collect()
    }

    #[test]
    fn a_private_key_is_told_from_everything_else() {
        let encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMA==\n";
        let cases = [
            (text(&["PRIVATE KEY"]), Ok("PRIVATE KEY")),
            (text(&["EC PARAMETERS", "EC PRIVATE KEY"]), Ok("EC PRIVATE KEY")),
            (text(&["CERTIFICATE", "RSA PRIVATE KEY"]), Ok("RSA PRIVATE KEY")),
            (text(&["CERTIFICATE", "PRIVATE KEY", "CERTIFICATE"]), Ok("PRIVATE KEY")),
            (text(&["CERTIFICATE", "PRIVATE KEY", "PRIVATE KEY"]), Err(KeyError::Several)),
            ("-----BEGIN PRIVATE KEY-----\nMA==\n".to_owned(), Err(KeyError::NotPem)),
            (text(&["PRIVATE KEY", "EC PRIVATE KEY"]), Err(KeyError::Several)),
            (text(&["ENCRYPTED PRIVATE KEY"]), Err(KeyError::Encrypted)),
            (encrypted.to_owned(), Err(KeyError::Encrypted)),
            (text(&["PUBLIC KEY"]), Err(KeyError::NotPrivate)),
            (text(&["RSA PUBLIC KEY"]), Err(KeyError::NotPrivate)),
            (text(&["CERTIFICATE"]), Err(KeyError::NotPrivate)),
            (text(&["EC PARAMETERS"]), Err(KeyError::NotPem)),
            ("secret".to_owned(), Err(KeyError::NotPem)),
            (String::new(), Err(KeyError::NotPem)),
        ];
        for (text, expected) in cases {
            let found = private(&text);
            assert_eq!(found.map(|(label, _)| label), expected, "{text}");
            let is_whole = |section: &str| section.starts_with("-----BEGIN ") && section.matches("-----").count() == 4;
            assert!(found.is_ok_and(|(_, section)| is_whole(section)) == expected.is_ok(), "{text}");
        }
    }

    #[test]
    fn a_public_key_is_told_from_everything_else() {
        let cases = [
            (text(&["PUBLIC KEY"]), Ok(())),
            (text(&["RSA PUBLIC KEY"]), Ok(())),
            (text(&["CERTIFICATE"]), Err(KeyError::Certificate)),
            (text(&["PUBLIC KEY", "PUBLIC KEY"]), Err(KeyError::Several)),
            (text(&["PUBLIC KEY", "PRIVATE KEY"]), Err(KeyError::NotPublic)),
            (text(&["ENCRYPTED PRIVATE KEY"]), Err(KeyError::NotPublic)),
            (text(&[]), Err(KeyError::NotPem)),
        ];
        for (text, expected) in cases {
            assert_eq!(public(&text), expected, "{text}");
        }
    }
}
