//! What an ISL Conference Proxy sends: forms and tokens, good, bad and repeated.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use acceptance::search::{Search, canary, escaped};
use acceptance::{Client, Options, Server, eventually, node, python};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::stream::read_pages;

/// Whose library issues tokens.
#[derive(Clone, Copy, Debug)]
pub enum Language {
    Python,
    JavaScript,
}

/// Tokens by their names, with the keys that verify them.
pub fn issue(language: Language, asked: Value) -> Value {
    let mut command = match language {
        Language::Python => with(python(), &["-c", include_str!("isl_tokens.py")]),
        Language::JavaScript => with(node(), &["--input-type=module", "-e", include_str!("isl_tokens.mjs")]),
    };
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{language:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

fn with(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments);
    command
}

const NOTHING_TO_DO: &str = "<nomessage/>";

/// Posts a form that must be acknowledged.
async fn acknowledged(admin: &Client, url: &str, form: impl Into<reqwest::Body>) {
    let (status, media_type, answer) = admin.post_form(url, form).await;
    assert_eq!((status, media_type.as_str()), (StatusCode::OK, "text/xml; charset=utf-8"), "{answer}");
    assert!(answer.contains(NOTHING_TO_DO), "{answer}");
}

/// The changes of an ISL system once there are as many: type, and the row's state.
async fn changes(admin: &Client, count: usize) -> Vec<String> {
    eventually("the changes", async || {
        let changes = read_pages(admin, "/v1/changes?integration=acme-isl&type=user.*&type=domain.*").await;
        (changes.len() >= count).then(|| changes.iter().map(|change| change["type"].to_string()).collect())
    })
    .await
}

async fn events(admin: &Client) -> Vec<Value> {
    let answer = admin.request(Method::GET, "/v1/events").send().await.unwrap().text().await.unwrap();
    answer.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["type"] == kind).collect()
}

#[tokio::test]
async fn a_form_is_acknowledged_as_isl_demands_once_it_is_in_the_ledger() {
    let server = Server::start();
    let admin = server.admin();
    let (url, _) = admin.isl_integration("acme-isl", json!({})).await;
    acknowledged(&admin, &url, "MODULE=ISL_Light&EVENT=NEW+SESSION&DOMAIN_ID=7&SESSIONID=s1&TIMESTAMP=1800000000")
        .await;
    let events = events(&admin).await;
    let event = of_type(&events, "regledger.isl.event.v1")[0];
    assert_eq!((&event["source"], &event["subject"]), (&json!("/integrations/acme-isl"), &json!("isl:acme-isl/7")));
    let data = &event["data"];
    for (name, expected) in [
        ("module", json!("ISL_LIGHT")),
        ("event", json!("NEW_SESSION")),
        ("domain_id", json!("7")),
        ("session_id", json!("s1")),
        ("sent_time", json!("2027-01-15T08:00:00Z")),
        ("save", json!(false)),
    ] {
        assert_eq!(data[name], expected, "{name}");
    }
    assert!(data["body"]["sealed"]["ct"].is_string());
}

#[tokio::test]
async fn a_form_is_taken_under_any_media_type_and_none() {
    let server = Server::start();
    let admin = server.admin();
    let (url, _) = admin.isl_integration("acme-isl", json!({})).await;
    let http = reqwest::Client::new();
    for media_type in [None, Some("text/plain"), Some("application/json"), Some("multipart/form-data; boundary=x")] {
        let mut request = http.post(&url).body("MODULE=a&EVENT=b");
        if let Some(media_type) = media_type {
            request = request.header("content-type", media_type);
        }
        assert_eq!(request.send().await.unwrap().status(), 200, "{media_type:?}");
    }
    assert_eq!(of_type(&events(&admin).await, "regledger.isl.event.v1").len(), 4);
}

#[tokio::test]
async fn users_of_an_isl_system_come_and_go_on_the_stream_each_once() {
    let server = Server::start();
    let admin = server.admin();
    let (url, _) = admin.isl_integration("acme-isl", json!({})).await;
    let ann = "MODULE=CP&DOMAIN_ID=7&CPUSER_ID=%5C%5Cacme%5Cann";
    for form in [
        format!("{ann}&EVENT=USER+CREATE"),
        format!("{ann}&EVENT=USER+CREATE"),
        format!("EVENT=USERCREATE&{ann}"),
        format!("{ann}&EVENT=USER+DELETE&TIMESTAMP=1"),
        format!("{ann}&EVENT=USER+DELETE&TIMESTAMP=2"),
        format!("{ann}&EVENT=USER+UNDELETE&TIMESTAMP=3"),
        "MODULE=CP&DOMAIN_ID=7&EVENT=DOMAIN+DELETE".to_owned(),
    ] {
        acknowledged(&admin, &url, form).await;
    }
    let expected = ["domain.created", "user.created", "user.deleted", "user.undeleted", "domain.deleted"];
    let found = changes(&admin, expected.len()).await;
    assert_eq!(found, expected.map(|kind| format!("\"regledger.{kind}.v1\"")));
    let page = admin.get("/v1/changes?integration=acme-isl&type=user.*&tenant=isl%3Aacme-isl%2F7").await;
    let users: Vec<_> = page["items"].as_array().unwrap().iter().map(|change| &change["data"]["user"]).collect();
    assert_eq!(users.len(), 3, "{page}");
    assert!(users.iter().all(|user| user["id"] == users[0]["id"] && user["integration"] == "acme-isl"), "{page}");
    assert!(!page.to_string().contains("ann"), "{page}");
}

#[tokio::test]
async fn what_cannot_be_accepted_is_kept_and_acknowledged() {
    let server = Server::start();
    let admin = server.admin();
    let (url, _) = admin.isl_integration("acme-isl", json!({})).await;
    let large = "MODULE=a&EVENT=b&X=".to_owned() + &"x".repeat(2 << 20);
    acknowledged(&admin, &url, "EVENT=START&DOMAIN_ID=%00").await;
    acknowledged(&admin, &url, vec![0xff; 100]).await;
    acknowledged(&admin, &url, large.clone()).await;
    acknowledged(&admin, &url, large.clone()).await;
    acknowledged(&admin, &url, large.clone() + "y").await;
    let messages = eventually("the messages", async || {
        let page = admin.get("/v1/quarantine?integration=acme-isl").await;
        let items = page["items"].as_array().unwrap().clone();
        (items.iter().filter_map(|item| item["count"].as_u64()).sum::<u64>() == 5).then_some(items)
    })
    .await;
    let said = |item: &Value| {
        (item["status"].clone(), item["bytes"].clone(), item["kept_bytes"].clone(), item["count"].clone())
    };
    let (size, kept) = (json!(large.len()), json!(40 * 1024));
    let found: Vec<_> = messages.iter().map(said).collect();
    assert_eq!(found[0].3, json!(1));
    assert_eq!(found[2], (json!(200), size, kept, json!(2)), "the same message has the same hash");
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[0]["violations"][1]["pointer"], "/DOMAIN_ID", "{messages:?}");
    let path = format!("/v1/quarantine/{}/reveal", messages[2]["id"].as_str().unwrap());
    let revealed = admin.post(&path, &json!({"reason": "a test"})).await;
    assert_eq!(revealed["body"], large[..40 * 1024]);
}

#[tokio::test]
async fn a_wrong_key_an_unknown_integration_and_another_source_are_not_told_apart() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let (events, jwt) = admin.isl_integration("acme-isl", json!({})).await;
    let key = hookup.rsplit('/').next().unwrap();
    let isl_key = events.split('/').nth_back(1).unwrap();
    let mut problems = Vec::new();
    for url in [
        events.replace(isl_key, "wrong"),
        jwt.replace(isl_key, "wrong"),
        events.replace("acme-isl", "nowhere"),
        format!("{}/isl/acme-lab/{key}/events", server.url),
        format!("{}/hookup/acme-isl/{isl_key}", server.url),
    ] {
        let (status, _, problem) = admin.post_form(&url, "MODULE=a&EVENT=b").await;
        assert_eq!(status, 404, "{url}");
        problems.push(problem);
    }
    problems.dedup();
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[tokio::test]
async fn a_rotation_changes_both_urls_and_leaves_a_grace_period() {
    let server = Server::start();
    let admin = server.admin();
    let (old, _) = admin.isl_integration("acme-isl", json!({})).await;
    let rotate = "/v1/integrations/acme-isl/rotate-hookup";
    let made = admin.post(rotate, &json!({"grace_seconds": 600})).await;
    let url = made["events_url"].as_str().unwrap();
    assert!(made["jwt_url"].is_string() && made.get("hookup_url").is_none() && url != old);
    acknowledged(&admin, &old, "MODULE=a&EVENT=b").await;
    acknowledged(&admin, url, "MODULE=a&EVENT=b").await;
    admin.post(rotate, &json!({"grace_seconds": 0})).await;
    assert_eq!(admin.post_form(url, "MODULE=a&EVENT=b").await.0, 404);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let dir = TempDir::new().unwrap();
    let mut server = Server::start_in(dir.path(), &Options::default());
    let (url, _) = server.admin().isl_integration("acme-isl", json!({})).await;
    acknowledged(&server.admin(), &url, "MODULE=CP&DOMAIN_ID=7&EVENT=USER+CREATE&USER=ann").await;
    server.kill();
    let server = Server::start_in(dir.path(), &Options::default());
    assert_eq!(changes(&server.admin(), 2).await.len(), 2);
}

fn about(what: &str, user: &str) -> Value {
    json!({"iss": "https://isl.example", "events": {(what): {"user_id": user, "domain_id": 7}}})
}

fn claims(what: &str, user: &str, more: Value) -> Value {
    let mut claims = about(what, user);
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"claims": claims})
}

async fn post_token(admin: &Client, url: &str, jwt: &Value) -> (StatusCode, Value) {
    admin.try_post(url, &json!({"jwt": jwt})).await
}

async fn tokens_are_believed_or_not(language: Language) {
    let bad = |more: Value| {
        let mut asked = claims("user_create", "mallory", json!({}));
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        asked
    };
    let asked = json!({
        "create": claims("user_create", "ann", json!({"jti": "1", "exp": 4_000_000_000_u64})),
        "delete": claims("user_delete", "ann", json!({"jti": "2", "exp": 4_000_000_000_u64})),
        "without jti": claims("user_create", "bob", json!({})),
        "of another key": bad(json!({"key": "other"})),
        "unsecured": bad(json!({"alg": "none"})),
        "with the public key as a secret": bad(json!({"alg": "HS256"})),
        "by another algorithm": bad(json!({"alg": "EdDSA"})),
        "expired": claims("user_create", "mallory", json!({"exp": 1_000_000_000})),
        "from the future": claims("user_create", "mallory", json!({"iat": 4_000_000_000_u64})),
        "of nothing": {"claims": {"sub": "x"}},
    });
    let issued = issue(language, asked);
    let server = Server::start();
    let admin = server.admin();
    let (_, url) = admin.isl_integration("acme-isl", json!({"jwt_key": issued["public_key"]})).await;
    for name in [
        "of another key",
        "unsecured",
        "with the public key as a secret",
        "by another algorithm",
        "expired",
        "from the future",
    ] {
        let (status, problem) = post_token(&admin, &url, &issued[name]).await;
        assert_eq!(status, 401, "{language:?} {name}: {problem}");
        assert!(problem["quarantine_id"].is_string(), "{problem}");
    }
    for (body, due) in [(json!({"jwt": issued["of nothing"]}), 422), (json!({"jwt": 1}), 422), (json!([]), 422)] {
        let (status, problem) = admin.try_post(&url, &body).await;
        assert_eq!(status, due, "{problem}");
    }
    // a replayed token is durable again, and changes nothing
    for name in ["create", "delete", "create", "without jti", "delete", "without jti"] {
        let (status, receipt) = post_token(&admin, &url, &issued[name]).await;
        assert_eq!(status, 200, "{language:?} {name}: {receipt}");
        assert!(receipt["leaf_hash"].is_string(), "{receipt}");
    }
    assert_eq!(of_type(&events(&admin).await, "regledger.isl.token.v1").len(), 6);
    let expected = ["domain.created", "user.created", "user.deleted", "user.created"];
    let expected = expected.map(|kind| format!("\"regledger.{kind}.v1\""));
    assert_eq!(changes(&admin, expected.len()).await, expected, "{language:?}");
}

#[tokio::test]
async fn tokens_by_pyjwt_are_believed_or_not() {
    tokens_are_believed_or_not(Language::Python).await;
}

#[tokio::test]
async fn tokens_by_jose_are_believed_or_not() {
    tokens_are_believed_or_not(Language::JavaScript).await;
}

#[tokio::test]
async fn how_tokens_are_verified_is_checked_when_it_is_configured() {
    let server = Server::start();
    let admin = server.admin();
    let issued = issue(Language::Python, json!({"one": claims("user_create", "ann", json!({}))}));
    let public = &issued["public_key"];
    let create = async |source: &str, more: Value| {
        let mut spec = json!({"name": "bad", "source": source, "notify": {"kind": "hookup"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, problem) = admin.try_post("/v1/integrations", &spec).await;
        (status.as_u16(), problem["errors"][0]["pointer"].as_str().unwrap_or_default().to_owned())
    };
    for (source, more, pointer) in [
        ("isl", json!({"jwt_key": "no key"}), "/jwt_key"),
        ("isl", json!({"jwt_key": "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----"}), "/jwt_key"),
        ("isl", json!({"jwks_url": "ftp://keys.example/"}), "/jwks_url"),
        ("isl", json!({"jwks_url": "http://127.0.0.1/jwks"}), "/jwks_url"),
        ("isl", json!({"jwks_url": "https://keys.example/", "jwt_key": public}), "/jwks_url"),
        ("provet", json!({"jwt_key": public}), "/jwt_key"),
    ] {
        assert_eq!(create(source, more.clone()).await, (422, pointer.to_owned()), "{source} {more}");
    }
    let (_, url) = admin.isl_integration("acme-isl", json!({})).await;
    assert_eq!(post_token(&admin, &url, &issued["one"]).await.0, 401, "there is no key yet");
    let path = "/v1/integrations/acme-isl";
    let (status, integration) = admin.send(Method::PATCH, path, &json!({"jwt_key": public})).await;
    assert_eq!((status, &integration["jwt_key"]), (StatusCode::OK, public));
    assert_eq!(post_token(&admin, &url, &issued["one"]).await.0, 200);
    let jwks = json!({"jwks_url": "https://keys.example/jwks"});
    let integration = admin.send(Method::PATCH, path, &jwks).await.1;
    assert_eq!((integration.get("jwt_key"), &integration["jwks_url"]), (None, &jwks["jwks_url"]));
    let integration = admin.send(Method::PATCH, path, &json!({"jwks_url": ""})).await.1;
    assert_eq!(integration.get("jwks_url"), None);
}

/// Serves what it holds as a JWK set, and counts how often it is asked.
struct JwkSet {
    url: String,
    document: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
}

impl JwkSet {
    async fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/jwks", listener.local_addr().unwrap());
        let (document, asked) = (Arc::new(Mutex::new(None::<String>)), Arc::new(AtomicUsize::new(0)));
        let (held, count) = (document.clone(), asked.clone());
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                count.fetch_add(1, Ordering::SeqCst);
                let held = held.lock().unwrap().clone();
                let (status, body) = held.map_or(("503 Away", String::new()), |document| ("200 OK", document));
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self { url, document, asked }
    }

    fn hold(&self, jwks: &Value) {
        *self.document.lock().unwrap() = Some(jwks.to_string());
    }
}

#[tokio::test]
async fn tokens_are_verified_by_a_jwk_set_that_is_fetched_and_kept() {
    let jwks = JwkSet::serve().await;
    let options = Options { arguments: &["--egress-allow", "127.0.0.0/8"], ..Options::default() };
    let server = Server::start_with(&options);
    let admin = server.admin();
    let (_, url) = admin.isl_integration("acme-isl", json!({"jwks_url": jwks.url})).await;
    let issued = issue(
        Language::Python,
        json!({
            "one": claims("user_create", "ann", json!({"jti": "1"})),
            "two": claims("user_create", "bob", json!({"jti": "2"})),
            "of another key": {"claims": about("user_create", "mallory"), "key": "other"},
        }),
    );
    let (status, problem) = post_token(&admin, &url, &issued["one"]).await;
    assert_eq!(status, 503, "nobody knows whether it is to be believed: {problem}");
    // a set that could not be fetched is not asked for with each token
    assert_eq!(post_token(&admin, &url, &issued["one"]).await.0, 503);
    assert_eq!(jwks.asked.load(Ordering::SeqCst), 1);

    jwks.hold(&issued["jwks"]);
    let other = JwkSet::serve().await;
    other.hold(&issued["jwks"]);
    admin.send(Method::PATCH, "/v1/integrations/acme-isl", &json!({"jwks_url": other.url})).await;
    for name in ["one", "two", "one"] {
        assert_eq!(post_token(&admin, &url, &issued[name]).await.0, 200, "{name}");
    }
    assert_eq!(post_token(&admin, &url, &issued["of another key"]).await.0, 401);
    assert_eq!(other.asked.load(Ordering::SeqCst), 1, "the set is kept");
}

#[tokio::test]
async fn what_is_personal_in_a_message_is_in_no_file_and_no_line() {
    let dir = TempDir::new().unwrap();
    let options = Options { arguments: &["--log-level", "trace"], ..Options::default() };
    let mut server = Server::start_in(&dir.path().join("data"), &options);
    let admin = server.admin();
    let places = ["user-nick", "code", "message", "user", "unknown-name", "unknown-value", "poison", "large", "claim"];
    let mut search = Search::of(places.map(canary));
    let encoded = |place: &str| canary(place).bytes().map(escaped).collect::<String>();
    let issued = issue(
        Language::Python,
        json!({"one": {"claims": {"events": {"user_create": {"user_id": canary("claim"), "domain_id": 7, "email": canary("claim")}}}}}),
    );
    let (events, jwt) = admin.isl_integration("acme-isl", json!({"jwt_key": issued["public_key"]})).await;
    let keeps = json!({"value": "yes"});
    admin.send(Method::PUT, "/v1/settings/http_events.save_into_sessions", &keeps).await;
    let [nick, code, text, user] = ["user-nick", "code", "message", "user"].map(encoded);
    let about = "MODULE=ISL_LIGHT&DOMAIN_ID=7&SESSIONID=s1";
    let (name, value, poison) = (encoded("unknown-name"), encoded("unknown-value"), encoded("poison"));
    for form in [
        format!("{about}&EVENT=CODE&USER_NICK={nick}&CODE={code}&MESSAGE={text}"),
        format!("{about}&EVENT=JOIN&{name}={value}"),
        format!("MODULE=CP&DOMAIN_ID=7&EVENT=USER+CREATE&CPUSER_ID={user}&EMAIL={user}"),
        format!("EVENT={poison}&DOMAIN_ID=%00"),
        format!("{about}&EVENT=MESSAGE&MESSAGE={}{}", encoded("large"), "x".repeat(50_000)),
    ] {
        acknowledged(&admin, &events, form).await;
    }
    assert_eq!(post_token(&admin, &jwt, &issued["one"]).await.0, 200);
    assert_eq!(changes(&admin, 3).await.len(), 3);
    for path in ["/v1/events?limit=1000", "/v1/changes?limit=1000", "/v1/quarantine", "/v1/integrations", "/metrics"] {
        search.text(path, admin.get(path).await.to_string());
    }
    let shown = eventually("the session", async || {
        let (_, session) = admin.try_get("/v1/sessions/s1").await;
        (session["events"].as_array()?.len() == 2).then_some(session)
    })
    .await;
    assert!(shown.to_string().contains("USER_NICK"), "who asks for it sees it: {shown}");
    let log = server.whole_log();
    assert!(log.contains("TRACE"), "the log is at level trace");
    search.text("the log", log);
    search.files(dir.path());
    search.found_nothing();
}

#[tokio::test]
async fn a_message_from_an_address_that_was_not_allowed_can_be_released_and_one_cut_short_cannot() {
    let server = Server::start();
    let admin = server.admin();
    let allow = |addresses: Value| json!({"allow": {"addresses": addresses}});
    let (url, _) = admin.isl_integration("acme-isl", allow(json!(["192.0.2.0/24"]))).await;
    let form = "MODULE=CP&DOMAIN_ID=7&EVENT=USER+CREATE&USER=ann";
    let (status, _, problem) = admin.post_form(&url, form).await;
    assert_eq!(status, 403, "{problem}");
    admin.send(Method::PATCH, "/v1/integrations/acme-isl", &allow(json!([]))).await;
    acknowledged(&admin, &url, "MODULE=a&EVENT=b&X=".to_owned() + &"x".repeat(50_000)).await;
    acknowledged(&admin, &url, "EVENT=b").await;
    let messages = eventually("the messages", async || {
        let page = admin.get("/v1/quarantine?integration=acme-isl").await;
        (page["items"].as_array()?.len() == 3).then(|| page["items"].as_array().unwrap().clone())
    })
    .await;
    for (message, due) in messages.iter().zip([200, 409, 422]) {
        let path = format!("/v1/quarantine/{}/release", message["id"].as_str().unwrap());
        let (status, answer) = admin.try_post(&path, &json!({})).await;
        assert_eq!(status.as_u16(), due, "{answer}");
    }
    let expected = ["domain.created", "user.created"].map(|kind| format!("\"regledger.{kind}.v1\""));
    assert_eq!(changes(&admin, 2).await, expected);
}

#[tokio::test]
async fn a_token_that_came_before_its_key_was_known_can_be_released_and_one_of_another_key_cannot() {
    let issued = issue(
        Language::Python,
        json!({"create": claims("user_create", "ann", json!({"jti": "1", "exp": 4_000_000_000_u64})),
            "forged": {"claims": {"sub": "x"}, "key": "other"}}),
    );
    let server = Server::start();
    let admin = server.admin();
    let (_, url) = admin.isl_integration("acme-isl", json!({})).await;
    let mut kept = Vec::new();
    for name in ["create", "forged"] {
        let (status, problem) = post_token(&admin, &url, &issued[name]).await;
        assert_eq!(status, 401, "{problem}");
        kept.push(format!("/v1/quarantine/{}/release", problem["quarantine_id"].as_str().unwrap()));
    }
    let release = async |path: &str| {
        let request = admin.request(Method::POST, path).header("idempotency-key", path).json(&json!({}));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let (status, problem) = release(&kept[0]).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("jwt_key"), "{problem}");
    admin.send(Method::PATCH, "/v1/integrations/acme-isl", &json!({"jwt_key": issued["public_key"]})).await;
    let (status, released) = release(&kept[0]).await;
    assert_eq!((status, &released["message"]["state"]), (200, &json!("released")), "{released}");
    assert_eq!(release(&kept[0]).await, (200, released.clone()));
    let (status, problem) = release(&kept[1]).await;
    assert_eq!(status, 422, "{problem}");
    let expected = ["domain.created", "user.created"].map(|kind| format!("\"regledger.{kind}.v1\""));
    assert_eq!(changes(&admin, 2).await, expected);
    assert_eq!(post_token(&admin, &url, &issued["create"]).await.0, 200, "it is believed, and known already");
    let tokens = of_type(&events(&admin).await, "regledger.isl.token.v1").len();
    assert_eq!((tokens, changes(&admin, 2).await.len()), (2, 2));
}
