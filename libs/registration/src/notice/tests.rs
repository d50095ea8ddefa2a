use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::Envelope;

mod hostile;
mod properties;

/// A complete notice, field by field.
const FIELDS: [(&str, &str); 13] = [
    ("provet_id", "1234"),
    ("client_id", r#""abc""#),
    ("client_secret", r#""hunter2""#),
    ("algorithm", r#""RS256""#),
    ("authorization_grant_type", r#""client_credentials""#),
    ("client_type", r#""confidential""#),
    ("redirect_uris", r#""https://example.com/callback""#),
    ("token_url", r#""https://provetcloud.com/1234/oauth2/token/""#),
    ("authorize_url", r#""https://provetcloud.com/1234/oauth2/authorize/""#),
    ("openid_autodiscovery_url", "null"),
    ("departments", "[1, 2, 3]"),
    ("added_department", "3"),
    ("removed_department", "4"),
];

/// Writes a body from fields and their lexemes.
fn body<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let member = |(name, lexeme)| format!("{}:{lexeme}", Value::from(name));
    format!("{{{}}}", fields.into_iter().map(member).collect::<Vec<_>>().join(",\n  "))
}

/// A complete notice with one field replaced, or added.
fn body_with(name: &str, lexeme: &str) -> String {
    body(FIELDS.into_iter().filter(|(other, _)| *other != name).chain([(name, lexeme)]))
}

/// A complete notice but for one field.
fn body_without(name: &str) -> String {
    body(FIELDS.into_iter().filter(|(other, _)| *other != name))
}

fn sealed(ct: &str) -> Sealed {
    let [alg, kid, nonce] = ["A256GCM", "k1", "bm9uY2U="].map(str::to_owned);
    Sealed { sealed: Envelope { alg, kid, nonce, ct: ct.to_owned(), fp: vec!["f:1".to_owned()] } }
}

/// The pointers of the violations that a body is refused for; none if it is accepted.
fn violated(body: &str) -> Vec<String> {
    match parse(body.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(Rejection::Invalid { violations }) => violations.into_iter().map(|violation| violation.pointer).collect(),
        Err(Rejection::Malformed(malformed)) => panic!("{malformed}: {body}"),
    }
}

#[test]
fn a_complete_notice_is_read() {
    let body = body(FIELDS);
    let notice = parse(body.as_bytes()).unwrap();
    assert_eq!(notice.tenant.to_string(), "provetcloud.com/1234");
    assert_eq!(notice.client_id, "abc");
    assert_eq!(notice.client_secret.unwrap().expose_secret(), "hunter2");
    assert!(notice.unknown.is_none());
}

#[test]
fn the_data_of_the_event_holds_the_notice_in_its_own_order_and_words() {
    let body = r#"{ "removed_department": 4.0e0, "departments": [ 1,
        2.0,3e0 ],"provet_id": 1.234e3, "client_id": "\u0061bc", "client_secret": "hunter2",
        "algorithm": null, "authorization_grant_type": "x", "client_type": "", "extra": [1],
        "redirect_uris": "https:\/\/example.com", "token_url": "https://EXAMPLE.com:443/t",
        "authorize_url": "é", "openid_autodiscovery_url": null }"#;
    let notice = parse(body.as_bytes()).unwrap();
    assert_eq!(notice.tenant.to_string(), "example.com/1234");
    assert_eq!(
        serde_json::to_string(&notice.data(Some(&sealed("c2VjcmV0")), Some(&sealed("dW5rbm93bg==")))).unwrap(),
        concat!(
            r#"{"removed_department":4.0e0,"departments":[1,2.0,3e0],"provet_id":1.234e3,"#,
            r#""client_id":"\u0061bc","client_secret":{"sealed":{"alg":"A256GCM","kid":"k1","#,
            r#""nonce":"bm9uY2U=","ct":"c2VjcmV0","fp":["f:1"]}},"algorithm":null,"#,
            r#""authorization_grant_type":"x","client_type":"","#,
            r#""redirect_uris":"https:\/\/example.com","token_url":"https://EXAMPLE.com:443/t","#,
            r#""authorize_url":"é","openid_autodiscovery_url":null,"unknown":{"sealed":"#,
            r#"{"alg":"A256GCM","kid":"k1","nonce":"bm9uY2U=","ct":"dW5rbm93bg==","#,
            r#""fp":["f:1"]}}}"#,
        )
    );
}

#[test]
fn a_public_client_has_no_secret() {
    let body = body_with("client_secret", "null");
    let notice = parse(body.as_bytes()).unwrap();
    assert!(notice.client_secret.is_none());
    let data = serde_json::to_value(notice.data(None, None)).unwrap();
    assert_eq!(data["client_secret"], Value::Null);
    assert_eq!(data.get("unknown"), None);
}

#[test]
fn unknown_fields_are_kept_together_as_they_were_written() {
    let body = body(FIELDS.into_iter().chain([
        ("Client_Secret", "\"\\u0041\""),
        ("unknown", "[1.0, 1e400]"),
        ("quo\"te", "{}"),
    ]));
    let notice = parse(body.as_bytes()).unwrap();
    assert_eq!(
        notice.unknown.as_ref().unwrap().expose_secret(),
        r#"{"Client_Secret":"\u0041","unknown":[1.0, 1e400],"quo\"te":{}}"#
    );
    let data = serde_json::to_value(notice.data(None, None)).unwrap();
    assert_eq!(data.get("Client_Secret"), None);
    assert_eq!(data.get("unknown"), None);
}

#[test]
fn debugging_a_notice_shows_no_secret() {
    let body = body_with("extra", r#""hunter3""#);
    let shown = format!("{:?}", parse(body.as_bytes()).unwrap());
    assert!(!shown.contains("hunter"), "{shown}");
}

#[test]
fn every_required_field_is_asked_for() {
    for (name, _) in FIELDS {
        let refusal = parse(body_without(name).as_bytes()).map(|_| ());
        let optional = matches!(name, "departments" | "added_department" | "removed_department");
        let expected = format!("\"{name}\" is a required property");
        match refusal {
            Ok(()) => assert!(optional, "{name}"),
            Err(Rejection::Invalid { violations }) => {
                let details: Vec<_> = violations.iter().map(|v| v.detail.as_str()).collect();
                assert_eq!(details, [expected], "{name}");
            }
            Err(other) => panic!("{name}: {other}"),
        }
    }
}

#[test]
fn every_violation_is_listed_with_its_place() {
    let body = body([
        ("provet_id", "1.5"),
        ("client_id", r#""\u0000""#),
        ("client_secret", "null"),
        ("algorithm", "null"),
        ("authorization_grant_type", r#""client_credentials""#),
        ("redirect_uris", "7"),
        ("token_url", r#""ftp://example.com""#),
        ("authorize_url", r#""""#),
        ("openid_autodiscovery_url", "false"),
        ("departments", r#"[1, "2", 3.5, 9007199254740992]"#),
        ("added_department", "null"),
    ]);
    let Err(Rejection::Invalid { violations }) = parse(body.as_bytes()) else { panic!("{body}") };
    let mut listed: Vec<_> = violations.iter().map(|found| (found.pointer.as_str(), found.detail.as_str())).collect();
    listed.sort_unstable();
    assert_eq!(
        listed,
        [
            ("", "\"client_type\" is a required property"),
            ("/added_department", "the value is not of type \"integer\""),
            ("/client_id", "must not hold U+0000"),
            ("/departments/1", "the value is not of type \"integer\""),
            ("/departments/2", "the value is not of type \"integer\""),
            ("/departments/3", "must lie between -9007199254740991 and 9007199254740991"),
            ("/openid_autodiscovery_url", "the value is not of types \"null\", \"string\""),
            ("/provet_id", "must be an integer"),
            ("/redirect_uris", "the value is not of type \"string\""),
            ("/token_url", "must be an http or https URL"),
        ]
    );
}

#[test]
fn the_list_of_violations_is_bounded() {
    let departments = format!("[{}0.5]", "\"x\",".repeat(5_000));
    assert_eq!(violated(&body_with("departments", &departments)).len(), MAX_VIOLATIONS);
    let departments = format!("[{}1e400]", "1e400,".repeat(5_000));
    assert_eq!(violated(&body_with("departments", &departments)).len(), MAX_VIOLATIONS);
}

#[test]
fn the_known_fields_are_those_of_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let mut known = KNOWN;
    known.sort_unstable();
    let mut properties: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
    properties.sort_unstable();
    assert_eq!(properties, known);
    assert_eq!(schema["required"], json!(KNOWN[..10]));
}
