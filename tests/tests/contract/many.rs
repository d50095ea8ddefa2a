//! Many subscribers, and one that does not read.

use acceptance::{Client, Server, notice};
use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::stream::{post, read_pages, subjects};
use acceptance::sse::Stream;

const TENANTS: u64 = 32;
const ROUNDS: u64 = 50;

#[tokio::test(flavor = "multi_thread")]
async fn every_one_of_many_subscribers_gets_every_change() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let open = (0..200).map(|_| Stream::open(&admin, "from=now"));
    let mut streams = join_all(open).await;
    post(&admin, &hookup, 0..20).await;
    let due: Vec<_> = (0..20).map(|number| format!("provetcloud.com/{number}")).collect();
    for stream in &mut streams {
        assert_eq!(subjects(&stream.changes(20).await), due);
    }
}

/// Some megabytes in more changes than the tailer keeps for those who are behind.
async fn write_much(admin: &Client, hookup: &str) {
    let tenants = (0..TENANTS).map(|tenant| async move {
        for round in 0..ROUNDS {
            let mut notice = notice(tenant);
            notice["algorithm"] = json!(format!("{round:02000}"));
            notice["departments"] = json!([round]);
            admin.notify(hookup, &notice).await;
        }
    });
    join_all(tenants).await;
}

async fn connect_slowly(admin: &Client) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let address = admin.url.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = socket.connect(address).await.unwrap();
    let head = format!(
        "GET /v1/changes?from=now HTTP/1.0\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        admin.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut begun = [0; 12];
    stream.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.0 200");
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_does_not_read_delays_nobody_and_catches_up_completely() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let mut slow = connect_slowly(&admin).await;
    let mut quick = Stream::open(&admin, "from=now").await;
    let cursor = quick.next_named("bookmark").await.id.unwrap();
    write_much(&admin, &hookup).await;
    post(&admin, &hookup, [999]).await;
    let all = read_pages(&admin, &format!("/v1/changes?limit=1000&after={cursor}")).await;
    let due: Vec<_> = all.iter().map(|change| change["id"].as_str().unwrap().to_owned()).collect();
    assert!(due.len() > 4096, "more than is kept for those who are behind: {}", due.len());
    let seen: Vec<_> = quick.changes(due.len()).await.iter().map(|change| change.change_id()).collect();
    assert_eq!(seen, due, "while the other one does not read");

    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text[text.len().saturating_sub(4000)..]).contains("provetcloud.com/999") {
        assert!(slow.read_buf(&mut text).await.unwrap() > 0, "it goes on");
    }
    let text = String::from_utf8(text).unwrap();
    let data = text.lines().filter_map(|line| line.strip_prefix("data: {\"specversion\""));
    let ids: Vec<_> = data.map(|rest| rest.split("\"id\":\"").nth(1).unwrap().split('"').next().unwrap()).collect();
    assert_eq!(ids, due, "nothing missed, nothing twice");
}
