//! The main story: an integration, its hookup URL, a notice, the client table, the changes.

use acceptance::{Client, Server, notice, tool};
use data_encoding::BASE64;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a test of the story has at hand.
struct Story {
    _server: Server,
    admin: Client,
    hookup: String,
}

async fn begin() -> Story {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    Story { _server: server, admin, hookup }
}

impl Story {
    /// Posts a notice: the receipt, and the changes that came of it.
    async fn post(&self, notice: &Value) -> (Value, Vec<Value>) {
        let receipt = self.admin.notify(&self.hookup, notice).await;
        let place = Client::place(&receipt);
        self.admin.get(&format!("/v1/clients?min_position={place}")).await;
        let page = self.admin.get("/v1/changes?limit=1000").await;
        let changes = page["items"].as_array().unwrap().iter();
        let of_it = changes.filter(|change| is_at(change, &receipt)).cloned().collect();
        (receipt, of_it)
    }

    async fn only_client(&self) -> Value {
        let page = self.admin.get("/v1/clients").await;
        assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
        assert_eq!(page["next"], Value::Null);
        page["items"][0].clone()
    }
}

fn is_at(change: &Value, receipt: &Value) -> bool {
    let place = format!("-{}-{}-", receipt["partition"], receipt["position"]);
    change["id"].as_str().unwrap().contains(&place)
}

#[tokio::test]
async fn a_hookup_url_is_absolute_and_shown_once() {
    let server = Server::start();
    let admin = server.admin();
    let asked = json!({"name": "acme-lab", "source": "provet", "notify": {"kind": "hookup"},
        "owner": "Ann", "authorization_grant_type": "client_credentials",
        "redirect_uris": ["https://example.com/callback"],
        "allow": {"addresses": ["127.0.0.0/8"], "token_hosts": ["provetcloud.com"]}});
    let mut made = admin.post("/v1/integrations", &asked).await;
    let url = made["hookup_url"].as_str().unwrap().to_owned();
    let key = url.strip_prefix(&format!("{}/hookup/acme-lab/", admin.url)).unwrap();
    assert!(key.len() >= 43, "256 random bits");
    made.as_object_mut().unwrap().remove("hookup_url");
    assert_eq!(admin.get("/v1/integrations/acme-lab").await, made);
    assert_eq!(admin.get("/v1/integrations").await, json!({"items": [made], "next": null}));
    for (field, value) in asked.as_object().unwrap() {
        assert_eq!(&made[field], value, "{field} is given back");
    }
    assert_eq!(made["domain"], "default");
}

#[tokio::test]
async fn a_notice_posted_with_curl_is_receipted_where_it_is_durable() {
    let story = begin().await;
    let body = notice(1234).to_string();
    let posted = tool("curl")
        .args(["-sS", "--fail-with-body", "-H", "content-type: application/json", "-d", &body])
        .arg(&story.hookup)
        .output()
        .unwrap();
    let receipt: Value = serde_json::from_slice(&posted.stdout).unwrap();
    let mut fields: Vec<_> = receipt.as_object().unwrap().keys().cloned().collect();
    fields.sort();
    assert_eq!(fields, ["event_id", "leaf_hash", "partition", "position", "recorded_time"]);
    let from = receipt["position"].as_u64().unwrap();
    let request = story.admin.request(Method::GET, &format!("/v1/events?from={from}&limit=1"));
    let line = request.send().await.unwrap().text().await.unwrap();
    let entry = line.strip_suffix('\n').unwrap();
    let leaf = Sha256::new().chain_update([0]).chain_update(entry).finalize();
    assert_eq!(receipt["leaf_hash"], BASE64.encode(&leaf));
    let event: Value = serde_json::from_str(entry).unwrap();
    assert_eq!(event["id"], receipt["event_id"]);
    assert_eq!(event["id"].as_str().unwrap().as_bytes()[14], b'7', "UUIDv7");
    assert_eq!(event["time"], receipt["recorded_time"]);
    assert_eq!(receipt["partition"], 0);
    assert!(!entry.contains("secret-of-1234"), "the secret is sealed");
}

#[tokio::test]
async fn a_client_and_its_change_are_shown_exactly_as_the_contract_says() {
    let story = begin().await;
    let mut first = notice(1234);
    first["departments"] = json!([9, 3]);
    let (receipt, changes) = story.post(&first).await;
    let shown = story.only_client().await;
    let id = shown["id"].as_str().unwrap();
    assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "URL-safe: {id}");
    let row = json!({
        "id": id, "integration": "acme-lab", "domain": "default", "tenant": "provetcloud.com/1234",
        "provet_id": 1234, "client_id": "client-1234", "algorithm": "RS256",
        "authorization_grant_type": "client_credentials", "client_type": "confidential",
        "redirect_uris": ["https://example.com/callback"],
        "token_url": "https://provetcloud.com/1234/oauth2/token/",
        "authorize_url": "https://provetcloud.com/1234/oauth2/authorize/",
        "openid_autodiscovery_url": null, "has_secret": true, "departments": [3, 9],
        "state": "active", "latest": true, "partition": 0, "position": receipt["position"],
        "registered_time": receipt["recorded_time"], "changed_time": receipt["recorded_time"],
    });
    assert_eq!(shown, row);
    assert_eq!(story.admin.get(&format!("/v1/clients/{id}")).await, row);

    let position = receipt["position"].as_u64().unwrap();
    let ledger = changes[0]["id"].as_str().unwrap().split('-').next().unwrap();
    let mut after = row;
    for joined_when_read in ["domain", "latest"] {
        after.as_object_mut().unwrap().remove(joined_when_read);
    }
    let registered = json!({
        "specversion": "1.0", "id": format!("{ledger}-0-{position}-0"),
        "source": "/integrations/acme-lab", "type": "regledger.client.registered.v1",
        "subject": "provetcloud.com/1234", "time": receipt["recorded_time"],
        "recordedtime": receipt["recorded_time"], "partition": 0,
        "sequence": format!("{position:020}.0000"), "datacontenttype": "application/json",
        "data": {"client": after},
    });
    assert_eq!(changes, [registered]);
}

#[tokio::test]
async fn each_notice_does_to_the_departments_what_the_contract_says() {
    // What comes with the notice; the changes as (type, departments, drift, fields); departments and state after.
    type Expected = (&'static str, Value, Value, Value);
    const NONE: Value = Value::Null;
    let added = |ids: Value, drift: bool| ("departments_added", ids, json!(drift), NONE);
    let removed = |ids: Value, drift: bool| ("departments_removed", ids, json!(drift), NONE);
    let plain = |kind| (kind, NONE, NONE, NONE);
    let updated = |fields: Value| ("updated", NONE, NONE, fields);
    let cases: Vec<(Value, Vec<Expected>, Value, &str)> = vec![
        (json!({}), vec![plain("registered")], NONE, "active"),
        (json!({}), vec![], NONE, "active"),
        (json!({"added_department": 3, "departments": [3]}), vec![added(json!([3]), false)], json!([3]), "active"),
        (json!({"added_department": 9}), vec![added(json!([9]), false)], json!([3, 9]), "active"),
        (json!({"added_department": 9.0}), vec![], json!([3, 9]), "active"),
        (json!({"departments": [3, 9, 27]}), vec![added(json!([27]), true)], json!([3, 9, 27]), "active"),
        (
            json!({"departments": [3], "removed_department": 27}),
            vec![removed(json!([9, 27]), true)],
            json!([3]),
            "active",
        ),
        (json!({"departments": [4]}), vec![added(json!([4]), true), removed(json!([3]), true)], json!([4]), "active"),
        (
            json!({"removed_department": 4}),
            vec![removed(json!([4]), false), plain("deactivated")],
            json!([]),
            "inactive",
        ),
        (json!({"added_department": 5}), vec![added(json!([5]), false), plain("reactivated")], json!([5]), "active"),
        (
            json!({"algorithm": "HS256", "client_secret": "another-4f1c9a22"}),
            vec![updated(json!(["algorithm", "client_secret"]))],
            json!([5]),
            "active",
        ),
        (
            json!({"algorithm": null, "client_secret": null, "removed_department": 5}),
            vec![updated(json!(["algorithm", "client_secret"])), removed(json!([5]), false), plain("deactivated")],
            json!([]),
            "inactive",
        ),
    ];
    let story = begin().await;
    for (number, (fields, expected, departments, state)) in cases.into_iter().enumerate() {
        let mut posted = notice(7);
        if number >= 10 {
            posted["algorithm"] = json!("HS256");
            posted["client_secret"] = json!("another-4f1c9a22");
        }
        posted.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (_, changes) = story.post(&posted).await;
        let said: Vec<_> = changes
            .iter()
            .map(|c| {
                (
                    c["type"].clone(),
                    c["data"]["departments"].clone(),
                    c["data"]["drift"].clone(),
                    c["data"]["fields"].clone(),
                )
            })
            .collect();
        let due: Vec<_> = expected
            .into_iter()
            .map(|(kind, ids, drift, fields)| (json!(format!("regledger.client.{kind}.v1")), ids, drift, fields))
            .collect();
        assert_eq!(said, due, "case {number}: {fields}");
        for (ordinal, change) in changes.iter().enumerate() {
            assert!(change["id"].as_str().unwrap().ends_with(&format!("-{ordinal}")), "{change}");
            assert!(change["sequence"].as_str().unwrap().ends_with(&format!(".{ordinal:04}")), "{change}");
        }
        let client = story.only_client().await;
        assert_eq!((&client["departments"], &client["state"]), (&departments, &json!(state)), "case {number}");
        if let Some(last) = changes.last() {
            assert_eq!(last["data"]["client"]["departments"], departments, "case {number}");
            assert_eq!(last["data"]["client"]["state"], state, "case {number}");
        }
    }
}

#[tokio::test]
async fn a_retired_client_comes_back_with_its_tenants_next_notice() {
    let story = begin().await;
    story.post(&notice(5)).await;
    let id = story.only_client().await["id"].as_str().unwrap().to_owned();
    let retired = story.admin.post(&format!("/v1/clients/{id}/retire"), &json!({})).await;
    assert_eq!(retired["state"], "retired");
    assert_eq!(retired, story.only_client().await);
    let (_, changes) = story.post(&notice(5)).await;
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["type"], "regledger.client.reactivated.v1");
    assert_eq!(story.only_client().await["state"], "active");
    let history = story.admin.get(&format!("/v1/clients/{id}/changes")).await;
    let items = history["items"].as_array().unwrap();
    let types: Vec<_> = items.iter().map(|change| change["type"].as_str().unwrap()).collect();
    let due = ["registered", "retired", "reactivated"].map(|t| format!("regledger.client.{t}.v1"));
    assert_eq!(types, due);
}

#[tokio::test]
async fn a_number_is_the_same_however_it_is_written_and_keeps_its_lexeme_in_the_ledger() {
    let story = begin().await;
    let template = notice(1234).to_string();
    for lexeme in ["1234", "1234.0", "1.234e3", "12340e-1", "1234.000"] {
        let body = template.replace("\"provet_id\":1234", &format!("\"provet_id\":{lexeme}"));
        let (status, receipt) = story.admin.try_notify(&story.hookup, body).await;
        assert_eq!(status, 200, "{lexeme}: {receipt}");
        let path = format!("/v1/clients?min_position={}", Client::place(&receipt));
        let clients = story.admin.get(&path).await;
        assert_eq!(clients["items"].as_array().unwrap().len(), 1, "{lexeme}");
        assert_eq!(clients["items"][0]["provet_id"].to_string(), "1234", "{lexeme}");
        let from = format!("/v1/events?from={}", receipt["position"]);
        let line = story.admin.request(Method::GET, &from).send().await.unwrap().text().await.unwrap();
        assert!(line.contains(&format!("\"provet_id\":{lexeme},")), "{lexeme}: {line}");
    }
    for lexeme in ["1234.5", "9007199254740992", "1e400"] {
        let body = template.replace("\"provet_id\":1234", &format!("\"provet_id\":{lexeme}"));
        let (status, problem) = story.admin.try_notify(&story.hookup, body).await;
        assert_eq!(status, 422, "{lexeme}: {problem}");
        assert_eq!(problem["errors"][0]["pointer"], "/provet_id", "{lexeme}");
    }
}

#[tokio::test]
async fn a_redelivered_notice_changes_nothing() {
    let story = begin().await;
    let (first, _) = story.post(&notice(1)).await;
    let (again, changes) = story.post(&notice(1)).await;
    assert_ne!(first["position"], again["position"], "it is a fact that it came");
    assert_eq!(changes, Vec::<Value>::new());
    assert_eq!(story.only_client().await["position"], first["position"]);
}

#[tokio::test]
async fn a_secret_is_shown_after_the_reveal_is_an_event() {
    let story = begin().await;
    story.post(&notice(5)).await;
    let id = story.only_client().await["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/clients/{id}/reveal");
    let (status, problem) = story.admin.try_post(&path, &json!({})).await;
    assert_eq!(status, 422, "no reason, no secret: {problem}");
    let shown = story.admin.post(&path, &json!({"reason": "to set up the connection"})).await;
    assert_eq!(shown, json!({"client_id": "client-5", "client_secret": "secret-of-5-4f9a1c0e7b"}));
    let events = story.admin.request(Method::GET, "/v1/events").send().await.unwrap();
    let last: Value = serde_json::from_str(events.text().await.unwrap().lines().last().unwrap()).unwrap();
    assert_eq!(last["type"], "regledger.client.reveal.v1");
    assert_eq!(last["data"]["reason"], "to set up the connection");
    assert_eq!(last["subject"], id);
}
