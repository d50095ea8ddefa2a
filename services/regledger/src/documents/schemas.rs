//! JSON Schemas: the data of each type of ledger entry, and what we answer and send.

use std::collections::BTreeMap;

use admission::Receipt;
use api::{ProblemBody, Readiness};
use registration::change::CloudEvent;
use registration::client::{Client, Registration, Reveal};
use registration::directory::{
    IntegrationCreate, IntegrationRotateHookup, IntegrationUpdate, LedgerCreate, LedgerRestore, TokenCreate,
};
use registration::event::{EventType, Nothing};
use registration::quarantine::{QuarantineReceive, QuarantineRelease};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::components::{of_answers, refine};

/// The name of the source's own schema.
pub(super) const NOTICE: &str = "provet-registration.schema.json";

/// Every schema by its name under `/schemas/`; `notice` is the source's own.
pub(super) fn all(notice: Value) -> BTreeMap<String, Value> {
    let named = [
        ("change.schema.json", schema::<CloudEvent<'static>>()),
        ("client.schema.json", schema::<Client>()),
        ("problem.schema.json", schema::<ProblemBody>()),
        (NOTICE, notice),
        ("readiness.schema.json", schema::<Readiness>()),
        ("receipt.schema.json", schema::<Receipt>()),
    ];
    let named = named.map(|(name, schema)| (name.to_owned(), schema));
    // An event names its schema: `dataschema` is `/schemas/<type>.json`.
    let events = EventType::ALL.map(|kind| (format!("{}.json", kind.as_str()), data_of(kind)));
    named.into_iter().chain(events).collect()
}

/// The schema of an event's data.
fn data_of(kind: EventType) -> Value {
    let mut schema = match kind {
        EventType::LedgerCreate => schema::<LedgerCreate>(),
        EventType::LedgerRestore => schema::<LedgerRestore>(),
        EventType::IntegrationCreate => schema::<IntegrationCreate>(),
        EventType::IntegrationUpdate => schema::<IntegrationUpdate>(),
        EventType::IntegrationRotateHookup => schema::<IntegrationRotateHookup>(),
        EventType::TokenCreate => schema::<TokenCreate>(),
        EventType::ProvetRegistration => schema::<Registration>(),
        EventType::ClientReveal | EventType::QuarantineReveal => schema::<Reveal>(),
        EventType::QuarantineReceive => schema::<QuarantineReceive>(),
        EventType::QuarantineRelease => schema::<QuarantineRelease>(),
        EventType::IntegrationDelete
        | EventType::TokenRevoke
        | EventType::ClientRetire
        | EventType::QuarantineDismiss => schema::<Nothing>(),
    };
    schema["title"] = json!(kind.as_str());
    schema
}

/// The schema of what we write.
fn schema<T: JsonSchema>() -> Value {
    let generator = of_answers().into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    refine(&T::schema_name(), &mut schema);
    let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut);
    for (name, definition) in definitions.into_iter().flatten() {
        refine(name, definition);
    }
    schema
}
