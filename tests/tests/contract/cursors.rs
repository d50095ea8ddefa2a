//! Cursors that cannot be resumed, and those that can only be resumed later.

use std::path::Path;

use acceptance::{Client, Options, Server, regledger, tool};
use serde_json::json;
use tempfile::TempDir;

use crate::stream::{post, subjects};
use acceptance::sse::Stream;

fn copy(from: &Path, to: &Path) {
    assert!(tool("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[tokio::test]
async fn a_cursor_of_another_ledger_is_gone_and_the_answer_says_how_to_start_over() {
    let (here, there) = (Server::start(), Server::start());
    let cursor = there.admin().get("/v1/changes").await["cursor"].as_str().unwrap().to_owned();
    let (status, problem) = here.admin().try_get(&format!("/v1/changes?after={cursor}")).await;
    assert_eq!(status, 410, "{problem}");
    assert_eq!(problem["type"], "urn:regledger:problem:cursor-gone");
    assert!(problem["detail"].as_str().unwrap().contains("from=snapshot"), "{problem}");
}

#[tokio::test]
async fn a_cursor_beyond_the_end_of_a_ledger_that_was_restored_is_gone() {
    let dir = TempDir::new().unwrap();
    let server = Server::start_in(&dir.path().join("data"), &Options::default());
    server.admin().integration("acme-lab").await;
    let (_, data, _) = server.stop();
    copy(&data, &dir.path().join("backup"));
    let server = Server::start_in(&data, &Options::default());
    server.admin().integration("other").await;
    let cursor = server.admin().get("/v1/changes").await["cursor"].as_str().unwrap().to_owned();
    server.stop();
    let restored = Server::start_in(&dir.path().join("backup"), &Options::default());
    let (status, problem) = restored.admin().try_get(&format!("/v1/changes?after={cursor}")).await;
    assert_eq!(status, 410, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("from=snapshot"), "{problem}");
}

/// Puts the backup in the place of what a stopped server left.
fn restore(backup: &Path, data: &Path) {
    let mut restore = regledger(&["restore", "--replace"]);
    let restored = restore.arg(backup).arg("--data-dir").arg(data).output().unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
}

async fn cursor_now(admin: &Client) -> String {
    admin.get("/v1/changes").await["cursor"].as_str().unwrap().to_owned()
}

/// What an answer to a cursor says that cannot be resumed.
async fn is_gone(admin: &Client, cursor: &str) {
    let (status, problem) = admin.try_get(&format!("/v1/changes?after={cursor}")).await;
    assert_eq!(status, 410, "{problem}");
    assert_eq!(problem["type"], "urn:regledger:problem:cursor-gone");
    assert!(problem["detail"].as_str().unwrap().contains("from=snapshot"), "{problem}");
}

#[tokio::test]
async fn after_a_restore_who_was_ahead_of_the_backup_starts_over_and_the_others_go_on() {
    let dir = TempDir::new().unwrap();
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    let server = Server::start_in(&data, &Options::default());
    let admin = server.admin();
    let hookup = admin.integration("acme-lab").await;
    let path = hookup.strip_prefix(&server.url).unwrap();
    post(&admin, &hookup, [1, 2]).await;
    let behind = Stream::open(&admin, "type=client.*").await.next_change().await.id.unwrap();
    let level = cursor_now(&admin).await;
    assert!(server.command(&["backup", backup.to_str().unwrap()]).output().unwrap().status.success());
    post(&admin, &hookup, [3]).await;
    let one_ahead = cursor_now(&admin).await;
    post(&admin, &hookup, [4]).await;
    let ahead = cursor_now(&admin).await;
    server.stop();

    restore(&backup, &data);
    let server = Server::start_in(&data, &Options::default());
    let admin = server.admin();
    post(&admin, &format!("{}{path}", server.url), 5..10).await;
    for cursor in [&one_ahead, &ahead] {
        is_gone(&admin, cursor).await;
    }
    for (cursor, due) in [(&behind, &[2, 5, 6, 7, 8, 9][..]), (&level, &[5, 6, 7, 8, 9])] {
        let mut stream = Stream::open(&admin, &format!("after={cursor}")).await;
        let due: Vec<_> = due.iter().map(|tenant| format!("provetcloud.com/{tenant}")).collect();
        let seen = stream.changes(due.len()).await;
        assert_eq!(subjects(&seen), due, "no gap, and nothing twice");
        let resumed = seen[0].id.as_ref().unwrap();
        let again = Stream::open(&admin, &format!("after={resumed}")).await.changes(due.len() - 1).await;
        assert_eq!(subjects(&again), due[1..], "and so does the cursor that it was given");
    }
    let of_this_era = cursor_now(&admin).await;
    server.stop();

    restore(&backup, &data);
    let server = Server::start_in(&data, &Options::default());
    let admin = server.admin();
    post(&admin, &format!("{}{path}", server.url), 10..20).await;
    for cursor in [&one_ahead, &of_this_era] {
        is_gone(&admin, cursor).await;
    }
    let mut stream = Stream::open(&admin, &format!("after={level}")).await;
    assert_eq!(subjects(&[stream.next_change().await]), ["provetcloud.com/10"]);
}

#[tokio::test]
async fn what_is_no_cursor_is_a_bad_request() {
    let server = Server::start();
    for garbage in ["garbage", "MQ", "MSB4IDE", "%00", "..%2F..", "MSBhIDk5OTk5OTk5OTk5OTk5OTk5OTk5OTkuMA"] {
        let (status, problem) = server.admin().try_get(&format!("/v1/changes?after={garbage}")).await;
        assert_eq!(status, 400, "{garbage}: {problem}");
        assert!(!problem.to_string().contains(garbage), "a value is never quoted: {problem}");
    }
}

/// Without the projector nothing is projected: the state store is as far behind as it can be.
#[tokio::test]
async fn what_is_ahead_of_the_projection_alone_waits_for_it() {
    let server = Server::start();
    let hookup_path = server.admin().integration("acme-lab").await.split_off(server.url.len());
    let cursor = server.admin().get("/v1/changes").await["cursor"].as_str().unwrap().to_owned();
    let (_, data, _own) = server.stop();
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let _ = std::fs::remove_file(data.join(name));
    }

    let arguments = ["--roles", "intake,query"];
    let behind = Server::start_in(&data, &Options { arguments: &arguments, ..Options::default() });
    let admin = behind.admin();
    let mut stream = Stream::open(&admin, &format!("after={cursor}")).await;
    assert_eq!(stream.next_named("bookmark").await.id.as_ref(), Some(&cursor), "no 410: it waits");
    let notice = acceptance::notice(1);
    let receipt = admin.notify(&format!("{}{hookup_path}", behind.url), &notice).await;
    let place = acceptance::Client::place(&receipt);
    let spec = json!({"name": "late", "source": "provet", "notify": {"kind": "hookup"}});
    let path = format!("/v1/clients?min_position={place}");
    let ((read, not_projected), (command, unknown)) =
        tokio::join!(admin.try_get(&path), admin.try_post("/v1/integrations", &spec));
    assert_eq!(read, 504, "{not_projected}");
    assert_eq!(not_projected["position"], place);
    assert_eq!(command, 504, "{unknown}");
    assert_eq!(unknown["type"], "urn:regledger:problem:outcome-unknown");
    assert!(unknown["position"].as_str().unwrap().starts_with("0:"), "{unknown}");
    drop(behind);

    let server = Server::start_in(&data, &Options::default());
    let mut stream = Stream::open(&server.admin(), &format!("after={cursor}")).await;
    let first = stream.changes(2).await;
    assert_eq!(subjects(&first), ["provetcloud.com/1", "late"], "and nothing before the cursor again");
    let hookup = format!("{}{hookup_path}", server.url);
    post(&server.admin(), &hookup, [2]).await;
    assert_eq!(subjects(&stream.changes(1).await), ["provetcloud.com/2"]);
}
