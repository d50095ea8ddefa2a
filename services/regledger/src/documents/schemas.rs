//! JSON Schemas from the code's types: of ledger entries, and of what we are asked, answer and send.

use std::collections::{BTreeMap, BTreeSet};

use admission::Receipt;
use api::{Page, ProblemBody, ProblemType, Readiness};
use intake::IslTokenPosted;
use query::account::{Accepted, ForgotPassword, SignUp};
use query::changes::ChangesPage;
use query::deliveries::{AttemptShown, DeliveryShown, Replay, Replayed};
use query::integrations::{HookupUrl, IntegrationCreated, Rotate};
use query::release::Released;
use query::reveal::{Credentials, QuarantinedBody};
use query::sessions::SessionShown;
use query::settings::{SettingRequest, SettingShown};
use query::subscriptions::trial::TestDelivery;
use query::subscriptions::{
    KeysRotated, SubscriptionChange, SubscriptionCreated, SubscriptionRequest, SubscriptionResumption,
    SubscriptionRotation, SubscriptionShown,
};
use query::tokens::TokenCreated;
use query::users::{NamedUser, NewPassword, UserPatch, UserSpec};
use registration::change::{ChangeType, CloudEvent};
use registration::client::{Client, Registration, Reveal};
use registration::directory::{
    Domain, DomainCreate, DomainDelete, DomainSpec, Integration, IntegrationChange, IntegrationCreate,
    IntegrationRotateHookup, IntegrationSpec, IntegrationUpdate, LedgerCreate, LedgerRestore, SettingSet,
    SubscriptionCreate, SubscriptionResume, SubscriptionRotateSecret, SubscriptionSuspend, SubscriptionUpdate, Token,
    TokenCreate, TokenSpec, UserConfirm, UserCreate, UserDelete, UserForgotPassword, UserPurge, UserSetPassword,
    UserUpdate,
};
use registration::event::{EventType, Nothing};
use registration::isl::{IslEvent, IslToken};
use registration::quarantine::{Message, QuarantineReceive, QuarantineRelease};
use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

/// The name of the source's own schema.
pub(super) const NOTICE: &str = "provet-registration.schema.json";

/// What a type cannot say of its schema, by the schema's name: examples, bounds and patterns (the regular expressions of
/// ECMA-262), as merge patches (RFC 7396).
pub(super) struct Refinements(pub Value);

impl Refinements {
    fn refine(&self, name: &str, schema: &mut Value) {
        if let Some(patch) = self.0.get(name) {
            merge(schema, patch);
        }
        match name {
            "CloudEvent" => {
                schema["properties"]["type"]["enum"] = json!(ChangeType::ALL.map(ChangeType::cloud_event_type));
            }
            "SubscriptionRequest" | "SubscriptionChange" => {
                let types = ChangeType::ALL.map(ChangeType::short);
                let families: BTreeSet<_> = types.iter().filter_map(|kind| kind.split_once('.')).collect();
                let families = families.into_iter().map(|(family, _)| format!("{family}.*"));
                let all: BTreeSet<_> = types.into_iter().map(str::to_owned).chain(families).collect();
                schema["properties"]["types"]["items"]["enum"] = json!(all);
            }
            "IntegrationSpec" | "IntegrationUpdate" => {
                // In an event, and in an answer, it refers to a schema that asks for no address.
                for place in ["/properties/notify/oneOf/1", "/properties/notify/anyOf/0/oneOf/1"] {
                    schema.pointer_mut(place).into_iter().for_each(|email| merge(email, &self.0["Email"]));
                }
            }
            "Problem" => {
                let kind = &mut schema["properties"]["type"];
                kind["enum"] = json!(ProblemType::ALL.map(ProblemType::uri));
                let titles = ProblemType::ALL.map(|kind| (kind.uri(), json!(kind.title())));
                kind["x-enumDescriptions"] = titles.into_iter().collect();
            }
            _ => {}
        }
    }

    /// The example of a schema.
    pub fn example(&self, name: &str) -> &Value {
        &self.0[name]["examples"][0]
    }
}

/// What a patch says of a member that the schema does not have is left out: a type may stand in a schema, or be named there.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        return target.clone_from(patch);
    };
    for (name, value) in patch {
        match target.as_object_mut() {
            Some(target) if value.is_null() => drop(target.remove(name)),
            Some(target) if value.is_object() && !target.contains_key(name) => {}
            _ => merge(&mut target[name], value),
        }
    }
}

/// Every schema by its name under `/schemas/`; `notice` is the source's own.
pub(super) fn all(notice: Value, refinements: &Refinements) -> BTreeMap<String, Value> {
    let named = [
        ("change.schema.json", root::<CloudEvent<'static>>(refinements)),
        ("client.schema.json", root::<Client>(refinements)),
        ("problem.schema.json", root::<ProblemBody>(refinements)),
        (NOTICE, notice),
        ("readiness.schema.json", root::<Readiness>(refinements)),
        ("receipt.schema.json", root::<Receipt>(refinements)),
    ];
    let named = named.map(|(name, schema)| (name.to_owned(), schema));
    // An event names its schema: `dataschema` is `/schemas/<type>.json`.
    let events = EventType::ALL.map(|kind| (format!("{}.json", kind.as_str()), data_of(kind, refinements)));
    named.into_iter().chain(events).collect()
}

/// The schema of an event's data.
fn data_of(kind: EventType, refinements: &Refinements) -> Value {
    let root = match kind {
        EventType::LedgerCreate => root::<LedgerCreate>,
        EventType::LedgerRestore => root::<LedgerRestore>,
        EventType::DomainCreate => root::<DomainCreate>,
        EventType::DomainDelete => root::<DomainDelete>,
        EventType::IntegrationCreate => root::<IntegrationCreate>,
        EventType::IntegrationUpdate => root::<IntegrationChange>,
        EventType::IntegrationRotateHookup => root::<IntegrationRotateHookup>,
        EventType::TokenCreate => root::<TokenCreate>,
        EventType::UserCreate => root::<UserCreate>,
        EventType::UserUpdate => root::<UserUpdate>,
        EventType::UserDelete => root::<UserDelete>,
        EventType::UserPurge => root::<UserPurge>,
        EventType::UserSetPassword => root::<UserSetPassword>,
        EventType::UserConfirm => root::<UserConfirm>,
        EventType::UserForgotPassword => root::<UserForgotPassword>,
        EventType::ProvetRegistration => root::<Registration>,
        EventType::ClientReveal | EventType::QuarantineReveal => root::<Reveal>,
        EventType::SettingSet => root::<SettingSet>,
        EventType::IslEvent => root::<IslEvent>,
        EventType::IslToken => root::<IslToken>,
        EventType::QuarantineReceive => root::<QuarantineReceive>,
        EventType::QuarantineRelease => root::<QuarantineRelease>,
        EventType::SubscriptionCreate => root::<SubscriptionCreate>,
        EventType::SubscriptionUpdate => root::<SubscriptionUpdate>,
        EventType::SubscriptionResume => root::<SubscriptionResume>,
        EventType::SubscriptionRotateSecret => root::<SubscriptionRotateSecret>,
        EventType::SubscriptionSuspend => root::<SubscriptionSuspend>,
        EventType::SubscriptionDelete
        | EventType::SubscriptionPause
        | EventType::DomainPurge
        | EventType::UserUndelete
        | EventType::IntegrationDelete
        | EventType::TokenRevoke
        | EventType::ClientRetire
        | EventType::QuarantineDismiss => root::<Nothing>,
    };
    let mut schema = root(refinements);
    schema["title"] = json!(kind.as_str());
    schema
}

/// The schema of what we write, whole.
fn root<T: JsonSchema>(refinements: &Refinements) -> Value {
    let mut schema = written().into_generator().into_root_schema_for::<T>().to_value();
    refinements.refine(&T::schema_name(), &mut schema);
    let definitions = schema.get_mut("$defs").and_then(Value::as_object_mut);
    for (name, definition) in definitions.into_iter().flatten() {
        refinements.refine(name, definition);
    }
    schema
}

/// How schemas of what we write are made: what is always there is required, and what may be left out is never null.
fn written() -> SchemaSettings {
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
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    if let Some(choices) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| *choice != json!({ "type": "null" }));
    }
}

/// Every schema of the OpenAPI document, by its name; `notice` is the source's own.
pub(super) fn of_openapi(notice: &Value, refinements: &Refinements) -> BTreeMap<String, Value> {
    let mut all = Components::new(notice);
    all.answer::<Readiness>().answer::<ProblemBody>().answer::<Receipt>().answer::<Credentials>();
    all.answer::<QuarantinedBody>().answer::<Released>().answer::<IntegrationCreated>().answer::<HookupUrl>();
    all.answer::<Domain>().answer::<NamedUser>().page::<Domain>("DomainPage").page::<NamedUser>("UserPage");
    all.request::<DomainSpec>().request::<UserSpec>().request::<UserPatch>().request::<NewPassword>();
    all.answer::<Accepted>().request::<SignUp>().request::<ForgotPassword>();
    all.answer::<SessionShown>().answer::<SettingShown>().page::<SettingShown>("SettingPage");
    all.answer::<TokenCreated>().answer::<ChangesPage>().answer::<SubscriptionCreated>().answer::<KeysRotated>();
    all.answer::<TokenCreated>()
        .answer::<ChangesPage>()
        .answer::<SubscriptionCreated>()
        .answer::<Replayed>()
        .answer::<TestDelivery>()
        .answer::<KeysRotated>();
    all.page::<Client>("ClientPage").page::<CloudEvent<'static>>("ChangePage").page::<Integration>("IntegrationPage");
    all.page::<Message>("MessagePage").page::<Token>("TokenPage").page::<SubscriptionShown>("SubscriptionPage");
    all.page::<DeliveryShown>("DeliveryPage").page::<AttemptShown>("AttemptPage");
    all.request::<IntegrationSpec>().request::<IntegrationUpdate>().request::<Rotate>();
    all.request::<IslTokenPosted>().request::<SettingRequest>();
    all.request::<TokenSpec>().request::<Reveal>().request::<SubscriptionRequest>().request::<SubscriptionChange>();
    all.request::<SubscriptionRotation>().request::<SubscriptionResumption>().request::<Replay>();
    all.finish(refinements)
}

/// Every schema of the AsyncAPI document.
pub(super) fn of_asyncapi(notice: &Value, refinements: &Refinements) -> BTreeMap<String, Value> {
    let mut all = Components::new(notice);
    all.answer::<CloudEvent<'static>>().answer::<Client>();
    all.finish(refinements)
}

/// Schemas by name; their references are those of a document that keeps them as its components.
struct Components {
    answers: SchemaGenerator,
    named: BTreeMap<String, Value>,
}

impl Components {
    fn new(notice: &Value) -> Self {
        let settings = written().with(|settings| settings.definitions_path = "/components/schemas".into());
        let named = BTreeMap::from([("ProvetRegistration".to_owned(), notice.clone())]);
        Self { answers: settings.into_generator(), named }
    }

    fn answer<T: JsonSchema>(&mut self) -> &mut Self {
        self.answers.subschema_for::<T>();
        self
    }

    fn page<T: JsonSchema>(&mut self, name: &str) -> &mut Self {
        let page = Page::<T>::json_schema(&mut self.answers);
        self.named.insert(name.to_owned(), page.to_value());
        self
    }

    /// What we read: what has a default may be left out. Whatever it holds stands inside of it, for the same type is
    /// stricter in an answer.
    fn request<T: JsonSchema>(&mut self) -> &mut Self {
        let settings = SchemaSettings::draft2020_12().for_deserialize();
        let settings = settings.with(|settings| settings.inline_subschemas = true);
        let schema = T::json_schema(&mut settings.into_generator());
        self.named.insert(T::schema_name().into_owned(), schema.to_value());
        self
    }

    fn finish(mut self, refinements: &Refinements) -> BTreeMap<String, Value> {
        let mut all = self.named;
        all.extend(self.answers.take_definitions(true));
        all.iter_mut().for_each(|(name, schema)| refinements.refine(name, schema));
        all
    }
}
