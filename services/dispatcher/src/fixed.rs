//! What is configured by settings, the JWT webhook and the HTTP events of ISL's Integration page, or by an integration that
//! notifies by mail: subscriptions of their own.
//!
//! The directory knows which there are. The switches are looked at for each change, when it is its turn, but who tells a user,
//! the external WebAPI or a mail, is decided by what was set when the change was made. There are mails to users wherever there
//! is a mail server.

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
    DOMAIN_ENABLED, DOMAIN_SERVER, Directory, FixedKind, FixedSubscription, JWT_URL, SettingRow, Start,
    SubscriptionRow, WEBAPI_NOTIFICATION, WEBAPI_URL,
};
use secrecy::SecretString;
use serde::Deserialize;
use uuid::Uuid;

use crate::Office;
use crate::route::{Route, RouteError};
use crate::source::Wanted;

/// A subscription, wherever it is configured.
#[derive(Clone)]
pub(crate) enum Configured {
    /// By a subscription.
    Row(Box<SubscriptionRow>),
    /// By settings, or by an integration, and from where on.
    Fixed(Box<FixedSubscription>, Start),
}

impl Configured {
    /// Everything that is to be worked on; users are written to where mail can be sent.
    pub(crate) fn all(directory: &Directory, sends_mail: bool) -> Vec<Self> {
        let rows = directory.subscriptions().into_iter().filter(|row| row.is_active());
        let rows = rows.map(|row| Self::Row(Box::new(row.clone())));
        let fixed = directory.fixed_subscriptions().into_iter();
        let fixed = fixed.filter(|one| sends_mail || one.kind != FixedKind::AccountMail).filter_map(|one| {
            let start = one.start.clone()?;
            Some(Self::Fixed(Box::new(one), start))
        });
        rows.chain(fixed).collect()
    }

    /// Everything of which something may be known: also what is paused, and what of which nothing is sent any more.
    pub(crate) fn ids(directory: &Directory) -> Vec<Uuid> {
        let rows = directory.subscriptions().into_iter().map(|row| row.subscription.id);
        rows.chain(directory.fixed_subscriptions().iter().map(FixedSubscription::id)).collect()
    }

    pub(crate) fn id(&self) -> Uuid {
        match self {
            Self::Row(row) => row.subscription.id,
            Self::Fixed(row, _) => row.id(),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Row(row) => &row.subscription.name,
            Self::Fixed(row, _) => &row.name,
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        match self {
            Self::Row(row) => row.revision,
            Self::Fixed(row, _) => row.revision,
        }
    }

    /// Opens what was sealed.
    ///
    /// # Errors
    /// [`RouteError`].
    pub(crate) async fn open(&self, office: &Arc<Office>) -> Result<Route, RouteError> {
        let parts = &office.parts;
        let (row, start) = match self {
            Self::Row(row) => return Route::of_row(row, parts).await,
            Self::Fixed(row, start) => (row, start),
        };
        let domain = row.domain.as_deref();
        let destination: Arc<dyn Destination> = match &row.kind {
            FixedKind::Notice(integration) => Arc::new(notice::open(office, integration).await?),
            FixedKind::AccountMail => Arc::new(account::AccountMail::open(office)?),
            FixedKind::Notification => Arc::new(webapi::Notification::open(office, domain).await?),
            FixedKind::Jwt => Arc::new(jwt::JwtWebhook::open(office, domain).await?),
            FixedKind::GlobalEvents => Arc::new(form::HttpEvents::open(office, "http_events.global", None).await?),
            FixedKind::DomainEvents => {
                Arc::new(form::HttpEvents::open(office, "http_events.per_domain", domain).await?)
            }
        };
        Ok(Route {
            id: self.id(),
            name: row.name.clone(),
            wanted: Wanted { fixed: Some((**row).clone()), ..Wanted::default() },
            start: start.clone(),
            revision: row.revision,
            is_fixed: true,
            destination,
        })
    }
}

/// Whether a change is wanted, as the settings of its domain are now.
pub(crate) fn wants(fixed: &FixedSubscription, change: &StoredChange, directory: &Directory) -> bool {
    let domain = domain_of(change, directory);
    let domain = domain.as_deref();
    let is_ours = |row: Option<&SettingRow>| row.is_some_and(|row| row.change.domain == fixed.domain);
    let is_set = |key: &str| is_ours(directory.setting(key, domain));
    // what only has a mail sent is nobody else's matter
    let is_told = ["client.", "user.", "domain."].iter().any(|noun| change.kind.starts_with(noun))
        && !account::is_of_mail_alone(change);
    match &fixed.kind {
        FixedKind::Notice(name) => change.kind.starts_with("client.") && change.integration.as_ref() == Some(name),
        FixedKind::Jwt => is_set(JWT_URL) && switch_of(&change.kind).is_some_and(|key| directory.is_on(key, domain)),
        // users of the hub are told what becomes of them; those of other systems are told there
        FixedKind::Notification => account::is_notice(change) && is_ours(teller(change, domain, directory)),
        FixedKind::AccountMail => {
            let is_by_mail = || teller(change, domain, directory).is_none();
            account::has_link(&change.kind) || (account::is_notice(change) && is_by_mail())
        }
        FixedKind::GlobalEvents => is_told,
        FixedKind::DomainEvents => is_told && is_set(DOMAIN_SERVER) && directory.is_on(DOMAIN_ENABLED, domain),
    }
}

/// The WebAPI that tells a user of a change; none if a mail does. That is decided by what was set then: what waited for a mail
/// server was told by the WebAPI if that was on.
fn teller<'a>(change: &StoredChange, domain: Option<&str>, directory: &'a Directory) -> Option<&'a SettingRow> {
    let set = |key: &str| directory.setting_at(key, domain, change.position);
    set(WEBAPI_NOTIFICATION).and_then(|_| set(WEBAPI_URL))
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

/// What is set for a domain, or is so by default, opened.
async fn setting(office: &Office, key: &'static str, domain: Option<&str>) -> Result<SecretString, RouteError> {
    let found = office.parts.admission.setting(&office.parts.directory, key, domain).await?;
    found.ok_or(RouteError::Unset(key))
}
