//! Unlocking a key store: whether it is this ledger's, and whether the key-encryption key is the right one.

use aws_lc_rs::error::Unspecified;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use sqlite::Database;

use crate::cipher::{random_id, random_key};
use crate::error::OpenError;
use crate::fingerprint::Fingerprinter;
use crate::kek::Kek;
use crate::store::{self, Belonging, FingerprintRow};
use crate::wrapping::Wrapping;

/// Opens a key store, or makes it, and gives what its keys are unwrapped with and the ledger's fingerprint keys.
pub(crate) fn unlock(database: &Database, kek: &Kek, ledger: &str) -> Result<(Wrapping, Fingerprinter), OpenError> {
    let wrapping = Wrapping::derive(kek, ledger)?;
    let mut connection = database.open()?;
    let belonging = settle(database, &mut connection, &wrapping, ledger)?;
    admit(database, &belonging, &wrapping, ledger)?;
    let rows = store::fingerprint_keys(&connection).map_err(|source| failed(database, source))?;
    let fingerprinter = fingerprinter(&wrapping, &rows).ok_or_else(|| damaged(database))?;
    Ok((wrapping, fingerprinter))
}

/// Says whose keys a new store will hold, and gives what it says. Two processes may do so at once: the first one is believed.
fn settle(
    database: &Database,
    connection: &mut Connection,
    wrapping: &Wrapping,
    ledger: &str,
) -> Result<Belonging, OpenError> {
    let failed = |source| failed(database, source);
    let behavior = TransactionBehavior::Immediate;
    let transaction = connection.transaction_with_behavior(behavior).map_err(failed)?;
    if let Some(belonging) = store::belonging(&transaction).map_err(failed)? {
        return Ok(belonging);
    }
    let belonging = Belonging { ledger: ledger.to_owned(), kek_check: wrapping.check().to_owned() };
    let fingerprint = new_fingerprint_key(wrapping)?;
    establish(transaction, &belonging, &fingerprint).map_err(failed)?;
    Ok(belonging)
}

fn establish(
    transaction: Transaction<'_>,
    belonging: &Belonging,
    fingerprint: &FingerprintRow,
) -> rusqlite::Result<()> {
    store::establish(&transaction, belonging, fingerprint)?;
    transaction.commit()
}

fn admit(database: &Database, belonging: &Belonging, wrapping: &Wrapping, ledger: &str) -> Result<(), OpenError> {
    let path = || database.path.clone();
    if belonging.ledger != ledger {
        let (found, expected) = (belonging.ledger.clone(), ledger.to_owned());
        return Err(OpenError::OtherLedger { path: path(), found, expected });
    }
    if belonging.kek_check != wrapping.check() {
        return Err(OpenError::WrongKek { path: path() });
    }
    Ok(())
}

fn new_fingerprint_key(wrapping: &Wrapping) -> Result<FingerprintRow, Unspecified> {
    let mut row = FingerprintRow { kid: random_id()?, wrapped: Vec::new() };
    row.wrapped = wrapping.wrap(&row.binding(), &*random_key()?)?;
    Ok(row)
}

/// None if there is no key, or one that does not unwrap.
fn fingerprinter(wrapping: &Wrapping, rows: &[FingerprintRow]) -> Option<Fingerprinter> {
    let unwrapped = |row: &FingerprintRow| {
        let key = wrapping.open(&row.binding(), &row.wrapped).ok()?;
        Some((row.kid.clone(), key))
    };
    let keys = rows.iter().map(unwrapped).collect::<Option<Vec<_>>>()?;
    let keys = keys.iter().map(|(kid, key)| (kid.clone(), key.as_slice()));
    (!rows.is_empty()).then(|| Fingerprinter::new(keys))
}

fn failed(database: &Database, source: rusqlite::Error) -> OpenError {
    OpenError::Store { path: database.path.clone(), source }
}

fn damaged(database: &Database) -> OpenError {
    OpenError::Damaged { path: database.path.clone() }
}
