//! HTTP: the client table, the change stream, the ledger's events, and the administration.
//!
//! Every read is a projection and every write is an append: a command is appended, the fold
//! decides, and the answer waits until the command's own position is projected.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod changes;
pub mod clients;
mod commands;
pub mod events;
pub mod integrations;
mod once;
pub mod quarantine;
pub mod reveal;
pub mod stream;
pub mod tokens;
mod wait;

use std::collections::HashSet;
use std::sync::Arc;

use actix_web::web::{self, ServiceConfig, delete, get, patch, post};
use admission::Admission;
use api::{Gate, method_not_allowed};
use ledger::Ledger;
use parking_lot::Mutex;
use projection::Store;

use stream::subscriber::Feed;

/// What the routes need.
pub struct Query {
    /// What was appended.
    pub ledger: Arc<dyn Ledger>,
    /// Rows and changes.
    pub store: Store,
    /// Lets requests in.
    pub gate: Gate,
    /// Appends commands.
    pub admission: Admission,
    /// Feeds the change streams.
    pub feed: Arc<Feed>,
    /// The address under which the hub is reached from outside, if it was set.
    pub public_url: Option<String>,
    /// Commands that this process is carrying out, by the hash of their Idempotency-Key.
    pub in_progress: Mutex<HashSet<String>>,
}

/// Adds the routes.
pub fn routes(query: web::Data<Query>) -> impl FnOnce(&mut ServiceConfig) + Clone {
    move |config| {
        config.app_data(query);
        for (path, route) in [
            ("/v1/clients", get().to(clients::list)),
            ("/v1/clients/{id}", get().to(clients::show)),
            ("/v1/clients/{id}/changes", get().to(clients::history)),
            ("/v1/clients/{id}/reveal", post().to(reveal::client)),
            ("/v1/clients/{id}/retire", post().to(clients::retire)),
            ("/v1/changes", get().to(changes::follow)),
            ("/v1/events", get().to(events::read)),
            (
                "/v1/integrations/{name}/rotate-hookup",
                post().to(integrations::rotate_hookup),
            ),
            ("/v1/quarantine", get().to(quarantine::list)),
            ("/v1/quarantine/{id}", get().to(quarantine::show)),
            ("/v1/quarantine/{id}/reveal", post().to(reveal::quarantined)),
            (
                "/v1/quarantine/{id}/release",
                post().to(quarantine::release),
            ),
            (
                "/v1/quarantine/{id}/dismiss",
                post().to(quarantine::dismiss),
            ),
        ] {
            config.service(
                web::resource(path)
                    .route(route)
                    .default_service(web::to(method_not_allowed)),
            );
        }
        config
            .service(
                web::resource("/v1/integrations")
                    .route(get().to(integrations::list))
                    .route(post().to(integrations::create))
                    .default_service(web::to(method_not_allowed)),
            )
            .service(
                web::resource("/v1/integrations/{name}")
                    .route(get().to(integrations::show))
                    .route(patch().to(integrations::update))
                    .route(delete().to(integrations::remove))
                    .default_service(web::to(method_not_allowed)),
            )
            .service(
                web::resource("/v1/tokens")
                    .route(get().to(tokens::list))
                    .route(post().to(tokens::create))
                    .default_service(web::to(method_not_allowed)),
            )
            .service(
                web::resource("/v1/tokens/{id}")
                    .route(get().to(tokens::show))
                    .route(delete().to(tokens::revoke))
                    .default_service(web::to(method_not_allowed)),
            );
    }
}
