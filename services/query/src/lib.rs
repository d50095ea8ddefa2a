//! HTTP: the client table, the change stream, the ledger's events, and the administration.
//!
//! Every read is a projection and every write is an append: a command is appended, the fold
//! decides, and the answer waits until the command's own position is projected.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod account;
pub mod changes;
pub mod clients;
mod commands;
pub mod deliveries;
pub mod domains;
pub mod events;
mod html;
pub mod integrations;
pub mod notices;
mod once;
pub mod purge;
pub mod quarantine;
pub mod release;
pub mod reveal;
pub mod sessions;
pub mod settings;
pub mod stream;
pub mod subscriptions;
pub mod tokens;
pub mod users;
mod wait;

use std::collections::HashSet;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig, to};
use admission::{Admission, Passwords};
use api::{Gate, resource};
use delivery::egress::Egress;
use delivery::jwt::Verifiers;
use jiff::{SignedDuration, Timestamp};
use ledger::Ledger;
use outbox::Outbox;
use parking_lot::Mutex;
use projection::Store;

use stream::subscriber::Feed;

/// What the routes need.
pub struct Query {
    /// What was appended.
    pub ledger: Arc<dyn Ledger>,
    /// Rows and changes.
    pub store: Arc<dyn Store>,
    /// Lets requests in.
    pub gate: Gate,
    /// Appends commands.
    pub admission: Admission,
    /// Feeds the change streams.
    pub feed: Arc<Feed>,
    /// Hashes the passwords of users.
    pub passwords: Passwords,
    /// How long what is deleted in the directory can come back.
    pub retention: SignedDuration,
    /// What users may do by themselves.
    pub accounts: account::Accounts,
    /// How far subscriptions are.
    pub outbox: Arc<dyn Outbox>,
    /// Makes outgoing calls, and says which may be made.
    pub egress: Egress,
    /// Verify tokens that are released from quarantine.
    pub verifiers: Verifiers,
    /// The address under which the hub is reached from outside, if it was set.
    pub public_url: Option<String>,
    /// What this process is carrying out and does once at a time: commands by the hash of their Idempotency-Key, releases by
    /// their message.
    pub in_progress: Mutex<HashSet<String>>,
}

const GET: Method = Method::GET;
const POST: Method = Method::POST;
const PUT: Method = Method::PUT;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

/// Adds the routes.
pub fn routes(query: web::Data<Query>) -> impl FnOnce(&mut ServiceConfig) + Clone {
    move |config| {
        config
            .app_data(query)
            .service(resource("/v1/clients", [(GET, to(clients::list))]))
            .service(resource("/v1/clients/{id}", [(GET, to(clients::show))]))
            .service(resource("/v1/clients/{id}/changes", [(GET, to(clients::history))]))
            .service(resource("/v1/clients/{id}/reveal", [(POST, to(reveal::client))]))
            .service(resource("/v1/clients/{id}/retire", [(POST, to(clients::retire))]))
            .service(resource("/v1/changes", [(GET, to(changes::follow))]))
            .service(resource("/v1/events", [(GET, to(events::read))]))
            .service(resource("/v1/domains", [(GET, to(domains::list)), (POST, to(domains::create))]))
            .service(resource("/v1/domains/{name}", [(GET, to(domains::show)), (DELETE, to(domains::remove))]))
            .service(resource("/v1/domains/{name}/sign-up", [(POST, to(account::sign_up))]))
            .service(resource("/v1/domains/{name}/forgot-password", [(POST, to(account::forgot_password))]))
            .service(resource("/account/{token}", [(GET, to(account::link::show)), (POST, to(account::link::follow))]))
            .service(resource("/v1/users", [(GET, to(users::list)), (POST, to(users::create))]))
            .service(resource(
                "/v1/users/{id}",
                [(GET, to(users::show)), (PATCH, to(users::update)), (DELETE, to(users::remove))],
            ))
            .service(resource("/v1/users/{id}/undelete", [(POST, to(users::undelete))]))
            .service(resource("/v1/users/{id}/password", [(PUT, to(users::set_password))]))
            .service(resource("/v1/integrations", [(GET, to(integrations::list)), (POST, to(integrations::create))]))
            .service(resource(
                "/v1/integrations/{name}",
                [(GET, to(integrations::show)), (PATCH, to(integrations::update)), (DELETE, to(integrations::remove))],
            ))
            .service(resource("/v1/integrations/{name}/rotate-hookup", [(POST, to(integrations::rotate_hookup))]))
            .service(resource("/v1/quarantine", [(GET, to(quarantine::list))]))
            .service(resource("/v1/quarantine/{id}", [(GET, to(quarantine::show))]))
            .service(resource("/v1/quarantine/{id}/reveal", [(POST, to(reveal::quarantined))]))
            .service(resource("/v1/quarantine/{id}/release", [(POST, to(release::release))]))
            .service(resource("/v1/quarantine/{id}/dismiss", [(POST, to(quarantine::dismiss))]))
            .service(resource("/v1/settings", [(GET, to(settings::list))]))
            .service(resource(
                "/v1/settings/{key}",
                [(GET, to(settings::show)), (PUT, to(settings::set)), (DELETE, to(settings::reset))],
            ))
            .service(resource("/v1/sessions/{id}", [(GET, to(sessions::show))]))
            .service(resource("/v1/subscriptions", [(GET, to(subscriptions::list)), (POST, to(subscriptions::create))]))
            .service(resource(
                "/v1/subscriptions/{id}",
                [
                    (GET, to(subscriptions::show)),
                    (PATCH, to(subscriptions::update)),
                    (DELETE, to(subscriptions::remove)),
                ],
            ))
            .service(resource("/v1/subscriptions/{id}/pause", [(POST, to(subscriptions::pause))]))
            .service(resource("/v1/subscriptions/{id}/resume", [(POST, to(subscriptions::resume))]))
            .service(resource("/v1/subscriptions/{id}/rotate-secret", [(POST, to(subscriptions::rotate_secret))]))
            .service(resource("/v1/subscriptions/{id}/test", [(POST, to(subscriptions::trial::test))]))
            .service(resource("/v1/subscriptions/{id}/attempts", [(GET, to(deliveries::attempts))]))
            .service(resource("/v1/deliveries", [(GET, to(deliveries::list))]))
            .service(resource("/v1/deliveries/replay", [(POST, to(deliveries::replay))]))
            .service(resource("/v1/deliveries/{id}", [(GET, to(deliveries::show))]))
            .service(resource("/v1/deliveries/{id}/replay", [(POST, to(deliveries::replay_one))]))
            .service(resource("/notices/{token}", [(GET, to(notices::show)), (POST, to(notices::reveal))]))
            .service(resource("/v1/tokens", [(GET, to(tokens::list)), (POST, to(tokens::create))]))
            .service(resource("/v1/tokens/{id}", [(GET, to(tokens::show)), (DELETE, to(tokens::revoke))]));
    }
}

impl Query {
    /// From when on what is deleted now may be purged.
    fn purge_after(&self) -> Timestamp {
        self.admission.now().saturating_add(self.retention).unwrap_or(Timestamp::MAX)
    }
}
