//! What the partitions' tasks tell the outside: whether they move, and since when events have been waiting.

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::watch;

/// One for all partitions. It speaks of those that are ours.
pub(crate) struct Board {
    partitions: Mutex<Vec<Notes>>,
    /// Why it is not known which are.
    leases: Mutex<Option<String>>,
    status: watch::Sender<Option<String>>,
}

#[derive(Clone, Default)]
struct Notes {
    obstacle: Option<String>,
    waiting_since: Option<Timestamp>,
}

impl Board {
    pub(crate) fn new(partitions: u32) -> Self {
        let notes = vec![Notes::default(); partitions as usize];
        Self { partitions: Mutex::new(notes), leases: Mutex::new(None), status: watch::Sender::new(None) }
    }

    pub(crate) fn status(&self) -> watch::Receiver<Option<String>> {
        self.status.subscribe()
    }

    /// Notes what is in the way of a partition; whether that is news.
    pub(crate) fn note(&self, partition: u32, obstacle: Option<String>) -> bool {
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

    /// Notes why the leases cannot be kept; whether that is news.
    pub(crate) fn note_leases(&self, obstacle: Option<String>) -> bool {
        let news = std::mem::replace(&mut *self.leases.lock(), obstacle.clone()) != obstacle;
        self.tell();
        news
    }

    /// Forgets a partition that is no longer ours.
    pub(crate) fn forget(&self, partition: u32) {
        self.note(partition, None);
        self.wait(partition, None);
    }

    fn tell(&self) {
        let partitions = self.partitions.lock();
        let all = partitions.iter().zip(0..).filter_map(|(notes, partition)| {
            let obstacle = notes.obstacle.as_ref()?;
            Some(format!("partition {partition}: {obstacle}"))
        });
        let leases = self.leases.lock().as_ref().map(|obstacle| format!("leases: {obstacle}"));
        let all = all.chain(leases).collect::<Vec<_>>().join("; ");
        let status = (!all.is_empty()).then_some(all);
        self.status.send_if_modified(|known| std::mem::replace(known, status.clone()) != status);
    }

    /// Notes the ledger time of the oldest event that is known to wait; `None` if none is.
    pub(crate) fn wait(&self, partition: u32, since: Option<Timestamp>) {
        if let Some(notes) = self.partitions.lock().get_mut(partition as usize) {
            notes.waiting_since = since;
        }
    }

    pub(crate) fn waiting_since(&self, partition: u32) -> Option<Timestamp> {
        self.partitions.lock().get(partition as usize)?.waiting_since
    }
}
