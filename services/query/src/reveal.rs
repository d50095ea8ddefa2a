//! Reveals: a secret is shown after the reveal is an event, and not before.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use admission::Intent;
use api::{Access, Problem, ProblemType, read_json};
use data_encoding::BASE64;
use registration::client::{Reveal, SealedSecret};
use registration::directory::Scope;
use registration::event::EventType;
use schemars::JsonSchema;
use serde::Serialize;
use vault::{Context, Subject, UnsealError};
use zeroize::Zeroizing;

use crate::Query;
use crate::once::refuse;
use crate::quarantine::intent;

/// A client's credentials.
#[derive(Serialize, JsonSchema)]
pub struct Credentials {
    /// OAuth 2.0 client id.
    pub client_id: String,
    /// OAuth 2.0 client secret; null for public clients.
    pub client_secret: Option<String>,
}

/// The body of a quarantined message: text, or base64 where it is not UTF-8.
#[derive(Serialize, JsonSchema)]
pub struct QuarantinedBody {
    /// As text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// As base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
}

/// Shows a client's secret.
///
/// # Errors
/// 401, 403, 404, 409, 410 if the key was destroyed, 422, 503, 504.
#[utoipa::path(post, path = "/v1/clients/{id}/reveal", tag = "clients", operation_id = "revealClient",
    security(("bearer" = ["secrets:reveal"])), params(
        ("id" = String, Path, description = "Id of the client"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body show the same secret under the same event")),
    request_body(content = ref("#/components/schemas/Reveal"), content_type = "application/json"),
    responses((status = 200, description = "The credentials", body = ref("#/components/schemas/Credentials")),
        (status = 410, description = "The key was destroyed: nobody can read the secret any more")))]
pub async fn client(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::SecretsReveal).await?;
    let reveal: Reveal = read_json(payload).await?;
    refuse(reveal.violations())?;
    let row = query.client_row(&access, &id).await?;
    let source = format!("/integrations/{}", row.client.integration);
    let intent = Intent::new(EventType::ClientReveal, source, &access.token)
        .about(&row.client.id)
        .in_partition(row.client.partition);
    // The same key shows the same secret, and no later one: that would be shown without an event.
    let secret = row.secret.as_ref().map(|secret| secret.event);
    query.note(&request, &access, intent, &(&reveal, secret), &reveal).await?;
    let client_secret = match &row.secret {
        Some(secret) => {
            let subject = Subject::Tenant(row.client.tenant.clone());
            let plain = query.open(&subject, "client_secret", secret).await?;
            Some(String::from_utf8_lossy(&plain).into_owned())
        }
        None => None,
    };
    let credentials = Credentials { client_id: row.client.client_id.clone(), client_secret };
    Ok(shown(&credentials))
}

/// Shows the body of a quarantined message, which may hold a secret.
///
/// # Errors
/// 401, 403, 404, 409, 410 if it has expired, 422, 503, 504.
#[utoipa::path(post, path = "/v1/quarantine/{id}/reveal", tag = "quarantine", operation_id = "revealMessage",
    security(("bearer" = ["secrets:reveal"])), params(
        ("id" = String, Path, description = "Id of the message"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body show the same message under the same event")),
    request_body(content = ref("#/components/schemas/Reveal"), content_type = "application/json"),
    responses((status = 200, description = "The body", body = ref("#/components/schemas/QuarantinedBody")),
        (status = 410, description = "The message has expired: nobody can read it any more")))]
pub async fn quarantined(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::SecretsReveal).await?;
    let reveal: Reveal = read_json(payload).await?;
    refuse(reveal.violations())?;
    let row = query.quarantined(&access, &id).await?;
    let intent = intent(EventType::QuarantineReveal, &row, &access);
    query.note(&request, &access, intent, &reveal, &reveal).await?;
    let plain = query.open_message(&row).await?;
    let body = match std::str::from_utf8(&plain) {
        Ok(text) => QuarantinedBody { body: Some(text.to_owned()), body_base64: None },
        Err(_) => QuarantinedBody { body: None, body_base64: Some(BASE64.encode(&plain)) },
    };
    Ok(shown(&body))
}

/// An answer that nobody keeps.
pub(crate) fn shown(secret: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(secret)
}

impl Query {
    /// Makes a reveal an event, once for each Idempotency-Key. Without one nobody waits for the projection.
    async fn note(
        &self,
        request: &HttpRequest,
        access: &Access,
        intent: Intent,
        asked: &impl Serialize,
        reveal: &Reveal,
    ) -> Result<(), Problem> {
        let (once, before) = self.once(request, access, intent.kind, asked).await?;
        if before.is_some() {
            return Ok(());
        }
        if once.is_repeatable() {
            return self.finish(once, intent, reveal).await.map(|_| ());
        }
        self.admission.submit(intent, reveal).await?;
        Ok(())
    }

    /// Opens an envelope.
    pub(crate) async fn open(
        &self,
        subject: &Subject,
        field: &str,
        secret: &SealedSecret,
    ) -> Result<Zeroizing<Vec<u8>>, Problem> {
        let context = Context { event: secret.event, field };
        let opened = self.admission.vault().open_envelope(subject, &context, &secret.sealed.sealed);
        opened.await.map_err(|error| unopened(&error))
    }
}

/// Why an envelope stays shut, as an answer.
pub(crate) fn unopened(error: &UnsealError) -> Problem {
    if let UnsealError::NoKey = error {
        return Problem::new(
            ProblemType::KeyDestroyed,
            "The key was destroyed or has expired: nobody can read this any more.",
        );
    }
    tracing::error!(error = error as &dyn std::error::Error, "an envelope stays shut");
    Problem::unavailable("The key store cannot be read; try again.")
}
