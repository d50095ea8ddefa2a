//! Everything that is wrong with a notice: what its schema asks, and what the ledger asks beyond.

use std::fmt::{Arguments, Display};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;
use serde_json::value::RawValue;

use super::tenant::{Tenant, token_host};
use crate::json::{self, Members};
use crate::quarantine::Violation;

/// The JSON Schema of a registration notice, as Provet publishes it (draft 2020-12).
pub const SCHEMA: &str = include_str!("../../../../schemas/provet-registration.schema.json");

/// The most violations that are listed: a hostile body could hold thousands.
pub const MAX_VIOLATIONS: usize = 32;

#[expect(clippy::expect_used, reason = "a constant of the executable, which the tests compile")]
static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    Validator::new(&schema).expect("the schema is a JSON Schema")
});

/// Checks a notice, of which `known` are the fields that the schema names.
///
/// Returns the tenant and the client id: what tells one registration from another.
///
/// # Errors
/// What is wrong: at least one violation, at most [`MAX_VIOLATIONS`].
pub(super) fn check(document: &Value, known: &Members<'_>) -> Result<(Tenant, String), Vec<Violation>> {
    let mut findings = Findings::against_schema(document);
    let mut provet_id = None;
    for (name, lexeme) in known {
        match name.as_ref() {
            "provet_id" => provet_id = findings.integer(format_args!("/{name}"), lexeme),
            "added_department" | "removed_department" => {
                findings.integer(format_args!("/{name}"), lexeme);
            }
            "departments" => findings.departments(lexeme),
            "client_secret" => {} // sealed before a state store sees it
            _ => findings.text(name, document.get(name.as_ref())),
        }
    }
    let host = document.get("token_url").and_then(Value::as_str).and_then(|u| findings.host(u));
    let client_id = document.get("client_id").and_then(Value::as_str).map(str::to_owned);
    match (provet_id, host, client_id) {
        (Some(provet_id), Some(host), Some(client_id)) if findings.0.is_empty() => {
            Ok((Tenant { host, provet_id }, client_id))
        }
        _ => Err(findings.0),
    }
}

/// The violations found so far.
struct Findings(Vec<Violation>);

impl Findings {
    fn against_schema(document: &Value) -> Self {
        if VALIDATOR.is_valid(document) {
            return Self(Vec::new());
        }
        let errors = VALIDATOR.iter_errors(document).take(MAX_VIOLATIONS);
        let violation = |error: jsonschema::ValidationError<'_>| Violation {
            pointer: error.instance_path().to_string(),
            detail: error.masked_with("the value").to_string(),
        };
        Self(errors.map(violation).collect())
    }

    /// Notes a violation, unless the list is full or the schema has said something of the same
    /// value: that it has the wrong type says enough.
    fn note(&mut self, pointer: Arguments<'_>, detail: impl Display) {
        let pointer = pointer.to_string();
        if self.0.len() < MAX_VIOLATIONS && self.0.iter().all(|found| found.pointer != pointer) {
            self.0.push(Violation { pointer, detail: detail.to_string() });
        }
    }

    fn integer(&mut self, pointer: Arguments<'_>, lexeme: &RawValue) -> Option<i64> {
        let integer = json::integer(lexeme.get());
        integer.map_err(|error| self.note(pointer, error)).ok()
    }

    fn departments(&mut self, lexeme: &RawValue) {
        for (index, item) in json::items(lexeme).unwrap_or_default().into_iter().enumerate() {
            self.integer(format_args!("/departments/{index}"), item);
        }
    }

    /// Postgres holds no U+0000, and what is in the ledger must fold everywhere.
    fn text(&mut self, name: &str, value: Option<&Value>) {
        if value.and_then(Value::as_str).is_some_and(|text| text.contains('\0')) {
            self.note(format_args!("/{name}"), "must not hold U+0000");
        }
    }

    fn host(&mut self, token_url: &str) -> Option<String> {
        let host = token_host(token_url);
        host.map_err(|error| self.note(format_args!("/token_url"), error)).ok()
    }
}
