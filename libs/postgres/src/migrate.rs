//! Tables that are made and brought up to date.

use tokio_postgres::Transaction;

use crate::Fault;

/// What was found of the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Migrated {
    /// They are as this executable knows them.
    Current,
    /// A later version of this executable has changed them.
    Newer(i32),
}

/// Carries out those of the migrations that the schema has not had; the table `version` counts them. Of processes that do so
/// at once, one makes the tables: `lock` is held until the transaction ends.
///
/// # Errors
/// [`Fault`].
pub async fn migrate(
    transaction: &Transaction<'_>,
    schema: &str,
    lock: i64,
    migrations: &[&str],
) -> Result<Migrated, Fault> {
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&lock]).await?;
    // Asked before: even where there is nothing to create, CREATE SCHEMA wants the right to.
    let there: bool = transaction.query_one("SELECT to_regnamespace($1) IS NOT NULL", &[&schema]).await?.try_get(0)?;
    if !there {
        transaction.batch_execute(&format!("CREATE SCHEMA {schema}")).await?;
    }
    let tables =
        "CREATE TABLE IF NOT EXISTS version (one boolean PRIMARY KEY DEFAULT true CHECK (one), number integer NOT NULL);
        INSERT INTO version (number) VALUES (0) ON CONFLICT DO NOTHING;";
    transaction.batch_execute(tables).await?;
    let version: i32 = transaction.query_one("SELECT number FROM version", &[]).await?.try_get(0)?;
    let known = i32::try_from(migrations.len()).unwrap_or(i32::MAX);
    if version > known {
        return Ok(Migrated::Newer(version));
    }
    for batch in migrations.iter().skip(version.unsigned_abs() as usize) {
        transaction.batch_execute(batch).await?;
    }
    transaction.execute("UPDATE version SET number = $1 WHERE number < $1", &[&known]).await?;
    Ok(Migrated::Current)
}
