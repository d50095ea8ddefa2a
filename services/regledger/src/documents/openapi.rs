//! OpenAPI 3.1: the handlers' annotations, completed by what follows from them.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use utoipa::OpenApi;

use super::components::{Components, never_null, reference};
use super::{examples, open_routes, patterns, refusals};

const DESCRIPTION: &str = "\
Every notification of a client registration is appended to an immutable ledger before it is acknowledged; the client \
table and the change stream are derived from it. \
Lists answer `{\"items\":[…],\"next\":…}`, where `next` is the path and query of the next page. \
Times are RFC 3339 in UTC, hashes are base64. \
What is refused is a problem (RFC 9457) whose `type` is stable and whose `detail` says what to do.";

const BEARER: &str = "\
An access token; `regledger token create` makes one. Each operation names the scope that it needs; `admin` stands for \
every scope but `secrets:reveal` and `tokens:mint`.";

#[derive(OpenApi)]
#[openapi(
    info(description = DESCRIPTION, license(name = "Apache-2.0", identifier = "Apache-2.0")),
    servers((url = "/", description = "The process that serves this document")),
    tags(
        (name = "inbound", description = "Notifications, from the systems that register clients"),
        (name = "clients", description = "The client table, now or as it was"),
        (name = "changes", description = "What happened to which row, as it happens or in pages"),
        (name = "quarantine", description = "Notifications that could not be accepted"),
        (name = "directory", description = "Integrations and access tokens"),
        (name = "ledger", description = "The ledger itself, for auditors"),
        (name = "process", description = "The process itself; open to everybody"),
    ),
    paths(
        intake::receive,
        query::clients::list,
        query::clients::show,
        query::clients::history,
        query::clients::retire,
        query::reveal::client,
        query::changes::follow,
        query::events::read,
        query::integrations::list,
        query::integrations::create,
        query::integrations::show,
        query::integrations::update,
        query::integrations::remove,
        query::integrations::rotate_hookup,
        query::tokens::list,
        query::tokens::create,
        query::tokens::show,
        query::tokens::revoke,
        query::quarantine::list,
        query::quarantine::show,
        query::release::release,
        query::quarantine::dismiss,
        query::reveal::quarantined,
    ),
)]
struct Annotated;

/// The document. `notice` is the source's schema of a registration notice.
pub(super) fn document(notice: &Value) -> anyhow::Result<Value> {
    let mut document = annotated()?;
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.extend(open_routes::paths());
    }
    let schemas = Components::of_openapi(notice);
    let mut shared = BTreeSet::new();
    for (_, operation) in operations(&mut document) {
        summarise(operation);
        refine_parameters(operation);
        relax_body(operation, |name| schemas.get(name));
        shared.extend(refusals::complete(operation));
    }
    let stream = "/paths/~1v1~1changes/get/responses/200/content/text~1event-stream";
    if let Some(stream) = document.pointer_mut(stream) {
        stream["example"] = json!(examples::server_sent_event());
    }
    document["components"] = json!({
        "schemas": schemas,
        "responses": refusals::components(&shared),
        "headers": refusals::headers(),
        "securitySchemes": {
            "bearer": { "type": "http", "scheme": "bearer", "description": BEARER }
        }
    });
    Ok(document)
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
        ("listClients", "state") => reference("ClientState"),
        ("listQuarantine", "state") => reference("QuarantineState"),
        ("followChanges", "from") => beginnings(),
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
        ("listIntegrations" | "listTokens", "after") => patterns::POSITION,
        ("getClientHistory", "after") => patterns::CHANGE,
        ("followChanges", "after") => patterns::CURSOR,
        _ => return None,
    })
}

/// From where the change stream can be followed without a cursor.
pub(super) fn beginnings() -> Value {
    json!({ "type": "string", "enum": ["beginning", "now", "snapshot"], "default": "beginning" })
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
