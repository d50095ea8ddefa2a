//! Starts that are refused: a directory in use, keys that do not fit, damaged files. Each ends with exit code 1 and says what is wrong.

use std::fs;
use std::path::Path;

use acceptance::{Options, Server};
use tempfile::TempDir;

use self::harm::Prepared;
use crate::hub::{Hub, answers};
use crate::killed::delete_projection;
use acceptance::audit;

mod harm;

/// What happens to a data directory, and what the process then has to say.
struct Case {
    name: &'static str,
    harm: fn(&Prepared),
    said: &'static [&'static str],
}

const fn case(name: &'static str, harm: fn(&Prepared), said: &'static [&'static str]) -> Case {
    Case { name, harm, said }
}

/// Events that each prepared ledger has; more than are checked at every start.
const TENANTS: u64 = 80;

const CASES: &[Case] = &[
    case(
        "the header is overwritten",
        |p| p.overwrite("ledger.db", 0, 100),
        &["ledger.db", "damaged or not a SQLite database"],
    ),
    case(
        "a file of garbage",
        |p| p.replace("ledger.db", &[0xA5; 100_000]),
        &["ledger.db", "damaged or not a SQLite database"],
    ),
    case("a file of text", |p| p.replace("ledger.db", b"hello\n"), &["ledger.db", "damaged or not a SQLite database"]),
    case("half a file", |p| p.truncate("ledger.db", 2), &["ledger"]),
    case("a page in the middle is overwritten", |p| p.harm_page("ledger.db"), &["ledger"]),
    case("an empty file", |p| p.replace("ledger.db", b""), &["ledger.db is missing or empty", "backup"]),
    case("no file", |p| p.remove("ledger.db"), &["ledger.db is missing or empty", "backup"]),
    case(
        "somebody else's database",
        |p| p.copy_within("keys.db", "ledger.db"),
        &["ledger.db belongs to something else"],
    ),
    case("a newer schema", |p| p.sql("ledger.db", "PRAGMA user_version = 99"), &["newer regledger", "99"]),
    case("the genesis is changed", |p| p.change(0), &["the ledger is damaged at 0:0"]),
    case("the last event is changed", |p| p.change(LAST), &["the ledger is damaged at 0:82"]),
    case(
        "the hash of the last event is changed",
        |p| p.sql("ledger.db", HASH_OF_THE_LAST),
        &["the ledger is damaged at 0:82"],
    ),
    case("one of the last events is missing", |p| p.delete("position = 80"), &["the ledger is damaged at 0:80"]),
    case(
        "the last events are missing",
        |p| p.delete("position > 80"),
        &["ends before position 81", "up to 83", "events are lost"],
    ),
    case("all events are missing", |p| p.delete("1"), &["ledger.db is missing or empty", "backup"]),
    case("the genesis is missing", |p| p.delete("position = 0"), &["the ledger is damaged at 0:0"]),
    case(
        "an old event is changed, and read again",
        |p| {
            p.change(7);
            delete_projection(&p.data)
        },
        &["the ledger is damaged at 0:7"],
    ),
    case(
        "an old event is missing, and read again",
        |p| {
            p.delete("position = 9");
            delete_projection(&p.data)
        },
        &["the ledger is damaged at 0:9"],
    ),
    case("another ledger", |p| p.take_others("ledger.db"), &["keys.db belongs to ledger"]),
    case(
        "another ledger's state",
        |p| p.take_others("state.db"),
        &["state.db is the projection of ledger", "delete it, and it will be built anew"],
    ),
    case(
        "a state store of garbage",
        |p| p.replace("state.db", &[0x5A; 50_000]),
        &["state.db", "damaged or not a SQLite database"],
    ),
    case("no keys", |p| p.remove("keys.db"), &["keys.db is missing beside a ledger that has events", "backup"]),
    case(
        "empty keys",
        |p| p.replace("keys.db", b""),
        &["keys.db is missing beside a ledger that has events", "backup"],
    ),
    case(
        "keys of garbage",
        |p| p.replace("keys.db", &[0x5A; 50_000]),
        &["keys.db", "damaged or not a SQLite database"],
    ),
    case("another ledger's keys", |p| p.take_others("keys.db"), &["keys.db belongs to ledger"]),
    case("no key-encryption key", |p| p.remove("kek"), &["there is no key file", "kek"]),
    case("another key-encryption key", |p| p.take_others("kek"), &["keys.db was made with another key-encryption key"]),
    case("an empty key-encryption key", |p| p.replace("kek", b""), &["kek does not give a key"]),
    case("a key-encryption key that others can read", |p| p.expose("kek"), &["others than its owner", "chmod 600"]),
    case("an empty admin token", |p| p.replace("admin-token", b""), &["admin-token is empty"]),
];

/// Position of the last event of a prepared ledger: genesis, token and integration come before the tenants.
const LAST: u64 = TENANTS + 2;

const HASH_OF_THE_LAST: &str = "DROP TRIGGER event_is_never_changed; UPDATE event SET leaf_hash = zeroblob(32) WHERE position = (SELECT max(position) FROM event)";

#[tokio::test]
async fn a_damaged_directory_is_refused_and_says_what_is_wrong() {
    let dir = TempDir::new().unwrap();
    let (whole, other) = (dir.path().join("whole"), dir.path().join("other"));
    prepare(&whole).await;
    prepare(&other).await;
    let mut wrong = Vec::new();
    for case in CASES {
        let data = dir.path().join("data");
        copy(&whole, &data);
        let prepared = Prepared { data: data.clone(), other: other.clone() };
        (case.harm)(&prepared);
        let (code, said) = end(&data);
        let says = case.said.iter().all(|part| said.contains(part));
        if code != Some(1) || !says {
            wrong.push(format!("{}: exit code {code:?}, expected {:?}, it said:\n{said}", case.name, case.said));
        }
        fs::remove_dir_all(&data).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let whole = Server::start_in(&whole, &Options::default());
    assert_eq!(audit::events(&whole.admin()).await.len() as u64, LAST + 1);
}

#[tokio::test]
async fn a_ledger_that_lost_its_write_ahead_log_is_refused() {
    for is_first_run in [true, false] {
        let dir = TempDir::new().unwrap();
        let data = dir.path().join("data");
        if !is_first_run {
            prepare(&data).await;
        }
        let mut server = Server::start_in(&data, &Options::default());
        let admin = server.admin();
        let hub = admin.integration("wal-lost").await;
        let receipt = admin.notify(&hub, &acceptance::notice(7_777)).await;
        answers(&admin, &format!("/v1/clients?min_position={}", acceptance::Client::place(&receipt))).await;
        server.kill();
        fs::remove_file(data.join("ledger.db-wal")).unwrap();
        fs::remove_file(data.join("ledger.db-shm")).unwrap();
        let (code, said) = end(&data);
        let expected = if is_first_run { "is missing or empty" } else { "events are lost" };
        assert!(code == Some(1) && said.contains(expected), "{is_first_run}: {code:?}\n{said}");
    }
}

#[tokio::test]
async fn a_deleted_projection_is_rebuilt_with_the_same_changes() {
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    let hub = Hub::of(Server::start_in(&data, &Options::default())).await;
    let receipts = hub.acknowledged(1..30).await;
    let (_, before) = audit::everything_acknowledged_is_there(&hub.admin, &receipts).await;
    let id = audit::clients(&hub.admin).await[3]["id"].as_str().unwrap().to_owned();
    hub.admin.post(&format!("/v1/clients/{id}/retire"), &serde_json::json!({})).await;
    let (events, changes) = audit::everything_acknowledged_is_there(&hub.admin, &receipts).await;
    assert_eq!(changes.len(), before.len() + 1);
    assert!(hub.server.stop().0.success());
    delete_projection(&data);
    let server = Server::start_in(&data, &Options::default());
    let rebuilt = audit::everything_acknowledged_is_there(&server.admin(), &receipts).await;
    assert!(rebuilt == (events, changes), "a rebuild tells another story");
}

#[tokio::test]
async fn a_second_process_on_the_same_directory_is_refused_and_the_first_goes_on() {
    let hub = Hub::start().await;
    let (code, said) = end(&hub.server.data_dir);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is in use by another regledger process"), "{said}");
    let receipts = hub.acknowledged(1..4).await;
    audit::everything_acknowledged_is_there(&hub.admin, &receipts).await;
}

/// How a process ends that cannot go on with a data directory, and what it said.
pub fn end(data: &Path) -> (Option<i32>, String) {
    match Server::try_start_in(data, &Options::default()) {
        Ok(mut server) => (server.wait().code(), server.log()),
        Err(said) => {
            let code = said.rsplit_once("exit status: ").and_then(|(_, code)| code.trim().parse().ok());
            (code, said)
        }
    }
}

/// A data directory with some tenants, left in good order.
async fn prepare(data: &Path) {
    let hub = Hub::of(Server::start_in(data, &Options::default())).await;
    let receipts = hub.acknowledged(1..TENANTS + 1).await;
    answers(
        &hub.admin,
        &format!("/v1/clients?min_position={}", acceptance::Client::place(&receipts[receipts.len() - 1])),
    )
    .await;
    assert!(hub.server.stop().0.success());
}

/// Copies the files of a directory.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}
