//! `POST /hookup/{integration}/{key}`: a Provet registration.

use std::net::IpAddr;

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, Responder};
use admission::{Delivery, Prepared, Receipt, Refused};
use api::{Problem, ProblemType, read_body};
use registration::directory::{IntegrationRow, Source};

use crate::Intake;

/// The largest body in bytes: sealed and in base64 it still fits into one ledger entry.
pub const MAX_BODY_BYTES: usize = 40 * 1024;

/// The longest Idempotency-Key in bytes that is looked at.
const MAX_KEY_BYTES: usize = 255;

/// Takes a registration notice; the answer says where it is durable.
///
/// # Errors
/// As the contract lists them: 400, 403, 404, 408, 413, 415, 422, 429, 503.
#[utoipa::path(
    post,
    path = "/hookup/{integration}/{key}",
    tag = "inbound",
    operation_id = "receiveNotice",
    security(()),
    params(
        ("integration" = String, Path, description = "Name of the integration"),
        ("key" = String, Path, description = "The secret part of the hookup URL"),
        ("Idempotency-Key" = Option<String>, Header, description = "Marks a redelivery"),
    ),
    request_body(content = ref("#/components/schemas/ProvetRegistration"), content_type = "application/json"),
    responses(
        (status = 200, description = "Durable", body = ref("#/components/schemas/Receipt")),
        (status = 400, description = "Not strict JSON; kept in quarantine"),
        (status = 403, description = "From an address that the integration does not allow; kept in quarantine"),
        (status = 408, description = "The body did not arrive within ten seconds"),
        (status = 415, description = "Declared as a form, multipart or XML"),
        (status = 422, description = "JSON that breaks the schema, every violation listed; kept in quarantine"),
        (status = 429, description = "Too many wrong keys from this address; a right key is never slowed down"),
        (status = 503, description = "Could not be made durable; send it again"),
    ),
)]
pub async fn receive(
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
    intake: Data<Intake>,
) -> Result<impl Responder, Problem> {
    let (name, key) = path.into_inner();
    let sender = api::sender(&request, &intake.proxies);
    let taken = match intake.integration(Source::Provet, &name, &key, sender).await {
        Ok(integration) => intake.take(&request, payload, &integration, sender).await,
        Err(problem) => Err(problem),
    };
    intake.count(&name, taken.as_ref().map_or_else(Intake::outcome, |_| "accepted"));
    taken.map(Json)
}

impl Intake {
    /// What a problem is counted as.
    pub(crate) fn outcome(problem: &Problem) -> &'static str {
        match problem.kind() {
            ProblemType::Unavailable => "unavailable",
            _ if problem.is_quarantined() => "quarantined",
            _ => "refused",
        }
    }

    /// Counts an outcome. The names of integrations that there are not are the senders' words and no labels.
    pub(crate) fn count(&self, name: &str, outcome: &str) {
        let directory = self.directory.read();
        let known = directory.integration(name).map(|row| &row.integration);
        let source = known.map_or("unknown", |integration| integration.source.as_str());
        let name = known.map_or("unknown", |integration| &integration.name);
        self.notifications.with_label_values(&[source, name, outcome]).inc();
    }

    async fn take(
        &self,
        request: &HttpRequest,
        payload: Payload,
        integration: &IntegrationRow,
        sender: IpAddr,
    ) -> Result<Receipt, Problem> {
        let body = read_body(payload, MAX_BODY_BYTES).await?;
        check_media_type(request)?;
        let delivery = Delivery {
            integration,
            body: &body,
            idempotency_key: idempotency_key(request),
            time: self.admission.now(),
            released: None,
        };
        let checked = delivery.check_address(sender).and_then(|()| Prepared::check(delivery));
        match checked {
            Ok(prepared) => Ok(self.admission.record(prepared).await?),
            Err(refused) => Err(self.quarantine(delivery, refused).await?),
        }
    }

    /// The problem to answer with, once the notification is kept.
    pub(crate) async fn quarantine(&self, delivery: Delivery<'_>, refused: Refused) -> Result<Problem, Problem> {
        let id = self.admission.quarantine(delivery, &refused).await?;
        Ok(Problem::from(refused).quarantined(id))
    }
}

/// Provet documents no media type, so only those that say that it is something else are refused.
fn check_media_type(request: &HttpRequest) -> Result<(), Problem> {
    let declared = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.unwrap_or_default().split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let refused = essence == "application/x-www-form-urlencoded"
        || essence.starts_with("multipart/")
        || essence == "application/xml"
        || essence == "text/xml"
        || essence.ends_with("+xml");
    if refused {
        return Err(Problem::new(ProblemType::UnsupportedMediaType, "Send the notification as application/json."));
    }
    Ok(())
}

fn idempotency_key(request: &HttpRequest) -> Option<&str> {
    let key = request.headers().get("idempotency-key")?.to_str().ok()?;
    (1..=MAX_KEY_BYTES).contains(&key.len()).then_some(key)
}
