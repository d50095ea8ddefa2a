//! Receivers that are slow, endless or huge: a call ends at its one deadline wherever it is, and reads no more than it
//! keeps.

use std::time::Duration;

use delivery::egress::{Call, CallError, MAX_BODY_BYTES, Names, Part};
use delivery::retry::{Verdict, judge};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::receiver::{Receiver, hold, read_request};
use super::{egress, local, post, send, send_within};

/// Short enough to wait for, long enough for what precedes the part that a case is about.
const DEADLINE: Duration = Duration::from_secs(1);

/// Between the bytes of what trickles: many of them come before the deadline.
const TRICKLE: Duration = Duration::from_millis(20);

async fn trickle(stream: &mut TcpStream, piece: &[u8]) {
    while stream.write_all(piece).await.is_ok() {
        tokio::time::sleep(TRICKLE).await;
    }
}

async fn part_at_deadline(receiver: &Receiver) -> Part {
    match send_within(&local(), &receiver.url(), DEADLINE).await {
        Err(error @ CallError::Deadline(part)) => {
            assert!(error.can_pass());
            assert_eq!(judge(&Err(error)), Verdict::Retry);
            part
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_receiver_that_accepts_and_says_nothing_is_given_up() {
    let receiver = Receiver::start(hold).await;
    assert_eq!(part_at_deadline(&receiver).await, Part::Answer);
}

#[tokio::test]
async fn a_receiver_that_does_not_read_is_given_up() {
    let receiver = Receiver::start(hold).await;
    let egress = local();
    let target = egress.guard().target(&receiver.url());
    let call = Call { body: vec![0; 64 << 20].into(), ..post(&target, DEADLINE) };
    let outcome = egress.send(call).await;
    assert!(matches!(outcome, Err(CallError::Deadline(Part::Answer))), "{outcome:?}");
}

#[tokio::test]
async fn a_receiver_whose_status_line_trickles_is_given_up() {
    let receiver = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 O").await;
        trickle(&mut stream, b"K").await;
    })
    .await;
    assert_eq!(part_at_deadline(&receiver).await, Part::Answer);
}

#[tokio::test]
async fn a_receiver_whose_headers_trickle_is_given_up() {
    let receiver = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        trickle(&mut stream, b"a: b\r\n").await;
    })
    .await;
    assert_eq!(part_at_deadline(&receiver).await, Part::Answer);
}

#[tokio::test]
async fn a_receiver_that_only_asks_for_patience_is_given_up() {
    let receiver = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await;
        trickle(&mut stream, b"HTTP/1.1 102 Processing\r\n\r\n").await;
    })
    .await;
    assert_eq!(part_at_deadline(&receiver).await, Part::Answer);
}

#[tokio::test]
async fn a_receiver_whose_body_trickles_is_given_up() {
    for head in ["HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
        let receiver = Receiver::start(move |mut stream| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            trickle(&mut stream, b"a").await;
        })
        .await;
        assert_eq!(part_at_deadline(&receiver).await, Part::Body, "{head}");
    }
}

#[tokio::test]
async fn a_receiver_that_promises_a_body_and_sends_none_is_given_up() {
    let receiver = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n").await;
        hold(stream).await;
    })
    .await;
    assert_eq!(part_at_deadline(&receiver).await, Part::Body);
}

#[tokio::test]
async fn a_host_that_does_not_accept_is_given_up() {
    // Connections beyond a listener's backlog are not answered.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(connected) = tokio::time::timeout(DEADLINE, TcpStream::connect(address)).await {
        waiting.push(connected.unwrap());
    }
    for host in ["127.0.0.1", "full.example"] {
        let names = Names::new(|_| async { Ok(vec!["127.0.0.1".parse().unwrap()]) });
        let url = format!("http://{host}:{}/", address.port());
        let outcome = send_within(&egress(&["127.0.0.0/8"], names), &url, DEADLINE).await;
        assert!(matches!(outcome, Err(CallError::Deadline(Part::Connect))), "{host}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_receiver_that_does_not_finish_tls_is_given_up() {
    let receiver = Receiver::start(|mut stream| async move {
        let _ = stream.read(&mut [0; 1]).await;
        hold(stream).await;
    })
    .await;
    let outcome = send_within(&local(), &format!("https://{}/", receiver.address), DEADLINE).await;
    assert!(matches!(outcome, Err(CallError::Deadline(Part::Connect))), "{outcome:?}");
}

#[tokio::test]
async fn of_an_endless_body_only_the_first_bytes_are_read() {
    for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999\r\n\r\n"] {
        let receiver = Receiver::start(move |mut stream| async move {
            read_request(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b'a'; 4096]).await.is_ok() {}
        })
        .await;
        let answer = send(&local(), &receiver.url()).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.body.len(), answer.is_whole),
            (200, MAX_BODY_BYTES, false),
            "{head}"
        );
        assert!(answer.body.iter().all(|&byte| byte == b'a'));
    }
}

#[tokio::test]
async fn a_body_is_whole_up_to_the_bound_and_not_beyond() {
    for (bytes, is_whole) in [(0, true), (1, true), (MAX_BODY_BYTES, true), (MAX_BODY_BYTES + 1, false)] {
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {bytes}\r\n\r\n");
        let receiver = Receiver::answering([head.as_bytes(), &vec![b'a'; bytes]].concat()).await;
        let answer = send(&local(), &receiver.url()).await.unwrap();
        assert_eq!((answer.body.len(), answer.is_whole), (bytes.min(MAX_BODY_BYTES), is_whole), "{bytes}");
    }
}

#[tokio::test]
async fn endless_headers_are_a_failure() {
    let receiver = Receiver::start(|mut stream| async move {
        read_request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"name: a value that goes on and on\r\n").await.is_ok() {}
    })
    .await;
    let outcome = send(&local(), &receiver.url()).await;
    assert!(matches!(outcome, Err(CallError::Answer(_))), "{outcome:?}");
}
