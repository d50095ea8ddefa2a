//! Names: what is looked up is what is checked is what is connected to.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use delivery::egress::{CallError, Names, Part, Refusal};
use tokio::io::AsyncWriteExt;

use super::receiver::{Receiver, read_request};
use super::{PATIENCE, egress, send, send_within};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Names that have one answer after the other, the last one for ever; and how often they were asked.
fn answers(answers: &[&[&str]]) -> (Names, Arc<AtomicUsize>) {
    let parse = |answer: &&[&str]| answer.iter().map(|address| address.parse::<IpAddr>().unwrap()).collect::<Vec<_>>();
    let answers: Arc<Vec<_>> = Arc::new(answers.iter().map(parse).collect());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let names = Names::new(move |_| {
        let turn = counter.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let answer = answers[turn].clone();
        async move { Ok(answer) }
    });
    (names, asked)
}

fn is_refused(outcome: Result<delivery::egress::Answer, CallError>, expected: &str) -> bool {
    matches!(outcome, Err(CallError::Address(Refusal::Address { what })) if what == expected)
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_called_where_it_was_found() {
    // Only 127.0.0.2 is allowed here and stands for what is public; the receiver listens on all of 127.0.0.0/8.
    let receiver = Receiver::on("0.0.0.0:0", OK).await;
    let url = format!("http://rebound.example:{}/", receiver.address.port());
    let (names, asked) = answers(&[&["127.0.0.2"], &["127.0.0.1"]]);
    let egress = egress(&["127.0.0.2/32"], names);

    assert_eq!(send(&egress, &url).await.unwrap().status, 200);
    assert_eq!(asked.load(Ordering::SeqCst), 1, "one call, one question");
    assert_eq!(receiver.called(), ["127.0.0.2"], "the address that was checked");

    assert!(is_refused(send(&egress, &url).await, "a loopback address"), "the next call is checked anew");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(receiver.called(), ["127.0.0.2"], "and goes nowhere");
}

#[tokio::test]
async fn one_address_that_is_not_called_condemns_the_answer() {
    let receiver = Receiver::answering(OK).await;
    let url = format!("http://mixed.example:{}/", receiver.address.port());
    let cases: [(&[&str], &str); 6] = [
        (&["8.8.8.8", "127.0.0.1"], "a loopback address"),
        (&["127.0.0.1", "8.8.8.8"], "a loopback address"),
        (&["8.8.8.8", "2606:4700:4700::1111", "::1"], "a loopback address"),
        (&["8.8.8.8", "10.0.0.1", "9.9.9.9"], "a private address"),
        (&["::ffff:8.8.8.8"], "an IPv4 address inside IPv6"),
        (&["169.254.169.254"], "a link-local address"),
    ];
    for (answer, expected) in cases {
        let egress = egress(&[], answers(&[answer]).0);
        assert!(is_refused(send(&egress, &url).await, expected), "{answer:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn a_name_that_means_this_machine_is_refused_by_its_address() {
    for host in ["localhost", "LOCALHOST"] {
        let outcome = send(&egress(&[], Names::system()), &format!("http://{host}/")).await;
        assert!(is_refused(outcome, "a loopback address"), "{host}");
    }
}

#[tokio::test]
async fn a_name_without_an_address_is_a_failure_that_can_pass() {
    let nothing = Names::new(|_| async { Ok(Vec::new()) });
    let broken = Names::new(|_| async { Err(io::Error::other("no resolver")) });
    for names in [nothing, broken] {
        let error = send(&egress(&[], names), "http://example.com/canary?canary").await.unwrap_err();
        assert!(matches!(error, CallError::Resolve(_)) && error.can_pass(), "{error:?}");
        assert_eq!(error.part(), Part::Resolve);
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_lookup_that_does_not_end_ends_at_the_deadline() {
    let silent = Names::new(|_| std::future::pending());
    let outcome = send_within(&egress(&[], silent), "http://example.com/", PATIENCE / 300).await;
    assert!(matches!(outcome, Err(CallError::Deadline(Part::Resolve))), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_that_is_kept_is_to_what_was_checked() {
    let receiver = Receiver::start(|mut stream| async move {
        for _ in 0..2 {
            read_request(&mut stream).await;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let (names, asked) = answers(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let egress = egress(&["127.0.0.1/32"], names);
    for _ in 0..2 {
        let answer = send(&egress, &format!("http://kept.example:{}/", receiver.address.port())).await.unwrap();
        assert_eq!(answer.status, 200);
    }
    assert_eq!((receiver.connections(), asked.load(Ordering::SeqCst)), (1, 1));
}
