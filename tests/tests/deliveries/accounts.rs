//! What users do by themselves: they sign up and set forgotten passwords by links in their mail, and hear of what becomes of
//! their accounts. Nobody else learns from it who they are.

use std::path::PathBuf;

use acceptance::search::Search;
use acceptance::{Client, Mailbox, Options, Server, eventually, free_address, mail_server};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const PASSWORD: &str = "cnry password \"7f/9a+\\<&%>";
const LATER: &str = "cnry another password 3c1d";

/// A hub that sends mail, and its mailbox.
struct Hub {
    server: Option<Server>,
    mailbox: Mailbox,
    admin: Client,
    http: reqwest::Client,
    address: String,
    data: PathBuf,
    _dir: TempDir,
}

impl Hub {
    async fn start() -> Self {
        let (mailbox, dir, address) = (Mailbox::start().await, TempDir::new().unwrap(), free_address());
        let data = dir.path().join("data");
        let server = serve(&data, &address, mailbox.port, &[]);
        let admin = server.admin();
        Self { server: Some(server), mailbox, admin, http: reqwest::Client::new(), address, data, _dir: dir }
    }

    /// Ends it, and starts it again where it was.
    fn restart(&mut self, more: &[&str]) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        self.server = Some(serve(&self.data, &self.address, self.mailbox.port, more));
    }

    /// Asks for something as anybody can; status and answer.
    async fn anybody(&self, domain: &str, what: &str, body: Value) -> (u16, String) {
        let url = format!("{}/v1/domains/{domain}/{what}", self.admin.url);
        let answer = self.http.post(url).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    async fn sign_up(&self, name: &str, email: &str) {
        let body = json!({"name": name, "email": email, "password": PASSWORD});
        let (status, answer) = self.anybody("default", "sign-up", body).await;
        assert_eq!(status, 202, "{answer}");
    }

    async fn forget(&self, name: &str) {
        let (status, answer) = self.anybody("default", "forgot-password", json!({"name": name})).await;
        assert_eq!(status, 202, "{answer}");
    }

    /// The mail of that subject to an address, as soon as there is one.
    async fn mail(&self, to: &str, subject: &str) -> String {
        let (to, subject) = (format!("To: {to}"), format!("Subject: {subject}"));
        eventually(&format!("{to}, {subject}"), async || {
            let mails = self.mailbox.wait(0).await;
            mails.into_iter().find(|mail| mail.contains(&to) && mail.contains(&subject))
        })
        .await
    }

    /// The link in that mail.
    async fn link(&self, to: &str, subject: &str) -> String {
        let mail = self.mail(to, subject).await;
        let link = mail.lines().find(|line| line.contains("/account/")).unwrap_or_else(|| panic!("no link: {mail}"));
        link.trim().to_owned()
    }

    async fn confirm(&self, to: &str) -> (u16, String) {
        let link = self.link(to, "Confirm your account").await;
        read(self.http.post(link).send().await.unwrap()).await
    }

    async fn set_password(&self, link: &str, password: &str) -> (u16, String) {
        let form = format!("password={}", password.bytes().map(acceptance::search::escaped).collect::<String>());
        let request = self.http.post(link).header("content-type", "application/x-www-form-urlencoded").body(form);
        read(request.send().await.unwrap()).await
    }

    async fn count(&self, subject: &str) -> usize {
        let subject = format!("Subject: {subject}");
        self.mailbox.wait(0).await.iter().filter(|mail| mail.contains(&subject)).count()
    }

    async fn users(&self, query: &str) -> Vec<Value> {
        self.admin.get(&format!("/v1/users{query}")).await["items"].as_array().unwrap().clone()
    }

    /// Types and subjects of all events about users.
    async fn events(&self) -> Vec<Value> {
        let events = self.admin.request(Method::GET, "/v1/events").send().await.unwrap().text().await.unwrap();
        let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["type"].as_str().unwrap().starts_with("regledger.user.")).collect()
    }
}

fn serve(data: &std::path::Path, address: &str, port: u16, more: &[&str]) -> Server {
    let (port, url) = (port.to_string(), format!("http://{address}"));
    let arguments = [
        &mail_server(&port)[..],
        &["--smtp-from", "hub@example.com", "--http-public-url", &url, "--log-level", "trace"],
        &["--http-account-requests-per-minute", "100"],
        more,
    ]
    .concat();
    Server::start_in(data, &Options { arguments: &arguments, listen: Some(address), ..Options::default() })
}

async fn read(answer: Response) -> (u16, String) {
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_up_has_an_account_once_the_mail_is_read_and_the_button_pressed() {
    let mut hub = Hub::start().await;
    hub.sign_up("Ann", "ann@example.com").await;
    let link = hub.link("ann@example.com", "Confirm your account").await;
    let mail = hub.mail("ann@example.com", "Confirm your account").await;
    assert!(!mail.contains(PASSWORD) && !mail.contains("Ann"), "nothing that was typed in is mailed: {mail}");
    hub.restart(&[]);
    for _ in 0..2 {
        let page = hub.http.get(&link).send().await.unwrap();
        for (header, value) in [("cache-control", "no-store"), ("referrer-policy", "no-referrer")] {
            assert_eq!(page.headers()[header], value);
        }
        let (status, page) = read(page).await;
        assert_eq!(status, 200);
        assert!(page.contains("<form method=\"post\">") && page.contains("\\\\default\\Ann"), "{page}");
    }
    assert!(hub.users("").await.is_empty(), "to look changes nothing");
    let pending = hub.users("?state=pending").await;
    assert_eq!((&pending[0]["name"], &pending[0]["state"]), (&json!("Ann"), &json!("pending")));
    for _ in 0..2 {
        let (status, page) = read(hub.http.post(&link).send().await.unwrap()).await;
        assert_eq!(status, 200, "the button may be pressed twice: {page}");
        assert!(page.contains("The account is yours"), "{page}");
    }
    let (status, page) = read(hub.http.get(&link).send().await.unwrap()).await;
    assert!(status == 200 && !page.contains("<form"), "{page}");
    let made = hub.users("").await;
    assert_eq!((&made[0]["name"], &made[0]["email"]), (&json!("Ann"), &json!("ann@example.com")));
    assert_eq!((&made[0]["has_password"], &made[0]["roles"]), (&json!(true), &json!(["member"])));
    assert_eq!((&made[0]["id"], &made[0]["purge_after"]), (&pending[0]["id"], &Value::Null));
    hub.mail("ann@example.com", "Your account was made").await;
    let changes = hub.admin.get("/v1/changes?type=user.*").await;
    let told: Vec<_> = changes["items"].as_array().unwrap().iter().map(|change| &change["type"]).collect();
    assert_eq!(told, ["regledger.user.signed_up.v1", "regledger.user.created.v1"]);
    let confirms = hub.events().await;
    let confirms: Vec<_> = confirms.iter().filter(|event| event["type"] == "regledger.user.confirm.v1").collect();
    assert_eq!((confirms.len(), &confirms[0]["actor"]), (1, &json!("mailed-link")));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_sign_up_under_one_name_the_first_to_confirm_has_it() {
    let hub = Hub::start().await;
    hub.sign_up("ann", "one@example.com").await;
    hub.sign_up("ANN", "other@example.com").await;
    // what an administrator makes meanwhile is in nobody's way
    hub.admin.post("/v1/users", &json!({"name": "bob", "email": "bob@example.com"})).await;
    assert_eq!(hub.confirm("other@example.com").await.0, 200);
    let (status, page) = hub.confirm("one@example.com").await;
    assert!(status == 409 && page.contains("sign up again, with another name"), "{status} {page}");
    let names: Vec<_> = hub.users("?state=active").await.iter().map(|user| user["name"].clone()).collect();
    assert_eq!(names, ["ANN", "bob"], "in the order of their making");
    hub.mail("bob@example.com", "Your account was made").await;
    let own = hub.link("one@example.com", "Confirm your account").await;
    let tokens = [own.replace("/account/", "/account/x"), format!("{own}x"), own[..own.len() - 1].to_owned()];
    let foreign = Hub::start().await;
    foreign.sign_up("ann", "one@example.com").await;
    let foreign = foreign.link("one@example.com", "Confirm your account").await;
    let foreign = format!("{}/account/{}", hub.admin.url, foreign.rsplit('/').next().unwrap());
    for link in tokens.iter().chain([&foreign]) {
        for method in [Method::GET, Method::POST] {
            let (status, page) = read(hub.http.request(method, link).send().await.unwrap()).await;
            assert!(status == 404 && page.contains("ask for another"), "{link}: {status} {page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_from_an_answer_whether_a_user_exists() {
    let hub = Hub::start().await;
    hub.admin.post("/v1/users", &json!({"name": "ann", "email": "ann@example.com"})).await;
    let before = hub.events().await.len();
    let mut answers = Vec::new();
    for name in ["ann", "bob"] {
        let body = json!({"name": name, "email": "me@example.com", "password": PASSWORD});
        answers.push(hub.anybody("default", "sign-up", body).await);
    }
    for name in ["ann", "nobody"] {
        answers.push(hub.anybody("default", "forgot-password", json!({"name": name})).await);
    }
    assert_eq!((&answers[0], &answers[2]), (&answers[1], &answers[3]), "to the byte");
    assert!(answers.iter().all(|(status, _)| *status == 202), "{answers:?}");
    let events = hub.events().await.split_off(before);
    let shape = |event: &Value| {
        let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        (event["type"].clone(), event["source"].clone(), event["actor"].clone(), fields(event), fields(&event["data"]))
    };
    assert_eq!(events.len(), 4, "{events:?}");
    assert_eq!((shape(&events[0]), shape(&events[2])), (shape(&events[1]), shape(&events[3])));
    assert_ne!(events[3]["subject"], events[3]["id"], "nobody's id is that of a user");
    // one mail to each who is concerned, and none to the others
    hub.link("me@example.com", "Confirm your account").await;
    hub.link("ann@example.com", "Set a new password").await;
    assert_eq!((hub.count("Confirm your account").await, hub.count("Set a new password").await), (1, 1));
    for (domain, what, body, due) in [
        ("nowhere", "sign-up", json!({"name": "a", "email": "a@b.example", "password": PASSWORD}), 404),
        ("nowhere", "forgot-password", json!({"name": "a"}), 404),
        ("default", "sign-up", json!({"name": "a b", "email": "a@b.example", "password": PASSWORD}), 422),
        ("default", "sign-up", json!({"name": "a", "email": "a@b@c", "password": PASSWORD}), 422),
        ("default", "sign-up", json!({"name": "a", "email": "a..b@c.example", "password": PASSWORD}), 422),
        ("default", "sign-up", json!({"name": "a", "email": "a@b.example", "password": "short"}), 422),
        ("default", "sign-up", json!({"name": "a", "email": "a@b.example"}), 422),
        ("default", "sign-up", json!({"name": "a", "roles": ["admin"]}), 422),
        ("default", "forgot-password", json!({"name": ""}), 422),
    ] {
        let (status, answer) = hub.anybody(domain, what, body.clone()).await;
        assert_eq!(status, due, "{body}: {answer}");
        assert!(!answer.contains(PASSWORD), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_password_is_set_by_the_newest_link_once_and_one_is_sent_in_five_minutes() {
    let mut hub = Hub::start().await;
    let user = json!({"name": "ann", "email": "ann@example.com", "password": PASSWORD});
    let id = hub.admin.post("/v1/users", &user).await["id"].as_str().unwrap().to_owned();
    hub.forget("ANN").await;
    hub.forget("ann").await;
    let link = hub.link("ann@example.com", "Set a new password").await;
    hub.restart(&[]);
    let (status, page) = read(hub.http.get(&link).send().await.unwrap()).await;
    assert!(status == 200 && page.contains("type=\"password\"") && page.contains("\\\\default\\ann"), "{page}");
    for (password, due, said) in [
        ("short", 422, "8 characters at least"),
        ("", 422, "8 characters at least"),
        (LATER, 200, "The new password is set"),
        (PASSWORD, 410, "The link was used"),
    ] {
        let (status, page) = hub.set_password(&link, password).await;
        assert!(status == due && page.contains(said), "{password}: {status} {page}");
        assert!(!page.contains("cnry"), "{page}");
    }
    assert_eq!(read(hub.http.get(&link).send().await.unwrap()).await.0, 410);
    hub.mail("ann@example.com", "Your password was changed").await;

    // since that link is used another is sent; an administrator sets a password before it is
    hub.forget("ann").await;
    eventually("a second link", async || (hub.count("Set a new password").await == 2).then_some(())).await;
    let mails = hub.mailbox.wait(0).await;
    let mail = mails.iter().rfind(|mail| mail.contains("Subject: Set a new password")).unwrap();
    let newest = mail.lines().find(|line| line.contains("/account/")).unwrap().trim().to_owned();
    let (status, _) =
        hub.admin.send(Method::PUT, &format!("/v1/users/{id}/password"), &json!({"password": PASSWORD})).await;
    assert_eq!(status, 204);
    assert_eq!(hub.set_password(&newest, LATER).await.0, 410, "what is newer counts");
    eventually("told again", async || (hub.count("Your password was changed").await == 2).then_some(())).await;
    let sets = hub.events().await;
    let sets: Vec<_> = sets.iter().filter(|event| event["type"] == "regledger.user.set_password.v1").collect();
    assert_eq!((sets.len(), &sets[0]["actor"]), (2, &json!("mailed-link")), "nothing is appended in vain");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_hear_of_what_becomes_of_their_accounts_without_a_link() {
    let hub = Hub::start().await;
    let id = |user: &Value| format!("/v1/users/{}", user["id"].as_str().unwrap());
    let ann = id(&hub.admin.post("/v1/users", &json!({"name": "ann", "email": "ann@example.com"})).await);
    let bob = id(&hub.admin.post("/v1/users", &json!({"name": "bob"})).await);
    for user in [&bob, &ann] {
        hub.admin.send(Method::PUT, &format!("{user}/password"), &json!({"password": PASSWORD})).await;
        hub.admin.send(Method::PATCH, user, &json!({"roles": ["admin"]})).await;
        hub.admin.send(Method::DELETE, user, &json!({})).await;
        hub.admin.post(&format!("{user}/undelete"), &json!({})).await;
    }
    let subjects =
        ["Your account was made", "Your password was changed", "Your account was deleted", "Your account is back"];
    hub.mail("ann@example.com", subjects[3]).await;
    let mails = hub.mailbox.wait(4).await;
    assert_eq!(mails.len(), 4, "the other has no address: {mails:?}");
    for (mail, subject) in mails.iter().zip(subjects) {
        assert!(mail.contains(&format!("Subject: {subject}")), "in their order: {mail}");
        assert!(mail.contains("\\\\default\\ann") && !mail.contains("/account/"), "{mail}");
        assert!(!mail.contains(PASSWORD), "{mail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_goes_to_whom_it_was_for_whatever_the_user_is_called_by_now() {
    let hub = Hub::start().await;
    hub.mailbox.refuse(2);
    let made = hub.admin.post("/v1/users", &json!({"name": "ann", "email": "ann@example.com"})).await;
    let path = format!("/v1/users/{}", made["id"].as_str().unwrap());
    let patch = json!({"name": "eve", "email": "eve@example.com"});
    assert_eq!(hub.admin.send(Method::PATCH, &path, &patch).await.0, 200);
    hub.admin.send(Method::DELETE, &path, &json!({})).await;
    let mail = hub.mail("ann@example.com", "Your account was made").await;
    assert!(mail.contains("\\\\default\\ann"), "{mail}");
    let mail = hub.mail("eve@example.com", "Your account was deleted").await;
    assert!(mail.contains("\\\\default\\eve"), "{mail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_server_that_comes_later_is_handed_what_is_news() {
    let mut hub = Hub::start().await;
    hub.mailbox.refuse(3);
    hub.sign_up("ann", "ann@example.com").await;
    // the delivery store is lost: what is known of a mail is sent again, at least once
    let link = hub.link("ann@example.com", "Confirm your account").await;
    hub.server.take().unwrap().stop();
    std::fs::remove_file(hub.data.join("deliveries.db")).unwrap();
    hub.restart(&[]);
    eventually("sent again", async || (hub.count("Confirm your account").await == 2).then_some(())).await;
    let mails = hub.mailbox.wait(2).await;
    let id = |mail: &String| mail.lines().find(|line| line.starts_with("Message-ID:")).unwrap().to_owned();
    assert_eq!(id(&mails[0]), id(&mails[1]), "it is the same mail");
    assert!(mails[1].contains(&link), "with the same link");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_mail_server_it_is_said_what_to_set_and_senders_are_slowed_down_all_the_same() {
    let mut server = Server::start_with(&Options {
        arguments: &["--http-account-requests-per-minute", "5", "--http-trusted-proxies", "127.0.0.0/8"],
        ..Options::default()
    });
    let post = async |what: &str, from: &str| {
        let url = format!("{}/v1/domains/default/{what}", server.url);
        let body = match what {
            "sign-up" => json!({"name": "ann", "email": "ann@example.com", "password": PASSWORD}),
            _ => json!({"name": "ann"}),
        };
        reqwest::Client::new().post(url).header("x-forwarded-for", from).json(&body).send().await.unwrap()
    };
    for what in ["sign-up", "forgot-password"] {
        let answer = post(what, "203.0.113.1").await;
        assert_eq!(answer.status().as_u16(), 202);
        let accepted: Value = answer.json().await.unwrap();
        let detail = accepted["detail"].as_str().unwrap();
        assert!(detail.contains("smtp.host"), "{detail}");
    }
    for _ in 0..3 {
        assert_eq!(post("sign-up", "203.0.113.1").await.status(), 202);
    }
    let slowed = post("forgot-password", "203.0.113.1").await;
    assert_eq!((slowed.status().as_u16(), slowed.headers().contains_key("retry-after")), (429, true));
    assert_eq!(post("forgot-password", "203.0.113.2").await.status(), 202, "others are not slowed down");
    assert!(server.whole_log().contains("smtp.host is not set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_and_no_link_is_seen_where_it_does_not_belong() {
    let (name, email) = ("Cnry-Name-7f9a+&%=Ä", "cnry-email-7f9a+b&c%d@example.com");
    let mut hub = Hub::start().await;
    hub.sign_up(name, email).await;
    let confirm = hub.link(email, "Confirm your account").await;
    hub.sign_up(name, email).await;
    assert_eq!(hub.confirm(email).await.0, 200);
    hub.sign_up(name, email).await;
    hub.forget(name).await;
    let reset = hub.link(email, "Set a new password").await;
    hub.http.get(&reset).send().await.unwrap();
    assert_eq!(hub.set_password(&reset, LATER).await.0, 200);
    hub.anybody("default", "sign-up", json!({"name": PASSWORD, "email": name, "password": "short"})).await;
    hub.anybody("default", "forgot-password", json!({"name": email, name: PASSWORD})).await;
    let token = |link: &String| link.rsplit('/').next().unwrap().to_owned();
    let sought = [name.to_owned(), email.to_owned(), PASSWORD.to_owned(), LATER.to_owned()];
    let mut search = Search::of(sought.into_iter().chain([token(&confirm), token(&reset)]));
    for path in ["/v1/changes", "/v1/events", "/v1/tokens", "/v1/domains", "/v1/deliveries", "/metrics", "/readyz"] {
        let request = hub.admin.request(Method::GET, path).header("accept", "application/json");
        search.text(path, request.send().await.unwrap().text().await.unwrap());
    }
    let mut server = hub.server.take().unwrap();
    let log = server.whole_log();
    assert!(log.contains("/account/{token}") && log.contains("TRACE"), "links are logged by their pattern");
    search.text("the log", log);
    search.files(&hub.data);
    search.found_nothing();
}
