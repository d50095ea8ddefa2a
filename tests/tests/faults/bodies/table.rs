//! The table: a body a line, and the answer that it must get.

use serde_json::Value;

/// Stands in each body where a value stands: no answer may quote it.
pub const VALUE: &str = "v4lue-th4t-is-n0t-qu0ted";

/// The largest body that is taken, in bytes.
pub const MAX_BODY: usize = 40 * 1024;

/// A body and the answer that it must get.
pub struct Case {
    pub name: &'static str,
    pub body: Vec<u8>,
    pub status: u16,
    pub kind: &'static str,
    pub kept: bool,
    pub pointers: &'static [&'static str],
}

fn accepted(name: &'static str, body: impl Into<Vec<u8>>) -> Case {
    Case { name, body: body.into(), status: 200, kind: "application/json", kept: false, pointers: &[] }
}

fn malformed(name: &'static str, body: impl Into<Vec<u8>>) -> Case {
    Case { name, body: body.into(), status: 400, kind: "malformed-body", kept: true, pointers: &[] }
}

fn invalid(name: &'static str, pointers: &'static [&'static str], body: impl Into<Vec<u8>>) -> Case {
    Case { name, body: body.into(), status: 422, kind: "invalid-body", kept: true, pointers }
}

fn too_large(name: &'static str, body: impl Into<Vec<u8>>) -> Case {
    Case { name, body: body.into(), status: 413, kind: "body-too-large", kept: false, pointers: &[] }
}

pub fn cases() -> Vec<Case> {
    [bodies_that_are_not_strict_json(), bodies_of_another_shape(), fields(), token_urls(), sizes()]
        .into_iter()
        .flatten()
        .collect()
}

fn bodies_that_are_not_strict_json() -> Vec<Case> {
    let good = good();
    let utf16 = || good.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    vec![
        malformed("empty", ""),
        malformed("white space", " \r\n\t"),
        malformed("a word", VALUE),
        malformed("a form", "client_id=v4lue-th4t-is-n0t-qu0ted"),
        malformed("XML", "<client_id>v4lue-th4t-is-n0t-qu0ted</client_id>"),
        malformed("cut off in the middle", &good.as_bytes()[..good.len() / 2]),
        malformed("cut off before the end", &good.as_bytes()[..good.len() - 1]),
        malformed("two objects", format!("{good}{good}")),
        malformed("an object and a comma", format!("{good},")),
        malformed("a NUL behind the object", format!("{good}\0")),
        malformed("JSON in a sequence", format!("\u{1e}{good}\n")),
        malformed("JSON5", "{provet_id: 1, /* v4lue-th4t-is-n0t-qu0ted */}"),
        malformed("a comma too many", good.replace('}', ",}")),
        malformed("single quotes", good.replace('"', "'")),
        malformed("UTF-16", utf16()),
        malformed("UTF-16 with a byte order mark", [b"\xff\xfe".to_vec(), utf16()].concat()),
        malformed("a byte order mark", format!("\u{feff}{good}")),
        malformed("bytes that are not UTF-8", [b"{\"client_id\":\"", &b"\xff"[..], VALUE.as_bytes(), b"\"}"].concat()),
        malformed("an overlong encoding", b"{\"client_id\":\"\xc0\xaf\"}".to_vec()),
        malformed("a surrogate in UTF-8", b"{\"client_id\":\"\xed\xa0\x80\"}".to_vec()),
        malformed("gzip", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03".to_vec()),
        malformed("a name twice", good.replacen('{', "{\"client_id\":\"v4lue-th4t-is-n0t-qu0ted\",", 1)),
        malformed("a name twice, escaped once", good.replacen('{', r#"{"client\u005fid":"x","#, 1)),
        malformed("a name twice, deep inside", with("extra", r#"[{"a":{"b":1,"\u0062":2}}]"#)),
        malformed("half a surrogate pair", with("client_id", r#""\ud800""#)),
        malformed("half a surrogate pair in a name", good.replacen('{', r#"{"\udfff":1,"#, 1)),
        malformed("an unknown escape", with("client_id", r#""\x41""#)),
        malformed("a line break in a string", with("client_id", "\"a\nb\"")),
        malformed("a control character in a string", with("client_id", "\"a\u{1}b\"")),
        malformed("NaN", with("provet_id", "NaN")),
        malformed("Infinity", with("provet_id", "-Infinity")),
        malformed("a number with a leading zero", with("provet_id", "01234")),
        malformed("a hexadecimal number", with("provet_id", "0x4d2")),
        malformed("a number with a plus", with("provet_id", "+1234")),
        malformed("a number without digits before the point", with("provet_id", ".5")),
        malformed("33 arrays", with("extra", &nested(32))),
        malformed("20,000 arrays", "[".repeat(20_000)),
        malformed("20,000 objects", "{\"\":".repeat(6_000)),
    ]
}

fn bodies_of_another_shape() -> Vec<Case> {
    let ten: &[&str] = &["", "", "", "", "", "", "", "", "", ""];
    vec![
        invalid("null", &[""], "null"),
        invalid("a truth", &[""], "true"),
        invalid("a number", &[""], "1e400"),
        invalid("a string that holds a notice", &[""], Value::from(good()).to_string()),
        invalid("an array that holds a notice", &[""], format!("[{}]", good())),
        invalid("an empty object", ten, "{}"),
        invalid("a misspelt object", ten, r#"{"Provet_ID":1234,"clientId":"v4lue-th4t-is-n0t-qu0ted"}"#),
        invalid("a nested notice", ten, format!("{{\"notice\":{}}}", good())),
        accepted("32 levels", with("extra", &nested(31))),
        accepted("spaces around it", format!(" \r\n\t{} \n", good())),
        accepted("a prototype", with("__proto__", r#"{"client_id":"v4lue-th4t-is-n0t-qu0ted"}"#)),
        accepted("an empty name", with("", "1e400")),
        accepted("a name that says that it is sealed", with("sealed", r#"{"sealed":{"alg":"none"}}"#)),
        accepted("a field named as ours", with("unknown", r#""v4lue-th4t-is-n0t-qu0ted""#)),
    ]
}

fn fields() -> Vec<Case> {
    let everything = r#"{"provet_id":1.5,"client_id":"\u0000v4lue-th4t-is-n0t-qu0ted","client_secret":7,"algorithm":[],
        "authorization_grant_type":null,"client_type":{},"redirect_uris":[],"token_url":"v4lue-th4t-is-n0t-qu0ted",
        "authorize_url":1,"openid_autodiscovery_url":false,"departments":["v4lue-th4t-is-n0t-qu0ted",1.5],
        "added_department":null,"removed_department":"1"}"#;
    vec![
        accepted("a tenant number as a decimal", with("provet_id", "1234.000")),
        accepted("a tenant number with an exponent", with("provet_id", "12340e-1")),
        accepted("the largest safe tenant number", with("provet_id", "9007199254740991")),
        accepted("an exponent that would take memory", with("provet_id", "0e99999999999999999999")),
        accepted("no secret", with("client_secret", "null")),
        accepted("U+0000 in the secret", with("client_secret", r#""a\u0000b""#)),
        accepted("SQL", with("client_id", r#""'); DROP TABLE event; --""#)),
        accepted("departments as decimals", with("departments", "[1.0, 2e0, -3, 1]")),
        invalid("no tenant", &[""], without("provet_id")),
        invalid("no client", &[""], without("client_id")),
        invalid("no secret at all", &[""], without("client_secret")),
        invalid("no algorithm at all", &[""], without("algorithm")),
        invalid("no token endpoint", &[""], without("token_url")),
        invalid("a tenant number as text", &["/provet_id"], with("provet_id", r#""v4lue-th4t-is-n0t-qu0ted""#)),
        invalid("half a tenant", &["/provet_id"], with("provet_id", "1234.5")),
        invalid("a tenant number beyond a double", &["/provet_id"], with("provet_id", "9007199254740993")),
        invalid("a tenant number beyond everything", &["/provet_id"], with("provet_id", "1e400")),
        invalid("a tenant number next to zero", &["/provet_id"], with("provet_id", "1e-400")),
        invalid("an exponent that takes memory", &["/provet_id"], with("provet_id", "1e99999999999999999999")),
        invalid("a long number for MongoDB", &["/provet_id"], with("provet_id", r#"{"$numberLong":"1234"}"#)),
        invalid("U+0000 in the client id", &["/client_id"], with("client_id", r#""v4lue-th4t-is-n0t-qu0ted\u0000""#)),
        invalid("U+0000 in the metadata", &["/redirect_uris"], with("redirect_uris", r#""\u0000""#)),
        invalid("a secret as a number", &["/client_secret"], with("client_secret", "1234567890123456")),
        invalid(
            "a secret as an object",
            &["/client_secret"],
            with("client_secret", r#"{"v4lue-th4t-is-n0t-qu0ted":1}"#),
        ),
        invalid(
            "redirect URIs as a list",
            &["/redirect_uris"],
            with("redirect_uris", r#"["v4lue-th4t-is-n0t-qu0ted"]"#),
        ),
        invalid("departments are null", &["/departments"], with("departments", "null")),
        invalid("departments as an object", &["/departments"], with("departments", r#"{"0":1}"#)),
        invalid(
            "one department is text",
            &["/departments/1"],
            with("departments", r#"[1,"v4lue-th4t-is-n0t-qu0ted",3]"#),
        ),
        invalid(
            "two departments are wrong",
            &["/departments/0", "/departments/2"],
            with("departments", "[0.5,1,1e400]"),
        ),
        invalid("an added department is null", &["/added_department"], with("added_department", "null")),
        invalid(
            "a removed department beyond a double",
            &["/removed_department"],
            with("removed_department", "9007199254740992"),
        ),
        invalid(
            "everything is wrong",
            &[
                "/added_department",
                "/algorithm",
                "/authorization_grant_type",
                "/authorize_url",
                "/client_id",
                "/client_secret",
                "/client_type",
                "/departments/0",
                "/departments/1",
                "/openid_autodiscovery_url",
                "/provet_id",
                "/redirect_uris",
                "/removed_department",
                "/token_url",
            ],
            everything,
        ),
    ]
}

fn token_urls() -> Vec<Case> {
    let taken = ["https://Bücher.example/token", "HTTPS://US.ProvetCloud.COM:443/t", "https://[2001:DB8::1]:8443/"];
    let refused = [
        "",
        "/oauth2/token/",
        "//provetcloud.com/",
        "https://",
        "https:provetcloud.com",
        "https://provetcloud.com@evil.example/",
        "https://user:v4lue-th4t-is-n0t-qu0ted@provetcloud.com/",
        "https:\\\\provetcloud.com",
        " https://provetcloud.com/",
        "https://provetcloud.com/\n",
        "https://provet cloud.com/",
        "https://provetcloud.com:65536/",
        "https://[::1/",
        "file:///etc/passwd",
        "ftp://provetcloud.com/",
        "javascript:alert(1)",
        "data:text/plain,v4lue-th4t-is-n0t-qu0ted",
    ];
    let url = |url: &str| with("token_url", &Value::from(url).to_string());
    let accepted = taken.into_iter().map(|taken| accepted("a token endpoint", url(taken)));
    accepted
        .chain(refused.into_iter().map(|refused| invalid("a token endpoint", &["/token_url"], url(refused))))
        .collect()
}

fn sizes() -> Vec<Case> {
    vec![
        accepted("as large as may be", padded(MAX_BODY)),
        too_large("a byte too large", padded(MAX_BODY + 1)),
        too_large("a byte too large and not JSON", "[".repeat(MAX_BODY + 1)),
        too_large("ten times too large", padded(10 * MAX_BODY)),
        too_large("two megabytes", padded(2 << 20)),
    ]
}

/// A complete notice, field by field.
const FIELDS: [(&str, &str); 10] = [
    ("provet_id", "1234"),
    ("client_id", r#""abc""#),
    ("client_secret", r#""v4lue-th4t-is-n0t-qu0ted""#),
    ("algorithm", r#""RS256""#),
    ("authorization_grant_type", r#""client_credentials""#),
    ("client_type", r#""confidential""#),
    ("redirect_uris", r#""https://example.com/callback""#),
    ("token_url", r#""https://provetcloud.com/1234/oauth2/token/""#),
    ("authorize_url", r#""https://provetcloud.com/1234/oauth2/authorize/""#),
    ("openid_autodiscovery_url", "null"),
];

fn body<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let members = fields.into_iter().map(|(name, lexeme)| format!("{}:{lexeme}", Value::from(name)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

pub fn good() -> String {
    body(FIELDS)
}

/// A good notice with one field replaced, or added.
fn with(name: &str, lexeme: &str) -> String {
    body(FIELDS.into_iter().filter(|(other, _)| *other != name).chain([(name, lexeme)]))
}

/// A good notice but for one field.
fn without(name: &str) -> String {
    body(FIELDS.into_iter().filter(|(other, _)| *other != name))
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

/// A good notice of so many bytes.
pub fn padded(bytes: usize) -> String {
    let frame = with("extra", r#""""#).len();
    with("extra", &format!("\"{}\"", "x".repeat(bytes - frame)))
}
