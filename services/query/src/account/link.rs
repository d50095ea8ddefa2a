//! `/account/{token}`: the page that a mail to a user leads to. Mail scanners follow links, so the page has a button, and only
//! pressing it changes anything. It is for people, so what goes wrong is a page too.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use admission::{AccountLink, Intent};
use api::{Problem, ProblemType, read_body};
use registration::directory::{UserConfirm, UserRow, UserSetPassword, UserState};
use registration::event::EventType;
use secrecy::SecretString;
use serde::Serialize;
use url::form_urlencoded;
use uuid::Uuid;

use crate::Query;
use crate::commands::Once;
use crate::html;
use crate::notices::ACTOR;
use crate::users::{not_hashed, password_violation};

/// The largest form in bytes: that of the longest password, each byte written as three.
const MAX_FORM: usize = 4 * 1024;

const CONFIRMED: &str =
    "<p>The account is yours, with the name and the password that you have chosen. You can close this page.</p>";
const TO_CONFIRM: &str = "<p>Press the button to have this account.</p>\
    <form method=\"post\"><button>Confirm</button></form>";
const TO_SET_PASSWORD: &str = "<form method=\"post\"><p><label>New password, 8 characters at least: \
    <input type=\"password\" name=\"password\" minlength=\"8\" maxlength=\"1024\" autocomplete=\"new-password\" required>\
    </label></p><button>Set the password</button></form>";
const PASSWORD_SET: &str = "<p>The new password is set and counts from now on. You can close this page.</p>";

/// Shows the page of a link in a mail to a user, with a button. Nothing is changed by it.
///
/// # Errors
/// None: what goes wrong is a page too.
#[utoipa::path(get, path = "/account/{token}", tag = "directory", operation_id = "showAccountLink", security(()),
    params(("token" = String, Path, description = "What the mailed link holds")),
    responses((status = 200, description = "A page with a button", content_type = "text/html", body = String),
        (status = 404, description = "The link is not one of this hub, or its time is over", content_type = "text/html", body = String),
        (status = 410, description = "The link was used, or a newer one was sent", content_type = "text/html", body = String),
        (status = 503, description = "Not possible right now", content_type = "text/html", body = String)))]
pub async fn show(query: Data<Query>, token: Path<String>) -> HttpResponse {
    let shown = async {
        let (link, row) = query.followed(&token).await?;
        let body = match link.request {
            None if row.user.state == UserState::Active => CONFIRMED,
            None => TO_CONFIRM,
            Some(_) => TO_SET_PASSWORD,
        };
        query.account_page(StatusCode::OK, row, body).await
    };
    shown.await.unwrap_or_else(|problem| html::failure("Account", &problem))
}

/// Does what a link in a mail to a user is for: confirms that the user signed up, or sets the password that the form holds.
///
/// # Errors
/// None: what goes wrong is a page too.
#[utoipa::path(post, path = "/account/{token}", tag = "directory", operation_id = "followAccountLink", security(()),
    params(("token" = String, Path, description = "What the mailed link holds")),
    request_body(content = Option<String>, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "A page that says that it is done", content_type = "text/html", body = String),
        (status = 400, description = "The form ended early", content_type = "text/html", body = String),
        (status = 404, description = "The link is not one of this hub, or its time is over", content_type = "text/html", body = String),
        (status = 409, description = "Somebody else has the name by now", content_type = "text/html", body = String),
        (status = 410, description = "The link was used, or a newer one was sent", content_type = "text/html", body = String),
        (status = 413, description = "The form is too large", content_type = "text/html", body = String),
        (status = 422, description = "The page again: the password is too short or too long", content_type = "text/html", body = String),
        (status = 503, description = "Not possible right now", content_type = "text/html", body = String),
        (status = 504, description = "It is in the ledger, but not projected yet", content_type = "text/html", body = String)))]
pub async fn follow(query: Data<Query>, token: Path<String>, payload: Payload) -> HttpResponse {
    let done = async {
        let (link, row) = query.followed(&token).await?;
        match link.request {
            None => query.confirm(row).await,
            Some(request) => query.set_forgotten(row, request, password_of(payload).await?).await,
        }
    };
    done.await.unwrap_or_else(|problem| html::failure("Account", &problem))
}

/// The field of the form.
async fn password_of(payload: Payload) -> Result<SecretString, Problem> {
    let form = read_body(payload, MAX_FORM).await?;
    let field = form_urlencoded::parse(&form).find(|(name, _)| name == "password");
    Ok(field.map(|(_, password)| password.into_owned()).unwrap_or_default().into())
}

impl Query {
    /// The link of a token and its user, if it is still good for something.
    async fn followed(&self, token: &str) -> Result<(AccountLink, UserRow), Problem> {
        let link = self.admission.link_of::<AccountLink>(token).ok_or_else(Problem::not_found)?;
        self.catch_up().await?;
        let row = self.gate.directory().read().user(&link.user).cloned().ok_or_else(gone)?;
        let is_good = match link.request {
            None => matches!(row.user.state, UserState::Pending | UserState::Active),
            Some(request) => row.reset.as_ref().is_some_and(|reset| reset.request == request),
        };
        if is_good { Ok((link, row)) } else { Err(gone()) }
    }

    /// Makes a user of one who signed up. The button may be pressed twice.
    async fn confirm(&self, row: UserRow) -> Result<HttpResponse, Problem> {
        if row.user.state == UserState::Pending {
            let data = UserConfirm { name_index: row.name_index.clone().ok_or_else(gone)? };
            self.use_account_link(Intent::by_itself(EventType::UserConfirm, source(&row), ACTOR), &row, &data).await?;
        }
        self.account_page(StatusCode::OK, row, CONFIRMED).await
    }

    async fn set_forgotten(
        &self,
        row: UserRow,
        request: Uuid,
        password: SecretString,
    ) -> Result<HttpResponse, Problem> {
        if let Some(violation) = password_violation(&password) {
            let body = format!("<p>The password {}.</p>{TO_SET_PASSWORD}", violation.detail);
            return self.account_page(StatusCode::UNPROCESSABLE_ENTITY, row, &body).await;
        }
        let hash = self.passwords.hash(password).await.map_err(not_hashed)?;
        let draft = self.admission.draft();
        let data =
            UserSetPassword { password: self.sealer(&row, draft).await?.password(&hash)?, request: Some(request) };
        let intent = Intent::by_itself(EventType::UserSetPassword, source(&row), ACTOR).drafted(draft);
        self.use_account_link(intent, &row, &data).await?;
        self.account_page(StatusCode::OK, row, PASSWORD_SET).await
    }

    /// Appends what a link is for; the fold decides whether it still is.
    async fn use_account_link(&self, intent: Intent, row: &UserRow, data: &impl Serialize) -> Result<(), Problem> {
        let is_sign_up = row.user.state == UserState::Pending;
        let done = self.finish(Once::default(), intent.about(&row.user.id), data).await;
        done.map(drop).map_err(|problem| match problem.kind() {
            ProblemType::Conflict if is_sign_up => Problem::new(
                ProblemType::Conflict,
                "Somebody else has the name by now, or the time was over; sign up again, with another name.",
            ),
            ProblemType::Conflict | ProblemType::NotFound => gone(),
            ProblemType::OutcomeUnknown => Problem::new(
                ProblemType::OutcomeUnknown,
                "It is recorded and counts in a moment; open the link again to see what came of it.",
            ),
            _ => problem,
        })
    }

    async fn account_page(&self, status: StatusCode, row: UserRow, body: &str) -> Result<HttpResponse, Problem> {
        let account = self.named(row).await?.account.ok_or_else(gone)?;
        Ok(html::page(status, "Account", &account, body))
    }
}

fn source(row: &UserRow) -> String {
    format!("/domains/{}", row.user.domain)
}

/// The link is ours, but is of no use any more.
fn gone() -> Problem {
    let detail = "The link was used, or a newer one was sent. If you did not use it yourself, ask for another.";
    Problem::new(ProblemType::LinkGone, detail)
}
