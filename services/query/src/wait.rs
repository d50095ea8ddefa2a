//! Waiting: until a position of the ledger is projected.

use std::time::Duration;

use api::{Problem, ProblemType};
use ledger::Place;

use crate::Query;

/// How long a read or a command waits for the projection.
const PATIENCE: Duration = Duration::from_secs(5);

impl Query {
    /// Waits for what a read of the directory asked for, which this process folds by itself.
    ///
    /// # Errors
    /// As [`Query::wait_for`], and 503 if the directory cannot be read.
    pub(crate) async fn wait_for_directory(&self, min_position: Option<&str>) -> Result<(), Problem> {
        self.wait_for(min_position).await?;
        if min_position.is_some() { self.catch_up().await } else { Ok(()) }
    }

    /// Learns of everything that happened in the directory until now, wherever that was.
    ///
    /// # Errors
    /// 503 if the directory cannot be read.
    pub(crate) async fn catch_up(&self) -> Result<(), Problem> {
        let caught_up = self.gate.directory().catch_up().await;
        caught_up.map_err(|_| Problem::unavailable("The directory cannot be read; try again."))
    }

    /// Waits until a place is projected; false if that takes more than five seconds.
    pub(crate) async fn is_projected(&self, place: Place) -> bool {
        let mut heads = self.store.watch();
        let passed = |heads: &Vec<u64>| heads.get(place.partition as usize).is_some_and(|next| *next > place.position);
        matches!(tokio::time::timeout(PATIENCE, heads.wait_for(passed)).await, Ok(Ok(_)))
    }

    /// Waits for what a read asked for with `min_position=PARTITION:POSITION`.
    ///
    /// # Errors
    /// 400 if it is no place, 504 if it is not projected within five seconds.
    pub(crate) async fn wait_for(&self, min_position: Option<&str>) -> Result<(), Problem> {
        let Some(asked) = min_position else {
            return Ok(());
        };
        let place: Place =
            asked.parse().map_err(|_| Problem::query("`min_position` must be PARTITION:POSITION, as in 0:17."))?;
        if self.is_projected(place).await {
            return Ok(());
        }
        Err(Problem::new(
            ProblemType::NotProjected,
            "The position was not projected within 5 seconds; /readyz says whether the projection moves.",
        )
        .position(place))
    }
}
