//! From an ISL message to a sealed event.

use jiff::{SignedDuration, Timestamp};
use registration::event::{EventType, encode};
use registration::isl::{Claim, Fact, IslEvent, IslToken, Message, MessageFact, NamedUser, User, tenant};
use registration::quarantine::Violation;
use registration::{Sealed, isl, json as strict};
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use uuid::Uuid;
use vault::{Context, DataKey, Subject};

use crate::notice::{Delivery, Refused, RefusedKind};
use crate::{Admission, Receipt, Unavailable, event_id, partition_of_tenant};

/// A body of which only the beginning is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// A domain of an ISL system while a message about it is sealed.
struct Sealing<'a> {
    admission: &'a Admission,
    tenant: String,
    key: DataKey,
    event: Uuid,
}

impl Admission {
    /// Seals the form of an HTTP event and makes it durable; `save` is whether its session is to keep it.
    ///
    /// # Errors
    /// [`Unavailable`]; the sender should try again.
    pub async fn record_isl_event(
        &self,
        delivery: Delivery<'_>,
        message: Message,
        save: bool,
    ) -> Result<Receipt, Unavailable> {
        let sealing = self.sealing(&delivery, message.domain_id.as_deref()).await?;
        let data = IslEvent {
            hash: self.vault.fingerprint(&sealing.tenant, &message.identity),
            facts: sealing.facts(&message.facts)?,
            body: sealing.seal("body", delivery.body)?,
            module: message.module,
            event: message.event,
            sent_time: message.sent_time,
            domain_id: message.domain_id,
            session_id: message.session_id,
            save,
        };
        sealing.record(&delivery, EventType::IslEvent, &data).await
    }

    /// Seals a verified token and makes it durable; its claims are as they were signed, `leeway` is how long after its end it
    /// is still believed.
    ///
    /// # Errors
    /// [`Unavailable`]; the sender should try again.
    pub async fn record_isl_token(
        &self,
        delivery: Delivery<'_>,
        jwt: &str,
        claims: &Map<String, Value>,
        claim: Claim,
        leeway: SignedDuration,
    ) -> Result<Receipt, Unavailable> {
        let sealing = self.sealing(&delivery, claim.domain_id.as_deref()).await?;
        let id = claims.get("jti").map_or_else(|| jwt.to_owned(), Value::to_string);
        let data = IslToken {
            token: self.vault.fingerprint(&format!("{} tokens", sealing.tenant), id.as_bytes()),
            until: end(claims).and_then(|end| end.checked_add(leeway).ok()),
            facts: sealing.facts(&claim.facts)?,
            jwt: sealing.seal("jwt", jwt.as_bytes())?,
            domain_id: claim.domain_id,
        };
        sealing.record(&delivery, EventType::IslToken, &data).await
    }

    /// Keeps the beginning of a notification that is too large; answers with the id under which it can be found.
    ///
    /// # Errors
    /// [`Unavailable`]; the sender should try again.
    pub async fn quarantine_part(
        &self,
        delivery: Delivery<'_>,
        refused: &Refused,
        whole: &Whole,
    ) -> Result<String, Unavailable> {
        self.hold(delivery, refused, Some(whole)).await
    }

    async fn sealing(&self, delivery: &Delivery<'_>, domain_id: Option<&str>) -> Result<Sealing<'_>, Unavailable> {
        let tenant = tenant(&delivery.integration.integration.name, domain_id);
        let subject = Subject::Tenant(tenant.clone());
        let key = self.vault.data_key(&subject, delivery.time).await.map_err(Unavailable::Keys)?;
        Ok(Sealing { admission: self, tenant, key, event: event_id(delivery.released.unwrap_or(delivery.time)) })
    }
}

/// When a token ends; none if it says nothing of it. What is verified is a number.
fn end(claims: &Map<String, Value>) -> Option<Timestamp> {
    let seconds = claims.get("exp")?.as_f64()?;
    // rounded up: it is remembered a moment too long rather than too short
    Timestamp::from_second(seconds.ceil() as i64).ok()
}

impl Sealing<'_> {
    fn seal(&self, field: &str, plain: &[u8]) -> Result<Sealed, Unavailable> {
        let context = Context { event: self.event, field };
        let sealed = self.admission.vault.seal(&self.key, &context, plain);
        Ok(Sealed { sealed: sealed.map_err(Unavailable::Keys)? })
    }

    fn facts(&self, facts: &[MessageFact]) -> Result<Vec<Fact>, Unavailable> {
        let sealed = facts.iter().map(|fact| {
            let user = fact.user.as_ref().map(|user| self.user(user)).transpose()?;
            Ok(Fact { what: fact.what, user })
        });
        sealed.collect()
    }

    /// The id is a keyed fingerprint, so that nobody who reads it can try names.
    fn user(&self, user: &User) -> Result<NamedUser, Unavailable> {
        let users = format!("{} users", self.tenant);
        let id = self.admission.vault.fingerprint(&users, user.compared().as_bytes());
        let plain = SecretString::from(json!({"name": user.name, "email": user.email}).to_string());
        let name = self.admission.seal(&self.key, self.event, "user", &plain)?;
        Ok(NamedUser { id: id.into_iter().next().unwrap_or_default(), name })
    }

    async fn record(
        self,
        delivery: &Delivery<'_>,
        kind: EventType,
        data: &impl serde::Serialize,
    ) -> Result<Receipt, Unavailable> {
        let integration = delivery.integration.integration.id;
        let partition = partition_of_tenant(self.admission.ledger.partitions(), integration, &self.tenant);
        let attributes = delivery.attributes(self.event, self.tenant);
        let bytes = encode(&attributes, kind, data)?;
        self.admission.receipt(&attributes, kind, partition, bytes).await
    }
}

/// The token in the body of a JWT webhook.
///
/// # Errors
/// [`Refused`].
pub fn token_in(body: &[u8]) -> Result<String, Refused> {
    let body = strict::parse(body).map_err(|malformed| Refused {
        kind: RefusedKind::Malformed,
        detail: format!("The body is not strict JSON: {malformed}."),
        violations: Vec::new(),
    })?;
    match body.get("jwt") {
        Some(Value::String(jwt)) => Ok(jwt.clone()),
        _ => Err(Refused {
            kind: RefusedKind::Invalid,
            detail: "The body is JSON, but not a token of ISL's JWT webhook.".to_owned(),
            violations: vec![Violation {
                pointer: "/jwt".to_owned(),
                detail: "must be the token, a string".to_owned(),
            }],
        }),
    }
}

/// What the claims of a token that is believed say.
///
/// # Errors
/// [`Refused`].
pub fn token_claim(claims: &Map<String, Value>) -> Result<Claim, Refused> {
    isl::claim(claims).map_err(|violations| {
        let detail = "The token is believed, but its claims cannot be acted on.".to_owned();
        Refused { kind: RefusedKind::Invalid, detail, violations }
    })
}
