//! OpenAPI 3.1: the handlers' annotations, completed by what follows from them. All else is written by hand in
//! `schemas/openapi.json`: what the API is, its tags, headers and keys, and the routes that every process has.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::schemas::{self, Refinements, never_null};
use super::{patterns, refusals};

#[derive(OpenApi)]
#[openapi(paths(
    intake::receive,
    intake::receive_event,
    intake::receive_token,
    query::clients::list,
    query::clients::show,
    query::clients::history,
    query::clients::retire,
    query::reveal::client,
    query::changes::follow,
    query::events::read,
    query::domains::list,
    query::domains::create,
    query::domains::show,
    query::domains::remove,
    query::users::list,
    query::users::create,
    query::users::show,
    query::users::update,
    query::users::remove,
    query::users::undelete,
    query::users::set_password,
    query::account::sign_up,
    query::account::forgot_password,
    query::account::link::show,
    query::account::link::follow,
    query::integrations::list,
    query::integrations::create,
    query::integrations::show,
    query::integrations::update,
    query::integrations::remove,
    query::integrations::rotate_hookup,
    query::settings::list,
    query::settings::show,
    query::settings::set,
    query::settings::reset,
    query::sessions::show,
    query::tokens::list,
    query::tokens::create,
    query::tokens::show,
    query::tokens::revoke,
    query::subscriptions::list,
    query::subscriptions::create,
    query::subscriptions::show,
    query::subscriptions::update,
    query::subscriptions::remove,
    query::subscriptions::pause,
    query::subscriptions::resume,
    query::subscriptions::rotate_secret,
    query::subscriptions::trial::test,
    query::notices::show,
    query::notices::reveal,
    query::deliveries::attempts,
    query::deliveries::list,
    query::deliveries::show,
    query::deliveries::replay,
    query::deliveries::replay_one,
    query::quarantine::list,
    query::quarantine::show,
    query::release::release,
    query::quarantine::dismiss,
    query::reveal::quarantined,
))]
struct Annotated;

/// Writes anew what follows from the code. `notice` is the source's schema of a registration notice.
pub(super) fn renew(document: &mut Value, notice: &Value, refinements: &Refinements) -> anyhow::Result<()> {
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    let schemas = schemas::of_openapi(notice, refinements);
    let mut shared = BTreeSet::new();
    let mut annotated = annotated()?;
    for (_, operation) in operations(&mut annotated) {
        summarise(operation);
        refine_parameters(operation);
        relax_body(operation, |name| schemas.get(name));
        shared.extend(refusals::complete(operation));
    }
    let stream = &mut annotated["paths"]["/v1/changes"]["get"]["responses"]["200"]["content"]["text/event-stream"];
    let change = refinements.example("CloudEvent");
    let event = format!("id: MSAwMTk4YzVhNCAxNy4x\nevent: client.departments_added\ndata: {change}\n\n");
    stream["example"] = json!(event);
    for (path, item) in annotated["paths"].as_object_mut().into_iter().flatten() {
        document["paths"][path] = item.take();
    }
    document["components"]["schemas"] = json!(schemas);
    document["components"]["responses"] = json!(refusals::components(&shared));
    Ok(())
}

/// What the handlers' annotations say.
pub(super) fn annotated() -> anyhow::Result<Value> {
    Ok(serde_json::to_value(Annotated::openapi())?)
}

/// The operations of a document, each with its method and path.
pub(super) fn operations(document: &mut Value) -> impl Iterator<Item = (String, &mut Value)> {
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    paths.flat_map(|(path, item)| {
        let operations = item.as_object_mut().into_iter().flatten();
        operations.map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

/// Handlers are documented for readers of the code: the first sentence is the summary, and their
/// list of errors is told by the answers. The scope is told in words too.
fn summarise(operation: &mut Value) {
    let text = |member: &str| operation[member].as_str().unwrap_or_default().replace('\n', " ");
    let (summary, more) = (text("summary"), text("description"));
    let more = more.split("# Errors").next().unwrap_or_default().trim();
    let (summary, rest) = summary.split_once(". ").unwrap_or((&summary, ""));
    let scope = scope(operation).map(|scope| format!("Needs the scope `{scope}`."));
    let parts = [rest, more, scope.as_deref().unwrap_or_default()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let description = parts.join("\n\n");
    operation["summary"] = json!(summary.trim_end_matches('.'));
    if let Some(operation) = operation.as_object_mut() {
        operation.remove("description");
        if !description.is_empty() {
            operation.insert("description".to_owned(), json!(description));
        }
    }
}

/// The scope that an operation needs.
pub(super) fn scope(operation: &Value) -> Option<&str> {
    operation.pointer("/security/0/bearer/0")?.as_str()
}

/// A parameter is left out or has a value, it is never null; and not every text is one.
fn refine_parameters(operation: &mut Value) {
    let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let name = parameter["name"].as_str().unwrap_or_default();
        let refined = special(&id, name);
        let pattern = pattern(&id, name);
        let schema = &mut parameter["schema"];
        never_null(schema);
        if let Some(refined) = refined {
            *schema = refined;
        } else if let Some(pattern) = pattern {
            schema["pattern"] = json!(pattern);
        }
    }
}

/// The schema of a parameter that is more than a text.
fn special(operation: &str, parameter: &str) -> Option<Value> {
    Some(match (operation, parameter) {
        ("listClients", "state") => json!({ "$ref": "#/components/schemas/ClientState" }),
        ("listUsers", "state") => json!({ "$ref": "#/components/schemas/UserState" }),
        ("listQuarantine", "state") => json!({ "$ref": "#/components/schemas/QuarantineState" }),
        ("listDeliveries", "state") => json!({ "$ref": "#/components/schemas/DeliveryState" }),
        ("followChanges", "from") => {
            json!({ "type": "string", "enum": ["beginning", "now", "snapshot"], "default": "beginning" })
        }
        ("readEvents", "from") => json!({ "type": "integer", "format": "uint64", "minimum": 0, "maximum": u64::MAX }),
        ("listClients" | "getClient", "as_of") => json!({ "anyOf": [
            { "type": "string", "format": "date-time" },
            { "type": "string", "pattern": patterns::POSITION_OR_PLACE },
        ] }),
        _ => return None,
    })
}

/// What the text of a parameter looks like.
fn pattern(operation: &str, parameter: &str) -> Option<&'static str> {
    Some(match (operation, parameter) {
        // a sender's key that is no such text is as none
        ("receiveNotice", "Idempotency-Key") => return None,
        (_, "Idempotency-Key") => patterns::KEY,
        (_, "min_position") | ("listClients" | "listQuarantine", "after") => patterns::PLACE,
        (
            "listDomains" | "listIntegrations" | "listTokens" | "listSubscriptions" | "listSettings" | "listDeliveries"
            | "listUsers",
            "after",
        ) => patterns::POSITION,
        ("getClientHistory", "after") => patterns::CHANGE,
        ("followChanges", "after") => patterns::CURSOR,
        _ => return None,
    })
}

/// An empty body is read as `{}`, so one in which nothing is required may be left out.
fn relax_body<'a>(operation: &mut Value, schema: impl FnOnce(&str) -> Option<&'a Value>) {
    let Some(body) = operation.get_mut("requestBody") else {
        return;
    };
    let named = body.pointer("/content/application~1json/schema/$ref").and_then(Value::as_str);
    let name = named.and_then(|named| named.rsplit('/').next());
    let required = name.and_then(schema).and_then(|schema| schema["required"].as_array());
    body["required"] = json!(required.is_some_and(|fields| !fields.is_empty()));
}
