//! What every ledger must do, as tests that each backend runs.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;

use crate::{AppendError, Entry, Flaw, Ledger, Limit, MAX_ENTRY_BYTES, Place, ReadError, Recorded};

/// More than any case appends.
const ALL: Limit = Limit { events: 10_000, bytes: usize::MAX };

/// Runs the suite. `open` makes an empty ledger for each name that it has not seen.
pub async fn suite(open: impl AsyncFn(&'static str) -> Arc<dyn Ledger>) {
    a_new_ledger_is_empty(&*open("empty").await).await;
    what_is_read_is_what_was_appended(&*open("bytes").await).await;
    a_batch_stands_in_its_order(&*open("batch").await).await;
    concurrent_appends_leave_no_gap(open("concurrent").await).await;
    partitions_count_for_themselves(&*open("partitions").await).await;
    an_unacceptable_entry_refuses_its_whole_batch(&*open("unacceptable").await).await;
    a_read_keeps_to_its_limits(&*open("limits").await).await;
    beyond_the_head_there_is_nothing(&*open("beyond").await).await;
    the_directory_is_read_alone(&*open("directory").await).await;
    who_watches_is_woken(&*open("watch").await).await;
    a_partition_that_does_not_exist_is_refused(&*open("absent").await).await;
    a_closed_ledger_appends_nothing(&*open("closed").await).await;
}

/// For ledgers that outlive their process: `open` opens the ledger of that name again when it
/// exists.
pub async fn durable(open: impl AsyncFn(&'static str) -> Arc<dyn Ledger>) {
    let first = open("durable").await;
    append(&*first, &["a", "b"]).await;
    let home = home(&*first);
    let before = read(&*first, home, 0, ALL).await;
    first.close().await;
    drop(first);

    let again = open("durable").await;
    assert_eq!(again.head(home).await.unwrap(), 2, "the head of a ledger that was opened again");
    assert_eq!(read(&*again, home, 0, ALL).await, before, "the events of a ledger that was opened again");
    assert_eq!(append(&*again, &["c"]).await, [Place { partition: home, position: 2 }], "the first place after that");
}

async fn a_new_ledger_is_empty(ledger: &dyn Ledger) {
    assert!(ledger.partitions() >= 1);
    assert_eq!(*ledger.health().borrow(), None);
    for partition in 0..ledger.partitions() {
        assert_eq!(ledger.head(partition).await.unwrap(), 0, "partition {partition}");
        assert_eq!(read(ledger, partition, 0, ALL).await, [], "partition {partition}");
    }
    assert_eq!(ledger.read_directory(0, ALL).await.unwrap(), []);
    assert_eq!(ledger.append(vec![]).await.unwrap(), [], "an empty batch");
}

async fn what_is_read_is_what_was_appended(ledger: &dyn Ledger) {
    let home = home(ledger);
    let longest = vec![b'x'; MAX_ENTRY_BYTES];
    let cases: [&[u8]; 5] = [b"{\"n\":1234.0}", b"", b"\0\xff\r\t", "ⓡ".as_bytes(), &longest];
    for (case, position) in cases.into_iter().zip(0..) {
        let bytes = Bytes::copy_from_slice(case);
        let places = ledger.append(vec![entry(ledger, home, bytes.clone())]).await.unwrap();
        assert_eq!(places, [Place { partition: home, position }], "{} bytes", case.len());
        let expected = Recorded { partition: home, position, bytes };
        assert_eq!(read(ledger, home, position, ALL).await, [expected], "{} bytes", case.len());
    }
}

async fn a_batch_stands_in_its_order(ledger: &dyn Ledger) {
    append(ledger, &["before"]).await;
    let places = append(ledger, &["a", "b", "c"]).await;
    assert_eq!(places.iter().map(|place| place.position).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(texts(&read(ledger, home(ledger), 0, ALL).await), ["before", "a", "b", "c"]);
}

async fn concurrent_appends_leave_no_gap(ledger: Arc<dyn Ledger>) {
    let one = |n: usize| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let (first, second) = (format!("{n} first"), format!("{n} second"));
            (append(&*ledger, &[&first, &second]).await, [first, second])
        })
    };
    let appended = join_all((0..100).map(one)).await;
    let events = read(&*ledger, home(&*ledger), 0, ALL).await;
    assert_eq!(events.iter().map(|event| event.position).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    for (places, entries) in appended.into_iter().map(Result::unwrap) {
        assert!(places[0].position < places[1].position, "a batch keeps its order");
        for (place, entry) in places.iter().zip(entries) {
            assert_eq!(events[place.position as usize].bytes, entry, "{place}");
        }
    }
}

async fn partitions_count_for_themselves(ledger: &dyn Ledger) {
    let entries = (0..ledger.partitions())
        .flat_map(|partition| (0..2).map(move |n| entry(ledger, partition, format!("{partition}:{n}"))));
    let places = ledger.append(entries.collect()).await.unwrap();
    for (place, expected) in places.iter().zip((0..ledger.partitions()).flat_map(|p| [(p, 0), (p, 1)])) {
        assert_eq!((place.partition, place.position), expected);
    }
    for partition in 0..ledger.partitions() {
        let expected = [format!("{partition}:0"), format!("{partition}:1")];
        assert_eq!(texts(&read(ledger, partition, 0, ALL).await), expected);
        assert_eq!(ledger.head(partition).await.unwrap(), 2, "partition {partition}");
    }
}

async fn an_unacceptable_entry_refuses_its_whole_batch(ledger: &dyn Ledger) {
    let (home, absent) = (home(ledger), ledger.partitions());
    let cases = [
        (home, false, vec![b'x'; MAX_ENTRY_BYTES + 1], Flaw::TooLong { bytes: MAX_ENTRY_BYTES + 1 }),
        (home, false, b"two\nlines".to_vec(), Flaw::Newline),
        (home, false, b"line\n".to_vec(), Flaw::Newline),
        (absent, false, b"x".to_vec(), Flaw::NoSuchPartition { partition: absent }),
        (absent, true, b"x".to_vec(), Flaw::NoSuchPartition { partition: absent }),
    ];
    let elsewhere = (1, true, b"x".to_vec(), Flaw::DirectoryElsewhere { partition: 1 });
    for (partition, directory, bytes, flaw) in cases.into_iter().chain((absent > 1).then_some(elsewhere)) {
        let good = entry(ledger, home, "good");
        let bad = Entry::new(partition, directory, bytes);
        let error = ledger.append(vec![good, bad]).await.unwrap_err();
        let found = matches!(error, AppendError::Unacceptable { index: 1, source } if source == flaw);
        assert!(found, "{flaw:?} was answered {error:?}");
        assert_eq!(ledger.head(home).await.unwrap(), 0, "{flaw:?}");
    }
}

async fn a_read_keeps_to_its_limits(ledger: &dyn Ledger) {
    append(ledger, &["12345", "12345", "12345", "1234567890"]).await;
    //           from, events, bytes, expected
    let cases = [
        (0, 10, 100, 4),
        (0, 2, 100, 2),
        (0, 1, 100, 1),
        (0, 0, 100, 1),
        (0, 10, 10, 2),
        (0, 10, 11, 2),
        (0, 10, 0, 1),
        (2, 10, 15, 2),
        (2, 10, 14, 1),
        (3, 10, 9, 1),
    ];
    for (from, events, bytes, expected) in cases {
        let limit = Limit { events, bytes };
        let found = read(ledger, home(ledger), from, limit).await;
        let positions: Vec<u64> = found.iter().map(|event| event.position).collect();
        assert_eq!(positions, (from..from + expected).collect::<Vec<_>>(), "from {from}, {limit:?}");
    }
}

async fn beyond_the_head_there_is_nothing(ledger: &dyn Ledger) {
    append(ledger, &["a"]).await;
    for from in [1, 2, u64::from(u32::MAX), i64::MAX as u64, u64::MAX] {
        assert_eq!(read(ledger, home(ledger), from, ALL).await, [], "from {from}");
        assert_eq!(ledger.read_directory(from, ALL).await.unwrap(), [], "from {from}");
    }
}

async fn the_directory_is_read_alone(ledger: &dyn Ledger) {
    // Where the directory's entries stand depends on whether others stand between them.
    let mut places = Vec::new();
    for n in 0..9 {
        let directory = n % 3 == 0;
        let partition = if directory { 0 } else { home(ledger) };
        let appended = ledger.append(vec![Entry::new(partition, directory, format!("event {n}"))]).await;
        places.extend(appended.unwrap().into_iter().filter(|_| directory).map(|place| place.position));
    }
    let [first, second, third] = places[..] else { unreachable!("three of nine") };
    //           from, events, bytes, expected positions
    let cases: [(u64, usize, usize, &[u64]); 7] = [
        (0, 10, 100, &[first, second, third]),
        (first + 1, 10, 100, &[second, third]),
        (second, 10, 100, &[second, third]),
        (third + 1, 10, 100, &[]),
        (0, 2, 100, &[first, second]),
        (first + 1, 10, 8, &[second]),
        (first + 1, 0, 0, &[second]),
    ];
    for (from, events, bytes, expected) in cases {
        let limit = Limit { events, bytes };
        let found = ledger.read_directory(from, limit).await.unwrap();
        let positions: Vec<u64> = found.iter().map(|event| event.position).collect();
        assert_eq!(positions, expected, "from {from}, {limit:?}");
    }
}

async fn who_watches_is_woken(ledger: &dyn Ledger) {
    let mut head = ledger.watch(home(ledger)).unwrap();
    assert_eq!(*head.borrow_and_update(), 0);
    let (seen, _) =
        tokio::join!(async { *head.wait_for(|head| *head == 2).await.unwrap() }, append(ledger, &["a", "b"]));
    assert_eq!(seen, 2);
    assert_eq!(read(ledger, home(ledger), 0, ALL).await.len(), 2, "what the head counts can be read");
}

async fn a_partition_that_does_not_exist_is_refused(ledger: &dyn Ledger) {
    let absent = ledger.partitions();
    let refused = |error| matches!(error, ReadError::NoSuchPartition { partition } if partition == absent);
    assert!(refused(ledger.read(absent, 0, ALL).await.unwrap_err()));
    assert!(refused(ledger.head(absent).await.unwrap_err()));
    assert!(refused(ledger.watch(absent).unwrap_err()));
}

async fn a_closed_ledger_appends_nothing(ledger: &dyn Ledger) {
    append(ledger, &["a"]).await;
    let mut health = ledger.health();
    ledger.close().await;
    let answer = ledger.append(vec![entry(ledger, home(ledger), "late")]).await;
    assert!(matches!(answer, Err(AppendError::Closed)), "{answer:?}");
    assert!(health.changed().await.is_err(), "the health ends");
    assert_eq!(texts(&read(ledger, home(ledger), 0, ALL).await), ["a"], "reading goes on");
    ledger.close().await;
}

/// A partition that takes what is not the directory's, in any ledger.
fn home(ledger: &dyn Ledger) -> u32 {
    ledger.partitions() - 1
}

/// An entry that the partition takes.
fn entry(ledger: &dyn Ledger, partition: u32, bytes: impl Into<Bytes>) -> Entry {
    Entry::new(partition, partition == 0 && ledger.partitions() > 1, bytes)
}

async fn append(ledger: &dyn Ledger, texts: &[&str]) -> Vec<Place> {
    let entries = texts.iter().map(|text| entry(ledger, home(ledger), (*text).to_owned()));
    ledger.append(entries.collect()).await.unwrap()
}

async fn read(ledger: &dyn Ledger, partition: u32, from: u64, limit: Limit) -> Vec<Recorded> {
    ledger.read(partition, from, limit).await.unwrap()
}

fn texts(events: &[Recorded]) -> Vec<&str> {
    events.iter().map(|event| std::str::from_utf8(&event.bytes).unwrap()).collect()
}
