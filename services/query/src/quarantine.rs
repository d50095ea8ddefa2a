//! `/v1/quarantine`: notifications that could not be accepted.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use admission::Intent;
use api::{Access, Page, Problem, ProblemType, limit, read_query};
use projection::MessageFilter;
use registration::directory::Scope;
use registration::event::{EventType, Nothing};
use registration::quarantine::{Message, QuarantineState, Quarantined};
use registration::{Kind, Row, RowKey};
use serde::Deserialize;
use utoipa::IntoParams;
use vault::Subject;
use zeroize::Zeroizing;

use crate::Query;
use crate::commands::unreadable;

/// Which messages.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuarantineParameters {
    /// Name of the integration.
    integration: Option<String>,
    /// `held`, `released`, `superseded` or `dismissed`.
    #[param(value_type = Option<String>)]
    state: Option<QuarantineState>,
    /// Items on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Where the page begins. It is within `next`, the address of the next page: follow that as it is.
    after: Option<String>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    min_position: Option<String>,
}

/// Lists quarantined messages, oldest first. Those that have expired can no longer be read.
///
/// # Errors
/// 400, 401, 403, 503.
#[utoipa::path(get, path = "/v1/quarantine", tag = "quarantine", operation_id = "listQuarantine",
    security(("bearer" = ["admin"])), params(QuarantineParameters),
    responses((status = 200, description = "A page of messages", body = ref("#/components/schemas/MessagePage"))))]
pub async fn list(request: HttpRequest, query: Data<Query>) -> Result<Json<Page<Message>>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: QuarantineParameters = read_query(&request)?;
    query.wait_for(asked.min_position.as_deref()).await?;
    let limit = limit(asked.limit)?;
    let after = asked.after.as_deref().map(str::parse).transpose();
    let after = after.map_err(|_| Problem::query("`after` must be taken from a page's `next`."))?;
    let filter = MessageFilter { integrations: narrowed(&access, asked.integration.clone()), state: asked.state };
    let rows = query.store.quarantined(filter, after, limit + 1).await.map_err(unreadable)?;
    let page = Page::of(rows, limit, &request, |row| row.at.to_string());
    Ok(Json(page.map(|row| row.message)))
}

/// Shows a quarantined message, without its body.
///
/// # Errors
/// 401, 403, 404, 503.
#[utoipa::path(get, path = "/v1/quarantine/{id}", tag = "quarantine", operation_id = "getMessage",
    security(("bearer" = ["admin"])), params(("id" = String, Path, description = "Id of the message")),
    responses((status = 200, description = "The message", body = ref("#/components/schemas/Message"))))]
pub async fn show(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<Json<Message>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    Ok(Json(query.quarantined(&access, &id).await?.message))
}

/// Decides that a quarantined message will not be accepted.
///
/// # Errors
/// 401, 403, 404, 409 if it is not held, 503, 504.
#[utoipa::path(post, path = "/v1/quarantine/{id}/dismiss", tag = "quarantine", operation_id = "dismissMessage",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Id of the message"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 200, description = "The message", body = ref("#/components/schemas/Message"))))]
pub async fn dismiss(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<Json<Message>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let kind = EventType::QuarantineDismiss;
    if query.was_carried_out(&request, &access, kind, &Nothing {}).await? {
        return Ok(Json(query.quarantined(&access, &id).await?.message));
    }
    let row = query.held(&access, &id).await?;
    let intent = intent(kind, &row, &access);
    query.carry_out(&request, &access, intent, &Nothing {}, &Nothing {}).await?;
    Ok(Json(query.quarantined(&access, &id).await?.message))
}

impl Query {
    /// A quarantined message that the caller may see.
    pub(crate) async fn quarantined(&self, access: &Access, id: &str) -> Result<Quarantined, Problem> {
        match self.row(RowKey::new(Kind::Quarantined, id)).await? {
            Some(Row::Quarantined(row)) if access.sees(&row.message.integration) => Ok(*row),
            _ => Err(Problem::not_found()),
        }
    }

    /// A quarantined message that the caller may see and that waits for a decision.
    pub(crate) async fn held(&self, access: &Access, id: &str) -> Result<Quarantined, Problem> {
        let row = self.quarantined(access, id).await?;
        if row.message.state == QuarantineState::Held {
            return Ok(row);
        }
        Err(Problem::new(ProblemType::Conflict, format!("The message is {} already.", row.message.state.as_str())))
    }

    /// The body of a quarantined message.
    pub(crate) async fn open_message(&self, row: &Quarantined) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let message = &row.message;
        let subject = Subject::Quarantine { id: message.id.clone(), expires: message.expires_time };
        self.open(&subject, "body", &row.body).await
    }
}

/// The integrations that are seen, or the one among them that was asked for.
fn narrowed(access: &Access, asked: Option<String>) -> Option<Vec<String>> {
    match asked {
        None => access.integrations.clone(),
        Some(name) => Some(if access.sees(&name) { vec![name] } else { Vec::new() }),
    }
}

/// A command about a quarantined message.
pub(crate) fn intent(kind: EventType, row: &Quarantined, access: &Access) -> Intent {
    let source = format!("/integrations/{}", row.message.integration);
    Intent::new(kind, source, &access.token).about(&row.message.id).of(row.integration_id).in_partition(row.partition)
}
