//! `/v1/settings`: what an administrator of ISL Conference Proxy knows from its Integration page.

mod check;

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use admission::Intent;
use api::{Access, Page, Problem, ProblemType, limit, read_json, read_query};
use jiff::{SignedDuration, Timestamp};
use registration::directory::{
    Definition, PRIVATE_KEY, SETTINGS, Scope, SetValue, SettingRow, SettingSet, SettingType, SettingValue, definition,
    setting_key, settings_tenant,
};
use registration::event::EventType;
use registration::quarantine::Violation;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::IntoParams;
use vault::Subject;

use crate::Query;
use crate::once::refuse;
use crate::subscriptions::From;

/// How long the public half of a replaced private key is still served: longer than any token lives, and than most receivers
/// keep a JWK set.
const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

/// A setting as it is in force.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SettingShown {
    /// Its name.
    pub key: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// For which domain it is shown; null for the hub.
    pub domain: Option<String>,
    /// What is in force; null where there is nothing, and for a private key, which is never shown.
    pub value: Option<String>,
    /// Where that comes from.
    pub origin: SettingOrigin,
    /// Scheme and host of a URL, or which private key it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// What is in force where nothing was set; null for nothing.
    pub default: Option<String>,
    /// What it means.
    pub description: String,
    /// The id of the access token whose holder changed it last, here.
    pub changed_by: Option<String>,
    /// When it was changed last, here.
    pub changed_time: Option<Timestamp>,
}

/// Where the value of a setting comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SettingOrigin {
    /// It was set for the domain.
    Domain,
    /// It was set for the hub.
    Hub,
    /// It was not set.
    Default,
}

/// For whom settings are asked for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SettingParameters {
    /// The domain; the hub if it is left out, but to a token that is limited to a domain its own.
    domain: Option<String>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    min_position: Option<String>,
}

/// Which page of the settings, for whom.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SettingsParameters {
    /// The domain; the hub if it is left out, but to a token that is limited to a domain its own.
    domain: Option<String>,
    /// Items on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Where the page begins. It is within `next`, the address of the next page: follow that as it is.
    after: Option<String>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    min_position: Option<String>,
}

/// What a setting is to be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingRequest {
    /// The value: `yes` or `no` for a switch, a number of seconds, a URL, a key in PEM, …
    #[schemars(with = "String")]
    pub value: SecretString,
    /// For which domain; the hub if it is left out, but for a token that is limited to a domain its own.
    #[serde(default)]
    pub domain: Option<String>,
}

/// Lists the settings that are in force for a domain, or for the hub.
///
/// # Errors
/// 400, 401, 403, 503.
#[utoipa::path(get, path = "/v1/settings", tag = "settings", operation_id = "listSettings",
    security(("bearer" = ["admin"])), params(SettingsParameters),
    responses((status = 200, description = "A page of settings", body = ref("#/components/schemas/SettingPage"))))]
pub async fn list(request: HttpRequest, query: Data<Query>) -> Result<Json<Page<SettingShown>>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: SettingsParameters = read_query(&request)?;
    query.wait_for(asked.min_position.as_deref()).await?;
    let limit = limit(asked.limit)?;
    let after = asked.after.as_deref().unwrap_or("0").parse::<usize>();
    let after = after.map_err(|_| Problem::query("`after` must be taken from a page's `next`."))?;
    let domain = of_domain(&access, asked.domain)?;
    let numbered = SETTINGS.iter().zip(1..).skip(after).take(limit + 1).collect();
    let page = Page::of(numbered, limit, &request, |(_, number): &(&Definition, usize)| number.to_string());
    let mut items = Vec::with_capacity(page.items.len());
    for (definition, _) in page.items {
        items.push(query.setting(definition, domain.as_deref()).await?);
    }
    Ok(Json(Page { items, next: page.next }))
}

/// Shows a setting that is in force for a domain, or for the hub.
///
/// # Errors
/// 400, 401, 403, 404, 503.
#[utoipa::path(get, path = "/v1/settings/{key}", tag = "settings", operation_id = "getSetting",
    security(("bearer" = ["admin"])),
    params(("key" = String, Path, description = "Name of the setting"), SettingParameters),
    responses((status = 200, description = "The setting", body = ref("#/components/schemas/SettingShown"))))]
pub async fn show(request: HttpRequest, query: Data<Query>, key: Path<String>) -> Result<Json<SettingShown>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let asked: SettingParameters = read_query(&request)?;
    query.wait_for(asked.min_position.as_deref()).await?;
    let domain = of_domain(&access, asked.domain)?;
    Ok(Json(query.setting(known(&key)?, domain.as_deref()).await?))
}

/// Sets a setting of a domain, or of the hub.
///
/// # Errors
/// 400, 401, 403, 404, 409 if there is no such domain, or no key for a URL, 422, 503, 504.
#[utoipa::path(put, path = "/v1/settings/{key}", tag = "settings", operation_id = "setSetting",
    security(("bearer" = ["admin"])),
    params(("key" = String, Path, description = "Name of the setting"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    request_body(content = ref("#/components/schemas/SettingRequest"), content_type = "application/json"),
    responses((status = 200, description = "The setting", body = ref("#/components/schemas/SettingShown"))))]
pub async fn set(
    request: HttpRequest,
    query: Data<Query>,
    key: Path<String>,
    payload: Payload,
) -> Result<Json<SettingShown>, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let definition = known(&key)?;
    let asked: SettingRequest = read_json(payload).await?;
    let domain = of_domain(&access, asked.domain)?;
    refuse(scoped(definition, domain.as_deref()))?;
    let checked = check::value(definition.kind, asked.value.expose_secret(), query.egress.guard());
    let checked = checked.map_err(|mut detail| {
        if asked.value.expose_secret().trim().is_empty() {
            detail.push_str("; to take it back: regledger setting reset ");
            detail.push_str(definition.key);
        }
        Violation { pointer: "/value".to_owned(), detail }
    });
    let checked = match checked {
        Ok(checked) => checked,
        Err(violation) => return Err(refuse(vec![violation]).err().unwrap_or_else(Problem::not_found)),
    };
    let draft = query.admission.draft();
    let value = match definition.kind.is_sealed() {
        true => {
            let subject = Subject::Tenant(settings_tenant(domain.as_deref()));
            let value = query.admission.seal_for(draft, &subject, "value", &checked.value).await?;
            SettingValue::Secret { value, summary: checked.summary, public_key: checked.public_key }
        }
        false => SettingValue::Plain(checked.value.expose_secret().to_owned()),
    };
    let start = query.start(From::Now).await?;
    let set = SettingSet { start, ..query.set_of(definition, domain.clone(), Some(value)) };
    let fingerprint = query.admission.vault().fingerprint("settings", checked.value.expose_secret().as_bytes());
    let intent = intent(definition, domain.as_deref(), &access).drafted(draft);
    let hidden = json!([domain, fingerprint.first()]);
    query.carry_out(&request, &access, intent, &hidden, &set).await?;
    Ok(Json(query.setting(definition, domain.as_deref()).await?))
}

/// Takes a setting of a domain back, which then has the hub's, or one of the hub, which then is as if it was never set.
///
/// # Errors
/// 400, 401, 403, 404, 409 if it is a key that a URL needs, or no domain has one of its own, 503, 504.
#[utoipa::path(delete, path = "/v1/settings/{key}", tag = "settings", operation_id = "resetSetting",
    security(("bearer" = ["admin"])),
    params(("key" = String, Path, description = "Name of the setting"), SettingParameters,
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and body give the same outcome")),
    responses((status = 204, description = "It is not set any more")))]
pub async fn reset(request: HttpRequest, query: Data<Query>, key: Path<String>) -> Result<HttpResponse, Problem> {
    let access = query.gate.admit(&request, Scope::Admin).await?;
    let definition = known(&key)?;
    let asked: SettingParameters = read_query(&request)?;
    query.wait_for(asked.min_position.as_deref()).await?;
    let domain = of_domain(&access, asked.domain)?;
    if !scoped(definition, domain.as_deref()).is_empty() {
        return Err(Problem::new(ProblemType::Conflict, "There is one for the whole hub; leave `domain` out."));
    }
    let set = query.set_of(definition, domain.clone(), None);
    let intent = intent(definition, domain.as_deref(), &access);
    query.carry_out(&request, &access, intent, &json!([domain, null]), &set).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn known(key: &str) -> Result<&'static Definition, Problem> {
    definition(key).ok_or_else(|| {
        let like = SETTINGS.iter().find(|known| is_like(known.key, key));
        let meant = like.map(|like| format!(" Did you mean {}?", like.key)).unwrap_or_default();
        let detail = format!("There is no such setting; `regledger setting list` has them.{meant}");
        Problem::new(ProblemType::NotFound, detail)
    })
}

/// Whether two names differ in their last letters at most, or in how their words are joined.
fn is_like(known: &str, asked: &str) -> bool {
    let letters = |text: &str| text.to_ascii_lowercase().replace(['.', '_', '-'], "");
    let (known, asked) = (letters(known), letters(asked));
    let longer = known.len().max(asked.len());
    known.bytes().zip(asked.bytes()).take_while(|(one, other)| one == other).count() + 2 >= longer
}

fn intent(definition: &Definition, domain: Option<&str>, access: &Access) -> Intent {
    let row = setting_key(definition.key, domain).id;
    Intent::new(EventType::SettingSet, format!("/settings/{row}"), &access.token).about(&row)
}

/// What is wrong with asking for a setting of a domain.
fn scoped(definition: &Definition, domain: Option<&str>) -> Vec<Violation> {
    let is_wrong = domain.is_some() && !definition.of_domain;
    let detail = "must be left out: there is one for the whole hub";
    Vec::from_iter(is_wrong.then(|| Violation { pointer: "/domain".to_owned(), detail: detail.to_owned() }))
}

/// The domain whose settings are meant. A token that sees one domain only is asked for no other, and not for the hub.
fn of_domain(access: &Access, asked: Option<String>) -> Result<Option<String>, Problem> {
    let own = access.token.domain.clone();
    let domain = asked.or(own.clone());
    if access.token.integrations.is_empty() && (own.is_none() || own == domain) {
        return Ok(domain);
    }
    Err(Problem::new(ProblemType::Forbidden, "The access token is limited, and this is outside of what it sees."))
}

impl Query {
    fn set_of(&self, definition: &Definition, domain: Option<String>, value: Option<SettingValue>) -> SettingSet {
        let is_key = definition.key == PRIVATE_KEY;
        let overlap_until = is_key.then(|| self.admission.now().saturating_add(OVERLAP).ok()).flatten();
        SettingSet { key: definition.key.to_owned(), domain, value, overlap_until, start: Vec::new() }
    }

    /// A setting as it is in force.
    async fn setting(&self, definition: &'static Definition, domain: Option<&str>) -> Result<SettingShown, Problem> {
        let (own, in_force) = {
            let directory = self.gate.directory().read();
            let own = directory.own_setting(definition.key, domain).cloned();
            (own, directory.setting(definition.key, domain).cloned())
        };
        let default = Some(definition.default.to_owned()).filter(|default| !default.is_empty());
        let origin = match &in_force {
            Some(row) if row.change.domain.is_some() => SettingOrigin::Domain,
            Some(_) => SettingOrigin::Hub,
            None => SettingOrigin::Default,
        };
        let (value, summary) = match &in_force {
            Some(row) => self.value_of(definition, row).await?,
            None => (default.clone(), None),
        };
        Ok(SettingShown {
            key: definition.key.to_owned(),
            kind: definition.kind,
            domain: domain.map(str::to_owned),
            value,
            origin,
            summary,
            default,
            description: definition.description.to_owned(),
            changed_by: own.as_ref().and_then(|row| row.change.changed_by.clone()),
            changed_time: own.map(|row| row.change.changed_time),
        })
    }

    /// The value of a setting, and what can be said of it where it is not shown.
    async fn value_of(
        &self,
        definition: &Definition,
        row: &SettingRow,
    ) -> Result<(Option<String>, Option<String>), Problem> {
        match &row.value {
            Some(SetValue::Plain(text)) => Ok((Some(text.clone()), None)),
            Some(SetValue::Secret { summary, .. }) if definition.kind == SettingType::PrivateKey => {
                Ok((None, summary.clone()))
            }
            Some(SetValue::Secret { value, summary, .. }) => {
                let subject = Subject::Tenant(settings_tenant(row.change.domain.as_deref()));
                let plain = self.open(&subject, "value", value).await?;
                Ok((Some(String::from_utf8_lossy(&plain).into_owned()), summary.clone()))
            }
            None => Ok((None, None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_nearly_right_is_recognised() {
        for (asked, meant) in [
            ("webhook_events.user_created", Some("webhook_events.user_create")),
            ("jwt-webhook.url", Some("jwt_webhook.url")),
            ("JWT_WEBHOOK.URL", Some("jwt_webhook.url")),
            ("http_events.global", None),
            ("nonesuch", None),
        ] {
            let said = known(asked).unwrap_err();
            assert_eq!(said.kind(), ProblemType::NotFound, "{asked}");
            let due = meant.map(|meant| format!("Did you mean {meant}?")).unwrap_or_default();
            assert!(
                said.detail().ends_with(&due) && said.detail().contains("Did you mean") == meant.is_some(),
                "{asked}"
            );
        }
    }
}
