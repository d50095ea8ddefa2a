//! `GET /v1/events`: ledger entries as they were logged, for auditors.

use actix_web::web::{BytesMut, Data};
use actix_web::{HttpRequest, HttpResponse};
use api::{Problem, limit, read_query};
use ledger::{Limit, Place, ReadError, Recorded};
use registration::directory::Scope;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::Query;

/// The largest answer in bytes; at least one entry is given.
const MAX_BYTES: usize = 8 << 20;

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventParameters {
    /// Ledger partition; 0 by default.
    #[serde(default)]
    partition: u32,
    /// Position of the first entry; 0 by default.
    #[serde(default)]
    from: u64,
    /// Entries, 1 to 1000; 100 by default. Fewer come where they are large, or the ledger ends.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    min_position: Option<String>,
}

/// Reads ledger entries: line k of the answer is position from + k, byte for byte. Only an access
/// token that no domain and no integration limits may do this.
///
/// # Errors
/// 400, 401, 403, 404 for a partition that there is not, 503.
#[utoipa::path(get, path = "/v1/events", tag = "ledger", operation_id = "readEvents",
    security(("bearer" = ["events:read"])), params(EventParameters),
    responses((status = 200, description = "One CloudEvent per line", body = String, content_type = "application/x-ndjson"),
        (status = 404, description = "There is no such partition")))]
pub async fn read(request: HttpRequest, query: Data<Query>) -> Result<HttpResponse, Problem> {
    query.gate.admit(&request, Scope::EventsRead).await?.unrestricted()?;
    let asked: EventParameters = read_query(&request)?;
    query.wait_for(asked.min_position.as_deref()).await?;
    let limit = Limit { events: limit(asked.limit)?, bytes: MAX_BYTES };
    let read = query.read_to_head(Place { partition: asked.partition, position: asked.from }, limit).await;
    let entries = read.map_err(|error| match error {
        ReadError::NoSuchPartition { .. } => Problem::not_found(),
        error => {
            tracing::error!(error = &error as &dyn std::error::Error, "the ledger cannot be read");
            Problem::unavailable("The ledger cannot be read; try again.")
        }
    })?;
    let mut lines = BytesMut::new();
    for entry in entries {
        lines.extend_from_slice(&entry.bytes);
        lines.extend_from_slice(b"\n");
    }
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").body(lines.freeze()))
}

impl Query {
    /// The entries from a place on, also what another process has appended a moment ago.
    pub(crate) async fn read_to_head(&self, from: Place, limit: Limit) -> Result<Vec<Recorded>, ReadError> {
        self.ledger.head(from.partition).await?;
        self.ledger.read(from.partition, from.position, limit).await
    }
}
