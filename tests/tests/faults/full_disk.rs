//! Full disks: 503 while there is no space, nothing acknowledged is lost, and all is well by itself once there is space again.

use std::path::Path;
use std::process::Command;

use acceptance::{Options, Server, eventually, notice, tool};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::hub::{Answer, Hub, post};
use crate::ledger_file;
use acceptance::audit;

/// What can be written before the disk is full, in bytes.
const SPACE: u64 = 10 << 20;

/// So many refusals in a row say that it is full: a write-ahead log that was refused room begins anew in the room that it has.
const REFUSALS: usize = 8;

#[tokio::test]
async fn files_that_may_not_grow_are_answered_503_until_they_may() {
    let dir = TempDir::new().unwrap();
    let limit = format!("ulimit -S -f {}; exec \"$@\"", SPACE / 1024);
    let grow = |server: &Server| run("prlimit", &["--pid", &server.pid().to_string(), "--fsize=unlimited"]);
    it_fills_up_and_recovers(&dir.path().join("data"), Some(&limit), grow).await;
}

#[tokio::test]
async fn a_full_disk_is_answered_503_until_there_is_space() {
    let disk = SmallDisk::mount();
    it_fills_up_and_recovers(&disk.0.path().join("data"), None, |_| disk.grow()).await;
}

async fn it_fills_up_and_recovers(data: &Path, shell: Option<&str>, grow: impl Fn(&Server)) {
    let arguments = ["--disk-min-free-bytes", "1"];
    let options = Options { arguments: &arguments, shell, ..Options::default() };
    let hub = Hub::of(Server::start_in(data, &options)).await;
    let mut receipts = fill(&hub).await;
    assert!(receipts.len() > 20, "only {} notices found room", receipts.len());

    while_there_is_no_space(&hub, &mut receipts).await;
    let url = format!("{}/healthz", hub.server.url);
    assert_eq!(reqwest::get(url).await.unwrap().status(), 200, "the process is alive");

    grow(&hub.server);
    eventually("readiness", async || readiness(&hub).await["ready"].as_bool().filter(|ready| *ready)).await;
    receipts.extend(hub.acknowledged(900_000..900_010).await);
    hub.admin.integration("made-afterwards").await;
    let (events, changes) = audit::everything_acknowledged_is_there(&hub.admin, &receipts).await;

    let Hub { server, .. } = hub;
    let (status, ..) = server.stop();
    assert!(status.success(), "{status}");
    ledger_file::has_no_gap(&data.join("ledger.db"), events.len());
    let server = Server::start_in(data, &Options { arguments: &arguments, ..Options::default() });
    let again = audit::everything_acknowledged_is_there(&server.admin(), &receipts).await;
    assert!(again == (events, changes), "a restart tells another story");
}

/// Sends large notices until none is acknowledged any more; the receipts of the others.
async fn fill(hub: &Hub) -> Vec<Value> {
    let (mut receipts, mut refusals) = (Vec::new(), 0);
    for provet_id in 1..5_000 {
        match send(hub, provet_id, 30_000).await {
            Ok(receipt) => {
                receipts.push(receipt);
                refusals = 0;
            }
            Err(answer) => {
                is_unavailable(&answer);
                refusals += 1;
            }
        }
        if refusals == REFUSALS {
            return receipts;
        }
    }
    panic!("there is no end of space")
}

/// Whatever is sent now is acknowledged or answered 503, and `/readyz` names what cannot write and why.
async fn while_there_is_no_space(hub: &Hub, receipts: &mut Vec<Value>) {
    let mut refused = 0;
    for provet_id in (1..6).chain(800_000..800_005) {
        match send(hub, provet_id, 30_000).await {
            Ok(receipt) => receipts.push(receipt),
            Err(answer) => {
                is_unavailable(&answer);
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "nothing is refused although there is no space");
    let readiness = eventually("unreadiness", async || {
        let readiness = readiness(hub).await;
        unready(&readiness).iter().any(|name| name == "ledger" || name == "keys").then_some(readiness)
    })
    .await;
    for check in readiness["checks"].as_array().unwrap().iter().filter(|check| check["ready"] == json!(false)) {
        assert!(check["reason"].as_str().is_some_and(|reason| reason.len() > 10), "{readiness}");
    }
    let spec = json!({"name": "made-meanwhile", "source": "provet", "notify": {"kind": "hookup"}});
    let command = hub.admin.request(reqwest::Method::POST, "/v1/integrations").json(&spec);
    let answer = Answer::of(command.send().await.unwrap()).await;
    assert!([201, 503, 504].contains(&answer.status), "{} {}", answer.status, answer.text);
}

async fn send(hub: &Hub, provet_id: u64, bytes: usize) -> Result<Value, Answer> {
    let mut large = notice(provet_id);
    large["extra"] = "x".repeat(bytes).into();
    let answer = post(&reqwest::Client::new(), &hub.hookup, None, large.to_string().into()).await;
    if answer.status == 200 { Ok(answer.json()) } else { Err(answer) }
}

fn is_unavailable(answer: &Answer) {
    assert_eq!((answer.status, answer.problem().as_str()), (503, "unavailable"), "{}", answer.text);
    let seconds: u32 = answer.header("retry-after").parse().expect("Retry-After in seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(answer.json()["quarantine_id"], Value::Null, "{}", answer.text);
}

async fn readiness(hub: &Hub) -> Value {
    let url = format!("{}/readyz", hub.server.url);
    let answer = Answer::of(reqwest::get(url).await.unwrap()).await;
    let readiness = answer.json();
    assert_eq!(answer.status == 200, readiness["ready"] == json!(true), "{} {readiness}", answer.status);
    readiness
}

fn unready(readiness: &Value) -> Vec<String> {
    let checks = readiness["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["ready"] == json!(false))
        .map(|check| check["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A file system of its own, with little space.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Self {
        let dir = TempDir::new().unwrap();
        let options = format!("size={SPACE},mode=700");
        let mount = tool("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(dir.path()).output().unwrap();
        let said = String::from_utf8_lossy(&mount.stderr);
        assert!(
            mount.status.success(),
            "a small file system cannot be mounted: {said}Run this test as root; in a container, one that may mount \
             (docker run --cap-add SYS_ADMIN --security-opt apparmor=unconfined)"
        );
        Self(dir)
    }

    fn grow(&self) {
        run("mount", &["-o", "remount,size=256m", self.0.path().to_str().unwrap()]);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        run("umount", &["--lazy", self.0.path().to_str().unwrap()]);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
