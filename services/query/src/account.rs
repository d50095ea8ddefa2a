//! `/v1/domains/{name}/sign-up` and `/v1/domains/{name}/forgot-password`: what anybody may ask for, without a token.
//!
//! Nobody learns from an answer whether a user exists, nor from how long it takes: the same is done in any case, and what the
//! fold makes of it is told to the mailbox alone.

pub mod link;

use std::time::Duration;

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use admission::Intent;
use api::{Problem, Throttle, read_json};
use delivery::webapi::{self, has_result};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use registration::directory::{
    Domain, Role, UserCreate, UserForgotPassword, WEBAPI_FORGOT_PASSWORD, WEBAPI_SIGN_UP, WEBAPI_TIMEOUT, WEBAPI_URL,
};
use registration::event::EventType;
use registration::quarantine::Violation;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Query;
use crate::once::refuse;
use crate::reveal::unopened;
use crate::users::{email_violation, name_violation, not_hashed, password_violation};

/// Who asks, in the event: anybody.
const ACTOR: &str = "anybody";

/// How long a sign-up can be confirmed, and a password set by a link.
const TO_CONFIRM: SignedDuration = SignedDuration::from_hours(24);
const TO_SET_PASSWORD: SignedDuration = SignedDuration::from_hours(1);

/// What is said where nobody can be written to yet. A dispatcher elsewhere may have a mail server that this process knows nothing of.
const NO_MAIL: &str = "It is recorded, but this hub has no mail server (smtp.host): a mail with a link goes out if those who operate \
    it set one up before the link is over, or tell this process of it.";

/// Seconds after which to try again: the account service, and what somebody has to set first.
const SOON: u32 = 5;
const LATER: u32 = 60;

/// What users may do by themselves.
pub struct Accounts {
    /// Bounds what one sender may ask for.
    pub throttle: Throttle,
    /// The reverse proxies whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpNet>,
    /// Whether there is a mail server.
    pub sends_mail: bool,
}

/// Who wants to be a user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignUp {
    /// The name that is wanted, unique in the domain, whatever its case.
    name: String,
    /// Where the link to confirm it is sent to.
    email: String,
    /// What to sign in with.
    #[schemars(with = "String")]
    password: SecretString,
}

/// Who has forgotten a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ForgotPassword {
    /// The name of the user in the domain.
    name: String,
}

/// What happens now, if there is anything to be done.
#[derive(Serialize, JsonSchema)]
pub struct Accepted {
    /// In words, the same for everybody.
    pub detail: &'static str,
}

/// Signs a user up: by a link in a mail, which has to be confirmed within a day, or through the external WebAPI, where that is
/// switched on. The answer is the same whether the name is free or not.
///
/// # Errors
/// 400, 404 if there is no such domain, 422 for fields that break rules, 429, 503 if the account service or the ledger does not
/// answer.
#[utoipa::path(post, path = "/v1/domains/{name}/sign-up", tag = "directory", operation_id = "signUp", security(()),
    params(("name" = String, Path, description = "Name of the domain")),
    request_body(content = ref("#/components/schemas/SignUp"), content_type = "application/json"),
    responses((status = 202, description = "Taken; the mail says more", body = ref("#/components/schemas/Accepted")),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "Not possible right now")))]
pub async fn sign_up(
    request: HttpRequest,
    query: Data<Query>,
    name: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    query.accounts.admit(&request)?;
    let asked: SignUp = read_json(payload).await?;
    refuse(asked.violations())?;
    let domain = query.domain_of_users(&name).await?;
    if query.is_external(WEBAPI_SIGN_UP, &domain) {
        let SignUp { name, email, password } = &asked;
        let parameters =
            json!({"name": name, "domain": domain.name, "email": email, "password": password.expose_secret()});
        query.ask_service(&domain, webapi::SIGN_UP, &parameters).await?;
        return Ok(accepted(
            "The account service of the organisation has the request; it writes to the address if there is more to do.",
        ));
    }
    query.record_sign_up(&domain, asked).await?;
    Ok(query
        .accounts
        .promised("If the name is free, a mail with a link is on its way to the address; it can be used for 24 hours."))
}

/// Sends a link by which a user can set another password, by mail to the user's address, or has the external WebAPI help, where
/// that is switched on. The answer is the same whether there is such a user or not; a user is sent one link in five minutes.
///
/// # Errors
/// As those of a sign-up.
#[utoipa::path(post, path = "/v1/domains/{name}/forgot-password", tag = "directory", operation_id = "forgotPassword",
    security(()), params(("name" = String, Path, description = "Name of the domain")),
    request_body(content = ref("#/components/schemas/ForgotPassword"), content_type = "application/json"),
    responses((status = 202, description = "Taken; the mail says more", body = ref("#/components/schemas/Accepted")),
        (status = 429, description = "Too many requests from this address"),
        (status = 503, description = "Not possible right now")))]
pub async fn forgot_password(
    request: HttpRequest,
    query: Data<Query>,
    name: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    query.accounts.admit(&request)?;
    let asked: ForgotPassword = read_json(payload).await?;
    refuse(Vec::from_iter(name_violation(&asked.name)))?;
    let domain = query.domain_of_users(&name).await?;
    if query.is_external(WEBAPI_FORGOT_PASSWORD, &domain) {
        let parameters = json!({"name": asked.name, "domain": domain.name});
        query.ask_service(&domain, webapi::FORGOT_PASSWORD, &parameters).await?;
        return Ok(accepted(
            "The account service of the organisation has the request; if there is such a user it helps further.",
        ));
    }
    query.record_forgotten(&domain, &asked.name).await?;
    Ok(query.accounts.promised(
        "If there is such a user with an address, a mail with a link is on its way there; it can be used for an hour.",
    ))
}

fn accepted(detail: &'static str) -> HttpResponse {
    HttpResponse::Accepted().json(Accepted { detail })
}

impl Accounts {
    fn admit(&self, request: &HttpRequest) -> Result<(), Problem> {
        let sender = api::sender(request, &self.proxies);
        self.throttle.check(sender, "Too many requests for accounts came from here; slow down.")
    }

    /// Says that a mail is on its way, where there is a mail server.
    fn promised(&self, detail: &'static str) -> HttpResponse {
        if self.sends_mail {
            return accepted(detail);
        }
        tracing::warn!("somebody signed up or forgot a password, and smtp.host is not set: no mail goes out from here");
        accepted(NO_MAIL)
    }
}

impl SignUp {
    /// Everything that is wrong with it; empty if nothing is. None of it depends on what there is.
    fn violations(&self) -> Vec<Violation> {
        [name_violation(&self.name), email_violation(&self.email), password_violation(&self.password)]
            .into_iter()
            .flatten()
            .collect()
    }
}

impl Query {
    /// A domain that is in use, also one that another process made a moment ago.
    async fn domain_of_users(&self, name: &str) -> Result<Domain, Problem> {
        if self.gate.directory().read().domain(name).is_none() {
            self.catch_up().await?;
        }
        self.gate.directory().read().domain(name).cloned().ok_or_else(Problem::not_found)
    }

    /// Whether the external WebAPI does something for the users of a domain.
    fn is_external(&self, switch: &str, domain: &Domain) -> bool {
        self.gate.directory().read().is_on(switch, Some(&domain.name))
    }

    /// Asks for a user, whether the name is taken or not: it is not even looked at.
    async fn record_sign_up(&self, domain: &Domain, asked: SignUp) -> Result<(), Problem> {
        let name_index = self.admission.name_index(domain.id, &asked.name).ok_or_else(Problem::not_found)?;
        let hash = self.passwords.hash(asked.password).await.map_err(not_hashed)?;
        let draft = self.admission.draft();
        let sealer = self.admission.seal_new_person(draft).await?;
        let data = UserCreate {
            domain_id: domain.id,
            roles: vec![Role::Member],
            name_index,
            name: sealer.name(&asked.name)?,
            email: Some(sealer.email(&asked.email)?),
            password: Some(sealer.password(&hash)?),
            confirm_until: Some(after(draft.time, TO_CONFIRM)),
        };
        let intent = Intent::by_itself(EventType::UserCreate, format!("/domains/{}", domain.name), ACTOR);
        self.admission.submit(intent.drafted(draft), &data).await?;
        Ok(())
    }

    /// Asks for a link, for whoever has the name; for nobody if nobody has it.
    async fn record_forgotten(&self, domain: &Domain, name: &str) -> Result<(), Problem> {
        self.catch_up().await?;
        let index = self.admission.name_index(domain.id, name).ok_or_else(Problem::not_found)?;
        let draft = self.admission.draft();
        let found = self.gate.directory().read().user_by_name(&index).map(|row| row.user.id.clone());
        let user = found.unwrap_or_else(|| self.admission.draft().id.to_string());
        let intent = Intent::by_itself(EventType::UserForgotPassword, format!("/domains/{}", domain.name), ACTOR);
        let data = UserForgotPassword { until: after(draft.time, TO_SET_PASSWORD) };
        self.admission.submit(intent.drafted(draft).about(&user), &data).await?;
        Ok(())
    }

    /// Has the account service do something; whatever comes of it, its answer is nobody's business here.
    async fn ask_service(&self, domain: &Domain, method: &'static str, parameters: &Value) -> Result<(), Problem> {
        let set = async |key: &'static str| {
            let set = self.admission.setting(self.gate.directory(), key, Some(&domain.name)).await;
            set.map_err(|error| unopened(&error))?.ok_or_else(|| {
                Problem::unavailable(format!("The account service is switched on, but {key} is not set."))
                    .retry_after(LATER)
            })
        };
        let target = self.egress.guard().target(set(WEBAPI_URL).await?.expose_secret());
        let seconds = set(WEBAPI_TIMEOUT).await?.expose_secret().parse().map_or(Duration::ZERO, Duration::from_secs);
        let call = webapi::call(&target, method, &parameters.to_string(), seconds);
        let failure = match self.egress.send(call).await {
            Ok(answer) if has_result(&answer) => None,
            Ok(answer) => Some(format!("no result, status {}", answer.status.as_u16())),
            Err(error) => Some(error.to_string()),
        };
        let Some(reason) = failure else {
            tracing::info!(domain.name = domain.name, webapi.method = method, "the external WebAPI has carried it out");
            return Ok(());
        };
        tracing::warn!(domain.name = domain.name, webapi.method = method, reason, "the external WebAPI gave no result");
        Err(Problem::unavailable("The account service did not answer as it should; try again.").retry_after(SOON))
    }
}

fn after(time: Timestamp, span: SignedDuration) -> Timestamp {
    time.saturating_add(span).unwrap_or(Timestamp::MAX)
}
