//! What is asked of subscriptions, and what is wrong with it.

use delivery::egress::Guard;
use registration::directory::{
    ChangeFilter, MAILBOX_RULE, Signature, SubscriptionKind, SubscriptionSpec, SubscriptionUpdate, is_mailbox,
};
use registration::quarantine::Violation;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::integrations::{MAX_GRACE_SECONDS, a_day, whole};

/// From where on changes are pushed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// What is recorded from now on.
    #[default]
    Now,
    /// Everything that ever was.
    Beginning,
}

/// What is asked for when a subscription is made: a `url` for a webhook, an `address` for mails.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionRequest {
    /// Unique in the hub: `[a-z0-9][a-z0-9-]{0,62}`.
    pub name: String,
    /// The domain whose changes it is for; null for those of the whole hub. A token that is limited to a domain makes
    /// subscriptions for that one.
    #[serde(default)]
    pub domain: Option<String>,
    /// How changes are pushed: what follows from `url` and `address`.
    #[serde(default)]
    pub kind: Option<SubscriptionKind>,
    /// Where a webhook leads. Never logged nor told in a change: it may hold a secret.
    #[serde(default, skip_serializing)]
    pub url: Option<String>,
    /// The mailbox that mails go to.
    #[serde(default, skip_serializing)]
    pub address: Option<String>,
    /// Names of integrations; empty for all.
    #[serde(default)]
    pub integrations: Vec<String>,
    /// Tenants, as `provetcloud.com/1234`; empty for all.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// Short types of changes, or families of them (`client.*`); empty for all.
    #[serde(default)]
    pub types: Vec<String>,
    /// From where on changes are pushed.
    #[serde(default)]
    pub from: From,
    /// By which keys a webhook is signed: `v1` (a shared secret) by default.
    #[serde(default)]
    pub signature: Option<Signature>,
}

impl SubscriptionRequest {
    /// What follows from what was said, and from who says it.
    pub(super) fn complete(mut self, domain: Option<&str>) -> Self {
        self.domain = self.domain.take().or_else(|| domain.map(str::to_owned));
        let is_mail = self.url.is_none() && self.address.is_some();
        let kind = *self.kind.get_or_insert(if is_mail { SubscriptionKind::Email } else { SubscriptionKind::Webhook });
        if kind == SubscriptionKind::Webhook {
            self.signature.get_or_insert_default();
        }
        self
    }

    pub(super) fn target(&self) -> SecretString {
        self.url.clone().or_else(|| self.address.clone()).unwrap_or_default().into()
    }

    pub(super) fn spec(&self) -> SubscriptionSpec {
        SubscriptionSpec {
            name: self.name.clone(),
            domain: self.domain.clone(),
            kind: self.kind.unwrap_or(SubscriptionKind::Webhook),
            filter: ChangeFilter {
                integrations: self.integrations.clone(),
                tenants: self.tenants.clone(),
                types: self.types.clone(),
            },
            signature: self.signature,
        }
    }

    /// Everything that is wrong with it; empty if nothing is.
    pub(super) fn violations(&self, guard: &Guard) -> Vec<Violation> {
        let mut found = self.spec().violations();
        match (self.spec().kind, &self.url, &self.address) {
            (SubscriptionKind::Webhook, Some(url), None) => found.extend(url_violation(url, guard)),
            (SubscriptionKind::Webhook, None, None) => found.push(violation("/url", "must say where a webhook leads")),
            (SubscriptionKind::Email, None, Some(address)) => found.extend(address_violation(address)),
            (SubscriptionKind::Email, None, None) => found.push(violation("/address", "must say where mails go")),
            (SubscriptionKind::Webhook, ..) => found.push(violation("/address", "is of mails; a webhook has a url")),
            (SubscriptionKind::Email, ..) => found.push(violation("/url", "is of a webhook; mails have an address")),
        }
        if self.spec().kind == SubscriptionKind::Email && self.signature.is_some() {
            found.push(violation("/signature", "is of a webhook; mails are not signed"));
        }
        found
    }
}

/// The fields of a subscription to be replaced; those left out stay.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SubscriptionChange {
    /// Where a webhook leads.
    #[serde(skip_serializing)]
    pub url: Option<String>,
    /// The mailbox that mails go to.
    #[serde(skip_serializing)]
    pub address: Option<String>,
    /// Names of integrations; empty for all.
    pub integrations: Option<Vec<String>>,
    /// Tenants; empty for all.
    pub tenants: Option<Vec<String>>,
    /// Short types of changes, or families of them; empty for all.
    pub types: Option<Vec<String>>,
}

impl SubscriptionChange {
    pub(super) fn target(&self) -> Option<SecretString> {
        self.url.clone().or_else(|| self.address.clone()).map(SecretString::from)
    }

    /// Everything that is wrong with it; empty if nothing is.
    pub(super) fn violations(&self, guard: &Guard) -> Vec<Violation> {
        let Self { integrations, tenants, types, .. } = self.clone();
        let update = SubscriptionUpdate { id: Uuid::nil(), integrations, tenants, types, target: None };
        let mut found = update.violations();
        found.extend(self.url.as_deref().and_then(|url| url_violation(url, guard)));
        found.extend(self.address.as_deref().and_then(address_violation));
        found
    }

    /// Whether it says where a subscription of the other kind leads.
    pub(super) fn is_of_another_kind(&self, kind: SubscriptionKind) -> bool {
        match kind {
            SubscriptionKind::Webhook => self.address.is_some(),
            SubscriptionKind::Email => self.url.is_some(),
        }
    }
}

/// From where a subscription goes on.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SubscriptionResumption {
    /// `now` or `beginning`; left out: from its place.
    pub from: Option<From>,
}

/// New keys for a webhook.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionRotation {
    /// Seconds for which the old keys sign too; a day by default, 30 days at most.
    #[serde(default = "a_day", deserialize_with = "whole")]
    #[schemars(range(max = 2_592_000))]
    pub grace_seconds: u32,
    /// By which keys it is signed from now on; left out: as before.
    #[serde(default)]
    pub signature: Option<Signature>,
}

impl SubscriptionRotation {
    pub(super) fn violations(&self) -> Vec<Violation> {
        let is_too_long = self.grace_seconds > MAX_GRACE_SECONDS;
        let detail = format!("may be {MAX_GRACE_SECONDS}, which is 30 days, at most");
        Vec::from_iter(is_too_long.then(|| violation("/grace_seconds", &detail)))
    }
}

fn violation(pointer: &str, detail: &str) -> Violation {
    Violation { pointer: pointer.to_owned(), detail: detail.to_owned() }
}

/// What is refused at a call is refused here, by the same guard.
fn url_violation(url: &str, guard: &Guard) -> Option<Violation> {
    guard.check(url).err().map(|refusal| violation("/url", &refusal.to_string()))
}

fn address_violation(address: &str) -> Option<Violation> {
    (!is_mailbox(address)).then(|| violation("/address", MAILBOX_RULE))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pointers(more: Value) -> Vec<String> {
        let mut asked = json!({"name": "s"});
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let asked: SubscriptionRequest = serde_json::from_value(asked).unwrap();
        let found = asked.complete(None).violations(&Guard::new(Vec::new()));
        found.into_iter().map(|violation| violation.pointer).collect()
    }

    #[test]
    fn every_fault_of_a_subscription_is_told_where_it_is() {
        let url = "https://hooks.example.com/x";
        for (more, due) in [
            (json!({"url": url}), &[][..]),
            (json!({"url": url, "kind": "webhook", "signature": "both", "from": "beginning"}), &[]),
            (json!({"address": "hooks@example.com"}), &[]),
            (json!({}), &["/url"]),
            (json!({"kind": "email"}), &["/address"]),
            (json!({"kind": "email", "url": url}), &["/url"]),
            (json!({"url": url, "address": "hooks@example.com"}), &["/address"]),
            (json!({"address": "hooks@example.com", "signature": "v1"}), &["/signature"]),
            (json!({"url": "http://127.0.0.1:8080/"}), &["/url"]),
            (json!({"url": "http://user:password@example.com/"}), &["/url"]),
            (json!({"url": "ftp://example.com/"}), &["/url"]),
            (json!({"url": url, "name": "A"}), &["/name"]),
            (json!({"url": url, "domain": "-"}), &["/domain"]),
            (json!({"url": url, "types": ["client.*", "client.bought"]}), &["/types/1"]),
            (json!({"url": url, "integrations": ["A"]}), &["/integrations/0"]),
            (json!({"url": url, "tenants": ["a\u{0}"]}), &["/tenants/0"]),
            (json!({"url": url, "tenants": vec!["a"; 101]}), &["/tenants"]),
            (json!({"address": "a@b@c"}), &["/address"]),
            (json!({"address": "a@b, c@d"}), &["/address"]),
            (json!({"address": "a@b\r\nBcc: c"}), &["/address"]),
            (json!({"address": "example.com"}), &["/address"]),
        ] {
            assert_eq!(pointers(more.clone()), due, "{more}");
        }
    }
}
