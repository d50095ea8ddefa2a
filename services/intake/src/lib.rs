//! HTTP: notifications in. A notification is acknowledged once it is durable, and not before.
//!
//! The URL is the capability: nothing else can authenticate these senders.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod hookup;
mod isl;
mod key;

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use admission::{Admission, DirectoryView};
use api::{Throttle, resource};
use delivery::egress::Egress;
use delivery::jwt::Verifiers;
use ipnet::IpNet;
use prometheus::{IntCounterVec, Opts, Registry};

pub use hookup::{__path_receive, MAX_BODY_BYTES, receive};
pub use isl::{__path_receive_event, __path_receive_token, IslTokenPosted, receive_event, receive_token};

/// What the inbound routes need.
pub struct Intake {
    admission: Admission,
    directory: Arc<DirectoryView>,
    proxies: Vec<IpNet>,
    wrong_keys: Throttle,
    notifications: IntCounterVec,
    verifiers: Verifiers,
}

impl Intake {
    /// Takes notifications for the integrations of a directory. `proxies` are the reverse proxies
    /// whose `X-Forwarded-For` is believed; one sender may try `wrong_keys_per_minute`. `egress` fetches JWK sets.
    ///
    /// # Errors
    /// If `regledger_notifications_total` is registered already.
    pub fn new(
        admission: Admission,
        directory: Arc<DirectoryView>,
        proxies: Vec<IpNet>,
        wrong_keys_per_minute: u32,
        egress: Egress,
        metrics: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let notifications = IntCounterVec::new(
            Opts::new("regledger_notifications_total", "Notifications, by what became of them."),
            &["source", "integration", "outcome"],
        )?;
        metrics.register(Box::new(notifications.clone()))?;
        let wrong_keys = Throttle::new(wrong_keys_per_minute);
        let verifiers = Verifiers::new(egress);
        Ok(Self { admission, directory, proxies, wrong_keys, notifications, verifiers })
    }
}

/// Adds the inbound routes.
pub fn routes(intake: web::Data<Intake>) -> impl FnOnce(&mut ServiceConfig) + Clone {
    move |config| {
        config
            .app_data(intake)
            .service(resource("/hookup/{integration}/{key}", [(Method::POST, web::to(hookup::receive))]))
            .service(resource("/isl/{integration}/{key}/events", [(Method::POST, web::to(isl::receive_event))]))
            .service(resource("/isl/{integration}/{key}/jwt", [(Method::POST, web::to(isl::receive_token))]));
    }
}
