//! `/notices/{token}`: the page that a mailed link leads to. Mail scanners follow links, so the page has a button; only pressing
//! it shows the credentials, once, after the reveal is an event.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use admission::{Intent, Link};
use api::Problem;
use registration::client::{ClientRow, Reveal};
use registration::event::EventType;
use registration::{Kind, Row, RowKey};
use vault::Subject;

use crate::Query;
use crate::commands::outcome_unknown;
use crate::html::{self, escaped};

/// Who does what a mailed link is for, in the event.
pub(crate) const ACTOR: &str = "mailed-link";

/// Shows the page of a mailed link, with a button.
///
/// # Errors
/// 404 if the link is not ours or its time is over, 503.
#[utoipa::path(get, path = "/notices/{token}", tag = "subscriptions", operation_id = "showNotice", security(()),
    params(("token" = String, Path, description = "What the mailed link holds")),
    responses((status = 200, description = "A page with a button", content_type = "text/html", body = String),
        (status = 503, description = "Not possible right now")))]
pub async fn show(_: HttpRequest, query: Data<Query>, token: Path<String>) -> Result<HttpResponse, Problem> {
    let link = query.admission.link_of::<Link>(&token).ok_or_else(Problem::not_found)?;
    let row = query.linked(&link).await?;
    let body = match query.command(&link.repetition().id).await? {
        Some(_) => "<p>The credentials were shown already. Ask who operates the hub for another way.</p>".to_owned(),
        None => "<p>The credentials are shown once: keep them in a safe place.</p>\
            <form method=\"post\"><button>Show the credentials</button></form>"
            .to_owned(),
    };
    Ok(page(&row, &body))
}

/// Shows the credentials that a mailed link leads to, once, after the reveal is an event.
///
/// # Errors
/// 404 if the link is not ours or its time is over, 410 if it was used or the key was destroyed, 503, 504.
#[utoipa::path(post, path = "/notices/{token}", tag = "subscriptions", operation_id = "revealNotice", security(()),
    params(("token" = String, Path, description = "What the mailed link holds")),
    responses((status = 200, description = "A page with the credentials", content_type = "text/html", body = String),
        (status = 410, description = "The link was used, or nobody can read the secret any more"),
        (status = 503, description = "Not possible right now"),
        (status = 504, description = "The reveal is in the ledger, but not projected yet")))]
pub async fn reveal(_: HttpRequest, query: Data<Query>, token: Path<String>) -> Result<HttpResponse, Problem> {
    let link = query.admission.link_of::<Link>(&token).ok_or_else(Problem::not_found)?;
    let row = query.linked(&link).await?;
    let _revealing = query.begin(&link.repetition().id)?;
    if !query.use_link(&link, &row).await? {
        let detail = "The link was used: the credentials were shown already.";
        return Err(Problem::new(api::ProblemType::LinkGone, detail));
    }
    let secret = match &row.secret {
        Some(secret) => {
            let subject = Subject::Tenant(row.client.tenant.clone());
            let plain = query.open(&subject, "client_secret", secret).await?;
            escaped(&String::from_utf8_lossy(&plain))
        }
        None => "none".to_owned(),
    };
    let id = escaped(&row.client.client_id);
    let body = format!(
        "<dl><dt>Client id</dt><dd><code>{id}</code></dd><dt>Client secret</dt><dd><code>{secret}</code></dd></dl>"
    );
    Ok(page(&row, &body))
}

impl Query {
    async fn linked(&self, link: &Link) -> Result<ClientRow, Problem> {
        match self.row(RowKey::new(Kind::Client, &link.client)).await? {
            Some(Row::Client(row)) => Ok(*row),
            _ => Err(Problem::not_found()),
        }
    }

    /// Makes the use of a link an event; false if it was used before. Of two who use it at once, one did.
    async fn use_link(&self, link: &Link, row: &ClientRow) -> Result<bool, Problem> {
        let repetition = link.repetition();
        if self.command(&repetition.id).await?.is_some() {
            return Ok(false);
        }
        let source = format!("/integrations/{}", row.client.integration);
        let mut intent = Intent::by_itself(EventType::ClientReveal, source, ACTOR)
            .about(&row.client.id)
            .in_partition(row.client.partition);
        intent.repetition = Some(repetition);
        let data = Reveal { reason: format!("the link in the mail about {}", link.change) };
        let submitted = self.admission.submit(intent, &data).await?;
        if !self.is_projected(submitted.place).await {
            return Err(outcome_unknown(submitted.place));
        }
        let command = self.command(&submitted.outcome.id).await?;
        let place = command.map(|command| (command.partition, command.position));
        Ok(place == Some((submitted.place.partition, submitted.place.position)))
    }
}

fn page(row: &ClientRow, body: &str) -> HttpResponse {
    let heading = format!("{} at {}", row.client.integration, row.client.tenant);
    html::page(StatusCode::OK, "Credentials", &heading, body)
}
