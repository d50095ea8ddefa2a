//! Settings: those of ISL's Integration page, for the hub and for a domain.

use std::fs;
use std::process::Command;

use acceptance::search::{Search, canary, escaped};
use acceptance::{Client, Options, Server, eventually, tool};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::stream::read_pages;

async fn set(admin: &Client, key: &str, value: &str, domain: Option<&str>) -> (StatusCode, Value) {
    let body = json!({"value": value, "domain": domain});
    admin.send(Method::PUT, &format!("/v1/settings/{key}"), &body).await
}

async fn get(admin: &Client, key: &str, domain: &str) -> Value {
    admin.get(&format!("/v1/settings/{key}{domain}")).await
}

async fn reset(admin: &Client, key: &str) -> StatusCode {
    admin.send(Method::DELETE, &format!("/v1/settings/{key}"), &json!({})).await.0
}

/// A private key that OpenSSL made.
fn private_key(arguments: &[&str]) -> String {
    let made = tool("openssl").arg("genpkey").args(arguments).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap()
}

/// One for Ed25519.
pub fn ed25519() -> String {
    private_key(&["-algorithm", "ed25519"])
}

/// A value that each setting takes, and one that it refuses.
fn examples() -> Vec<(&'static str, String, &'static str)> {
    let switches = [
        "webhook_events.user_create",
        "webhook_events.user_delete",
        "webhook_events.domain_delete",
        "webhook_events.user_undelete",
        "webhook_events.client_registered",
        "webhook_events.client_updated",
        "webhook_events.client_departments",
        "http_events.per_domain.enabled",
        "http_events.per_domain.strict",
        "http_events.global.enabled",
        "http_events.global.strict",
        "http_events.save_into_sessions",
        "external_webapi.notification",
        "external_webapi.sign_up",
        "external_webapi.forgot_password",
    ];
    let switches = switches.into_iter().map(|key| (key, "yes".to_owned(), "maybe"));
    let others = [
        ("jwt_webhook.private_key", ed25519(), "no key"),
        ("jwt_webhook.url", "https://my-integration.example/api".to_owned(), "http://169.254.169.254/"),
        ("jwt_webhook.claims", r#"{"iss":"some_iss","rid":"456"}"#.to_owned(), r#"{"exp":1}"#),
        ("http_events.per_domain.server", "events.example:8080".to_owned(), "events.example/path"),
        ("http_events.per_domain.path", "/events.aspx".to_owned(), "events.aspx"),
        ("http_events.global.server", "localhost:8080".to_owned(), "10.0.0.1"),
        ("http_events.global.path", "/isl-cp-example-events-to-sql.aspx?k=1".to_owned(), "//other.example"),
        ("external_webapi.timeout_seconds", "30".to_owned(), "0"),
        ("external_webapi.service_account_url", "https://accounts.example/api".to_owned(), "file:///etc/passwd"),
        ("external_webapi.notification_parameters", r#""u": {{name}}"#.to_owned(), r#""u": {{nome}}"#),
    ];
    others.into_iter().chain(switches).collect()
}

#[tokio::test]
async fn every_setting_is_set_shown_and_taken_back_and_takes_no_nonsense() {
    let server = Server::start();
    let admin = server.admin();
    let before = admin.get("/v1/settings").await["items"].as_array().unwrap().clone();
    let examples = examples();
    assert_eq!(before.len(), examples.len(), "each has an example");
    for (key, good, bad) in &examples {
        let shown = get(&admin, key, "").await;
        assert_eq!((&shown["origin"], &shown["changed_time"]), (&json!("default"), &Value::Null), "{key}");
        let (status, problem) = set(&admin, key, bad, None).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("/value")), "{key}: {problem}");
        assert!(
            !problem["errors"].to_string().contains("nome") && !problem.to_string().contains("passwd"),
            "{problem}"
        );
        let (status, shown) = set(&admin, key, good, None).await;
        assert_eq!(status, 200, "{key}: {shown}");
        let is_shown = *key != "jwt_webhook.private_key";
        assert_eq!(shown["value"], if is_shown { json!(good) } else { Value::Null }, "{key}");
        assert_eq!(shown["origin"], "hub", "{key}");
        assert!(shown["changed_by"].is_string() && shown["changed_time"].is_string(), "{shown}");
        assert_eq!(get(&admin, key, "").await, shown);
    }
    // in the other order: a key is not taken from under its URL
    assert_eq!(reset(&admin, "jwt_webhook.private_key").await, 409);
    for (key, ..) in examples.iter().rev() {
        assert_eq!(reset(&admin, key).await, 204, "{key}");
        assert_eq!(get(&admin, key, "").await["origin"], "default", "{key}");
    }
    assert_eq!(admin.try_get("/v1/settings/of_the_future").await.0, 404);
}

#[tokio::test]
async fn a_url_needs_a_key_to_sign_by() {
    let server = Server::start();
    let admin = server.admin();
    let (url, key) = ("jwt_webhook.url", "jwt_webhook.private_key");
    assert_eq!(set(&admin, url, "https://x.example/", None).await.0, 409);
    assert_eq!(set(&admin, key, &ed25519(), Some("default")).await.0, 200);
    assert_eq!(set(&admin, url, "https://x.example/", None).await.0, 409);
    assert_eq!(set(&admin, url, "https://x.example/", Some("default")).await.0, 200);
    assert_eq!(set(&admin, key, &ed25519(), Some("nowhere")).await.0, 409);
    let (status, problem) = set(&admin, "http_events.global.enabled", "yes", Some("default")).await;
    assert_eq!((status.as_u16(), &problem["errors"][0]["pointer"]), (422, &json!("/domain")));
}

#[tokio::test]
async fn a_domain_has_its_own_or_the_hubs_and_a_change_is_told_without_its_value() {
    let server = Server::start();
    let admin = server.admin();
    let key = "jwt_webhook.claims";
    set(&admin, key, r#"{"rid":"hub"}"#, None).await;
    assert_eq!(get(&admin, key, "?domain=default").await["origin"], "hub");
    set(&admin, key, r#"{"rid":"own"}"#, Some("default")).await;
    let own = get(&admin, key, "?domain=default").await;
    assert_eq!((&own["origin"], &own["value"]), (&json!("domain"), &json!(r#"{"rid":"own"}"#)));
    assert_eq!(get(&admin, key, "").await["value"], r#"{"rid":"hub"}"#);
    admin.send(Method::DELETE, "/v1/settings/jwt_webhook.claims?domain=default", &json!({})).await;
    assert_eq!(get(&admin, key, "?domain=default").await["origin"], "hub");
    let changes = read_pages(&admin, "/v1/changes?type=setting.*").await;
    let told: Vec<_> = changes.iter().map(|change| &change["data"]["setting"]).collect();
    let told: Vec<_> = told.iter().map(|setting| (&setting["domain"], setting["is_set"] == true)).collect();
    assert_eq!(told, [(&Value::Null, true), (&json!("default"), true), (&json!("default"), false)]);
    assert!(!json!(changes).to_string().contains("rid"), "{changes:?}");
}

#[tokio::test]
async fn the_public_keys_are_served_and_a_rotation_overlaps() {
    let server = Server::start();
    let admin = server.admin();
    let jwks = async || {
        let keys = admin.get("/.well-known/jwks.json").await["keys"].as_array().unwrap().clone();
        let mut algorithms: Vec<_> = keys.iter().map(|key| key["alg"].as_str().unwrap().to_owned()).collect();
        algorithms.sort_unstable();
        let secret = keys.iter().find(|key| ["d", "p", "q", "k"].iter().any(|name| key.get(name).is_some()));
        assert_eq!(secret, None);
        algorithms
    };
    assert!(jwks().await.is_empty());
    let mut due = Vec::new();
    for (arguments, algorithm) in [
        (&["-algorithm", "ed25519"][..], "EdDSA"),
        (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "ES256"),
        (&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"], "ES384"),
        (&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], "RS256"),
        (&["-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"], "PS256"),
    ] {
        let (status, shown) = set(&admin, "jwt_webhook.private_key", &private_key(arguments), None).await;
        assert_eq!(status, 200, "{shown}");
        assert!(shown["summary"].as_str().unwrap().starts_with(algorithm), "{shown}");
        due.push(algorithm.to_owned());
        due.sort_unstable();
        assert_eq!(jwks().await, due);
    }
}

#[tokio::test]
async fn what_is_secret_in_a_setting_is_in_no_file_and_no_line() {
    let dir = TempDir::new().unwrap();
    let options = Options { arguments: &["--log-level", "trace"], ..Options::default() };
    let mut server = Server::start_in(&dir.path().join("data"), &options);
    let admin = server.admin();
    let pem = ed25519();
    let secret: String = pem.lines().nth(1).unwrap().to_owned();
    let mut search = Search::of([canary("url"), canary("path"), canary("bad"), secret]);
    let url = format!("https://x.example/{}?k={}", canary("url"), canary("url"));
    set(&admin, "jwt_webhook.private_key", &pem, None).await;
    for (key, value) in [
        ("jwt_webhook.url", url.as_str()),
        ("external_webapi.service_account_url", &url),
        ("http_events.global.path", &format!("/{}", canary("path").bytes().map(escaped).collect::<String>())),
    ] {
        let (status, shown) = set(&admin, key, value, None).await;
        assert_eq!((status.as_u16(), &shown["value"]), (200, &json!(value)), "{key}");
    }
    for (key, ..) in examples() {
        let (status, problem) = set(&admin, key, &format!("\u{0}{}", canary("bad")), None).await;
        if status != 200 {
            search.text(key, problem.to_string());
        }
    }
    for path in ["/v1/events", "/v1/changes", "/metrics", "/.well-known/jwks.json"] {
        search.text(path, admin.get(path).await.to_string());
    }
    let log = server.whole_log();
    assert!(log.contains("TRACE"), "the log is at level trace");
    search.text("the log", log);
    search.files(dir.path());
    search.found_nothing();
}

#[tokio::test]
async fn events_are_kept_with_their_session_if_and_only_if_the_setting_says_so() {
    let server = Server::start();
    let admin = server.admin();
    let (url, _) = admin.isl_integration("acme-isl", json!({})).await;
    let post = async |event: &str, nick: &str| {
        let form = format!("MODULE=ISL_LIGHT&EVENT={event}&DOMAIN_ID=7&SESSIONID=s1&USER_NICK={nick}");
        assert_eq!(admin.post_form(&url, form).await.0, 200);
    };
    let counted = async |count: u64| {
        eventually("the session", async || {
            let session = admin.try_get("/v1/sessions/s1?integration=acme-isl").await.1;
            let counts: u64 = session["counts"].as_object()?.values().filter_map(Value::as_u64).sum();
            (counts == count).then_some(session)
        })
        .await
    };
    post("NEW+SESSION", "Ann").await;
    assert_eq!(counted(1).await["events"], json!([]));
    set(&admin, "http_events.save_into_sessions", "yes", Some("default")).await;
    post("START", "J%C3%BCrg").await;
    post("START", "J%C3%BCrg").await;
    post("STOP", "Ann").await;
    set(&admin, "http_events.save_into_sessions", "no", Some("default")).await;
    post("RECONNECT", "Ann").await;
    let session = counted(4).await;
    let events = session["events"].as_array().unwrap();
    let names: Vec<_> = events.iter().map(|event| &event["event"]).collect();
    assert_eq!(names, ["START", "STOP"]);
    assert!(events[0]["fields"].as_array().unwrap().contains(&json!({"name": "USER_NICK", "value": "Jürg"})));
    assert_eq!((&session["state"], &session["module"]), (&json!("started"), &json!("ISL_LIGHT")));
    assert_eq!(admin.try_get("/v1/sessions/s2").await.0, 404);
    let printed = server.command(&["session", "show", "s1"]).output().unwrap();
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    let line = printed.lines().find(|line| line.contains("  START  ")).unwrap_or_else(|| panic!("{printed}"));
    assert!(line.contains("EVENT=START DOMAIN_ID=7") && printed.contains("started"), "{printed}");
}

#[tokio::test]
async fn a_session_that_is_not_the_only_one_of_its_id_is_asked_for_by_more() {
    let server = Server::start();
    let admin = server.admin();
    let (one, _) = admin.isl_integration("acme-isl", json!({})).await;
    let (two, _) = admin.isl_integration("other-isl", json!({})).await;
    for (url, form) in [
        (&one, "MODULE=ISL_LIGHT&EVENT=START&DOMAIN_ID=7&SESSIONID=1"),
        (&one, "MODULE=ISL_LIGHT&EVENT=START&DOMAIN_ID=8&SESSIONID=1"),
        (&two, "MODULE=ISL_LIGHT&EVENT=START&DOMAIN_ID=7&SESSIONID=1"),
        (&one, "MODULE=ISL_PRONTO&EVENT=JOIN&DOMAIN_ID=7&CHATID=1"),
    ] {
        assert_eq!(admin.post_form(url, form).await.0, 200);
    }
    eventually("all are projected", async || {
        let last = "/v1/sessions/1?module=ISL_PRONTO";
        (admin.try_get(last).await.0 == StatusCode::OK).then_some(())
    })
    .await;
    for (query, due) in [
        ("", 409),
        ("?integration=acme-isl", 409),
        ("?integration=other-isl", 200),
        ("?integration=acme-isl&module=ISL_LIGHT", 409),
        ("?integration=acme-isl&module=ISL_LIGHT&domain_id=8", 200),
        ("?integration=nowhere", 404),
    ] {
        assert_eq!(admin.try_get(&format!("/v1/sessions/1{query}")).await.0.as_u16(), due, "{query}");
    }
}

#[test]
fn the_command_line_sets_lists_and_takes_back() {
    let server = Server::start();
    let run = |arguments: &[&str]| {
        let mut command: Command = server.command(&[&["setting"], arguments].concat());
        let output = command.args(["--output", "json"]).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("key.pem");
    fs::write(&file, ed25519()).unwrap();
    run(&["set", "jwt_webhook.private_key", &format!("@{}", file.display())]);
    run(&["set", "jwt_webhook.url", "https://x.example/api"]);
    run(&["set", "webhook_events.user_create", "yes", "--domain", "default"]);
    let shown: Value = serde_json::from_str(&run(&["get", "jwt_webhook.url"])).unwrap();
    assert_eq!(shown["value"], "https://x.example/api");
    let listed = run(&["list", "--domain", "default"]);
    assert_eq!(listed.lines().count(), 25);
    assert!(!listed.contains("PRIVATE KEY"), "{listed}");
    run(&["reset", "webhook_events.user_create", "--domain", "default"]);
    let shown: Value =
        serde_json::from_str(&run(&["get", "webhook_events.user_create", "--domain", "default"])).unwrap();
    assert_eq!(shown["value"], "no");
}
