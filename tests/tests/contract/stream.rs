//! The change stream: what is sent, from where, and through which filter.

use acceptance::{Client, Options, Server, notice};
use reqwest::Method;
use serde_json::{Value, json};

use acceptance::sse::{Frame, Stream};

/// Posts notices of tenants and waits until they are projected.
pub async fn post(admin: &Client, hookup: &str, tenants: impl IntoIterator<Item = u64>) {
    let mut last = None;
    for tenant in tenants {
        last = Some(admin.notify(hookup, &notice(tenant)).await);
    }
    let place = Client::place(&last.unwrap());
    admin.get(&format!("/v1/clients?limit=1&min_position={place}")).await;
}

/// The subjects of changes.
pub fn subjects(changes: &[Frame]) -> Vec<String> {
    changes.iter().map(|change| change.json()["subject"].as_str().unwrap().to_owned()).collect()
}

pub fn tenant(number: u64) -> String {
    format!("provetcloud.com/{number}")
}

#[tokio::test]
async fn a_stream_carries_each_change_with_its_cursor_type_and_cloud_event() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let mut stream = Stream::open(&admin, "").await;
    let retry = stream.next().await.unwrap();
    assert_eq!((retry.event.as_str(), retry.data.as_str()), ("retry", "1000"));
    assert_eq!(stream.next_change().await.event, "domain.created", "from the beginning by default");
    assert_eq!(stream.next_change().await.event, "integration.created");
    post(&admin, &hookup, [1, 2]).await;
    let seen = stream.changes(2).await;
    let page = admin.get("/v1/changes?limit=1000").await;
    for (frame, item) in seen.iter().zip(&page["items"].as_array().unwrap()[2..]) {
        assert_eq!(frame.event, "client.registered");
        assert_eq!(&frame.json(), item, "stream and page give the same CloudEvent");
        let cursor = frame.id.as_ref().unwrap();
        let is_safe = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        assert!(cursor.bytes().all(is_safe), "URL-safe: {cursor}");
    }
}

#[tokio::test]
async fn where_a_stream_begins_can_be_chosen() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    post(&admin, &hookup, [1, 2, 3]).await;
    let mut all = Stream::open(&admin, "from=beginning&type=client.*").await;
    let cursors: Vec<_> = all.changes(3).await.into_iter().map(|c| c.id.unwrap()).collect();
    let [after_1, after_2, _] = &cursors[..] else { panic!("{cursors:?}") };
    // query, Last-Event-ID, first tenant among 1 to 4 that is seen
    let cases = [
        ("from=beginning&type=client.*".to_owned(), None, 1),
        ("from=now".to_owned(), None, 4),
        (format!("after={after_1}"), None, 2),
        (format!("after={after_1}&from=now"), None, 2),
        (format!("after={after_1}&from=snapshot"), None, 2),
        (String::new(), Some(after_2), 3),
        (format!("after={after_1}"), Some(after_2), 3),
        ("from=now".to_owned(), Some(after_1), 2),
        (format!("after={after_1}"), Some(&String::new()), 2),
    ];
    let mut streams = Vec::new();
    for (query, last_event_id, first) in &cases {
        let last_event_id = last_event_id.map(|id: &String| id.as_str());
        streams.push((Stream::open_after(&admin, query, last_event_id).await, query, first));
    }
    post(&admin, &hookup, [4]).await;
    for (mut stream, query, first) in streams {
        let due: Vec<_> = (*first..=4).map(tenant).collect();
        let seen = stream.changes(due.len()).await;
        assert_eq!(subjects(&seen), due, "{query}");
    }
    let (status, problem) = admin.try_get("/v1/changes?from=yesterday").await;
    assert_eq!(status, 400, "{problem}");
}

/// Type, integration and tenant of a change.
type Said = (&'static str, &'static str, u64);

#[tokio::test]
async fn filters_let_through_what_was_asked_for() {
    let server = Server::start();
    let admin = server.admin();
    let (acme, other) = (admin.integration("acme-lab").await, admin.integration("other").await);
    post(&admin, &acme, [1, 2]).await;
    post(&admin, &other, [1]).await;
    let mut changed = notice(1);
    changed["algorithm"] = json!("HS256");
    changed["departments"] = json!([3]);
    let receipt = admin.notify(&acme, &changed).await;
    admin.get(&format!("/v1/clients?min_position={}", Client::place(&receipt))).await;
    let registered = |integration, number| ("client.registered", integration, number);
    let updated = ("client.updated", "acme-lab", 1);
    let departments = ("client.departments_added", "acme-lab", 1);
    let all = [registered("acme-lab", 1), registered("acme-lab", 2), registered("other", 1), updated, departments];
    let cases: Vec<(&str, Vec<Said>)> = vec![
        ("type=client.*", all.to_vec()),
        ("type=client.registered", all[..3].to_vec()),
        ("type=client.updated&type=client.departments_added", vec![updated, departments]),
        ("type=client.*&integration=other", vec![registered("other", 1)]),
        ("type=client.*&tenant=provetcloud.com/1", vec![all[0], all[2], updated, departments]),
        ("type=client.*&tenant=provetcloud.com%2F1&integration=acme-lab", vec![all[0], updated, departments]),
        ("type=client.*&tenant=provetcloud.com/2", vec![registered("acme-lab", 2)]),
    ];
    for (query, due) in cases {
        let due: Vec<_> = due
            .iter()
            .map(|(kind, integration, number)| {
                (format!("regledger.{kind}.v1"), format!("/integrations/{integration}"), tenant(*number))
            })
            .collect();
        let said = |change: &Value| {
            let text = |name: &str| change[name].as_str().unwrap().to_owned();
            (text("type"), text("source"), text("subject"))
        };
        let page = admin.get(&format!("/v1/changes?{query}")).await;
        let paged: Vec<_> = page["items"].as_array().unwrap().iter().map(said).collect();
        assert_eq!(paged, due, "page {query}");
        let streamed = Stream::open(&admin, query).await.changes(due.len()).await;
        let streamed: Vec<_> = streamed.iter().map(|frame| said(&frame.json())).collect();
        assert_eq!(streamed, due, "stream {query}");
    }
    for wrong in ["type=client.unheard", "type=clients.*", "type=*", "kind=client.updated", "limit=0", "limit=1001"] {
        let (status, problem) = admin.try_get(&format!("/v1/changes?{wrong}")).await;
        assert_eq!(status, 400, "{wrong}: {problem}");
    }
}

#[tokio::test]
async fn an_idle_stream_gets_bookmarks_and_heartbeats_and_a_bookmark_moves_past_what_was_filtered() {
    let server = Server::start_with(&Options { arguments: &["--stream-heartbeat-seconds", "1"], ..Options::default() });
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let mut stream = Stream::open(&admin, "from=now&integration=other").await;
    let first = stream.next_named("bookmark").await;
    assert_eq!(first.json()["cursor"], first.id.clone().unwrap());
    let heartbeat = stream.next_named(":").await;
    assert_eq!(heartbeat.data, "heartbeat");
    post(&admin, &hookup, [1]).await;
    let moved = stream.next_named("bookmark").await;
    assert_ne!(moved.id, first.id, "what was filtered out need not be looked at again");
    let cursor = moved.id.unwrap();
    let page = admin.get(&format!("/v1/changes?after={cursor}")).await;
    assert_eq!(page["items"], json!([]));
}

#[tokio::test]
async fn a_snapshot_and_the_changes_after_it_have_no_gap_and_no_overlap_while_a_writer_writes() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    post(&admin, &hookup, [0]).await;
    let writer = tokio::spawn({
        let (admin, hookup) = (admin.clone(), hookup.clone());
        async move {
            for number in 0..240_u64 {
                let mut notice = notice(number % 40);
                notice["departments"] = json!([number]);
                admin.notify(&hookup, &notice).await;
            }
        }
    });
    let mut streams = Vec::new();
    while !writer.is_finished() && streams.len() < 12 {
        let mut stream = Stream::open(&admin, "from=snapshot&type=client.*").await;
        let mut rows = Vec::new();
        let bookmark = loop {
            let frame = stream.next().await.unwrap();
            match frame.event.as_str() {
                "snapshot" => {
                    assert_eq!(frame.id, None, "nothing can be resumed within a snapshot");
                    rows.push(frame.json());
                }
                "bookmark" => break frame.id.unwrap(),
                "retry" => {}
                other => panic!("{other} before the bookmark"),
            }
        };
        streams.push((stream, rows, bookmark));
    }
    writer.await.unwrap();
    post(&admin, &hookup, [999]).await;
    assert!(streams.len() > 2, "the writer was still writing");
    for (mut stream, rows, bookmark) in streams {
        let mut changes = Vec::new();
        while changes.last().is_none_or(|last: &Value| last["subject"] != tenant(999)) {
            changes.push(stream.next_change().await.json());
        }
        let paged = read_pages(&admin, &format!("/v1/changes?type=client.*&limit=1000&after={bookmark}")).await;
        assert_eq!(changes, paged, "what comes is all that comes after the bookmark");
        let first = changes[0]["sequence"].as_str().unwrap();
        let newest = rows.iter().map(|row| row["position"].as_u64().unwrap()).max().unwrap();
        assert!(*first > *format!("{newest:020}.9999"), "no change is told that the snapshot had");
        let earlier = "/v1/changes?type=client.*&limit=1000&from=beginning";
        let all = read_pages(&admin, earlier).await;
        let before = &all[..all.len() - changes.len()];
        assert_eq!(last_rows(before), sorted(rows), "the snapshot is what all changes before it made");
    }
}

/// The rows after the last change of each client.
fn last_rows(changes: &[Value]) -> Vec<Value> {
    let clients = changes.iter().map(|change| &change["data"]["client"]);
    let rows: std::collections::BTreeMap<_, _> = clients.map(|row| (row["id"].to_string(), row.clone())).collect();
    rows.into_values().collect()
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    for row in &mut rows {
        row.as_object_mut().unwrap().retain(|name, _| name != "domain" && name != "latest");
    }
    rows.sort_by_key(|row| row["id"].to_string());
    rows
}

/// Everything from a page and those after it.
pub async fn read_pages(admin: &Client, path: &str) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let page = admin.get(&path).await;
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        next = page["next"].as_str().map(str::to_owned);
    }
    items
}

#[tokio::test]
async fn pages_end_with_a_cursor_to_go_on_from() {
    let server = Server::start();
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    post(&admin, &hookup, 1..=5).await;
    let first = admin.get("/v1/changes?type=client.*&limit=3").await;
    assert_eq!(first["items"].as_array().unwrap().len(), 3);
    let second = admin.get(first["next"].as_str().unwrap()).await;
    assert_eq!(second["items"].as_array().unwrap().len(), 2);
    assert_eq!(second["next"], Value::Null, "null at the end");
    let cursor = second["cursor"].as_str().unwrap();
    post(&admin, &hookup, [6]).await;
    let third = admin.get(&format!("/v1/changes?after={cursor}")).await;
    assert_eq!(third["items"][0]["subject"], tenant(6));
    assert_eq!(third["items"].as_array().unwrap().len(), 1);
    let streamed = Stream::open(&admin, &format!("after={cursor}")).await.next_change().await;
    assert_eq!(streamed.json(), third["items"][0], "a page's cursor resumes a stream");
    let request = admin.request(Method::GET, "/v1/changes?from=now").header("accept", "application/json");
    let now = request.header("last-event-id", cursor).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(now["items"], third["items"], "Last-Event-ID beats from in pages too");
    let (status, _) = admin.try_get("/v1/changes?from=now").await;
    assert_eq!(status, 200);
}
