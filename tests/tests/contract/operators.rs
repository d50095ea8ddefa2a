//! What operators have: metrics, alerts, a dashboard, health, a line per request.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use acceptance::{Client, Server, notice, repository, tool};
use reqwest::Method;
use serde_json::{Value, json};

use crate::stream::post;
use acceptance::sse::Stream;

/// A server on which everything has happened that leaves a trace.
async fn worked() -> Server {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let mut stream = Stream::open(&admin, "from=now&tenant=provetcloud.com/1").await;
    stream.next_named("bookmark").await;
    post(&admin, &hookup, [1, 2]).await;
    stream.next_change().await;
    admin.try_notify(&hookup, "{}").await;
    admin.try_notify(&hookup, vec![b' '; 50_000]).await;
    admin.try_get("/v1/clients/nonesuch?secret-query=1").await;
    admin.try_get("/secret-path").await;
    let id = admin.get("/v1/clients").await["items"][1]["id"].as_str().unwrap().to_owned();
    admin.post(&format!("/v1/clients/{id}/retire"), &json!({})).await;
    let subscribed = json!({"name": "acme", "url": "https://hooks.example.invalid/", "types": ["client.registered"]});
    admin.post("/v1/subscriptions", &subscribed).await;
    acceptance::eventually("the subscription is worked on", async || {
        metrics(&server).await.contains("subscription=\"acme\"").then_some(())
    })
    .await;
    server
}

async fn metrics(server: &Server) -> String {
    let answer = server.admin().request(Method::GET, "/metrics").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.unwrap()
}

fn with_input(mut command: Command, input: &str) -> (bool, String) {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.success(), String::from_utf8(said).unwrap())
}

/// Name and label names of each sample.
fn samples(metrics: &str) -> Vec<(String, BTreeSet<String>)> {
    let lines = metrics.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, rest) = line.split_once(['{', ' ']).unwrap();
            let labels = rest.rsplit_once('}').map_or("", |(labels, _)| labels);
            let labels = labels.split("\",").filter_map(|label| label.split_once('='));
            (name.to_owned(), labels.map(|(label, _)| label.to_owned()).collect())
        })
        .collect()
}

#[tokio::test]
async fn the_metrics_of_the_contract_are_there_with_bounded_labels() {
    let server = worked().await;
    let text = metrics(&server).await;
    let mut promtool = tool("promtool");
    promtool.args(["check", "metrics"]);
    let (is_clean, said) = with_input(promtool, &text);
    assert!(is_clean, "{said}");
    let samples = samples(&text);
    let due: [(&str, &[&str]); 23] = [
        ("regledger_notifications_total", &["integration", "outcome", "source"]),
        ("regledger_ledger_append_seconds_count", &[]),
        ("regledger_ledger_batch_events_count", &[]),
        ("regledger_ledger_position", &["partition"]),
        ("regledger_projection_position", &["partition"]),
        ("regledger_projection_lag_seconds", &["partition"]),
        ("regledger_lease_changes_total", &["change"]),
        ("regledger_fenced_total", &["partition"]),
        ("regledger_clients", &["integration", "state"]),
        ("regledger_stream_subscribers", &[]),
        ("regledger_stream_delay_seconds_count", &[]),
        ("regledger_quarantine_messages", &[]),
        ("regledger_delivery_attempts_total", &["outcome", "subscription"]),
        ("regledger_delivery_oldest_pending_seconds", &["subscription"]),
        ("regledger_subscriptions", &["state"]),
        ("regledger_http_request_duration_seconds_count", &["method", "route", "status"]),
        ("regledger_disk_free_bytes", &[]),
        ("regledger_build_info", &["version"]),
        ("regledger_ready", &["check"]),
        ("process_cpu_seconds_total", &[]),
        ("process_resident_memory_bytes", &[]),
        ("process_open_fds", &[]),
        ("process_start_time_seconds", &[]),
    ];
    for (name, labels) in due {
        let labels: BTreeSet<_> = labels.iter().map(|label| (*label).to_owned()).collect();
        let found: Vec<_> = samples.iter().filter(|(found, _)| found == name).collect();
        assert!(!found.is_empty(), "{name}");
        assert!(found.iter().all(|(_, found)| *found == labels), "{name}: {found:?}");
    }
    for word in ["provetcloud", "client-1", "secret-path", "nonesuch"] {
        assert!(!text.contains(word), "{word} is in a label");
    }
    for line in [
        "regledger_notifications_total{integration=\"acme-lab\",outcome=\"accepted\",source=\"provet\"} 2",
        "regledger_notifications_total{integration=\"acme-lab\",outcome=\"quarantined\",source=\"provet\"} 1",
        "regledger_notifications_total{integration=\"acme-lab\",outcome=\"refused\",source=\"provet\"} 1",
        "regledger_clients{integration=\"acme-lab\",state=\"active\"} 1",
        "regledger_clients{integration=\"acme-lab\",state=\"retired\"} 1",
        "regledger_quarantine_messages 1",
        "regledger_ledger_position{partition=\"0\"} 7",
        "regledger_projection_position{partition=\"0\"} 7",
        "regledger_stream_delay_seconds_count 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn the_dashboard_and_the_alerts_ask_for_metrics_that_there_are() {
    let server = worked().await;
    let text = metrics(&server).await;
    let mut check = Command::new(repository().join("ops/check-dashboard"));
    check.arg("-");
    let (is_clean, said) = with_input(check, &text);
    assert!(is_clean, "{said}");
    for arguments in [
        ["check", "rules", "ops/prometheus/rules.yml"],
        ["check", "config", "ops/prometheus/prometheus.yml"],
        ["test", "rules", "ops/prometheus/rules_test.yml"],
    ] {
        let done = tool("promtool").args(arguments).current_dir(repository()).output().unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stdout));
    }
}

#[tokio::test]
async fn health_says_of_each_thing_by_name_whether_it_answers() {
    let server = Server::start();
    let anybody = Client::new(&server.url, "");
    let (status, ready) = anybody.try_get("/readyz").await;
    assert_eq!((status.as_u16(), &ready["ready"]), (200, &json!(true)));
    let names: Vec<_> =
        ready["checks"].as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["ledger", "directory", "keys", "state", "deliveries", "projection", "purge", "dispatch", "disk", "stream"]
    );
    for check in ready["checks"].as_array().unwrap() {
        assert_eq!((&check["ready"], &check["reason"]), (&json!(true), &Value::Null), "{check}");
    }
    assert_eq!(anybody.try_get("/healthz").await.0, 200);
}

#[tokio::test]
async fn too_little_disk_makes_it_unready_and_says_why() {
    let arguments = ["--disk-min-free-bytes", "9000000000000000"];
    let options = acceptance::Options { arguments: &arguments, ..acceptance::Options::default() };
    let server = Server::start_with(&options);
    let (status, ready) = Client::new(&server.url, "").try_get("/readyz").await;
    assert_eq!((status.as_u16(), &ready["ready"]), (503, &json!(false)));
    let disk = ready["checks"].as_array().unwrap().iter().find(|check| check["name"] == "disk").unwrap();
    assert!(disk["reason"].as_str().unwrap().contains("disk.min_free_bytes"), "{disk}");
}

#[tokio::test]
async fn a_request_is_one_line_that_says_nothing_of_tenants_and_capabilities() {
    let mut server = worked().await;
    let admin = server.admin();
    let answer = admin.request(Method::GET, "/v1/tokens?limit=7").send().await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let hookup = admin.integration("other").await;
    admin.notify(&hookup, &notice(3)).await;
    let metrics = metrics(&server).await;
    let counts = metrics.lines().filter(|line| line.starts_with("regledger_http_request_duration_seconds_count"));
    let counted: usize = counts.map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum();

    let log = server.whole_log();
    let requests: Vec<_> = log.lines().filter(|line| line.contains("\"message\":\"request\"")).collect();
    let (last, others) = requests.split_last().unwrap();
    assert!(last.contains("\"/metrics\""), "the one that counts does not count itself: {last}");
    assert_eq!(others.len(), counted, "a line for each request");
    let of_it: Vec<_> = log.lines().filter(|line| line.contains(&id)).collect();
    assert_eq!(of_it.len(), 1, "{of_it:?}");
    let line: Value = serde_json::from_str(of_it[0]).unwrap();
    let due = [
        ("level", json!("INFO")),
        ("http.method", json!("GET")),
        ("http.route", json!("/v1/tokens")),
        ("http.status", json!(200)),
        ("request.id", json!(id)),
    ];
    for (field, value) in due {
        assert_eq!(line[field], value, "{field}");
    }
    assert!(line["http.seconds"].is_f64() && line["timestamp"].is_string(), "{line}");
    for word in [
        hookup.rsplit('/').next().unwrap(),
        "provetcloud",
        "client-1",
        "secret-of",
        "secret-path",
        "secret-query",
        "limit=7",
        &admin.token,
        "127.0.0.1:9",
    ] {
        assert!(!log.contains(word), "{word} is logged");
    }
}

#[tokio::test]
async fn a_stranger_who_sends_what_is_no_http_writes_no_error_into_the_log() {
    let mut server = Server::start();
    let address = server.url.strip_prefix("http://").unwrap();
    for sent in ["garbage\r\n\r\n", "GET / HTTP/1.1\r\nbad header: \u{1}\r\n\r\n", "GET / HTTP/9\r\n\r\n"] {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(sent.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 "), "{sent:?}: {answer}");
    }
    let log = server.whole_log();
    assert!(!log.contains("\"ERROR\""), "{log}");
}
