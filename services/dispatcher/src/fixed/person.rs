//! Persons: who a change is about, with the name that streams do not tell: that of then, so that every attempt says the same.
//! It is opened for this one attempt.

use registration::directory::{Directory, UserRow};
use registration::isl::SourceUserRow;
use registration::{Kind, Row, RowKey};
use serde::Deserialize;
use serde_json::{Map, Value};
use vault::{Context, Subject};

use crate::Office;

/// A change, as far as it is told to an ISL system or a JWT receiver.
#[derive(Deserialize)]
pub(super) struct Told {
    pub id: String,
    pub source: String,
    pub subject: String,
    pub time: jiff::Timestamp,
    /// Position and ordinal.
    pub sequence: String,
    pub data: Map<String, Value>,
}

/// A user's name and e-mail address.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Person {
    pub name: Option<String>,
    pub email: Option<String>,
}

impl Told {
    /// How ISL writes a user: `\\domain\user`. Users of its own systems come written in their way.
    pub fn written(&self, person: &Person) -> Option<String> {
        let name = person.name.as_ref()?;
        let domain = self.text("user", "domain");
        Some(domain.map_or_else(|| name.clone(), |domain| format!("\\\\{domain}\\{name}")))
    }

    /// The integration that it came through.
    pub fn integration(&self) -> Option<&str> {
        self.source.strip_prefix("/integrations/")
    }

    /// Name of the hub's domain that it belongs to: its own, or its integration's.
    pub fn domain(&self, directory: &Directory) -> Option<String> {
        let own = || self.text("user", "domain").or_else(|| self.text("domain", "name"));
        match self.integration() {
            Some(integration) => directory.owner_of(integration).map(str::to_owned),
            None => own(),
        }
    }

    /// What ISL calls the domain: in its own systems by their id, in the hub by the name.
    pub fn domain_id(&self, domain: Option<&str>) -> Option<String> {
        let is_of_source = ["user", "domain"].into_iter().any(|row| self.text(row, "integration").is_some());
        match is_of_source {
            true => self.text("user", "domain_id").or_else(|| self.text("domain", "domain_id")),
            false => domain.map(str::to_owned),
        }
    }

    /// Where the event of the change stands in its partition.
    pub fn position(&self) -> Option<u64> {
        self.sequence.split_once('.')?.0.parse().ok()
    }

    /// The text that stands under a pointer in what the change says.
    pub fn text(&self, row: &str, field: &str) -> Option<String> {
        match self.data.get(row)?.get(field)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}

/// Whom a change is about; nobody if it is about no user. A name whose key was destroyed is none.
///
/// # Errors
/// Why it cannot be found out right now.
pub(super) async fn of(office: &Office, told: &Told) -> Result<Person, String> {
    let Some((id, position)) = told.text("user", "id").zip(told.position()) else { return Ok(Person::default()) };
    let kind = if told.text("user", "integration").is_some() { Kind::SourceUser } else { Kind::User };
    match office.parts.store.row(RowKey::new(kind, id)).await {
        Ok(Some(Row::SourceUser(row))) => of_source(office, &row.as_of(position)).await,
        Ok(Some(Row::User(row))) => of_hub(office, &row.as_of(position)).await,
        Ok(_) => Ok(Person::default()),
        Err(error) => Err(error.to_string()),
    }
}

/// As their system wrote them.
async fn of_source(office: &Office, row: &SourceUserRow) -> Result<Person, String> {
    let context = Context { event: row.name.event, field: "user" };
    let subject = Subject::Tenant(row.tenant.clone());
    let vault = office.parts.admission.vault();
    match vault.open_envelope(&subject, &context, &row.name.sealed.sealed).await {
        Ok(plain) => Ok(serde_json::from_slice(&plain).unwrap_or_default()),
        Err(vault::UnsealError::NoKey) => Ok(Person::default()),
        Err(error) => Err(error.to_string()),
    }
}

async fn of_hub(office: &Office, row: &UserRow) -> Result<Person, String> {
    let person = office.parts.admission.person(row).await.map_err(|error| error.to_string())?;
    Ok(person.map_or_else(Person::default, |person| Person { name: Some(person.name), email: person.email }))
}
