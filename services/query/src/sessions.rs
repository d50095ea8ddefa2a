//! `/v1/sessions`: sessions and chats of ISL systems, with the events that were kept of them.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use api::{Access, Problem, ProblemType, read_query};
use jiff::Timestamp;
use registration::directory::Scope;
use registration::isl::{SavedEvent, Session, SessionRow, form, tenant};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use vault::Subject;

use crate::Query;
use crate::commands::unreadable;

/// Sessions of one id that are looked at: one in each domain and product of each ISL system.
const MOST: usize = 1_000;

/// Which of the sessions that have the id.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SessionParameters {
    /// Name of the integration.
    integration: Option<String>,
    /// The domain of the ISL system.
    domain_id: Option<String>,
    /// The product: `ISL_LIGHT`, for example.
    module: Option<String>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    min_position: Option<String>,
}

/// A session of an ISL system, with the events that were kept of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionShown {
    /// The session.
    #[serde(flatten)]
    pub session: Session,
    /// Its last events, oldest first; none where the setting `http_events.save_into_sessions` was off when they came.
    pub events: Vec<SessionEvent>,
}

/// An event of a session.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SessionEvent {
    /// What happened.
    pub event: String,
    /// When ISL says that it happened.
    pub sent_time: Option<Timestamp>,
    /// When it was received.
    pub time: Timestamp,
    /// The form as it came.
    pub fields: Vec<FormField>,
}

/// A field of a form.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FormField {
    /// Its name.
    pub name: String,
    /// Its value; what is not UTF-8 is replaced.
    pub value: String,
}

/// Shows a session or chat of an ISL system by its id there.
///
/// # Errors
/// 400, 401, 403, 404, 409 if several have the id, 410 if the keys of its domain were destroyed, 503, 504.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", operation_id = "getSession",
    security(("bearer" = ["admin"])),
    params(("id" = String, Path, description = "Id of the session in the ISL system"), SessionParameters),
    responses((status = 200, description = "The session", body = ref("#/components/schemas/SessionShown")),
        (status = 409, description = "Several sessions have the id: say which by the parameters"),
        (status = 410, description = "The keys were destroyed: nobody can read the events any more")))]
pub async fn show(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<Json<SessionShown>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: SessionParameters = read_query(&request)?;
    query.wait_for(asked.min_position.as_deref()).await?;
    let found = query.store.sessions(id.into_inner(), MOST).await.map_err(unreadable)?;
    let mut found = found.into_iter().filter(|row| asked.means(&access, &row.session));
    match (found.next(), found.next()) {
        (Some(row), None) => Ok(Json(query.opened(row).await?)),
        (None, _) => Err(Problem::not_found()),
        (Some(_), Some(_)) => Err(Problem::new(
            ProblemType::Conflict,
            "Several sessions have this id; say which one by `integration`, `domain_id` and `module`.",
        )),
    }
}

impl SessionParameters {
    fn means(&self, access: &Access, session: &Session) -> bool {
        let fits = |asked: &Option<String>, is: Option<&str>| asked.as_deref().is_none_or(|asked| is == Some(asked));
        access.sees(&session.integration)
            && fits(&self.integration, Some(&session.integration))
            && fits(&self.domain_id, session.domain_id.as_deref())
            && fits(&self.module, Some(&session.module))
    }
}

impl Query {
    /// Opens the forms of a session's events.
    async fn opened(&self, row: SessionRow) -> Result<SessionShown, Problem> {
        let SessionRow { session, saved, .. } = row;
        let subject = Subject::Tenant(tenant(&session.integration, session.domain_id.as_deref()));
        let mut events = Vec::with_capacity(saved.len());
        for SavedEvent { event, sent_time, time, body } in saved {
            let form = self.open(&subject, "body", &body).await?;
            events.push(SessionEvent { event, sent_time, time, fields: fields(&form) });
        }
        Ok(SessionShown { session, events })
    }
}

fn fields(form: &[u8]) -> Vec<FormField> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields = form::fields(form).into_iter();
    fields.map(|field| FormField { name: text(&field.name), value: text(&field.value) }).collect()
}
