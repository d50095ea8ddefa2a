//! What did not arrive at once can be seen and attempted again; a subscription can be tried out, also on this machine.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use acceptance::{Receiver, Reply, eventually, regledger};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::hub::{notify, start, start_with, subscribe};

fn ran(mut command: Command) -> Vec<Value> {
    let done = command.args(["--output", "json"]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let said = String::from_utf8(done.stdout).unwrap();
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_listed_shown_and_replayed() {
    let server = start_with(&["--delivery-give-up-seconds", "1"]);
    let receiver = Receiver::answering(|_| Reply::status(500)).await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    notify(&admin, &hookup, [1, 2, 3]).await;
    let dead = eventually("three are given up", async || {
        let page = admin.get("/v1/deliveries?state=dead&subscription=acme").await;
        (page["items"].as_array().unwrap().len() == 3).then_some(page["items"].clone())
    })
    .await;
    assert_eq!(dead[0]["reason"], "HTTP 500");
    assert!(dead[0]["attempts"].as_u64().unwrap() >= 2, "{dead}");
    let id = dead[1]["id"].as_str().unwrap();
    assert_eq!(admin.get(&format!("/v1/deliveries/{id}")).await, dead[1]);
    let client = format!("/v1/deliveries?client={}", dead[2]["row"].as_str().unwrap());
    assert_eq!(admin.get(&client).await["items"], json!([dead[2]]));
    for (query, count) in [("state=held", 0), ("since=2100-01-01T00:00:00Z", 0), ("until=2100-01-01T00:00:00Z", 3)] {
        let page = admin.get(&format!("/v1/deliveries?{query}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{query}");
    }
    let page = admin.get("/v1/deliveries?limit=2").await;
    let rest = admin.get(page["next"].as_str().unwrap()).await;
    assert_eq!((&rest["items"][0], &rest["next"]), (&dead[2], &Value::Null));

    receiver.answer(|_| Reply::status(200));
    assert_eq!(ran(server.command(&["delivery", "replay", id])), [json!({"replayed": 1})]);
    let arrived = |id: &Value| receiver.received().last().is_some_and(|one| one.id() == id.as_str().unwrap());
    eventually("one has arrived", async || arrived(&dead[1]["change_id"]).then_some(())).await;
    assert_eq!(ran(server.command(&["delivery", "replay", "--subscription", "acme"])), [json!({"replayed": 2})]);
    eventually("nothing is left", async || {
        admin.get("/v1/deliveries").await["items"].as_array().unwrap().is_empty().then_some(())
    })
    .await;
    assert_eq!(admin.try_get(&format!("/v1/deliveries/{id}")).await.0, StatusCode::NOT_FOUND);
    let attempts = ran(server.command(&["delivery", "attempts", "acme"]));
    assert_eq!((&attempts[0]["outcome"], &attempts[0]["status"]), (&json!("delivered"), &json!(200)));
    assert_eq!(attempts.last().unwrap()["outcome"], "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_sent_at_once_and_tells_what_came_of_it() {
    let (server, receiver) = (start(), Receiver::start().await);
    let admin = server.admin();
    subscribe(&admin, "acme", &receiver, json!({})).await;
    let told = ran(server.command(&["subscription", "test", "acme"])).remove(0);
    assert_eq!((&told["outcome"], &told["status"]), (&json!("delivered"), &json!(204)));
    let received = receiver.wait(1).await;
    assert_eq!(
        (received[0].id(), &received[0].json()["type"]),
        (told["id"].as_str().unwrap(), &json!("regledger.subscription.test.v1"))
    );
    receiver.answer(|_| Reply::status(418));
    let told = admin.post("/v1/subscriptions/acme/test", &json!({})).await;
    assert_eq!((&told["outcome"], &told["status"]), (&json!("failed"), &json!(418)));
    let nobody = json!({"name": "nobody", "url": "http://127.0.0.1:1024/"});
    admin.post("/v1/subscriptions", &nobody).await;
    let told = admin.post("/v1/subscriptions/nobody/test", &json!({})).await;
    assert_eq!((&told["outcome"], &told["status"]), (&json!("failed"), &Value::Null));
    assert_eq!(told["answer"], "the host cannot be connected to");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_can_listen_for_what_is_pushed() {
    let server = start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let address = acceptance::free_address();
    let asked = json!({"name": "acme", "url": format!("http://{address}/"), "types": ["client.*"]});
    let made = admin.post("/v1/subscriptions", &asked).await;
    let secret = made["secret"].as_str().unwrap();
    let mut listening = regledger(&["listen", "--listen", &address, "--secret", secret, "--output", "json"]);
    let mut child = listening.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on http://"), "{line}");
    notify(&admin, &hookup, [1]).await;
    let mut printed = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut printed).unwrap();
    let change: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(change["type"], "regledger.client.registered.v1");
    let forged = reqwest::Client::new().post(format!("http://{address}/")).header("webhook-id", "x").body("{}");
    assert_eq!(forged.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    child.kill().unwrap();
    child.wait().unwrap();
}
