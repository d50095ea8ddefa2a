//! Releases: a quarantined message is processed again, and may be accepted after all.
//!
//! Two events, since message and client may be in different partitions: the registration, whose fold decides whether newer
//! notices have superseded it and leaves that in a row; then the release, which tells the message.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use admission::{Delivery, Prepared, Receipt, token_claim, token_in};
use api::{Access, Problem, ProblemType};
use delivery::jwt::LEEWAY;
use ledger::{Limit, Place, Recorded};
use registration::Event;
use registration::command::{Command, Outcome, Refusal};
use registration::directory::{IntegrationRow, Scope, Source};
use registration::event::{Body, EventType, Nothing};
use registration::isl;
use registration::quarantine::{Message, QuarantineRelease, Quarantined};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Query;
use crate::commands::{Once, done, outcome_unknown};
use crate::quarantine::intent;

/// A released message and the registration that came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Released {
    /// The message.
    pub message: Message,
    /// Where the registration is durable.
    pub receipt: Receipt,
}

/// Processes a quarantined message again, with its reception time. If newer notices of its client
/// have come meanwhile, it changes nothing and is marked superseded.
///
/// # Errors
/// 401, 403, 404, 409 if it is not held, 410 if it has expired, 422 if it still cannot be accepted,
/// 503, 504.
#[utoipa::path(post, path = "/v1/quarantine/{id}/release", tag = "quarantine", operation_id = "releaseMessage",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Id of the message"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 200, description = "Accepted after all", body = ref("#/components/schemas/Released")),
        (status = 410, description = "The message has expired: nobody can read it any more")))]
pub async fn release(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<Json<Released>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let (once, before) = query.once(&request, &access, EventType::QuarantineRelease, &Nothing {}).await?;
    let registration = match before {
        Some(command) => query.released_before(&command).await?,
        None => query.release(once, &access, &id).await?,
    };
    let message = query.quarantined(&access, &id).await?.message;
    let receipt = Receipt::of(&query.entry(registration).await?).map_err(|error| unreadable(&error))?;
    Ok(Json(Released { message, receipt }))
}

/// What a message turns out to be.
enum Checked<'a> {
    Registration(Prepared<'a>),
    IslEvent(isl::Message),
    IslToken { jwt: String, claims: Map<String, Value>, claim: isl::Claim },
}

impl Query {
    /// Holds a message against what its source sends. Of one that was too large the rest is gone; a token must have been good when
    /// it came, by the keys of now.
    async fn checked<'a>(&self, delivery: Delivery<'a>, row: &Quarantined) -> Result<Checked<'a>, Problem> {
        if row.message.kept_bytes.is_some() {
            let detail = "It was too large, and only its beginning was kept; dismiss it.";
            return Err(Problem::new(ProblemType::Conflict, detail));
        }
        match delivery.integration.integration.source {
            Source::Provet => Ok(Checked::Registration(Prepared::check(delivery)?)),
            Source::Isl => match token_in(delivery.body) {
                Ok(jwt) => self.believed(delivery, jwt).await,
                // Tokens are posted as JSON, and an HTTP event as a form.
                Err(_) => isl::message(delivery.body).map(Checked::IslEvent).map_err(|violations| {
                    let detail = "The message is not a form of an HTTP event of ISL; dismiss it.";
                    Problem::new(ProblemType::InvalidBody, detail).errors(violations)
                }),
            },
        }
    }

    async fn believed<'a>(&self, delivery: Delivery<'a>, jwt: String) -> Result<Checked<'a>, Problem> {
        let (integration, now) = (&delivery.integration.integration, self.admission.now());
        let verified = self.verifiers.verify(integration, &jwt, delivery.time, now).await;
        let verified = verified.map_err(|error| Problem::unavailable(format!("Try again: {error}.")))?;
        let claims = verified.map_err(|detail| Problem::new(ProblemType::InvalidBody, detail))?;
        let claim = token_claim(&claims)?;
        Ok(Checked::IslToken { jwt, claims, claim })
    }

    /// Where the registration stands that came of a release.
    async fn released_before(&self, command: &Command) -> Result<Place, Problem> {
        done(command, true)?;
        let place = Place { partition: command.partition, position: command.position };
        if self.gate.directory().ledger().is_imported(place) {
            let detail = "It was released before the ledger was imported; the client's history shows what came of it.";
            return Err(Problem::new(ProblemType::Conflict, detail));
        }
        let event = Event::parse(&self.entry(place).await?.bytes).map_err(|error| unreadable(&error))?;
        match event.body {
            Body::QuarantineRelease(QuarantineRelease { partition, position, .. }) => Ok(Place { partition, position }),
            _ => Err(Problem::not_found()),
        }
    }

    /// Releases a held message; where the registration stands that came of it.
    async fn release(&self, once: Once<'_>, access: &Access, id: &str) -> Result<Place, Problem> {
        self.quarantined(access, id).await?;
        let _releasing = self.begin(&format!("release {id}"))?;
        let row = self.held(access, id).await?;
        let Command { partition, position, outcome, .. } = self.registered(&row).await?;
        let superseded = matches!(outcome, Outcome::Refused { reason: Refusal::Superseded });
        let data = QuarantineRelease { partition, position, superseded };
        self.finish(once, intent(EventType::QuarantineRelease, &row, access), &data).await?;
        Ok(Place { partition, position })
    }

    /// What became of the message as a registration. It is made one now, unless an attempt to release it did and came no
    /// further.
    async fn registered(&self, row: &Quarantined) -> Result<Command, Problem> {
        let body = self.open_message(row).await?;
        let integration = self.integration_of(row)?;
        // The same message may come, and be released, again: that is a new fact.
        let release = format!("{} {}", row.message.id, row.message.count);
        let delivery = Delivery {
            integration: &integration,
            body: &body,
            idempotency_key: Some(&release),
            time: row.message.last_time,
            released: Some(self.admission.now()),
        };
        let outcome = delivery.idempotency_id().unwrap_or_default();
        let checked = self.checked(delivery, row).await?;
        if let Some(command) = self.command(&outcome).await? {
            return Ok(command);
        }
        let place = self.record(checked, delivery).await?.place();
        if !self.is_projected(place).await {
            return Err(outcome_unknown(place));
        }
        self.command(&outcome).await?.ok_or_else(|| outcome_unknown(place))
    }

    /// Makes what was in quarantine durable.
    async fn record(&self, checked: Checked<'_>, delivery: Delivery<'_>) -> Result<Receipt, Problem> {
        Ok(match checked {
            Checked::Registration(prepared) => self.admission.record(prepared).await?,
            Checked::IslEvent(message) => {
                let domain = &delivery.integration.integration.domain;
                let save = self.gate.directory().read().saves_into_sessions(domain);
                self.admission.record_isl_event(delivery, message, save).await?
            }
            Checked::IslToken { jwt, claims, claim } => {
                self.admission.record_isl_token(delivery, &jwt, &claims, claim, LEEWAY).await?
            }
        })
    }

    fn integration_of(&self, row: &Quarantined) -> Result<Arc<IntegrationRow>, Problem> {
        let directory = self.gate.directory().read();
        let found = directory.integration(&row.message.integration);
        let found = found.filter(|found| found.integration.id == row.integration_id);
        found
            .cloned()
            .ok_or_else(|| Problem::new(ProblemType::Conflict, "Its integration was deleted; dismiss the message."))
    }

    /// An entry of the ledger that is known to be there.
    async fn entry(&self, place: Place) -> Result<Recorded, Problem> {
        let one = Limit { events: 1, bytes: 0 };
        let entries = self.read_to_head(place, one).await.map_err(|error| unreadable(&error))?;
        entries.into_iter().next().ok_or_else(|| Problem::unavailable("The ledger cannot be read; try again."))
    }
}

fn unreadable(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::error!(error, "the ledger cannot be read");
    Problem::unavailable("The ledger cannot be read; try again.")
}
