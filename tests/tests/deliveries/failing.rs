//! Receivers that fail, in every way.

use std::collections::BTreeMap;
use std::time::Duration;

use acceptance::{Receiver, Reply, eventually};
use serde_json::json;

use crate::hub::{in_order, notify, notify_again, standing, stands, start, start_with, subscribe};

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_fails_is_in_nobodys_way_and_keeps_its_order() {
    let server = start();
    let receiver =
        Receiver::answering(|one| Reply::status(if one.subject().ends_with("/1") { 500 } else { 200 })).await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    notify(&admin, &hookup, [1, 2, 1, 3, 1, 2]).await;
    eventually("the others have arrived", async || {
        let others = receiver.received().iter().filter(|one| !one.subject().ends_with("/1")).count();
        (others == 3).then_some(())
    })
    .await;
    let failed = receiver.received().iter().filter(|one| one.subject().ends_with("/1")).count();
    assert!(failed < 5, "it is waited between attempts");
    receiver.answer(|_| Reply::status(200));
    eventually("everything has arrived", async || (receiver.ids().len() == 6).then_some(())).await;
    in_order(&receiver.received());
    let mut bodies = BTreeMap::new();
    for one in receiver.received() {
        let before = bodies.insert(one.id().to_owned(), one.body.clone());
        assert!(before.is_none_or(|before| before == one.body), "the same body at every attempt");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_left_alone_until_somebody_resumes() {
    let (server, receiver) = (start(), Receiver::answering(|_| Reply::status(410)).await);
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    notify(&admin, &hookup, [1]).await;
    stands(&admin, "acme", "paused: gone").await;
    let paused = admin.get("/v1/changes?type=subscription.paused").await;
    assert_eq!(paused["items"][0]["data"]["subscription"]["paused"]["reason"], "gone");
    notify(&admin, &hookup, [2, 3]).await;
    assert_eq!(receiver.count(), 1);
    receiver.answer(|_| Reply::status(200));
    admin.post("/v1/subscriptions/acme/resume", &json!({})).await;
    receiver.wait(4).await;
    assert_eq!(receiver.ids().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_asks_for_time_is_given_it() {
    let server = start();
    let receiver =
        Receiver::answering(|_| Reply { headers: vec![("retry-after", "3".to_owned())], ..Reply::status(503) }).await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    let begun = tokio::time::Instant::now();
    notify(&admin, &hookup, [1]).await;
    receiver.wait(2).await;
    assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirection_is_a_failure_and_is_not_followed() {
    let (server, elsewhere) = (start(), Receiver::start().await);
    let target = elsewhere.url.clone();
    let receiver =
        Receiver::answering(move |_| Reply { headers: vec![("location", target.clone())], ..Reply::status(307) }).await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    notify(&admin, &hookup, [1]).await;
    receiver.wait(2).await;
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_is_in_no_other_subscriptions_way() {
    let server = start_with(&["--delivery-attempt-seconds", "2"]);
    let stuck = Receiver::answering(|_| Reply { delay: Duration::from_secs(600), ..Reply::status(200) }).await;
    let healthy = Receiver::start().await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "stuck", &stuck, json!({})).await;
    subscribe(&admin, "healthy", &healthy, json!({})).await;
    notify(&admin, &hookup, 1..=100).await;
    healthy.wait(100).await;
    eventually("attempts end at their deadline", async || (stuck.count() > 16).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_for_too_long_is_given_up_and_what_always_fails_pauses() {
    let server = start_with(&["--delivery-give-up-seconds", "2", "--delivery-pause-seconds", "6"]);
    let receiver =
        Receiver::answering(|one| Reply::status(if one.subject().ends_with("/1") { 400 } else { 200 })).await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    notify(&admin, &hookup, [1]).await;
    receiver.wait(3).await;
    notify(&admin, &hookup, [2]).await;
    eventually("the first is given up", async || {
        let metrics = admin.request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        metrics.contains(r#"regledger_delivery_attempts_total{outcome="dead",subscription="acme"} 1"#).then_some(())
    })
    .await;
    receiver.answer(|_| Reply::status(500));
    let mut tenant = 3;
    eventually("nothing but failure pauses it", async || {
        tenant += 1;
        notify_again(&admin, &hookup, tenant, "B").await;
        (standing(&admin, "acme").await == "paused: failing").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_of_one_client_wait_while_the_others_flow() {
    let server = start();
    let receiver =
        Receiver::answering(|one| Reply::status(if one.subject().ends_with("/1") { 503 } else { 200 })).await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    subscribe(&admin, "acme", &receiver, json!({})).await;
    let (admin, hookup) = (&admin, hookup.as_str());
    for chunk in 0..100 {
        let sent = (0..100).map(|n| async move {
            let algorithm = format!("A{chunk}-{n}");
            notify_again(admin, hookup, 1, &algorithm).await;
        });
        futures_util::future::join_all(sent).await;
    }
    notify(admin, hookup, 100..150).await;
    eventually("the others have arrived", async || {
        let others = receiver.received().iter().filter(|one| !one.subject().ends_with("/1")).count();
        (others >= 50).then_some(())
    })
    .await;
    receiver.answer(|_| Reply::status(200));
    eventually("everything has arrived", async || (receiver.ids().len() >= 10_050).then_some(())).await;
    in_order(&receiver.received());
}
