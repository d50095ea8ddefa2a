//! Patterns: what the code asks of the text of a parameter, so that whoever reads the documents can ask it before anything is
//! sent. They are the regular expressions of ECMA-262, as JSON Schema wants them.

/// Idempotency-Keys of commands; HTTP takes away blanks at either end.
pub(super) const KEY: &str = "^[!-~]([ -~]{0,253}[!-~])?$";

/// PARTITION:POSITION.
pub(super) const PLACE: &str = "^[0-9]{1,9}:[0-9]{1,18}$";

/// A position, or PARTITION:POSITION.
pub(super) const POSITION_OR_PLACE: &str = "^([0-9]{1,9}:)?[0-9]{1,18}$";

/// Where a page of a list begins that is in the order of partition 0.
pub(super) const POSITION: &str = "^[0-9]{1,18}$";

/// Where a page of changes begins.
pub(super) const CHANGE: &str = r"^[0-9]{1,9}:[0-9]{1,18}\.[0-9]{1,4}$";

/// Cursors of the change stream.
pub(super) const CURSOR: &str = "^[A-Za-z0-9_-]+$";

#[cfg(test)]
mod tests {
    use registration::client::Reveal;
    use registration::directory::{IntegrationSpec, TokenSpec};
    use serde_json::{Value, json};

    use super::super::Documents;

    /// Whether the document and the code say the same of a request, and what.
    fn is_accepted(schema: &str, asked: &Value) -> bool {
        let document = Documents::new().unwrap().openapi;
        let documented = jsonschema::draft202012::is_valid(&document["components"]["schemas"][schema], asked);
        let read = |violations: Option<usize>| violations == Some(0);
        let accepted = match schema {
            "IntegrationSpec" => {
                read(serde_json::from_value(asked.clone()).ok().map(|s: IntegrationSpec| s.violations().len()))
            }
            "TokenSpec" => read(serde_json::from_value(asked.clone()).ok().map(|s: TokenSpec| s.violations().len())),
            _ => read(serde_json::from_value(asked.clone()).ok().map(|s: Reveal| s.violations().len())),
        };
        assert_eq!(documented, accepted, "{schema} {asked}");
        accepted
    }

    #[test]
    fn the_documents_ask_what_the_code_asks() {
        let integration = |field: &str, value: Value| {
            let mut spec = json!({"name": "acme-lab", "source": "provet", "notify": {"kind": "hookup"}});
            spec[field] = value;
            ("IntegrationSpec", spec)
        };
        let token = |field: &str, value: Value| {
            let mut spec = json!({"name": "t", "scopes": ["admin"]});
            spec[field] = value;
            ("TokenSpec", spec)
        };
        let address = |text: &str| integration("allow", json!({"addresses": [text]}));
        let host = |text: &str| integration("allow", json!({"token_hosts": [text]}));
        let reason = |text: &str| ("Reveal", json!({"reason": text}));
        let (long, too_long) = ("x".repeat(500), "x".repeat(501));
        let cases = [
            (integration("name", json!("a-1")), true),
            (integration("name", json!("-a")), false),
            (integration("name", json!("a".repeat(63))), true),
            (integration("name", json!("a".repeat(64))), false),
            (integration("domain", json!("A")), false),
            (integration("owner", json!("Ann Ärzt")), true),
            (integration("owner", json!(null)), true),
            (integration("owner", json!("a\nb")), false),
            (integration("owner", json!("a\u{85}b")), false),
            (integration("owner", json!(long)), true),
            (integration("owner", json!(too_long)), false),
            (integration("redirect_uris", json!(["https://example.com/", "a\tb"])), false),
            (integration("redirect_uris", json!(vec!["https://example.com/"; 101])), false),
            (address("10.0.0.0/8"), true),
            (address("255.255.255.255/32"), true),
            (address("10.0.0.0/33"), false),
            (address("256.0.0.0/8"), false),
            (address("010.0.0.0/08"), true),
            (address("10.0.0.0"), false),
            (address("2001:db8::/32"), true),
            (address("::/0"), true),
            (address("::1/128"), true),
            (integration("notify", json!({"kind": "email", "address": "hooks@example.com"})), true),
            (integration("notify", json!({"kind": "email"})), false),
            (integration("notify", json!({"kind": "email", "address": null})), false),
            (integration("notify", json!({"kind": "email", "address": "a@b@c"})), false),
            (integration("notify", json!({"kind": "email", "address": "a b@c"})), false),
            (integration("notify", json!({"kind": "hookup", "address": "a@b"})), false),
            (address("1:2:3:4:5:6:7:8/128"), true),
            (address("1::8/129"), false),
            (address("1::2::3/64"), false),
            (host("provetcloud.com"), true),
            (host("us.provetcloud.com:8443"), true),
            (host("provetcloud.com:443"), false),
            (host("Provetcloud.com"), false),
            (host("provetcloud.com/x"), false),
            (host("a b"), false),
            (token("name", json!("")), false),
            (token("name", json!("a\u{0}")), false),
            (token("scopes", json!([])), false),
            (token("domain", json!("default")), true),
            (token("domain", json!("a b")), false),
            (token("integrations", json!(["acme-lab"])), true),
            (token("integrations", json!(["Acme"])), false),
            (token("integrations", json!(vec!["a"; 101])), false),
            (reason("first call"), true),
            (reason("  "), false),
            (reason(""), false),
            (reason("a\r\nb"), false),
            (reason(&long), true),
            (reason(&too_long), false),
        ];
        for ((schema, asked), expected) in cases {
            assert_eq!(is_accepted(schema, &asked), expected, "{schema} {asked}");
        }
    }
}
