//! What is configured by settings, the JWT webhook and the HTTP events of ISL's Integration page, or by an integration that
//! notifies by mail: subscriptions of their own.
//!
//! A setting of a domain beats that of the hub. So there is one such subscription for the hub, for whatever domain has none of
//! its own, and one for each domain that has. The switches are looked at for each change, when it is its turn. The mails to
//! users are one more, wherever there is a mail server.

mod account;
mod form;
mod jwt;
mod notice;
mod person;
mod webapi;

use std::sync::Arc;

use delivery::destination::Destination;
use projection::StoredChange;
use registration::directory::{
    Directory, JWT_URL, SettingRow, Start, SubscriptionRow, WEBAPI_NOTIFICATION, WEBAPI_URL,
};
use secrecy::SecretString;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::Office;
use crate::route::{Route, RouteError};
use crate::source::Wanted;

const GLOBAL_ENABLED: &str = "http_events.global.enabled";
const GLOBAL_SERVER: &str = "http_events.global.server";
const DOMAIN_ENABLED: &str = "http_events.per_domain.enabled";
const DOMAIN_SERVER: &str = "http_events.per_domain.server";

/// Name of the mails to users.
const ACCOUNT_MAIL: &str = "account-mail";

/// Where what begins with the ledger was said to begin: it is known from where on, whenever the delivery store was made.
const ALWAYS: u64 = i64::MAX.cast_unsigned();

/// A subscription, wherever it is configured.
#[derive(Clone)]
pub(crate) enum Configured {
    /// By a subscription.
    Row(Box<SubscriptionRow>),
    /// By settings, or by an integration.
    Fixed(Box<FixedRow>),
}

/// A subscription that follows from something else.
#[derive(Clone)]
pub(crate) struct FixedRow {
    fixed: Fixed,
    name: String,
    start: Start,
    revision: u64,
}

/// What is sent, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    kind: FixedKind,
    /// The domain whose setting it is; none for the hub's.
    domain: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum FixedKind {
    Jwt,
    GlobalEvents,
    DomainEvents,
    Notification,
    /// What happens to the clients of this integration.
    Notice(String),
    AccountMail,
}

impl FixedRow {
    fn all(directory: &Directory) -> impl Iterator<Item = Self> {
        fixed(directory).into_iter().chain(notice::all(directory))
    }
}

impl Configured {
    /// Everything that is to be worked on; users are written to where mail can be sent.
    pub(crate) fn all(directory: &Directory, sends_mail: bool) -> Vec<Self> {
        let rows = directory.subscriptions().into_iter().filter(|row| row.is_active());
        let rows = rows.map(|row| Self::Row(Box::new(row.clone())));
        let mail = sends_mail.then(|| account_mail(directory));
        let fixed = FixedRow::all(directory).chain(mail);
        rows.chain(fixed.map(|row| Self::Fixed(Box::new(row)))).collect()
    }

    /// Everything of which something may be known, also what is paused.
    pub(crate) fn ids(directory: &Directory) -> Vec<Uuid> {
        let rows = directory.subscriptions().into_iter().map(|row| row.subscription.id);
        rows.chain(FixedRow::all(directory).map(|row| id_of(&row.name))).chain([id_of(ACCOUNT_MAIL)]).collect()
    }

    pub(crate) fn id(&self) -> Uuid {
        match self {
            Self::Row(row) => row.subscription.id,
            Self::Fixed(row) => id_of(&row.name),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Row(row) => &row.subscription.name,
            Self::Fixed(row) => &row.name,
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        match self {
            Self::Row(row) => row.revision,
            Self::Fixed(row) => row.revision,
        }
    }

    /// Opens what was sealed.
    ///
    /// # Errors
    /// [`RouteError`].
    pub(crate) async fn open(&self, office: &Arc<Office>) -> Result<Route, RouteError> {
        let parts = &office.parts;
        let row = match self {
            Self::Row(row) => return Route::of_row(row, parts).await,
            Self::Fixed(row) => row,
        };
        let destination: Arc<dyn Destination> = match &row.fixed.kind {
            FixedKind::Notice(integration) => Arc::new(notice::open(office, integration).await?),
            FixedKind::AccountMail => Arc::new(account::AccountMail::open(office)?),
            FixedKind::Notification => Arc::new(webapi::Notification::open(office, row.fixed.domain.as_deref()).await?),
            FixedKind::Jwt => Arc::new(jwt::JwtWebhook::open(office, row.fixed.domain.as_deref()).await?),
            FixedKind::GlobalEvents => Arc::new(form::HttpEvents::open(office, "http_events.global", None).await?),
            FixedKind::DomainEvents => {
                let domain = row.fixed.domain.as_deref();
                Arc::new(form::HttpEvents::open(office, "http_events.per_domain", domain).await?)
            }
        };
        Ok(Route {
            id: self.id(),
            name: row.name.clone(),
            wanted: Wanted { fixed: Some(row.fixed.clone()), ..Wanted::default() },
            start: row.start.clone(),
            revision: row.revision,
            is_fixed: true,
            destination,
        })
    }
}

/// The id that deliveries hang on: the same for the same name, so that what waits outlives a change of a setting.
fn id_of(name: &str) -> Uuid {
    let hash = Sha256::digest(name);
    let (mut high, mut low) = ([0; 8], [0; 8]);
    high.copy_from_slice(&hash[..8]);
    low.copy_from_slice(&hash[8..16]);
    Uuid::from_u64_pair(u64::from_be_bytes(high), u64::from_be_bytes(low))
}

/// The subscriptions that settings make.
fn fixed(directory: &Directory) -> Vec<FixedRow> {
    let revision = directory.settings().map(|row| row.changed_position).max().unwrap_or_default();
    let made = directory.settings().filter_map(|row| {
        let domain = row.change.domain.clone();
        let (kind, name) = match row.change.key.as_str() {
            JWT_URL => (FixedKind::Jwt, "jwt-webhook"),
            GLOBAL_SERVER if directory.is_on(GLOBAL_ENABLED, None) => (FixedKind::GlobalEvents, "http-events"),
            WEBAPI_URL => (FixedKind::Notification, "external-webapi"),
            DOMAIN_SERVER => (FixedKind::DomainEvents, "domain-http-events"),
            _ => return None,
        };
        let name = domain.as_ref().map_or_else(|| name.to_owned(), |domain| format!("{name}@{domain}"));
        let start = start_of(directory, &kind, row)?;
        Some(FixedRow { fixed: Fixed { kind, domain }, name, start, revision })
    });
    made.collect()
}

/// The mails to users, of which nothing is set but the mail server. Nobody knows when that was, so they begin where this ledger
/// does, and the same holds if the delivery store is lost: what is too old by then is not sent. What another ledger had is not
/// told again.
fn account_mail(directory: &Directory) -> FixedRow {
    let imported = directory.ledger().and_then(|ledger| ledger.imported.as_ref());
    let positions = imported.map(|imported| imported.heads.clone()).unwrap_or_default();
    FixedRow {
        fixed: Fixed { kind: FixedKind::AccountMail, domain: None },
        name: ACCOUNT_MAIL.to_owned(),
        start: Start { said: ALWAYS, positions },
        revision: 0,
    }
}

/// From where on: since both the server and its switch are set.
fn start_of(directory: &Directory, kind: &FixedKind, row: &SettingRow) -> Option<Start> {
    let own = row.start.clone()?;
    let switch = match kind {
        FixedKind::GlobalEvents => directory.setting(GLOBAL_ENABLED, None).and_then(|row| row.start.clone()),
        FixedKind::Jwt
        | FixedKind::DomainEvents
        | FixedKind::Notification
        | FixedKind::Notice(_)
        | FixedKind::AccountMail => None,
    };
    Some(switch.filter(|switch| switch.said > own.said).unwrap_or(own))
}

impl Fixed {
    /// Whether a change is wanted, as the settings of its domain are now.
    pub(crate) fn wants(&self, change: &StoredChange, directory: &Directory) -> bool {
        let domain = domain_of(change, directory);
        let domain = domain.as_deref();
        let is_ours = |key: &str| directory.setting(key, domain).is_some_and(|row| row.change.domain == self.domain);
        // what only has a mail sent is nobody else's matter
        let is_told = ["client.", "user.", "domain."].iter().any(|noun| change.kind.starts_with(noun))
            && !account::is_of_mail_alone(change);
        match &self.kind {
            FixedKind::Notice(name) => change.kind.starts_with("client.") && change.integration.as_ref() == Some(name),
            FixedKind::Jwt => {
                is_ours(JWT_URL) && switch_of(&change.kind).is_some_and(|key| directory.is_on(key, domain))
            }
            // users of the hub are told what becomes of them; those of other systems are told there
            FixedKind::Notification => {
                account::is_notice(change) && is_ours(WEBAPI_URL) && directory.is_on(WEBAPI_NOTIFICATION, domain)
            }
            FixedKind::AccountMail => {
                let is_by_webapi =
                    || directory.is_on(WEBAPI_NOTIFICATION, domain) && directory.setting(WEBAPI_URL, domain).is_some();
                account::has_link(&change.kind) || (account::is_notice(change) && !is_by_webapi())
            }
            FixedKind::GlobalEvents => is_told,
            FixedKind::DomainEvents => is_told && is_ours(DOMAIN_SERVER) && directory.is_on(DOMAIN_ENABLED, domain),
        }
    }
}

/// The switch of the JWT webhook for a type of change.
fn switch_of(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "user.created" => "webhook_events.user_create",
        "user.deleted" => "webhook_events.user_delete",
        "user.undeleted" => "webhook_events.user_undelete",
        "domain.deleted" => "webhook_events.domain_delete",
        "client.registered" => "webhook_events.client_registered",
        "client.updated" | "client.deactivated" | "client.reactivated" | "client.retired" => {
            "webhook_events.client_updated"
        }
        "client.departments_added" | "client.departments_removed" => "webhook_events.client_departments",
        _ => return None,
    })
}

/// The domain of the hub that a change belongs to: its integration's, or the one that it speaks of.
fn domain_of(change: &StoredChange, directory: &Directory) -> Option<String> {
    #[derive(Deserialize)]
    struct Change {
        source: String,
    }
    if let Some(integration) = &change.integration {
        return directory.domain_of(integration).map(str::to_owned);
    }
    let change: Change = serde_json::from_slice(&change.body).ok()?;
    change.source.strip_prefix("/domains/").map(str::to_owned)
}

/// What is set for a domain, opened.
async fn text(office: &Office, key: &'static str, domain: Option<&str>) -> Result<Option<SecretString>, RouteError> {
    Ok(office.parts.admission.setting(&office.parts.directory, key, domain).await?)
}

#[cfg(test)]
mod tests {
    use registration::{Event, Placed};
    use serde_json::json;

    use super::*;

    #[test]
    fn the_mails_to_users_begin_with_the_ledger_and_leave_out_what_was_imported() {
        let imported = json!({"ledger": "l0", "sealed_for": "l0", "logs": [], "heads": [7, 9]});
        for (imported, positions) in [(json!(null), vec![]), (imported, vec![7, 9])] {
            let genesis = json!({"specversion": "1.0", "id": Uuid::nil(), "source": "/ledger", "subject": "l1",
                "type": "regledger.ledger.create.v1", "time": "2026-11-23T08:00:00Z",
                "datacontenttype": "application/json", "dataschema": "/schemas/regledger.ledger.create.v1.json",
                "data": {"ledger": "l1", "partitions": 2, "imported": imported}});
            let event = Event::parse(genesis.to_string().as_bytes()).unwrap();
            let mut directory = Directory::default();
            directory.apply(&Placed::after(jiff::Timestamp::MIN, 0, 0, event));
            let all = Configured::all(&directory, true);
            let [Configured::Fixed(mail)] = &all[..] else { panic!("only the mails to users") };
            assert_eq!(mail.start, Start { said: ALWAYS, positions });
            assert!(Configured::all(&directory, false).is_empty(), "no mail server, no mails");
            assert_eq!(Configured::ids(&directory), [all[0].id()], "but what is known of them stays");
        }
    }
}
