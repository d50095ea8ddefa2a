//! Components: the schemas that the OpenAPI and AsyncAPI documents refer to, from the code's types.

use std::collections::BTreeMap;

use admission::Receipt;
use api::{Page, ProblemBody, ProblemType, Readiness};
use query::changes::ChangesPage;
use query::integrations::{HookupUrl, IntegrationCreated, Rotate};
use query::release::Released;
use query::reveal::{Credentials, QuarantinedBody};
use query::tokens::TokenCreated;
use registration::change::{ChangeType, CloudEvent};
use registration::client::{Client, Reveal};
use registration::directory::{Integration, IntegrationSpec, IntegrationUpdate, Token, TokenSpec};
use registration::quarantine::Message;
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use super::{examples, patterns};

/// Schemas by name; their references are those of a document that keeps them as its components.
pub(super) struct Components {
    answers: SchemaGenerator,
    named: BTreeMap<String, Value>,
}

/// How schemas of what we write are generated: everything that is always there is required, and
/// what may be left out is never null.
pub(super) fn of_answers() -> SchemaSettings {
    SchemaSettings::draft2020_12().for_serialize().with_transform(RecursiveTransform(|schema: &mut Schema| {
        let required = schema.get("required").cloned().unwrap_or_default();
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (name, property) in properties.into_iter().flatten() {
            if !required.as_array().is_some_and(|all| all.iter().any(|field| field == name)) {
                never_null(property);
            }
        }
    }))
}

/// Takes null out of what a schema allows.
pub(super) fn never_null(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
    }
}

/// The reference to a component.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

impl Components {
    /// Every schema of the OpenAPI document. `notice` is the source's own.
    pub fn of_openapi(notice: &Value) -> BTreeMap<String, Value> {
        let mut all = Self::new(notice);
        all.answer::<Readiness>();
        all.answer::<ProblemBody>();
        all.answer::<Receipt>();
        all.answer::<Credentials>();
        all.answer::<QuarantinedBody>();
        all.answer::<Released>();
        all.answer::<IntegrationCreated>();
        all.answer::<HookupUrl>();
        all.answer::<TokenCreated>();
        all.answer::<ChangesPage>();
        all.page::<Client>("ClientPage");
        all.page::<CloudEvent<'static>>("ChangePage");
        all.page::<Integration>("IntegrationPage");
        all.page::<Message>("MessagePage");
        all.page::<Token>("TokenPage");
        all.request::<IntegrationSpec>();
        all.request::<IntegrationUpdate>();
        all.request::<Rotate>();
        all.request::<TokenSpec>();
        all.request::<Reveal>();
        all.finish()
    }

    /// Every schema of the AsyncAPI document.
    pub fn of_asyncapi(notice: &Value) -> BTreeMap<String, Value> {
        let mut all = Self::new(notice);
        all.answer::<CloudEvent<'static>>();
        all.answer::<Client>();
        all.finish()
    }

    fn new(notice: &Value) -> Self {
        let settings = of_answers().with(|s| s.definitions_path = "/components/schemas".into());
        let mut notice = notice.clone();
        if let Some(notice) = notice.as_object_mut() {
            notice.remove("$schema");
        }
        notice["description"] = json!("A registration notice, as Provet publishes its schema.");
        notice["examples"] = json!([examples::notice()]);
        let named = BTreeMap::from([("ProvetRegistration".to_owned(), notice)]);
        Self { answers: settings.into_generator(), named }
    }

    fn answer<T: JsonSchema>(&mut self) {
        self.answers.subschema_for::<T>();
    }

    fn page<T: JsonSchema>(&mut self, name: &str) {
        let page = Page::<T>::json_schema(&mut self.answers);
        self.named.insert(name.to_owned(), page.to_value());
    }

    /// What we read: what has a default may be left out. Whatever it holds stands inside of it, for
    /// the same type is stricter in an answer.
    fn request<T: JsonSchema>(&mut self) {
        let settings =
            SchemaSettings::draft2020_12().for_deserialize().with(|settings| settings.inline_subschemas = true);
        let schema = T::json_schema(&mut settings.into_generator());
        self.named.insert(T::schema_name().into_owned(), schema.to_value());
    }

    fn finish(mut self) -> BTreeMap<String, Value> {
        let mut all = self.named;
        all.extend(self.answers.take_definitions(true));
        for (name, schema) in &mut all {
            refine(name, schema);
        }
        all
    }
}

/// Says of a schema what its type cannot say.
pub(super) fn refine(name: &str, schema: &mut Value) {
    for (pointer, rule) in rules(name) {
        if let (Some(Value::Object(member)), Value::Object(rule)) = (schema.pointer_mut(pointer), rule) {
            member.extend(rule);
        }
    }
    match name {
        "Client" => schema["examples"] = json!([examples::client()]),
        "CloudEvent" => {
            let properties = &mut schema["properties"];
            let types = ChangeType::ALL.map(ChangeType::cloud_event_type);
            properties["type"]["enum"] = json!(types);
            properties["specversion"]["const"] = json!("1.0");
            properties["datacontenttype"]["const"] = json!("application/json");
            schema["examples"] = json!([examples::change()]);
        }
        "Problem" => {
            let kind = &mut schema["properties"]["type"];
            kind["enum"] = json!(ProblemType::ALL.map(ProblemType::uri));
            let titles = ProblemType::ALL.map(|kind| (kind.uri(), json!(kind.title())));
            kind["x-enumDescriptions"] = titles.into_iter().collect();
            schema["examples"] = json!([examples::problem()]);
        }
        "Receipt" => schema["examples"] = json!([examples::receipt()]),
        _ => {}
    }
}

/// What the code asks of the members of a request beside their types, each by its JSON Pointer.
fn rules(name: &str) -> Vec<(&'static str, Value)> {
    let named = || json!({ "pattern": patterns::NAME });
    let text = || json!({ "maxLength": 500, "pattern": patterns::TEXT });
    let list = || json!({ "maxItems": 100 });
    match name {
        "IntegrationSpec" | "IntegrationUpdate" => vec![
            ("/properties/name", named()),
            ("/properties/domain", named()),
            ("/properties/owner", text()),
            ("/properties/authorization_grant_type", text()),
            ("/properties/redirect_uris", list()),
            ("/properties/redirect_uris/items", text()),
            ("/properties/allow/properties/addresses", list()),
            ("/properties/allow/properties/addresses/items", json!({ "pattern": patterns::cidr() })),
            ("/properties/allow/properties/token_hosts", list()),
            ("/properties/allow/properties/token_hosts/items", json!({ "pattern": patterns::HOST })),
        ],
        "TokenSpec" => vec![
            ("/properties/name", json!({ "minLength": 1 })),
            ("/properties/name", text()),
            ("/properties/scopes", json!({ "minItems": 1 })),
            ("/properties/domain", named()),
            ("/properties/integrations", list()),
            ("/properties/integrations/items", named()),
        ],
        "Reveal" => {
            vec![("/properties/reason", json!({ "minLength": 1, "maxLength": 500, "pattern": patterns::REASON }))]
        }
        _ => Vec::new(),
    }
}
