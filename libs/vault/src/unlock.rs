//! Unlocking a key store: whether it is this ledger's, and whether the key-encryption key is the right one.

use aws_lc_rs::error::Unspecified;

use crate::cipher::{random_id, random_key};
use crate::contract::KeyStore;
use crate::error::OpenError;
use crate::fingerprint::Fingerprinter;
use crate::kek::Kek;
use crate::row::{Belonging, FingerprintRow};
use crate::wrapping::Wrapping;

/// Gives what the keys of a store are unwrapped with, and the ledger's fingerprint keys. A new store is put to use.
pub(crate) async fn unlock(
    keys: &dyn KeyStore,
    kek: &Kek,
    ledger: &str,
) -> Result<(Wrapping, Fingerprinter), OpenError> {
    let wrapping = Wrapping::derive(kek, ledger)?;
    let belonging = match keys.belonging().await? {
        Some(belonging) => belonging,
        None => keys.establish(new_belonging(&wrapping, ledger)?).await?,
    };
    admit(keys, &belonging, &wrapping, ledger)?;
    let fingerprinter = fingerprinter(&wrapping, &belonging.fingerprint_keys);
    let fingerprinter = fingerprinter.ok_or_else(|| OpenError::Damaged { place: keys.place() })?;
    Ok((wrapping, fingerprinter))
}

fn new_belonging(wrapping: &Wrapping, ledger: &str) -> Result<Belonging, Unspecified> {
    let fingerprint_keys = vec![new_fingerprint_key(wrapping)?];
    Ok(Belonging { ledger: ledger.to_owned(), kek_check: wrapping.check().to_owned(), fingerprint_keys })
}

fn new_fingerprint_key(wrapping: &Wrapping) -> Result<FingerprintRow, Unspecified> {
    let mut row = FingerprintRow { kid: random_id()?, wrapped: Vec::new() };
    row.wrapped = wrapping.wrap(&row.binding(), &*random_key()?)?;
    Ok(row)
}

fn admit(keys: &dyn KeyStore, belonging: &Belonging, wrapping: &Wrapping, ledger: &str) -> Result<(), OpenError> {
    if belonging.ledger != ledger {
        let (found, expected) = (belonging.ledger.clone(), ledger.to_owned());
        return Err(OpenError::OtherLedger { place: keys.place(), found, expected });
    }
    if belonging.kek_check != wrapping.check() {
        return Err(OpenError::WrongKek { place: keys.place() });
    }
    Ok(())
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
