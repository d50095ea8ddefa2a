//! AsyncAPI 3.0: what flows without being asked for each time, in and out.

use registration::change::ChangeType;
use serde_json::{Map, Value, json};

use super::components::{Components, reference};
use super::examples;
use super::openapi::beginnings;

const DESCRIPTION: &str = "\
What happens to the client table, as server-sent events: a subscriber that goes on from its last cursor misses no \
change and sees none under two ids. And the notifications that cause it. \
The same addresses stand in the OpenAPI document, with every answer that they give.";

/// The document. `notice` is the source's schema of a registration notice.
pub(super) fn document(notice: &Value) -> Value {
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" }
        },
        "defaultContentType": "application/json",
        "servers": {
            "hub": {
                "host": "{host}",
                "protocol": "http",
                "description": "A process with the role that the channel needs",
                "variables": { "host": { "default": "127.0.0.1:8080", "description": "Host and port" } }
            }
        },
        "channels": { "changes": changes(), "hookup": hookup() },
        "operations": operations(),
        "components": {
            "messages": messages(),
            "schemas": Components::of_asyncapi(notice),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token with the scope `changes:read`"
                }
            }
        }
    })
}

fn changes() -> Value {
    let names = ChangeType::ALL.map(ChangeType::short).into_iter().chain(["bookmark", "snapshot"]);
    json!({
        "address": "/v1/changes",
        "title": "The change stream",
        "description": "Server-sent events (WHATWG HTML, section 9.2). `id` is the cursor after the change: sent as \
            `Last-Event-ID` or `after` it goes on from there. 410 says that a cursor cannot be resumed; begin anew with \
            `from=snapshot`. Comments keep idle connections open.",
        "messages": from_components(names)
    })
}

fn hookup() -> Value {
    json!({
        "address": "/hookup/{integration}/{key}",
        "title": "An integration's hookup URL",
        "description": "The URL is the capability: whoever has it can notify us.",
        "parameters": {
            "integration": { "description": "Name of the integration" },
            "key": { "description": "The secret part of the URL" }
        },
        "messages": from_components(["registration"])
    })
}

fn from_components<'a>(names: impl IntoIterator<Item = &'a str>) -> Map<String, Value> {
    let reference = |name| json!({ "$ref": format!("#/components/messages/{name}") });
    names.into_iter().map(|name| (name.to_owned(), reference(name))).collect()
}

fn operations() -> Value {
    let query = json!({
        "type": "object",
        "properties": {
            "after": { "type": "string", "description": "Go on after this cursor" },
            "from": beginnings(),
            "integration": { "type": "string", "description": "Name of the integration" },
            "tenant": { "type": "string", "description": "host/provet_id" },
            "type": {
                "type": "array",
                "items": { "type": "string", "examples": ["client.registered", "client.*"] }
            }
        }
    });
    json!({
        "followChanges": {
            "action": "send",
            "channel": { "$ref": "#/channels/changes" },
            "summary": "Tells a subscriber what changed",
            "security": [{ "$ref": "#/components/securitySchemes/bearer" }],
            "bindings": { "http": { "method": "GET", "query": query, "bindingVersion": "0.3.0" } }
        },
        "receiveNotice": {
            "action": "receive",
            "channel": { "$ref": "#/channels/hookup" },
            "summary": "Takes a registration notice; it is durable once it is answered with 200",
            "bindings": { "http": { "method": "POST", "bindingVersion": "0.3.0" } }
        }
    })
}

fn messages() -> Map<String, Value> {
    let changes = ChangeType::ALL.map(|kind| (kind.short().to_owned(), change(kind)));
    let snapshot = json!({
        "title": "snapshot",
        "summary": "A client as it is; with `from=snapshot`, before the first bookmark",
        "headers": headers("snapshot", false),
        "payload": reference("Client"),
        "examples": [{ "payload": examples::client() }]
    });
    let bookmark = json!({
        "title": "bookmark",
        "summary": "How far the subscriber has read, where no change told it",
        "headers": headers("bookmark", true),
        "payload": {
            "type": "object",
            "properties": { "cursor": { "type": "string", "description": "The same as `id`" } },
            "required": ["cursor"]
        }
    });
    let registration = json!({
        "title": "registration",
        "summary": "A client registration, as Provet announces it",
        "payload": reference("ProvetRegistration"),
        "examples": [{ "payload": examples::notice() }]
    });
    let others = [("snapshot", snapshot), ("bookmark", bookmark), ("registration", registration)];
    changes.into_iter().chain(others.map(|(name, message)| (name.to_owned(), message))).collect()
}

/// A change: the CloudEvent, and what is particular to its type.
fn change(kind: ChangeType) -> Value {
    let mut message = json!({
        "title": kind.short(),
        "summary": summary(kind),
        "headers": headers(kind.short(), true),
        "payload": {
            "allOf": [
                reference("CloudEvent"),
                {
                    "properties": {
                        "type": { "const": kind.cloud_event_type() },
                        "data": data(kind)
                    }
                }
            ]
        }
    });
    let example = examples::change();
    if example["type"] == kind.cloud_event_type() {
        message["examples"] = json!([{ "payload": example }]);
    }
    message
}

/// The row after the change, under the name of its kind; clients come with what changed.
fn data(kind: ChangeType) -> Value {
    let needs = match kind {
        ChangeType::ClientUpdated => vec!["fields"],
        ChangeType::ClientDepartmentsAdded | ChangeType::ClientDepartmentsRemoved => {
            vec!["departments", "drift"]
        }
        ChangeType::DomainCreated => return row("domain", "Domain"),
        ChangeType::IntegrationCreated
        | ChangeType::IntegrationUpdated
        | ChangeType::IntegrationHookupRotated
        | ChangeType::IntegrationDeleted => return row("integration", "Integration"),
        ChangeType::ClientRegistered
        | ChangeType::ClientDeactivated
        | ChangeType::ClientReactivated
        | ChangeType::ClientRetired => return reference("ClientData"),
    };
    json!({ "allOf": [reference("ClientData"), { "required": needs }] })
}

fn row(member: &str, schema: &str) -> Value {
    json!({ "type": "object", "properties": { member: reference(schema) }, "required": [member] })
}

fn summary(kind: ChangeType) -> &'static str {
    match kind {
        ChangeType::ClientRegistered => "A client's first notice came",
        ChangeType::ClientUpdated => "Credentials or metadata of a client changed; `fields` names them",
        ChangeType::ClientDepartmentsAdded => "Departments enabled the integration",
        ChangeType::ClientDepartmentsRemoved => "Departments disabled the integration",
        ChangeType::ClientDeactivated => "The last department disabled the integration",
        ChangeType::ClientReactivated => "A client that was inactive or retired is in use again",
        ChangeType::ClientRetired => "A client was taken out of use by hand",
        ChangeType::DomainCreated => "A domain was made",
        ChangeType::IntegrationCreated => "An integration was made",
        ChangeType::IntegrationUpdated => "Fields of an integration were replaced",
        ChangeType::IntegrationHookupRotated => "An integration got a new hookup URL",
        ChangeType::IntegrationDeleted => "An integration was deleted; its clients stay",
    }
}

/// The fields of a server-sent event beside its data.
fn headers(event: &str, has_id: bool) -> Value {
    let mut headers = json!({
        "type": "object",
        "properties": { "event": { "type": "string", "const": event } },
        "required": ["event"]
    });
    if has_id {
        headers["properties"]["id"] =
            json!({ "type": "string", "description": "The cursor after this; opaque and URL-safe" });
        headers["required"] = json!(["event", "id"]);
    }
    headers
}
