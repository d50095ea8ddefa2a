//! Canaries: values that nobody may see again, but who asks for them with a reason. They go in wherever a sender can put
//! something, and are then looked for in every file, log line, metric, answer and stream frame, in every usual encoding.

use std::path::Path;

use acceptance::{Client, Options, Server, notice};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hub::{Answer, Hub, answers};
use acceptance::audit;
use acceptance::search::{Search, canary, escaped};

/// Places where a sender can put something.
const PLACES: &[&str] = &[
    "client-secret",
    "unknown-name",
    "unknown-value",
    "malformed-body",
    "invalid-value",
    "invalid-name",
    "wrong-media-type",
    "oversized-body",
    "idempotency-key",
    "command-idempotency-key",
    "header",
    "cookie",
    "bearer",
    "user-agent",
    "forwarded",
    "query-value",
    "query-name",
    "path",
    "wrong-key",
    "command-value",
    "command-name",
    "cursor",
    "method",
];

#[tokio::test]
async fn no_secret_is_seen_again_but_by_who_reveals_it() {
    let dir = TempDir::new().unwrap();
    let options = Options { arguments: &["--log-level", "trace"], ..Options::default() };
    let mut hub = Hub::of(Server::start_in(&dir.path().join("data"), &options)).await;
    let token =
        hub.admin.post("/v1/tokens", &json!({"name": "reader", "scopes": ["clients:read"]})).await["token"].clone();
    let capabilities = [hub.key().to_owned(), token.as_str().unwrap().to_owned(), hub.admin.token.clone()];
    let mut search = Search::of(PLACES.iter().map(|place| canary(place)).chain(capabilities));

    let quarantined = send_everywhere(&hub, &mut search).await;
    read_everywhere(&hub, &mut search).await;
    run_every_command(&hub, dir.path(), &mut search);
    search.files(dir.path());

    it_is_revealed(&hub, &quarantined).await;
    search.files(dir.path());
    let log = hub.server.whole_log();
    assert!(log.contains("TRACE"), "the log is at level trace");
    search.text("the log", log);
    search.files(&hub.server.data_dir);
    search.found_nothing();
}

/// Puts each canary where it belongs; the answers are searched. The quarantined message that holds one.
async fn send_everywhere(hub: &Hub, search: &mut Search) -> String {
    let http = reqwest::Client::new();
    let with_query = |query: String| http.post(format!("{}?{query}", hub.hookup));
    let post = |body: Vec<u8>| with_query(format!("q={}", path(&canary("query-value")))).body(body);
    let mut good = notice(1);
    good["client_secret"] = canary("client-secret").into();
    good[canary("unknown-name")] = json!([{"deep": canary("unknown-value")}]);
    let mut invalid = notice(2);
    invalid["departments"] = json!([canary("invalid-value")]);
    invalid["token_url"] = canary("invalid-value").into();
    invalid[canary("invalid-name")] = json!(1);
    let malformed = format!("{{\"client_secret\":{},", Value::from(canary("malformed-body")));
    let oversized = Value::from(canary("oversized-body")).to_string() + &" ".repeat(41 * 1024);
    let wrong_key = hub.hookup.replace(hub.key(), &path(&canary("wrong-key")));
    let sent = [
        post(good.to_string().into()).header("idempotency-key", canary("idempotency-key")),
        post(malformed.into()).header("x-api-key", canary("header")).header("cookie", canary("cookie")),
        post(invalid.to_string().into()).bearer_auth(canary("bearer")).header("user-agent", canary("user-agent")),
        with_query(path(&canary("query-name")))
            .header("content-type", "application/xml")
            .body(canary("wrong-media-type")),
        http.post(&hub.hookup).header("content-type", "text/xml").body(canary("wrong-media-type")),
        post(oversized.into()).header("x-forwarded-for", canary("forwarded")).header("forwarded", canary("forwarded")),
        http.post(wrong_key).body(notice(3).to_string()),
        http.request(Method::from_bytes(b"cnry-method").unwrap(), &hub.hookup).body(canary("method")),
    ];
    let mut answers = Vec::new();
    for request in sent {
        answers.push(Answer::of(request.send().await.unwrap()).await);
    }
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 400, 422, 415, 415, 413, 404, 405]);
    for answer in &answers {
        search.text("an answer to a sender", format!("{:?} {}", answer.headers, answer.text));
    }
    let receipt = answers[0].json();
    answers_to_commands(hub, search).await;
    crate::hub::answers(&hub.admin, &format!("/v1/clients?min_position={}", Client::place(&receipt))).await;
    answers[1].json()["quarantine_id"].as_str().unwrap().to_owned()
}

/// Requests to the API that hold what they should not; each is refused without being quoted.
async fn answers_to_commands(hub: &Hub, search: &mut Search) {
    let (value, name) = (canary("command-value"), canary("command-name"));
    let bodies = [
        json!({"name": value, "source": "provet", "notify": {"kind": "hookup"}}),
        json!({"name": "a", "source": value, "notify": {"kind": "hookup"}}),
        json!({"name": "b", "source": "provet", "notify": {"kind": value}}),
        json!({"name": "c", "source": "provet", "notify": {"kind": "hookup"}, (name.as_str()): 1}),
        json!({"name": "d", "source": "provet", "notify": {"kind": "hookup"}, "allow": {"addresses": [value]}}),
        json!({"name": "e", "scopes": [value]}),
        json!({"name": "f", "scopes": ["clients:read"], "expires_time": value}),
        json!({"name": [value], "scopes": value}),
        json!({(name.as_str()): value}),
        json!({"grace_seconds": value}),
        json!([value]),
        json!(value),
    ];
    let paths = ["/v1/integrations", "/v1/tokens", "/v1/integrations/acme-lab/rotate-hookup", "/v1/clients/x/reveal"];
    for path in paths {
        for body in &bodies {
            let request =
                hub.admin.request(Method::POST, path).header("idempotency-key", canary("command-idempotency-key"));
            let answer = Answer::of(request.json(body).send().await.unwrap()).await;
            assert!((400..500).contains(&answer.status), "{path} {body}: {} {}", answer.status, answer.text);
            search.text(&format!("the answer to POST {path} {body}"), without_pointers(answer.json()));
        }
    }
    let (word, cursor) = (path(&canary("query-value")), path(&canary("cursor")));
    let name = path(&canary("query-name"));
    let segment = path(&canary("path"));
    for asked in [
        format!("/v1/clients?limit={word}"),
        format!("/v1/clients?state={word}"),
        format!("/v1/clients?as_of={word}"),
        format!("/v1/clients?latest={word}"),
        format!("/v1/clients?department={word}"),
        format!("/v1/clients?after={cursor}"),
        format!("/v1/clients?min_position={word}"),
        format!("/v1/clients/{segment}"),
        format!("/v1/clients/{segment}/changes"),
        format!("/v1/changes?after={cursor}"),
        format!("/v1/changes?from={word}"),
        format!("/v1/changes?type={word}"),
        format!("/v1/changes?{name}=1"),
        format!("/v1/events?from={word}"),
        format!("/v1/events?partition={word}"),
        format!("/v1/quarantine?state={word}"),
        format!("/v1/quarantine/{segment}"),
        format!("/v1/tokens?after={cursor}"),
        format!("/v1/integrations/{segment}"),
        format!("/{segment}"),
        format!("/schemas/{segment}"),
    ] {
        let (status, answer) = hub.admin.try_get(&asked).await;
        assert!(status.is_client_error(), "{asked}: {status} {answer}");
        search.text(&format!("the answer to GET {asked}"), answer.to_string());
    }
    let intruder = Client::new(&hub.server.url, &canary("bearer"));
    let (status, answer) = intruder.try_get("/v1/clients").await;
    assert_eq!(status, 401);
    search.text("the answer to an unknown token", answer.to_string());
}

/// A problem without its pointers, which name the fields that they point to.
fn without_pointers(mut problem: Value) -> String {
    for error in problem["errors"].as_array_mut().into_iter().flatten() {
        error["pointer"].take();
    }
    problem.to_string()
}

/// What the API, the streams and the metrics give; all of it is searched.
async fn read_everywhere(hub: &Hub, search: &mut Search) {
    let id = audit::clients(&hub.admin).await[0]["id"].as_str().unwrap().to_owned();
    for asked in [
        "/v1/clients",
        &format!("/v1/clients/{id}"),
        &format!("/v1/clients/{id}/changes"),
        "/v1/changes?limit=1000",
        "/v1/events?limit=1000",
        "/v1/quarantine",
        "/v1/integrations",
        "/v1/tokens",
        "/metrics",
        "/readyz",
        "/openapi.json",
    ] {
        search.text(asked, hub.admin.get(asked).await.to_string());
    }
    for from in ["beginning", "snapshot"] {
        search.text(&format!("the stream from {from}"), stream(&hub.admin, from).await);
    }
}

/// The frames of a stream up to its first bookmark, which says that it has caught up.
async fn stream(admin: &Client, from: &str) -> String {
    let path = format!("/v1/changes?from={from}&type=client.*&type=integration.*");
    let mut frames = admin.request(Method::GET, &path).send().await.unwrap().error_for_status().unwrap().bytes_stream();
    let mut text = String::new();
    while !text.contains("acme-lab") || !text.ends_with("\n\n") {
        let chunk = tokio::time::timeout(acceptance::PATIENCE, frames.next()).await.expect("a frame");
        text.push_str(std::str::from_utf8(&chunk.unwrap().unwrap()).unwrap());
    }
    text
}

/// What the command line prints and writes; all of it is searched.
fn run_every_command(hub: &Hub, dir: &Path, search: &mut Search) {
    let (export, backup) = (dir.join("events.ndjson"), dir.join("backup"));
    let (export, backup) = (export.to_str().unwrap(), backup.to_str().unwrap());
    let mut commands = vec![vec!["event", "export", export], vec!["backup", backup], vec!["config", "show"]];
    commands.extend([
        vec!["client", "list"],
        vec!["event", "list", "--limit", "1000"],
        vec!["event", "explain", "0:3"],
        vec!["quarantine", "list"],
        vec!["integration", "list"],
        vec!["token", "list"],
    ]);
    for command in commands {
        let formats: &[&str] =
            if command[0] == "backup" || command[1] == "export" { &["json"] } else { &["json", "table"] };
        for format in formats {
            let output = hub.server.command(&command).args(["--output", format]).output().unwrap();
            let said = [output.stdout, b"\n".to_vec(), output.stderr].concat();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said));
            search.text(&format!("{command:?}"), said);
        }
    }
}

/// The secrets are there all the same, for who asks with a reason.
async fn it_is_revealed(hub: &Hub, quarantined: &str) {
    let id = audit::clients(&hub.admin).await[0]["id"].as_str().unwrap().to_owned();
    let reason = json!({"reason": "a test"});
    let revealed = hub.admin.post(&format!("/v1/clients/{id}/reveal"), &reason).await;
    assert_eq!(revealed["client_secret"], canary("client-secret"));
    answers(&hub.admin, &format!("/v1/quarantine/{quarantined}")).await;
    let revealed = hub.admin.post(&format!("/v1/quarantine/{quarantined}/reveal"), &reason).await;
    let mut search = Search::of([canary("malformed-body")]);
    search.text("what was revealed", revealed["body"].as_str().unwrap());
    assert!(!search.found.is_empty(), "{revealed}");
}

/// A value as a segment of a path, or in a query.
fn path(value: &str) -> String {
    value.bytes().map(escaped).collect()
}
