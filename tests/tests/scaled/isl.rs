//! What an ISL system says reaches the stream through Kafka and PostgreSQL, and is told once.

use std::sync::atomic::{AtomicU32, Ordering};

use acceptance::audit::events_of;
use acceptance::search::{Search, canary};
use acceptance::{Client, eventually};
use serde_json::{Value, json};

use crate::fleet::{Fleet, PARTITIONS};

async fn acknowledged(sender: &Client, url: &str, form: &str) {
    let (status, _, answer) = sender.post_form(url, form.to_owned()).await;
    assert!(status == 200 && answer.contains("<nomessage/>"), "{form}: {status} {answer}");
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_isl_system_says_reaches_the_stream_of_a_fleet_once_and_in_order() {
    let fleet = Fleet::new();
    let [intake, _projector, query] = fleet.start_all(["intake", "projector", "query"]);
    let (admin, sender) = (query.admin(), intake.admin());
    let (url, _) = admin.isl_integration("acme-isl", json!({})).await;
    let url = intake.reached(&url);
    let saves = json!({"value": "yes", "domain": "default"});
    admin.send(reqwest::Method::PUT, "/v1/settings/http_events.save_into_sessions", &saves).await;
    let nick = encoded(&canary("user-nick"));
    for form in [
        format!("MODULE=CP&DOMAIN_ID=7&EVENT=USER+CREATE&CPUSER_ID={nick}"),
        format!("MODULE=CP&DOMAIN_ID=7&EVENT=USER+CREATE&CPUSER_ID={nick}"),
        format!("MODULE=CP&DOMAIN_ID=7&EVENT=USER+DELETE&CPUSER_ID={nick}"),
        "MODULE=CP&DOMAIN_ID=7&EVENT=DOMAIN+DELETE".to_owned(),
        format!("MODULE=ISL_LIGHT&DOMAIN_ID=7&EVENT=START&SESSIONID=s1&USER_NICK={nick}"),
    ] {
        acknowledged(&sender, &url, &form).await;
    }
    let expected = ["domain.created", "user.created", "user.deleted", "domain.deleted"];
    let changes = eventually("the changes", async || {
        let page = admin.get("/v1/changes?integration=acme-isl&type=user.*&type=domain.*").await;
        let items = page["items"].as_array().unwrap().clone();
        (items.len() >= expected.len()).then_some(items)
    })
    .await;
    let told: Vec<_> = changes.iter().map(|change| change["type"].clone()).collect();
    assert_eq!(told, expected.map(|kind| json!(format!("regledger.{kind}.v1"))));
    let partition = &changes[0]["partition"];
    assert!(*partition != 0 && changes.iter().all(|change| change["partition"] == *partition), "{changes:?}");
    // the setting is known to an intake that folds the directory by itself, a moment later: events from then on are kept
    let attempts = AtomicU32::new(0);
    let session = eventually("the session", async || {
        let attempt = attempts.fetch_add(1, Ordering::Relaxed);
        let form = format!("MODULE=ISL_LIGHT&DOMAIN_ID=7&EVENT=STOP&SESSIONID=s1&TIMESTAMP={attempt}");
        acknowledged(&sender, &url, &form).await;
        let (_, session) = admin.try_get("/v1/sessions/s1").await;
        session["events"].as_array().is_some_and(|events| !events.is_empty()).then_some(session)
    })
    .await;
    assert_eq!(session["domain_id"], "7");
    let mut search = Search::of([canary("user-nick")]);
    for partition in 0..PARTITIONS {
        search.text("/v1/events", events_of(&admin, partition).await.join("\n"));
    }
    search.text("/v1/changes", json!(changes).to_string());
    search.found_nothing();
    let jwks: Value = sender.get("/.well-known/jwks.json").await;
    assert_eq!(jwks, json!({"keys": []}), "every process serves it");
}
