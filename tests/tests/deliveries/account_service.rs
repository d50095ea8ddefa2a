//! The organisation's own account service: it signs users up and helps with their passwords, where that is switched on, and
//! what the hub would mail is told there.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use acceptance::search::Search;
use acceptance::{Client, Mailbox, Options, Received, Receiver, Reply, Server, mail_server};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};

use crate::accounts::PASSWORD;
use crate::hub::start_with;

const NAME: &str = "Cnry-Name-3c1d+&%=Ä";
const EMAIL: &str = "cnry-email-3c1d+b&c%d@example.com";

async fn set(admin: &Client, key: &str, value: &str) {
    let (status, answer) = admin.send(Method::PUT, &format!("/v1/settings/{key}"), &json!({"value": value})).await;
    assert_eq!(status, 200, "{key}: {answer}");
}

/// A hub whose account service does both.
async fn handing_on(url: &str) -> Server {
    let server = start_with(&["--log-level", "trace"]);
    let admin = server.admin();
    for (key, value) in [
        ("external_webapi.service_account_url", url),
        ("external_webapi.timeout_seconds", "1"),
        ("external_webapi.sign_up", "yes"),
        ("external_webapi.forgot_password", "yes"),
    ] {
        set(&admin, key, value).await;
    }
    server
}

/// The method and the parameters of a call.
fn call(received: &Received) -> (String, Value) {
    let query = String::from_utf8(received.body.clone()).unwrap();
    let url = Url::parse(&format!("http://x/?{query}")).unwrap();
    let form: BTreeMap<_, _> = url.query_pairs().collect();
    assert_eq!(received.headers["content-type"], "application/x-www-form-urlencoded");
    (form["method"].to_string(), serde_json::from_str(&form["parameters"]).unwrap())
}

async fn sign_up(server: &Server) -> (u16, String) {
    let body = json!({"name": NAME, "email": EMAIL, "password": PASSWORD});
    anybody(server, "sign-up", body).await
}

async fn anybody(server: &Server, what: &str, body: Value) -> (u16, String) {
    let url = format!("{}/v1/domains/default/{what}", server.url);
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    assert!(status != 503 || answer.headers().contains_key("retry-after"));
    (status, answer.text().await.unwrap())
}

fn ok(body: &str) -> Reply {
    Reply { body: body.to_owned(), ..Reply::status(200) }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_service_is_asked_and_whatever_it_says_is_told_to_nobody() {
    let replies = [
        ok(r#"{"result": {"code": 0}}"#),
        ok(r#"{"result": {"error": "taken"}}"#),
        ok("<response><result>17</result></response>"),
    ];
    let replies = Mutex::new(replies.into_iter());
    let receiver = Receiver::answering(move |_| replies.lock().unwrap().next().unwrap_or(Reply::status(500))).await;
    let mut server = handing_on(&receiver.url).await;
    let first = sign_up(&server).await;
    assert_eq!((first.0, &sign_up(&server).await), (202, &first), "whether it could be done or not");
    let forgot = anybody(&server, "forgot-password", json!({"name": NAME})).await;
    assert_eq!(forgot.0, 202);
    let calls: Vec<_> = receiver.wait(3).await.iter().map(call).collect();
    let signed_up = json!({"name": NAME, "domain": "default", "email": EMAIL, "password": PASSWORD});
    assert_eq!(calls[0], ("account/signup/1".to_owned(), signed_up.clone()));
    assert_eq!(calls[1].1, signed_up);
    assert_eq!(calls[2], ("account/password/forgot/1".to_owned(), json!({"name": NAME, "domain": "default"})));
    let admin = server.admin();
    assert_eq!(admin.get("/v1/users?state=pending").await["items"], json!([]));
    let events = admin.request(Method::GET, "/v1/events").send().await.unwrap().text().await.unwrap();
    assert!(!events.contains("regledger.user."), "nothing of it is in the ledger: {events}");
    let log = server.whole_log();
    assert!(log.contains("account/signup/1") && log.contains("account/password/forgot/1"), "it is noted");
    let mut search = Search::of([NAME, EMAIL, PASSWORD].map(str::to_owned));
    search.text("the log", log);
    search.files(&server.data_dir);
    search.found_nothing();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_of_the_account_service_leaves_nothing_half_done() {
    let slow = |delay| Reply { delay: Duration::from_secs(delay), ..ok(r#"{"result": 0}"#) };
    let long = Reply { headers: vec![("x", "y".to_owned())], ..ok(&" ".repeat(100_000)) };
    let replies = [
        Reply::status(500),
        ok("fine"),
        ok(r#"{"outcome": 0}"#),
        ok("<response><result></response>"),
        Reply { headers: vec![("location", "/elsewhere".to_owned())], ..Reply::status(302) },
        Reply::status(0),
        slow(3),
        long,
    ];
    let count = replies.len();
    let replies = Mutex::new(replies.into_iter());
    let receiver = Receiver::answering(move |_| replies.lock().unwrap().next().unwrap_or_else(|| slow(0))).await;
    let server = handing_on(&receiver.url).await;
    for number in 0..count {
        let (status, answer) = sign_up(&server).await;
        assert_eq!(status, 503, "reply {number}: {answer}");
    }
    assert_eq!(sign_up(&server).await.0, 202, "and goes on as soon as it can");
    let admin = server.admin();
    let events = admin.request(Method::GET, "/v1/events").send().await.unwrap().text().await.unwrap();
    assert!(!events.contains("regledger.user."), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_service_that_hangs_is_given_up_wherever_it_does() {
    // connections beyond a listener's backlog are not answered
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let deaf = socket.listen(1).unwrap();
    let address = deaf.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let in_body = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let urls = [address, silent.local_addr().unwrap(), in_body.local_addr().unwrap()];
    let trickling = tokio::spawn(async move {
        while let Ok((mut stream, _)) = in_body.accept().await {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"result\":";
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, head).await;
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
    });
    let server = handing_on(&format!("http://{address}/")).await;
    for url in urls {
        set(&server.admin(), "external_webapi.service_account_url", &format!("http://{url}/")).await;
        let began = tokio::time::Instant::now();
        let (status, answer) = anybody(&server, "forgot-password", json!({"name": "ann"})).await;
        assert_eq!(status, 503, "{answer}");
        assert!(began.elapsed() < Duration::from_secs(5), "one deadline over everything: {:?}", began.elapsed());
    }
    trickling.abort();
    drop(waiting);
    // what is switched on without a place to go is not done by the hub instead
    let reset =
        server.admin().send(Method::DELETE, "/v1/settings/external_webapi.service_account_url", &json!({})).await;
    assert_eq!(reset.0, 204);
    let (status, answer) = sign_up(&server).await;
    assert!(status == 503 && answer.contains("external_webapi.service_account_url is not set"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_go_to_the_account_service_instead_of_by_mail_where_that_is_switched_on() {
    let (mailbox, receiver) = (Mailbox::start().await, Receiver::answering(|_| ok(r#"{"result": 0}"#)).await);
    let port = mailbox.port.to_string();
    let arguments =
        [&mail_server(&port)[..], &["--egress-allow", "127.0.0.0/8", "--smtp-from", "hub@example.com"]].concat();
    let server = Server::start_with(&Options { arguments: &arguments, ..Options::default() });
    let admin = server.admin();
    admin.post("/v1/domains", &json!({"name": "own"})).await;
    set(&admin, "external_webapi.service_account_url", &receiver.url).await;
    set(&admin, "external_webapi.notification_parameters", r#""user": {{name}}, "what": {{event}}"#).await;
    for (key, value) in [("notification", "yes")] {
        let body = json!({"value": value, "domain": "own"});
        admin.send(Method::PUT, &format!("/v1/settings/external_webapi.{key}"), &body).await;
    }
    for domain in ["own", "default"] {
        let user = json!({"name": "ann", "email": format!("ann@{domain}.example"), "domain": domain});
        let path = format!("/v1/users/{}", admin.post("/v1/users", &user).await["id"].as_str().unwrap());
        admin.send(Method::PATCH, &path, &json!({"roles": ["admin"]})).await;
        admin.send(Method::PUT, &format!("{path}/password"), &json!({"password": PASSWORD})).await;
        admin.send(Method::DELETE, &path, &json!({})).await;
        admin.post(&format!("{path}/undelete"), &json!({})).await;
    }
    let told: Vec<_> = receiver.wait(4).await.iter().map(call).collect();
    let expected = ["user.created", "user.updated", "user.deleted", "user.undeleted"];
    let expected = expected.map(|what| ("account/notification/1".to_owned(), json!({"user": "ann", "what": what})));
    assert_eq!(told, expected);
    let mails = mailbox.wait(4).await;
    assert!(mails.len() == 4 && mails.iter().all(|mail| mail.contains("To: ann@default.example")), "{mails:?}");
    assert_eq!(receiver.count(), 4);
    // links are mailed all the same: only notices are the service's
    let url = format!("{}/v1/domains/own/forgot-password", server.url);
    reqwest::Client::new().post(url).json(&json!({"name": "ann"})).send().await.unwrap();
    let mails = mailbox.wait(5).await;
    assert!(mails[4].contains("Subject: Set a new password") && mails[4].contains("ann@own.example"), "{mails:?}");
}
