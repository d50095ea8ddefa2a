use rstest::rstest;

use super::*;
use crate::canned::{Canned, header, json, stream};
use crate::follow::Follower;

#[test]
fn a_problem_is_said_with_its_field_errors() {
    let mut problem: Problem = serde_json::from_str(
        r#"{"type":"t","title":"Invalid","detail":"Mend it.","errors":[{"pointer":"/name","detail":"too long"}]}"#,
    )
    .unwrap();
    problem.status = 422;
    assert_eq!(problem.to_string(), "Invalid (422): Mend it.\n  /name: too long");
}

#[rstest]
#[case("http://h:1", "http://h:1/v1/clients?limit=5")]
#[case("http://h:1/", "http://h:1/v1/clients?limit=5")]
#[case("http://h/hub/", "http://h/hub/v1/clients?limit=5")]
fn paths_are_joined_to_the_server(#[case] base: &str, #[case] expected: &str) {
    let api = Api { http: reqwest::Client::new(), base: base.parse().unwrap(), token: None };
    assert_eq!(api.url("/v1/clients", &serde_json::json!({"limit": 5, "state": null})).unwrap().as_str(), expected);
}

#[test]
fn a_name_cannot_leave_its_segment() {
    assert_eq!(path("clients", "../a b/c?d", "/reveal"), "/v1/clients/..%2Fa%20b%2Fc%3Fd/reveal");
}

#[test]
fn a_token_is_never_shown() {
    let api = Api::new("http://h".parse().unwrap(), Some("s3cret".to_owned().into())).unwrap();
    let shown = format!("{api:?} {:?}", api.request(Method::GET, &api.base).unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}

fn api(server: &Canned) -> Api {
    Api::new(server.url.clone(), Some("t0ken".to_owned().into())).unwrap()
}

#[tokio::test]
async fn a_write_whose_outcome_is_unknown_is_repeated_with_its_key() {
    let unknown = json(504, r#"{"title":"Outcome unknown"}"#);
    let server = Canned::serve(vec![unknown, String::new(), json(201, r#"{"id":1}"#)]).await;
    let made = api(&server).write(Method::POST, "/v1/tokens", &()).await.unwrap().unwrap();
    assert_eq!(made.get(), r#"{"id":1}"#);
    let asked = server.asked();
    let keys: Vec<_> = asked.iter().map(|request| header(request, "idempotency-key").unwrap()).collect();
    assert_eq!(keys, [keys[0]; 3]);
    assert_eq!(header(&asked[0], "authorization"), Some("Bearer t0ken"));
}

#[tokio::test]
async fn a_write_that_is_refused_is_not_repeated() {
    let server = Canned::serve(vec![json(409, r#"{"title":"Conflict"}"#)]).await;
    let error = api(&server).write(Method::POST, "/v1/tokens", &()).await.unwrap_err();
    assert_eq!(error.to_string(), "Conflict (409)");
    assert_eq!(server.asked().len(), 1);
}

#[rstest]
#[case::a_receiver_that_is_content("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")]
#[case::a_page("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n<ok>")]
#[tokio::test]
async fn an_answer_that_is_not_the_hubs_is_an_error(#[case] answer: &str) {
    let server = Canned::serve(vec![answer.to_owned()]).await;
    let error = api(&server).write(Method::POST, "/v1/tokens", &()).await.unwrap_err();
    assert_eq!(error.to_string(), UNEXPECTED);
}

#[tokio::test]
async fn a_list_goes_on_to_the_next_page() {
    let first = json(200, r#"{"items":[1,2],"next":"/v1/clients?after=2"}"#);
    let server = Canned::serve(vec![first, json(200, r#"{"items":[3],"next":null}"#)]).await;
    let items = api(&server).list("/v1/clients", &(), None).await.unwrap();
    assert_eq!(items.iter().map(|item| item.get()).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert!(server.asked()[1].starts_with("GET /v1/clients?after=2 "));
}

#[tokio::test]
async fn a_redirect_takes_the_token_nowhere() {
    let elsewhere = Canned::serve(vec![json(200, "{}")]).await;
    let location = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", elsewhere.url);
    let server = Canned::serve(vec![location]).await;
    let error = api(&server).get("/v1/clients/c1", &()).await.unwrap_err();
    assert_eq!(error.downcast::<Problem>().unwrap().status, 302);
    assert!(elsewhere.asked().is_empty());
}

/// An address where nobody listens.
async fn nobody() -> Api {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    Api::new(url, None).unwrap()
}

#[tokio::test]
async fn who_is_not_there_is_asked_for_by_name() {
    let error = nobody().await.get("/v1/clients", &()).await.unwrap_err().to_string();
    assert!(error.starts_with("is `regledger serve` running at http://127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn an_interrupted_stream_goes_on_after_the_last_id() {
    let first = stream("id: a\nevent: x\ndata: 1\n\nid: b\nevent: bookmark\ndata: {}\n\nid: c\ndata: cut o");
    let server = Canned::serve(vec![first, stream("id: c\nevent: x\ndata: 2\n\n")]).await;
    let mut follower = Follower::new(api(&server), serde_json::json!({"from": "beginning"}));
    let mut data = Vec::new();
    while data.len() < 3 {
        data.push(follower.next().await.unwrap().data);
    }
    assert_eq!(data, ["1", "{}", "2"]);
    let asked = server.asked();
    assert_eq!(header(&asked[0], "last-event-id"), None);
    assert_eq!(header(&asked[1], "last-event-id"), Some("b"));
}

#[tokio::test]
async fn a_stream_that_is_refused_is_not_asked_for_again() {
    let gone = json(410, r#"{"title":"Gone","detail":"Begin anew with from=snapshot."}"#);
    let server = Canned::serve(vec![stream("id: a\ndata: 1\n\n"), gone]).await;
    let mut follower = Follower::new(api(&server), serde_json::Value::Null);
    follower.next().await.unwrap();
    let error = follower.next().await.unwrap_err();
    assert_eq!(error.to_string(), "Gone (410): Begin anew with from=snapshot.");
}

#[tokio::test]
async fn a_stream_needs_a_server_from_the_start() {
    Follower::new(nobody().await, serde_json::Value::Null).next().await.unwrap_err();
}
