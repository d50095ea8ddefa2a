//! Reads: the client table, now and as it was.

use acceptance::{Client, Server, notice};
use reqwest::Method;
use serde_json::{Value, json};

use crate::stream::{post, read_pages};

async fn send(admin: &Client, hookup: &str, tenant: u64, fields: Value) -> Value {
    let mut sent = notice(tenant);
    sent.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let receipt = admin.notify(hookup, &sent).await;
    admin.get(&format!("/v1/clients?limit=1&min_position={}", Client::place(&receipt))).await;
    receipt
}

fn column(page: &Value, name: &str) -> Vec<Value> {
    page["items"].as_array().unwrap().iter().map(|item| item[name].clone()).collect()
}

#[tokio::test]
async fn the_client_table_is_filtered() {
    let server = Server::start();
    let admin = server.admin();
    let (acme, other) = (admin.integration("acme-lab").await, admin.integration("other").await);
    send(&admin, &acme, 1, json!({"departments": [3, 9]})).await;
    send(&admin, &acme, 2, json!({"departments": [3], "removed_department": 3})).await;
    send(&admin, &acme, 3, json!({"client_id": "old"})).await;
    send(&admin, &acme, 3, json!({"client_id": "new", "departments": [9]})).await;
    send(&admin, &other, 1, json!({})).await;
    let id = admin.get("/v1/clients?integration=other").await["items"][0]["id"].as_str().unwrap().to_owned();
    admin.post(&format!("/v1/clients/{id}/retire"), &json!({})).await;
    let cases: [(&str, &[&str]); 14] = [
        ("", &["client-1", "client-2", "old", "new", "client-1"]),
        ("integration=acme-lab", &["client-1", "client-2", "old", "new"]),
        ("integration=unknown", &[]),
        ("tenant=provetcloud.com/3", &["old", "new"]),
        ("tenant=provetcloud.com/1&integration=other", &["client-1"]),
        ("department=9", &["client-1", "new"]),
        ("department=3", &["client-1"]),
        ("state=active", &["client-1", "old", "new"]),
        ("state=inactive", &["client-2"]),
        ("state=retired", &["client-1"]),
        ("state=erased", &[]),
        ("latest=true", &["client-1", "client-2", "new", "client-1"]),
        ("latest=false", &["old"]),
        ("latest=true&state=active&department=9", &["client-1", "new"]),
    ];
    for (query, due) in cases {
        let page = admin.get(&format!("/v1/clients?{query}")).await;
        assert_eq!(column(&page, "client_id"), due, "{query}");
        let head = admin.get("/v1/changes?type=client.*&limit=1000").await["items"].as_array().unwrap().len();
        let now = admin.get(&format!("/v1/clients?{query}&as_of=0:{}", head + 20)).await;
        assert_eq!(column(&now, "client_id"), due, "as of now: {query}");
    }
}

#[tokio::test]
async fn pages_stay_in_order_while_rows_are_added_and_changed() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    post(&admin, &hookup, 0..10).await;
    let (mut seen, mut next, mut added) = (Vec::new(), Some("/v1/clients?limit=3".to_owned()), 10);
    while let Some(path) = next {
        let page = admin.get(&path).await;
        seen.extend(column(&page, "provet_id"));
        next = page["next"].as_str().map(str::to_owned);
        if added < 15 {
            send(&admin, &hookup, added, json!({})).await;
            send(&admin, &hookup, 0, json!({"departments": [added]})).await;
            added += 1;
        }
    }
    let due: Vec<_> = (0..seen.len() as u64).map(Value::from).collect();
    assert_eq!(seen, due, "no row twice, none left out");
    assert!(seen.len() >= 13, "rows that were added meanwhile come at the end");
    for wrong in
        ["limit=0", "limit=1001", "limit=x", "after=x", "department=x", "as_of=x", "min_position=x", "min_position=17"]
    {
        assert_eq!(admin.try_get(&format!("/v1/clients?{wrong}")).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn the_table_can_be_read_as_it_was() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let steps = [
        (1, json!({"departments": [3]})),
        (2, json!({})),
        (1, json!({"added_department": 9, "algorithm": "HS256"})),
        (1, json!({"client_id": "again"})),
        (2, json!({"departments": [], "removed_department": 1})),
        (3, json!({})),
    ];
    let mut then = Vec::new();
    for (tenant, fields) in steps {
        let receipt = send(&admin, &hookup, tenant, fields).await;
        then.push((receipt, admin.get("/v1/clients").await));
    }
    for (receipt, table) in then {
        let place = Client::place(&receipt);
        let time = receipt["recorded_time"].as_str().unwrap();
        for when in [place.as_str(), &receipt["position"].to_string(), time] {
            assert_eq!(admin.get(&format!("/v1/clients?as_of={when}")).await, table, "{when}");
            let paged = read_pages(&admin, &format!("/v1/clients?limit=1&as_of={when}")).await;
            assert_eq!(Value::from(paged), table["items"], "page by page: {when}");
            for row in table["items"].as_array().unwrap() {
                let path = format!("/v1/clients/{}?as_of={when}", row["id"].as_str().unwrap());
                assert_eq!(&admin.get(&path).await, row, "{when}");
            }
            let active = admin.get(&format!("/v1/clients?state=active&as_of={when}")).await;
            let due: Vec<_> =
                table["items"].as_array().unwrap().iter().filter(|row| row["state"] == "active").collect();
            assert_eq!(active["items"].as_array().unwrap().iter().collect::<Vec<_>>(), due, "{when}");
        }
    }
    let before = admin.get("/v1/clients?as_of=2020-01-01T00:00:00Z").await;
    assert_eq!(before, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn everything_that_happened_to_a_client_can_be_read() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    for department in 1..=5 {
        send(&admin, &hookup, 1, json!({"departments": [department], "algorithm": department.to_string()})).await;
        send(&admin, &hookup, 2, json!({"departments": [department]})).await;
    }
    let page = admin.get("/v1/clients?tenant=provetcloud.com/1").await;
    let id = page["items"][0]["id"].as_str().unwrap();
    let all = read_pages(&admin, "/v1/changes?tenant=provetcloud.com/1").await;
    assert_eq!(all.len(), 1 + 4 * 3);
    for limit in [1, 2, 5, 100] {
        let history = read_pages(&admin, &format!("/v1/clients/{id}/changes?limit={limit}")).await;
        assert_eq!(history, all, "limit {limit}");
    }
    assert_eq!(admin.try_get("/v1/clients/unknown/changes").await.0, 404);
    assert_eq!(admin.try_get(&format!("/v1/clients/{id}/changes?after=x")).await.0, 400);
}

#[tokio::test]
async fn a_read_waits_for_the_position_that_it_must_see() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let next = admin.notify(&hookup, &notice(1)).await["position"].as_u64().unwrap() + 1;
    let path = format!("/v1/clients?min_position=0:{next}");
    let waiting = tokio::spawn({
        let (admin, path) = (admin.clone(), path.clone());
        async move { admin.get(&path).await }
    });
    admin.notify(&hookup, &notice(2)).await;
    assert_eq!(waiting.await.unwrap()["items"].as_array().unwrap().len(), 2);
    for round in 3..50 {
        let receipt = admin.notify(&hookup, &notice(round)).await;
        let page = admin.get(&format!("/v1/clients?min_position={}", Client::place(&receipt))).await;
        assert_eq!(page["items"].as_array().unwrap().len() as u64, round, "it is there at once");
    }
    let (status, problem) = admin.try_get("/v1/clients?min_position=1:0").await;
    assert!(status.is_client_error() || status == 504, "there is no such partition: {problem}");
}

#[tokio::test]
async fn a_change_id_is_the_same_after_the_projection_was_made_anew() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    post(&admin, &hookup, 0..20).await;
    let (table, changes) = (admin.get("/v1/clients").await, admin.get("/v1/changes").await);
    let (_, data, _own) = server.stop();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }
    let server = Server::start_in(&data, &acceptance::Options::default());
    let admin = server.admin();
    let last = table["items"][19]["position"].as_u64().unwrap();
    assert_eq!(admin.get(&format!("/v1/clients?min_position=0:{last}")).await, table);
    assert_eq!(admin.get("/v1/changes").await, changes);
    assert_eq!(admin.request(Method::GET, "/readyz").send().await.unwrap().status(), 200);
}
