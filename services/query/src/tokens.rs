//! `/v1/tokens`: who may do what.

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use admission::Intent;
use api::{Access, Page, PageParameters, Problem, ProblemType, limit, read_json, read_query};
use registration::directory::{Scope, Token, TokenCreate, TokenRow, TokenSpec};
use registration::event::{EventType, Nothing};
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::Serialize;

use crate::Query;
use crate::integrations::{capability, may_use_domain};
use crate::once::{Shown, refuse};

/// Where tokens are, as the source of events.
const TOKENS: &str = "/tokens";

/// An access token, with its secret if this is the one time that it is shown.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TokenCreated {
    /// The token.
    #[serde(flatten)]
    pub about: Token,
    /// What its holder sends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Whether it was shown before.
    #[serde(flatten)]
    pub shown: Shown,
}

/// Lists access tokens, in the order of their making.
///
/// # Errors
/// 400, 401, 403.
#[utoipa::path(get, path = "/v1/tokens", tag = "directory", operation_id = "listTokens",
    security(("bearer" = ["admin"])), params(PageParameters),
    responses((status = 200, description = "A page of tokens", body = ref("#/components/schemas/TokenPage"))))]
pub async fn list(request: HttpRequest, query: Data<Query>) -> Result<Json<Page<Token>>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: PageParameters = read_query(&request)?;
    query.wait_for(asked.min_position.as_deref()).await?;
    let limit = limit(asked.limit)?;
    let after = asked.position()?;
    let directory = query.gate.directory().read();
    let rows = directory.tokens().into_iter();
    let seen = rows.filter(|row| row.position >= after && is_seen(&access, &row.token));
    let page =
        Page::of(seen.take(limit + 1).collect(), limit, &request, |row: &&TokenRow| (row.position + 1).to_string());
    Ok(Json(page.map(|row| row.token.clone())))
}

/// Makes an access token and shows it, once.
///
/// # Errors
/// 401, 403 for more than one has oneself, 409, 422, 503, 504.
#[utoipa::path(post, path = "/v1/tokens", tag = "directory", operation_id = "createToken",
    security(("bearer" = ["admin"])), params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/TokenSpec"), content_type = "application/json"),
    responses((status = 201, description = "The token", body = ref("#/components/schemas/TokenCreated"))))]
pub async fn create(request: HttpRequest, query: Data<Query>, payload: Payload) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let spec: TokenSpec = read_json(payload).await?;
    refuse(spec.violations())?;
    may_give(&access, &spec)?;
    let secret = capability("rgl_")?;
    let intent = Intent::new(EventType::TokenCreate, TOKENS.to_owned(), &access.token);
    let data = TokenCreate { token: spec.clone(), token_hash: secret.hash };
    let done = query.carry_out(&request, &access, intent, &spec, &data).await?;
    let about = query.token(&access, &done.id)?;
    let created = if done.is_repeated {
        let command = format!("regledger token create --name {:?}", spec.name);
        TokenCreated { about, token: None, shown: Shown::before(command) }
    } else {
        let token = Some(secret.secret.expose_secret().to_owned());
        TokenCreated { about, token, shown: Shown::default() }
    };
    Ok(HttpResponse::Created().json(created))
}

/// Shows an access token, without its secret.
///
/// # Errors
/// 401, 403, 404.
#[utoipa::path(get, path = "/v1/tokens/{id}", tag = "directory", operation_id = "getToken",
    security(("bearer" = ["admin"])), params(("id" = String, Path, description = "Id of the token")),
    responses((status = 200, description = "The token", body = ref("#/components/schemas/Token"))))]
pub async fn show(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<Json<Token>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    Ok(Json(query.token(&access, &id)?))
}

/// Revokes an access token: its streams end within a second.
///
/// # Errors
/// 401, 403, 404, 503, 504.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "directory", operation_id = "revokeToken",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Id of the token"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 204, description = "Revoked")))]
pub async fn revoke(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let token = query.token(&access, &id)?;
    let intent = Intent::new(EventType::TokenRevoke, TOKENS.to_owned(), &access.token).about(&token.id);
    query.carry_out(&request, &access, intent, &Nothing {}, &Nothing {}).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl Query {
    fn token(&self, access: &Access, id: &str) -> Result<Token, Problem> {
        let directory = self.gate.directory().read();
        let token = directory.token(id).filter(|token| is_seen(access, token));
        token.cloned().ok_or_else(Problem::not_found)
    }
}

fn is_seen(access: &Access, token: &Token) -> bool {
    access.token.is_unrestricted() || (access.token.integrations.is_empty() && access.token.domain == token.domain)
}

/// Nobody gives away more than they have.
fn may_give(access: &Access, spec: &TokenSpec) -> Result<(), Problem> {
    if !access.token.is_unrestricted() {
        may_use_domain(access, spec.domain.as_deref().unwrap_or_default())?;
    }
    let end = access.token.expires_time;
    if end.is_some_and(|end| spec.expires_time.is_none_or(|asked| asked > end)) {
        return Err(Problem::new(
            ProblemType::Forbidden,
            "An access token cannot outlive the token that makes it; set expires_time.",
        ));
    }
    if spec.scopes.iter().all(|scope| access.token.allows(*scope)) {
        return Ok(());
    }
    Err(Problem::new(ProblemType::Forbidden, "An access token can only be given scopes that its maker has."))
}
