//! The client table as it was, held against the tables that a replay goes through.

use jiff::{SignedDuration, Timestamp};
use projection::{AsOf, ClientFilter, ListedClient, Place, Store};
use proptest::prelude::*;
use registration::client::ClientState;

use super::clients::passes;
use super::story::{INTEGRATIONS, Notice, Story};

/// One event.
#[derive(Clone, Debug)]
pub enum Step {
    Notice(Notice),
    /// Retires the n-th client, if there is one.
    Retire(usize),
}

/// What happens in one partition: each event and the seconds since the one before.
pub type Steps = Vec<(i64, Step)>;

pub fn steps() -> impl Strategy<Value = Steps> {
    let department = || prop::option::weighted(0.5, 1..4i64);
    let notice = (0..2usize, 0..3i64, 0..2usize, 0..2usize, department(), department());
    let notice = notice.prop_map(|(integration, tenant, installation, secret, adds, removes)| {
        Step::Notice(Notice { integration, tenant, installation, secret, adds, removes })
    });
    let step = prop_oneof![5 => notice, 1 => (0..6usize).prop_map(Step::Retire)];
    // Senders' clocks may stand still or go back.
    prop::collection::vec((-3..10i64, step), 0..25)
}

pub fn filter() -> impl Strategy<Value = ClientFilter> {
    let integration = prop::option::of(prop::sample::select(&INTEGRATIONS[..]));
    let tenant = prop::option::weighted(0.3, (0..3i64).prop_map(|t| format!("provetcloud.com/{t}")));
    let department = prop::option::weighted(0.3, 1..4i64);
    let state = prop::option::weighted(0.3, prop::sample::select(&ClientState::ALL[..]));
    let latest = prop::option::weighted(0.3, any::<bool>());
    (integration, tenant, department, state, latest).prop_map(|(integration, tenant, department, state, latest)| {
        ClientFilter {
            integrations: None,
            integration: integration.map(str::to_owned),
            tenant,
            department,
            state,
            latest,
        }
    })
}

/// What a partition went through.
struct Replay {
    story: Story,
    /// The table before the first event, and after each.
    tables: Vec<Vec<ListedClient>>,
    /// When each event was recorded, and whether it changed anything.
    recorded: Vec<(Timestamp, bool)>,
}

impl Replay {
    fn new(story: Story, steps: Steps) -> Self {
        let known = vec![Vec::new(); story.commits().len() + 1];
        let recorded = story.commits().iter().map(|c| (c.ledger_time, !c.changes.is_empty()));
        let recorded = recorded.collect();
        let mut replay = Self { story, tables: known, recorded };
        for (seconds, step) in steps {
            replay.story.pass(seconds);
            let commit = match step {
                Step::Notice(notice) => replay.story.notice(notice),
                Step::Retire(client) => {
                    let ids = replay.story.client_ids();
                    replay.story.retire(ids.get(client).map_or("none", String::as_str))
                }
            };
            replay.recorded.push((commit.ledger_time, !commit.changes.is_empty()));
            replay.tables.push(replay.story.table());
        }
        replay
    }

    /// How many events had been recorded by then.
    fn by(&self, time: Timestamp) -> usize {
        self.recorded.iter().take_while(|(recorded, _)| *recorded <= time).count()
    }

    /// When the last change among the first events was recorded.
    fn last_change(&self, events: usize) -> Option<Timestamp> {
        let changes = self.recorded.iter().take(events).filter(|(_, changed)| *changed);
        changes.map(|(recorded, _)| *recorded).next_back()
    }
}

/// Every way to name each state that two partitions went through, and how many events each had then.
fn moments(replays: &[Replay; 2]) -> Vec<(AsOf, [usize; 2])> {
    let mut moments = Vec::new();
    for (replay, partition) in replays.iter().zip(0..) {
        let other = &replays[1 - partition as usize];
        for (events, (time, _)) in (1..).zip(&replay.recorded) {
            let at = Place { partition, position: events as u64 - 1 };
            let others = replay.last_change(events).map_or(0, |time| other.by(time));
            let both = if partition == 0 { [events, others] } else { [others, events] };
            moments.push((AsOf::Position(at), both));
            let before = *time - SignedDuration::from_nanos(1);
            for time in [*time, before] {
                moments.push((AsOf::Time(time), [replays[0].by(time), replays[1].by(time)]));
            }
            let other = events % (other.recorded.len() + 1);
            let both = if partition == 0 { [events, other] } else { [other, events] };
            moments.push((AsOf::Heads(both.map(|events| events as u64).to_vec()), both));
        }
    }
    moments
}

/// Two partitions, told in any way, looked at in any way: `page` clients at a time.
pub async fn the_table_as_of_then_is_what_it_was(
    store: &dyn Store,
    [first, second]: [Steps; 2],
    filter: ClientFilter,
    page: usize,
) {
    let replays = [Replay::new(Story::with_directory(), first), Replay::new(Story::new(1), second)];
    for replay in &replays {
        replay.story.commit_to(store).await;
    }
    for (as_of, [first, second]) in moments(&replays) {
        let table = [&replays[0].tables[first][..], &replays[1].tables[second]].concat();
        let expected: Vec<_> = table.iter().filter(|listed| passes(&filter, listed)).cloned().collect();
        let found = read_all(store, &as_of, &filter, page).await;
        assert_eq!(found, expected, "{as_of:?} {filter:?}");
        if let Some(last) = table.last() {
            let one = store.client_as_of(last.client.id.clone(), as_of.clone()).await.unwrap();
            assert_eq!(one.as_ref(), Some(last), "{as_of:?}");
        }
    }
}

async fn read_all(store: &dyn Store, as_of: &AsOf, filter: &ClientFilter, page: usize) -> Vec<ListedClient> {
    let mut found: Vec<ListedClient> = Vec::new();
    loop {
        let after = found.last().map(|listed| listed.at);
        let next = store.clients_as_of(as_of.clone(), filter.clone(), after, page).await.unwrap();
        let end = next.len() < page;
        found.extend(next);
        if end {
            return found;
        }
    }
}
