//! The tables: made, brought up to date, and claimed for one ledger.

use jiff::Timestamp;
use postgres::{Connections, Fault, Migrated, migrate};

/// The schema as the list of SQL batches that made it. The table `version` counts those that a database has had; only ever
/// append.
const MIGRATIONS: &[&str] = &[include_str!("001-state.sql")];

/// "rgST": held while tables are made, so that of processes that start together one makes them.
const LOCK: i64 = i32::from_be_bytes(*b"rgST") as i64;

/// What was found in the database.
pub(super) enum Found {
    /// The store of this ledger, and where its cursors stand.
    Ours(Vec<u64>),
    /// The store of another ledger.
    OtherLedger(String),
    /// Tables that a later version of this executable has made.
    Newer(i32),
}

/// Makes the tables or brings them up to date, and gives every partition a cursor; changes nothing if they are not ours.
pub(super) async fn prepare(connections: &Connections, ledger: &str, partitions: u32) -> Result<Found, Fault> {
    let mut connection = connections.writer().await?;
    let transaction = connection.transaction().await?;
    if let Migrated::Newer(newer) = migrate(&transaction, connections.schema(), LOCK, MIGRATIONS).await? {
        return Ok(Found::Newer(newer));
    }
    transaction.execute("INSERT INTO ledger (id) VALUES ($1) ON CONFLICT DO NOTHING", &[&ledger]).await?;
    let owner: String = transaction.query_one("SELECT id FROM ledger", &[]).await?.try_get(0)?;
    if owner != ledger {
        return Ok(Found::OtherLedger(owner));
    }
    let sql = "INSERT INTO cursor (partition, next, ledger_time)
        SELECT partition, 0, $2 FROM generate_series(0, $1::integer - 1) AS partition ON CONFLICT DO NOTHING";
    transaction.execute(sql, &[&partitions.cast_signed(), &Timestamp::MIN.to_string()]).await?;
    let next = transaction.query(HEADS, &[&partitions.cast_signed()]).await?;
    let next = next.iter().map(|row| row.try_get(1).map(i64::cast_unsigned)).collect::<Result<_, _>>()?;
    transaction.commit().await?;
    Ok(Found::Ours(next))
}

/// Where the cursors of the first `$1` partitions stand.
pub(super) const HEADS: &str = "SELECT partition, next FROM cursor WHERE partition < $1 ORDER BY partition";
