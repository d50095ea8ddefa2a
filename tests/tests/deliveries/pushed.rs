//! What is pushed is what the stream tells, signed so that others' libraries believe it.

use std::io::Write;
use std::process::{Command, Stdio};

use acceptance::{Received, Receiver, node, python, repository};
use serde_json::{Value, json};

use crate::hub::{in_order, notify, start, subscribe};

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_pushed_as_the_stream_tells_it() {
    let (server, receiver) = (start(), Receiver::start().await);
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    notify(&admin, &hookup, [1]).await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    notify(&admin, &hookup, [2, 3, 2]).await;
    let received = receiver.wait(3).await;
    let page = admin.get("/v1/changes?type=client.*").await;
    let told: Vec<_> = page["items"].as_array().unwrap()[1..].to_vec();
    assert_eq!(received.len(), 3, "what was before it is not pushed");
    for change in &told {
        let one = received.iter().find(|one| one.id() == change["id"].as_str().unwrap()).unwrap();
        assert_eq!(&one.json(), change);
        assert_eq!(one.headers["content-type"], "application/cloudevents+json");
    }
    in_order(&received);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_from_the_beginning_is_told_everything() {
    let (server, receiver, narrow) = (start(), Receiver::start().await, Receiver::start().await);
    let admin = server.admin();
    let (hookup, other) = (admin.integration("acme-lab").await, admin.integration("other").await);
    notify(&admin, &hookup, 1..=40).await;
    notify(&admin, &other, [1, 2]).await;
    subscribe(&admin, "acme", &receiver, json!({"from": "beginning", "types": []})).await;
    let filter = json!({"from": "beginning", "integrations": ["other"], "tenants": ["provetcloud.com/2"]});
    subscribe(&admin, "narrow", &narrow, filter).await;
    // Two integrations and the domain, and that it was made itself.
    let received = receiver.wait(46).await;
    assert_eq!(in_order(&received), received.len());
    assert_eq!(narrow.wait(1).await[0].subject(), "provetcloud.com/2");
}

/// For what the libraries are asked to sign themselves, which is of no interest here.
const PAIR: &str = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==";

/// Which of these keys a library of Standard Webhooks finds an attempt to be signed with.
fn verified(mut library: Command, extension: &str, keys: &[&Value], received: &Received) -> Value {
    let script = repository().join("libs/delivery/tests/delivery/others").join(format!("webhooks.{extension}"));
    let headers = received.headers.iter().filter(|(name, _)| name.starts_with("webhook-"));
    let headers: serde_json::Map<_, _> = headers.map(|(name, value)| (name.clone(), json!(value))).collect();
    let body = String::from_utf8(received.body.clone()).unwrap();
    let task = json!({
        "attempts": [{"keys": keys, "headers": headers, "body": body}],
        "sign": {"secret": keys[0], "pair": PAIR, "id": "x", "body": "{}"},
    });
    let mut child = library.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    serde_json::from_slice::<Value>(&said).unwrap()["verified"][0].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_libraries_of_standard_webhooks_believe_a_signature_also_while_keys_overlap() {
    let (server, receiver) = (start(), Receiver::start().await);
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let made = subscribe(&admin, "acme", &receiver, json!({"signature": "both"})).await;
    notify(&admin, &hookup, [1]).await;
    receiver.wait(1).await;
    let rotated = admin.post("/v1/subscriptions/acme/rotate-secret", &json!({})).await;
    notify(&admin, &hookup, [2]).await;
    let received = receiver.wait(2).await;
    let public = &rotated["public_keys"];
    let keys = [&made["secret"], &rotated["secret"], &public[1], &public[0]];
    for (one, due) in [(&received[0], [true, false, true, false]), (&received[1], [true; 4])] {
        assert_eq!(verified(python(), "py", &keys, one), json!(due), "Python");
        assert_eq!(verified(node(), "mjs", &keys, one), json!(due), "JavaScript");
    }
    let versions: Vec<_> =
        received[1].headers["webhook-signature"].split(' ').map(|one| one.split(',').next().unwrap()).collect();
    assert_eq!(versions, ["v1", "v1a", "v1", "v1a"], "the new keys and the old ones");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_of_a_domain_is_told_of_that_domain_alone() {
    let (server, own, all) = (start(), Receiver::start().await, Receiver::start().await);
    let admin = server.admin();
    admin.post("/v1/domains", &json!({"name": "north"})).await;
    subscribe(&admin, "own", &own, json!({"types": ["client.*", "user.*"], "domain": "north"})).await;
    subscribe(&admin, "all", &all, json!({"types": ["client.*", "user.*"]})).await;
    let elsewhere = admin.integration("acme-lab").await;
    let asked = json!({"name": "north-lab", "source": "provet", "domain": "north", "notify": {"kind": "hookup"}});
    let made = admin.post("/v1/integrations", &asked).await;
    let hookup = made["hookup_url"].as_str().unwrap();
    for domain in ["default", "north"] {
        admin.post("/v1/users", &json!({"domain": domain, "name": "ann"})).await;
    }
    notify(&admin, &elsewhere, [1]).await;
    notify(&admin, hookup, [2]).await;
    all.wait(4).await;
    let told: Vec<_> = own.wait(2).await.iter().map(|one| one.json()["type"].clone()).collect();
    assert_eq!(told, ["regledger.user.created.v1", "regledger.client.registered.v1"]);
}
