//! `/v1/integrations`: what providers publish in a source's catalogue, and where it notifies us.

use actix_web::http::header::HOST;
use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use admission::{Capability, Draft, Intent};
use api::{Access, Page, PageParameters, Problem, ProblemType, limit, read_json, read_query};
use delivery::jwt::Verifier;
use jiff::SignedDuration;
use registration::directory::{
    Integration, IntegrationChange, IntegrationCreate, IntegrationRotateHookup, IntegrationRow, IntegrationSpec,
    IntegrationUpdate, Notify, Scope, SealedMailbox, Source,
};
use registration::event::{EventType, Nothing};
use registration::quarantine::Violation;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;
use uuid::Uuid;
use vault::Subject;

use crate::Query;
use crate::once::{Shown, refuse};
use crate::subscriptions::From;

/// An integration, with its URLs if this is the one time that it is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub struct IntegrationCreated {
    /// The integration.
    #[serde(flatten)]
    pub integration: Integration,
    /// The URLs to which its source sends, or how to get others.
    #[serde(flatten)]
    pub hookup: HookupUrl,
}

/// The URLs to which a source sends: shown once, whoever has them can notify us.
#[derive(Debug, Serialize, JsonSchema)]
pub struct HookupUrl {
    /// Provet: to be set in its integration template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hookup_url: Option<String>,
    /// ISL: to be set as the server and path of its HTTP events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events_url: Option<String>,
    /// ISL: to be set as the URL of its JWT webhook.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt_url: Option<String>,
    /// Whether it was shown before.
    #[serde(flatten)]
    pub shown: Shown,
}

/// For how long the old URL stays valid.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Seconds; a day by default, 30 days at most.
    #[serde(default = "a_day", deserialize_with = "whole")]
    #[schemars(range(max = 2_592_000))]
    pub grace_seconds: u32,
}

pub(crate) const MAX_GRACE_SECONDS: u32 = 30 * 86_400;

impl Rotate {
    fn violations(&self) -> Vec<Violation> {
        let is_too_long = self.grace_seconds > MAX_GRACE_SECONDS;
        let violation = is_too_long.then(|| Violation {
            pointer: "/grace_seconds".to_owned(),
            detail: format!("may be {MAX_GRACE_SECONDS}, which is 30 days, at most"),
        });
        Vec::from_iter(violation)
    }
}

/// JSON has one kind of numbers: 60.0 is as whole as 60.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = Number::deserialize(deserializer)?;
    let whole = registration::json::integer(&number.to_string()).ok().and_then(|whole| u32::try_from(whole).ok());
    whole.ok_or_else(|| D::Error::custom("invalid value: another number, expected u32"))
}

pub(crate) fn a_day() -> u32 {
    86_400
}

/// Lists integrations, in the order of their making.
///
/// # Errors
/// 400, 401, 403.
#[utoipa::path(get, path = "/v1/integrations", tag = "directory", operation_id = "listIntegrations",
    security(("bearer" = ["admin"])), params(PageParameters),
    responses((status = 200, description = "A page of integrations", body = ref("#/components/schemas/IntegrationPage"))))]
pub async fn list(request: HttpRequest, query: Data<Query>) -> Result<Json<Page<Integration>>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: PageParameters = read_query(&request)?;
    query.wait_for(asked.min_position.as_deref()).await?;
    let limit = limit(asked.limit)?;
    let after = asked.position()?;
    let rows: Vec<IntegrationRow> = {
        let directory = query.gate.directory().read();
        let rows = directory.integrations().into_iter();
        let seen = rows.filter(|row| row.position >= after && access.token.sees(&row.integration));
        seen.take(limit + 1).cloned().collect()
    };
    let page = Page::of(rows, limit, &request, |row| (row.position + 1).to_string());
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(query.with_address(row).await?);
    }
    Ok(Json(Page { items, next: page.next }))
}

/// Makes an integration and shows its URLs, once.
///
/// # Errors
/// 401, 403, 409 if the name is taken, 422, 503, 504.
#[utoipa::path(post, path = "/v1/integrations", tag = "directory", operation_id = "createIntegration",
    security(("bearer" = ["admin"])), params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/IntegrationSpec"), content_type = "application/json"),
    responses((status = 201, description = "The integration and its hookup URL", body = ref("#/components/schemas/IntegrationCreated"))))]
pub async fn create(request: HttpRequest, query: Data<Query>, payload: Payload) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let mut spec: IntegrationSpec = read_json(payload).await?;
    refuse(query.violations(spec.violations(), &spec.jwt_key, &spec.jwks_url))?;
    may_use_domain(&access, &spec.domain)?;
    let (key, draft) = (capability("")?, query.admission.draft());
    let name = spec.name.clone();
    let address = spec.notify.take_address().map(SecretString::from);
    let data = IntegrationCreate {
        integration: spec,
        hookup_key_hash: key.hash,
        mailbox: query.seal_mailbox(draft, draft.id, address.as_ref()).await?,
    };
    let intent = intent(EventType::IntegrationCreate, &name, &access).drafted(draft);
    let asked = query.asked(&data.integration, address.as_ref());
    let done = query.carry_out(&request, &access, intent, &asked, &data).await?;
    let integration = query.with_address(query.integration(&access, &done.id)?).await?;
    let hookup = query.inbound_urls(&request, &integration, key.secret, done.is_repeated);
    Ok(HttpResponse::Created().json(IntegrationCreated { integration, hookup }))
}

/// Shows an integration.
///
/// # Errors
/// 401, 403, 404.
#[utoipa::path(get, path = "/v1/integrations/{name}", tag = "directory", operation_id = "getIntegration",
    security(("bearer" = ["admin"])), params(("name" = String, Path, description = "Name of the integration")),
    responses((status = 200, description = "The integration", body = ref("#/components/schemas/Integration"))))]
pub async fn show(request: HttpRequest, query: Data<Query>, name: Path<String>) -> Result<Json<Integration>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    Ok(Json(query.with_address(query.integration(&access, &name)?).await?))
}

/// Replaces fields of an integration.
///
/// # Errors
/// 401, 403, 404, 422, 503, 504.
#[utoipa::path(patch, path = "/v1/integrations/{name}", tag = "directory", operation_id = "updateIntegration",
    security(("bearer" = ["admin"])), params(
        ("name" = String, Path, description = "Name of the integration"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/IntegrationUpdate"), content_type = "application/json"),
    responses((status = 200, description = "The integration", body = ref("#/components/schemas/Integration"))))]
pub async fn update(
    request: HttpRequest,
    query: Data<Query>,
    name: Path<String>,
    payload: Payload,
) -> Result<Json<Integration>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let mut update: IntegrationUpdate = read_json(payload).await?;
    let Integration { id, source, .. } = query.integration(&access, &name)?.integration;
    let found = [update.violations(), update.violations_of(source)].concat();
    refuse(query.violations(found, &update.jwt_key, &update.jwks_url))?;
    let draft = query.admission.draft();
    let address = update.notify.as_mut().and_then(Notify::take_address).map(SecretString::from);
    let data = IntegrationChange { update, mailbox: query.seal_mailbox(draft, id, address.as_ref()).await? };
    let intent = intent(EventType::IntegrationUpdate, &name, &access).of(id).drafted(draft);
    let asked = query.asked(&data.update, address.as_ref());
    query.carry_out(&request, &access, intent, &asked, &data).await?;
    Ok(Json(query.with_address(query.integration(&access, &name)?).await?))
}

/// Deletes an integration: its URLs end, its clients and its name stay.
///
/// # Errors
/// 401, 403, 404, 503, 504.
#[utoipa::path(delete, path = "/v1/integrations/{name}", tag = "directory", operation_id = "deleteIntegration",
    security(("bearer" = ["admin"])), params(
        ("name" = String, Path, description = "Name of the integration"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 204, description = "Deleted")))]
pub async fn remove(request: HttpRequest, query: Data<Query>, name: Path<String>) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let kind = EventType::IntegrationDelete;
    if query.was_carried_out(&request, &access, kind, &Nothing {}).await? {
        return Ok(HttpResponse::NoContent().finish());
    }
    let integration = query.integration(&access, &name)?.integration;
    let intent = intent(kind, &name, &access).of(integration.id);
    query.carry_out(&request, &access, intent, &Nothing {}, &Nothing {}).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives an integration new URLs; the old ones stay valid for a while.
///
/// # Errors
/// 401, 403, 404, 422, 503, 504.
#[utoipa::path(post, path = "/v1/integrations/{name}/rotate-hookup", tag = "directory", operation_id = "rotateHookup",
    security(("bearer" = ["admin"])), params(
        ("name" = String, Path, description = "Name of the integration"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/Rotate"), content_type = "application/json"),
    responses((status = 200, description = "The new URLs", body = ref("#/components/schemas/HookupUrl"))))]
pub async fn rotate_hookup(
    request: HttpRequest,
    query: Data<Query>,
    name: Path<String>,
    payload: Payload,
) -> Result<Json<HookupUrl>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let rotate: Rotate = read_json(payload).await?;
    let integration = query.integration(&access, &name)?.integration;
    refuse(rotate.violations())?;
    let seconds = rotate.grace_seconds;
    let until = query.admission.now().saturating_add(SignedDuration::from_secs(seconds.into()));
    let key = capability("")?;
    let data =
        IntegrationRotateHookup { hookup_key_hash: key.hash, grace_until: until.unwrap_or(jiff::Timestamp::MAX) };
    let intent = intent(EventType::IntegrationRotateHookup, &name, &access).of(integration.id);
    let done = query.carry_out(&request, &access, intent, &rotate, &data).await?;
    Ok(Json(query.inbound_urls(&request, &integration, key.secret, done.is_repeated)))
}

impl Query {
    fn integration(&self, access: &Access, name: &str) -> Result<IntegrationRow, Problem> {
        let directory = self.gate.directory().read();
        let found = directory.integration(name).filter(|row| access.token.sees(&row.integration));
        found.map(|row| (**row).clone()).ok_or_else(Problem::not_found)
    }

    /// An integration as those who administer it see it: with the address that mails go to, unless its key was destroyed.
    async fn with_address(&self, row: IntegrationRow) -> Result<Integration, Problem> {
        let mut integration = row.integration;
        if let (Notify::Email { address }, Some(notified)) = (&mut integration.notify, row.notified) {
            let subject = Subject::Integration(integration.id.to_string());
            *address = match self.open(&subject, "address", &notified.address).await {
                Ok(plain) => Some(String::from_utf8_lossy(&plain).into_owned()),
                Err(problem) if problem.kind() == ProblemType::KeyDestroyed => None,
                Err(problem) => return Err(problem),
            };
        }
        Ok(integration)
    }

    async fn seal_mailbox(
        &self,
        draft: Draft,
        integration: Uuid,
        address: Option<&SecretString>,
    ) -> Result<Option<SealedMailbox>, Problem> {
        let Some(address) = address else { return Ok(None) };
        let subject = Subject::Integration(integration.to_string());
        let sealed = self.admission.seal_for(draft, &subject, "address", address).await?;
        Ok(Some(SealedMailbox { address: sealed, start: self.start(From::Now).await? }))
    }

    /// A request by which a repetition is known, with a keyed fingerprint in the place of the address.
    fn asked<'a, T>(&self, asked: &'a T, address: Option<&SecretString>) -> Asked<'a, T> {
        let vault = self.admission.vault();
        let address = address.map(|address| vault.fingerprint("integration", address.expose_secret().as_bytes()));
        Asked { asked, address: address.and_then(|all| all.into_iter().next()) }
    }

    /// Adds to what is wrong with an integration what only reading the key, or looking at the URL, can tell.
    fn violations(&self, mut found: Vec<Violation>, key: &Option<String>, url: &Option<String>) -> Vec<Violation> {
        let violation = |pointer: &str, detail: String| Violation { pointer: pointer.to_owned(), detail };
        let (key, url) = (key.as_deref().unwrap_or_default(), url.as_deref().unwrap_or_default());
        if let Some(error) = Some(key).filter(|key| !key.is_empty()).and_then(|key| Verifier::from_pem(key).err()) {
            found.push(violation("/jwt_key", error.to_string()));
        }
        if let Some(refusal) =
            Some(url).filter(|url| !url.is_empty()).and_then(|url| self.egress.guard().check(url).err())
        {
            found.push(violation("/jwks_url", refusal.to_string()));
        }
        found
    }

    fn inbound_urls(
        &self,
        request: &HttpRequest,
        integration: &Integration,
        key: SecretString,
        is_repeated: bool,
    ) -> HookupUrl {
        let name = &integration.name;
        let mut urls = HookupUrl { hookup_url: None, events_url: None, jwt_url: None, shown: Shown::default() };
        if is_repeated {
            urls.shown = Shown::before(format!("regledger integration rotate-hookup {name}"));
            return urls;
        }
        let base = self.public_url.clone().unwrap_or_else(|| {
            let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
            format!("http://{}", host.unwrap_or_default())
        });
        let key = key.expose_secret();
        match integration.source {
            Source::Provet => urls.hookup_url = Some(format!("{base}/hookup/{name}/{key}")),
            Source::Isl => {
                urls.events_url = Some(format!("{base}/isl/{name}/{key}/events"));
                urls.jwt_url = Some(format!("{base}/isl/{name}/{key}/jwt"));
            }
        }
        urls
    }
}

/// A request without the address of a mailbox.
#[derive(Serialize)]
struct Asked<'a, T> {
    #[serde(flatten)]
    asked: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

fn intent(kind: EventType, name: &str, access: &Access) -> Intent {
    Intent::new(kind, format!("/integrations/{name}"), &access.token).about(name)
}

/// A token that sees one domain only makes things there only.
pub(crate) fn may_use_domain(access: &Access, domain: &str) -> Result<(), Problem> {
    let own = access.token.domain.as_deref().is_none_or(|own| own == domain);
    let is_whole = access.token.integrations.is_empty();
    if own && is_whole {
        return Ok(());
    }
    Err(Problem::new(
        api::ProblemType::Forbidden,
        "The access token is limited to a domain or to integrations, and this is outside of them.",
    ))
}

/// A new capability.
pub(crate) fn capability(prefix: &str) -> Result<Capability, Problem> {
    Capability::new(prefix).map_err(|_| Problem::unavailable("There is no randomness; try again."))
}
