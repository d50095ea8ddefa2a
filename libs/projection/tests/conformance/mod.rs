//! What every state store must do, as tests that each backend runs.

pub mod as_of;
mod clients;
mod commits;
mod leases;
mod messages;
mod sessions;
pub mod story;

use std::sync::Arc;
use std::time::Duration;

use projection::{Claim, Claimed, Lease, Store};
use uuid::Uuid;

/// Partitions of every store under test.
pub const PARTITIONS: u32 = 2;

/// Under which every test works on a partition.
pub fn lease(partition: u32) -> Lease {
    Lease { name: format!("projector/{partition}").into(), epoch: Uuid::from_u128(u128::from(partition) + 1) }
}

/// Claims the leases of all partitions.
pub async fn claim_all(store: &dyn Store) {
    for partition in 0..PARTITIONS {
        let claim = Claim { lease: lease(partition), holder: "test".into(), ttl: Duration::from_hours(1) };
        assert_eq!(store.claim(claim).await.unwrap(), Claimed::Granted);
    }
}

/// Runs the suite. `open` makes an empty store with [`PARTITIONS`] partitions for each ledger that it has not seen, and opens
/// that of one that it has.
pub async fn suite(open: impl AsyncFn(&'static str) -> Arc<dyn Store>) {
    let open = async |ledger| {
        let store = open(ledger).await;
        claim_all(&*store).await;
        store
    };
    commits::a_new_store_is_empty(&*open("empty").await).await;
    commits::rows_round_trip_by_kind(&*open("kinds").await).await;
    commits::a_commit_is_visible_as_a_whole(&*open("whole").await).await;
    commits::a_stale_cursor_is_fenced(&*open("fence").await).await;
    commits::a_commit_that_contradicts_itself_is_refused(&*open("malformed").await).await;
    commits::nothing_is_visible_before_its_cursor(open("visible").await).await;
    commits::changes_are_read_in_order_and_within_limits(&*open("changes").await).await;
    commits::a_row_has_a_history(&*open("history").await).await;
    clients::filters_find_what_they_describe(&*open("filters").await).await;
    clients::pages_are_stable_while_rows_are_written(&*open("pages").await).await;
    clients::the_latest_installation_of_a_tenant_is_known(&*open("latest").await).await;
    clients::departments_are_forgotten_when_they_leave(&*open("departments").await).await;
    clients::clients_are_counted_by_state(&*open("counts").await).await;
    messages::held_messages_are_listed_and_counted(&*open("messages").await).await;
    sessions::sessions_are_found_by_their_id_in_any_system(&*open("sessions").await).await;
    sessions::changes_of_an_isl_system_are_found_by_integration_and_tenant(&*open("isl").await).await;
    leases::a_lease_has_one_holder(&*open("holder").await).await;
    leases::a_lease_that_has_run_out_is_whose_claims_it_or_renews_it_first(&*open("expiry").await).await;
    leases::what_is_committed_under_a_lost_lease_is_fenced(&*open("lost").await).await;
    leases::leases_are_listed_while_they_last(&*open("listed").await).await;
}

/// For stores that outlive their process.
pub async fn durable(open: impl AsyncFn(&'static str) -> Arc<dyn Store>) {
    commits::a_store_that_is_opened_again_has_everything(open).await;
}
