//! Fixed subscriptions: those that have no row of their own, but follow from a setting, or from an integration that notifies by
//! mail. Their names and ids are the same wherever they are asked for.
//!
//! A setting of a domain beats that of the hub. So there is one such subscription for the hub, for whatever domain has none of
//! its own, and one for each domain that has.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Directory, IntegrationRow, JWT_URL, SettingRow, Start, WEBAPI_URL};
use crate::row::{Kind, Row};

/// Whether the changes of all domains go to one server.
pub const GLOBAL_ENABLED: &str = "http_events.global.enabled";

/// That one server.
pub const GLOBAL_SERVER: &str = "http_events.global.server";

/// Whether the changes of a domain go to the domain's own server.
pub const DOMAIN_ENABLED: &str = "http_events.per_domain.enabled";

/// The domain's own server.
pub const DOMAIN_SERVER: &str = "http_events.per_domain.server";

/// Where what begins with the ledger was said to begin: it is known from where on, whenever the delivery store was made.
const ALWAYS: u64 = i64::MAX.cast_unsigned();

const JWT_NAME: &str = "jwt-webhook";
const GLOBAL_NAME: &str = "http-events";
const DOMAIN_NAME: &str = "domain-http-events";
const WEBAPI_NAME: &str = "external-webapi";
const MAIL_NAME: &str = "account-mail";

/// Whether no subscription that is made may have a name.
pub(super) fn is_reserved(name: &str) -> bool {
    [JWT_NAME, GLOBAL_NAME, DOMAIN_NAME, WEBAPI_NAME, MAIL_NAME].contains(&name)
}

/// What a fixed subscription sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FixedKind {
    /// Signed tokens to the JWT webhook.
    Jwt,
    /// HTTP events to the one server.
    GlobalEvents,
    /// HTTP events to a domain's own server.
    DomainEvents,
    /// Notifications of users to the external WebAPI.
    Notification,
    /// Mails of what happens to the clients of this integration.
    Notice(String),
    /// Mails to users.
    AccountMail,
}

/// A subscription that follows from something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixedSubscription {
    /// What it sends.
    pub kind: FixedKind,
    /// The domain whose setting, or whose integration, it is; none for the hub's.
    pub domain: Option<String>,
    /// What it is called.
    pub name: String,
    /// From where on something is sent; none while nothing is.
    pub start: Option<Start>,
    /// The last event that may have changed it.
    pub revision: u64,
}

impl FixedSubscription {
    /// The id that deliveries hang on: the same for the same name, so that what was given up outlives a change of a setting.
    pub fn id(&self) -> Uuid {
        let hash = Sha256::digest(&self.name);
        let (mut high, mut low) = ([0; 8], [0; 8]);
        high.copy_from_slice(&hash[..8]);
        low.copy_from_slice(&hash[8..16]);
        Uuid::from_u64_pair(u64::from_be_bytes(high), u64::from_be_bytes(low))
    }
}

impl Directory {
    /// The subscriptions that have no row: also those of which nothing is sent now, since their setting was taken back.
    pub fn fixed_subscriptions(&self) -> Vec<FixedSubscription> {
        let revision = self.settings().map(|row| row.changed_position).max().unwrap_or_default();
        let rows = self.rows.of(Kind::Setting).filter_map(|row| match row {
            Row::Setting(row) if self.outlives(row) => self.of_setting(row, revision),
            _ => None,
        });
        let notices = self.integrations().into_iter().filter_map(of_integration);
        rows.chain(notices).chain([self.account_mail()]).collect()
    }

    fn of_setting(&self, row: &SettingRow, revision: u64) -> Option<FixedSubscription> {
        let domain = row.change.domain.clone();
        let (kind, name) = match row.change.key.as_str() {
            JWT_URL => (FixedKind::Jwt, JWT_NAME),
            GLOBAL_SERVER => (FixedKind::GlobalEvents, GLOBAL_NAME),
            WEBAPI_URL => (FixedKind::Notification, WEBAPI_NAME),
            DOMAIN_SERVER => (FixedKind::DomainEvents, DOMAIN_NAME),
            _ => return None,
        };
        let name = domain.as_ref().map_or_else(|| name.to_owned(), |domain| format!("{name}@{domain}"));
        let start = row.value.as_ref().and_then(|_| self.start_of(&kind, row));
        Some(FixedSubscription { kind, domain, name, start, revision })
    }

    /// From where on: since both the server and its switch are set.
    fn start_of(&self, kind: &FixedKind, row: &SettingRow) -> Option<Start> {
        let own = row.start.clone()?;
        if *kind != FixedKind::GlobalEvents {
            return Some(own);
        }
        let switch = self.setting(GLOBAL_ENABLED, None).filter(|row| row.is_on())?.start.clone();
        Some(switch.filter(|switch| switch.said > own.said).unwrap_or(own))
    }

    /// The mails to users, of which nothing is set but the mail server. Nobody knows when that was, so they begin where this
    /// ledger does, and the same holds if the delivery store is lost: what is too old by then is not sent. What another ledger
    /// had is not told again.
    fn account_mail(&self) -> FixedSubscription {
        let imported = self.ledger().and_then(|ledger| ledger.imported.as_ref());
        let positions = imported.map(|imported| imported.heads.clone()).unwrap_or_default();
        FixedSubscription {
            kind: FixedKind::AccountMail,
            domain: None,
            name: MAIL_NAME.to_owned(),
            start: Some(Start { said: ALWAYS, positions }),
            revision: 0,
        }
    }
}

fn of_integration(row: &IntegrationRow) -> Option<FixedSubscription> {
    let (notified, integration) = (row.notified.as_ref()?, &row.integration);
    Some(FixedSubscription {
        kind: FixedKind::Notice(integration.name.clone()),
        domain: Some(integration.domain.clone()),
        name: format!("notify@{}", integration.name),
        start: Some(notified.start.clone()),
        revision: notified.revision,
    })
}
