//! Moments of the past, as a position in each partition.

use jiff::Timestamp;
use registration::Place;
use rusqlite::OptionalExtension;

use crate::changes::time;
use crate::place::pack_place;
use crate::{Store, StoreError};

/// When the client table is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsOf {
    /// After the event at this place. Of other partitions, up to the time of the last change there.
    Position(Place),
    /// After the last event recorded by then.
    Time(Timestamp),
    /// Before the event at each of these positions, one for each partition.
    Heads(Vec<u64>),
}

impl Store {
    /// The position of each partition below which everything had happened by then.
    pub(crate) async fn heads_as_of(&self, as_of: AsOf) -> Result<Vec<u64>, StoreError> {
        let (time, known) = match as_of {
            AsOf::Heads(heads) => return Ok(heads),
            AsOf::Time(time) => (Some(time), None),
            AsOf::Position(at) => (self.time_at(at).await?, Some(at)),
        };
        let mut heads = Vec::new();
        for partition in 0..self.partitions() {
            let last = match (known, time) {
                (Some(at), _) if at.partition == partition => Some(at.position),
                (_, Some(time)) => self.position_at(partition, time).await?,
                (_, None) => None,
            };
            heads.push(last.map_or(0, |position| position.saturating_add(1)));
        }
        Ok(heads)
    }

    /// When the last change up to a place was recorded.
    async fn time_at(&self, at: Place) -> Result<Option<Timestamp>, StoreError> {
        let first = pack_place(Place { position: 0, ..at });
        let end = pack_place(Place { position: at.position.saturating_add(1), ..at });
        let sql = "SELECT recorded_time FROM change WHERE place >= ?1 AND place < ?2
            ORDER BY place DESC LIMIT 1";
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let last = statement.query_row([first, end], |row| row.get(0)).optional()?;
            Ok(last.map(time))
        })
        .await
    }
}
