//! Malformed and hostile bodies, a line each: the exact answer, and what is kept of them.

use acceptance::eventually;
use serde_json::{Value, json};

use self::table::{Case, MAX_BODY, VALUE, cases, good, padded};
use crate::hub::{Answer, Hub, post};

mod table;

/// Media types that are taken for what they are: the body alone decides.
const TAKEN: &[Option<&[u8]>] = &[
    None,
    Some(b""),
    Some(b"application/json"),
    Some(b"application/json; charset=utf-16"),
    Some(b"APPLICATION/JSON"),
    Some(b"application/vnd.provet+json"),
    Some(b"text/plain; charset=utf-8"),
    Some(b"text/html"),
    Some(b"application/octet-stream"),
    Some(b"nonsense"),
    Some(b"\xff\xfe"),
];

/// Media types that say that it is something else, however they are written.
const REFUSED: &[&[u8]] = &[
    b"application/x-www-form-urlencoded",
    b"application/x-www-form-urlencoded; charset=utf-8",
    b"Application/X-WWW-Form-Urlencoded",
    b"multipart/form-data; boundary=x",
    b"multipart/mixed",
    b"MULTIPART/FORM-DATA",
    b"text/xml",
    b"text/xml; charset=utf-8",
    b"application/xml",
    b"application/soap+xml",
    b"Application/SOAP+XML ; action=x",
];

#[tokio::test]
async fn each_body_gets_its_answer_and_what_is_refused_is_kept() {
    let hub = Hub::start().await;
    let http = reqwest::Client::new();
    let cases = cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let mut wrong = Vec::new();
    let mut kept = Vec::new();
    for case in &cases {
        let answer = post(&http, &hub.hookup, Some(b"application/json"), case.body.clone()).await;
        wrong.extend(differences(case, &answer));
        if let Some(id) = answer.json()["quarantine_id"].as_str() {
            kept.push((id.to_owned(), case));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (id, case) in kept {
        is_kept_as_it_came(&hub, &id, case).await;
    }
    outcomes_are_counted(&hub, &cases).await;
}

#[tokio::test]
async fn the_media_type_refuses_only_what_declares_something_else() {
    let hub = Hub::start().await;
    let http = reqwest::Client::new();
    let shown = |media_type: &[u8]| String::from_utf8_lossy(media_type).into_owned();
    for media_type in TAKEN {
        let name = media_type.map(shown);
        let answer = post(&http, &hub.hookup, *media_type, good().into()).await;
        assert_eq!(answer.status, 200, "{name:?}: {}", answer.text);
        let answer = post(&http, &hub.hookup, *media_type, VALUE.into()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "malformed-body"), "{name:?}");
    }
    for media_type in REFUSED {
        for body in [good(), VALUE.to_owned()] {
            let answer = post(&http, &hub.hookup, Some(media_type), body.into()).await;
            let name = shown(media_type);
            assert_eq!((answer.status, answer.problem().as_str()), (415, "unsupported-media-type"), "{name}");
            assert_eq!(answer.json()["quarantine_id"], Value::Null, "{name}");
        }
    }
    let answer = post(&http, &hub.hookup, Some(b"text/xml"), padded(MAX_BODY + 1).into()).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
}

#[tokio::test]
async fn a_body_is_judged_only_behind_the_right_key() {
    let hub = Hub::start().await;
    let http = reqwest::Client::new();
    let wrong_key = hub.hookup.replace(hub.key(), "a-key-that-nobody-gave-out");
    let unknown = hub.hookup.replace("acme-lab", "an-integration-that-nobody-made");
    let mut answers = Vec::new();
    for url in [wrong_key, unknown] {
        for body in [good(), VALUE.to_owned(), "[".repeat(MAX_BODY + 1)] {
            let answer = post(&http, &url, Some(b"text/xml"), body.into()).await;
            answers.push((answer.status, answer.text));
        }
    }
    assert_eq!(answers[0].0, 404, "{}", answers[0].1);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "one can be told from another: {answers:?}");
    assert_eq!(hub.admin.get("/v1/quarantine").await["items"], json!([]));
}

/// In which ways an answer is not the one that the case asks for.
fn differences(case: &Case, answer: &Answer) -> Vec<String> {
    let problem = answer.json();
    let is_kept = problem["quarantine_id"].is_string();
    let found = (answer.status, answer.problem(), is_kept, answer.pointers());
    let expected =
        (case.status, case.kind.to_owned(), case.kept, case.pointers.iter().map(|p| (*p).to_owned()).collect());
    let mut differences = Vec::new();
    if found != expected {
        differences.push(format!("{}: {found:?} instead of {expected:?}: {}", case.name, answer.text));
    }
    if answer.text.contains(VALUE) {
        differences.push(format!("{}: it quotes a value: {}", case.name, answer.text));
    }
    if answer.header("x-request-id").is_empty() {
        differences.push(format!("{}: no x-request-id", case.name));
    }
    let explained = problem["title"].is_string() && problem["detail"].is_string() && problem["status"] == case.status;
    if case.status != 200 && !explained {
        differences.push(format!("{}: it does not explain itself: {}", case.name, answer.text));
    }
    differences
}

async fn is_kept_as_it_came(hub: &Hub, id: &str, case: &Case) {
    let message = eventually("a quarantined message", async || {
        let (status, message) = hub.admin.try_get(&format!("/v1/quarantine/{id}")).await;
        status.is_success().then_some(message)
    })
    .await;
    assert_eq!(
        (&message["status"], &message["bytes"]),
        (&json!(case.status), &json!(case.body.len())),
        "{}",
        case.name
    );
    let reveal = format!("/v1/quarantine/{id}/reveal");
    let revealed = hub.admin.post(&reveal, &json!({"reason": "a test"})).await;
    let body = match revealed["body"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => data_encoding::BASE64.decode(revealed["body_base64"].as_str().unwrap().as_bytes()).unwrap(),
    };
    assert!(body == case.body, "{}: it is not kept as it came", case.name);
}

async fn outcomes_are_counted(hub: &Hub, cases: &[Case]) {
    let metrics = reqwest::get(format!("{}/metrics", hub.server.url)).await.unwrap().text().await.unwrap();
    for outcome in ["accepted", "quarantined", "refused"] {
        let count = cases.iter().filter(|case| outcome_of(case) == outcome).count();
        let labels = format!(r#"integration="acme-lab",outcome="{outcome}",source="provet""#);
        let line = format!("regledger_notifications_total{{{labels}}} {count}");
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
}

/// What the metric calls what becomes of a case.
fn outcome_of(case: &Case) -> &'static str {
    match case.status {
        200 => "accepted",
        _ if case.kept => "quarantined",
        _ => "refused",
    }
}
