//! The directory of a fleet: what is made at one query server is there at every other, and one of them purges.

use acceptance::{Client, Kafka, Mailbox, Postgres, eventually, mail_server};
use reqwest::Method;
use serde_json::{Value, json};

use crate::fleet::Fleet;

async fn path(admin: &Client, name: &str) -> String {
    let made = admin.post("/v1/users", &json!({"name": name, "email": "a@example.com", "domain": "acme"})).await;
    format!("/v1/users/{}", made["id"].as_str().unwrap())
}

async fn held(client: &Client) -> usize {
    let ready = client.get("/readyz").await;
    usize::from(
        ready["checks"].as_array().unwrap().iter().any(|check| check["name"] == "purge" && check["ready"] == true),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_made_at_one_query_server_is_there_at_another_and_is_purged_by_whoever_is_left() {
    let fleet = Fleet::on(Kafka::shared(), Postgres::shared());
    let arguments = ["--directory-retention-days", "0"];
    let mut servers = ["projector,query", "intake,query", "query"].map(|role| fleet.start_with(role, &arguments));
    let [one, other, third] = servers.each_ref().map(|process| process.server.admin());
    one.post("/v1/domains", &json!({"name": "acme"})).await;
    let ann = path(&other, "ann").await;
    assert_eq!(third.get(&ann).await["account"], "\\\\acme\\ann", "at once, at every one");
    assert_eq!(one.try_post("/v1/users", &json!({"name": "ANN", "domain": "acme"})).await.0, 409);
    for client in [&one, &other, &third] {
        assert_eq!(held(client).await, 1);
    }

    // Of the two that could purge, one is killed: that which holds the lease, or the other.
    let bob = path(&third, "bob").await;
    servers[2].server.kill();
    for user in [&ann, &bob] {
        assert_eq!(other.send(Method::DELETE, user, &json!({})).await.0, 204);
        for client in [&one, &other] {
            eventually("the user is purged", async || (client.get(user).await["state"] == "purged").then_some(()))
                .await;
        }
    }
    let purges = async || {
        let page = one.get("/v1/changes?type=user.purged").await;
        page["items"].as_array().unwrap().len()
    };
    eventually("both purges are told", async || (purges().await == 2).then_some(())).await;
    eventually("nobody can read the names any more", async || {
        let purged = one.get(&ann).await;
        (purged["name"] == Value::Null && purged["email"] == Value::Null).then_some(())
    })
    .await;
    assert_eq!(one.send(Method::DELETE, "/v1/domains/acme", &json!({})).await.0, 204);
    let names = async |client: &Client| {
        let page = client.get("/v1/domains").await;
        page["items"].as_array().unwrap().iter().map(|domain| domain["name"].clone()).collect::<Vec<_>>()
    };
    eventually("the domain is purged", async || (names(&other).await == ["default"]).then_some(())).await;
    fleet.restart(&mut servers[2]);
    let again = servers[2].server.admin();
    assert_eq!(again.get("/v1/domains").await["items"][0]["name"], "default");
    assert_eq!(again.try_get(&ann).await.0, 404, "its domain is gone");
    let events = again.request(Method::GET, "/v1/events?partition=0").send().await.unwrap().text().await.unwrap();
    let count = |kind: &str| events.lines().filter(|line| line.contains(kind)).count();
    assert_eq!((count("regledger.user.purge.v1"), count("regledger.domain.purge.v1")), (2, 1), "by one at a time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_up_at_one_query_server_is_written_to_by_a_dispatcher_and_confirms_at_another() {
    let mailbox = Mailbox::start().await;
    let port = mailbox.port.to_string();
    let fleet = Fleet::on(Kafka::shared(), Postgres::shared()).allowing(&mail_server(&port));
    let mut servers = ["projector,query", "query", "dispatcher", "dispatcher"].map(|role| fleet.start(role));
    let [one, other] = [&servers[0], &servers[1]].map(|process| process.server.admin());
    let anybody = reqwest::Client::new();
    let body = json!({"name": "ann", "email": "ann@example.com", "password": "correct horse"});
    let url = |client: &Client, what: &str| format!("{}/v1/domains/default/{what}", client.url);
    assert_eq!(anybody.post(url(&one, "sign-up")).json(&body).send().await.unwrap().status(), 202);
    // who is killed before it has noted that it sent a mail is followed by one who sends it again
    let token = async |subject: &str| {
        eventually(subject, async || {
            let mails = mailbox.wait(0).await;
            let mail = mails.iter().find(|mail| mail.contains(subject))?;
            let link =
                mail.lines().find(|line| line.contains("/account/")).unwrap_or_else(|| panic!("no link: {mail}"));
            Some(link.trim().rsplit('/').next().unwrap().to_owned())
        })
        .await
    };
    let follow = async |client: &Client, token: &str, form: &str| {
        let request = anybody.post(format!("{}/account/{token}", client.url)).body(form.to_owned());
        request.send().await.unwrap().status().as_u16()
    };
    let confirm = token("Confirm your account").await;
    assert_eq!(follow(&other, &confirm, "").await, 200);
    let ann = other.get("/v1/users").await["items"][0].clone();
    assert_eq!((&ann["name"], &ann["state"]), (&json!("ann"), &json!("active")));
    mailbox.wait(2).await;
    // of the two that could write, one is killed: that which holds the lease, or the other
    servers[2].server.kill();
    let forgot = json!({"name": "ann"});
    assert_eq!(anybody.post(url(&one, "forgot-password")).json(&forgot).send().await.unwrap().status(), 202);
    let reset = token("Set a new password").await;
    assert_eq!(follow(&one, &reset, "password=another+horse").await, 200);
    assert_eq!(follow(&other, &reset, "password=a+third+horse").await, 410, "at once, at every one");
}
