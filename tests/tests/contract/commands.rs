//! Commands: carried out once, whatever is repeated; refused with what is wrong.

use acceptance::{Client, Server};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

async fn with_key(admin: &Client, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
    let request = admin.request(Method::POST, path).header("idempotency-key", key).json(body);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

fn spec(name: &str) -> Value {
    json!({"name": name, "source": "provet", "notify": {"kind": "hookup"}})
}

#[tokio::test]
async fn a_repeated_command_has_the_same_outcome_without_the_secret() {
    let server = Server::start();
    let admin = server.admin();
    let cases = [
        ("/v1/integrations", spec("acme-lab"), "hookup_url", "regledger integration rotate-hookup acme-lab"),
        (
            "/v1/integrations/acme-lab/rotate-hookup",
            json!({}),
            "hookup_url",
            "regledger integration rotate-hookup acme-lab",
        ),
        ("/v1/tokens", json!({"name": "t", "scopes": ["admin"]}), "token", "regledger token create"),
    ];
    for (number, (path, body, secret, command)) in cases.into_iter().enumerate() {
        let key = format!("key-{number}");
        let (status, first) = with_key(&admin, path, &key, &body).await;
        assert!(first[secret].is_string(), "{path}: {first}");
        let (status_again, again) = with_key(&admin, path, &key, &body).await;
        assert_eq!(status_again, status, "{path}");
        assert_eq!(again[secret], Value::Null, "{path}");
        assert_eq!(again["secret_shown"], true, "{path}: {again}");
        assert!(again["new_secret"].as_str().unwrap().starts_with(command), "{path}: {again}");
        let mut due = first.clone();
        due.as_object_mut().unwrap().remove(secret);
        let mut rest = again.clone();
        rest.as_object_mut().unwrap().retain(|name, _| name != "secret_shown" && name != "new_secret");
        assert_eq!(rest, due, "{path}");
    }
    assert_eq!(admin.get("/v1/tokens").await["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_repeated_command_has_the_same_outcome_after_a_restart_and_if_it_was_refused() {
    let server = Server::start();
    let admin = server.admin();
    admin.integration("taken").await;
    let (status, refused) = with_key(&admin, "/v1/integrations", "a", &spec("taken")).await;
    assert_eq!(status, 409, "{refused}");
    let (_, made) = with_key(&admin, "/v1/integrations", "b", &spec("acme-lab")).await;
    assert_eq!(admin.send(Method::DELETE, "/v1/integrations/taken", &json!({})).await.0, 204);
    let (_, data, _own) = server.stop();
    let server = Server::start_in(&data, &acceptance::Options::default());
    let admin = server.admin();
    assert_eq!(with_key(&admin, "/v1/integrations", "a", &spec("taken")).await, (status, refused));
    let (status, again) = with_key(&admin, "/v1/integrations", "b", &spec("acme-lab")).await;
    assert_eq!((status, &again["id"]), (StatusCode::CREATED, &made["id"]));
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_one_request_of_one_token() {
    let server = Server::start();
    let admin = server.admin();
    with_key(&admin, "/v1/integrations", "k", &spec("acme-lab")).await;
    for (path, body) in [
        ("/v1/integrations", spec("other")),
        ("/v1/tokens", json!({"name": "t", "scopes": ["admin"]})),
        ("/v1/integrations/acme-lab/rotate-hookup", json!({})),
    ] {
        let (status, problem) = with_key(&admin, path, "k", &body).await;
        assert_eq!(status, 422, "{path}: {problem}");
        assert_eq!(problem["type"], "urn:regledger:problem:idempotency-key-reused");
    }
    let made = admin.post("/v1/tokens", &json!({"name": "t", "scopes": ["admin"]})).await;
    let second = Client::new(&server.url, made["token"].as_str().unwrap());
    assert_eq!(with_key(&second, "/v1/integrations", "k", &spec("other")).await.0, 201);
    let long = "k".repeat(256);
    for wrong in ["", "a\tb", &long] {
        assert_eq!(with_key(&admin, "/v1/integrations", wrong, &spec("third")).await.0, 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_sent_many_times_at_once_is_carried_out_once() {
    let server = Server::start();
    let admin = server.admin();
    let send = |_| async {
        let (status, answer) = with_key(&admin, "/v1/integrations", "once", &spec("acme-lab")).await;
        (status.as_u16(), answer)
    };
    let answers = join_all((0..20).map(send)).await;
    let shown = answers.iter().filter(|(_, answer)| answer["hookup_url"].is_string()).count();
    assert_eq!(shown, 1, "{answers:?}");
    for (status, answer) in &answers {
        let is_in_progress = answer["type"] == "urn:regledger:problem:in-progress";
        assert!(*status == 201 || (*status == 409 && is_in_progress), "{status} {answer}");
    }
    assert_eq!(admin.get("/v1/integrations").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_taken_by_one_alone_and_stays_reserved() {
    let server = Server::start();
    let admin = server.admin();
    let spec = spec("acme-lab");
    let answers = join_all((0..10).map(|_| admin.try_post("/v1/integrations", &spec))).await;
    let made = answers.iter().filter(|(status, _)| *status == StatusCode::CREATED).count();
    let taken = answers.iter().filter(|(status, _)| *status == StatusCode::CONFLICT).count();
    assert_eq!((made, taken), (1, 9), "{answers:?}");
    assert_eq!(admin.send(Method::DELETE, "/v1/integrations/acme-lab", &json!({})).await.0, 204);
    assert_eq!(admin.try_post("/v1/integrations", &spec).await.0, 409);
    assert_eq!(admin.send(Method::DELETE, "/v1/integrations/acme-lab", &json!({})).await.0, 404);
}

#[tokio::test]
async fn a_command_with_wrong_fields_is_refused_with_all_of_them() {
    let server = Server::start();
    let admin = server.admin();
    let long = "a".repeat(64);
    let cases: Vec<(Value, &[&str])> = vec![
        (json!({"name": "Acme"}), &["/name"]),
        (json!({"name": ""}), &["/name"]),
        (json!({"name": "-acme"}), &["/name"]),
        (json!({"name": "acme_lab"}), &["/name"]),
        (json!({"name": long}), &["/name"]),
        (json!({"name": 7}), &["/name"]),
        (json!({"source": "other"}), &["/source"]),
        (json!({"notify": {"kind": "pigeon"}}), &["/notify"]),
        (json!({"notify": {"kind": "hookup", "colour": "red"}}), &["/notify"]),
        (json!({"allow": {"addresses": ["10.0.0.0/33"]}}), &["/allow/addresses/0"]),
        (json!({"allow": {"token_hosts": ["ok.example", "No.Example"]}}), &["/allow/token_hosts/1"]),
        (json!({"owner": "a\nb", "name": "A"}), &["/name", "/owner"]),
        (json!({"colour": "red"}), &[""]),
    ];
    for (fields, pointers) in cases {
        let mut asked = spec("acme-lab");
        asked.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (status, problem) = admin.try_post("/v1/integrations", &asked).await;
        assert_eq!(status, 422, "{fields}: {problem}");
        let said: Vec<_> =
            problem["errors"].as_array().unwrap().iter().map(|e| e["pointer"].as_str().unwrap()).collect();
        assert_eq!(said.len(), pointers.len(), "{fields}: {problem}");
        assert!(said.iter().zip(pointers).all(|(said, due)| said.starts_with(due)), "{fields}: {problem}");
    }
    let (status, _) = admin.try_post("/v1/integrations", &json!({})).await;
    assert_eq!(status, 422);
    let fields_in_order = "[\"acme-lab\",\"provet\",\"default\",{\"kind\":\"hookup\"}]";
    for (body, due) in [("{", 400), ("{\"name\":\"a\",\"name\":\"b\"}", 400), ("[]", 422), (fields_in_order, 422)] {
        let request = admin.request(Method::POST, "/v1/integrations").body(body);
        assert_eq!(request.send().await.unwrap().status(), due, "{body}");
    }
    let nowhere = json!({"name": "a", "source": "provet", "notify": {"kind": "hookup"}, "domain": "nowhere"});
    assert_eq!(admin.try_post("/v1/integrations", &nowhere).await.0, 409);
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_every_error_says_what_to_do() {
    let server = Server::start();
    let admin = server.admin();
    for (path, due) in [
        ("/v1/clients", 200),
        ("/v1/clients/none", 404),
        ("/nowhere", 404),
        ("/v1/clients?limit=0", 400),
        ("/v1/clients?state=unheard", 400),
        ("/healthz", 200),
        ("/v1/clients?latest=perhaps", 400),
    ] {
        let answer = admin.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), due, "{path}");
        assert!(answer.headers().contains_key("x-request-id"), "{path}");
        if due >= 400 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
            let problem: Value = answer.json().await.unwrap();
            assert_eq!(problem["status"], due, "{path}");
            for member in ["type", "title", "detail"] {
                assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{path}: {problem}");
            }
        }
    }
}
