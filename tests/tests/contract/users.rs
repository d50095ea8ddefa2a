//! Users: one for each name, gone for good when they are purged, and nothing personal where others may see it.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use acceptance::search::Search;
use acceptance::{Client, Options, Server, eventually};
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

const NAME: &str = "Cnry-Name-7f9a+&%=Ä";
const EMAIL: &str = "cnry-email-7f9a+b&c%d@example.com";
const PASSWORD: &str = "cnry password \"7f/9a+\\<&%>";
const LATER: &str = "cnry another password 3c1d";

fn with(field: &str, value: Value) -> Value {
    let mut spec = json!({"name": "ann"});
    spec[field] = value;
    spec
}

/// A server that purges what is deleted as soon as it can.
fn forgetful() -> Server {
    Server::start_with(&Options { arguments: &["--directory-retention-days", "0"], ..Options::default() })
}

async fn user(admin: &Client, spec: Value) -> Value {
    admin.post("/v1/users", &spec).await
}

fn id(user: &Value) -> String {
    format!("/v1/users/{}", user["id"].as_str().unwrap())
}

#[tokio::test]
async fn a_user_lives_and_comes_back() {
    let server = Server::start();
    let admin = server.admin();
    let spec = json!({"name": "Ann", "email": "ann@example.com", "password": PASSWORD});
    let made = user(&admin, spec).await;
    assert_eq!((&made["name"], &made["email"]), (&json!("Ann"), &json!("ann@example.com")));
    assert_eq!((&made["account"], &made["roles"]), (&json!("\\\\default\\Ann"), &json!(["member"])));
    assert_eq!((&made["state"], &made["has_password"]), (&json!("active"), &json!(true)));
    let path = id(&made);
    assert_eq!(admin.get(&path).await, made);
    for (patch, fields) in [
        (json!({"roles": ["admin", "member"]}), json!({"roles": ["member", "admin"]})),
        (json!({"email": null}), json!({"email": null})),
        (json!({"email": "a@b"}), json!({"email": "a@b", "name": "Ann"})),
        (json!({"name": "ANN"}), json!({"name": "ANN", "account": "\\\\default\\ANN"})),
        (json!({"name": "anna"}), json!({"name": "anna", "email": "a@b"})),
        (json!({}), json!({"name": "anna"})),
    ] {
        let (status, now) = admin.send(Method::PATCH, &path, &patch).await;
        assert_eq!(status, 200, "{patch}: {now}");
        for (field, value) in fields.as_object().unwrap() {
            assert_eq!(&now[field], value, "{patch}: {now}");
        }
    }
    user(&admin, json!({"name": "Ann"})).await;
    assert_eq!(admin.send(Method::DELETE, &path, &json!({})).await.0, 204);
    let deleted = admin.get(&path).await;
    assert_eq!((&deleted["state"], &deleted["name"]), (&json!("deleted"), &json!("anna")));
    assert_eq!(admin.try_post("/v1/users", &json!({"name": "ANNA"})).await.0, 409, "its name is its own");
    for (method, path, body) in [
        (Method::DELETE, path.clone(), json!({})),
        (Method::PATCH, path.clone(), json!({"roles": ["admin"]})),
        (Method::PUT, format!("{path}/password"), json!({"password": PASSWORD})),
    ] {
        assert_eq!(admin.send(method.clone(), &path, &body).await.0, 404, "{method} {path}");
    }
    let (status, back) = admin.send(Method::POST, &format!("{path}/undelete"), &json!({})).await;
    assert_eq!((status, &back["state"], &back["name"]), (StatusCode::OK, &json!("active"), &json!("anna")));
    assert_eq!(admin.send(Method::POST, &format!("{path}/undelete"), &json!({})).await.0, 409, "it is there");
    for (query, due) in [("", 2), ("?state=active", 2), ("?state=deleted", 0), ("?domain=default", 2)] {
        let page = admin.get(&format!("/v1/users{query}")).await;
        assert_eq!(page["items"].as_array().unwrap().len(), due, "{query}");
    }
    assert_eq!(admin.try_get("/v1/users?domain=nowhere").await.0, 404, "no users is another answer than no domain");
    let page = admin.get("/v1/changes?type=user.*").await;
    let told: Vec<_> =
        page["items"].as_array().unwrap().iter().map(|change| change["type"].as_str().unwrap()).collect();
    let due = ["created", "updated", "updated", "updated", "updated", "updated", "created", "deleted", "undeleted"];
    assert_eq!(told, due.map(|verb| format!("regledger.user.{verb}.v1")));
}

#[tokio::test]
async fn every_fault_of_a_user_is_told_where_it_is_and_never_quoted() {
    let server = Server::start();
    let admin = server.admin();
    admin.post("/v1/domains", &json!({"name": "acme"})).await;
    let long = |length: usize| "x".repeat(length);
    for (spec, pointer) in [
        (with("name", json!("")), "/name"),
        (with("name", json!("a b")), "/name"),
        (with("name", json!("a\u{0}")), "/name"),
        (with("name", json!("a\u{202e}b")), "/name"),
        (with("name", json!("acme\\ann")), "/name"),
        (with("name", json!(long(256))), "/name"),
        (with("email", json!("nobody")), "/email"),
        (with("email", json!("a@b\r\nBcc: c@d")), "/email"),
        (with("email", json!(format!("{}@b", long(254)))), "/email"),
        (with("password", json!("1234567")), "/password"),
        (with("password", json!(long(1025))), "/password"),
        (with("roles", json!([])), "/roles"),
        (with("roles", json!(["queen"])), "/roles/0"),
        (with("colour", json!("blue")), "/colour"),
    ] {
        let (status, problem) = admin.try_post("/v1/users", &spec).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)),
            "{spec}: {problem}"
        );
    }
    assert_eq!(admin.try_post("/v1/users", &with("domain", json!("nowhere"))).await.0, 409);
    for name in ["Straße", "STRASSE", "ｓｔｒａｓｓｅ"] {
        let (status, _) = admin.try_post("/v1/users", &json!({"name": name})).await;
        assert_eq!(status, if name == "Straße" { 201 } else { 409 }, "{name}");
        let (status, _) = admin.try_post("/v1/users", &json!({"name": name, "domain": "acme"})).await;
        assert_eq!(status, if name == "Straße" { 201 } else { 409 }, "{name} in another domain");
    }
}

#[tokio::test]
async fn of_many_who_want_a_name_at_once_one_gets_it() {
    let server = Server::start();
    let admin = server.admin();
    let names = ["ann", "Ann", "ANN", "aNN"];
    let specs: Vec<_> = (0..16).map(|number| json!({"name": names[number % 4], "email": "a@b"})).collect();
    let asked = specs.iter().map(|spec| admin.try_post("/v1/users", spec));
    let statuses: Vec<_> = join_all(asked).await.into_iter().map(|(status, _)| status.as_u16()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [201, 409].contains(status)), "{statuses:?}");
    let holder = admin.get("/v1/users").await["items"][0]["id"].clone();
    let kids = kids(&admin).await;
    let mine: Vec<_> = kids.iter().filter(|(user, _)| *user == holder).map(|(_, kid)| kid.clone()).collect();
    let others: Vec<_> = kids.iter().filter(|(user, _)| *user != holder).map(|(_, kid)| kid.clone()).collect();
    eventually("nothing opens of those who asked in vain", async || {
        (!others.iter().any(|kid| has_key(&server, kid))).then_some(())
    })
    .await;
    assert!(mine.iter().all(|kid| has_key(&server, kid)));
}

/// The keys that the events about users name, each with its user.
async fn kids(admin: &Client) -> Vec<(Value, String)> {
    let events = admin.request(Method::GET, "/v1/events").send().await.unwrap().text().await.unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let named =
        |event: Value| Some((event["subject"].clone(), event.pointer("/data/name/sealed/kid")?.as_str()?.to_owned()));
    events.filter_map(named).collect()
}

/// Whether the bytes of a key are anywhere in the key store.
fn has_key(server: &Server, kid: &str) -> bool {
    ["keys.db", "keys.db-wal"].iter().any(|file| {
        let bytes = std::fs::read(server.data_dir.join(file)).unwrap_or_default();
        bytes.windows(kid.len()).any(|window| window == kid.as_bytes())
    })
}

#[tokio::test]
async fn a_purge_destroys_the_key_also_if_the_process_died_in_between() {
    let server = Server::start();
    let admin = server.admin();
    let made = user(&admin, json!({"name": "ann", "email": EMAIL, "password": PASSWORD})).await;
    let kept = user(&admin, json!({"name": "bob"})).await;
    admin.send(Method::DELETE, &id(&made), &json!({})).await;
    let kids = kids(&admin).await;
    let (_, data, _own) = server.stop();
    let key = Key::read(&data, &kids[0].1);
    // two weeks later, as if the clock had moved: the time stands in the event, so another one is written
    let forgetful = Options { arguments: &["--directory-retention-days", "0"], ..Options::default() };
    let server = Server::start_in(&data, &forgetful);
    let admin = server.admin();
    assert_eq!(admin.get(&id(&made)).await["state"], "deleted", "early");
    admin.send(Method::POST, &format!("{}/undelete", id(&made)), &json!({})).await;
    admin.send(Method::DELETE, &id(&made), &json!({})).await;
    eventually("the user is purged", async || (admin.get(&id(&made)).await["state"] == "purged").then_some(())).await;
    eventually("its key is gone", async || (!has_key(&server, &kids[0].1)).then_some(())).await;
    assert!(has_key(&server, &kids[1].1), "the other's stays");
    let purged = admin.get(&id(&made)).await;
    assert_eq!((&purged["name"], &purged["email"], &purged["account"]), (&Value::Null, &Value::Null, &Value::Null));
    assert_eq!(admin.get(&id(&kept)).await["name"], "bob");
    assert_eq!(admin.send(Method::POST, &format!("{}/undelete", id(&made)), &json!({})).await.0, 404);
    user(&admin, json!({"name": "ANN"})).await;
    let backup = server.data_dir.with_extension("backup");
    let run = |arguments: &[&str]| {
        let output = server.command(arguments).arg(&backup).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    run(&["backup"]);
    let restored = server.data_dir.with_extension("restored");
    let kek = server.data_dir.join("kek");
    let options = ["--data-dir", restored.to_str().unwrap(), "restore", "--kek-file", kek.to_str().unwrap()];
    let output = acceptance::regledger(&options).arg(&backup).output().unwrap();
    assert!(output.status.success(), "a backup without the keys of who was purged is whole: {output:?}");
    let (_, data, _own) = server.stop();
    // as if the process had died before it destroyed the key
    key.put_back(&data);
    let server = Server::start_in(&data, &Options::default());
    eventually("its key is gone again", async || (!has_key(&server, &kids[0].1)).then_some(())).await;
}

#[tokio::test]
async fn a_key_that_cannot_be_destroyed_yet_is_told_and_destroyed_later() {
    let server = forgetful();
    let admin = server.admin();
    let made = user(&admin, json!({"name": "ann"})).await;
    let kid = kids(&admin).await.remove(0).1;
    // somebody copies the key store: what stands in its log cannot be taken away meanwhile
    let reader = Connection::open(server.data_dir.join("keys.db")).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let count: i64 = reader.query_row("SELECT count(*) FROM data_key", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 1);
    admin.send(Method::DELETE, &id(&made), &json!({})).await;
    let reason = eventually("it says what is in the way", async || {
        let ready = admin.try_get("/readyz").await.1;
        let check = ready["checks"].as_array()?.iter().find(|check| check["name"] == "purge")?.clone();
        check["reason"].as_str().map(str::to_owned)
    })
    .await;
    assert!(reason.contains("write-ahead log"), "{reason}");
    let purged = admin.get(&id(&made)).await;
    assert_eq!((&purged["state"], &purged["name"]), (&json!("purged"), &Value::Null), "nobody reads it any more");
    assert!(has_key(&server, &kid), "but its bytes are there");
    drop(reader);
    eventually("the bytes are gone", async || (!has_key(&server, &kid)).then_some(())).await;
    eventually("it is ready again", async || admin.try_get("/readyz").await.0.is_success().then_some(())).await;
}

/// A wrapped key, as it is kept.
struct Key(String, String, i64, Vec<u8>);

impl Key {
    fn read(data: &Path, kid: &str) -> Self {
        let database = Connection::open(data.join("keys.db")).unwrap();
        let sql = "SELECT kid, name, made, wrapped FROM data_key WHERE kid = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok(Self(row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        database.query_row(sql, [kid], read).unwrap()
    }

    fn put_back(&self, data: &Path) {
        let database = Connection::open(data.join("keys.db")).unwrap();
        let sql = "INSERT INTO data_key (kid, kind, name, made, wrapped) VALUES (?1, 'user', ?2, ?3, ?4)";
        assert_eq!(database.execute(sql, params![self.0, self.1, self.2, self.3]).unwrap(), 1);
    }
}

#[tokio::test]
async fn a_repetition_is_known_by_its_key_and_by_its_password() {
    let server = Server::start();
    let admin = server.admin();
    let send = async |method: Method, path: &str, key: &str, body: Value| {
        let answer = admin.request(method, path).header("idempotency-key", key).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap_or_default())
    };
    let spec = |password: &str| json!({"name": "ann", "email": EMAIL, "password": password});
    let (status, made) = send(Method::POST, "/v1/users", "k1", spec(PASSWORD)).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(send(Method::POST, "/v1/users", "k1", spec(PASSWORD)).await, (201, made.clone()));
    assert_eq!(send(Method::POST, "/v1/users", "k1", spec(LATER)).await.0, 422);
    assert_eq!(send(Method::POST, "/v1/users", "k1", json!({"name": "ann"})).await.0, 422);
    let path = format!("{}/password", id(&made));
    let set = |password: &str| json!({"password": password});
    assert_eq!(send(Method::PUT, &path, "k2", set(LATER)).await.0, 204);
    assert_eq!(send(Method::PUT, &path, "k2", set(LATER)).await.0, 204);
    assert_eq!(send(Method::PUT, &path, "k2", set(PASSWORD)).await.0, 422);
    let sets = admin.get("/v1/changes?type=user.updated").await;
    assert_eq!(sets["items"].as_array().unwrap().len(), 1, "{sets}");
}

#[tokio::test]
async fn nothing_personal_is_seen_where_it_does_not_belong() {
    let options = Options { arguments: &["--log-level", "trace"], ..Options::default() };
    let mut server = Server::start_with(&options);
    let admin = server.admin();
    let made = user(&admin, json!({"name": NAME, "email": EMAIL, "password": PASSWORD, "roles": ["admin"]})).await;
    admin.send(Method::PUT, &format!("{}/password", id(&made)), &json!({"password": LATER})).await;
    admin.try_post("/v1/users", &json!({"name": NAME, "email": EMAIL, "password": PASSWORD})).await;
    let request = admin.request(Method::POST, "/v1/users").header("idempotency-key", "k");
    request.json(&json!({"name": NAME, "email": EMAIL, "password": PASSWORD})).send().await.unwrap();
    admin.try_post("/v1/users", &json!({"name": NAME, "email": PASSWORD, "password": 1})).await;
    let passwords = [PASSWORD, LATER, NAME, EMAIL].map(str::to_owned);
    let mut search = Search::of(passwords);
    for path in ["/v1/changes", "/v1/events", "/v1/tokens", "/v1/domains", "/metrics", "/readyz"] {
        let request = admin.request(Method::GET, path).header("accept", "application/json");
        let answer = request.send().await.unwrap().text().await.unwrap();
        search.text(path, answer);
    }
    let (_, refused) =
        admin.try_post("/v1/users", &json!({"name": PASSWORD, "email": NAME, "password": "short"})).await;
    search.text("a refusal", refused.to_string());
    let answer = admin.get("/v1/users").await.to_string();
    let mut control = Search::of([NAME.to_owned(), EMAIL.to_owned()]);
    control.text("/v1/users", &answer);
    assert!(control.found.len() >= 2, "an administrator sees who it is");
    assert!(!answer.contains("argon2"), "and never a hash");
    let data = server.data_dir.clone();
    search.text("the log", server.whole_log());
    search.files(&data);
    search.found_nothing();
}

#[tokio::test]
async fn the_command_line_keeps_users() {
    let server = Server::start();
    let run = |arguments: &[&str], input: &str| {
        let mut child = server.command(arguments);
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        (output.status.code().unwrap(), format!("{out}{err}"))
    };
    let named = ["--domain", "acme", "--name", "ann"];
    let of = |verb: &[&'static str]| [verb, &named].concat();
    for (arguments, input, code, said) in [
        (vec!["domain", "create", "acme"], "", 0, "acme"),
        (
            [&of(&["user", "create"])[..], &["--email", "a@b", "--password-file", "-"]].concat(),
            PASSWORD,
            0,
            "has_password  true",
        ),
        (of(&["user", "create"]), "", 1, "The name is in use"),
        (vec!["user", "list"], "", 0, "\\\\acme\\ann"),
        (vec!["user", "show", "--domain", "acme", "--name", "ANN"], "", 0, "a@b"),
        ([&of(&["user", "update"])[..], &["--role", "admin", "--new-email", ""]].concat(), "", 0, "admin"),
        (of(&["user", "set-password"]), "short\n", 1, "/password"),
        (of(&["user", "set-password"]), "long enough\n", 0, "has another password"),
        (of(&["user", "delete"]), "", 0, "deleted"),
        (of(&["user", "delete"]), "", 1, "404"),
        (vec!["user", "list", "--state", "deleted"], "", 0, "\\\\acme\\ann"),
        (of(&["user", "undelete"]), "", 0, "active"),
        (vec!["user", "show", "--name", "nobody"], "", 1, "there is no user \\\\default\\nobody"),
        (vec!["user", "show", "--name", "no body"], "", 2, "--name"),
        (vec!["domain", "list"], "", 0, "default"),
        (vec!["domain", "delete", "default"], "", 1, "cannot be deleted"),
        (vec!["domain", "delete", "acme", "--output", "json"], "", 0, "{\"deleted\":\"acme\"}"),
        (vec!["domain", "show", "acme"], "", 0, "deleted"),
        (of(&["user", "undelete"]), "", 1, "there is no user"),
    ] {
        let (found, text) = run(&arguments, input);
        assert_eq!(found, code, "{arguments:?}: {text}");
        assert!(text.contains(said), "{arguments:?}: {text}");
        assert!(!text.contains(PASSWORD) && !text.contains("argon2"), "{arguments:?}: {text}");
    }
}
