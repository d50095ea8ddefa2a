//! Quarantine: kept, shown, revealed, released, dismissed, and held again.

use acceptance::{Client, Server, eventually, notice};
use reqwest::Method;
use serde_json::{Value, json};

struct Held {
    _server: Server,
    admin: Client,
    hookup: String,
}

async fn begin() -> Held {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    Held { _server: server, admin, hookup }
}

impl Held {
    async fn allow(&self, hosts: Value) {
        let allow = json!({"allow": {"token_hosts": hosts}});
        let (status, _) = self.admin.send(Method::PATCH, "/v1/integrations/acme-lab", &allow).await;
        assert_eq!(status, 200);
    }

    /// Posts what is refused; the message, once it is projected and has come so often.
    async fn refuse(&self, body: &str, count: u64) -> Value {
        let (status, problem) = self.admin.try_notify(&self.hookup, body.to_owned()).await;
        assert!(status.is_client_error(), "{status} {problem}");
        let path = format!("/v1/quarantine/{}", problem["quarantine_id"].as_str().unwrap());
        eventually("the message is projected", async || {
            let (_, message) = self.admin.try_get(&path).await;
            (message["count"] == count).then_some(message)
        })
        .await
    }

    async fn act(&self, message: &Value, verb: &str) -> (u16, Value) {
        let path = format!("/v1/quarantine/{}/{verb}", message["id"].as_str().unwrap());
        let body = if verb == "reveal" { json!({"reason": "a test"}) } else { json!({}) };
        let (status, answer) = self.admin.try_post(&path, &body).await;
        (status.as_u16(), answer)
    }

    async fn clients(&self) -> Value {
        self.admin.get("/v1/clients").await["items"].clone()
    }
}

#[tokio::test]
async fn what_could_not_be_accepted_is_listed_shown_and_counted_up() {
    let held = begin().await;
    let first = held.refuse("{\"a\":1}", 1).await;
    let again = held.refuse("{\"a\":1}", 2).await;
    let other = held.refuse("{", 1).await;
    assert_eq!(first["id"], again["id"]);
    assert_eq!(first["first_time"], again["first_time"]);
    assert_ne!(first["last_time"], again["last_time"]);
    assert_eq!((&again["state"], &again["status"], &again["bytes"]), (&json!("held"), &json!(422), &json!(7)));
    assert_eq!(again["violations"].as_array().unwrap().len(), 10);
    assert_eq!((&other["status"], &other["violations"]), (&json!(400), &json!([])));
    let page = held.admin.get("/v1/quarantine").await;
    assert_eq!(page, json!({"items": [again, other], "next": null}));
    let (first, second) = ("/v1/quarantine?limit=1&state=held", page["items"][1].clone());
    let next = held.admin.get(first).await["next"].as_str().unwrap().to_owned();
    assert_eq!(held.admin.get(&next).await, json!({"items": [second], "next": null}));
    for none in ["state=released", "integration=other"] {
        assert_eq!(held.admin.get(&format!("/v1/quarantine?{none}")).await["items"], json!([]), "{none}");
    }
}

#[tokio::test]
async fn a_message_is_revealed_after_the_reveal_is_an_event() {
    let held = begin().await;
    let text = held.refuse("{\"secret\":\"canary-1\"}", 1).await;
    let shown = held.act(&text, "reveal").await;
    assert_eq!(shown, (200, json!({"body": "{\"secret\":\"canary-1\"}"})));
    let events = held.admin.request(Method::GET, "/v1/events").send().await.unwrap().text().await.unwrap();
    let last: Value = serde_json::from_str(events.lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "regledger.quarantine.reveal.v1");
    assert!(!events.contains("canary-1"), "sealed in the ledger");
    let (_, problem) = held.admin.try_notify(&held.hookup, b"\xff\xfe".to_vec()).await;
    let id = problem["quarantine_id"].as_str().unwrap();
    let binary = eventually("it is projected", async || {
        let (status, message) = held.admin.try_get(&format!("/v1/quarantine/{id}")).await;
        (status == 200).then_some(message)
    })
    .await;
    assert_eq!(held.act(&binary, "reveal").await, (200, json!({"body_base64": "//4="})));
}

#[tokio::test]
async fn a_released_message_is_a_registration_with_its_reception_time() {
    let held = begin().await;
    held.allow(json!(["elsewhere.example"])).await;
    let message = held.refuse(&notice(1).to_string(), 1).await;
    let (status, problem) = held.act(&message, "release").await;
    assert_eq!(status, 422, "it still cannot be accepted: {problem}");
    held.allow(json!(["provetcloud.com"])).await;
    let (status, released) = held.act(&message, "release").await;
    assert_eq!((status, &released["message"]["state"]), (200, &json!("released")), "{released}");
    let from = released["receipt"]["position"].as_u64().unwrap();
    let path = format!("/v1/events?from={from}&limit=1");
    let line = held.admin.request(Method::GET, &path).send().await.unwrap().text().await.unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["time"], message["last_time"], "it keeps its reception time");
    assert_eq!(held.clients().await[0]["tenant"], "provetcloud.com/1");
    let id = held.clients().await[0]["id"].as_str().unwrap().to_owned();
    let shown = held.admin.post(&format!("/v1/clients/{id}/reveal"), &json!({"reason": "a test"})).await;
    assert_eq!(shown["client_secret"], notice(1)["client_secret"], "with its secret");
    assert_eq!(held.act(&message, "release").await.0, 409, "it is released already");
    assert_eq!(held.act(&message, "dismiss").await.0, 409);
}

#[tokio::test]
async fn a_message_older_than_its_clients_last_notice_is_superseded() {
    let held = begin().await;
    held.allow(json!(["elsewhere.example"])).await;
    let mut old = notice(1);
    old["algorithm"] = json!("HS256");
    let message = held.refuse(&old.to_string(), 1).await;
    held.allow(json!([])).await;
    let receipt = held.admin.notify(&held.hookup, &notice(1)).await;
    held.admin.get(&format!("/v1/clients?min_position={}", Client::place(&receipt))).await;
    let before = held.clients().await;
    let (status, released) = held.act(&message, "release").await;
    assert_eq!((status, &released["message"]["state"]), (200, &json!("superseded")), "{released}");
    assert_eq!(held.clients().await, before, "it changed nothing");
}

#[tokio::test]
async fn a_dismissed_message_is_held_again_when_it_comes_again() {
    let held = begin().await;
    let message = held.refuse("{}", 1).await;
    let (status, dismissed) = held.act(&message, "dismiss").await;
    assert_eq!((status, &dismissed["state"]), (200, &json!("dismissed")));
    assert_eq!(held.act(&message, "dismiss").await.0, 409, "it is dismissed already");
    let again = held.refuse("{}", 2).await;
    assert_eq!(again["state"], "held");
    assert_eq!(held.act(&message, "release").await.0, 422);
}

#[tokio::test]
async fn a_message_of_a_deleted_integration_cannot_be_released() {
    let held = begin().await;
    let message = held.refuse("{}", 1).await;
    assert_eq!(held.admin.send(Method::DELETE, "/v1/integrations/acme-lab", &json!({})).await.0, 204);
    assert_eq!(held.act(&message, "release").await.0, 409);
    assert_eq!(held.act(&message, "dismiss").await.0, 200);
    assert_eq!(held.act(&json!({"id": "unknown"}), "release").await.0, 404);
}
