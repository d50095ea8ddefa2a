//! `/notices/{token}`: the page that a mailed link leads to. Mail scanners follow links, so the page has a button; only pressing
//! it shows the credentials, once, after the reveal is an event. It is for people, so what goes wrong is a page too.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use admission::{Intent, Link};
use api::{Problem, ProblemType};
use registration::client::{ClientRow, Reveal};
use registration::event::EventType;
use registration::{Kind, Row, RowKey};
use vault::Subject;

use crate::Query;
use crate::commands::outcome_unknown;
use crate::html::{self, escaped};

/// Who does what a mailed link is for, in the event.
pub(crate) const ACTOR: &str = "mailed-link";

const TITLE: &str = "Credentials";

/// Shows the page of a mailed link, with a button.
///
/// # Errors
/// None: what goes wrong is a page too.
#[utoipa::path(get, path = "/notices/{token}", tag = "subscriptions", operation_id = "showNotice", security(()),
    params(("token" = String, Path, description = "What the mailed link holds")),
    responses((status = 200, description = "A page with a button", content_type = "text/html", body = String),
        (status = 404, description = "The link is not one of this hub, or its time is over", content_type = "text/html", body = String),
        (status = 503, description = "Not possible right now", content_type = "text/html", body = String)))]
pub async fn show(query: Data<Query>, token: Path<String>) -> HttpResponse {
    let shown = async {
        let (link, row) = query.linked(&token).await?;
        let body = match query.command(&link.repetition().id).await? {
            Some(_) => "<p>The credentials were shown already. Ask who operates the hub for another way.</p>",
            None => {
                "<p>The credentials are shown once: keep them in a safe place.</p>\
                <form method=\"post\"><button>Show the credentials</button></form>"
            }
        };
        Ok(page(&row, body))
    };
    shown.await.unwrap_or_else(|problem| html::failure(TITLE, &problem))
}

/// Shows the credentials that a mailed link leads to, once, after the reveal is an event.
///
/// # Errors
/// None: what goes wrong is a page too.
#[utoipa::path(post, path = "/notices/{token}", tag = "subscriptions", operation_id = "revealNotice", security(()),
    params(("token" = String, Path, description = "What the mailed link holds")),
    responses((status = 200, description = "A page with the credentials", content_type = "text/html", body = String),
        (status = 404, description = "The link is not one of this hub, or its time is over", content_type = "text/html", body = String),
        (status = 409, description = "The button was pressed twice at once", content_type = "text/html", body = String),
        (status = 410, description = "The link was used, or nobody can read the secret any more", content_type = "text/html", body = String),
        (status = 503, description = "Not possible right now", content_type = "text/html", body = String),
        (status = 504, description = "The reveal is in the ledger, but not projected yet", content_type = "text/html", body = String)))]
pub async fn reveal(query: Data<Query>, token: Path<String>) -> HttpResponse {
    query.revealed(&token).await.unwrap_or_else(|problem| html::failure(TITLE, &problem))
}

impl Query {
    /// Shows the credentials of a link that was not used before.
    async fn revealed(&self, token: &str) -> Result<HttpResponse, Problem> {
        let (link, row) = self.linked(token).await?;
        let _revealing = self.begin(&link.repetition().id)?;
        if !self.use_link(&link, &row).await? {
            let detail = "The credentials were shown already. Ask who operates the hub for another way.";
            return Err(Problem::new(ProblemType::LinkGone, detail));
        }
        let secret = match &row.secret {
            Some(secret) => {
                let subject = Subject::Tenant(row.client.tenant.clone());
                let plain = self.open(&subject, "client_secret", secret).await?;
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

    /// The link of a token, and the client that it is about.
    async fn linked(&self, token: &str) -> Result<(Link, ClientRow), Problem> {
        let link = self.admission.link_of::<Link>(token).ok_or_else(Problem::not_found)?;
        match self.row(RowKey::new(Kind::Client, &link.client)).await? {
            Some(Row::Client(row)) => Ok((link, *row)),
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
    html::page(StatusCode::OK, TITLE, &heading, body)
}
