//! What settings have sent is seen and mended like what subscriptions have.

use std::process::Command;

use acceptance::{Client, Mailbox, Options, Received, Receiver, Reply, Server, eventually, free_address, mail_server};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hub::{ARGUMENTS, start_with};

async fn set(admin: &Client, key: &str, value: &str, domain: Option<&str>) {
    let asked = json!({"value": value, "domain": domain});
    let (status, answer) = admin.send(Method::PUT, &format!("/v1/settings/{key}"), &asked).await;
    assert_eq!(status, 200, "{key}: {answer}");
}

async fn user(admin: &Client, name: &str) {
    admin.post("/v1/users", &json!({"name": name, "email": format!("{name}@example.com")})).await;
}

/// Has the hub, and its domain `default`, tell of users to a receiver.
async fn tell(admin: &Client, receiver: &Receiver) {
    let key = Command::new("openssl").args(["genpkey", "-algorithm", "ed25519"]).output().unwrap().stdout;
    let server = receiver.url.trim_start_matches("http://").trim_end_matches("/hooks");
    for (key, value, domain) in [
        ("jwt_webhook.private_key", std::str::from_utf8(&key).unwrap(), None),
        ("webhook_events.user_create", "yes", None),
        ("jwt_webhook.url", receiver.url.as_str(), None),
        ("http_events.per_domain.strict", "yes", Some("default")),
        ("http_events.per_domain.enabled", "yes", Some("default")),
        ("http_events.per_domain.server", server, Some("default")),
    ] {
        set(admin, key, value, domain).await;
    }
}

/// A client whose token is limited to the domain `default`.
async fn of_domain(server: &Server) -> Client {
    let asked = json!({"name": "of-domain", "scopes": ["admin"], "domain": "default"});
    let token = server.admin().post("/v1/tokens", &asked).await;
    Client::new(&server.url, token["token"].as_str().unwrap())
}

async fn names(client: &Client, filter: &str) -> Vec<Value> {
    let page = client.get(&format!("/v1/deliveries{filter}")).await;
    page["items"].as_array().unwrap().iter().map(|one| one["subscription"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_settings_have_sent_is_listed_and_replayed_by_its_name() {
    let server = start_with(&["--delivery-give-up-seconds", "1"]);
    let receiver = Receiver::answering(|_| Reply::status(500)).await;
    let admin = server.admin();
    tell(&admin, &receiver).await;
    user(&admin, "ann").await;
    eventually("the token is given up", async || {
        (names(&admin, "?subscription=jwt-webhook&state=dead").await == ["jwt-webhook"]).then_some(())
    })
    .await;
    server.has_logged("a delivery failed and waits").await;
    server.has_logged("a delivery was given up").await;
    assert_eq!(names(&admin, "?subscription=domain-http-events@default").await, ["domain-http-events@default"]);
    let attempts = admin.get("/v1/subscriptions/jwt-webhook/attempts").await;
    assert_eq!((&attempts["items"][0]["outcome"], &attempts["items"][0]["status"]), (&json!("failed"), &json!(500)));

    let own = of_domain(&server).await;
    let seen = names(&own, "").await;
    assert_eq!(seen, ["domain-http-events@default"], "who administers a domain sees what its settings have sent");
    assert_eq!(own.try_get("/v1/subscriptions/jwt-webhook/attempts").await.0, 404);
    assert_eq!(own.try_get("/v1/subscriptions/domain-http-events@default/attempts").await.0, 200);
    let dead = admin.get("/v1/deliveries?subscription=jwt-webhook").await["items"][0].clone();
    let path = format!("/v1/deliveries/{}", dead["id"].as_str().unwrap());
    assert_eq!(own.try_get(&path).await.0, 404);
    assert_eq!(admin.get(&path).await, dead);

    receiver.answer(|_| Reply::status(200));
    let listed = server.command(&["delivery", "list", "--subscription", "jwt-webhook"]).output().unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("user.created"), "{listed:?}");
    let replayed = server.command(&["delivery", "replay", "--subscription", "jwt-webhook"]).output().unwrap();
    assert!(replayed.status.success(), "{replayed:?}");
    eventually("it arrives", async || names(&admin, "?subscription=jwt-webhook").await.is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_there_when_its_url_was_taken_back() {
    let server = start_with(&["--delivery-give-up-seconds", "1"]);
    let receiver = Receiver::answering(|_| Reply::status(500)).await;
    let admin = server.admin();
    tell(&admin, &receiver).await;
    set(&admin, "http_events.per_domain.enabled", "no", Some("default")).await;
    user(&admin, "ann").await;
    let given_up = async || names(&admin, "?subscription=jwt-webhook&state=dead").await;
    eventually("the token is given up", async || (given_up().await.len() == 1).then_some(())).await;
    let (status, _) = admin.send(Method::DELETE, "/v1/settings/jwt_webhook.url", &json!({})).await;
    assert!(status.is_success());
    assert_eq!(given_up().await, ["jwt-webhook"]);
    receiver.answer(|_| Reply::status(200));
    set(&admin, "jwt_webhook.url", &receiver.url, None).await;
    let before = receiver.count();
    user(&admin, "bob").await;
    receiver.wait(before + 1).await;
    assert_eq!(given_up().await, ["jwt-webhook"]);
    let replayed = admin.post("/v1/deliveries/replay", &json!({"subscription": "jwt-webhook"})).await;
    assert_eq!(replayed, json!({"replayed": 1}));
    receiver.wait(before + 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_when_it_is_switched_off_can_be_replayed_when_it_is_on_again() {
    let server = start_with(&[]);
    let oops = |_: &Received| Reply { body: "<oops".to_owned(), ..Reply::status(200) };
    let receiver = Receiver::answering(oops).await;
    let admin = server.admin();
    let address = receiver.url.trim_start_matches("http://").trim_end_matches("/hooks");
    for (key, value) in [("server", address), ("strict", "yes"), ("enabled", "yes")] {
        set(&admin, &format!("http_events.global.{key}"), value, None).await;
    }
    user(&admin, "ann").await;
    user(&admin, "bob").await;
    let why = eventually("both wait", async || {
        let page = admin.get("/v1/deliveries?subscription=http-events&state=held").await;
        (page["items"].as_array()?.len() == 2).then(|| page["items"][0]["reason"].clone())
    })
    .await;
    assert_eq!(why, "HTTP 200, but not the answer that is asked for");
    set(&admin, "http_events.global.enabled", "no", None).await;
    receiver.answer(|_| Reply { body: "<nomessage/>".to_owned(), ..Reply::status(200) });
    set(&admin, "http_events.global.enabled", "yes", None).await;
    let dead = "?subscription=http-events&state=dead";
    eventually("both are given up", async || (names(&admin, dead).await.len() == 2).then_some(())).await;
    let replay = |name| server.command(&["delivery", "replay", "--subscription", name]).output().unwrap();
    let misspelt = replay("global-http-events");
    assert!(!misspelt.status.success() && String::from_utf8_lossy(&misspelt.stderr).contains("no deliveries of"));
    assert!(replay("http-events").status.success());
    eventually("both arrive", async || names(&admin, "?subscription=http-events").await.is_empty().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_told_once_by_whoever_was_to_tell_when_it_happened() {
    let (data_dir, address) = (TempDir::new().unwrap(), free_address());
    let (receiver, mailbox) = (Receiver::start().await, Mailbox::start().await);
    receiver.answer(|_| Reply { body: r#"{"result": {"code": 0}}"#.to_owned(), ..Reply::status(200) });
    let options = |arguments| Options { arguments, listen: Some(&address), ..Options::default() };
    let mut server = Server::start_in(data_dir.path(), &options(ARGUMENTS));
    let admin = server.admin();
    set(&admin, "external_webapi.service_account_url", &receiver.url, None).await;
    set(&admin, "external_webapi.notification", "yes", None).await;
    user(&admin, "ann").await;
    receiver.wait(1).await;
    set(&admin, "external_webapi.notification", "no", None).await;
    user(&admin, "bob").await;
    server.kill();
    let (url, port) = (format!("http://{address}"), mailbox.port.to_string());
    let mail =
        [&mail_server(&port)[..], &["--smtp-from", "hub@example.com", "--http-public-url", &url], ARGUMENTS].concat();
    let server = Server::start_in(data_dir.path(), &options(&mail));
    let admin = server.admin();
    user(&admin, "cyd").await;
    let mails = mailbox.wait(2).await;
    assert!(mails[0].contains("bob@") && mails[1].contains("cyd@"), "ann was told by the WebAPI: {mails:?}");
    set(&admin, "external_webapi.notification", "yes", None).await;
    user(&admin, "dan").await;
    let told = receiver.wait(2).await;
    assert_eq!(told.len(), 2, "bob and cyd were told by mail");
}
