//! `GET /v1/changes`: the change stream, as server-sent events or as JSON pages.

use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CacheControl, CacheDirective};
use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use api::{Access, Problem, ProblemType, limit};
use projection::StoredChange;
use registration::directory::{LedgerRow, Scope};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;
use url::form_urlencoded;
use utoipa::IntoParams;

use crate::Query;
use crate::commands::unreadable;
use crate::stream::cursor::Cursor;
use crate::stream::filter::Filter;
use crate::stream::subscriber::Subscriber;
use crate::stream::tailer::CHUNK;

/// Chunks looked through for one page: a filter that lets little pass gives short pages.
const CHUNKS_PER_PAGE: usize = 20;

/// From where, and which changes. `type` may be repeated.
#[derive(Debug, Default, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Go on after this cursor. The header `Last-Event-ID` beats it.
    after: Option<String>,
    /// Where to begin without a cursor: `beginning` (the default), `now`, or `snapshot`: the rows
    /// as they are, then the changes.
    from: Option<String>,
    /// Name of the integration.
    integration: Option<String>,
    /// `host/provet_id`.
    tenant: Option<String>,
    /// Type of change in its short form, or a family like `client.*`; repeatable.
    #[param(rename = "type", required = false)]
    types: Vec<String>,
    /// JSON pages: items on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    min_position: Option<String>,
}

/// A page of changes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ChangesPage {
    /// The changes as CloudEvents.
    #[schemars(with = "Vec<registration::change::CloudEvent<'static>>")]
    pub items: Vec<Box<RawValue>>,
    /// Path and query of the next page: follow it as it is. Null on the last one.
    pub next: Option<String>,
    /// The cursor after this page: as `after` it goes on later from here, also after the last page.
    pub cursor: String,
}

/// Follows the change stream, or reads a page of it: `Accept: application/json` asks for a page.
///
/// # Errors
/// 400, 401, 403, 410 for a cursor that cannot be resumed, 503.
#[utoipa::path(get, path = "/v1/changes", tag = "changes", operation_id = "followChanges",
    security(("bearer" = ["changes:read"])),
    params(Parameters, ("Last-Event-ID" = Option<String>, Header, description = "The cursor that a server-sent event stream was read to")),
    responses(
        (status = 200, description = "Server-sent events, or a page", content(
            (String = "text/event-stream"),
            (ref("#/components/schemas/ChangesPage") = "application/json"))),
        (status = 410, description = "The cursor cannot be resumed: begin anew with from=snapshot"),
    ))]
pub async fn follow(request: HttpRequest, query: Data<Query>) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::ChangesRead).await?;
    let asked = Parameters::parse(request.query_string())?;
    query.wait_for(asked.min_position.as_deref()).await?;
    let filter = Filter::new(asked.types.clone(), asked.integration.clone(), asked.tenant.clone(), &access)?;
    let last_event_id = request.headers().get("last-event-id").and_then(|id| id.to_str().ok());
    let given = last_event_id.filter(|id| !id.is_empty()).or(asked.after.as_deref());
    let cursor = query.cursor(given, asked.from.as_deref()).await?;
    let with_snapshot = given.is_none() && asked.from.as_deref() == Some("snapshot");
    if wants_json(&request) && with_snapshot {
        return Err(Problem::query(
            "Only server-sent events begin with a snapshot; for pages, read /v1/clients and then from=now.",
        ));
    }
    if wants_json(&request) {
        return query.page(&request, &asked, &filter, cursor).await;
    }
    Ok(query.stream(filter, &access, cursor, with_snapshot))
}

impl Parameters {
    /// By hand, because `type` is repeatable and what is unknown should be said.
    fn parse(query: &str) -> Result<Self, Problem> {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match name.as_ref() {
                "after" => parameters.after = Some(value),
                "from" => parameters.from = Some(value),
                "integration" => parameters.integration = Some(value),
                "tenant" => parameters.tenant = Some(value),
                "min_position" => parameters.min_position = Some(value),
                "type" => parameters.types.push(value),
                "limit" => {
                    let limit = value.parse().map_err(|_| Problem::query("`limit` must be a number."))?;
                    parameters.limit = Some(limit);
                }
                _ => {
                    return Err(Problem::query(
                        "Known parameters are after, from, integration, tenant, type, limit and min_position.",
                    ));
                }
            }
        }
        Ok(parameters)
    }
}

fn wants_json(request: &HttpRequest) -> bool {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("application/json") && !accept.contains("text/event-stream"))
}

impl Query {
    /// Where to begin.
    async fn cursor(&self, given: Option<&str>, from: Option<&str>) -> Result<Cursor, Problem> {
        let ledger = self.gate.directory().ledger();
        if let Some(word) = given {
            return self.resume(word, &ledger).await;
        }
        match from {
            None | Some("beginning") => Ok(Cursor::beginning(&ledger)),
            Some("now" | "snapshot") => {
                let heads = self.store.watch().borrow().clone();
                Ok(Cursor::at_heads(&ledger, heads))
            }
            Some(_) => Err(Problem::query("`from` must be beginning, now or snapshot.")),
        }
    }

    async fn resume(&self, word: &str, ledger: &LedgerRow) -> Result<Cursor, Problem> {
        let mut cursor =
            Cursor::decode(word).map_err(|_| Problem::query("This is no cursor; use one that the stream gave."))?;
        if cursor.ledger != ledger.ledger || cursor.next.len() != self.ledger.partitions() as usize {
            return Err(gone("The cursor belongs to another ledger."));
        }
        // What the first restore after its era left is all that it has in common with this ledger.
        let since = ledger.restores_since(cursor.era);
        let restore = since.map(<[_]>::first);
        let is_common = restore.is_some_and(|first| first.is_none_or(|restore| cursor.is_within(&restore.heads)));
        if !is_common {
            return Err(gone("The ledger was restored from a backup that was made before the cursor."));
        }
        cursor.era = ledger.era();
        for (partition, next) in (0..).zip(&cursor.next) {
            let head = self
                .ledger
                .head(partition)
                .await
                .map_err(|_| Problem::unavailable("The ledger cannot be read; try again."))?;
            if next.position > head {
                return Err(gone("The cursor is beyond the end of the ledger."));
            }
        }
        Ok(cursor)
    }

    fn stream(&self, filter: Filter, access: &Access, cursor: Cursor, with_snapshot: bool) -> HttpResponse {
        let token = access.token.clone();
        let subscriber = Subscriber::new(self.feed.clone(), filter, token, cursor, with_snapshot);
        HttpResponse::Ok()
            .content_type("text/event-stream")
            .insert_header(CacheControl(vec![CacheDirective::NoStore]))
            .insert_header(("x-accel-buffering", "no"))
            .streaming(subscriber.frames())
    }

    async fn page(
        &self,
        request: &HttpRequest,
        asked: &Parameters,
        filter: &Filter,
        mut cursor: Cursor,
    ) -> Result<HttpResponse, Problem> {
        let limit = limit(asked.limit)?;
        let directory = self.gate.directory();
        let caught_up = directory.catch_up().await;
        caught_up.map_err(|_| Problem::unavailable("The directory cannot be read; try again."))?;
        let mut items = Vec::new();
        let heads = self.store.watch().borrow().clone();
        let mut more = false;
        for _ in 0..CHUNKS_PER_PAGE {
            more = self.fill(&mut items, limit, filter, &mut cursor, &heads).await?;
            if !more || items.len() == limit {
                break;
            }
        }
        let cursor = cursor.encode();
        let next = more.then(|| api::next_path(request, &cursor));
        Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(ChangesPage { items, next, cursor }))
    }

    /// Reads one chunk; false once there is nothing more.
    async fn fill(
        &self,
        items: &mut Vec<Box<RawValue>>,
        limit: usize,
        filter: &Filter,
        cursor: &mut Cursor,
        heads: &[u64],
    ) -> Result<bool, Problem> {
        for (partition, head) in (0..).zip(heads) {
            let from = cursor.next.get(partition as usize).copied().unwrap_or_default();
            if from.position >= *head {
                continue;
            }
            let from = (from.position, from.ordinal);
            let changes = self.store.changes(partition, from, *head, CHUNK).await.map_err(unreadable)?;
            let at_end = changes.len() < CHUNK;
            for change in changes {
                if items.len() == limit {
                    return Ok(true);
                }
                cursor.pass(partition, change.position, change.ordinal);
                if filter.passes(&change, &self.gate.directory().read()) {
                    items.push(json(&change));
                }
            }
            if !at_end {
                return Ok(true);
            }
            if let Some(next) = cursor.next.get_mut(partition as usize) {
                next.position = *head;
                next.ordinal = 0;
            }
        }
        Ok(false)
    }
}

/// A change as it is stored: JSON that we wrote ourselves.
pub(crate) fn json(change: &StoredChange) -> Box<RawValue> {
    let text = String::from_utf8_lossy(&change.body).into_owned();
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn gone(why: &str) -> Problem {
    Problem::new(
        ProblemType::CursorGone,
        format!("{why} Begin anew with from=snapshot: it gives the rows as they are, then the changes."),
    )
}
