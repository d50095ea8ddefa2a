//! Routes: a subscription as the dispatcher sees it, wherever it is configured.

use std::sync::Arc;

use delivery::destination::{Destination, Webhook};
use delivery::egress::Egress;
use delivery::webhook::SigningKey;
use registration::directory::{Start, SubscriptionKind, SubscriptionRow};
use secrecy::SecretString;
use uuid::Uuid;
use vault::{Context, Subject, UnsealError, Vault};

use crate::source::Wanted;

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
    pub(crate) async fn of_row(
        row: &SubscriptionRow,
        vault: &Vault,
        egress: &Egress,
        deadline: std::time::Duration,
    ) -> Result<Self, RouteError> {
        let subscription = &row.subscription;
        let destination: Arc<dyn Destination> = match subscription.kind {
            SubscriptionKind::Webhook => Arc::new(webhook(row, vault, egress, deadline).await?),
            SubscriptionKind::Email => return Err(RouteError::NoMail),
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
///
/// # Errors
/// [`RouteError`].
pub async fn webhook(
    row: &SubscriptionRow,
    vault: &Vault,
    egress: &Egress,
    deadline: std::time::Duration,
) -> Result<Webhook, RouteError> {
    let subject = Subject::Subscription(row.subscription.id.to_string());
    let open = async |event, field, sealed: &registration::Sealed| {
        let plain = vault.open_envelope(&subject, &Context { event, field }, &sealed.sealed).await?;
        Ok::<SecretString, UnsealError>(String::from_utf8_lossy(&plain).into_owned().into())
    };
    let url = open(row.target.event, "target", &row.target.sealed).await?;
    let mut keys = Vec::new();
    for key in &row.keys {
        let text = open(key.key.event, key.field(), &key.key.sealed).await?;
        keys.push((SigningKey::parse(&text)?, key.until));
    }
    Ok(Webhook::new(egress.clone(), url, keys, deadline))
}
