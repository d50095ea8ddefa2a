//! The disk alone: appending to a file and waiting until it is there.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// What the file has before anything is appended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Nothing: each append makes it longer, and the file system notes that too.
    None,
    /// All that will be written: the least that a disk can be asked for.
    Preallocated,
}

/// Appends so many pieces of so many bytes to a new file, with `fdatasync` after each: how long each took.
pub fn append(path: &Path, room: Room, pieces: usize, bytes: usize) -> Vec<Duration> {
    let mut file = File::create(path).unwrap();
    let piece = vec![b'x'; bytes];
    if room == Room::Preallocated {
        (0..pieces).for_each(|_| file.write_all(&piece).unwrap());
        file.sync_all().unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
    }
    let durations = (0..pieces).map(|_| {
        let begin = Instant::now();
        file.write_all(&piece).unwrap();
        file.sync_data().unwrap();
        begin.elapsed()
    });
    let durations = durations.collect();
    std::fs::remove_file(path).unwrap();
    durations
}
