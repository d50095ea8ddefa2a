//! Integrations that notify by mail: their owners are told as by a subscription, and nobody sees where the mails go.

use acceptance::{Client, Server};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::hub::{mailing, notify, notify_again};

const PATH: &str = "/v1/integrations/acme-lab";

fn email(address: &str) -> Value {
    json!({"notify": {"kind": "email", "address": address}})
}

/// Makes an integration that notifies by mail; its hookup URL.
async fn notifying(admin: &Client, address: &str) -> String {
    let asked = json!({"name": "acme-lab", "source": "provet", "notify": {"kind": "email", "address": address}});
    let made = admin.post("/v1/integrations", &asked).await;
    assert_eq!(made["notify"], asked["notify"]);
    made["hookup_url"].as_str().unwrap().to_owned()
}

async fn change(admin: &Client, asked: &Value) {
    let (status, changed) = admin.send(Method::PATCH, PATH, asked).await;
    assert_eq!((status, &changed["notify"]), (StatusCode::OK, &asked["notify"]), "{changed}");
}

/// To whom mails went, and about which tenant, in their order.
fn told(mails: &[String]) -> Vec<(String, String)> {
    let word = |mail: &String, begin: &str| {
        let found = mail.split(begin).nth(1).unwrap_or_else(|| panic!("no {begin:?}: {mail}"));
        found.split(|c: char| !(c.is_alphanumeric() || "@.-".contains(c))).next().unwrap().to_owned()
    };
    mails.iter().map(|mail| (word(mail, "To: "), word(mail, "provetcloud.com/"))).collect()
}

fn due(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    lines.iter().map(|(to, tenant)| ((*to).to_owned(), (*tenant).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_is_told_by_mail_and_whoever_is_named_later_is_told_from_then_on() {
    let (server, mailbox) = mailing().await;
    let admin = server.admin();
    let other = admin.integration("other-lab").await;
    let hookup = notifying(&admin, "ann@example.com").await;
    notify(&admin, &other, [7]).await;
    notify(&admin, &hookup, [1]).await;
    let mails = mailbox.wait(1).await;
    assert!(mails[0].contains("/notices/") && !mails[0].contains("client-1"), "{}", mails[0]);

    change(&admin, &email("bob@example.com")).await;
    notify(&admin, &hookup, [2]).await;
    mailbox.wait(2).await;
    change(&admin, &json!({"notify": {"kind": "hookup"}})).await;
    notify(&admin, &hookup, [3]).await;
    change(&admin, &email("cyd@example.com")).await;
    notify_again(&admin, &hookup, 4, "A1").await;
    let expected = due(&[("ann@example.com", "1"), ("bob@example.com", "2"), ("cyd@example.com", "4")]);
    assert_eq!(told(&mailbox.wait(3).await), expected, "what came meanwhile by the hookup alone is told to nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_waits_goes_to_the_address_of_now() {
    let (server, mailbox) = mailing().await;
    let admin = server.admin();
    let hookup = notifying(&admin, "ann@example.com").await;
    mailbox.refuse(2);
    notify(&admin, &hookup, [1]).await;
    acceptance::eventually("the first attempt", async || (mailbox.refusals_left() < 2).then_some(())).await;
    change(&admin, &email("bob@example.com")).await;
    assert_eq!(told(&mailbox.wait(1).await), due(&[("bob@example.com", "1")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_refused_that_is_none_and_where_no_client_is_registered() {
    let server = Server::start();
    let admin = server.admin();
    let spec = |source: &str, notify: Value| json!({"name": "acme-lab", "source": source, "notify": notify});
    for (source, notify, pointer) in [
        ("provet", json!({"kind": "email"}), "/notify/address"),
        ("provet", json!({"kind": "email", "address": "nobody"}), "/notify/address"),
        ("provet", json!({"kind": "hookup", "address": "a@example.com"}), "/notify"),
        ("isl", json!({"kind": "email", "address": "a@example.com"}), "/notify/kind"),
    ] {
        let (status, problem) = admin.try_post("/v1/integrations", &spec(source, notify.clone())).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{notify}: {problem}");
        let said = problem["errors"][0]["pointer"].as_str().unwrap();
        assert!(said.starts_with(pointer), "{notify}: {problem}");
        assert!(!problem.to_string().contains("nobody"), "{problem}");
    }
    admin.integration("acme-lab").await;
    let (status, problem) = admin.send(Method::PATCH, PATH, &email("nobody")).await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("/notify/address"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_with_another_address_is_another_one() {
    let server = Server::start();
    let admin = server.admin();
    let post = async |address: &str| {
        let asked = json!({"name": "acme-lab", "source": "provet", "notify": {"kind": "email", "address": address}});
        let request = admin.request(Method::POST, "/v1/integrations").header("idempotency-key", "k1").json(&asked);
        request.send().await.unwrap().status().as_u16()
    };
    let statuses = [post("ann@example.com").await, post("ann@example.com").await, post("bob@example.com").await];
    assert_eq!(statuses, [201, 201, 422]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_mails_go_stands_nowhere_in_clear_and_administrators_alone_see_it() {
    let (mut server, mailbox) = mailing().await;
    let admin = server.admin();
    admin.post("/v1/domains", &json!({"name": "acme"})).await;
    let hookup = notifying(&admin, "canary-ann@example.com").await;
    mailbox.refuse(1);
    notify(&admin, &hookup, [1]).await;
    mailbox.wait(1).await;
    change(&admin, &email("canary-bob@example.com")).await;
    let of_acme = json!({"name": "t", "scopes": ["admin"], "domain": "acme"});
    let stranger = admin.post("/v1/tokens", &of_acme).await;
    let stranger = Client::new(&server.url, stranger["token"].as_str().unwrap());
    assert_eq!(stranger.try_get(PATH).await.0, StatusCode::NOT_FOUND);

    let shown = admin.get(PATH).await;
    assert_eq!(shown["notify"], json!({"kind": "email", "address": "canary-bob@example.com"}));
    assert_eq!(admin.get("/v1/integrations").await["items"][0]["notify"], shown["notify"]);
    let events = admin.request(Method::GET, "/v1/events").send().await.unwrap().text().await.unwrap();
    assert!(events.contains(r#""notify":{"kind":"email"}"#), "{events}");
    let changes = admin.get("/v1/changes?limit=1000").await.to_string();
    let metrics = admin.get("/metrics").await.to_string();
    assert!(metrics.contains("notify@acme-lab"), "it is a subscription like others");
    let files: Vec<_> = std::fs::read_dir(&server.data_dir).unwrap().map(|file| file.unwrap().path()).collect();
    let log = server.whole_log();
    for (place, text) in [("events", &events), ("changes", &changes), ("metrics", &metrics), ("log", &log)] {
        assert!(!text.contains("canary-"), "{place}: {text}");
    }
    for file in files {
        let bytes = std::fs::read(&file).unwrap_or_default();
        assert!(!bytes.windows(7).any(|window| window == b"canary-"), "{}", file.display());
    }
}
