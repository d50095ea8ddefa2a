//! Notices by mail: with a link where the credentials are shown once, and never the credentials.

use acceptance::{Mailbox, Server, eventually, notice};
use serde_json::json;

use crate::hub::{mailing, notify, standing};

struct Posted {
    server: Server,
    mailbox: Mailbox,
    hookup: String,
}

/// A hub that mails what happens to clients.
async fn posting() -> Posted {
    let (server, mailbox) = mailing().await;
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let asked = json!({"name": "office", "address": "office@example.com", "types": ["client.*"]});
    admin.post("/v1/subscriptions", &asked).await;
    Posted { server, mailbox, hookup }
}

fn link(mail: &str) -> String {
    let found = mail.lines().find(|line| line.starts_with("http://")).unwrap_or_else(|| panic!("no link: {mail}"));
    found.trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_leads_to_the_credentials_which_are_shown_once_and_on_a_button_press() {
    let Posted { server, mailbox, hookup } = posting().await;
    let admin = server.admin();
    notify(&admin, &hookup, [1]).await;
    let mail = mailbox.wait(1).await.remove(0);
    assert!(mail.contains("To: office@example.com") && mail.contains("client.registered"), "{mail}");
    assert!(mail.contains("provetcloud.com/1"), "{mail}");
    let secret = notice(1)["client_secret"].as_str().unwrap().to_owned();
    assert!(!mail.contains(&secret) && !mail.contains("client-1"), "{mail}");

    let (link, http) = (link(&mail), reqwest::Client::new());
    for _ in 0..2 {
        let page = http.get(&link).send().await.unwrap();
        assert_eq!((page.status().as_u16(), &page.headers()["cache-control"]), (200, &"no-store".parse().unwrap()));
        let page = page.text().await.unwrap();
        assert!(page.contains("<form method=\"post\">") && !page.contains(&secret), "{page}");
    }
    let events = async || admin.request(reqwest::Method::GET, "/v1/events").send().await.unwrap().text().await.unwrap();
    assert!(!events().await.contains("regledger.client.reveal.v1"), "to look is no reveal");
    let shown = http.post(&link).send().await.unwrap();
    assert_eq!(shown.status(), 200);
    assert!(shown.text().await.unwrap().contains(&secret));
    assert!(events().await.contains("mailed-link"), "who saw it is an event");
    let again = http.post(&link).send().await.unwrap();
    assert_eq!(
        (again.status().as_u16(), &again.headers()["content-type"]),
        (410, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(again.text().await.unwrap().contains("shown already"));
    assert!(!http.get(&link).send().await.unwrap().text().await.unwrap().contains("<form"));
    let forged = link.replacen("/notices/", "/notices/x", 1);
    assert_eq!(http.post(&forged).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_press_the_button_at_once_one_sees_the_credentials() {
    let Posted { server, mailbox, hookup } = posting().await;
    notify(&server.admin(), &hookup, [1]).await;
    let (link, http) = (link(&mailbox.wait(1).await[0]), reqwest::Client::new());
    let pressed = (0..5).map(|_| http.post(&link).send());
    let statuses: Vec<_> = futures_util::future::join_all(pressed).await;
    let shown = statuses.into_iter().filter(|answer| answer.as_ref().unwrap().status() == 200).count();
    assert_eq!(shown, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_that_is_refused_is_handed_in_again_with_the_same_words() {
    let Posted { server, mailbox, hookup } = posting().await;
    let admin = server.admin();
    mailbox.refuse(2);
    notify(&admin, &hookup, [1, 2]).await;
    let mails = mailbox.wait(2).await;
    let ids: std::collections::BTreeSet<_> = mails
        .iter()
        .map(|mail| mail.lines().find(|line| line.starts_with("Message-ID:")).unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(standing(&admin, "office").await, "active");
    let attempts = admin.get("/v1/subscriptions/office/attempts").await;
    eventually("both refusals are noted", async || {
        let all = attempts["items"].as_array().unwrap();
        Some(all.iter().filter(|one| one["answer"] == "the mail server answered 451").count())
            .filter(|count| *count == 2)
    })
    .await;
}
