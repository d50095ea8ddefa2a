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

/// A reply to the task that calls this. Its runtime is to run until the answer comes: it hands it out.
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
            // The runtime has ended; who waits may be somewhere else.
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
            runtime.spawn(hand_out(Letters(letters)));
            *post = Some((runtime.id(), sender.clone()));
            Some(sender)
        }
    })
}

async fn hand_out(mut letters: Letters) {
    let mut round = Vec::with_capacity(ROUND);
    while letters.0.recv_many(&mut round, ROUND).await > 0 {
        round.drain(..).for_each(|letter| letter());
    }
}

/// What has come. When the runtime ends, it is handed out all the same: who waits may be somewhere else.
struct Letters(UnboundedReceiver<Letter>);

impl Drop for Letters {
    fn drop(&mut self) {
        self.0.close();
        while let Ok(letter) = self.0.try_recv() {
            letter();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread;
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn worker() -> Runtime {
        Builder::new_current_thread().enable_time().build().unwrap()
    }

    /// What comes, in this runtime.
    fn received<T>(runtime: &Runtime, answer: Answer<T>) -> Option<T> {
        runtime.block_on(async { timeout(PATIENCE, answer).await }).unwrap().ok()
    }

    #[test]
    fn each_value_comes_to_who_waits_for_it_whatever_runtime_that_is() {
        for runtime in [worker(), Runtime::new().unwrap()] {
            let (replies, answers): (Vec<_>, Vec<_>) =
                runtime.block_on(async { (0..1_000).map(|_| channel::<usize>()).unzip() });
            let sending = thread::spawn(|| (0..).zip(replies).for_each(|(number, reply)| reply.send(number)));
            for (number, answer) in (0..).zip(answers) {
                assert_eq!(received(&runtime, answer), Some(number));
            }
            sending.join().unwrap();
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
        let runtime = worker();
        let (reply, answer) = runtime.block_on(async { channel::<()>() });
        drop(reply);
        assert_eq!(received(&runtime, answer), None);
    }

    #[test]
    fn runtimes_of_one_thread_have_a_post_each() {
        let (first, second) = (worker(), worker());
        let (reply, early) = first.block_on(async { channel() });
        let (other, answer) = second.block_on(async { channel() });
        reply.send(1);
        other.send(2);
        assert_eq!(received(&second, answer), Some(2));
        assert_eq!(received(&first, early), Some(1));
    }

    #[test]
    fn who_waits_elsewhere_is_answered_although_the_runtime_ends() {
        for is_sent_first in [true, false] {
            let ended = worker();
            let (reply, answer) = ended.block_on(async { channel() });
            if is_sent_first {
                reply.send(3);
                drop(ended);
            } else {
                drop(ended);
                reply.send(3);
            }
            assert_eq!(received(&worker(), answer), Some(3), "sent first: {is_sent_first}");
        }
    }

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn many_replies_are_one_wake() {
        let (post, letters) = unbounded_channel();
        let mut task = pin!(hand_out(Letters(letters)));
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(wakes.clone());
        assert_eq!(task.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        let answers: Vec<Answer<usize>> = (0..100)
            .map(|number| {
                let (sender, answer) = oneshot::channel();
                Reply { sender, post: Some(post.clone()) }.send(number);
                answer
            })
            .collect();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert_eq!(task.as_mut().poll(&mut Context::from_waker(&waker)), Poll::Pending);
        let got: Vec<_> = answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect();
        assert_eq!(got, (0..100).collect::<Vec<_>>());
    }
}
