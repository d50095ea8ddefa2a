//! A change that is sent again is sent as it was, whatever its user is called by now.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use acceptance::{Client, Received, Receiver, Reply, eventually};
use data_encoding::BASE64URL_NOPAD;
use reqwest::Method;
use serde_json::{Value, json};

use crate::hub::start;

async fn set(admin: &Client, key: &str, value: &str) {
    let (status, answer) = admin.send(Method::PUT, &format!("/v1/settings/{key}"), &json!({"value": value})).await;
    assert_eq!(status, 200, "{key}: {answer}");
}

/// A receiver that fails until it is opened.
async fn closed(good: &'static str) -> (Receiver, Arc<AtomicBool>) {
    let is_open = Arc::new(AtomicBool::new(false));
    let open = is_open.clone();
    let receiver = Receiver::answering(move |_| match open.load(Ordering::SeqCst) {
        false => Reply::status(503),
        true => Reply { body: good.to_owned(), ..Reply::status(200) },
    });
    (receiver.await, is_open)
}

/// Makes a user, waits until that is told in vain, renames her, and waits until it is told again.
async fn rename_in_between(admin: &Client, receiver: &Receiver) {
    let made = admin.post("/v1/users", &json!({"name": "ann", "email": "ann@example.com"})).await;
    receiver.wait(1).await;
    let path = format!("/v1/users/{}", made["id"].as_str().unwrap());
    for patch in [json!({"name": "anna"}), json!({"email": "anna@example.com"}), json!({"name": "eve", "email": null})]
    {
        assert_eq!(admin.send(Method::PATCH, &path, &patch).await.0, 200, "{patch}");
    }
    receiver.wait(receiver.count() + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_events_tell_what_a_user_was_called_at_every_attempt() {
    let (server, (receiver, is_open)) = (start(), closed("<nomessage/>").await);
    let admin = server.admin();
    let address = receiver.url.trim_start_matches("http://").trim_end_matches("/hooks");
    for (key, value) in [("server", address), ("strict", "yes"), ("enabled", "yes")] {
        set(&admin, &format!("http_events.global.{key}"), value).await;
    }
    rename_in_between(&admin, &receiver).await;
    is_open.store(true, Ordering::SeqCst);
    let told = async |event: &str| {
        eventually(event, async || {
            let bodies = receiver.received().into_iter().map(|one| String::from_utf8(one.body).unwrap());
            let told: Vec<_> = bodies.filter(|body| body.contains(event)).collect();
            (!told.is_empty()).then_some(told)
        })
        .await
    };
    let updated = told("EVENT=USER+UPDATE&").await;
    assert!(updated[0].contains("%5Canna&EMAIL=ann%40example.com"), "each is told with the name of then: {updated:?}");
    let created = told("EVENT=USER+CREATE&").await;
    assert!(created.len() >= 2 && created.iter().all(|body| *body == created[0]), "{created:#?}");
    assert!(created[0].contains("%5Cann&EMAIL=ann%40example.com"), "{}", created[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_signed_anew_says_the_same_of_the_user() {
    let (server, (receiver, _)) = (start(), closed("").await);
    let admin = server.admin();
    let key = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]).output().unwrap().stdout;
    set(&admin, "jwt_webhook.private_key", &String::from_utf8(key).unwrap()).await;
    set(&admin, "webhook_events.user_create", "yes").await;
    set(&admin, "jwt_webhook.url", &receiver.url).await;
    rename_in_between(&admin, &receiver).await;
    // the second may come within the second of the first
    receiver.wait(3).await;
    let claims: Vec<Value> = receiver.received().iter().map(claims).collect();
    let (first, last) = (&claims[0], &claims[claims.len() - 1]);
    assert_eq!((&first["jti"], &first["events"]), (&last["jti"], &last["events"]));
    assert_eq!(first["events"]["urn:regledger:event:user.created"]["email"], "ann@example.com");
    assert!(first["iat"].as_i64() < last["iat"].as_i64(), "a late attempt is as good as an early one");
}

fn claims(received: &Received) -> Value {
    let jwt = received.json()["jwt"].as_str().unwrap().to_owned();
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}
