//! Bodies that are wrong, odd or meant to harm: each is answered as it should be.

use super::*;

/// Lexemes for one field of an otherwise good notice, and whether the notice is accepted.
const FIELD_CASES: &[(&str, &str, bool)] = &[
    ("provet_id", "-0", true),
    ("provet_id", "-1", true),
    ("provet_id", "1234.000", true),
    ("provet_id", "12340e-1", true),
    ("provet_id", "0e99999999999999999999", true),
    ("provet_id", "9007199254740991", true),
    ("provet_id", "9007199254740992", false),
    ("provet_id", "9007199254740993.0", false),
    ("provet_id", "123456789012345678901234567890", false),
    ("provet_id", "1e400", false),
    ("provet_id", "-1e400", false),
    ("provet_id", "1e-400", false),
    ("provet_id", "1e99999999999999999999", false),
    ("provet_id", "1.5", false),
    ("provet_id", r#""1234""#, false),
    ("provet_id", "null", false),
    ("provet_id", "true", false),
    ("provet_id", "[1234]", false),
    ("provet_id", r#"{"$numberLong":"1234"}"#, false),
    ("client_id", r#""""#, true),
    ("client_id", r#""\ud83d\ude00\u202e""#, true),
    ("client_id", r#""'; DROP TABLE client; --""#, true),
    ("client_id", r#""a\u0000b""#, false),
    ("client_id", "12", false),
    ("client_id", "null", false),
    ("client_secret", r#""""#, true),
    ("client_secret", r#""a\u0000b""#, true),
    ("client_secret", "null", true),
    ("client_secret", "12", false),
    ("client_secret", r#"["a"]"#, false),
    ("client_secret", r#"{"sealed":{"alg":"none"}}"#, false),
    ("algorithm", "null", true),
    ("algorithm", r#""none""#, true),
    ("algorithm", r#""\u0000""#, false),
    ("algorithm", "256", false),
    ("authorization_grant_type", r#""new""#, true),
    ("authorization_grant_type", r#""\u0000""#, false),
    ("authorization_grant_type", "null", false),
    ("client_type", r#""\u0000""#, false),
    ("client_type", "{}", false),
    ("redirect_uris", r#""""#, true),
    ("redirect_uris", r#""javascript:alert(1) not-a-url""#, true),
    ("redirect_uris", r#""a \u0000""#, false),
    ("redirect_uris", r#"["https://example.com"]"#, false),
    ("authorize_url", r#""not a url""#, true),
    ("authorize_url", r#""\u0000""#, false),
    ("authorize_url", "null", false),
    ("openid_autodiscovery_url", r#""http://[::1]/""#, true),
    ("openid_autodiscovery_url", r#""\u0000""#, false),
    ("openid_autodiscovery_url", "false", false),
    ("departments", "[]", true),
    ("departments", "[1.0, 2e0,\r\n\t-3, 1]", true),
    ("departments", "null", false),
    ("departments", "3", false),
    ("departments", "{}", false),
    ("departments", r#"{"0":1}"#, false),
    ("departments", r#""[1]""#, false),
    ("departments", "[null]", false),
    ("departments", "[[1]]", false),
    ("departments", "[1, 1.5]", false),
    ("departments", r#"["1"]"#, false),
    ("departments", "[true]", false),
    ("departments", "[1e-400]", false),
    ("departments", "[1e400]", false),
    ("departments", "[9007199254740993.0]", false),
    ("added_department", "3.0", true),
    ("added_department", "null", false),
    ("added_department", "3.5", false),
    ("added_department", "[3]", false),
    ("added_department", "1e400", false),
    ("removed_department", "-0.0", true),
    ("removed_department", "null", false),
    ("removed_department", r#""3""#, false),
    ("removed_department", "9007199254740992", false),
    ("Token_url", r#""http://user@169.254.169.254/""#, true),
    ("__proto__", r#"{"client_id":"x"}"#, true),
    ("", "1e400", true),
    ("\0", r#""\u0000""#, true),
    ("sealed", r#"{"sealed":{}}"#, true),
    ("unknown", "null", true),
];

/// Token URLs, and the tenant's host if they are accepted.
const TOKEN_URLS: &[(&str, Option<&str>)] = &[
    ("https://provetcloud.com/1234/oauth2/token/", Some("provetcloud.com")),
    ("HTTPS://US.ProvetCloud.COM/token?x#y", Some("us.provetcloud.com")),
    ("https://provetcloud.com", Some("provetcloud.com")),
    ("https://provetcloud.com:443/", Some("provetcloud.com")),
    ("https://provetcloud.com:/", Some("provetcloud.com")),
    ("http://provetcloud.com:80/", Some("provetcloud.com")),
    ("https://provetcloud.com:80/", Some("provetcloud.com:80")),
    ("http://provetcloud.com:443/", Some("provetcloud.com:443")),
    ("https://provetcloud.com:08443/", Some("provetcloud.com:8443")),
    ("https://provetcloud.com./", Some("provetcloud.com.")),
    ("https://Bücher.example/", Some("xn--bcher-kva.example")),
    ("https://XN--Bcher-KVA.example/", Some("xn--bcher-kva.example")),
    ("https://bu\u{308}cher.example/", Some("xn--bcher-kva.example")),
    ("https://provetcloud。com/", Some("provetcloud.com")),
    ("https://ｐrovetcloud.com/", Some("provetcloud.com")),
    ("https://provet%63loud.com/", Some("provetcloud.com")),
    ("https://[::1]/", Some("[::1]")),
    ("https://[2001:DB8::0:1]:8443/", Some("[2001:db8::1]:8443")),
    ("https://[::ffff:127.0.0.1]/", Some("[::ffff:7f00:1]")),
    ("https://127.0.0.1/", Some("127.0.0.1")),
    ("https://0x7f.1/", Some("127.0.0.1")),
    ("https://2130706433/", Some("127.0.0.1")),
    ("https://localhost/", Some("localhost")),
    ("https://provetcloud.com/a@b", Some("provetcloud.com")),
    ("", None),
    ("/1234/oauth2/token/", None),
    ("//provetcloud.com/", None),
    ("provetcloud.com/1234", None),
    ("https:", None),
    ("https://", None),
    ("https:///", None),
    ("https://:443/", None),
    ("https://?x", None),
    ("https:provetcloud.com", None),
    ("https:/provetcloud.com", None),
    ("https:///provetcloud.com", None),
    ("https:\\\\provetcloud.com", None),
    ("https://provetcloud.com\\@evil.example/", None),
    (" https://provetcloud.com/", None),
    ("https://provetcloud.com/\n", None),
    ("https://provet\tcloud.com/", None),
    ("https://provet cloud.com/", None),
    ("https://provet%00cloud.com/", None),
    ("https://provet%2fcloud.com/", None),
    ("https://user@provetcloud.com/", None),
    ("https://user:password@provetcloud.com/", None),
    ("https://@provetcloud.com/", None),
    ("https://:@provetcloud.com/", None),
    ("https://provetcloud.com:443@evil.example/", None),
    ("https://provetcloud.com:65536/", None),
    ("https://provetcloud.com:x/", None),
    ("https://[::1/", None),
    ("https://[fe80::1%25eth0]/", None),
    ("https://[]/", None),
    ("https://1.2.3.4.5/", None),
    ("https://256.256.256.256/", None),
    ("https://xn--/", None),
    ("https://a_b|c/", None),
    ("file:///etc/passwd", None),
    ("file://provetcloud.com/", None),
    ("ftp://provetcloud.com/", None),
    ("wss://provetcloud.com/", None),
    ("javascript:alert(1)", None),
    ("data:text/plain,x", None),
    ("mailto:a@provetcloud.com", None),
    ("gopher://provetcloud.com/", None),
    ("unix:/run/x.sock", None),
];

#[test]
fn each_field_is_accepted_or_refused_by_itself() {
    for &(name, lexeme, accepted) in FIELD_CASES {
        let violated = violated(&body_with(name, lexeme));
        assert_eq!(violated.is_empty(), accepted, "{name}: {lexeme}: {violated:?}");
        let at_fault = |pointer: &String| pointer.starts_with(&format!("/{name}"));
        assert!(violated.iter().all(at_fault), "{name}: {lexeme}: {violated:?}");
        assert!(violated.len() <= 1, "{name}: {lexeme}: {violated:?}");
    }
}

#[test]
fn the_token_url_says_who_the_tenant_is() {
    for &(url, host) in TOKEN_URLS {
        assert_eq!(normalise_host_of(url).as_deref(), host, "{url:?}");
        let body = body_with("token_url", &Value::from(url).to_string());
        match (parse(body.as_bytes()), host) {
            (Ok(notice), Some(host)) => assert_eq!(notice.tenant.host, host, "{url:?}"),
            (Err(_), None) => assert_eq!(violated(&body), ["/token_url"], "{url:?}"),
            (outcome, _) => panic!("{url:?}: {outcome:?}"),
        }
    }
}

#[test]
fn a_host_is_no_longer_than_dns_allows() {
    let labels = "a.".repeat(123);
    assert!(normalise_host(&format!("{labels}example:8443")).is_some(), "253 bytes");
    assert!(normalise_host(&format!("{labels}examples")).is_none(), "254 bytes");
}

#[test]
fn hosts_of_an_allow_list_are_written_as_those_of_tenants() {
    let cases = [
        ("ProvetCloud.com", Some("provetcloud.com")),
        ("provetcloud.com:443", Some("provetcloud.com")),
        ("provetcloud.com:8443", Some("provetcloud.com:8443")),
        ("Bücher.example", Some("xn--bcher-kva.example")),
        ("[::0001]", Some("[::1]")),
        ("127.0.0.1", Some("127.0.0.1")),
        ("", None),
        (":443", None),
        ("::1", None),
        ("https://provetcloud.com", None),
        ("provetcloud.com/", None),
        ("provetcloud.com?x", None),
        ("provetcloud.com#x", None),
        ("provetcloud.com\\x", None),
        ("user@provetcloud.com", None),
        (" provetcloud.com", None),
        ("provetcloud.com\n", None),
        ("/provetcloud.com", None),
    ];
    for (host, expected) in cases {
        assert_eq!(normalise_host(host).as_deref(), expected, "{host:?}");
    }
}

#[test]
fn what_is_no_object_is_no_notice() {
    for body in ["null", "true", "0", "1e400", r#""{}""#, "[]", "[{}]"] {
        assert_eq!(violated(body), [""], "{body}");
    }
    assert_eq!(violated(&format!("[{}]", body(FIELDS))), [""]);
    assert_eq!(violated("{}").len(), 10);
}

#[test]
fn what_is_not_strict_json_is_told_apart_from_what_is_no_notice() {
    let good = body(FIELDS);
    let cases = [
        String::new(),
        format!("\u{feff}{good}"),
        format!("{good}\0"),
        format!("{good}{good}"),
        good.replace("1234,", "NaN,"),
        good.replace("1234,", "01234,"),
        good.replace("abc", "a\nc"),
        good.replace("abc", r"\ud800"),
        body(FIELDS.into_iter().chain([("client_id", r#""xyz""#)])),
        good.replace(r#""client_id""#, r#""client_id":"x","client\u005fid""#),
        body_with("extra", r#"{"a":1,"\u0061":1}"#),
        body_with("extra", &format!("{}{}", "[".repeat(32), "]".repeat(32))),
    ];
    for body in &cases {
        assert!(matches!(parse(body.as_bytes()), Err(Rejection::Malformed(_))), "{body}");
    }
    let utf16: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(matches!(parse(&utf16), Err(Rejection::Malformed(_))));
}
