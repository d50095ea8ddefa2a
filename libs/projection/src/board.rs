//! What the tasks of the partitions tell the outside: whether they move, and since when something has been waiting.

use std::collections::BTreeMap;
use std::error::Error;

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

/// One for all partitions. It speaks of those that are ours.
pub struct Board {
    partitions: Mutex<Vec<Notes>>,
    /// What is in the way of all of them, by what it is about.
    matters: Mutex<BTreeMap<&'static str, String>>,
    status: watch::Sender<Option<String>>,
}

#[derive(Clone, Default)]
struct Notes {
    obstacle: Option<String>,
    waiting_since: Option<Timestamp>,
}

impl Board {
    /// A board on which nothing stands.
    pub fn new(partitions: u32) -> Self {
        let notes = vec![Notes::default(); partitions as usize];
        Self { partitions: Mutex::new(notes), matters: Mutex::default(), status: watch::Sender::new(None) }
    }

    /// How many partitions there are.
    pub fn partitions(&self) -> u32 {
        self.partitions.lock().len() as u32
    }

    /// Everything that is in the way, in one line; `None` while nothing is.
    pub fn status(&self) -> watch::Receiver<Option<String>> {
        self.status.subscribe()
    }

    /// Notes what is in the way of a partition; whether that is news.
    pub fn note(&self, partition: u32, obstacle: Option<String>) -> bool {
        let mut partitions = self.partitions.lock();
        let Some(notes) = partitions.get_mut(partition as usize) else {
            return false;
        };
        let news = notes.obstacle != obstacle;
        notes.obstacle = obstacle;
        drop(partitions);
        self.tell();
        news
    }

    /// Notes what is in the way of all partitions, as far as it is about this matter; whether that is news.
    pub fn note_all(&self, matter: &'static str, obstacle: Option<String>) -> bool {
        let mut matters = self.matters.lock();
        let before = match obstacle.clone() {
            Some(obstacle) => matters.insert(matter, obstacle),
            None => matters.remove(matter),
        };
        drop(matters);
        self.tell();
        before != obstacle
    }

    /// Forgets a partition that is no longer ours.
    pub fn forget(&self, partition: u32) {
        self.note(partition, None);
        self.wait(partition, None);
    }

    fn tell(&self) {
        let partitions = self.partitions.lock();
        let all = partitions.iter().zip(0..).filter_map(|(notes, partition)| {
            let obstacle = notes.obstacle.as_ref()?;
            Some(format!("partition {partition}: {obstacle}"))
        });
        let matters = self.matters.lock();
        let matters = matters.iter().map(|(matter, obstacle)| format!("{matter}: {obstacle}"));
        let all = all.chain(matters).collect::<Vec<_>>().join("; ");
        let status = (!all.is_empty()).then_some(all);
        self.status.send_if_modified(|known| std::mem::replace(known, status.clone()) != status);
    }

    /// Notes the ledger time of the oldest event that is known to wait; `None` if none is.
    pub fn wait(&self, partition: u32, since: Option<Timestamp>) {
        if let Some(notes) = self.partitions.lock().get_mut(partition as usize) {
            notes.waiting_since = since;
        }
    }

    /// How many seconds before `now` that was; 0 if none waits.
    pub fn waiting_seconds(&self, partition: u32, now: Timestamp) -> f64 {
        let since = self.partitions.lock().get(partition as usize).and_then(|notes| notes.waiting_since);
        since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0))
    }
}

/// An error and its causes, in one line.
pub fn explain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_tells_everything_that_is_in_the_way_and_what_has_passed_no_more() {
        let board = Board::new(2);
        let status = board.status();
        //           what, obstacle, whether it is news, what is told
        let cases = [
            (Ok(1), Some("slow"), true, Some("partition 1: slow")),
            (Ok(1), Some("slow"), false, Some("partition 1: slow")),
            (Err("leases"), Some("away"), true, Some("partition 1: slow; leases: away")),
            (Err("topics"), None, false, Some("partition 1: slow; leases: away")),
            (Ok(1), None, true, Some("leases: away")),
            (Ok(2), Some("there is no such partition"), false, Some("leases: away")),
            (Err("leases"), None, true, None),
        ];
        for (what, obstacle, is_news, told) in cases {
            let noted = obstacle.map(str::to_owned);
            let news = match what {
                Ok(partition) => board.note(partition, noted),
                Err(matter) => board.note_all(matter, noted),
            };
            assert_eq!((news, status.borrow().as_deref()), (is_news, told), "{what:?} {obstacle:?}");
        }
    }
}
