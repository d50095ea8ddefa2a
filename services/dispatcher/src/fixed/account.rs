//! Mails to users of the hub: links by which they confirm a sign-up or set another password, and notices of what became of their
//! accounts. A link is for whoever reads the mail; a notice has none.

use std::sync::Arc;

use admission::AccountLink;
use delivery::destination::{Destination, Letter, Outcome, Parcel};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use projection::StoredChange;
use registration::directory::{UserRow, UserState};
use registration::{Kind, Row, RowKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::person::Told;
use crate::route::RouteError;
use crate::{MailOffice, Office};

const SIGNED_UP: &str = "user.signed_up";
const PASSWORD_FORGOTTEN: &str = "user.password_forgotten";

/// Nobody wants to read of what was long ago: when mail was set up since, or the delivery store was lost.
const NEWS: SignedDuration = SignedDuration::from_hours(24);

/// Whether a change is told by a link, and to nobody but the user.
pub(super) fn has_link(kind: &str) -> bool {
    matches!(kind, SIGNED_UP | PASSWORD_FORGOTTEN)
}

/// Whether a change is of a sign-up that nobody has confirmed, or of a link: nothing but mail follows from it.
pub(super) fn is_of_mail_alone(change: &StoredChange) -> bool {
    has_link(&change.kind) || (change.kind == "user.purged" && is_unconfirmed(&change.body))
}

/// Who was purged without having been deleted, when the time to confirm was over.
fn is_unconfirmed(change: &[u8]) -> bool {
    let user = said::<OfUser>(change).map(|said| said.user);
    user.is_some_and(|user| user.purge_after.is_some() && user.deleted_time.is_none())
}

/// Whether the user is told of a change. Users of other systems are told there.
pub(super) fn is_notice(change: &StoredChange) -> bool {
    let is_told = match change.kind.as_str() {
        "user.created" | "user.deleted" | "user.undeleted" => true,
        "user.updated" => {
            said::<Fields>(&change.body).is_some_and(|said| said.fields.iter().any(|it| it == "password"))
        }
        _ => false,
    };
    is_told && change.integration.is_none()
}

/// Names of the fields that changed.
#[derive(Deserialize)]
struct Fields {
    #[serde(default)]
    fields: Vec<String>,
}

#[derive(Deserialize)]
struct OfUser {
    user: Ended,
}

/// When a user ended.
#[derive(Deserialize)]
struct Ended {
    deleted_time: Option<Timestamp>,
    purge_after: Option<Timestamp>,
}

/// What a change says of its row, as far as it is asked for.
fn said<T: DeserializeOwned>(change: &[u8]) -> Option<T> {
    #[derive(Deserialize)]
    struct Change<T> {
        data: T,
    }
    serde_json::from_slice::<Change<T>>(change).ok().map(|change| change.data)
}

/// Writes to users.
pub(super) struct AccountMail {
    office: Arc<Office>,
    mail: MailOffice,
}

/// What is told, but for the words around it.
struct Words {
    subject: &'static str,
    text: String,
}

impl AccountMail {
    /// Writes to users through the mail server of this process.
    ///
    /// # Errors
    /// [`RouteError::NoMail`].
    pub(super) fn open(office: &Arc<Office>) -> Result<Self, RouteError> {
        let mail = office.parts.mail.clone().ok_or(RouteError::NoMail)?;
        Ok(Self { office: office.clone(), mail })
    }

    async fn send(&self, parcel: &Parcel, now: Timestamp) -> Outcome {
        match self.letter(parcel, now).await {
            Ok(Ok((address, letter))) => self.mail.mailer.post(&address, letter).await,
            Ok(Err(needless)) => Outcome::needless(needless),
            Err(reason) => Outcome::unsent(reason),
        }
    }

    /// Address and letter, or why there is nothing to send.
    ///
    /// # Errors
    /// What is in the way and may pass.
    async fn letter(&self, parcel: &Parcel, now: Timestamp) -> Result<Result<(String, Letter), &'static str>, String> {
        let told: Told = serde_json::from_slice(&parcel.body).map_err(|error| error.to_string())?;
        if now.duration_since(told.time) > NEWS {
            return Ok(Err("it is no news any more"));
        }
        let parts = &self.office.parts;
        let row = parts.store.row(RowKey::new(Kind::User, &*told.subject)).await.map_err(|error| error.to_string())?;
        let (Some(Row::User(row)), Some(position)) = (row, told.position()) else {
            return Ok(Err("there is no such user"));
        };
        let row = row.as_of(position);
        let person = parts.admission.person(&row).await.map_err(|error| error.to_string())?;
        let Some((name, Some(address))) = person.map(|person| (person.name, person.email)) else {
            return Ok(Err("the user has no address"));
        };
        let account = format!("\\\\{}\\{name}", row.user.domain);
        let Some(Words { subject, text }) = self.words(&parcel.kind, &told, &row, &account, now) else {
            return Ok(Err("the link is over, or a newer one was asked for"));
        };
        Ok(Ok((address, Letter { id: told.id, time: told.time, subject: subject.to_owned(), text })))
    }

    fn words(&self, kind: &str, told: &Told, row: &UserRow, account: &str, now: Timestamp) -> Option<Words> {
        let hub = self.hub();
        Some(match kind {
            SIGNED_UP => self.to_confirm(row, now)?,
            PASSWORD_FORGOTTEN => self.to_set_password(told, row, account, now)?,
            "user.created" => {
                Words { subject: "Your account was made", text: format!("The account {account} at {hub} was made.\n") }
            }
            "user.undeleted" => Words {
                subject: "Your account is back",
                text: format!("The account {account} at {hub} was deleted before, and is back as it was.\n"),
            },
            "user.deleted" => Words {
                subject: "Your account was deleted",
                text: format!(
                    "The account {account} at {hub} was deleted. For a while those who operate the hub can bring it\n\
                     back; tell them if this was not meant to be.\n"
                ),
            },
            _ => Words {
                subject: "Your password was changed",
                text: format!(
                    "The password of the account {account} at {hub} was changed.\n\
                     If it was not you, tell those who operate the hub at once.\n"
                ),
            },
        })
    }

    /// The address is not known to be that of whoever signed up, so nothing that was typed in stands in the mail.
    fn to_confirm(&self, row: &UserRow, now: Timestamp) -> Option<Words> {
        let until = row.user.purge_after.filter(|until| row.user.state == UserState::Pending && now < *until)?;
        let text = format!(
            "Somebody, we hope you, signed up with this address in the domain {} at\n{}.\n\n\
             To have the account, open this page before {until:.0} and press the button there:\n{}\n\n\
             If it was not you, do nothing: then the request ends by itself.\n",
            row.user.domain,
            self.hub(),
            self.link(row, None, until)?,
        );
        Some(Words { subject: "Confirm your account", text })
    }

    fn to_set_password(&self, told: &Told, row: &UserRow, account: &str, now: Timestamp) -> Option<Words> {
        let asked = row.reset.as_ref().filter(|reset| reset.time == told.time && now < reset.until)?;
        let text = format!(
            "Somebody, we hope you, has forgotten the password of the account {account} at\n{}.\n\n\
             To set another one, open this page before {:.0}; it can be used once:\n{}\n\n\
             If it was not you, do nothing: the password stays as it is.\n",
            self.hub(),
            asked.until,
            self.link(row, Some(asked.request), asked.until)?,
        );
        Some(Words { subject: "Set a new password", text })
    }

    fn link(&self, row: &UserRow, request: Option<Uuid>, until: Timestamp) -> Option<String> {
        let link = AccountLink { user: row.user.id.clone(), request, until };
        Some(format!("{}/account/{}", self.hub(), self.office.parts.admission.link_token(&link).ok()?))
    }

    fn hub(&self) -> &str {
        &self.mail.public_url
    }
}

impl Destination for AccountMail {
    fn attempt<'a>(&'a self, parcel: &'a Parcel, now: Timestamp) -> BoxFuture<'a, Outcome> {
        self.send(parcel, now).boxed()
    }

    fn host(&self) -> &str {
        self.mail.mailer.host()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;

    fn change(kind: &str, integration: Option<&str>, data: Value) -> StoredChange {
        StoredChange {
            partition: 0,
            position: 1,
            ordinal: 0,
            kind: kind.to_owned(),
            row: String::new(),
            integration: integration.map(str::to_owned),
            tenant: None,
            recorded_time: Timestamp::UNIX_EPOCH,
            body: Bytes::from(json!({"data": data}).to_string()),
        }
    }

    #[test]
    fn users_of_the_hub_are_told_what_becomes_of_them_and_nothing_else() {
        let fields = |names: &[&str]| json!({"user": {}, "fields": names});
        for (kind, integration, data, expected) in [
            ("user.created", None, json!({"user": {}}), true),
            ("user.created", Some("acme-isl"), json!({"user": {}}), false),
            ("user.deleted", None, json!({"user": {}}), true),
            ("user.undeleted", None, json!({"user": {}}), true),
            ("user.updated", None, fields(&["password"]), true),
            ("user.updated", None, fields(&["email", "roles"]), false),
            ("user.purged", None, json!({"user": {}}), false),
            ("user.signed_up", None, json!({"user": {}}), false),
            ("user.password_forgotten", None, json!({"user": {}}), false),
            ("client.updated", None, json!({"fields": ["password"]}), false),
        ] {
            assert_eq!(is_notice(&change(kind, integration, data.clone())), expected, "{kind} {data}");
        }
    }

    #[test]
    fn a_sign_up_that_came_to_nothing_is_a_matter_of_mail_alone() {
        let time = "2026-11-23T08:00:00Z";
        for (kind, deleted, due, expected) in [
            ("user.signed_up", json!(null), json!(time), true),
            ("user.password_forgotten", json!(null), json!(null), true),
            ("user.purged", json!(null), json!(time), true),
            ("user.purged", json!(time), json!(time), false),
            ("user.purged", json!(null), json!(null), false),
            ("user.created", json!(null), json!(null), false),
        ] {
            let data = json!({"user": {"deleted_time": deleted, "purge_after": due}});
            assert_eq!(is_of_mail_alone(&change(kind, None, data.clone())), expected, "{kind} {data}");
        }
    }
}
