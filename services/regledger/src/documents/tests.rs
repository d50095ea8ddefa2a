use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use registration::change::ChangeType;
use registration::client::Client;
use registration::directory::Scope;
use registration::event::{self, Attributes, EventType, Nothing};
use registration::{Envelope, Sealed};
use serde_json::{Value, json};

use super::{Documents, openapi, schemas};

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn documents() -> Documents {
    Documents::new().unwrap()
}

/// Every document by its file name, the source's own schema too.
fn all() -> BTreeMap<String, Value> {
    let Documents { openapi, asyncapi, schemas } = documents();
    let whole = [("openapi.json", openapi), ("asyncapi.json", asyncapi)];
    whole.map(|(name, document)| (name.to_owned(), document)).into_iter().chain(schemas).collect()
}

/// The operations of the OpenAPI document as `get /v1/clients`.
fn operations() -> BTreeMap<String, Value> {
    let mut document = documents().openapi;
    openapi::operations(&mut document).map(|(name, operation)| (name, operation.clone())).collect()
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn every_reference_resolves() {
    for (name, document) in all() {
        let mut found = Vec::new();
        references(&document, &mut found);
        for reference in found {
            let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
            assert!(target.is_some(), "{name}: {reference}");
        }
    }
}

#[test]
fn the_committed_files_are_what_the_code_says() {
    let folder = repository().join("schemas");
    let committed: BTreeMap<String, String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .filter(|(name, _)| name != schemas::NOTICE)
        .collect();
    let documents = documents();
    let generated: BTreeMap<_, _> = documents.files().map(|(name, text)| (name.to_owned(), text)).collect();
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&committed), names(&generated), "run `make schemas`, remove what it does not write");
    for (name, text) in generated {
        assert!(committed[&name] == text, "schemas/{name} is stale: run `make schemas` and commit it");
    }
}

/// The routes that a file registers: a path stands before its methods.
fn routes(file: &str) -> BTreeSet<String> {
    let source = fs::read_to_string(repository().join(file)).unwrap();
    let mut path = String::new();
    let mut found = BTreeSet::new();
    for line in source.lines() {
        if let Some((_, rest)) = line.split_once("\"/") {
            path = format!("/{}", rest.split('"').next().unwrap());
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            // The routes that every process has are all read, and stand in one loop.
            let is_read = method == "GET" && line.contains("\", web::to(");
            let names = [format!("({method}, to("), format!("(Method::{method}, web::to(")];
            if is_read || names.iter().any(|name| line.contains(name)) {
                found.insert(format!("{} {path}", method.to_lowercase()));
            }
        }
    }
    assert!(!found.is_empty(), "{file} registers no route");
    found
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let files = ["services/intake/src/lib.rs", "services/query/src/lib.rs", "services/regledger/src/serve/http.rs"];
    let registered: BTreeSet<String> = files.into_iter().flat_map(routes).collect();
    let described: BTreeSet<String> = operations().into_keys().collect();
    assert_eq!(registered, described);
}

#[test]
fn every_status_that_a_handler_documents_is_answered() {
    let answered = operations();
    let mut annotated = openapi::annotated().unwrap();
    for (name, operation) in openapi::operations(&mut annotated) {
        let description = operation["description"].as_str().unwrap_or_default();
        let (_, errors) = description.split_once("# Errors").expect(&name);
        let words = errors.split(|letter: char| !letter.is_ascii_digit());
        for status in words.filter(|word| word.len() == 3) {
            assert!(answered[&name]["responses"].get(status).is_some(), "{name}: {status}");
        }
    }
}

#[test]
fn every_refusal_is_a_problem() {
    let document = documents().openapi;
    for (name, operation) in operations() {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let shared = answer["$ref"].as_str().map(|reference| &reference[1..]);
            let answer = shared.map_or(answer, |pointer| document.pointer(pointer).unwrap());
            let problem = answer["content"].get("application/problem+json");
            let is_refusal = !status.starts_with('2') && (name.as_str(), status.as_str()) != ("get /readyz", "503");
            // people are told on a page
            let is_page = [" /account/{token}", " /notices/{token}"].iter().any(|path| name.ends_with(path))
                && status != "default";
            assert_eq!(problem.is_some(), is_refusal && !is_page, "{name}: {status}");
        }
    }
}

#[test]
fn every_operation_under_v1_names_its_scope() {
    for (name, operation) in operations() {
        let known =
            openapi::scope(&operation).is_some_and(|scope| Scope::ALL.iter().any(|known| known.as_str() == scope));
        let is_anybodys = ["/sign-up", "/forgot-password"].iter().any(|what| name.ends_with(what));
        assert_eq!(known, name.contains(" /v1/") && !is_anybodys, "{name}");
    }
}

#[test]
fn every_event_names_a_schema_that_is_served() {
    let schemas = documents().schemas;
    for kind in EventType::ALL {
        let entry = event::encode(&Attributes::default(), kind, &Nothing {}).unwrap();
        let entry: Value = serde_json::from_slice(&entry).unwrap();
        let name = entry["dataschema"].as_str().unwrap().strip_prefix("/schemas/").unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[test]
fn every_schema_is_one() {
    for (name, schema) in documents().schemas {
        assert!(jsonschema::draft202012::meta::is_valid(&schema), "{name}");
    }
}

/// The example that stands in a component of the OpenAPI document.
fn example(name: &str) -> Value {
    documents().openapi["components"]["schemas"][name]["examples"][0].clone()
}

#[test]
fn the_examples_are_what_they_say() {
    let schemas = documents().schemas;
    let cases = [
        ("change.schema.json", example("CloudEvent")),
        ("client.schema.json", example("Client")),
        ("problem.schema.json", example("Problem")),
        ("provet-registration.schema.json", example("ProvetRegistration")),
        ("receipt.schema.json", example("Receipt")),
    ];
    for (name, example) in cases {
        jsonschema::draft202012::validate(&schemas[name], &example).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    let client: Client = serde_json::from_value(example("Client")).unwrap();
    assert_eq!(serde_json::to_value(client).unwrap(), example("Client"));
}

fn names(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_change_stream_is_described_by_a_message_for_each_type() {
    let asyncapi = documents().asyncapi;
    let channels = &asyncapi["channels"];
    let types = ChangeType::ALL.map(ChangeType::short).into_iter().chain(["bookmark", "snapshot"]);
    let types: BTreeSet<String> = types.map(str::to_owned).collect();
    assert_eq!(names(&channels["changes"]["messages"]), types);
    for kind in ChangeType::ALL {
        let message = &asyncapi["components"]["messages"][kind.short()];
        assert_eq!(message["title"], kind.short());
        assert_eq!(message["headers"]["properties"]["event"]["const"], kind.short());
        assert_eq!(message["payload"]["allOf"][1]["properties"]["type"]["const"], kind.cloud_event_type());
    }
    let described = names(&asyncapi["components"]["messages"]);
    let others = ["registration", "change", "row"].map(str::to_owned);
    assert_eq!(described, types.into_iter().chain(others).collect());
}

#[test]
fn a_change_in_its_topic_has_a_header_for_each_attribute() {
    let components = &documents().asyncapi["components"];
    let attributes = names(&components["schemas"]["CloudEvent"]["properties"]).into_iter();
    let headers = attributes.filter(|name| name != "data").map(|name| match &*name {
        "datacontenttype" => "content-type".to_owned(),
        name => format!("ce_{name}"),
    });
    assert_eq!(names(&components["messages"]["change"]["headers"]["properties"]), headers.collect());
}

#[test]
fn the_examples_of_messages_are_those_of_their_schemas() {
    let messages = documents().asyncapi["components"]["messages"].clone();
    for (message, schema) in
        [("snapshot", "Client"), ("client.departments_added", "CloudEvent"), ("registration", "ProvetRegistration")]
    {
        assert_eq!(messages[message]["examples"], json!([{ "payload": example(schema) }]), "{message}");
    }
}

#[test]
fn what_the_ledger_holds_of_a_notice_satisfies_its_schema() {
    let body = example("ProvetRegistration").to_string();
    let notice = registration::notice::parse(body.as_bytes()).unwrap();
    let word = || "d29yZA==".to_owned();
    let envelope = Envelope { alg: "A256GCM".to_owned(), kid: word(), nonce: word(), ct: word(), fp: Vec::new() };
    let sealed = Sealed { sealed: envelope };
    let data = serde_json::to_value(notice.data(Some(&sealed), None)).unwrap();
    let schema = &documents().schemas["regledger.provet.registration.v1.json"];
    assert!(jsonschema::draft202012::is_valid(schema, &data), "{data}");
    assert!(!jsonschema::draft202012::is_valid(schema, &json!({})), "the schema asks for nothing");
}
