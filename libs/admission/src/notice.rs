//! From the bytes of a notification to a sealed event, or to quarantine.

use std::net::IpAddr;

use jiff::Timestamp;
use ledger::Entry;
use registration::directory::IntegrationRow;
use registration::event::{Attributes, EventType, encode};
use registration::notice::{Notice, Rejection};
use registration::quarantine::{QuarantineReceive, RETENTION_HOURS, Violation, message_id};
use registration::{Sealed, notice};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;
use vault::{Context, DataKey, Subject};

use crate::isl::Whole;
use crate::{Admission, Receipt, Unavailable, event_id, idempotency_id, partition_of_message, partition_of_tenant};

/// A notification as it came.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The integration whose URL it came to.
    pub integration: &'a IntegrationRow,
    /// The body.
    pub body: &'a [u8],
    /// The Idempotency-Key that came with it.
    pub idempotency_key: Option<&'a str>,
    /// When it was received.
    pub time: Timestamp,
    /// When it was released, if it was in quarantine since.
    pub released: Option<Timestamp>,
}

/// Why a notification was not accepted. What the sender is told, with no value quoted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which rule it broke.
    pub kind: RefusedKind,
    /// In words.
    pub detail: String,
    /// What is wrong, and where.
    pub violations: Vec<Violation>,
}

/// Which rule a notification broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedKind {
    /// It is not strict JSON.
    Malformed,
    /// It is JSON but not a registration.
    Invalid,
    /// It came from an address that the integration does not allow.
    Address,
    /// It is a token that is not believed.
    Unverified,
    /// It cannot be accepted, and is acknowledged all the same: its sender would repeat it for ever.
    Acknowledged,
}

impl RefusedKind {
    /// The HTTP status that tells the sender.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::Invalid => 422,
            Self::Address => 403,
            Self::Unverified => 401,
            Self::Acknowledged => 200,
        }
    }
}

/// A notification that can be accepted: checked, and not sealed yet.
#[derive(Debug)]
pub struct Prepared<'a> {
    delivery: Delivery<'a>,
    notice: Notice<'a>,
}

impl<'a> Prepared<'a> {
    /// Checks a notification.
    ///
    /// # Errors
    /// [`Refused`], with everything that is wrong with it.
    pub fn check(delivery: Delivery<'a>) -> Result<Self, Refused> {
        let notice = notice::parse(delivery.body).map_err(Refused::from)?;
        let allowed = &delivery.integration.integration.allow.token_hosts;
        if !allowed.is_empty() && !allowed.contains(&notice.tenant.host) {
            return Err(Refused {
                kind: RefusedKind::Invalid,
                detail: "The integration does not allow the host of token_url.".to_owned(),
                violations: vec![Violation {
                    pointer: "/token_url".to_owned(),
                    detail: "its host is not among the integration's allowed token hosts".to_owned(),
                }],
            });
        }
        Ok(Self { delivery, notice })
    }
}

impl From<Rejection> for Refused {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Malformed(malformed) => Self {
                kind: RefusedKind::Malformed,
                detail: format!("The body is not strict JSON: {malformed}."),
                violations: Vec::new(),
            },
            Rejection::Invalid { violations } => Self {
                kind: RefusedKind::Invalid,
                detail: "The body is JSON, but not a Provet registration.".to_owned(),
                violations,
            },
        }
    }
}

impl Delivery<'_> {
    /// Checks the source address against the integration's list.
    ///
    /// # Errors
    /// [`Refused`] if the list is not empty and does not hold the address.
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refused> {
        let allowed = &self.integration.integration.allow.addresses;
        let address = address.to_canonical();
        if allowed.is_empty() || allowed.iter().any(|net| net.contains(&address)) {
            return Ok(());
        }
        Err(Refused {
            kind: RefusedKind::Address,
            detail: "The integration does not take notifications from this address.".to_owned(),
            violations: Vec::new(),
        })
    }

    /// How a repetition of it is known, if it came with an Idempotency-Key.
    pub fn idempotency_id(&self) -> Option<String> {
        let holder = self.integration.integration.id.to_string();
        self.idempotency_key.map(|key| idempotency_id(&holder, key))
    }

    pub(crate) fn attributes(&self, id: Uuid, subject: String) -> Attributes {
        let integration = &self.integration.integration;
        Attributes {
            id,
            source: format!("/integrations/{}", integration.name),
            subject,
            time: self.time,
            recorded_time: self.released,
            integration_id: Some(integration.id),
            idempotency_key: self.idempotency_id(),
            ..Attributes::default()
        }
    }
}

impl Admission {
    /// Seals a checked notification and makes it durable.
    ///
    /// # Errors
    /// [`Unavailable`]; the sender should try again.
    pub async fn record(&self, prepared: Prepared<'_>) -> Result<Receipt, Unavailable> {
        let Prepared { delivery, notice } = prepared;
        let tenant = notice.tenant.to_string();
        let id = event_id(delivery.released.unwrap_or(delivery.time));
        let key =
            self.vault.data_key(&Subject::Tenant(tenant.clone()), delivery.time).await.map_err(Unavailable::Keys)?;
        let seal = |field: &str, plain: &SecretString| self.seal(&key, id, field, plain);
        let mut secret = notice.client_secret.as_ref().map(|plain| seal("client_secret", plain)).transpose()?;
        if let (Some(sealed), Some(plain)) = (&mut secret, &notice.client_secret) {
            sealed.sealed.fp = self.vault.fingerprint(&tenant, plain.expose_secret().as_bytes());
        }
        let unknown = notice.unknown.as_ref().map(|fields| seal("unknown", fields)).transpose()?;
        let data = notice.data(secret.as_ref(), unknown.as_ref());
        let partition = partition_of_tenant(self.ledger.partitions(), delivery.integration.integration.id, &tenant);
        let attributes = delivery.attributes(id, tenant);
        let bytes = encode(&attributes, EventType::ProvetRegistration, &data)?;
        self.receipt(&attributes, EventType::ProvetRegistration, partition, bytes).await
    }

    /// Keeps a notification that could not be accepted, sealed under a key of its own, and answers
    /// with the id under which it can be found.
    ///
    /// # Errors
    /// [`Unavailable`]; the sender should try again.
    pub async fn quarantine(&self, delivery: Delivery<'_>, refused: &Refused) -> Result<String, Unavailable> {
        self.hold(delivery, refused, None).await
    }

    /// Keeps a notification, or the beginning of one that is too large.
    pub(crate) async fn hold(
        &self,
        delivery: Delivery<'_>,
        refused: &Refused,
        whole: Option<&Whole>,
    ) -> Result<String, Unavailable> {
        let integration = delivery.integration.integration.id;
        let fingerprint = self.vault.fingerprint("quarantine", whole.map_or(delivery.body, |whole| &whole.sha256));
        let message = message_id(integration, fingerprint.first().map_or("", String::as_str));
        let expires_time = expiry(delivery.time);
        let subject = Subject::Quarantine { id: message.clone(), expires: expires_time };
        let key = self.vault.data_key(&subject, delivery.time).await.map_err(Unavailable::Keys)?;
        let id = event_id(delivery.time);
        let context = Context { event: id, field: "body" };
        let data = QuarantineReceive {
            id: message.clone(),
            body: Sealed { sealed: self.vault.seal(&key, &context, delivery.body).map_err(Unavailable::Keys)? },
            bytes: whole.map_or(delivery.body.len() as u64, |whole| whole.bytes),
            kept_bytes: whole.map(|_| delivery.body.len() as u64),
            hash: whole.map_or_else(Vec::new, |_| fingerprint),
            status: refused.kind.status(),
            detail: refused.detail.clone(),
            violations: refused.violations.clone(),
            expires_time,
        };
        let attributes = delivery.attributes(id, message.clone());
        let partition = partition_of_message(self.ledger.partitions(), &message);
        let bytes = encode(&attributes, EventType::QuarantineReceive, &data)?;
        self.receipt(&attributes, EventType::QuarantineReceive, partition, bytes).await?;
        Ok(message)
    }

    pub(crate) fn seal(
        &self,
        key: &DataKey,
        event: Uuid,
        field: &str,
        plain: &SecretString,
    ) -> Result<Sealed, Unavailable> {
        let context = Context { event, field };
        let sealed = self.vault.seal(key, &context, plain.expose_secret().as_bytes());
        Ok(Sealed { sealed: sealed.map_err(Unavailable::Keys)? })
    }

    pub(crate) async fn receipt(
        &self,
        attributes: &Attributes,
        kind: EventType,
        partition: u32,
        bytes: Vec<u8>,
    ) -> Result<Receipt, Unavailable> {
        let entry = Entry::new(partition, kind.is_directory(), bytes);
        let leaf_hash = entry.leaf_hash();
        let place = self.append(entry).await?;
        Ok(Receipt::new(attributes, place, &leaf_hash))
    }
}

/// The midnight (UTC) that ends the retention: repetitions of a message within a day share a key.
fn expiry(received: Timestamp) -> Timestamp {
    const DAY: i64 = 86_400;
    let end = received.as_second().saturating_add(RETENTION_HOURS * 3_600);
    let midnight = (end.div_euclid(DAY) + 1).saturating_mul(DAY);
    Timestamp::from_second(midnight).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_kept_for_thirty_days_and_until_midnight() {
        for (received, expires) in [
            ("2026-11-23T05:28:06.139Z", "2026-12-24T00:00:00Z"),
            ("2026-11-23T23:59:59Z", "2026-12-24T00:00:00Z"),
            ("2026-11-24T00:00:00Z", "2026-12-25T00:00:00Z"),
        ] {
            let received = received.parse::<Timestamp>().unwrap();
            assert_eq!(expiry(received), expires.parse::<Timestamp>().unwrap(), "{received}");
        }
    }
}
