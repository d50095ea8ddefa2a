//! Replaying the ledger: events folded from nothing, as the projector does it, and held against what the service says.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Lines};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressBarIter};
use jiff::Timestamp;
use registration::change::Change;
use registration::event::Body;
use registration::{Event, Kind, Place, Placed, Row, Rows, fold};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::{ENTRIES, PAGE, count, entries, head, place_of, progress};
use crate::client::{Api, read};
use crate::commands::moment::place;
use crate::output::{Output, say};
use crate::session::{Session, Usage};

/// Fold the ledger from nothing, and print each change.
#[derive(Debug, Args)]
pub struct Replay {
    /// A file that `event export` wrote [default: the server's ledger]
    file: Option<PathBuf>,
    /// The partition [default: all of the server's, 0 of a file]
    #[arg(long, value_name = "N")]
    partition: Option<u32>,
    /// End after the event at this position
    #[arg(long, value_parser = place, value_name = "POSITION")]
    until: Option<Place>,
    /// Compare each change, and each entry of a file, with the server's, byte for byte
    #[arg(long)]
    check: bool,
}

/// Replays. A difference is an error.
pub async fn run(replay: &Replay, session: &Session) -> anyhow::Result<()> {
    let api = (replay.file.is_none() || replay.check).then(|| session.api()).transpose()?;
    let mut output = session.output();
    for partition in partitions(replay, api.as_ref()).await? {
        let bar = if output.is_terminal() { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let source = Source::open(replay, partition, api.as_ref(), &bar).await?;
        let folded = one(replay, partition, api.as_ref(), source, &mut output).await?;
        bar.finish_and_clear();
        say(format!("partition {partition}: {}", folded.summary()));
    }
    if replay.check {
        say("The service's own changes are the same, byte for byte.");
    }
    Ok(())
}

/// Which partitions are replayed.
async fn partitions(replay: &Replay, api: Option<&Api>) -> anyhow::Result<Range<u32>> {
    let (asked, until) = (replay.partition, replay.until.map(|until| until.partition));
    if asked.is_some() && until.is_some_and(|until| Some(until) != asked) {
        return Err(Usage::error("--until is in another partition than --partition"));
    }
    match (asked.or(until), api) {
        (Some(one), _) => Ok(one..one + 1),
        (None, Some(api)) if replay.file.is_none() => Ok(0..count(api).await?),
        (None, _) => Ok(0..1),
    }
}

/// Replays one partition.
async fn one(
    replay: &Replay,
    partition: u32,
    api: Option<&Api>,
    mut source: Source<'_>,
    output: &mut Output,
) -> anyhow::Result<Folded> {
    let until = replay.until.map_or(u64::MAX, |until| until.position);
    let mut service = api.filter(|_| replay.check).map(|api| Service::new(api, partition));
    let mut folded = Folded::new(partition, api).await?;
    while folded.next <= until {
        let limit = PAGE.min((until - folded.next).saturating_add(1));
        let page = source.read(partition, folded.next, limit).await?;
        if page.is_empty() {
            break;
        }
        if let Some(service) = service.as_ref().filter(|_| replay.file.is_some()) {
            service.compare_entries(folded.next, &page).await?;
        }
        for entry in &page {
            let changes = folded.apply(entry).with_context(|| format!("at position {}", folded.next))?;
            if let Some(service) = &mut service {
                service.compare_changes(folded.next - 1, &changes).await?;
            }
            output.changes(&changes)?;
            folded.changes += changes.len();
        }
        source.advanced(folded.next);
    }
    Ok(folded)
}

/// Where entries come from.
enum Source<'a> {
    File(Lines<BufReader<ProgressBarIter<File>>>),
    Server(&'a Api, ProgressBar),
}

impl<'a> Source<'a> {
    async fn open(replay: &Replay, partition: u32, api: Option<&'a Api>, bar: &ProgressBar) -> anyhow::Result<Self> {
        match (&replay.file, api) {
            (Some(path), _) => Self::of_file(path, bar),
            (None, Some(api)) => {
                let entries = head(api, partition).await.unwrap_or_default();
                Ok(Self::Server(api, progress(bar.clone(), entries, ENTRIES)))
            }
            (None, None) => bail!("neither a file nor a server was given"),
        }
    }

    fn of_file(path: &Path, bar: &ProgressBar) -> anyhow::Result<Self> {
        let cannot_read = || format!("cannot read {}", path.display());
        let file = File::open(path).with_context(cannot_read)?;
        let bytes = file.metadata().with_context(cannot_read)?.len();
        let bar = progress(bar.clone(), bytes, "{bytes}/{total_bytes}");
        Ok(Self::File(BufReader::new(bar.wrap_read(file)).lines()))
    }

    /// The next entries; none at the end.
    async fn read(&mut self, partition: u32, from: u64, limit: u64) -> anyhow::Result<Vec<Box<RawValue>>> {
        match self {
            Self::Server(api, _) => entries(api, partition, from, limit).await,
            Self::File(lines) => (from..from.saturating_add(limit))
                .zip(lines)
                .map(|(position, line)| {
                    RawValue::from_string(line?).with_context(|| format!("the line of position {position} is not JSON"))
                })
                .collect(),
        }
    }

    fn advanced(&self, position: u64) {
        if let Self::Server(_, bar) = self {
            bar.set_position(position);
        }
    }
}

/// What has been folded.
struct Folded {
    ledger: String,
    partition: u32,
    /// Position of the next event.
    next: u64,
    ledger_time: Timestamp,
    rows: Rows,
    changes: usize,
}

impl Folded {
    /// Nothing yet. The first event of partition 0 says which ledger it is; for another one the server must be asked.
    async fn new(partition: u32, api: Option<&Api>) -> anyhow::Result<Self> {
        let (rows, ledger_time) = (Rows::default(), Timestamp::MIN);
        let mut folded = Self { ledger: String::new(), partition: 0, next: 0, ledger_time, rows, changes: 0 };
        if partition > 0 {
            let api = api.context("only the server can say which ledger the partition belongs to: add --check")?;
            let genesis = entries(api, 0, 0, 1).await?;
            folded.place(genesis.first().context("the ledger is empty")?)?;
            folded.partition = partition;
        }
        Ok(folded)
    }

    fn place(&mut self, entry: &RawValue) -> anyhow::Result<Placed> {
        let event = Event::parse(entry.get().as_bytes())?;
        match &event.body {
            Body::LedgerCreate(genesis) if self.ledger.is_empty() => self.ledger.clone_from(&genesis.ledger),
            _ => ensure!(!self.ledger.is_empty(), "the ledger does not begin with its genesis"),
        }
        Ok(Placed::after(self.ledger_time, self.partition, self.next, event))
    }

    /// Folds the next event; gives its changes as subscribers receive them.
    fn apply(&mut self, entry: &RawValue) -> anyhow::Result<Vec<Box<RawValue>>> {
        let placed = self.place(entry)?;
        for key in placed.rows() {
            if !self.rows.holds(&key) {
                self.rows.know(key, None);
            }
        }
        let changes = fold(&mut self.rows, &placed);
        (self.next, self.ledger_time) = (placed.position + 1, placed.recorded_time);
        let told =
            |(change, ordinal): (&Change, u16)| to_raw_value(&change.cloud_event(&self.ledger, &placed, ordinal));
        Ok(changes.iter().zip(0..).map(told).collect::<Result<_, _>>()?)
    }

    fn summary(&self) -> String {
        let mut states = BTreeMap::<_, u64>::new();
        for row in self.rows.of(Kind::Client) {
            if let Row::Client(row) = row {
                *states.entry(row.client.state.as_str()).or_default() += 1;
            }
        }
        let states: Vec<_> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let clients = if states.is_empty() { "none".to_owned() } else { states.join(", ") };
        format!("events: {}; changes: {}; clients: {clients}", self.next, self.changes)
    }
}

/// What the service says of the same partition.
struct Service<'a> {
    api: &'a Api,
    partition: u32,
    cursor: Option<String>,
    changes: VecDeque<Box<RawValue>>,
}

/// A page of the change stream.
#[derive(Deserialize)]
struct Page {
    items: Vec<Box<RawValue>>,
    next: Option<String>,
    cursor: String,
}

impl<'a> Service<'a> {
    fn new(api: &'a Api, partition: u32) -> Self {
        Self { api, partition, cursor: None, changes: VecDeque::new() }
    }

    async fn compare_entries(&self, from: u64, page: &[Box<RawValue>]) -> anyhow::Result<()> {
        let mut theirs = Vec::new();
        while theirs.len() < page.len() {
            let (from, left) = (from + theirs.len() as u64, (page.len() - theirs.len()) as u64);
            let more = entries(self.api, self.partition, from, left).await?;
            ensure!(!more.is_empty(), "the server's ledger ends before position {from}, the file goes on");
            theirs.extend(more);
        }
        match page.iter().zip(&theirs).position(|(ours, theirs)| ours.get() != theirs.get()) {
            Some(index) => bail!("the file holds another entry at position {} than the server", from + index as u64),
            None => Ok(()),
        }
    }

    /// Compares the changes of the event at a position with the service's.
    async fn compare_changes(&mut self, position: u64, changes: &[Box<RawValue>]) -> anyhow::Result<()> {
        let place = Place { partition: self.partition, position };
        let mut theirs = Vec::new();
        while self.peek(place).await?.is_some_and(|found| found <= place) {
            theirs.extend(self.changes.pop_front());
        }
        let words = |change: Option<&Box<RawValue>>| change.map_or("nothing", |change| change.get()).to_owned();
        for number in 0..changes.len().max(theirs.len()) {
            let (ours, theirs) = (words(changes.get(number)), words(theirs.get(number)));
            ensure!(ours == theirs, "change {number} of {place} differs\n  replayed  {ours}\n  service   {theirs}");
        }
        Ok(())
    }

    /// Where the next change of the partition stands, once the service has projected `place`.
    async fn peek(&mut self, place: Place) -> anyhow::Result<Option<Place>> {
        loop {
            while let Some(change) = self.changes.front() {
                let found = place_of(change).context("the service sent a change without a place")?;
                if found.partition == self.partition {
                    return Ok(Some(found));
                }
                self.changes.pop_front();
            }
            let query = json!({"after": self.cursor, "limit": PAGE, "min_position": place.to_string()});
            let page = self.api.get("/v1/changes", &query).await?;
            let page: Page = read(&page)?;
            if page.items.is_empty() && page.next.is_none() {
                return Ok(None);
            }
            self.changes.extend(page.items);
            self.cursor = Some(page.cursor);
        }
    }
}
