//! `/v1/subscriptions`: where changes are pushed to, and which.

mod request;
pub mod trial;

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use admission::{Draft, Intent};
use api::{Access, Page, PageParameters, Problem, ProblemType, limit, read_json, read_query};
use delivery::webhook::{SigningKey, new_key_pair, new_secret};
use jiff::SignedDuration;
use registration::directory::{
    Scope, SealedKey, SealedTarget, Signature, Subscription, SubscriptionCreate, SubscriptionKind, SubscriptionResume,
    SubscriptionRotateSecret, SubscriptionRow, SubscriptionUpdate, key_field,
};
use registration::event::{EventType, Nothing};
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;
use vault::Subject;
use zeroize::Zeroizing;

use crate::Query;
use crate::integrations::may_use_domain;
use crate::once::{Shown, refuse};

pub use self::request::{From, SubscriptionChange, SubscriptionRequest, SubscriptionResumption, SubscriptionRotation};

/// A subscription, as its administrators see it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SubscriptionShown {
    /// What everybody sees.
    #[serde(flatten)]
    pub subscription: Subscription,
    /// Where a webhook leads; left out where its key was destroyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Where mails go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A subscription, with the secret that signs if this is the one time that it is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SubscriptionCreated {
    /// The subscription.
    #[serde(flatten)]
    pub subscription: SubscriptionShown,
    /// The secret, `whsec_…`, for signatures of version `v1`. Those of `v1a` are verified with the public keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Whether it was shown before.
    #[serde(flatten)]
    pub shown: Shown,
}

/// The keys that sign from now on.
#[derive(Debug, Serialize, JsonSchema)]
pub struct KeysRotated {
    /// The secret, `whsec_…`, for signatures of version `v1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The public keys that verify, `whpk_…`, the newest first.
    pub public_keys: Vec<String>,
    /// Whether it was shown before.
    #[serde(flatten)]
    pub shown: Shown,
}

/// Lists subscriptions, in the order of their making.
///
/// # Errors
/// 400, 401, 403, 503.
#[utoipa::path(get, path = "/v1/subscriptions", tag = "subscriptions", operation_id = "listSubscriptions",
    security(("bearer" = ["admin"])), params(PageParameters),
    responses((status = 200, description = "A page of subscriptions", body = ref("#/components/schemas/SubscriptionPage"))))]
pub async fn list(request: HttpRequest, query: Data<Query>) -> Result<Json<Page<SubscriptionShown>>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: PageParameters = read_query(&request)?;
    query.wait_for(asked.min_position.as_deref()).await?;
    let limit = limit(asked.limit)?;
    let after = asked.position()?;
    let rows: Vec<SubscriptionRow> = {
        let directory = query.gate.directory().read();
        let rows = directory.subscriptions().into_iter();
        let seen = rows.filter(|row| row.position >= after && is_seen(&access, &row.subscription));
        seen.take(limit + 1).cloned().collect()
    };
    let page = Page::of(rows, limit, &request, |row| (row.position + 1).to_string());
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(query.shown(row).await?);
    }
    Ok(Json(Page { items, next: page.next }))
}

/// Makes a subscription and shows the secret that signs, once.
///
/// # Errors
/// 401, 403, 409 if the name is taken, 422 also for a URL that may not be called, 503, 504.
#[utoipa::path(post, path = "/v1/subscriptions", tag = "subscriptions", operation_id = "createSubscription",
    security(("bearer" = ["admin"])), params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/SubscriptionRequest"), content_type = "application/json"),
    responses((status = 201, description = "The subscription", body = ref("#/components/schemas/SubscriptionCreated"))))]
pub async fn create(request: HttpRequest, query: Data<Query>, payload: Payload) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: SubscriptionRequest = read_json(payload).await?;
    let asked = asked.complete(access.token.domain.as_deref());
    refuse(asked.violations(query.egress.guard()))?;
    may_subscribe(&access, asked.domain.as_deref())?;
    let draft = query.admission.draft();
    let keys = query.new_keys(draft, draft.id, asked.signature).await?;
    let data = SubscriptionCreate {
        subscription: asked.spec(),
        target: query.seal_target(draft, draft.id, &asked.target()).await?,
        keys: keys.sealed,
        start: query.start(asked.from).await?,
    };
    let intent = intent(EventType::SubscriptionCreate, &asked.name, &access).drafted(draft);
    let done = query.carry_out(&request, &access, intent, &query.hidden(&asked, &asked.target()), &data).await?;
    let subscription = query.shown(query.subscription(&access, &done.id)?).await?;
    let (secret, shown) = keys.secret.shown(done.is_repeated, &asked.name);
    Ok(HttpResponse::Created().json(SubscriptionCreated { subscription, secret, shown }))
}

/// Shows a subscription.
///
/// # Errors
/// 401, 403, 404, 503.
#[utoipa::path(get, path = "/v1/subscriptions/{id}", tag = "subscriptions", operation_id = "getSubscription",
    security(("bearer" = ["admin"])), params(("id" = String, Path, description = "Name or id of the subscription")),
    responses((status = 200, description = "The subscription", body = ref("#/components/schemas/SubscriptionShown"))))]
pub async fn show(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
) -> Result<Json<SubscriptionShown>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    Ok(Json(query.shown(query.subscription(&access, &id)?).await?))
}

/// Replaces fields of a subscription; those left out stay.
///
/// # Errors
/// 401, 403, 404, 422, 503, 504.
#[utoipa::path(patch, path = "/v1/subscriptions/{id}", tag = "subscriptions", operation_id = "updateSubscription",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Name or id of the subscription"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/SubscriptionChange"), content_type = "application/json"),
    responses((status = 200, description = "The subscription", body = ref("#/components/schemas/SubscriptionShown"))))]
pub async fn update(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
    payload: Payload,
) -> Result<Json<SubscriptionShown>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: SubscriptionChange = read_json(payload).await?;
    let Subscription { id, name, kind, .. } = query.subscription(&access, &id)?.subscription;
    refuse(asked.violations(query.egress.guard()))?;
    if asked.is_of_another_kind(kind) {
        return Err(Problem::new(ProblemType::Conflict, "A webhook has a url and mails have an address."));
    }
    let draft = query.admission.draft();
    let target = asked.target();
    let sealed = match &target {
        Some(target) => Some(query.seal_target(draft, id, target).await?),
        None => None,
    };
    let SubscriptionChange { integrations, tenants, types, .. } = asked.clone();
    let data = SubscriptionUpdate { id, integrations, tenants, types, target: sealed };
    let intent = intent(EventType::SubscriptionUpdate, &name, &access).drafted(draft);
    let hidden = query.hidden(&asked, target.as_ref().unwrap_or(&SecretString::default()));
    query.carry_out(&request, &access, intent, &hidden, &data).await?;
    Ok(Json(query.shown(query.subscription(&access, &name)?).await?))
}

/// Deletes a subscription: nothing more is pushed, and what waited is forgotten.
///
/// # Errors
/// 401, 403, 404, 503, 504.
#[utoipa::path(delete, path = "/v1/subscriptions/{id}", tag = "subscriptions", operation_id = "deleteSubscription",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Name or id of the subscription"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 204, description = "Deleted")))]
pub async fn remove(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let kind = EventType::SubscriptionDelete;
    if query.was_carried_out(&request, &access, kind, &Nothing {}).await? {
        return Ok(HttpResponse::NoContent().finish());
    }
    let name = query.subscription(&access, &id)?.subscription.name;
    query.carry_out(&request, &access, intent(kind, &name, &access), &Nothing {}, &Nothing {}).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Pauses a subscription. It keeps its place.
///
/// # Errors
/// 401, 403, 404, 503, 504.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/pause", tag = "subscriptions", operation_id = "pauseSubscription",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Name or id of the subscription"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 200, description = "The subscription", body = ref("#/components/schemas/SubscriptionShown"))))]
pub async fn pause(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
) -> Result<Json<SubscriptionShown>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let name = query.subscription(&access, &id)?.subscription.name;
    let intent = intent(EventType::SubscriptionPause, &name, &access);
    query.carry_out(&request, &access, intent, &Nothing {}, &Nothing {}).await?;
    Ok(Json(query.shown(query.subscription(&access, &name)?).await?))
}

/// Lets a subscription go on: from its place, or from where it is said. It must be said where its place is lost.
///
/// # Errors
/// 401, 403, 404, 409 if it must be said from where, 422, 503, 504.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/resume", tag = "subscriptions", operation_id = "resumeSubscription",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Name or id of the subscription"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/SubscriptionResumption"), content_type = "application/json"),
    responses((status = 200, description = "The subscription", body = ref("#/components/schemas/SubscriptionShown"))))]
pub async fn resume(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
    payload: Payload,
) -> Result<Json<SubscriptionShown>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: SubscriptionResumption = read_json(payload).await?;
    let name = query.subscription(&access, &id)?.subscription.name;
    let start = match asked.from {
        Some(from) => Some(query.start(from).await?),
        None => None,
    };
    let intent = intent(EventType::SubscriptionResume, &name, &access);
    query.carry_out(&request, &access, intent, &asked, &SubscriptionResume { start }).await?;
    Ok(Json(query.shown(query.subscription(&access, &name)?).await?))
}

/// Gives a webhook a new secret, or keys of another kind; the old ones sign too for a while.
///
/// # Errors
/// 401, 403, 404, 409 if it is no webhook, 422, 503, 504.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/rotate-secret", tag = "subscriptions", operation_id = "rotateSecret",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Name or id of the subscription"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/SubscriptionRotation"), content_type = "application/json"),
    responses((status = 200, description = "The new keys", body = ref("#/components/schemas/KeysRotated"))))]
pub async fn rotate_secret(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
    payload: Payload,
) -> Result<Json<KeysRotated>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: SubscriptionRotation = read_json(payload).await?;
    let Subscription { id, name, kind, signature: now, .. } = query.subscription(&access, &id)?.subscription;
    refuse(asked.violations())?;
    if kind != SubscriptionKind::Webhook {
        return Err(Problem::new(ProblemType::Conflict, "Only what a webhook sends is signed; mails are not."));
    }
    let draft = query.admission.draft();
    let signature = asked.signature.or(now).unwrap_or_default();
    let keys = query.new_keys(draft, id, Some(signature)).await?;
    let grace = draft.time.saturating_add(SignedDuration::from_secs(asked.grace_seconds.into()));
    let grace_until = grace.unwrap_or(jiff::Timestamp::MAX);
    let data = SubscriptionRotateSecret { id, signature, keys: keys.sealed, grace_until };
    let intent = intent(EventType::SubscriptionRotateSecret, &name, &access).drafted(draft);
    let done = query.carry_out(&request, &access, intent, &asked, &data).await?;
    let (secret, shown) = keys.secret.shown(done.is_repeated, &name);
    let public_keys = query.subscription(&access, &name)?.subscription.public_keys;
    Ok(Json(KeysRotated { secret, public_keys, shown }))
}

/// New keys: sealed, and what is shown of them once.
struct NewKeys {
    sealed: Vec<SealedKey>,
    secret: NewSecret,
}

struct NewSecret(Option<SecretString>);

impl NewSecret {
    /// What is shown of it, unless it was shown before.
    fn shown(&self, is_repeated: bool, name: &str) -> (Option<String>, Shown) {
        match &self.0 {
            Some(_) if is_repeated => (None, Shown::before(format!("regledger subscription rotate-secret {name}"))),
            secret => (secret.as_ref().map(|secret| secret.expose_secret().to_owned()), Shown::default()),
        }
    }
}

impl Query {
    /// A subscription that the caller sees, by its name or its id.
    pub(crate) fn subscription(&self, access: &Access, name: &str) -> Result<SubscriptionRow, Problem> {
        let directory = self.gate.directory().read();
        let found = directory.subscription(name).filter(|row| is_seen(access, &row.subscription));
        found.cloned().ok_or_else(Problem::not_found)
    }

    /// The subscriptions that the caller sees, with their names: also those that settings and integrations make.
    pub(crate) fn seen_subscriptions(&self, access: &Access) -> Vec<(Uuid, String)> {
        let directory = self.gate.directory().read();
        let rows = directory.subscriptions().into_iter().map(|row| &row.subscription);
        let seen = rows.filter(|subscription| is_seen(access, subscription));
        let seen = seen.map(|subscription| (subscription.id, subscription.name.clone()));
        let fixed = directory.fixed_subscriptions().into_iter().filter(|one| is_own(access, one.domain.as_ref()));
        seen.chain(fixed.map(|one| (one.id(), one.name))).collect()
    }

    /// What its administrators see of a subscription.
    async fn shown(&self, row: SubscriptionRow) -> Result<SubscriptionShown, Problem> {
        let target = match self.target(&row).await {
            Ok(target) => Some(target.expose_secret().to_owned()),
            Err(problem) if problem.kind() == ProblemType::KeyDestroyed => None,
            Err(problem) => return Err(problem),
        };
        let (url, address) = match row.subscription.kind {
            SubscriptionKind::Webhook => (target, None),
            SubscriptionKind::Email => (None, target),
        };
        Ok(SubscriptionShown { subscription: row.subscription, url, address })
    }

    /// Where a subscription leads.
    pub(crate) async fn target(&self, row: &SubscriptionRow) -> Result<SecretString, Problem> {
        let subject = Subject::Subscription(row.subscription.id.to_string());
        let plain = self.open(&subject, "target", &row.target).await?;
        Ok(String::from_utf8_lossy(&plain).into_owned().into())
    }

    async fn seal_target(
        &self,
        draft: Draft,
        subscription: Uuid,
        target: &SecretString,
    ) -> Result<SealedTarget, Problem> {
        let subject = Subject::Subscription(subscription.to_string());
        let sealed = self.admission.seal_for(draft, &subject, "target", target).await?;
        let url = self.egress.guard().check(target.expose_secret()).ok();
        Ok(SealedTarget { origin: url.map(|url| url.origin().ascii_serialization()), target: sealed })
    }

    async fn new_keys(
        &self,
        draft: Draft,
        subscription: Uuid,
        signature: Option<Signature>,
    ) -> Result<NewKeys, Problem> {
        let subject = Subject::Subscription(subscription.to_string());
        let (mut sealed, mut shown) = (Vec::new(), None);
        for key in new_keys(signature)? {
            let public_key = SigningKey::parse(&key).ok().and_then(|key| key.public_key());
            let field = key_field(public_key.is_some());
            sealed.push(SealedKey { key: self.admission.seal_for(draft, &subject, field, &key).await?, public_key });
            if field == key_field(false) {
                shown = Some(key);
            }
        }
        Ok(NewKeys { sealed, secret: NewSecret(shown) })
    }

    /// The position in each partition from which on changes are pushed.
    pub(crate) async fn start(&self, from: From) -> Result<Vec<u64>, Problem> {
        if from == From::Beginning {
            return Ok(Vec::new());
        }
        let mut heads = Vec::new();
        for partition in 0..self.ledger.partitions() {
            let head = self.ledger.head(partition).await;
            heads.push(head.map_err(|_| Problem::unavailable("The ledger cannot be read; try again."))?);
        }
        Ok(heads)
    }

    /// A request by which a repetition is known, with a keyed fingerprint in the place of what is secret in it: what stands
    /// in the ledger of it could be guessed else.
    fn hidden(&self, asked: &impl Serialize, target: &SecretString) -> (Value, Option<String>) {
        let fingerprint = self.admission.vault().fingerprint("subscription", target.expose_secret().as_bytes());
        (serde_json::to_value(asked).unwrap_or_default(), fingerprint.into_iter().next())
    }
}

/// The texts of new keys, the secret first.
fn new_keys(signature: Option<Signature>) -> Result<Vec<SecretString>, Problem> {
    let no_randomness = || Problem::unavailable("There is no randomness; try again.");
    let random = || -> Result<_, Problem> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|_| no_randomness())?;
        Ok(bytes)
    };
    let mut keys = Vec::new();
    if matches!(signature, Some(Signature::V1 | Signature::Both)) {
        keys.push(new_secret(&*random()?));
    }
    if matches!(signature, Some(Signature::V1a | Signature::Both)) {
        keys.push(new_key_pair(&*random()?).map_err(|_| no_randomness())?);
    }
    Ok(keys)
}

fn is_seen(access: &Access, subscription: &Subscription) -> bool {
    is_own(access, subscription.domain.as_ref())
}

fn is_own(access: &Access, domain: Option<&String>) -> bool {
    let own = access.token.domain.is_none() || access.token.domain.as_ref() == domain;
    own && access.token.integrations.is_empty()
}

/// Only who sees all changes has all of them pushed.
fn may_subscribe(access: &Access, domain: Option<&str>) -> Result<(), Problem> {
    match domain {
        Some(domain) => may_use_domain(access, domain),
        None => access.clone().unrestricted().map(drop),
    }
}

fn intent(kind: EventType, name: &str, access: &Access) -> Intent {
    Intent::new(kind, format!("/subscriptions/{name}"), &access.token).about(name)
}
