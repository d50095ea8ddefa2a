//! `/v1/domains`: who owns integrations, access tokens and users.

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use admission::Intent;
use api::{Access, Page, PageParameters, Problem, limit, read_json, read_query};
use registration::directory::{Domain, DomainCreate, DomainDelete, DomainSpec, DomainState, Scope};
use registration::event::{EventType, Nothing};

use crate::Query;
use crate::once::refuse;

/// Lists domains, in the order of their making: those in use, and the deleted ones until they are purged.
///
/// # Errors
/// 400, 401, 403, 504.
#[utoipa::path(get, path = "/v1/domains", tag = "directory", operation_id = "listDomains",
    security(("bearer" = ["admin"])), params(PageParameters),
    responses((status = 200, description = "A page of domains", body = ref("#/components/schemas/DomainPage"))))]
pub async fn list(request: HttpRequest, query: Data<Query>) -> Result<Json<Page<Domain>>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: PageParameters = read_query(&request)?;
    query.wait_for_directory(asked.min_position.as_deref()).await?;
    let limit = limit(asked.limit)?;
    let after = asked.position()?;
    let directory = query.gate.directory().read();
    let seen = directory.domains().into_iter().filter(|domain| domain.position >= after && is_seen(&access, domain));
    let page =
        Page::of(seen.take(limit + 1).collect(), limit, &request, |last: &&Domain| (last.position + 1).to_string());
    Ok(Json(page.map(Domain::clone)))
}

/// Makes a domain. An access token that is limited cannot.
///
/// # Errors
/// 401, 403, 409 if the name is taken, or reserved for a deleted domain, 422, 503, 504.
#[utoipa::path(post, path = "/v1/domains", tag = "directory", operation_id = "createDomain",
    security(("bearer" = ["admin"])), params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/DomainSpec"), content_type = "application/json"),
    responses((status = 201, description = "The domain", body = ref("#/components/schemas/Domain"))))]
pub async fn create(request: HttpRequest, query: Data<Query>, payload: Payload) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?.unrestricted()?;
    let spec: DomainSpec = read_json(payload).await?;
    refuse(spec.violations())?;
    let intent = intent(EventType::DomainCreate, &spec.name, &access);
    let data = DomainCreate { domain: spec.clone() };
    let done = query.carry_out(&request, &access, intent, &spec, &data).await?;
    Ok(HttpResponse::Created().json(query.domain(&access, &done.id)?))
}

/// Shows a domain.
///
/// # Errors
/// 401, 403, 404.
#[utoipa::path(get, path = "/v1/domains/{name}", tag = "directory", operation_id = "getDomain",
    security(("bearer" = ["admin"])), params(("name" = String, Path, description = "Name of the domain")),
    responses((status = 200, description = "The domain", body = ref("#/components/schemas/Domain"))))]
pub async fn show(request: HttpRequest, query: Data<Query>, name: Path<String>) -> Result<Json<Domain>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    Ok(Json(query.domain(&access, &name)?))
}

/// Deletes a domain with all that it owns: hookup URLs of its integrations end, its access tokens are refused, its users and
/// clients are hidden. The name stays reserved until the domain is purged. An access token that is limited cannot.
///
/// # Errors
/// 401, 403, 404, 409 for `default`, 503, 504.
#[utoipa::path(delete, path = "/v1/domains/{name}", tag = "directory", operation_id = "deleteDomain",
    security(("bearer" = ["admin"])), params(
        ("name" = String, Path, description = "Name of the domain"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 204, description = "Deleted")))]
pub async fn remove(request: HttpRequest, query: Data<Query>, name: Path<String>) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?.unrestricted()?;
    let intent = intent(EventType::DomainDelete, &name, &access);
    let data = DomainDelete { purge_after: query.purge_after() };
    query.carry_out(&request, &access, intent, &Nothing {}, &data).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl Query {
    /// A domain that the caller sees.
    pub(crate) fn domain(&self, access: &Access, name: &str) -> Result<Domain, Problem> {
        let directory = self.gate.directory().read();
        let domain = directory.last_domain(name).filter(|domain| is_seen(access, domain));
        domain.cloned().ok_or_else(Problem::not_found)
    }
}

/// Whether an access token sees a domain: not one that is limited to integrations.
fn is_seen(access: &Access, domain: &Domain) -> bool {
    let token = &access.token;
    let is_its_own = token.domain.as_ref().is_none_or(|own| *own == domain.name);
    domain.state != DomainState::Purged && is_its_own && token.integrations.is_empty()
}

fn intent(kind: EventType, name: &str, access: &Access) -> Intent {
    Intent::new(kind, format!("/domains/{name}"), &access.token).about(name)
}
