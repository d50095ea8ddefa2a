//! `/v1/deliveries`: what did not arrive at once, and having it attempted again.

use std::collections::HashMap;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path, Payload};
use api::{Access, Page, Problem, limit, read_json, read_query};
use jiff::Timestamp;
use outbox::{At, Attempt, Delivery, DeliveryFilter, DeliveryState, Listed, OutboxError};
use registration::directory::Scope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

use crate::Query;

/// A delivery that did not arrive at once.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub struct DeliveryShown {
    /// Its id.
    pub id: String,
    /// Name of the subscription, or of what settings have sent: `jwt-webhook`, `http-events`, `domain-http-events@DOMAIN`,
    /// `external-webapi`, `account-mail`, `notify@INTEGRATION`.
    pub subscription: String,
    /// Id of the change.
    pub change_id: String,
    /// Type of the change, in the short form.
    #[serde(rename = "type")]
    pub kind: String,
    /// The row that it is about: a client's id, or kind and name as in `integration:acme-lab`. Of one row changes are delivered
    /// in their order.
    pub row: String,
    /// Whether it waits, or was given up.
    pub state: State,
    /// When the change was recorded.
    pub recorded_time: Timestamp,
    /// How often it was attempted.
    pub attempts: u32,
    /// When it failed first; null behind another one of its row.
    pub first_failure_time: Option<Timestamp>,
    /// When it is attempted next; null behind another one of its row, and if it was given up.
    pub next_time: Option<Timestamp>,
    /// What the last attempt failed with.
    pub reason: Option<String>,
}

/// What has become of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "DeliveryState")]
pub enum State {
    /// It waits.
    Held,
    /// It was given up.
    Dead,
}

impl From<State> for DeliveryState {
    fn from(state: State) -> Self {
        match state {
            State::Held => Self::Held,
            State::Dead => Self::Dead,
        }
    }
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliveryParameters {
    /// Name or id of the subscription, or of what settings have sent: `jwt-webhook`.
    subscription: Option<String>,
    /// `held` or `dead`.
    #[param(value_type = Option<String>)]
    state: Option<State>,
    /// Id of the client.
    client: Option<String>,
    /// Recorded then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Recorded before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// Items on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Where the page begins. It is within `next`, the address of the next page: follow that as it is.
    after: Option<String>,
}

/// Which deliveries are attempted again. What is not named is not asked for.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Replay {
    /// Name or id of the subscription, or of what settings have sent: `jwt-webhook`.
    pub subscription: Option<String>,
    /// Those that wait, or those that were given up; by default these.
    pub state: Option<State>,
    /// Id of the client.
    pub client: Option<String>,
    /// Recorded then or later.
    pub since: Option<Timestamp>,
    /// Recorded before.
    pub until: Option<Timestamp>,
}

/// How many deliveries are attempted again.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Replayed {
    /// How many.
    pub replayed: u64,
}

/// An attempt to deliver a change.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Attempt")]
pub struct AttemptShown {
    /// When it began.
    pub time: Timestamp,
    /// Id of the change.
    pub change_id: String,
    /// `delivered`, `failed`, `gone` (410) or `refused` (the URL may not be called).
    pub outcome: String,
    /// The HTTP status; null if there was no answer.
    pub status: Option<u16>,
    /// How long it took.
    pub seconds: f64,
    /// The first characters of the answer, or why there was none.
    pub answer: String,
}

impl From<Attempt> for AttemptShown {
    fn from(attempt: Attempt) -> Self {
        let Attempt { time, change, outcome, status, microseconds, answer } = attempt;
        Self { time, change_id: change, outcome, status, seconds: microseconds as f64 / 1e6, answer }
    }
}

/// Lists deliveries that did not arrive at once, oldest first.
///
/// # Errors
/// 400, 401, 403, 503.
#[utoipa::path(get, path = "/v1/deliveries", tag = "subscriptions", operation_id = "listDeliveries",
    security(("bearer" = ["admin"])), params(DeliveryParameters),
    responses((status = 200, description = "A page of deliveries", body = ref("#/components/schemas/DeliveryPage"))))]
pub async fn list(request: HttpRequest, query: Data<Query>) -> Result<Json<Page<DeliveryShown>>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: DeliveryParameters = read_query(&request)?;
    let limit = limit(asked.limit)?;
    let after = asked.after.as_deref().unwrap_or("0").parse();
    let after = after.map_err(|_| Problem::query("`after` must be taken from a page's `next`."))?;
    let replay = Replay {
        subscription: asked.subscription,
        state: asked.state,
        client: asked.client,
        since: asked.since,
        until: asked.until,
    };
    let filter = query.delivery_filter(&access, replay);
    let found = query.outbox.list(filter, after, limit + 1).await.map_err(unreadable)?;
    let page = Page::of(found, limit, &request, |listed| listed.number.to_string());
    let names = query.seen_subscriptions(&access).into_iter().collect();
    Ok(Json(page.map(|listed| delivery_shown(listed.delivery, &names))))
}

/// Shows a delivery.
///
/// # Errors
/// 401, 403, 404, 503.
#[utoipa::path(get, path = "/v1/deliveries/{id}", tag = "subscriptions", operation_id = "getDelivery",
    security(("bearer" = ["admin"])), params(("id" = String, Path, description = "Id of the delivery")),
    responses((status = 200, description = "The delivery", body = ref("#/components/schemas/Delivery"))))]
pub async fn show(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<Json<DeliveryShown>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let filter = query.one_delivery(&access, &id)?;
    let found = query.outbox.list(filter, 0, 1).await.map_err(unreadable)?;
    let names = query.seen_subscriptions(&access).into_iter().collect();
    let found = found.into_iter().next().map(|Listed { delivery, .. }| delivery_shown(delivery, &names));
    found.map(Json).ok_or_else(Problem::not_found)
}

/// Has a delivery attempted again now; one that was given up waits as if it had never failed.
///
/// # Errors
/// 401, 403, 404, 503.
#[utoipa::path(post, path = "/v1/deliveries/{id}/replay", tag = "subscriptions", operation_id = "replayDelivery",
    security(("bearer" = ["admin"])), params(("id" = String, Path, description = "Id of the delivery")),
    responses((status = 200, description = "It is attempted again", body = ref("#/components/schemas/Replayed"))))]
pub async fn replay_one(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<Json<Replayed>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let filter = query.one_delivery(&access, &id)?;
    if query.outbox.list(filter.clone(), 0, 1).await.map_err(unreadable)?.is_empty() {
        return Err(Problem::not_found());
    }
    let replayed = query.outbox.replay(filter, query.admission.now()).await.map_err(unreadable)?;
    Ok(Json(Replayed { replayed }))
}

/// Has all deliveries attempted again that pass a filter: those that were given up, unless it says otherwise.
///
/// # Errors
/// 401, 403, 422, 503.
#[utoipa::path(post, path = "/v1/deliveries/replay", tag = "subscriptions", operation_id = "replayDeliveries",
    security(("bearer" = ["admin"])),
    request_body(content = ref("#/components/schemas/Replay"), content_type = "application/json"),
    responses((status = 200, description = "They are attempted again", body = ref("#/components/schemas/Replayed"))))]
pub async fn replay(request: HttpRequest, query: Data<Query>, payload: Payload) -> Result<Json<Replayed>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let mut asked: Replay = read_json(payload).await?;
    asked.state.get_or_insert(State::Dead);
    let filter = query.delivery_filter(&access, asked);
    let replayed = query.outbox.replay(filter, query.admission.now()).await.map_err(unreadable)?;
    Ok(Json(Replayed { replayed }))
}

/// How many attempts are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AttemptParameters {
    /// Items on the page, 1 to 1000; 100 by default, and no more are kept.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Shows the last attempts of a subscription, or of what settings have sent, newest first; a hundred are kept.
///
/// # Errors
/// 400, 401, 403, 404, 503.
#[utoipa::path(get, path = "/v1/subscriptions/{id}/attempts", tag = "subscriptions", operation_id = "listAttempts",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Name or id of the subscription, or of what settings have sent"), AttemptParameters),
    responses((status = 200, description = "The last attempts", body = ref("#/components/schemas/AttemptPage"))))]
pub async fn attempts(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
) -> Result<Json<Page<AttemptShown>>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: AttemptParameters = read_query(&request)?;
    let limit = limit(asked.limit)?;
    let mut seen = query.seen_subscriptions(&access).into_iter();
    let found = seen.find(|seen| is_called(seen, &id));
    let (subscription, _) = found.ok_or_else(Problem::not_found)?;
    let attempts = query.outbox.attempts(subscription, limit).await.map_err(unreadable)?;
    Ok(Json(Page { items: attempts.into_iter().map(AttemptShown::from).collect(), next: None }))
}

impl Query {
    /// What the caller sees of what it asks for.
    fn delivery_filter(&self, access: &Access, asked: Replay) -> DeliveryFilter {
        let mut subscriptions = self.seen_subscriptions(access);
        if let Some(name) = &asked.subscription {
            subscriptions.retain(|seen| is_called(seen, name));
        }
        DeliveryFilter {
            subscriptions: Some(subscriptions.into_iter().map(|(id, _)| id).collect()),
            state: asked.state.map(DeliveryState::from),
            key: asked.client,
            at: None,
            since: asked.since,
            until: asked.until,
        }
    }

    /// One delivery, if the caller sees its subscription.
    fn one_delivery(&self, access: &Access, id: &str) -> Result<DeliveryFilter, Problem> {
        let (subscription, at) = parse(id).ok_or_else(Problem::not_found)?;
        let seen = self.seen_subscriptions(access).iter().any(|(seen, _)| *seen == subscription);
        let filter =
            DeliveryFilter { subscriptions: Some(vec![subscription]), at: Some(at), ..DeliveryFilter::default() };
        seen.then_some(filter).ok_or_else(Problem::not_found)
    }
}

fn delivery_shown(delivery: Delivery, names: &HashMap<Uuid, String>) -> DeliveryShown {
    let Delivery { subscription, held, state } = delivery;
    DeliveryShown {
        id: format!("{subscription}.{}", held.change),
        subscription: names.get(&subscription).cloned().unwrap_or_default(),
        change_id: held.change,
        kind: held.kind,
        row: held.key,
        state: if state == DeliveryState::Dead { State::Dead } else { State::Held },
        recorded_time: held.recorded_time,
        attempts: held.attempts,
        first_failure_time: held.first_failure,
        next_time: held.next_time,
        reason: held.reason,
    }
}

/// Whether a subscription has this name, or this id.
fn is_called((id, name): &(Uuid, String), called: &str) -> bool {
    name == called || id.to_string() == called
}

/// The subscription and the change of a delivery's id: `<subscription>.<ledger>-<partition>-<position>-<ordinal>`.
fn parse(id: &str) -> Option<(Uuid, At)> {
    let (subscription, change) = id.split_once('.')?;
    let mut numbers = change.rsplitn(4, '-');
    let ordinal = numbers.next()?.parse().ok()?;
    let position = numbers.next()?.parse().ok()?;
    let partition = numbers.next()?.parse().ok()?;
    Some((subscription.parse().ok()?, At { partition, position, ordinal }))
}

fn unreadable(error: OutboxError) -> Problem {
    tracing::warn!(error = &error as &dyn std::error::Error, "the delivery store cannot be read");
    Problem::unavailable("The delivery store cannot be read or written; try again, /readyz says what is wrong.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_known_by_its_subscription_and_its_change() {
        let subscription = Uuid::from_u128(7);
        let at = At { partition: 3, position: 17, ordinal: 1 };
        assert_eq!(parse(&format!("{subscription}.0198c0de-aa-3-17-1")), Some((subscription, at)));
        for other in ["", "x", "x.l-0-1-0", &format!("{subscription}.l-0-1"), &format!("{subscription}.l-0-1-99999")] {
            assert_eq!(parse(other).filter(|_| !other.ends_with("l-0-1")), None, "{other}");
        }
    }
}
