//! `/v1/clients`: the client table, now or as it was.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use admission::Intent;
use api::{Access, Page, Problem, limit, read_query};
use jiff::Timestamp;
use ledger::Place;
use projection::{AsOf, ClientFilter, ListedClient};
use registration::client::{Client, ClientRow, ClientState};
use registration::directory::Scope;
use registration::event::{EventType, Nothing};
use registration::{Kind, Row, RowKey};
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::IntoParams;

use crate::Query;
use crate::changes::json;
use crate::commands::unreadable;

/// Which clients.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Name of the integration.
    integration: Option<String>,
    /// `host/provet_id`.
    tenant: Option<String>,
    /// A department that has the integration enabled.
    department: Option<i64>,
    /// `active`, `inactive`, `retired` or `erased`.
    #[param(value_type = Option<String>)]
    state: Option<ClientState>,
    /// Only (or only not) the latest installation of each tenant.
    latest: Option<bool>,
    /// The table as it was: an RFC 3339 time, or a position (`17`, `0:17`) up to and with which.
    as_of: Option<String>,
    /// Items on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Where the page begins. It is within `next`, the address of the next page: follow that as it is.
    after: Option<String>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    min_position: Option<String>,
}

/// Lists clients, in the order of their first notices.
///
/// # Errors
/// 400, 401, 403, 503, 504.
#[utoipa::path(get, path = "/v1/clients", tag = "clients", operation_id = "listClients",
    security(("bearer" = ["clients:read"])), params(ListParameters),
    responses((status = 200, description = "A page of clients", body = ref("#/components/schemas/ClientPage"))))]
pub async fn list(request: HttpRequest, query: Data<Query>) -> Result<Json<Page<Client>>, Problem> {
    let access = query.gate.admit(&request, Scope::ClientsRead).await?;
    let parameters: ListParameters = read_query(&request)?;
    query.wait_for(parameters.min_position.as_deref()).await?;
    let limit = limit(parameters.limit)?;
    let after = parameters.after.as_deref().map(parse_place).transpose()?;
    let filter = ClientFilter {
        integrations: access.integrations.clone(),
        integration: parameters.integration.clone(),
        tenant: parameters.tenant.clone(),
        department: parameters.department,
        state: parameters.state,
        latest: parameters.latest,
    };
    let listed = match parameters.as_of.as_deref() {
        None => query.store.clients(filter, after, limit + 1).await,
        Some(when) => query.store.clients_as_of(as_of(when)?, filter, after, limit + 1).await,
    };
    let page = Page::of(listed.map_err(unreadable)?, limit, &request, |last| last.at.to_string());
    Ok(Json(page.map(|listed| listed.client)))
}

/// How the client is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ShowParameters {
    /// The row as it was: an RFC 3339 time, or a position (`17`, `0:17`) up to and with which.
    as_of: Option<String>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    min_position: Option<String>,
}

/// Shows one client.
///
/// # Errors
/// 400, 401, 403, 404, 503, 504.
#[utoipa::path(get, path = "/v1/clients/{id}", tag = "clients", operation_id = "getClient",
    security(("bearer" = ["clients:read"])), params(("id" = String, Path, description = "Id of the client"), ShowParameters),
    responses((status = 200, description = "The client", body = ref("#/components/schemas/Client"))))]
pub async fn show(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<Json<Client>, Problem> {
    let access = query.gate.admit(&request, Scope::ClientsRead).await?;
    let parameters: ShowParameters = read_query(&request)?;
    query.wait_for(parameters.min_position.as_deref()).await?;
    let at = parameters.as_of.as_deref().map(as_of).transpose()?;
    query.client(&access, &id, at).await.map(Json)
}

/// Which part of the history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HistoryParameters {
    /// Items on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Where the page begins. It is within `next`, the address of the next page: follow that as it is.
    after: Option<String>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    min_position: Option<String>,
}

/// Lists everything that ever happened to a client.
///
/// # Errors
/// 400, 401, 403, 404, 503.
#[utoipa::path(get, path = "/v1/clients/{id}/changes", tag = "clients", operation_id = "getClientHistory",
    security(("bearer" = ["clients:read"])), params(("id" = String, Path, description = "Id of the client"), HistoryParameters),
    responses((status = 200, description = "A page of changes", body = ref("#/components/schemas/ChangePage"))))]
pub async fn history(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
) -> Result<Json<Page<Box<RawValue>>>, Problem> {
    let access = query.gate.admit(&request, Scope::ClientsRead).await?;
    let parameters: HistoryParameters = read_query(&request)?;
    query.wait_for(parameters.min_position.as_deref()).await?;
    query.client(&access, &id, None).await?;
    let limit = limit(parameters.limit)?;
    let from = parameters.after.as_deref().map(parse_change).transpose()?;
    let key = RowKey::new(Kind::Client, id.into_inner());
    let changes = query.store.history(key, from, limit + 1).await.map_err(unreadable)?;
    let page =
        Page::of(changes, limit, &request, |last| format!("{}:{}.{}", last.partition, last.position, last.ordinal + 1));
    Ok(Json(page.map(|change| json(&change))))
}

/// Takes a client out of use. Its tenant's next notice brings it back.
///
/// # Errors
/// 401, 403, 404, 409, 422, 503, 504.
#[utoipa::path(post, path = "/v1/clients/{id}/retire", tag = "clients", operation_id = "retireClient",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Id of the client"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 200, description = "The client", body = ref("#/components/schemas/Client"))))]
pub async fn retire(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<Json<Client>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let client = query.client(&access, &id, None).await?;
    let source = format!("/integrations/{}", client.integration);
    let intent =
        Intent::new(EventType::ClientRetire, source, &access.token).about(&client.id).in_partition(client.partition);
    query.carry_out(&request, &access, intent, &Nothing {}, &Nothing {}).await?;
    query.client(&access, &id, None).await.map(Json)
}

impl Query {
    async fn client(&self, access: &Access, id: &str, at: Option<AsOf>) -> Result<Client, Problem> {
        let found = match at {
            None => self.store.client(id.to_owned()).await,
            Some(at) => self.store.client_as_of(id.to_owned(), at).await,
        };
        let found: Option<ListedClient> = found.map_err(unreadable)?;
        let client = found.map(|listed| listed.client).filter(|c| access.sees(&c.integration));
        client.ok_or_else(Problem::not_found)
    }

    /// The row of a client with what is not shown.
    pub(crate) async fn client_row(&self, access: &Access, id: &str) -> Result<ClientRow, Problem> {
        match self.row(RowKey::new(Kind::Client, id)).await? {
            Some(Row::Client(row)) if access.sees(&row.client.integration) => Ok(*row),
            _ => Err(Problem::not_found()),
        }
    }
}

fn as_of(when: &str) -> Result<AsOf, Problem> {
    if let Ok(time) = when.parse::<Timestamp>() {
        return Ok(AsOf::Time(time));
    }
    let place = when.parse::<Place>().or_else(|_| format!("0:{when}").parse());
    place
        .map(AsOf::Position)
        .map_err(|_| Problem::query("`as_of` must be an RFC 3339 time, a position or PARTITION:POSITION."))
}

fn parse_place(after: &str) -> Result<Place, Problem> {
    after.parse().map_err(|_| Problem::query("`after` must be taken from a page's `next`."))
}

fn parse_change(after: &str) -> Result<(Place, u16), Problem> {
    let parts = after.split_once('.').and_then(|(p, o)| Some((p.parse().ok()?, o.parse().ok()?)));
    parts.ok_or_else(|| Problem::query("`after` must be taken from a page's `next`."))
}
