//! What a reader has to say about a value that it refuses, without the value: that may be a secret.

/// How serde begins where it quotes what it found, and goes on with what it expected.
const QUOTING: [&str; 5] = ["unknown variant", "unknown field", "invalid type", "invalid value", "invalid length"];

/// A message of serde without what it found: only what was expected, which is ours.
pub fn unquoted(message: &str) -> String {
    if message.starts_with("missing field") {
        return message.to_owned();
    }
    let quotes = QUOTING.iter().any(|beginning| message.starts_with(beginning));
    match message.rsplit_once(", expected ").filter(|_| quotes) {
        Some((_, expected)) if message.starts_with("unknown field") => {
            format!("is not a known field; expected {expected}")
        }
        Some((_, expected)) => format!("expected {expected}"),
        None => "is not acceptable; /openapi.json says what is".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_expected_is_said() {
        for (message, said) in [
            ("missing field `name`", "missing field `name`"),
            ("unknown variant `s3cret`, expected `provet`", "expected `provet`"),
            ("unknown variant `a, expected s3cret`, expected `b` or `c`", "expected `b` or `c`"),
            ("unknown field `s3cret`, expected `a`", "is not a known field; expected `a`"),
            ("invalid type: string \"s3cret\", expected u32", "expected u32"),
            ("invalid value: integer `-7`, expected u32", "expected u32"),
            ("s3cret, expected s3cret", "is not acceptable; /openapi.json says what is"),
            ("cannot parse s3cret", "is not acceptable; /openapi.json says what is"),
        ] {
            assert_eq!(unquoted(message), said, "{message}");
        }
    }
}
