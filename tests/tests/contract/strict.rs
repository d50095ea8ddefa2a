//! Requests are taken as they were meant, or refused: nothing that was asked for is ignored.

use acceptance::{Client, Server, notice};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const READS: [&str; 7] = [
    "/v1/clients",
    "/v1/changes",
    "/v1/events",
    "/v1/integrations",
    "/v1/tokens",
    "/v1/quarantine",
    "/v1/clients/ID/changes",
];

async fn repeat(admin: &Client, method: Method, path: &str) -> [StatusCode; 2] {
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = admin.request(method.clone(), path).header("idempotency-key", format!("the same of {path}"));
        answers.push(request.send().await.unwrap().status());
    }
    [answers[0], answers[1]]
}

async fn registered(admin: &Client) -> (String, Value) {
    let hookup = admin.integration("acme-lab").await;
    let receipt = admin.notify(&hookup, &notice(1)).await;
    let path = format!("/v1/clients?min_position={}", Client::place(&receipt));
    let client = admin.get(&path).await["items"][0].clone();
    (hookup, client)
}

#[tokio::test]
async fn every_read_takes_min_position_and_no_parameter_that_it_does_not_know() {
    let server = Server::start();
    let admin = server.admin();
    let (_, client) = registered(&admin).await;
    for read in READS {
        let path = read.replace("ID", client["id"].as_str().unwrap());
        for (query, expected) in
            [("min_position=0:3", 200), ("min_position=garbage", 400), ("limti=3", 400), ("limit=0", 400)]
        {
            let (status, answer) = admin.try_get(&format!("{path}?{query}")).await;
            assert_eq!(status.as_u16(), expected, "{path}?{query}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_repeated_deletion_revocation_or_dismissal_has_the_same_outcome() {
    let server = Server::start();
    let admin = server.admin();
    let (hookup, client) = registered(&admin).await;
    let (_, problem) = admin.try_notify(&hookup, "not json").await;
    let message = problem["quarantine_id"].as_str().unwrap();
    let token = admin.post("/v1/tokens", &json!({"name": "t", "scopes": ["admin"]})).await;
    let cases = [
        (Method::POST, format!("/v1/quarantine/{message}/dismiss"), 200),
        (Method::POST, format!("/v1/clients/{}/retire", client["id"].as_str().unwrap()), 200),
        (Method::DELETE, format!("/v1/tokens/{}", token["id"].as_str().unwrap()), 204),
        (Method::DELETE, "/v1/integrations/acme-lab".to_owned(), 204),
    ];
    for (method, path, expected) in cases {
        let answers = repeat(&admin, method, &path).await;
        assert_eq!(answers.map(|status| status.as_u16()), [expected; 2], "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_not_put_off() {
    let server = Server::start();
    let admin = server.admin();
    let (status, problem) = admin.try_get("/v1/changes?from=snapshot").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "pages have no snapshot: {problem}");
    let long = "x".repeat(500);
    let uris: Vec<_> = (0..100).map(|n| format!("{long}{n}")[..500].to_owned()).collect();
    let hosts: Vec<_> = (0..100).map(|n| format!("{}.{n}.example", vec!["y".repeat(60); 3].join("."))).collect();
    let huge = json!({"name": "huge", "source": "provet", "notify": {"kind": "hookup"},
        "redirect_uris": uris, "allow": {"token_hosts": hosts}});
    let (status, problem) = admin.try_post("/v1/integrations", &huge).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "trying again would not help: {problem}");
}

#[tokio::test]
async fn a_token_cannot_outlive_the_one_that_makes_it() {
    let server = Server::start();
    let spec = json!({"name": "t", "scopes": ["admin"], "expires_time": "2100-01-01T00:00:00Z"});
    let made = server.admin().post("/v1/tokens", &spec).await;
    let mortal = Client::new(&server.url, made["token"].as_str().unwrap());
    for (expires, expected) in
        [(json!("2099-01-01T00:00:00Z"), 201), (json!("2100-01-01T00:00:01Z"), 403), (Value::Null, 403)]
    {
        let asked = json!({"name": "t", "scopes": ["admin"], "expires_time": expires});
        let (status, answer) = mortal.try_post("/v1/tokens", &asked).await;
        assert_eq!(status.as_u16(), expected, "{expires}: {answer}");
    }
}
