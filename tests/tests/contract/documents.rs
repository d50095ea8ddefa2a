//! The documents of the API agree with what it answers.

use std::collections::BTreeSet;

use acceptance::{Client, Server, notice, repository};
use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::isl::{Language, issue};
use crate::stream::{post, read_pages};

/// A server, the document that it serves, and the operations whose answers were compared with it.
struct Documented {
    admin: Client,
    document: Value,
    compared: BTreeSet<String>,
}

impl Documented {
    /// Sends a request, compares the answer with what the document says of it, and gives it.
    async fn call(&mut self, method: &str, template: &str, path: &str, body: Value) -> Value {
        let mut request = self.admin.request(method.parse().unwrap(), path);
        request = request.header("accept", "application/json");
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16().to_string();
        let media_type = answer.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let text = answer.text().await.unwrap();
        let what = format!("{method} {template}");
        let operation = &self.document["paths"][template][method.to_lowercase()];
        let documented = follow(&self.document, &operation["responses"][&status]);
        assert!(documented.is_object(), "{what}: {status} is not documented: {text}");
        let Some(media_type) = media_type else {
            assert_eq!(text, "", "{what}");
            self.compared.insert(what);
            return Value::Null;
        };
        let schema = &documented["content"][&media_type]["schema"];
        assert!(schema.is_object(), "{what}: {status} {media_type} is not documented");
        let answer = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let validator = self.validator(schema);
        let wrong: Vec<_> = validator.iter_errors(&answer).map(|e| format!("{} {e}", e.instance_path())).collect();
        assert!(wrong.is_empty(), "{what} {status}: {wrong:?}\n{answer}");
        if status.starts_with('2') {
            self.compared.insert(what);
        }
        answer
    }

    /// A schema within the document, with the components that it refers to.
    fn validator(&self, schema: &Value) -> Validator {
        let whole = json!({"allOf": [schema], "components": self.document["components"]});
        jsonschema::draft202012::new(&whole).unwrap()
    }
}

/// What a reference within the document refers to.
fn follow<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

#[tokio::test]
async fn every_answer_is_as_the_openapi_document_says() {
    let arguments = ["--egress-allow", "127.0.0.0/8"];
    let options = acceptance::Options { arguments: &arguments, ..acceptance::Options::default() };
    let server = Server::start_with(&options);
    let admin = server.admin();
    let document = admin.get("/openapi.json").await;
    let mut api = Documented { admin, document, compared: BTreeSet::new() };
    let none = Value::Null;
    let spec = json!({"name": "acme-lab", "source": "provet", "notify": {"kind": "hookup"},
        "allow": {"addresses": ["127.0.0.0/8"], "token_hosts": ["provetcloud.com"]}});
    let made = api.call("POST", "/v1/integrations", "/v1/integrations", spec).await;
    let hookup = made["hookup_url"].as_str().unwrap().to_owned();
    let template = "/hookup/{integration}/{key}";
    let mut sent = notice(1);
    sent["departments"] = json!([3]);
    api.call("POST", template, &hookup, sent.clone()).await;
    sent["departments"] = json!([4]);
    sent["algorithm"] = json!("HS256");
    let receipt = api.call("POST", template, &hookup, sent).await;
    api.call("POST", template, &format!("{hookup}x"), notice(1)).await;
    let place = Client::place(&receipt);
    api.admin.get(&format!("/v1/clients?min_position={place}")).await;
    let page = api.call("GET", "/v1/clients", "/v1/clients", none.clone()).await;
    let client = page["items"][0]["id"].as_str().unwrap().to_owned();
    for path in ["/v1/clients", "/v1/integrations", "/v1/subscriptions", "/v1/tokens", "/v1/quarantine", "/v1/changes"]
    {
        for query in ["", "?limit=1", "?limit=0", "?after=x"] {
            api.call("GET", path, &format!("{path}{query}"), none.clone()).await;
        }
    }
    of_isl(&mut api).await;
    of_settings(&mut api).await;
    let reason = json!({"reason": "a test"});
    for (method, template, body) in [
        ("GET", "/v1/clients/{id}", &none),
        ("GET", "/v1/clients/{id}/changes", &none),
        ("POST", "/v1/clients/{id}/reveal", &reason),
        ("POST", "/v1/clients/{id}/reveal", &json!({})),
        ("POST", "/v1/clients/{id}/retire", &none),
    ] {
        for id in [client.as_str(), "unknown"] {
            api.call(method, template, &template.replace("{id}", id), body.clone()).await;
        }
    }
    for (body, verb) in [("{\"a\":1}", "dismiss"), ("{\"a\":2}", "release")] {
        let refused = api.call("POST", template, &hookup, serde_json::from_str(body).unwrap()).await;
        quarantined(&mut api, refused["quarantine_id"].as_str().unwrap(), verb).await;
    }
    released(&mut api, &hookup).await;
    let token = api.call("POST", "/v1/tokens", "/v1/tokens", json!({"name": "t", "scopes": ["admin"]})).await;
    let token = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    api.call("GET", "/v1/tokens/{id}", &token, none.clone()).await;
    api.call("DELETE", "/v1/tokens/{id}", &token, none.clone()).await;
    directory(&mut api).await;
    subscribed(&mut api).await;
    let acme = "/v1/integrations/acme-lab";
    api.call("GET", "/v1/integrations/{name}", acme, none.clone()).await;
    api.call("PATCH", "/v1/integrations/{name}", acme, json!({"owner": "Ann"})).await;
    let rotate = "/v1/integrations/{name}/rotate-hookup";
    api.call("POST", rotate, &rotate.replace("{name}", "acme-lab"), json!({})).await;
    api.call("DELETE", "/v1/integrations/{name}", acme, none.clone()).await;
    api.call("GET", "/v1/events", "/v1/events", none.clone()).await;
    for path in ["/healthz", "/readyz", "/metrics", "/openapi.json", "/asyncapi.json"] {
        api.call("GET", path, path, none.clone()).await;
    }
    api.call("GET", "/schemas/{name}", "/schemas/client.schema.json", none).await;
    let paths = api.document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, operations)| {
        operations.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    // What a mailed link leads to is a page, which is seen where there are mails.
    let all =
        all.filter(|operation| !operation.ends_with("/notices/{token}") && !operation.ends_with("/account/{token}"));
    assert_eq!(api.compared, all.collect(), "each operation was compared with a success");
}

async fn directory(api: &mut Documented) {
    let domain = json!({"name": "acme"});
    for body in [&domain, &domain, &json!({"name": "-"}), &json!({})] {
        api.call("POST", "/v1/domains", "/v1/domains", body.clone()).await;
    }
    let spec = json!({"domain": "acme", "name": "Ann", "email": "ann@example.com", "password": "a test of it"});
    let made = api.call("POST", "/v1/users", "/v1/users", spec.clone()).await;
    api.call("POST", "/v1/users", "/v1/users", spec).await;
    api.call("POST", "/v1/users", "/v1/users", json!({"name": "a b"})).await;
    let id = made["id"].as_str().unwrap();
    for id in [id, "unknown"] {
        for (method, template, body) in [
            ("GET", "/v1/users/{id}", Value::Null),
            ("PATCH", "/v1/users/{id}", json!({"email": null, "roles": ["admin"]})),
            ("PUT", "/v1/users/{id}/password", json!({"password": "another test"})),
            ("PUT", "/v1/users/{id}/password", json!({"password": "short"})),
            ("DELETE", "/v1/users/{id}", Value::Null),
            ("POST", "/v1/users/{id}/undelete", Value::Null),
        ] {
            api.call(method, template, &template.replace("{id}", id), body).await;
        }
    }
    let sign_up = json!({"name": "Bob", "email": "bob@example.com", "password": "a test of it"});
    for domain in ["acme", "unknown"] {
        for (template, body) in [
            ("/v1/domains/{name}/sign-up", &sign_up),
            ("/v1/domains/{name}/sign-up", &json!({"name": "Bob"})),
            ("/v1/domains/{name}/forgot-password", &json!({"name": "Ann"})),
            ("/v1/domains/{name}/forgot-password", &json!({"name": "a b"})),
        ] {
            api.call("POST", template, &template.replace("{name}", domain), body.clone()).await;
        }
    }
    for path in ["/v1/domains", "/v1/users"] {
        for query in ["", "?limit=1", "?limit=0", "?after=x"] {
            api.call("GET", path, &format!("{path}{query}"), Value::Null).await;
        }
    }
    for name in ["acme", "default", "unknown"] {
        let path = format!("/v1/domains/{name}");
        api.call("GET", "/v1/domains/{name}", &path, Value::Null).await;
        api.call("DELETE", "/v1/domains/{name}", &path, Value::Null).await;
    }
}

async fn of_settings(api: &mut Documented) {
    let (template, path) = ("/v1/settings/{key}", "/v1/settings/webhook_events.user_create");
    api.call("GET", "/v1/settings", "/v1/settings?limit=2", Value::Null).await;
    for value in [json!("yes"), json!("maybe"), json!(1)] {
        api.call("PUT", template, path, json!({"value": value})).await;
    }
    api.call("PUT", template, "/v1/settings/jwt_webhook.url", json!({"value": "https://x.example/"})).await;
    api.call("GET", template, path, Value::Null).await;
    api.call("GET", template, "/v1/settings/unknown", Value::Null).await;
    api.call("DELETE", template, path, Value::Null).await;
    api.call("GET", "/.well-known/jwks.json", "/.well-known/jwks.json", Value::Null).await;
}

async fn of_isl(api: &mut Documented) {
    let claims = json!({"events": {"user_create": {"user": "ann", "domain_id": 7}}});
    let issued = issue(Language::Python, json!({"good": {"claims": claims}}));
    let spec =
        json!({"name": "acme-isl", "source": "isl", "notify": {"kind": "hookup"}, "jwt_key": issued["public_key"]});
    let made = api.call("POST", "/v1/integrations", "/v1/integrations", spec).await;
    let url = |name: &str| made[name].as_str().unwrap().to_owned();
    // the body of a form is no JSON, and neither is this one a form that is accepted
    api.call("POST", "/isl/{integration}/{key}/events", &url("events_url"), json!("MODULE=a")).await;
    let form = "MODULE=a&EVENT=START&DOMAIN_ID=7&SESSIONID=s1";
    api.admin.post_form(&url("events_url"), form).await;
    acceptance::eventually("the session is projected", async || {
        (api.admin.try_get("/v1/sessions/s1").await.0 == 200).then_some(())
    })
    .await;
    for path in ["/v1/sessions/s1", "/v1/sessions/s2", "/v1/sessions/s1?colour=blue"] {
        api.call("GET", "/v1/sessions/{id}", path, Value::Null).await;
    }
    let template = "/isl/{integration}/{key}/jwt";
    api.call("POST", template, &url("jwt_url"), json!({"jwt": issued["good"]})).await;
    api.call("POST", template, &url("jwt_url"), json!({"jwt": "a.b.c"})).await;
    api.call("POST", template, &url("jwt_url"), json!({})).await;
}

async fn quarantined(api: &mut Documented, id: &str, verb: &str) {
    let path = format!("/v1/quarantine/{id}");
    acceptance::eventually("the message is projected", async || {
        (api.admin.try_get(&path).await.0 == 200).then_some(())
    })
    .await;
    api.call("GET", "/v1/quarantine/{id}", &path, Value::Null).await;
    let reason = json!({"reason": "a test"});
    api.call("POST", "/v1/quarantine/{id}/reveal", &format!("{path}/reveal"), reason).await;
    api.call("POST", &format!("/v1/quarantine/{{id}}/{verb}"), &format!("{path}/{verb}"), Value::Null).await;
}

async fn subscribed(api: &mut Documented) {
    let (template, path) = ("/v1/subscriptions/{id}", "/v1/subscriptions/acme");
    let asked = json!({"name": "acme", "url": "https://hooks.example.com/x", "signature": "both"});
    api.call("POST", "/v1/subscriptions", "/v1/subscriptions", asked).await;
    let mails = json!({"name": "office", "address": "office@example.com"});
    api.call("POST", "/v1/subscriptions", "/v1/subscriptions", mails).await;
    api.call("POST", "/v1/subscriptions", "/v1/subscriptions", json!({"name": "acme"})).await;
    api.call("GET", "/v1/subscriptions", "/v1/subscriptions", Value::Null).await;
    api.call("GET", template, path, Value::Null).await;
    api.call("PATCH", template, path, json!({"types": ["client.*"]})).await;
    for verb in ["pause", "resume", "rotate-secret", "test"] {
        api.call("POST", &format!("{template}/{verb}"), &format!("{path}/{verb}"), json!({})).await;
    }
    api.call("GET", &format!("{template}/attempts"), &format!("{path}/attempts"), Value::Null).await;
    api.call("GET", "/v1/deliveries", "/v1/deliveries", Value::Null).await;
    api.call("POST", "/v1/deliveries/replay", "/v1/deliveries/replay", json!({"subscription": "acme"})).await;
    let delivery = failed(api).await;
    api.call("GET", "/v1/deliveries/{id}", &delivery, Value::Null).await;
    api.call("POST", "/v1/deliveries/{id}/replay", &format!("{delivery}/replay"), Value::Null).await;
    api.call("DELETE", template, path, Value::Null).await;
}

/// Where a delivery is found that did not arrive: nobody listens on that port.
async fn failed(api: &mut Documented) -> String {
    let asked = json!({"name": "nobody", "url": "http://127.0.0.1:1024/", "from": "beginning"});
    api.admin.post("/v1/subscriptions", &asked).await;
    acceptance::eventually("a delivery has failed", async || {
        let page = api.admin.get("/v1/deliveries?subscription=nobody").await;
        Some(format!("/v1/deliveries/{}", page["items"][0]["id"].as_str()?))
    })
    .await
}

async fn released(api: &mut Documented, hookup: &str) {
    let allow = |hosts: Value| json!({"allow": {"token_hosts": hosts}});
    let (template, path) = ("/v1/integrations/{name}", "/v1/integrations/acme-lab");
    api.call("PATCH", template, path, allow(json!(["elsewhere.example"]))).await;
    let refused = api.call("POST", "/hookup/{integration}/{key}", hookup, notice(9)).await;
    api.call("PATCH", template, path, allow(json!([]))).await;
    quarantined(api, refused["quarantine_id"].as_str().unwrap(), "release").await;
}

#[tokio::test]
async fn events_and_changes_are_as_their_schemas_say() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    post(&admin, &hookup, [1, 2]).await;
    admin.try_notify(&hookup, "{}").await;
    let id = admin.get("/v1/clients").await["items"][0]["id"].as_str().unwrap().to_owned();
    admin.post(&format!("/v1/clients/{id}/reveal"), &json!({"reason": "a test"})).await;
    admin.post(&format!("/v1/clients/{id}/retire"), &json!({})).await;
    admin.post("/v1/integrations/acme-lab/rotate-hookup", &json!({})).await;
    admin.send(Method::PATCH, "/v1/integrations/acme-lab", &json!({"owner": "Ann"})).await;
    admin.send(Method::DELETE, "/v1/integrations/acme-lab", &json!({})).await;
    admin.post("/v1/domains", &json!({"name": "acme"})).await;
    let user = json!({"domain": "acme", "name": "ann", "email": "a@b", "password": "a test of it"});
    let user = format!("/v1/users/{}", admin.post("/v1/users", &user).await["id"].as_str().unwrap());
    admin.send(Method::PATCH, &user, &json!({"email": null, "name": "Ann"})).await;
    admin.send(Method::PUT, &format!("{user}/password"), &json!({"password": "another test"})).await;
    admin.send(Method::DELETE, &user, &json!({})).await;
    admin.post(&format!("{user}/undelete"), &json!({})).await;
    admin.send(Method::DELETE, "/v1/domains/acme", &json!({})).await;
    let events = admin.request(Method::GET, "/v1/events").send().await.unwrap().text().await.unwrap();
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        let schema = admin.get(event["dataschema"].as_str().unwrap()).await;
        assert!(jsonschema::draft202012::is_valid(&schema, &event["data"]), "{line}");
    }
    let schema = admin.get("/schemas/change.schema.json").await;
    let changes = read_pages(&admin, "/v1/changes").await;
    assert_eq!(changes.len(), 15, "{changes:?}");
    for change in changes {
        assert!(jsonschema::draft202012::is_valid(&schema, &change), "{change}");
    }
}

#[tokio::test]
async fn the_documents_that_are_served_are_those_that_are_committed() {
    let server = Server::start();
    let admin = server.admin();
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(repository().join("schemas")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let committed: Value = serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap();
        let path = if name.ends_with("api.json") { format!("/{name}") } else { format!("/schemas/{name}") };
        assert_eq!(admin.get(&path).await, committed, "{name}: run `make schemas`");
        names.insert(name);
    }
    assert!(names.contains("openapi.json") && names.contains("provet-registration.schema.json"), "{names:?}");
}
