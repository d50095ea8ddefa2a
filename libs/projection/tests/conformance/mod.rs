//! What every state store must do, as tests that each backend runs.

pub mod as_of;
mod clients;
mod commits;
mod messages;
pub mod story;

use std::sync::Arc;

use projection::Store;

/// Partitions of every store under test.
pub const PARTITIONS: u32 = 2;

/// Runs the suite. `open` makes an empty store with [`PARTITIONS`] partitions for each ledger that it has not seen, and opens
/// that of one that it has.
pub async fn suite(open: impl AsyncFn(&'static str) -> Arc<dyn Store>) {
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
}

/// For stores that outlive their process.
pub async fn durable(open: impl AsyncFn(&'static str) -> Arc<dyn Store>) {
    commits::a_store_that_is_opened_again_has_everything(open).await;
}
