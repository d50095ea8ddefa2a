//! Routes: a subscription as the dispatcher sees it, wherever it is configured.

use std::sync::Arc;

use admission::Link;
use delivery::destination::{Destination, Links, Mail, MailError, Webhook};
use delivery::webhook::SigningKey;
use jiff::{SignedDuration, Timestamp};
use registration::client::SealedSecret;
use registration::directory::{Start, SubscriptionKind, SubscriptionRow};
use secrecy::SecretString;
use uuid::Uuid;
use vault::{Context, Subject, UnsealError, Vault};

use crate::Dispatcher;
use crate::source::Wanted;

/// How long a mailed link can be used.
const LINK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Where changes go, and which.
#[derive(Clone)]
pub struct Route {
    /// What deliveries hang on.
    pub id: Uuid,
    /// What it is called in metrics and events.
    pub name: String,
    /// Which changes.
    pub wanted: Wanted,
    /// From where on.
    pub start: Start,
    /// The last event that changed it.
    pub revision: u64,
    /// Whether it is configured by settings.
    pub is_fixed: bool,
    /// How they are sent.
    pub destination: Arc<dyn Destination>,
}

/// Why a route cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// What was sealed does not open.
    #[error("where the subscription leads cannot be opened")]
    Sealed(#[from] UnsealError),
    /// What was sealed is no key.
    #[error("a key of the subscription cannot be read")]
    Key(#[from] delivery::webhook::KeyError),
    /// Its target is no mailbox.
    #[error("mails cannot be sent there")]
    Mail(#[from] MailError),
    /// What was sealed is no private key.
    #[error("the private key cannot be read")]
    PrivateKey(#[from] delivery::jwt::KeyError),
    /// What is set is no set of claims.
    #[error("the claims cannot be read")]
    Claims(#[from] delivery::jwt::ClaimsError),
    /// What is set is no template.
    #[error("the parameters cannot be read")]
    Template(#[from] delivery::template::TemplateError),
    /// Something that it needs is not set any more.
    #[error("{0} is not set")]
    Unset(&'static str),
    /// This process does not send in this way.
    #[error("this process sends no mail: smtp.host is not set")]
    NoMail,
}

impl Route {
    /// The route of a row of the directory.
    ///
    /// # Errors
    /// [`RouteError`].
    pub(crate) async fn of_row(row: &SubscriptionRow, parts: &Dispatcher) -> Result<Self, RouteError> {
        let subscription = &row.subscription;
        let destination: Arc<dyn Destination> = match subscription.kind {
            SubscriptionKind::Webhook => Arc::new(webhook(row, parts).await?),
            SubscriptionKind::Email => Arc::new(mail(row, parts).await?),
        };
        Ok(Self {
            id: subscription.id,
            name: subscription.name.clone(),
            wanted: Wanted { domain: subscription.domain.clone(), filter: subscription.filter.clone(), fixed: None },
            start: row.start.clone(),
            revision: row.revision,
            is_fixed: false,
            destination,
        })
    }
}

/// The webhook of a subscription, with its keys.
async fn webhook(row: &SubscriptionRow, parts: &Dispatcher) -> Result<Webhook, RouteError> {
    let vault = parts.admission.vault();
    let url = open(row, "target", &row.target, vault).await?;
    let mut keys = Vec::new();
    for key in &row.keys {
        keys.push((SigningKey::parse(&open(row, key.field(), &key.key, vault).await?)?, key.until));
    }
    Ok(Webhook::new(parts.egress.clone(), &url, keys, parts.bounds.attempt))
}

/// The mailbox of a subscription.
async fn mail(row: &SubscriptionRow, parts: &Dispatcher) -> Result<Mail, RouteError> {
    mail_to(&open(row, "target", &row.target, parts.admission.vault()).await?, parts)
}

/// A mailbox, with links to where credentials are seen.
pub(crate) fn mail_to(address: &SecretString, parts: &Dispatcher) -> Result<Mail, RouteError> {
    let office = parts.mail.as_ref().ok_or(RouteError::NoMail)?;
    let (admission, url) = (parts.admission.clone(), office.public_url.clone());
    let links: Links = Arc::new(move |client: &str, change: &str, recorded: Timestamp| {
        let until = recorded.saturating_add(LINK).unwrap_or(Timestamp::MAX);
        let link = Link { client: client.to_owned(), change: change.to_owned(), until };
        Some(format!("{url}/notices/{}", admission.link_token(&link).ok()?))
    });
    Ok(Mail::new(office.mailer.clone(), address, links)?)
}

/// Opens what was sealed for a subscription.
async fn open(
    row: &SubscriptionRow,
    field: &str,
    secret: &SealedSecret,
    vault: &Vault,
) -> Result<SecretString, UnsealError> {
    let subject = Subject::Subscription(row.subscription.id.to_string());
    let context = Context { event: secret.event, field };
    let plain = vault.open_envelope(&subject, &context, &secret.sealed.sealed).await?;
    Ok(String::from_utf8_lossy(&plain).into_owned().into())
}
