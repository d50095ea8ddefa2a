//! Replies: a value from a thread that does the work to a task that waits for it.
//!
//! To wake a task of another thread's runtime takes a system call each time, even while that thread is awake. A worker of an
//! HTTP server has a runtime of its own, and gets its replies many at a time: all of a commit, all of an answer of a broker.
//! So they go through its post. That one task is woken once for all that has come, and hands it out where it is.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use std::cell::RefCell;

use tokio::runtime::{Handle, Id, RuntimeFlavor};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// How many letters are handed out at once.
const ROUND: usize = 128;

/// Hands out one reply.
type Letter = Box<dyn FnOnce() + Send>;

thread_local! {
    /// The post of the runtime that this thread is.
    static POST: RefCell<Option<(Id, UnboundedSender<Letter>)>> = const { RefCell::new(None) };
}

/// Who waits for a value: an error if it will never come.
pub type Answer<T> = oneshot::Receiver<T>;

/// Sends one value to who waits for it. Dropped, it tells that none will come.
#[derive(Debug)]
pub struct Reply<T> {
    sender: oneshot::Sender<T>,
    /// None if who waits belongs to a runtime of several threads, or to none.
    post: Option<UnboundedSender<Letter>>,
}

/// A reply to the task that calls this.
pub fn channel<T>() -> (Reply<T>, Answer<T>) {
    let (sender, answer) = oneshot::channel();
    (Reply { sender, post: post() }, answer)
}

impl<T: Send + 'static> Reply<T> {
    /// Sends the value. Who has stopped waiting is not told.
    pub fn send(self, value: T) {
        let Self { sender, post } = self;
        let letter: Letter = Box::new(move || drop(sender.send(value)));
        match post {
            None => letter(),
            // The runtime has ended, and whoever waits somewhere else is told all the same.
            Some(post) => drop(post.send(letter).map_err(|returned| returned.0())),
        }
    }
}

/// The post of the runtime that is this thread, if it is.
fn post() -> Option<UnboundedSender<Letter>> {
    let runtime = Handle::try_current().ok()?;
    if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread {
        return None;
    }
    POST.with_borrow_mut(|post| match post {
        Some((id, post)) if *id == runtime.id() => Some(post.clone()),
        _ => {
            let (sender, letters) = unbounded_channel();
            runtime.spawn(hand_out(letters));
            *post = Some((runtime.id(), sender.clone()));
            Some(sender)
        }
    })
}

async fn hand_out(mut letters: UnboundedReceiver<Letter>) {
    let mut round = Vec::with_capacity(ROUND);
    while letters.recv_many(&mut round, ROUND).await > 0 {
        round.drain(..).for_each(|letter| letter());
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn worker() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn each_value_comes_to_who_waits_for_it_whatever_runtime_that_is() {
        for runtime in [worker(), tokio::runtime::Runtime::new().unwrap()] {
            runtime.block_on(async {
                let (replies, answers): (Vec<_>, Vec<_>) = (0..1_000).map(|_| channel::<usize>()).unzip();
                let sending = thread::spawn(|| (0..).zip(replies).for_each(|(number, reply)| reply.send(number)));
                for (number, answer) in (0..).zip(answers) {
                    assert_eq!(answer.await, Ok(number));
                }
                sending.join().unwrap();
            });
        }
    }

    #[test]
    fn who_waits_outside_of_any_runtime_gets_it_too() {
        let (reply, answer) = channel();
        reply.send("a");
        assert_eq!(answer.blocking_recv(), Ok("a"));
    }

    #[test]
    fn a_reply_that_is_dropped_tells_that_nothing_will_come() {
        worker().block_on(async {
            let (reply, answer) = channel::<()>();
            drop(reply);
            assert!(answer.await.is_err());
        });
    }

    #[test]
    fn runtimes_of_one_thread_have_a_post_each() {
        let (first, second) = (worker(), worker());
        let (reply, mut early) = first.block_on(async { channel() });
        let (other, answer) = second.block_on(async { channel() });
        thread::spawn(move || {
            reply.send(1);
            other.send(2);
        });
        assert_eq!(second.block_on(answer), Ok(2));
        assert_eq!(first.block_on(async { (&mut early).await }), Ok(1));
    }

    #[test]
    fn a_reply_to_a_runtime_that_has_ended_reaches_who_waits_elsewhere() {
        let ended = worker();
        let (reply, answer) = ended.block_on(async { channel() });
        drop(ended);
        reply.send(3);
        let waiting = async { tokio::time::timeout(Duration::from_secs(10), answer).await };
        assert_eq!(
            tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(waiting),
            Ok(Ok(3))
        );
    }
}
