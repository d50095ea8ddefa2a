//! Who may do what: every route by every kind of access token.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use acceptance::{Client, Server, notice};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::routes::{OPEN, ROUTES, Route};

const SCOPES: [&str; 6] = ["clients:read", "changes:read", "events:read", "secrets:reveal", "tokens:mint", "admin"];

/// What the holder of a token may do and see.
enum Holder {
    Nobody,
    OneScope(&'static str),
    Elsewhere,
    OtherDomain,
    OwnIntegration,
    OwnDomain,
}

impl Route {
    fn due(&self, holder: &Holder) -> u16 {
        match holder {
            Holder::Nobody => 401,
            Holder::OneScope(scope) => {
                let is_covered = *scope == "admin" && self.scope != "secrets:reveal";
                if *scope == self.scope || is_covered { self.all } else { 403 }
            }
            Holder::Elsewhere => self.elsewhere,
            // each domain has settings of its own, and what is made for no domain is made for one's own
            Holder::OtherDomain if self.path.starts_with("/v1/settings") => self.domain,
            Holder::OtherDomain if (self.method, self.path) == ("POST", "/v1/subscriptions") => self.domain,
            Holder::OtherDomain => self.elsewhere,
            Holder::OwnIntegration => self.integration,
            Holder::OwnDomain => self.domain,
        }
    }
}

/// Makes what a path names, anew for each call: some calls end what they name.
struct World {
    admin: Client,
    hookup: String,
    isl: String,
    made: AtomicU64,
}

impl World {
    async fn fill(&self, template: &str) -> String {
        let number = self.made.fetch_add(1, Ordering::SeqCst);
        let mut text = template.replace("{fresh}", &format!("fresh-{number}"));
        if text.contains("{client}") {
            let receipt = self.admin.notify(&self.hookup, &notice(number)).await;
            let path = format!("/v1/clients?tenant=provetcloud.com/{number}&min_position={}", Client::place(&receipt));
            let page = self.admin.get(&path).await;
            text = text.replace("{client}", page["items"][0]["id"].as_str().unwrap());
        }
        if text.contains("{message}") {
            let (_, problem) = self.admin.try_notify(&self.hookup, format!("[{number}]")).await;
            let id = problem["quarantine_id"].as_str().unwrap();
            let path = format!("/v1/quarantine/{id}");
            acceptance::eventually("the message is projected", async || {
                (self.admin.try_get(&path).await.0 == StatusCode::OK).then_some(())
            })
            .await;
            text = text.replace("{message}", id);
        }
        if text.contains("{token}") {
            let made = self.admin.post("/v1/tokens", &json!({"name": "t", "scopes": ["admin"]})).await;
            text = text.replace("{token}", made["id"].as_str().unwrap());
        }
        if text.contains("{session}") {
            let form = format!("MODULE=ISL_LIGHT&EVENT=START&DOMAIN_ID=7&SESSIONID=s{number}");
            self.admin.post_form(&self.isl, form).await;
            let path = format!("/v1/sessions/s{number}");
            acceptance::eventually("the session is projected", async || {
                (self.admin.try_get(&path).await.0 == StatusCode::OK).then_some(())
            })
            .await;
            text = text.replace("{session}", &format!("s{number}"));
        }
        if text.contains("{subscription}") {
            let name = format!("subscription-{number}");
            let asked = json!({"name": name, "domain": "default", "url": "https://hooks.example.com/x"});
            self.admin.post("/v1/subscriptions", &asked).await;
            text = text.replace("{subscription}", &name);
        }
        if text.contains("{spare}") {
            self.admin.integration(&format!("spare-{number}")).await;
            text = text.replace("{spare}", &format!("spare-{number}"));
        }
        if text.contains("{vain}") {
            self.admin.post("/v1/domains", &json!({"name": format!("vain-{number}")})).await;
            text = text.replace("{vain}", &format!("vain-{number}"));
        }
        for (place, is_deleted) in [("{user}", false), ("{gone}", true)] {
            if text.contains(place) {
                let made = self.admin.post("/v1/users", &json!({"name": format!("user-{number}")})).await;
                let id = made["id"].as_str().unwrap();
                if is_deleted {
                    self.admin.send(Method::DELETE, &format!("/v1/users/{id}"), &json!({})).await;
                }
                text = text.replace(place, id);
            }
        }
        text = text.replace("{setting}", "webhook_events.user_create");
        text.replace("{integration}", "acme-lab").replace("{domain}", "default")
    }
}

async fn token(admin: &Client, spec: Value) -> (String, String) {
    let mut asked = json!({"name": "a test", "scopes": SCOPES});
    asked.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let made = admin.post("/v1/tokens", &asked).await;
    (made["token"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
}

async fn holders(admin: &Client) -> Vec<(String, Option<String>, Holder)> {
    let expired = token(admin, json!({"expires_time": "2020-01-01T00:00:00Z"})).await.0;
    let (revoked, id) = token(admin, json!({})).await;
    admin.send(Method::DELETE, &format!("/v1/tokens/{id}"), &json!({})).await;
    let mut holders = vec![
        ("no token".to_owned(), None, Holder::Nobody),
        ("garbage".to_owned(), Some("rgl_garbage".to_owned()), Holder::Nobody),
        ("an expired token".to_owned(), Some(expired), Holder::Nobody),
        ("a revoked token".to_owned(), Some(revoked), Holder::Nobody),
    ];
    for scope in SCOPES {
        let token = token(admin, json!({"scopes": [scope]})).await.0;
        holders.push((format!("{scope} alone"), Some(token), Holder::OneScope(scope)));
    }
    let limits = [
        ("another integration", json!({"integrations": ["other"]}), Holder::Elsewhere),
        ("another domain", json!({"domain": "elsewhere"}), Holder::OtherDomain),
        ("this integration", json!({"integrations": ["acme-lab", "acme-isl"]}), Holder::OwnIntegration),
        ("this domain", json!({"domain": "default"}), Holder::OwnDomain),
    ];
    for (name, limit, holder) in limits {
        holders.push((format!("limited to {name}"), Some(token(admin, limit).await.0), holder));
    }
    holders
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_every_kind_of_token_as_it_should() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    admin.integration("other").await;
    admin.post("/v1/domains", &json!({"name": "elsewhere"})).await;
    let (isl, _) = admin.isl_integration("acme-isl", json!({})).await;
    let holders = holders(&admin).await;
    let world = World { admin, hookup, isl, made: AtomicU64::new(1) };
    let http = reqwest::Client::new();
    let mut wrong = Vec::new();
    for route in ROUTES {
        for (name, token, holder) in &holders {
            let url = format!("{}{}", server.url, world.fill(route.path).await);
            let method = route.method.parse().unwrap();
            let mut request = http.request(method, url).body(world.fill(route.body).await);
            request = request.header("accept", "application/json");
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let answer = request.send().await.unwrap();
            let due = route.due(holder);
            if answer.status() != due {
                wrong.push(format!("{} {} by {name}: {}, not {due}", route.method, route.path, answer.status()));
            }
            if due == 401 {
                assert_eq!(answer.headers()["www-authenticate"], "Bearer", "RFC 6750");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_matrix_knows_every_route_of_the_openapi_document_and_its_scope() {
    let server = Server::start();
    let document = server.admin().get("/openapi.json").await;
    let mut documented = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let scope = operation["security"][0]["bearer"][0].as_str().unwrap_or_default();
            documented.insert((method.to_uppercase(), anonymous(path), scope.to_owned()));
        }
    }
    let limited = ROUTES.iter().map(|route| (route.method.to_owned(), anonymous(route.path), route.scope.to_owned()));
    let open = OPEN.iter().map(|(method, path)| ((*method).to_owned(), anonymous(path), String::new()));
    assert_eq!(documented, limited.chain(open).collect());
}

/// A path without the names of its parameters.
fn anonymous(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { "{}" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn a_limited_token_sees_only_what_it_is_limited_to() {
    let server = Server::start();
    let admin = server.admin();
    let (acme, other) = (admin.integration("acme-lab").await, admin.integration("other").await);
    for hookup in [&acme, &other] {
        admin.try_notify(hookup, "{}").await;
        let receipt = admin.notify(hookup, &notice(1)).await;
        admin.get(&format!("/v1/clients?min_position={}", Client::place(&receipt))).await;
    }
    let limited = Client::new(&server.url, &token(&admin, json!({"integrations": ["other"]})).await.0);
    for (path, name) in [
        ("/v1/clients", "/integration"),
        ("/v1/quarantine", "/integration"),
        ("/v1/integrations", "/name"),
        ("/v1/changes?type=client.*", "/data/client/integration"),
        ("/v1/changes?type=integration.*", "/data/integration/name"),
    ] {
        let page = limited.get(path).await;
        let seen: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| item.pointer(name).unwrap()).collect();
        assert_eq!(seen, ["other"], "{path}");
    }
    for path in [
        "/v1/clients?integration=acme-lab",
        "/v1/quarantine?integration=acme-lab",
        "/v1/changes?integration=acme-lab",
        "/v1/tokens",
    ] {
        assert_eq!(limited.get(path).await["items"], json!([]), "{path}");
    }
}

#[tokio::test]
async fn a_method_that_a_route_does_not_know_is_answered_405_with_those_it_knows() {
    let server = Server::start();
    let known = ROUTES.iter().map(|route| (route.method, route.path)).chain(OPEN.iter().copied());
    let known: Vec<_> = known.collect();
    let mut wrong = Vec::new();
    for path in known.iter().map(|(_, path)| path).collect::<BTreeSet<_>>() {
        let due: BTreeSet<_> = known.iter().filter(|(_, p)| anonymous(p) == anonymous(path)).map(|(m, _)| *m).collect();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"] {
            if due.contains(method) {
                continue;
            }
            let request = server.admin().request(method.parse().unwrap(), path);
            let answer = request.send().await.unwrap();
            let allow = answer.headers().get("allow").map_or("", |allow| allow.to_str().unwrap());
            let allowed: BTreeSet<_> = allow.split(',').map(str::trim).collect();
            if answer.status() != 405 || allowed != due {
                wrong.push(format!("{method} {path}: {} allow: {allow}", answer.status()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
