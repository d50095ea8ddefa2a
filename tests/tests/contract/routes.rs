//! Every route: its scope, and what it answers to whom.

/// A route, and what it answers to those who may use it.
pub struct Route {
    pub method: &'static str,
    pub path: &'static str,
    pub scope: &'static str,
    pub body: &'static str,
    /// To one who sees everything.
    pub all: u16,
    /// To one who sees another integration, or another domain, only.
    pub elsewhere: u16,
    /// To one who sees this integration only.
    pub integration: u16,
    /// To one who sees this domain only.
    pub domain: u16,
}

/// `statuses`: to one who sees everything, another integration or domain, this integration, this domain.
const fn route(call: [&'static str; 2], scope: &'static str, body: &'static str, statuses: [u16; 4]) -> Route {
    let [all, elsewhere, integration, domain] = statuses;
    Route { method: call[0], path: call[1], scope, body, all, elsewhere, integration, domain }
}

const SPEC: &str = r#"{"name":"{fresh}","source":"provet","notify":{"kind":"hookup"}}"#;
const TOKEN: &str = r#"{"name":"t","scopes":["clients:read"]}"#;
const SUBSCRIPTION: &str = r#"{"name":"{fresh}","domain":"default","url":"https://hooks.example.com/x"}"#;
const REASON: &str = r#"{"reason":"a test"}"#;

pub const ROUTES: &[Route] = &[
    route(["GET", "/v1/clients"], "clients:read", "", [200, 200, 200, 200]),
    route(["GET", "/v1/clients/{client}"], "clients:read", "", [200, 404, 200, 200]),
    route(["GET", "/v1/clients/{client}/changes"], "clients:read", "", [200, 404, 200, 200]),
    route(["POST", "/v1/clients/{client}/reveal"], "secrets:reveal", REASON, [200, 404, 200, 200]),
    route(["POST", "/v1/clients/{client}/retire"], "admin", "", [200, 404, 200, 200]),
    route(["GET", "/v1/changes"], "changes:read", "", [200, 200, 200, 200]),
    route(["GET", "/v1/events"], "events:read", "", [200, 403, 403, 403]),
    route(["GET", "/v1/domains"], "admin", "", [200, 200, 200, 200]),
    route(["POST", "/v1/domains"], "admin", r#"{"name":"{fresh}"}"#, [201, 403, 403, 403]),
    route(["GET", "/v1/domains/{domain}"], "admin", "", [200, 404, 404, 200]),
    route(["DELETE", "/v1/domains/{vain}"], "admin", "", [204, 403, 403, 403]),
    route(["GET", "/v1/users"], "admin", "", [200, 200, 200, 200]),
    route(["POST", "/v1/users"], "admin", r#"{"name":"{fresh}"}"#, [201, 403, 403, 201]),
    route(["GET", "/v1/users/{user}"], "admin", "", [200, 404, 404, 200]),
    route(["PATCH", "/v1/users/{user}"], "admin", r#"{"roles":["admin"]}"#, [200, 404, 404, 200]),
    route(["DELETE", "/v1/users/{user}"], "admin", "", [204, 404, 404, 204]),
    route(["POST", "/v1/users/{gone}/undelete"], "admin", "", [200, 404, 404, 200]),
    route(["PUT", "/v1/users/{user}/password"], "admin", r#"{"password":"a test of it"}"#, [204, 404, 404, 204]),
    route(["GET", "/v1/integrations"], "admin", "", [200, 200, 200, 200]),
    route(["POST", "/v1/integrations"], "admin", SPEC, [201, 403, 403, 201]),
    route(["GET", "/v1/integrations/{integration}"], "admin", "", [200, 404, 200, 200]),
    route(["PATCH", "/v1/integrations/{integration}"], "admin", r#"{"owner":"Ann"}"#, [200, 404, 200, 200]),
    // The integration that a token is limited to is not deleted, or the other rows would have none.
    route(["DELETE", "/v1/integrations/{spare}"], "admin", "", [204, 404, 404, 204]),
    route(["GET", "/v1/quarantine"], "admin", "", [200, 200, 200, 200]),
    route(["GET", "/v1/quarantine/{message}"], "admin", "", [200, 404, 200, 200]),
    route(["POST", "/v1/quarantine/{message}/reveal"], "secrets:reveal", REASON, [200, 404, 200, 200]),
    route(["POST", "/v1/quarantine/{message}/release"], "admin", "", [422, 404, 422, 422]),
    route(["POST", "/v1/quarantine/{message}/dismiss"], "admin", "", [200, 404, 200, 200]),
    route(["GET", "/v1/settings"], "admin", "", [200, 403, 403, 200]),
    route(["GET", "/v1/settings/{setting}"], "admin", "", [200, 403, 403, 200]),
    route(["PUT", "/v1/settings/{setting}"], "admin", r#"{"value":"no"}"#, [200, 403, 403, 200]),
    route(["DELETE", "/v1/settings/{setting}"], "admin", "", [204, 403, 403, 204]),
    route(["GET", "/v1/sessions/{session}"], "admin", "", [200, 404, 200, 200]),
    route(["GET", "/v1/subscriptions"], "admin", "", [200, 200, 200, 200]),
    route(["POST", "/v1/subscriptions"], "admin", SUBSCRIPTION, [201, 403, 403, 201]),
    route(["GET", "/v1/subscriptions/{subscription}"], "admin", "", [200, 404, 404, 200]),
    route(["PATCH", "/v1/subscriptions/{subscription}"], "admin", r#"{"types":[]}"#, [200, 404, 404, 200]),
    route(["POST", "/v1/subscriptions/{subscription}/pause"], "admin", "", [200, 404, 404, 200]),
    route(["POST", "/v1/subscriptions/{subscription}/resume"], "admin", "", [200, 404, 404, 200]),
    route(["POST", "/v1/subscriptions/{subscription}/rotate-secret"], "admin", "", [200, 404, 404, 200]),
    route(["POST", "/v1/subscriptions/{subscription}/test"], "admin", "", [200, 404, 404, 200]),
    route(["GET", "/v1/subscriptions/{subscription}/attempts"], "admin", "", [200, 404, 404, 200]),
    route(["GET", "/v1/deliveries"], "admin", "", [200, 200, 200, 200]),
    route(["POST", "/v1/deliveries/replay"], "admin", "", [200, 200, 200, 200]),
    // Deliveries fail in tests of their own.
    route(["GET", "/v1/deliveries/{delivery}"], "admin", "", [404, 404, 404, 404]),
    route(["POST", "/v1/deliveries/{delivery}/replay"], "admin", "", [404, 404, 404, 404]),
    route(["DELETE", "/v1/subscriptions/{subscription}"], "admin", "", [204, 404, 404, 204]),
    route(["GET", "/v1/tokens"], "admin", "", [200, 200, 200, 200]),
    route(["POST", "/v1/tokens"], "admin", TOKEN, [201, 403, 403, 403]),
    route(["GET", "/v1/tokens/{token}"], "admin", "", [200, 404, 404, 404]),
    route(["DELETE", "/v1/tokens/{token}"], "admin", "", [204, 404, 404, 404]),
    // Last: it ends the URL to which the others send their notices.
    route(["POST", "/v1/integrations/{integration}/rotate-hookup"], "admin", "", [200, 404, 200, 200]),
];

/// Routes that take no token.
pub const OPEN: &[(&str, &str)] = &[
    ("POST", "/hookup/{integration}/{key}"),
    ("GET", "/notices/{token}"),
    ("POST", "/notices/{token}"),
    ("POST", "/v1/domains/{name}/sign-up"),
    ("POST", "/v1/domains/{name}/forgot-password"),
    ("GET", "/account/{token}"),
    ("POST", "/account/{token}"),
    ("POST", "/isl/{integration}/{key}/events"),
    ("POST", "/isl/{integration}/{key}/jwt"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/asyncapi.json"),
    ("GET", "/schemas/{name}"),
    ("GET", "/.well-known/jwks.json"),
];
