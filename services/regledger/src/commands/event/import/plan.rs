//! What an import will append: every entry of an export but its genesis, each with the place that it gets. It follows from
//! the export and the number of partitions alone, so an import that was killed finds in the ledger how far it came.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use admission::{partition_of_message, partition_of_tenant};
use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressBarIter};
use jiff::Timestamp;
use ledger::{Entry, Place};
use registration::Event;
use registration::client::client_id;
use registration::directory::{Imported, LedgerCreate, LogHead};
use registration::event::Body;

use crate::commands::event::progress;
use crate::commands::event::tree::Tree;

/// An export, read once.
#[derive(Debug)]
pub struct Plan {
    file: PathBuf,
    partitions: u32,
    /// What the genesis of the export says.
    pub origin: LedgerCreate,
    log: LogHead,
    /// When the exported ledger began.
    pub begun: Timestamp,
    /// What the genesis of the new ledger will say of it.
    pub imported: Imported,
}

/// An entry and where it goes.
#[derive(Debug)]
pub struct Planned {
    /// Its position in the export.
    pub from: u64,
    /// The place that it gets.
    pub to: Place,
    /// Whether it is the directory's.
    pub directory: bool,
    /// The event that it is.
    pub event: Event,
    /// The entry, byte for byte.
    pub bytes: Bytes,
}

impl Planned {
    /// The entry as it is appended.
    pub fn entry(&self) -> Entry {
        Entry::new(self.to.partition, self.directory, self.bytes.clone())
    }
}

impl Plan {
    /// Reads an export, to be imported into a ledger with so many partitions.
    ///
    /// # Errors
    /// If it is no export, was cut off, or is of one partition among several.
    pub fn read(file: PathBuf, partitions: u32) -> anyhow::Result<Self> {
        let mut lines = Lines::open(&file, "read")?;
        let first = lines.next()?.context("it is empty")?;
        let genesis = Event::parse(&first).context("line 1")?;
        let Body::LedgerCreate(origin) = genesis.body else {
            bail!("it does not begin with the genesis of a ledger: export partition 0 from its beginning");
        };
        ensure!(
            origin.partitions == 1,
            "it is one of {} partitions of a ledger; only an embedded ledger can be imported",
            origin.partitions
        );
        let mut tree = Tree::default();
        tree.push(&first);
        let mut spread = Spread::new(partitions);
        while let Some(line) = lines.next()? {
            tree.push(&line);
            let event = Event::parse(&line).with_context(|| format!("line {}", tree.head().entries))?;
            spread.place(&event);
        }
        let log = tree.head();
        let imported = Imported {
            ledger: origin.ledger.clone(),
            sealed_for: origin.sealed_for().to_owned(),
            logs: vec![log.clone()],
            heads: spread.heads,
        };
        let begun = genesis.attributes.recorded_time.unwrap_or(genesis.attributes.time);
        Ok(Self { file, partitions, origin, log, begun, imported })
    }

    /// The head of the exported log.
    pub fn log(&self) -> LogHead {
        self.log.clone()
    }

    /// Number of entries that the new ledger will have, its genesis among them.
    pub fn entries(&self) -> u64 {
        self.imported.heads.iter().sum()
    }

    /// The entries after the genesis, in their order; `what` names the pass on the progress bar.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn entries_of(&self, what: &str) -> anyhow::Result<Entries> {
        let mut lines = Lines::open(&self.file, what)?;
        lines.next()?;
        Ok(Entries { lines, next: 1, spread: Spread::new(self.partitions) })
    }
}

/// The entries of an export, one after the other.
pub struct Entries {
    lines: Lines,
    next: u64,
    spread: Spread,
}

impl Entries {
    /// The next entry; none at the end.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn next(&mut self) -> anyhow::Result<Option<Planned>> {
        let Some(bytes) = self.lines.next()? else {
            return Ok(None);
        };
        let from = self.next;
        self.next += 1;
        let event = Event::parse(&bytes).with_context(|| format!("the entry at position {from}"))?;
        let (to, directory) = self.spread.place(&event);
        Ok(Some(Planned { from, to, directory, event, bytes }))
    }
}

/// Gives entries their places. The order within a partition is that of the export.
struct Spread {
    /// The next position of each partition: partition 0 begins with the new genesis.
    heads: Vec<u64>,
    /// Where each client is kept: what is done to it later names only its id.
    clients: HashMap<String, u32>,
}

impl Spread {
    fn new(partitions: u32) -> Self {
        let heads = (0..partitions).map(|partition| u64::from(partition == 0)).collect();
        Self { heads, clients: HashMap::new() }
    }

    /// The place of the next entry, and whether it is the directory's.
    fn place(&mut self, event: &Event) -> (Place, bool) {
        let partition = self.partition(event);
        let (partition, directory) = (partition.unwrap_or_default(), partition.is_none());
        let mut position = 0;
        if let Some(head) = self.heads.get_mut(partition as usize) {
            position = *head;
            *head += 1;
        }
        (Place { partition, position }, directory)
    }

    /// As intake and the commands would have chosen; none is the directory's.
    fn partition(&mut self, event: &Event) -> Option<u32> {
        let (attributes, partitions) = (&event.attributes, self.heads.len() as u32);
        match &event.body {
            Body::LedgerCreate(_)
            | Body::LedgerRestore(_)
            | Body::DomainCreate(_)
            | Body::DomainDelete(_)
            | Body::DomainPurge
            | Body::IntegrationCreate(_)
            | Body::IntegrationUpdate(_)
            | Body::IntegrationRotateHookup(_)
            | Body::IntegrationDelete
            | Body::TokenCreate(_)
            | Body::SettingSet(_)
            | Body::TokenRevoke
            | Body::SubscriptionCreate(_)
            | Body::SubscriptionUpdate(_)
            | Body::SubscriptionDelete
            | Body::SubscriptionPause
            | Body::SubscriptionResume(_)
            | Body::SubscriptionRotateSecret(_)
            | Body::SubscriptionSuspend(_)
            | Body::UserCreate(_)
            | Body::UserUpdate(_)
            | Body::UserDelete(_)
            | Body::UserUndelete
            | Body::UserPurge(_)
            | Body::UserSetPassword(_)
            | Body::UserConfirm(_)
            | Body::UserForgotPassword(_) => None,
            Body::ProvetRegistration(notice) => {
                let integration = attributes.integration_id.unwrap_or_default();
                let partition = partition_of_tenant(partitions, integration, &attributes.subject);
                let client = client_id(integration, &attributes.subject, &notice.client_id);
                self.clients.insert(client, partition);
                Some(partition)
            }
            // Of a client that never was: the fold refuses it wherever it is.
            Body::ClientRetire | Body::ClientReveal(_) => {
                let known = self.clients.get(&attributes.subject).copied();
                Some(known.unwrap_or_else(|| partition_of_message(partitions, &attributes.subject)))
            }
            Body::IslEvent(_) | Body::IslToken(_) => Some(partition_of_tenant(
                partitions,
                attributes.integration_id.unwrap_or_default(),
                &attributes.subject,
            )),
            Body::QuarantineReceive(_)
            | Body::QuarantineRelease(_)
            | Body::QuarantineDismiss
            | Body::QuarantineReveal(_) => Some(partition_of_message(partitions, &attributes.subject)),
        }
    }
}

/// The lines of a file, with a progress bar for whoever looks on.
struct Lines {
    reader: BufReader<ProgressBarIter<File>>,
    bar: ProgressBar,
}

impl Lines {
    fn open(path: &PathBuf, what: &str) -> anyhow::Result<Self> {
        let cannot_read = || format!("cannot read {}", path.display());
        let file = File::open(path).with_context(cannot_read)?;
        let bytes = file.metadata().with_context(cannot_read)?.len();
        let bar = progress(ProgressBar::no_length(), bytes, &format!("{what} {{bytes}}/{{total_bytes}}"));
        Ok(Self { reader: BufReader::new(bar.wrap_read(file)), bar })
    }

    fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        match line.pop() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line.into())),
            Some(_) => bail!("its last line was cut off: run `regledger event export` again"),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
