//! Whether an import is complete: everything is read back, folded beside the export, and every secret opens.

use std::sync::Arc;

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use ledger::Place;
use registration::directory::LedgerCreate;
use registration::event::Body;
use registration::{Event, Kind, Placed, Row, Rows, fold};
use serde::Serialize;
use serde_json::{Value, to_value};
use vault::{KeyStore, UnsealError, Vault};

use super::plan::Planned;
use super::target::{Reader, Target};
use crate::commands::sealed::{Secret, secrets};

/// What was found to be as it was.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// Changes that they make.
    pub changes: u64,
    /// Clients.
    pub clients: u64,
    /// Secrets that open.
    pub secrets: u64,
    /// Secrets whose key was destroyed before the import.
    pub destroyed: u64,
}

/// Reads back, folds and opens everything.
///
/// # Errors
/// What differs, and where.
pub async fn verify(target: &Target<'_>, ledger: &str, vault: &Vault) -> anyhow::Result<Verified> {
    let (mut entries, mut reader) = (target.plan.entries_of("verified")?, Reader::new(target.ledger));
    let (mut was, mut is) = (Folded::new(1), Folded::new(target.ledger.partitions()));
    let mut verified = Verified::default();
    let genesis = target.ledger.read(0, 0, ledger::Limit { events: 1, bytes: 0 }).await?;
    let genesis = Event::parse(&genesis.first().context("the ledger is empty")?.bytes)?;
    let beginning = Place { partition: 0, position: 0 };
    let before = was.apply(beginning, old_genesis(&genesis, &target.plan.origin)?, ledger)?;
    verified.changes += same(&before, &is.apply(beginning, genesis, ledger)?)?;
    while let Some(planned) = entries.next()? {
        let found = Event::parse(&reader.expect(&planned).await?)?;
        for secret in secrets(&found) {
            let opened = open(&secret, vault, target.old_keys).await;
            *(if opened? { &mut verified.secrets } else { &mut verified.destroyed }) += 1;
        }
        let Planned { from, to, event, .. } = planned;
        let before = was.apply(Place { partition: 0, position: from }, event, ledger)?;
        let after = is.apply(to, found, ledger)?;
        verified.changes += same(&before, &after).with_context(|| format!("position {from}, now {to}"))?;
    }
    verified.clients = same(&was.clients()?, &is.clients()?).context("the client table")?;
    Ok(verified)
}

/// The genesis that is not among the entries any more, as far as the fold looks at it.
fn old_genesis(genesis: &Event, origin: &LedgerCreate) -> anyhow::Result<Event> {
    ensure!(matches!(genesis.body, Body::LedgerCreate(_)), "the ledger does not begin with its genesis");
    Ok(Event { attributes: genesis.attributes.clone(), body: Body::LedgerCreate(origin.clone()) })
}

/// Whether a secret opens; if its key was destroyed, it must have been so before.
async fn open(secret: &Secret<'_>, vault: &Vault, old_keys: &dyn KeyStore) -> anyhow::Result<bool> {
    match secret.open(vault).await {
        Ok(()) => Ok(true),
        Err(UnsealError::NoKey) if old_keys.by_kid(&secret.envelope.kid).await?.is_none() => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{} cannot be opened", secret.field)),
    }
}

/// Rows as the entries make them, at the places that they have in a ledger.
struct Folded {
    times: Vec<Timestamp>,
    rows: Rows,
}

impl Folded {
    fn new(partitions: u32) -> Self {
        Self { times: (0..partitions).map(|_| Timestamp::MIN).collect(), rows: Rows::default() }
    }

    /// The changes of the next event, without what follows from its place.
    fn apply(&mut self, place: Place, event: Event, ledger: &str) -> anyhow::Result<Vec<Value>> {
        let time = self.times.get_mut(place.partition as usize).context("there is no such partition")?;
        let placed = Placed::after(*time, place.partition, place.position, event);
        *time = placed.recorded_time;
        for key in placed.rows() {
            if !self.rows.holds(&key) {
                self.rows.know(key, None);
            }
        }
        let changes = fold(&mut self.rows, &placed);
        let told = changes.iter().zip(0..).map(|(change, ordinal)| change.cloud_event(ledger, &placed, ordinal));
        told.map(|change| Ok(placeless(to_value(change)?))).collect()
    }

    /// The client table, without places.
    fn clients(&self) -> anyhow::Result<Vec<Value>> {
        let mut clients = Vec::new();
        for row in self.rows.of(Kind::Client) {
            if let Row::Client(row) = row {
                clients.push(placeless(to_value(&*row.client)?));
            }
        }
        clients.sort_by_key(|client| client["id"].to_string());
        Ok(clients)
    }
}

/// A document without what follows from the place of an event. Ledger time does too: it is the running maximum of a
/// partition, and so differs where the clock once stepped back.
fn placeless(mut document: Value) -> Value {
    let is_change = document.get("specversion").is_some();
    if let (true, Some(members)) = (is_change, document.as_object_mut()) {
        members.retain(|name, _| name != "id");
    }
    strip(&mut document);
    document
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| {
                !matches!(name.as_str(), "partition" | "position" | "sequence") && !name.ends_with("time")
            });
            members.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// How many documents they are, if they are the same.
fn same(was: &[Value], is: &[Value]) -> anyhow::Result<u64> {
    for number in 0..was.len().max(is.len()) {
        let (was, is) = (was.get(number), is.get(number));
        if was != is {
            let words = |document: Option<&Value>| document.map_or("nothing".to_owned(), Value::to_string);
            bail!("it makes something else now\n  was  {}\n  is   {}", words(was), words(is));
        }
    }
    Ok(was.len() as u64)
}

/// Opens the vault of a store that holds keys for the ledger that secrets are bound to.
///
/// # Errors
/// If the keys are another ledger's, or the key-encryption key is another.
pub async fn unlock(keys: Arc<dyn KeyStore>, kek: vault::Kek, sealed_for: &str) -> anyhow::Result<Vault> {
    Vault::open(keys, kek, sealed_for)
        .await
        .context("the keys do not fit: --keys and --kek-file are those of the export")
}
