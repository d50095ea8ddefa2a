//! What nobody may see again stands nowhere in clear, neither in Kafka nor in PostgreSQL.

use std::fs;
use std::sync::Arc;

use acceptance::audit::events_of;
use acceptance::search::{Search, canary};
use acceptance::{Client, Kafka, Postgres, notice};
use serde_json::json;

use crate::fleet::{Fleet, PARTITIONS, projected};
use crate::topics::published;

/// Who somebody is: a name has no spaces.
const NAME: &str = "Cnry-Name-7f9a+&%=Ä";
const EMAIL: &str = "cnry-email-7f9a+b&c%d@example.com";

/// Every place where a fleet keeps or says something.
async fn search_everywhere(search: &mut Search, fleet: &Fleet, postgres: &Postgres, processes: [&Client; 3]) {
    for file in Kafka::shared().segments(&fleet.name) {
        search.text(&file.display().to_string(), fs::read(&file).unwrap());
    }
    postgres.sql(&fleet.database, "CHECKPOINT");
    search.files(&postgres.data());
    search.files(fleet.dir.path());
    for process in processes {
        search.text("/metrics", process.get("/metrics").await.to_string());
    }
    for partition in 0..PARTITIONS {
        let events = events_of(processes[2], partition).await;
        search.text("/v1/events", events.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_seen_again_in_kafka_in_postgres_or_in_what_a_fleet_says() {
    let postgres = Arc::new(Postgres::start());
    let fleet = Fleet::on(Kafka::shared(), postgres.clone());
    let mut processes = fleet.start_all(["intake", "projector", "query"]);
    let [intake, projector, query] = &processes;
    let (admin, hookup) = (query.admin(), intake.reached(&query.admin().integration("acme-lab").await));
    let mut told = notice(1);
    told["client_secret"] = canary("client-secret").into();
    told[canary("unknown-name")] = json!([{"deep": canary("unknown-value")}]);
    let receipt = intake.admin().notify(&hookup, &told).await;
    projected(&admin, &[receipt]).await;
    let user = json!({"name": NAME, "email": EMAIL, "password": canary("password")});
    admin.post("/v1/users", &user).await;
    let malformed = format!("{{\"client_secret\":{},", json!(canary("malformed-body")));
    assert_eq!(admin.try_notify(&hookup, malformed).await.0, 400);
    published(Kafka::shared(), &fleet.name, &admin).await;

    let clients = [&intake.admin(), &projector.admin(), &admin];
    let places = ["client-secret", "unknown-name", "unknown-value", "malformed-body"];
    let key = hookup.rsplit('/').next().unwrap().to_owned();
    let personal = [NAME.to_owned(), EMAIL.to_owned(), canary("password")];
    let mut search = Search::of(places.map(canary).into_iter().chain([key, admin.token.clone()]).chain(personal));
    search_everywhere(&mut search, &fleet, &postgres, clients).await;
    let mut control = Search::of(["https://provetcloud.com/1/oauth2/token/".to_owned()]);
    search_everywhere(&mut control, &fleet, &postgres, clients).await;
    let topics = ["events", "changes", "clients"].map(|topic| format!("{}.{topic}-", fleet.name));
    for place in ["data/base", "/v1/events"].into_iter().chain(topics.iter().map(String::as_str)) {
        let is_found = control.found.iter().any(|found| found.contains(place));
        assert!(is_found, "what is no secret is not found in {place}");
    }
    for process in &mut processes {
        search.text("a log", process.server.whole_log());
    }
    search.found_nothing();
}
