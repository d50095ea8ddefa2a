//! Tests of a subscription: something is sent at once, and what came of it is told.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use api::{Problem, ProblemType};
use delivery::destination::{Destination, Parcel, Webhook};
use delivery::webhook::SigningKey;
use registration::directory::{Scope, SubscriptionKind, SubscriptionRow};
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;
use vault::Subject;

use crate::Query;

/// How long a test may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// What came of a test.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TestDelivery {
    /// Id of what was sent, as in `webhook-id`.
    pub id: String,
    /// `delivered`, `failed`, `gone` (410) or `refused` (the URL may not be called).
    pub outcome: String,
    /// The HTTP status; null if there was no answer.
    pub status: Option<u16>,
    /// How long it took.
    pub seconds: f64,
    /// The first characters of the answer, or why there was none.
    pub answer: String,
}

/// Sends a test to where a subscription leads, signed as changes are, and tells what came of it. It is no change and is sent
/// once.
///
/// # Errors
/// 401, 403, 404, 409, 503.
#[utoipa::path(post, path = "/v1/subscriptions/{id}/test", tag = "subscriptions", operation_id = "testSubscription",
    security(("bearer" = ["admin"])), params(("id" = String, Path, description = "Name or id of the subscription")),
    responses((status = 200, description = "What came of it", body = ref("#/components/schemas/TestDelivery")),
        (status = 409, description = "It is no webhook")))]
pub async fn test(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<Json<TestDelivery>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let row = query.subscription(&access, &id)?;
    if row.subscription.kind != SubscriptionKind::Webhook {
        let detail = "Only a webhook can be tested. To see a mail, have a change happen that it is for, as by `regledger simulate`.";
        return Err(Problem::new(ProblemType::Conflict, detail));
    }
    let webhook = query.webhook(&row).await?;
    let parcel = query.trial(&row);
    let started = Instant::now();
    let outcome = webhook.attempt(&parcel, query.admission.now()).await;
    Ok(Json(TestDelivery {
        id: parcel.id,
        outcome: outcome.word().to_owned(),
        status: outcome.status,
        seconds: started.elapsed().as_secs_f64(),
        answer: outcome.answer,
    }))
}

impl Query {
    /// Where a webhook leads, with its keys.
    async fn webhook(&self, row: &SubscriptionRow) -> Result<Webhook, Problem> {
        let subject = Subject::Subscription(row.subscription.id.to_string());
        let mut keys = Vec::new();
        for key in &row.keys {
            let plain = self.open(&subject, key.field(), &key.key).await?;
            let text: SecretString = String::from_utf8_lossy(&plain).into_owned().into();
            let key_of = SigningKey::parse(&text).map_err(|_| Problem::new(ProblemType::Internal, "A key is none."))?;
            keys.push((key_of, key.until));
        }
        Ok(Webhook::new(self.egress.clone(), &self.target(row).await?, keys, DEADLINE))
    }

    /// A CloudEvent that says that it is a test.
    fn trial(&self, row: &SubscriptionRow) -> Parcel {
        let draft = self.admission.draft();
        let id = format!("test-{}", draft.id);
        let name = &row.subscription.name;
        let body = json!({
            "specversion": "1.0", "id": id, "source": format!("/subscriptions/{name}"),
            "type": "regledger.subscription.test.v1", "subject": name, "time": draft.time,
            "datacontenttype": "application/json", "data": {"message": "This is a test."},
        });
        Parcel { id, kind: "subscription.test".to_owned(), body: body.to_string().into() }
    }
}
