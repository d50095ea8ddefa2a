//! `/v1/users`: people who belong to a domain. Only here, and where they sign in, are their envelopes opened.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use admission::{Draft, Intent, PasswordError, Passwords, PersonSealer};
use api::{Access, Page, PageParameters, Problem, ProblemType, limit, read_json, read_query};
use registration::command::Refusal;
use registration::directory::{
    DEFAULT_DOMAIN, EmailUpdate, MAILBOX_RULE, Rename, Role, Scope, User, UserCreate, UserDelete, UserRow,
    UserSetPassword, UserState, UserUpdate, is_mailbox, normalise,
};
use registration::event::{EventType, Nothing};
use registration::quarantine::Violation;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::IntoParams;
use vault::UnsealError;

use crate::Query;
use crate::commands::{Done, Once, done, refused};
use crate::integrations::may_use_domain;
use crate::once::refuse;
use crate::reveal::{shown, unopened};

/// A user, with what is personal about it.
#[derive(Serialize, JsonSchema)]
pub struct NamedUser {
    /// The user.
    #[serde(flatten)]
    pub user: User,
    /// The name as it was written; null once the user is purged.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Domain and name, as ISL writes them: `\\domain\name`.
    pub account: Option<String>,
}

/// What is asked for when a user is made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserSpec {
    /// The domain that it shall belong to.
    #[serde(default = "default_domain")]
    domain: String,
    /// Unique in the domain, whatever its case.
    name: String,
    /// Where it is written to.
    #[serde(default)]
    email: Option<String>,
    /// What it may do in its domain.
    #[serde(default = "member")]
    roles: Vec<Role>,
    /// What it signs in with.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    password: Option<SecretString>,
}

/// The fields of a user to be replaced; those left out stay.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserPatch {
    /// Another name.
    name: Option<String>,
    /// Another e-mail address; null for none.
    #[serde(deserialize_with = "said")]
    email: Option<Option<String>>,
    /// What it may do in its domain.
    roles: Option<Vec<Role>>,
}

/// Another password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// The password.
    #[schemars(with = "String")]
    password: SecretString,
}

/// Which users.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Name of the domain.
    domain: Option<String>,
    /// `pending` (signed up, and not confirmed yet), `active`, `deleted` or `purged`; left out: active and deleted ones.
    #[param(value_type = Option<String>)]
    state: Option<UserState>,
    /// Items on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Where the page begins. It is within `next`, the address of the next page: follow that as it is.
    after: Option<String>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    min_position: Option<String>,
}

/// What is there is said, also null.
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn default_domain() -> String {
    DEFAULT_DOMAIN.to_owned()
}

fn member() -> Vec<Role> {
    vec![Role::Member]
}

/// Lists users of the hub, in the order of their making; those of ISL systems are on the stream only.
///
/// # Errors
/// 400, 401, 403, 404 if there is no such domain, 503, 504.
#[utoipa::path(get, path = "/v1/users", tag = "directory", operation_id = "listUsers",
    security(("bearer" = ["admin"])), params(ListParameters),
    responses((status = 200, description = "A page of users", body = ref("#/components/schemas/UserPage")),
        (status = 404, description = "There is no such domain")))]
pub async fn list(request: HttpRequest, query: Data<Query>) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: ListParameters = read_query(&request)?;
    query.wait_for_directory(asked.min_position.as_deref()).await?;
    let limit = limit(asked.limit)?;
    if let Some(domain) = &asked.domain {
        query.domain(&access, domain)?;
    }
    let page = PageParameters { limit: None, after: asked.after.clone(), min_position: None };
    let rows = query.users(&access, &asked, page.position()?, limit + 1);
    let page = Page::of(rows, limit, &request, |last: &UserRow| (last.position + 1).to_string());
    let mut items = Vec::with_capacity(page.items.len());
    for row in page.items {
        items.push(query.named(row).await?);
    }
    Ok(shown(&Page { items, next: page.next }))
}

/// Makes a user.
///
/// # Errors
/// 401, 403, 409 if the name is taken, or reserved for a deleted user, 422, 503, 504.
#[utoipa::path(post, path = "/v1/users", tag = "directory", operation_id = "createUser",
    security(("bearer" = ["admin"])), params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/UserSpec"), content_type = "application/json"),
    responses((status = 201, description = "The user", body = ref("#/components/schemas/NamedUser"))))]
pub async fn create(request: HttpRequest, query: Data<Query>, payload: Payload) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let spec: UserSpec = read_json(payload).await?;
    refuse(spec.violations())?;
    may_use_domain(&access, &spec.domain)?;
    let asked = query.veil(&json!([spec.domain, spec.name, spec.email, spec.roles]));
    let (once, before) = query.once(&request, &access, EventType::UserCreate, &asked).await?;
    let done = match before {
        Some(command) => done(&command, true)?,
        None => query.make(&access, once, &spec).await?,
    };
    let row = query.user(&access, &done.id).await?;
    if let (true, Some(password)) = (done.is_repeated, spec.password) {
        query.same_password(&row, password).await?;
    }
    Ok(HttpResponse::Created().insert_header((CACHE_CONTROL, "no-store")).json(query.named(row).await?))
}

/// Shows a user.
///
/// # Errors
/// 401, 403, 404, 503.
#[utoipa::path(get, path = "/v1/users/{id}", tag = "directory", operation_id = "getUser",
    security(("bearer" = ["admin"])), params(("id" = String, Path, description = "Id of the user")),
    responses((status = 200, description = "The user", body = ref("#/components/schemas/NamedUser"))))]
pub async fn show(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let row = query.user(&access, &id).await?;
    Ok(shown(&query.named(row).await?))
}

/// Replaces fields of a user.
///
/// # Errors
/// 401, 403, 404, 409 if the name is taken, 422, 503, 504.
#[utoipa::path(patch, path = "/v1/users/{id}", tag = "directory", operation_id = "updateUser",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Id of the user"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/UserPatch"), content_type = "application/json"),
    responses((status = 200, description = "The user", body = ref("#/components/schemas/NamedUser"))))]
pub async fn update(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let patch: UserPatch = read_json(payload).await?;
    refuse(patch.violations())?;
    let row = query.user(&access, &id).await?;
    let asked = query.veil(&json!([patch.name, patch.email.is_some(), patch.email, patch.roles]));
    let (once, before) = query.once(&request, &access, EventType::UserUpdate, &asked).await?;
    match before {
        Some(command) => done(&command, true)?,
        None => {
            let draft = query.admission.draft();
            let sealer = query.sealer(&row, draft).await?;
            let data = query.update_of(&row, &patch, &sealer)?;
            query.finish(once, intent(EventType::UserUpdate, &row, &access).drafted(draft), &data).await?
        }
    };
    let row = query.user(&access, &id).await?;
    Ok(shown(&query.named(row).await?))
}

/// Deletes a user, who can come back until the retention is over; then the user is purged, and what is personal about it can be
/// read in no copy of the ledger any more.
///
/// # Errors
/// 401, 403, 404, 503, 504.
#[utoipa::path(delete, path = "/v1/users/{id}", tag = "directory", operation_id = "deleteUser",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Id of the user"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 204, description = "Deleted")))]
pub async fn remove(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let row = query.user(&access, &id).await?;
    let data = UserDelete { purge_after: query.purge_after() };
    let intent = intent(EventType::UserDelete, &row, &access);
    query.carry_out(&request, &access, intent, &Nothing {}, &data).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Brings a deleted user back as it was.
///
/// # Errors
/// 401, 403, 404 if the user is purged, 409 if it is not deleted, 503, 504.
#[utoipa::path(post, path = "/v1/users/{id}/undelete", tag = "directory", operation_id = "undeleteUser",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Id of the user"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 200, description = "The user", body = ref("#/components/schemas/NamedUser"))))]
pub async fn undelete(request: HttpRequest, query: Data<Query>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let row = query.user(&access, &id).await?;
    if !query.was_carried_out(&request, &access, EventType::UserUndelete, &Nothing {}).await? {
        if matches!(row.user.state, UserState::Active | UserState::Pending) {
            return Err(Problem::new(ProblemType::Conflict, "The user is not deleted."));
        }
        let intent = intent(EventType::UserUndelete, &row, &access);
        query.carry_out(&request, &access, intent, &Nothing {}, &Nothing {}).await?;
    }
    let row = query.user(&access, &id).await?;
    Ok(shown(&query.named(row).await?))
}

/// Gives a user another password.
///
/// # Errors
/// 401, 403, 404, 422, 503, 504.
#[utoipa::path(put, path = "/v1/users/{id}/password", tag = "directory", operation_id = "setPassword",
    security(("bearer" = ["admin"])), params(
        ("id" = String, Path, description = "Id of the user"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/NewPassword"), content_type = "application/json"),
    responses((status = 204, description = "Set")))]
pub async fn set_password(
    request: HttpRequest,
    query: Data<Query>,
    id: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let NewPassword { password } = read_json(payload).await?;
    refuse(Vec::from_iter(password_violation(&password)))?;
    let row = query.user(&access, &id).await?;
    let (once, before) = query.once(&request, &access, EventType::UserSetPassword, &Nothing {}).await?;
    match before {
        Some(command) => {
            done(&command, true)?;
            query.same_password(&row, password).await?;
        }
        None => {
            let hash = query.passwords.hash(password).await.map_err(not_hashed)?;
            let draft = query.admission.draft();
            let password = query.sealer(&row, draft).await?.password(&hash)?;
            let data = UserSetPassword { password, request: None };
            query.finish(once, intent(EventType::UserSetPassword, &row, &access).drafted(draft), &data).await?;
        }
    }
    Ok(HttpResponse::NoContent().finish())
}

impl Query {
    /// A page of the users that pass.
    fn users(&self, access: &Access, asked: &ListParameters, after: u64, limit: usize) -> Vec<UserRow> {
        let directory = self.gate.directory().read();
        let passes = |row: &&UserRow| {
            let user = &row.user;
            let is_user = matches!(user.state, UserState::Active | UserState::Deleted);
            let state = asked.state.map_or(is_user, |state| state == user.state);
            let domain = asked.domain.as_ref().is_none_or(|domain| *domain == user.domain);
            row.position >= after && state && domain && is_seen(access, user)
        };
        directory.users().into_iter().filter(passes).take(limit).cloned().collect()
    }

    /// A user, also one that another process made a moment ago.
    async fn user(&self, access: &Access, id: &str) -> Result<UserRow, Problem> {
        if self.gate.directory().read().user(id).is_none() {
            self.catch_up().await?;
        }
        let directory = self.gate.directory().read();
        directory.user(id).filter(|row| is_seen(access, &row.user)).cloned().ok_or_else(Problem::not_found)
    }

    /// The user with what is personal about it.
    pub(crate) async fn named(&self, row: UserRow) -> Result<NamedUser, Problem> {
        let person = self.admission.person(&row).await.map_err(|error| unopened(&error))?;
        let (name, email) = person.map(|person| (person.name, person.email)).unzip();
        let account = name.as_ref().map(|name| format!("\\\\{}\\{name}", row.user.domain));
        Ok(NamedUser { user: row.user, name, email: email.flatten(), account })
    }

    /// Makes a user. That the name is free is looked at before anything is sealed, and decided by the fold.
    async fn make(&self, access: &Access, once: Once<'_>, spec: &UserSpec) -> Result<Done, Problem> {
        self.catch_up().await?;
        let domain_id = self.gate.directory().read().domain(&spec.domain).map(|domain| domain.id);
        let domain_id = domain_id.ok_or_else(|| refused(Refusal::DomainNotFound))?;
        let name_index = self.admission.name_index(domain_id, &spec.name).ok_or_else(Problem::not_found)?;
        if self.gate.directory().read().user_by_name(&name_index).is_some() {
            return Err(refused(Refusal::NameTaken));
        }
        let hash = match &spec.password {
            Some(password) => Some(self.passwords.hash(password.clone()).await.map_err(not_hashed)?),
            None => None,
        };
        let draft = self.admission.draft();
        let sealer = self.admission.seal_new_person(draft).await?;
        let data = UserCreate {
            domain_id,
            roles: spec.roles.clone(),
            name_index,
            name: sealer.name(&spec.name)?,
            email: spec.email.as_ref().map(|email| sealer.email(email)).transpose()?,
            password: hash.as_ref().map(|hash| sealer.password(hash)).transpose()?,
            confirm_until: None,
        };
        let source = format!("/domains/{}", spec.domain);
        let intent = Intent::new(EventType::UserCreate, source, &access.token).drafted(draft);
        self.finish(once, intent, &data).await
    }

    fn update_of(&self, row: &UserRow, patch: &UserPatch, sealer: &PersonSealer<'_>) -> Result<UserUpdate, Problem> {
        let rename = match (&patch.name, &row.name_index) {
            (Some(name), Some(from)) => {
                let index = self.admission.name_index(row.user.domain_id, name).ok_or_else(Problem::not_found)?;
                Some(Rename { from_index: from.clone(), name_index: index, name: sealer.name(name)? })
            }
            _ => None,
        };
        let email = match &patch.email {
            Some(to) => Some(EmailUpdate { to: to.as_ref().map(|email| sealer.email(email)).transpose()? }),
            None => None,
        };
        Ok(UserUpdate { rename, email, roles: patch.roles.clone() })
    }

    /// Seals for an event about a user. One who was purged meanwhile is not found, and gets no new key.
    pub(crate) async fn sealer(&self, row: &UserRow, draft: Draft) -> Result<PersonSealer<'_>, Problem> {
        self.admission.seal_person(row, draft).await.map_err(|error| match error {
            UnsealError::NoKey => Problem::not_found(),
            error => unopened(&error),
        })
    }

    /// What a request with personal fields is known by: a keyed hash, for the ledger keeps it for ever. Passwords have no part
    /// in it.
    fn veil(&self, asked: &Value) -> Vec<String> {
        self.admission.vault().fingerprint("request", asked.to_string().as_bytes())
    }

    /// Refuses a repetition that came with another password than before. Only the user's own hash can tell.
    async fn same_password(&self, row: &UserRow, password: SecretString) -> Result<(), Problem> {
        let hash = self.admission.password_hash(row).await.map_err(|error| unopened(&error))?;
        match self.passwords.verify(hash, password).await.map_err(not_hashed)? {
            true => Ok(()),
            false => Err(Problem::new(
                ProblemType::IdempotencyKeyReused,
                "This Idempotency-Key came with another password before, or the password was changed since; use a new one.",
            )),
        }
    }
}

pub(crate) fn not_hashed(error: PasswordError) -> Problem {
    tracing::warn!(error = &error as &dyn std::error::Error, "a password was not hashed");
    Problem::unavailable("The password could not be hashed right now; try again.")
}

/// Whether an access token sees a user: not one that is limited to integrations.
fn is_seen(access: &Access, user: &User) -> bool {
    let token = &access.token;
    token.integrations.is_empty() && token.domain.as_ref().is_none_or(|domain| *domain == user.domain)
}

fn intent(kind: EventType, row: &UserRow, access: &Access) -> Intent {
    Intent::new(kind, format!("/domains/{}", row.user.domain), &access.token).about(&row.user.id)
}

impl UserSpec {
    /// Everything that is wrong with it; empty if nothing is.
    fn violations(&self) -> Vec<Violation> {
        let (name, email) = (name_violation(&self.name), self.email.as_deref().and_then(email_violation));
        let password = self.password.as_ref().and_then(password_violation);
        [name, email, roles_violation(&self.roles), password].into_iter().flatten().collect()
    }
}

impl UserPatch {
    /// Everything that is wrong with it; empty if nothing is.
    fn violations(&self) -> Vec<Violation> {
        let name = self.name.as_deref().and_then(name_violation);
        let email = self.email.as_ref().and_then(Option::as_deref).and_then(email_violation);
        let roles = self.roles.as_deref().and_then(roles_violation);
        [name, email, roles].into_iter().flatten().collect()
    }
}

fn violation(pointer: &str, detail: &str) -> Violation {
    Violation { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

pub(crate) fn name_violation(name: &str) -> Option<Violation> {
    let rule = "must have 1 to 255 characters, none of them a space, a control, invisible, / or \\";
    normalise(name).is_none().then(|| violation("/name", rule))
}

pub(crate) fn email_violation(email: &str) -> Option<Violation> {
    (!is_mailbox(email)).then(|| violation("/email", MAILBOX_RULE))
}

fn roles_violation(roles: &[Role]) -> Option<Violation> {
    let fits = (1..=Role::ALL.len()).contains(&roles.len());
    (!fits).then(|| violation("/roles", "must name one or two roles"))
}

pub(crate) fn password_violation(password: &SecretString) -> Option<Violation> {
    Passwords::violation(password).map(|rule| violation("/password", rule))
}
