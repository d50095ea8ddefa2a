//! Refusals: the error answers of an operation, all of them problems (RFC 9457).

use std::collections::{BTreeMap, BTreeSet};

use api::ProblemType;
use serde_json::{Map, Value, json};

/// The statuses that problems have, with the types that have them.
fn by_status() -> BTreeMap<u16, Vec<ProblemType>> {
    let mut all: BTreeMap<u16, Vec<ProblemType>> = BTreeMap::new();
    for kind in ProblemType::ALL {
        all.entry(kind.status().as_u16()).or_default().push(kind);
    }
    all
}

/// The answers that operations share, by name: those of the given statuses, and one for the rest.
pub(super) fn components(statuses: &BTreeSet<u16>) -> Map<String, Value> {
    let shared = by_status().into_iter().filter(|(status, _)| statuses.contains(status));
    let shared = shared.filter_map(|(status, kinds)| Some((name(*kinds.first()?), answer(status, &describe(&kinds)))));
    let other = answer(500, "Something else is wrong, here or with the request.");
    shared.chain([("Other".to_owned(), other)]).collect()
}

/// Completes the answers of an operation: the refusals that follow from what it takes, and the body
/// of those that its handler names. Returns the statuses whose answers it shares with others.
pub(super) fn complete(operation: &mut Value) -> BTreeSet<u16> {
    let mut follow = statuses(operation);
    let kinds = by_status();
    let Some(answers) = operation["responses"].as_object_mut() else {
        return BTreeSet::new();
    };
    follow.retain(|status| !answers.contains_key(&status.to_string()));
    for (status, named) in answers.iter_mut() {
        let status = status.parse().unwrap_or_default();
        if kinds.contains_key(&status) && named.get("content").is_none() {
            let description = named["description"].as_str().unwrap_or_default().to_owned();
            *named = answer(status, &description);
        } else {
            named["headers"] = headers_of(200);
        }
    }
    let shared = |name: &str| json!({ "$ref": format!("#/components/responses/{name}") });
    for kind in follow.iter().filter_map(|status| kinds.get(status)?.first()) {
        answers.insert(kind.status().as_str().to_owned(), shared(&name(*kind)));
    }
    answers.insert("default".to_owned(), shared("Other"));
    follow
}

/// The statuses that follow from what an operation takes.
fn statuses(operation: &Value) -> BTreeSet<u16> {
    let takes = |member: &str, word: &str| {
        let parameters = operation["parameters"].as_array();
        parameters.is_some_and(|all| all.iter().any(|parameter| parameter[member] == word))
    };
    let has_token = operation["security"]
        .as_array()
        .is_some_and(|all| all.iter().any(|requirement| requirement.get("bearer").is_some()));
    let is_command = has_token && takes("name", "Idempotency-Key");
    let rules: [(bool, &[u16]); 6] = [
        (has_token, &[401, 403, 503]),
        (takes("in", "query") || is_command, &[400]),
        (takes("in", "path"), &[404]),
        (operation.get("requestBody").is_some(), &[400, 413, 422]),
        (is_command, &[409, 422, 504]),
        (takes("name", "min_position"), &[504]),
    ];
    rules.into_iter().filter(|(holds, _)| *holds).flat_map(|(_, statuses)| statuses).copied().collect()
}

fn answer(status: u16, description: &str) -> Value {
    json!({
        "description": description,
        "headers": headers_of(status),
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
    })
}

fn headers_of(status: u16) -> Value {
    let header = |name: &str| json!({ "$ref": format!("#/components/headers/{name}") });
    let mut headers = json!({ "x-request-id": header("RequestId") });
    match status {
        401 => headers["www-authenticate"] = header("WwwAuthenticate"),
        409 | 429 | 503 => headers["retry-after"] = header("RetryAfter"),
        _ => {}
    }
    headers
}

/// The reason phrase of the status, in one word.
fn name(kind: ProblemType) -> String {
    kind.status().canonical_reason().unwrap_or_default().replace(' ', "")
}

fn describe(kinds: &[ProblemType]) -> String {
    let lines = kinds.iter().map(|kind| format!("- `{}`: {}", kind.uri(), kind.title()));
    lines.collect::<Vec<_>>().join("\n")
}
