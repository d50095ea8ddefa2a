//! What a setting is held against when it is set, by the very functions that use it later.

use delivery::egress::Guard;
use delivery::jwt::{Claims, SigningKey};
use delivery::template::Template;
use registration::directory::{PLACEHOLDERS, SettingType};
use secrecy::SecretString;
use serde_json::{Value, json};

/// The longest value in bytes.
const MAX_BYTES: usize = 8 * 1024;

/// A value that can be set.
#[derive(Debug)]
pub(super) struct Checked {
    /// As it is kept.
    pub value: SecretString,
    /// What can be shown of it to everybody who may see that it is set.
    pub summary: Option<String>,
    /// The public half of a private key.
    pub public_key: Option<Value>,
}

/// Checks a value; if it cannot be set, why. It is not quoted.
pub(super) fn value(kind: SettingType, text: &str, guard: &Guard) -> Result<Checked, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("must have {MAX_BYTES} bytes at most"));
    }
    match kind {
        SettingType::Switch => switch(text).map(plain),
        SettingType::Seconds => seconds(text).map(plain),
        SettingType::Url => url(text, guard),
        SettingType::Server => server(text, guard).map(plain),
        SettingType::Path => path(text),
        SettingType::PrivateKey => private_key(text),
        SettingType::Claims => Claims::parse(text).map(|_| plain(text)).map_err(|error| error.to_string()),
        SettingType::Template => {
            Template::parse(text, &PLACEHOLDERS).map(|_| plain(text)).map_err(|error| error.to_string())
        }
    }
}

fn plain(text: impl Into<String>) -> Checked {
    Checked { value: SecretString::from(text.into()), summary: None, public_key: None }
}

fn switch(text: &str) -> Result<&'static str, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "yes" => Ok("yes"),
        "no" => Ok("no"),
        _ => Err("must be yes or no".to_owned()),
    }
}

fn seconds(text: &str) -> Result<String, String> {
    let number = text.trim().parse::<u16>().ok().filter(|number| (1..=300).contains(number));
    number.map(|number| number.to_string()).ok_or_else(|| "must be a number of seconds, 1 to 300".to_owned())
}

fn url(text: &str, guard: &Guard) -> Result<Checked, String> {
    let url = guard.check(text.trim()).map_err(|refusal| refusal.to_string())?;
    Ok(Checked { summary: Some(url.origin().ascii_serialization()), ..plain(text.trim()) })
}

/// A host with its port. The scheme is http where it is not said, as on ISL's page.
fn server(text: &str, guard: &Guard) -> Result<String, String> {
    let text = text.trim().trim_end_matches('/');
    let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let checked = guard.check(&url).map_err(|refusal| refusal.to_string())?;
    let is_server = checked.path() == "/" && checked.query().is_none() && checked.fragment().is_none();
    let rule = "must be a host, with its port where it is not the usual one, as localhost:8080; the path is a setting of its own";
    if is_server { Ok(text.to_owned()) } else { Err(rule.to_owned()) }
}

fn path(text: &str) -> Result<Checked, String> {
    let text = text.trim();
    let is_path = text.starts_with('/') && !text.starts_with("//") && !text.contains('#');
    let is_text = text.len() <= 1_024 && text.chars().all(|letter| !letter.is_control() && !letter.is_whitespace());
    if is_path && is_text && !text.contains('\\') {
        return Ok(plain(text));
    }
    Err("must be the path of a URL: it begins with / and has neither blanks nor a fragment".to_owned())
}

fn private_key(text: &str) -> Result<Checked, String> {
    let pem = SecretString::from(text.to_owned());
    let key = SigningKey::from_pem(&pem).map_err(|error| error.to_string())?;
    let jwk = json!(key.jwk());
    let summary = format!("{} {}", jwk["alg"].as_str().unwrap_or_default(), key.kid());
    Ok(Checked { value: pem, summary: Some(summary), public_key: Some(jwk) })
}

#[cfg(test)]
mod tests {
    use registration::directory::SETTINGS;
    use secrecy::ExposeSecret;

    use super::*;

    fn kept(kind: SettingType, text: &str) -> Result<String, String> {
        let guard = Guard::new(vec!["10.0.0.0/8".parse().unwrap()]);
        value(kind, text, &guard).map(|checked| checked.value.expose_secret().to_owned())
    }

    #[test]
    fn good_values_are_kept_and_bad_ones_told_why() {
        use SettingType::{Claims, Path, PrivateKey, Seconds, Server, Switch, Template, Url};
        let long = format!("https://example.com/{}", "x".repeat(2_100));
        for (kind, text, expected) in [
            (Switch, "yes", Ok("yes")),
            (Switch, " No\n", Ok("no")),
            (Switch, "true", Err("yes or no")),
            (Switch, "", Err("yes or no")),
            (Seconds, "10", Ok("10")),
            (Seconds, "010", Ok("10")),
            (Seconds, "0", Err("1 to 300")),
            (Seconds, "301", Err("1 to 300")),
            (Seconds, "1.5", Err("1 to 300")),
            (Seconds, "ten", Err("1 to 300")),
            (Url, "https://example.com/api?x=1", Ok("https://example.com/api?x=1")),
            (Url, "http://10.1.2.3:8080/", Ok("http://10.1.2.3:8080/")),
            (Url, "example.com", Err("absolute URL")),
            (Url, "ftp://example.com/", Err("http and https")),
            (Url, "http://127.0.0.1/", Err("not called")),
            (Url, "http://2130706433/", Err("not called")),
            (Url, "http://169.254.169.254/latest", Err("not called")),
            (Url, "https://user:pass@example.com/", Err("user name")),
            (Url, "http://example.com:22/", Err("port 22")),
            (Url, &long, Err("absolute URL")),
            (Server, "localhost:8080", Ok("localhost:8080")),
            (Server, "https://events.example", Ok("https://events.example")),
            (Server, "events.example/", Ok("events.example")),
            (Server, "events.example/path", Err("a setting of its own")),
            (Server, "events.example?x", Err("a setting of its own")),
            (Server, "192.168.0.1:8080", Err("not called")),
            (Server, "", Err("absolute URL")),
            (Path, "/events.aspx", Ok("/events.aspx")),
            (Path, "/", Ok("/")),
            (Path, "/a?key=x", Ok("/a?key=x")),
            (Path, "events", Err("begins with /")),
            (Path, "//other.example/", Err("begins with /")),
            (Path, "/\\other.example", Err("begins with /")),
            (Path, "/a b", Err("begins with /")),
            (Path, "/a#b", Err("begins with /")),
            (Path, "/a\nb", Err("begins with /")),
            (PrivateKey, "secret", Err("PEM")),
            (PrivateKey, "-----BEGIN PUBLIC KEY-----\nMA==\n-----END PUBLIC KEY-----", Err("private key is needed")),
            (Claims, "{}", Ok("{}")),
            (Claims, r#"{"iss":"some_iss","rid":"456"}"#, Ok(r#"{"iss":"some_iss","rid":"456"}"#)),
            (Claims, "[]", Err("not a JSON object")),
            (Claims, "{", Err("not JSON")),
            (Claims, r#"{"exp":1}"#, Err("exp is generated")),
            (Claims, r#"{"iat":1}"#, Err("iat is generated")),
            (Claims, r#"{"jti":1}"#, Err("jti is generated")),
            (Claims, r#"{"events":1}"#, Err("events is generated")),
            (Template, r#""userName": {{name}}"#, Ok(r#""userName": {{name}}"#)),
            (Template, "", Ok("")),
            (Template, r#""userName": {{nome}}"#, Err("{{name}}, {{domain}}, {{email}}, {{event}}, {{link}}")),
            (Template, r#""userName": "{{name}}""#, Err("inside a string")),
            (Template, r#""userName" {{name}}"#, Err("not the inside of a JSON object")),
        ] {
            match (kept(kind, text), expected) {
                (Ok(kept), Ok(expected)) => assert_eq!(kept, expected, "{kind:?} {text}"),
                (Err(reason), Err(expected)) => assert!(reason.contains(expected), "{kind:?} {text}: {reason}"),
                (found, expected) => panic!("{kind:?} {text}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn every_default_is_a_value_that_could_be_set() {
        for definition in SETTINGS.iter().filter(|definition| !definition.default.is_empty()) {
            assert_eq!(
                kept(definition.kind, definition.default).as_deref(),
                Ok(definition.default),
                "{}",
                definition.key
            );
        }
    }

    #[test]
    fn nothing_is_longer_than_its_event_has_room_for() {
        for definition in &SETTINGS {
            assert!(kept(definition.kind, &"x".repeat(MAX_BYTES + 1)).is_err(), "{}", definition.key);
        }
    }
}
