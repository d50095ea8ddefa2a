//! Lines on their way out. They are gathered for a moment: under load a system call for each would cost more than the line.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle, sleep};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// How long a line waits for others: what kill -9 takes of the log.
const GATHERING: Duration = Duration::from_millis(10);

/// Bytes that wait at most; whoever logs more waits too, as for a pipe that nobody reads.
const MOST_BYTES: usize = 1 << 20;

/// How long a process that ends waits for whoever reads its lines.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Takes lines; a clone takes them for the same output.
#[derive(Clone)]
pub struct Lines(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Condvar,
    written: Condvar,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// The thread has taken some and not written them yet.
    is_writing: bool,
    is_closed: bool,
}

impl Lines {
    /// Starts the thread that writes lines to `output`.
    pub fn start(output: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            arrived: Condvar::new(),
            written: Condvar::new(),
            thread: Mutex::default(),
        });
        let lines = Self(shared.clone());
        let thread = Builder::new().name("log".to_owned()).spawn(move || shared.write_out(output))?;
        *lines.0.thread.lock() = Some(thread);
        Ok(lines)
    }

    /// Waits until everything is written, two seconds at most.
    pub fn flush(&self) {
        let mut waiting = self.0.waiting.lock();
        let outstanding = |waiting: &mut Waiting| waiting.is_writing || !waiting.bytes.is_empty();
        self.0.written.wait_while_for(&mut waiting, outstanding, LAST_WORDS);
    }

    /// Writes everything and ends the thread, unless nobody takes the lines. What comes later is dropped.
    pub fn close(&self) {
        self.0.waiting.lock().is_closed = true;
        self.0.arrived.notify_one();
        self.0.written.notify_all();
        self.flush();
        let thread = self.0.thread.lock().take_if(|_| !self.0.waiting.lock().is_writing);
        // A panic of the thread has been reported by the panic hook.
        let _ = thread.map(JoinHandle::join);
    }
}

impl Shared {
    fn write_out(&self, mut output: impl Write) {
        while let Some(bytes) = self.take() {
            // Where nobody reads the lines there is nobody to tell.
            let _ = output.write_all(&bytes).and_then(|()| output.flush());
            self.waiting.lock().is_writing = false;
            self.written.notify_all();
        }
    }

    /// The next lines; none once closed.
    fn take(&self) -> Option<Vec<u8>> {
        let mut waiting = self.waiting.lock();
        self.arrived.wait_while(&mut waiting, |waiting| waiting.bytes.is_empty() && !waiting.is_closed);
        if !waiting.is_closed {
            parking_lot::MutexGuard::unlocked(&mut waiting, || sleep(GATHERING));
        }
        let bytes = std::mem::take(&mut waiting.bytes);
        waiting.is_writing = !bytes.is_empty();
        (!bytes.is_empty()).then_some(bytes)
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.0.waiting.lock();
        self.0.written.wait_while(&mut waiting, |waiting| waiting.bytes.len() > MOST_BYTES && !waiting.is_closed);
        if !waiting.is_closed {
            waiting.bytes.extend_from_slice(line);
            drop(waiting);
            self.0.arrived.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An output that can be looked at.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_line_is_written_once_whole_and_in_order() {
        let page = Page::default();
        let lines = Lines::start(page.clone()).unwrap();
        let writers = [0, 1].map(|writer| {
            let mut lines = lines.clone();
            std::thread::spawn(move || {
                (0..1000).for_each(|n| lines.write_all(format!("{writer} {n}\n").as_bytes()).unwrap());
            })
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        lines.flush();
        let text = String::from_utf8(page.0.lock().clone()).unwrap();
        for writer in ["0", "1"] {
            let told: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(writer)).collect();
            let expected: Vec<String> = (0..1000).map(|n| format!(" {n}")).collect();
            assert_eq!(told, expected, "{writer}");
        }
    }

    #[test]
    fn what_was_logged_before_the_end_is_written_and_nothing_after_it() {
        let page = Page::default();
        let mut lines = Lines::start(page.clone()).unwrap();
        lines.write_all(b"last words\n").unwrap();
        lines.close();
        lines.write_all(b"too late\n").unwrap();
        assert_eq!(*page.0.lock(), b"last words\n");
    }
}
