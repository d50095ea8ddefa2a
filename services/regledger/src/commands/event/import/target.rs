//! The ledger that is imported into: what it holds of the plan already, and the rest appended to it.

use std::collections::{HashSet, VecDeque};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use futures_util::future::try_join_all;
use ledger::{Entry, Ledger, Limit, Place};
use registration::Event;
use registration::directory::LedgerCreate;
use registration::event::{Attributes, Body, EventType, encode};
use vault::KeyStore;

use super::plan::{Plan, Planned};
use crate::clock;
use crate::commands::sealed::secrets;

/// Entries that are appended, or read, at a time: fewer than a ledger takes on its way.
const BATCH: usize = 1024;
const BATCH_BYTES: usize = 4 << 20;

/// Keys that are made at a time: fewer than a key store takes.
const KEYS: usize = 256;

/// Where an import comes from and goes to.
pub struct Target<'a> {
    pub plan: &'a Plan,
    pub ledger: &'a dyn Ledger,
    /// The keys of the exported ledger.
    pub old_keys: &'a dyn KeyStore,
    pub keys: &'a dyn KeyStore,
}

impl Target<'_> {
    /// Id of the new ledger. An empty one is given its genesis; in another it is found.
    ///
    /// # Errors
    /// If the ledger is not a part of this import.
    pub async fn begin(&self) -> anyhow::Result<String> {
        if self.heads().await?.iter().all(|head| *head == 0) {
            self.create().await?;
        }
        let first = self.ledger.read(0, 0, Limit { events: 1, bytes: 0 }).await?;
        let first = first.first().context("its partition 0 is empty, and others are not")?;
        let Body::LedgerCreate(genesis) = Event::parse(&first.bytes)?.body else {
            bail!("it does not begin with its genesis");
        };
        let expected = Some(&self.plan.imported);
        ensure!(genesis.imported.as_ref() == expected, "it holds another ledger than an import of this file");
        Ok(genesis.ledger)
    }

    /// The new genesis is as old as the one whose place it takes, so that the ledger's time is as it was.
    async fn create(&self) -> anyhow::Result<()> {
        let id = clock::fresh_id();
        let genesis = LedgerCreate {
            ledger: id.simple().to_string(),
            partitions: self.ledger.partitions(),
            imported: Some(self.plan.imported.clone()),
        };
        let attributes = Attributes {
            id,
            source: "/ledger".to_owned(),
            subject: genesis.ledger.clone(),
            time: self.plan.begun,
            ..Attributes::default()
        };
        let bytes: Bytes = encode(&attributes, EventType::LedgerCreate, &genesis)?.into();
        self.append(vec![(Place { partition: 0, position: 0 }, Entry::new(0, true, bytes))]).await
    }

    /// Holds what the ledger has against the plan, and says how many entries that is. Nothing is appended before all of it
    /// is known to be this import's.
    ///
    /// # Errors
    /// If it holds anything else.
    pub async fn held(&self) -> anyhow::Result<Vec<u64>> {
        let heads = self.heads().await?;
        for (partition, (head, planned)) in heads.iter().zip(&self.plan.imported.heads).enumerate() {
            ensure!(head <= planned, "partition {partition} has events that came after the import");
        }
        if heads.iter().sum::<u64>() == 1 {
            return Ok(heads);
        }
        let (mut entries, mut reader) = (self.plan.entries_of("compared")?, Reader::new(self.ledger));
        while let Some(planned) = entries.next()? {
            if is_held(&heads, planned.to) {
                reader.expect(&planned).await?;
            }
        }
        Ok(heads)
    }

    /// Appends what the ledger does not hold, each batch after the keys that its secrets need.
    ///
    /// # Errors
    /// If a store does not take something; what is there then stays, and the next call goes on after it.
    pub async fn fill(&self, heads: &[u64]) -> anyhow::Result<()> {
        let mut entries = self.plan.entries_of("imported")?;
        let (mut batch, mut bytes, mut kids, mut known) = (Vec::new(), 0, Vec::new(), HashSet::new());
        while let Some(planned) = entries.next()? {
            if is_held(heads, planned.to) {
                continue;
            }
            let named = secrets(&planned.event).into_iter().map(|secret| secret.envelope.kid.clone());
            kids.extend(named.filter(|kid| known.insert(kid.clone())));
            bytes += planned.bytes.len();
            batch.push((planned.to, planned.entry()));
            if batch.len() == BATCH || bytes >= BATCH_BYTES {
                self.move_on(std::mem::take(&mut batch), &std::mem::take(&mut kids)).await?;
                bytes = 0;
            }
        }
        self.move_on(batch, &kids).await
    }

    async fn move_on(&self, batch: Vec<(Place, Entry)>, kids: &[String]) -> anyhow::Result<()> {
        for some in kids.chunks(KEYS) {
            try_join_all(some.iter().map(|kid| self.take_key(kid))).await?;
        }
        self.append(batch).await
    }

    /// Keys are taken over as they are: they are wrapped under the same key-encryption key. One that is gone was destroyed.
    async fn take_key(&self, kid: &str) -> anyhow::Result<()> {
        let Some(row) = self.old_keys.by_kid(kid).await.context("cannot read the old keys")? else {
            return Ok(());
        };
        let made = self.keys.make(row).await.context("the key store does not take a key; run the import again")?;
        ensure!(made.kid == kid, "{} has another key of the same tenant", self.keys.place());
        Ok(())
    }

    async fn append(&self, batch: Vec<(Place, Entry)>) -> anyhow::Result<()> {
        let (places, entries): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        if places.is_empty() {
            return Ok(());
        }
        let found = self.ledger.append(entries).await;
        let found = found.context("the ledger does not take the entries; run the import again")?;
        ensure!(found == places, "somebody else writes to the ledger: it must be made anew, and nothing may serve it");
        Ok(())
    }

    async fn heads(&self) -> anyhow::Result<Vec<u64>> {
        let mut heads = Vec::new();
        for partition in 0..self.ledger.partitions() {
            heads.push(self.ledger.head(partition).await?);
        }
        Ok(heads)
    }
}

fn is_held(heads: &[u64], place: Place) -> bool {
    heads.get(place.partition as usize).is_some_and(|head| place.position < *head)
}

/// Reads every partition once, in the order of the plan.
pub struct Reader<'a> {
    ledger: &'a dyn Ledger,
    read: Vec<VecDeque<Bytes>>,
}

impl<'a> Reader<'a> {
    /// A reader that has read nothing.
    pub fn new(ledger: &'a dyn Ledger) -> Self {
        Self { ledger, read: (0..ledger.partitions()).map(|_| VecDeque::new()).collect() }
    }

    /// The entry at the place of one that was planned, which must be the same.
    ///
    /// # Errors
    /// If another one is there, or none.
    pub async fn expect(&mut self, planned: &Planned) -> anyhow::Result<Bytes> {
        let Place { partition, position } = planned.to;
        let ahead = self.read.get_mut(partition as usize).context("there is no such partition")?;
        if ahead.is_empty() {
            let limit = Limit { events: BATCH, bytes: BATCH_BYTES };
            let more = self.ledger.read(partition, position, limit).await?;
            ahead.extend(more.into_iter().map(|recorded| recorded.bytes));
        }
        let found = ahead.pop_front().with_context(|| format!("the ledger has nothing at {}", planned.to))?;
        ensure!(
            found == planned.bytes,
            "the ledger has another entry at {} than the export at position {}",
            planned.to,
            planned.from
        );
        Ok(found)
    }
}
