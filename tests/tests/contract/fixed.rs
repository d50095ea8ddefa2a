//! What settings have sent: JWTs and HTTP events, as ISL's administrators know them, to a real receiver.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use acceptance::{Client, Options, Received, Receiver, Reply, Server, eventually, notice};
use reqwest::{Method, Url};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::settings::ed25519;

fn serve() -> Server {
    Server::start_with(&Options { arguments: &["--egress-allow", "127.0.0.0/8"], ..Options::default() })
}

async fn set(admin: &Client, key: &str, value: &str) {
    let (status, answer) = admin.send(Method::PUT, &format!("/v1/settings/{key}"), &json!({"value": value})).await;
    assert_eq!(status, 200, "{key}: {answer}");
}

/// Host and port of a receiver.
fn address(receiver: &Receiver) -> String {
    receiver.url.trim_start_matches("http://").trim_end_matches("/hooks").to_owned()
}

/// The fields of a form.
fn form(received: &Received) -> BTreeMap<String, String> {
    let query = String::from_utf8(received.body.clone()).unwrap();
    let url = Url::parse(&format!("http://x/?{query}")).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

/// Users of an ISL system that are made, one after the other.
async fn users(admin: &Client, url: &str, names: &[&str]) {
    for name in names {
        let body = format!("MODULE=CP&DOMAIN_ID=7&EVENT=USER+CREATE&CPUSER_ID={name}&EMAIL={name}%40acme.example");
        assert_eq!(admin.post_form(url, body).await.0, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_jwt_webhook_posts_what_is_switched_on_and_others_believe_it() {
    let (server, receiver) = (serve(), Receiver::start().await);
    let admin = server.admin();
    let (events, _) = admin.isl_integration("acme-isl", json!({})).await;
    users(&admin, &events, &["before"]).await;
    set(&admin, "jwt_webhook.private_key", &ed25519()).await;
    set(&admin, "jwt_webhook.claims", r#"{"iss":"some_iss","rid":"456"}"#).await;
    set(&admin, "jwt_webhook.url", &receiver.url).await;
    users(&admin, &events, &["silent"]).await;
    set(&admin, "webhook_events.user_create", "yes").await;
    users(&admin, &events, &["ann", "bob"]).await;
    let received = receiver.wait(1).await;
    // what was done while the switch was off is told if its turn came after it was on
    let jwks = format!("{}/.well-known/jwks.json", server.url);
    let (_, jwt) = admin.isl_integration("hub-isl", json!({"jwks_url": jwks})).await;
    assert_eq!((received[0].path.as_str(), &*received[0].headers["content-type"]), ("/hooks", "application/json"));
    let body = eventually("the token of ann", async || {
        receiver
            .received()
            .into_iter()
            .map(|received| received.json())
            .find(|body| claims(body)["events"].to_string().contains("ann@"))
    })
    .await;
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    let claims = claims(&body);
    assert_eq!((&claims["iss"], &claims["rid"]), (&json!("some_iss"), &json!("456")));
    let event = &claims["events"]["urn:regledger:event:user.created"];
    assert_eq!(
        [&event["user_id"], &event["email"], &event["domain_id"], &event["domain"]],
        [&json!("ann"), &json!("ann@acme.example"), &json!("7"), &json!("default")]
    );
    assert!(!receiver.received().iter().any(|received| claims_of(received).to_string().contains("before@")));
    // another hub, or this one, believes it by the public keys, and has the user
    let (status, receipt) = admin.try_post(&jwt, &body).await;
    assert_eq!(status, 200, "{receipt}");
    eventually("the user is there too", async || {
        let page = admin.get("/v1/changes?integration=hub-isl&type=user.created").await;
        (!page["items"].as_array()?.is_empty()).then_some(())
    })
    .await;
}

fn claims_of(received: &Received) -> Value {
    claims(&received.json())
}

fn claims(body: &Value) -> Value {
    let payload = body["jwt"].as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_http_events_are_repeated_in_order_until_they_are_answered_in_xml() {
    let replies = Mutex::new(["no XML", "<unclosed>", "<!DOCTYPE x><nomessage/>"].into_iter());
    let receiver = Receiver::answering(move |_| match replies.lock().unwrap().next() {
        Some(bad) => Reply { body: bad.to_owned(), ..Reply::status(200) },
        None => Reply { body: "<nomessage/>".to_owned(), ..Reply::status(200) },
    })
    .await;
    let server = serve();
    let admin = server.admin();
    let (events, _) = admin.isl_integration("acme-isl", json!({})).await;
    let address = address(&receiver);
    for (key, value) in [
        ("http_events.global.server", address.as_str()),
        ("http_events.global.path", "/isl-cp-example-events-to-sql.aspx?k=1"),
        ("http_events.global.strict", "yes"),
        ("http_events.global.enabled", "yes"),
    ] {
        set(&admin, key, value).await;
    }
    users(&admin, &events, &["ann", "bob"]).await;
    let received = receiver.wait(6).await;
    let forms: Vec<_> = received.iter().map(form).collect();
    assert_eq!(received[0].path, "/isl-cp-example-events-to-sql.aspx?k=1");
    assert!(received[..4].iter().all(|one| one.body == received[0].body), "the same until it is acknowledged");
    let told: Vec<_> =
        forms[3..6].iter().map(|form| (form["EVENT"].as_str(), form.get("CPUSER_ID").map(String::as_str))).collect();
    assert_eq!(told, [("DOMAIN CREATE", None), ("USER CREATE", Some("ann")), ("USER CREATE", Some("bob"))]);
    let ann = &forms[4];
    assert_eq!(
        (ann["MODULE"].as_str(), ann["DOMAIN_ID"].as_str(), ann["EMAIL"].as_str()),
        ("REGLEDGER", "7", "ann@acme.example")
    );
    assert!(ann["CHANGE_ID"].len() > 20 && ann["TIMESTAMP"].parse::<i64>().is_ok(), "{ann:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn http_events_that_are_not_strict_are_tried_once_and_block_nothing() {
    let (server, receiver) = (serve(), Receiver::answering(|_| Reply::status(500)).await);
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let address = address(&receiver);
    set(&admin, "http_events.per_domain.server", &address).await;
    admin.notify(&hookup, &notice(1)).await;
    let enabled = json!({"value": "yes", "domain": "default"});
    admin.send(Method::PUT, "/v1/settings/http_events.per_domain.enabled", &enabled).await;
    for provet_id in 2..5 {
        admin.notify(&hookup, &notice(provet_id)).await;
    }
    let tenant = |number: u64| format!("provetcloud.com/{number}");
    eventually("each came", async || {
        let forms: Vec<_> = receiver.received().iter().map(form).collect();
        (2..5).all(|number| forms.iter().any(|form| form["TENANT"] == tenant(number))).then_some(())
    })
    .await;
    let forms: Vec<_> = receiver.received().iter().map(form).collect();
    for number in 2..5 {
        let of_tenant: Vec<_> = forms.iter().filter(|form| form["TENANT"] == tenant(number)).collect();
        assert_eq!(of_tenant.len(), 1, "one attempt each");
        assert_eq!(
            (of_tenant[0]["EVENT"].as_str(), of_tenant[0]["DOMAIN_ID"].as_str()),
            ("CLIENT REGISTER", "default")
        );
    }
    let metrics = admin.get("/metrics").await.to_string();
    let failed = r#"regledger_delivery_attempts_total{outcome=\"failed\",subscription=\"domain-http-events\"}"#;
    assert!(metrics.contains(failed), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_external_webapi_is_told_what_becomes_of_the_hubs_users_until_it_says_so() {
    let replies = [
        Reply::status(500),
        Reply { body: "fine".to_owned(), ..Reply::status(200) },
        Reply { delay: Duration::from_secs(3), ..Reply::status(200) },
        Reply { body: r#"{"result": {"code": 0}}"#.to_owned(), ..Reply::status(200) },
    ];
    let replies = Mutex::new(replies.into_iter());
    let receiver = Receiver::answering(move |_| {
        let last = || Reply { body: "<response><result>0</result></response>".to_owned(), ..Reply::status(200) };
        replies.lock().unwrap().next().unwrap_or_else(last)
    })
    .await;
    let (server, name) = (serve(), "quoted \"}, {{name}} \\");
    let admin = server.admin();
    for (key, value) in [
        ("external_webapi.service_account_url", receiver.url.as_str()),
        ("external_webapi.timeout_seconds", "1"),
        (
            "external_webapi.notification_parameters",
            r#""userName": {{name}}, "userDomain": {{domain}}, "what": {{event}}"#,
        ),
        ("external_webapi.notification", "yes"),
    ] {
        set(&admin, key, value).await;
    }
    let user = json!({"domain": "default", "name": name.replace([' ', '\\'], "_"), "email": "ann@acme.example"});
    let made = admin.post("/v1/users", &user).await;
    let id = made["id"].as_str().unwrap();
    let (status, answer) = admin.send(Method::DELETE, &format!("/v1/users/{id}"), &json!({})).await;
    assert!(status.is_success(), "{answer}");
    let received = receiver.wait(5).await;
    let forms: Vec<_> = received.iter().map(form).collect();
    assert!(forms[..4].iter().all(|form| *form == forms[0]), "the same at every attempt: {forms:?}");
    assert_eq!(forms[0]["method"], "account/notification/1");
    let parameters = |index: usize| serde_json::from_str::<Value>(&forms[index]["parameters"]).unwrap();
    let expected = |what: &str| json!({"userName": user["name"], "userDomain": "default", "what": what});
    assert_eq!((parameters(0), parameters(4)), (expected("user.created"), expected("user.deleted")));
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_the_hub_are_told_as_isl_writes_them() {
    let (server, receiver) = (serve(), Receiver::start().await);
    let admin = server.admin();
    set(&admin, "jwt_webhook.private_key", &ed25519()).await;
    set(&admin, "webhook_events.user_create", "yes").await;
    set(&admin, "jwt_webhook.url", &receiver.url).await;
    admin.post("/v1/users", &json!({"domain": "default", "name": "Ann", "email": "ann@acme.example"})).await;
    let claims = claims_of(&receiver.wait(1).await[0]);
    let event = &claims["events"]["urn:regledger:event:user.created"];
    assert_eq!((&event["user_id"], &event["email"]), (&json!("\\\\default\\Ann"), &json!("ann@acme.example")));
    let changes = admin.get("/v1/changes?type=user.*").await.to_string();
    assert!(!changes.contains("Ann") && !changes.contains("ann@"), "{changes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_http_events_outlive_a_kill_and_are_told_in_order() {
    let receiver = Receiver::answering(|_| Reply::status(503)).await;
    let dir = TempDir::new().unwrap();
    let options = Options { arguments: &["--egress-allow", "127.0.0.0/8"], ..Options::default() };
    let mut server = Server::start_in(dir.path(), &options);
    let admin = server.admin();
    let (events, _) = admin.isl_integration("acme-isl", json!({})).await;
    set(&admin, "http_events.global.server", &address(&receiver)).await;
    set(&admin, "http_events.global.strict", "yes").await;
    set(&admin, "http_events.global.enabled", "yes").await;
    users(&admin, &events, &["a", "b", "c"]).await;
    receiver.wait(1).await;
    server.kill();
    receiver.answer(|_| Reply { body: "<nomessage/>".to_owned(), ..Reply::status(200) });
    let server = Server::start_in(dir.path(), &options);
    users(&server.admin(), &events.replace(&admin.url, &server.url), &["d"]).await;
    let told = eventually("everything was told", async || {
        let mut told: Vec<String> = Vec::new();
        for form in receiver.received().iter().map(form) {
            let user = form.get("CPUSER_ID").cloned().unwrap_or_else(|| form["EVENT"].clone());
            if !told.contains(&user) {
                told.push(user);
            }
        }
        (told.len() == 5).then_some(told)
    })
    .await;
    assert_eq!(told, ["DOMAIN CREATE", "a", "b", "c", "d"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_with_a_webhook_of_its_own_is_not_told_to_the_hubs() {
    let (server, hubs, own) = (serve(), Receiver::start().await, Receiver::start().await);
    let admin = server.admin();
    admin.post("/v1/domains", &json!({"name": "clinics"})).await;
    set(&admin, "jwt_webhook.private_key", &ed25519()).await;
    set(&admin, "webhook_events.user_create", "yes").await;
    set(&admin, "jwt_webhook.url", &hubs.url).await;
    let body = json!({"value": own.url, "domain": "clinics"});
    let (status, answer) = admin.send(Method::PUT, "/v1/settings/jwt_webhook.url", &body).await;
    assert_eq!(status, 200, "{answer}");
    for (domain, name) in [("default", "ann"), ("clinics", "bob"), ("default", "cid")] {
        admin.post("/v1/users", &json!({"domain": domain, "name": name})).await;
    }
    let names = |receiver: &Receiver| {
        let events = receiver.received().iter().map(|one| claims_of(one)["events"].to_string()).collect::<String>();
        ["ann", "bob", "cid"].map(|name| events.contains(&format!("{name}\"")))
    };
    own.wait(1).await;
    hubs.wait(2).await;
    assert_eq!((names(&own), names(&hubs)), ([false, true, false], [true, false, true]));
}
