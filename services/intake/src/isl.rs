//! `POST /isl/{integration}/{key}/…`: what an ISL Conference Proxy says, by form posts and by tokens.

use std::net::IpAddr;

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, Responder};
use admission::{Delivery, Receipt, Refused, RefusedKind, Whole, token_claim, token_in};
use api::{Beginning, Problem, read_beginning, read_body};
use delivery::jwt::{LEEWAY, Unfetched};
use registration::directory::{IntegrationRow, Source};
use registration::isl::{self, Claim};
use schemars::JsonSchema;
use serde_json::{Map, Value};

use crate::Intake;
use crate::hookup::MAX_BODY_BYTES;

/// What the JWT webhook posts.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "it is read strictly, and this says what is read")]
pub struct IslTokenPosted {
    /// The token, signed by a key that the integration names.
    jwt: String,
}

/// What ISL takes for "received, nothing to do". Without a valid reply it repeats a message for ever.
const NOTHING_TO_DO: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<nomessage/>\n";

/// Takes an HTTP event: a form, under any or no media type. What cannot be accepted is kept in quarantine, of what is larger
/// than 40 KiB the beginning with its hash, and acknowledged all the same: the proxy would repeat it for ever.
///
/// # Errors
/// 400 for a body that ends early, 403, 408, 429, 503.
#[utoipa::path(
    post,
    path = "/isl/{integration}/{key}/events",
    tag = "inbound",
    operation_id = "receiveIslEvent",
    security(()),
    params(
        ("integration" = String, Path, description = "Name of the integration"),
        ("key" = String, Path, description = "The secret part of the URL"),
    ),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "The fields as the proxy posts them; EVENT and MODULE must be there once, else it is kept in quarantine"),
    responses(
        (status = 200, description = "Durable: `<nomessage/>`", body = String, content_type = "text/xml; charset=utf-8"),
        (status = 400, description = "The body ended early"),
        (status = 403, description = "From an address that the integration does not allow; kept in quarantine"),
        (status = 408, description = "The body did not arrive within ten seconds"),
        (status = 429, description = "Too many wrong keys from this address; a right key is never slowed down"),
        (status = 503, description = "Could not be made durable; send it again"),
    ),
)]
pub async fn receive_event(
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
    intake: Data<Intake>,
) -> Result<HttpResponse, Problem> {
    let (name, key) = path.into_inner();
    let sender = api::sender(&request, &intake.proxies);
    let taken = match intake.integration(Source::Isl, &name, &key, sender).await {
        Ok(integration) => intake.take_event(payload, &integration, sender).await,
        Err(problem) => Err(problem),
    };
    intake.count(
        &name,
        match &taken {
            Ok(word) => word,
            Err(problem) => Intake::outcome(problem),
        },
    );
    taken.map(|_| HttpResponse::Ok().content_type("text/xml; charset=utf-8").body(NOTHING_TO_DO))
}

/// Takes a token of the JWT webhook, `{"jwt":"…"}`; the answer says where it is durable.
///
/// # Errors
/// 400, 401, 403, 408, 413, 422, 429, 503.
#[utoipa::path(
    post,
    path = "/isl/{integration}/{key}/jwt",
    tag = "inbound",
    operation_id = "receiveIslToken",
    security(()),
    params(
        ("integration" = String, Path, description = "Name of the integration"),
        ("key" = String, Path, description = "The secret part of the URL"),
    ),
    request_body(content = ref("#/components/schemas/IslTokenPosted"), content_type = "application/json"),
    responses(
        (status = 200, description = "Verified, and durable", body = ref("#/components/schemas/Receipt")),
        (status = 400, description = "Not strict JSON; kept in quarantine"),
        (status = 401, description = "The token is not believed, or there is no key to verify it by; kept in quarantine"),
        (status = 403, description = "From an address that the integration does not allow; kept in quarantine"),
        (status = 408, description = "The body did not arrive within ten seconds"),
        (status = 422, description = "JSON without a token, or claims that cannot be acted on; kept in quarantine"),
        (status = 429, description = "Too many wrong keys from this address; a right key is never slowed down"),
        (status = 503, description = "The JWK set cannot be fetched, or it could not be made durable; send it again"),
    ),
)]
pub async fn receive_token(
    request: HttpRequest,
    path: Path<(String, String)>,
    payload: Payload,
    intake: Data<Intake>,
) -> Result<impl Responder, Problem> {
    let (name, key) = path.into_inner();
    let sender = api::sender(&request, &intake.proxies);
    let taken = match intake.integration(Source::Isl, &name, &key, sender).await {
        Ok(integration) => intake.take_token(payload, &integration, sender).await,
        Err(problem) => Err(problem),
    };
    intake.count(&name, taken.as_ref().map_or_else(Intake::outcome, |_| "accepted"));
    taken.map(Json)
}

impl Intake {
    /// What became of a message that is acknowledged, as it is counted.
    async fn take_event(
        &self,
        payload: Payload,
        integration: &IntegrationRow,
        sender: IpAddr,
    ) -> Result<&'static str, Problem> {
        let body = read_beginning(payload, MAX_BODY_BYTES).await?;
        let delivery = self.delivery(integration, &body.kept);
        if let Err(refused) = delivery.check_address(sender) {
            return Err(self.quarantine(delivery, refused).await?);
        }
        if !body.is_whole() {
            let whole = Whole { bytes: body.bytes, sha256: body.sha256 };
            self.admission.quarantine_part(delivery, &too_large(&body), &whole).await?;
            return Ok("quarantined");
        }
        match isl::message(delivery.body) {
            Ok(message) => {
                let save = self.directory.read().saves_into_sessions(&integration.integration.domain);
                self.admission.record_isl_event(delivery, message, save).await?;
                Ok("accepted")
            }
            Err(violations) => {
                let rules =
                    violations.iter().map(|rule| format!("{} {}", rule.pointer.trim_start_matches('/'), rule.detail));
                let rules = rules.collect::<Vec<_>>().join("; ");
                let detail = format!("The body is not a form of an HTTP event of ISL: {}.", rules.trim_start());
                let refused = Refused { kind: RefusedKind::Acknowledged, detail, violations };
                self.admission.quarantine(delivery, &refused).await?;
                Ok("quarantined")
            }
        }
    }

    async fn take_token(
        &self,
        payload: Payload,
        integration: &IntegrationRow,
        sender: IpAddr,
    ) -> Result<Receipt, Problem> {
        let body = read_body(payload, MAX_BODY_BYTES).await?;
        let delivery = self.delivery(integration, &body);
        let posted = delivery.check_address(sender).and_then(|()| token_in(&body));
        let believed = match posted {
            Ok(jwt) => self.believe(integration, &jwt).await?.map(|(claims, claim)| (jwt, claims, claim)),
            Err(refused) => Err(refused),
        };
        match believed {
            Ok((jwt, claims, claim)) => {
                Ok(self.admission.record_isl_token(delivery, &jwt, &claims, claim, LEEWAY).await?)
            }
            Err(refused) => Err(self.quarantine(delivery, refused).await?),
        }
    }

    fn delivery<'a>(&self, integration: &'a IntegrationRow, body: &'a [u8]) -> Delivery<'a> {
        Delivery { integration, body, idempotency_key: None, time: self.admission.now(), released: None }
    }

    /// Verifies a token, and reads what it says.
    async fn believe(
        &self,
        integration: &IntegrationRow,
        jwt: &str,
    ) -> Result<Result<(Map<String, Value>, Claim), Refused>, Problem> {
        let now = self.admission.now();
        let claims = match self.verifiers.verify(&integration.integration, jwt, now, now).await.map_err(unfetched)? {
            Ok(claims) => claims,
            Err(detail) => {
                return Ok(Err(Refused { kind: RefusedKind::Unverified, detail, violations: Vec::new() }));
            }
        };
        Ok(token_claim(&claims).map(|claim| (claims, claim)))
    }
}

fn unfetched(_: Unfetched) -> Problem {
    let detail = "The JWK set of the integration cannot be fetched; send it again. The log says what is wrong.";
    Problem::unavailable(detail).retry_after(10)
}

fn too_large(body: &Beginning) -> Refused {
    let detail = format!("The body has {} bytes; the first {} are kept.", body.bytes, body.kept.len());
    Refused { kind: RefusedKind::Acknowledged, detail, violations: Vec::new() }
}
