//! The executable as it runs in production: the release build, its log in a file.
//!
//! Not [`acceptance::Server`]: that one reads every line of the log, which takes time from what is measured.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use acceptance::{Client, PATIENCE, regledger};

use crate::bench::{text, through_shell};

/// A server; killed when it is dropped.
pub struct Serving {
    child: Child,
    address: String,
    data_dir: PathBuf,
    /// Several processes may share a data directory.
    log: PathBuf,
}

impl Serving {
    /// Starts `regledger serve` in a data directory, and waits until it is ready.
    pub fn start(data_dir: &Path, arguments: &[&str]) -> Self {
        Self::timed(data_dir, arguments).0
    }

    /// As [`Self::start`], and says how long it took.
    pub fn timed(data_dir: &Path, arguments: &[&str]) -> (Self, Duration) {
        let address = free_address();
        let mut command = regledger(&["serve", "--listen", &address, "--data-dir", text(data_dir)]);
        command.args(arguments);
        // 10,000 subscribers need as many descriptors.
        let mut command = through_shell("ulimit -n $(ulimit -Hn); exec \"$@\"", &command);
        Self::spawn(&mut command, address, data_dir)
    }

    /// Starts any server that answers `/readyz` at an address.
    pub fn spawn(command: &mut Command, address: String, data_dir: &Path) -> (Self, Duration) {
        std::fs::create_dir_all(data_dir).unwrap();
        let log = data_dir.with_extension(format!("{address}.log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let begin = Instant::now();
        let child = command.spawn().unwrap();
        let serving = Self { child, address, data_dir: data_dir.to_owned(), log };
        while !serving.is_ready() {
            assert!(begin.elapsed() < PATIENCE, "it did not become ready:\n{}", serving.log());
            std::thread::sleep(Duration::from_millis(1));
        }
        (serving, begin.elapsed())
    }

    fn is_ready(&self) -> bool {
        self.get("/readyz").is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }

    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.address)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The administrator's token.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.data_dir.join("admin-token")).unwrap().trim().to_owned()
    }

    /// A client with the administrator's token.
    pub fn admin(&self) -> Client {
        Client::new(&format!("http://{}", self.address), &self.token())
    }

    /// Bytes of memory that it holds.
    pub fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
    }

    /// Seconds of a core that it has used.
    pub fn cpu(&self) -> f64 {
        cpu_seconds(&self.child.id().to_string())
    }

    /// Waits until everything in the ledger has been projected.
    pub fn wait_until_projected(&self) {
        let deadline = Instant::now() + 10 * PATIENCE;
        while self.gauges("regledger_projection_position") != self.gauges("regledger_ledger_position") {
            assert!(Instant::now() < deadline, "the projection does not follow:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a gauge says of each partition.
    fn gauges(&self, name: &str) -> Vec<String> {
        let metrics = self.get("/metrics").unwrap();
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
        lines.map(str::to_owned).collect()
    }

    /// Stops it as an operator would, and waits until it has ended.
    pub fn stop(mut self) {
        let asked = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        assert!(asked.unwrap().success());
        assert!(self.child.wait().unwrap().success(), "it ended badly:\n{}", self.log());
    }

    /// The end of what it logged.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Seconds of a core that a process has used, by its id or `self`.
pub fn cpu_seconds(process: &str) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // behind the name, which may hold anything: state is field 3, the times in user and in kernel mode are 14 and 15 (proc(5))
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks = fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap());
    ticks.sum::<f64>() / 100.0
}

/// An address that nobody listens on.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
