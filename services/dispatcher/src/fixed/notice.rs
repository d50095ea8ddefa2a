//! Notices: an integration that notifies by mail, as a subscription of its own.

use delivery::destination::Mail;
use vault::{Context, Subject};

use crate::Office;
use crate::route::{RouteError, mail_to};

/// The mailbox of an integration.
///
/// # Errors
/// [`RouteError`].
pub(super) async fn open(office: &Office, integration: &str) -> Result<Mail, RouteError> {
    let row = office.parts.directory.read().integration(integration).cloned();
    let row = row.ok_or(RouteError::Unset("notify"))?;
    let notified = row.notified.as_ref().ok_or(RouteError::Unset("notify"))?;
    let subject = Subject::Integration(row.integration.id.to_string());
    let context = Context { event: notified.address.event, field: "address" };
    let vault = office.parts.admission.vault();
    let plain = vault.open_envelope(&subject, &context, &notified.address.sealed.sealed).await?;
    mail_to(&String::from_utf8_lossy(&plain).into_owned().into(), &office.parts)
}
