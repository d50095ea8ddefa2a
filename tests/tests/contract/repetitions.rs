//! Reveals and releases that are repeated with their Idempotency-Key: the same outcome, and one event.

use acceptance::{Client, Server, eventually, notice};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::stream::post;

/// A server with a client, and a quarantined message that can be released.
struct Hub {
    _server: Server,
    admin: Client,
    hookup: String,
    client: String,
    message: String,
}

async fn hub() -> Hub {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    post(&admin, &hookup, [1]).await;
    let client = admin.get("/v1/clients").await["items"][0]["id"].as_str().unwrap().to_owned();
    let allow = |hosts: Value| json!({"allow": {"token_hosts": hosts}});
    admin.send(Method::PATCH, "/v1/integrations/acme-lab", &allow(json!(["elsewhere.example"]))).await;
    let (_, problem) = admin.try_notify(&hookup, notice(2).to_string()).await;
    let message = problem["quarantine_id"].as_str().unwrap().to_owned();
    admin.send(Method::PATCH, "/v1/integrations/acme-lab", &allow(json!([]))).await;
    eventually("the message is projected", async || {
        (admin.try_get(&format!("/v1/quarantine/{message}")).await.0 == 200).then_some(())
    })
    .await;
    Hub { _server: server, admin, hookup, client, message }
}

impl Hub {
    fn reveals(&self) -> [(String, &'static str); 2] {
        [
            (format!("/v1/clients/{}/reveal", self.client), "regledger.client.reveal.v1"),
            (format!("/v1/quarantine/{}/reveal", self.message), "regledger.quarantine.reveal.v1"),
        ]
    }

    fn release(&self) -> String {
        format!("/v1/quarantine/{}/release", self.message)
    }

    async fn ask(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        let request = self.admin.request(Method::POST, path).header("idempotency-key", key).json(body);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// How many events of a type there are.
    async fn events(&self, kind: &str) -> usize {
        let answer = self.admin.request(Method::GET, "/v1/events?limit=1000").send().await.unwrap();
        let lines = answer.text().await.unwrap();
        lines.lines().filter(|line| serde_json::from_str::<Value>(line).unwrap()["type"] == kind).count()
    }
}

fn because(reason: &str) -> Value {
    json!({"reason": reason})
}

#[tokio::test]
async fn a_repeated_reveal_shows_the_secret_again_and_is_one_event() {
    let hub = hub().await;
    for (path, kind) in hub.reveals() {
        let (status, shown) = hub.ask(&path, &path, &because("a test")).await;
        assert_eq!(status, 200, "{shown}");
        assert_eq!(hub.ask(&path, &path, &because("a test")).await, (200, shown.clone()), "{path}");
        assert_eq!(hub.events(kind).await, 1, "{path}");
        assert_eq!(hub.ask(&path, &format!("{path}-2"), &because("a test")).await, (200, shown), "{path}");
        assert_eq!(hub.events(kind).await, 2, "another key is another reveal: {path}");
    }
}

#[tokio::test]
async fn an_idempotency_key_of_a_reveal_belongs_to_its_reason_and_its_secret() {
    let hub = hub().await;
    for (path, kind) in hub.reveals() {
        assert_eq!(hub.ask(&path, &path, &because("a test")).await.0, 200);
        let (status, problem) = hub.ask(&path, &path, &because("another")).await;
        assert_eq!((status, &problem["type"]), (422, &json!("urn:regledger:problem:idempotency-key-reused")), "{path}");
        assert_eq!(hub.events(kind).await, 1, "{path}");
    }
    let [(path, kind), _] = hub.reveals();
    let mut newer = notice(1);
    newer["client_secret"] = json!("another-secret-7c11");
    let receipt = hub.admin.notify(&hub.hookup, &newer).await;
    hub.admin.get(&format!("/v1/clients?min_position={}", Client::place(&receipt))).await;
    let (status, problem) = hub.ask(&path, &path, &because("a test")).await;
    assert_eq!(status, 422, "a later secret is not shown under an earlier event: {problem}");
    assert_eq!(hub.events(kind).await, 1);
}

#[tokio::test]
async fn a_repeated_release_has_the_same_outcome_and_is_one_event() {
    let hub = hub().await;
    let (status, released) = hub.ask(&hub.release(), "k", &json!({})).await;
    assert_eq!((status, &released["message"]["state"]), (200, &json!("released")), "{released}");
    assert_eq!(hub.ask(&hub.release(), "k", &json!({})).await, (200, released.clone()));
    let from = released["receipt"]["position"].as_u64().unwrap();
    let line = hub.admin.request(Method::GET, &format!("/v1/events?from={from}&limit=1")).send().await.unwrap();
    let event: Value = serde_json::from_str(&line.text().await.unwrap()).unwrap();
    assert_eq!((&event["id"], &event["subject"]), (&released["receipt"]["event_id"], &json!("provetcloud.com/2")));
    assert_eq!(hub.ask(&hub.release(), "l", &json!({})).await.0, 409, "another key is another release");
    let dismiss = format!("/v1/quarantine/{}/dismiss", hub.message);
    let (status, problem) = hub.ask(&dismiss, "k", &json!({})).await;
    assert_eq!((status, &problem["type"]), (422, &json!("urn:regledger:problem:idempotency-key-reused")));
    assert_eq!(hub.events("regledger.quarantine.release.v1").await, 1);
    assert_eq!(hub.events("regledger.provet.registration.v1").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_many_times_at_once_is_done_once() {
    let hub = hub().await;
    let [(client, client_kind), (message, message_kind)] = hub.reveals();
    for (path, kind, body) in [
        (client, client_kind, because("a test")),
        (message, message_kind, because("a test")),
        (hub.release(), "regledger.quarantine.release.v1", json!({})),
    ] {
        let answers = join_all((0..20).map(|_| hub.ask(&path, &path, &body))).await;
        let done: Vec<_> = answers.iter().filter(|(status, _)| *status == 200).collect();
        assert!(!done.is_empty() && done.iter().all(|answer| *answer == done[0]), "{path}: {answers:?}");
        for (status, answer) in &answers {
            let is_in_progress = answer["type"] == "urn:regledger:problem:in-progress";
            assert!(*status == 200 || (*status == 409 && is_in_progress), "{path}: {status} {answer}");
        }
        assert_eq!(hub.events(kind).await, 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_released_many_times_at_once_is_registered_once() {
    let hub = hub().await;
    let (path, body) = (hub.release(), json!({}));
    let answers = join_all((0..20).map(|_| hub.admin.try_post(&path, &body))).await;
    let released = answers.iter().filter(|(status, _)| *status == 200).count();
    let refused = answers.iter().filter(|(status, _)| *status == 409).count();
    assert_eq!((released, refused), (1, 19), "{answers:?}");
    assert_eq!(hub.events("regledger.provet.registration.v1").await, 2);
}
