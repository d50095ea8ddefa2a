//! A PostgreSQL cluster of our own, as a child process.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

use crate::PATIENCE;
use crate::tools::{missing, tool};

/// Who owns the cluster's files where root runs the tests: PostgreSQL refuses to be root.
const OWNER: &str = "postgres";

/// A cluster on a free port of 127.0.0.1 that trusts everybody; killed when it is dropped.
pub struct Postgres {
    port: u16,
    child: Mutex<Option<Child>>,
    databases: AtomicU32,
    dir: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Makes a cluster that speaks TLS, as well as without, with this certificate and key (PEM).
    pub fn start_with_tls(certificate: &str, key: &str) -> Self {
        Self::start_with(&[("server.crt", certificate), ("server.key", key)])
    }

    /// The cluster that all tests share which run at the same time.
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());
        // A test that panicked while it made the cluster has left nothing half made.
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Self::start());
            *shared = Arc::downgrade(&started);
            started
        })
    }

    fn start_with(files: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().unwrap();
        let cluster = Self { port: free_port(), child: Mutex::new(None), databases: AtomicU32::new(0), dir };
        give_away(cluster.dir.path());
        let made = as_owner(&program("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(cluster.data())
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        for (name, content) in files {
            let path = cluster.data().join(name);
            fs::write(&path, content).unwrap();
            give_away(&path);
        }
        cluster.restart();
        cluster
    }

    /// Where its data files are.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Starts it again after [`kill`](Self::kill) or [`stop`](Self::stop), on the same port.
    pub fn restart(&self) {
        let deadline = Instant::now() + PATIENCE;
        // What is left of a killed server may hold its memory for a moment, and a new one then refuses to start.
        while !self.try_start(deadline) {
            assert!(Instant::now() < deadline, "PostgreSQL does not start:\n{}", self.log());
        }
    }

    /// Starts it; false if it ended again, or is not ready in time.
    fn try_start(&self, deadline: Instant) -> bool {
        let log = fs::File::options().create(true).append(true).open(self.dir.path().join("log")).unwrap();
        let tls = if self.data().join("server.crt").exists() { "on" } else { "off" };
        let child = as_owner(&program("postgres"))
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1", "-k"])
            .arg(self.dir.path())
            .args(["-c", &format!("ssl={tls}"), "-c", "max_connections=200"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut running = self.child.lock().unwrap();
        let child = running.insert(child);
        while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            if self.is_ready() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn is_ready(&self) -> bool {
        let mut asks = Command::new(program("pg_isready"));
        asks.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        asks.status().unwrap().success()
    }

    /// The address of the server, `127.0.0.1:5432`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A new empty database, as the URL of a client.
    pub fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql(&self.url("postgres"), &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.address())
    }

    /// Runs SQL in a database; returns what it gives, a line for each row.
    pub fn sql(&self, url: &str, sql: &str) -> String {
        let done = Command::new(program("psql")).args(["-XAtq", "-d", url, "-c", sql]).output().unwrap();
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim_end().to_owned()
    }

    /// Ends every connection to the database of a URL, as an administrator would.
    pub fn disconnect(&self, url: &str) {
        let database = url.rsplit('/').next().unwrap();
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
        self.sql(&self.url("postgres"), &format!("{sql} = '{database}'"));
    }

    /// Kills it as a power cut would, without a word.
    pub fn kill(&self) {
        self.end("KILL");
    }

    /// Stops it in order; connections are ended.
    pub fn stop(&self) {
        self.end("INT");
    }

    fn end(&self, signal: &str) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
            assert!(sent.unwrap().success());
            child.wait().unwrap();
        }
    }

    /// What the server said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(child) = child {
            // At once, but not without waiting for those who still use its files.
            let _ = Command::new("kill").args(["-s", "QUIT", &child.id().to_string()]).status();
            let _ = child.wait();
        }
    }
}

/// A program of PostgreSQL: Debian keeps those of the server out of `PATH`.
fn program(name: &str) -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|dir| dir.path().join("bin"));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = debian.collect();
    places.sort();
    places.reverse();
    places.extend(std::env::split_paths(&paths));
    places.into_iter().map(|dir| dir.join(name)).find(|file| file.is_file()).unwrap_or_else(|| missing(name))
}

/// A command that does not run as root. It is the server itself, not its parent: the signals reach it.
fn as_owner(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = tool("setpriv");
        command.args(["--reuid", OWNER, "--regid", OWNER, "--init-groups", "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/").env("HOME", "/tmp").stdin(Stdio::null());
    command
}

fn give_away(path: &Path) {
    if is_root() {
        let given = Command::new("chown").arg(OWNER).arg(path).status().unwrap();
        assert!(given.success(), "there is no user {OWNER}");
    }
    let private = Command::new("chmod").arg("go-rwx").arg(path).status().unwrap();
    assert!(private.success());
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
