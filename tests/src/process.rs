//! The executable as a child process.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;

use serde_json::Value;
use tempfile::TempDir;

use crate::{Client, PATIENCE, eventually, repository};

/// The executable, built once for each run of the tests, so that none runs an old one.
pub fn executable() -> &'static Path {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
        let build = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "-p", "regledger", "--message-format=json"])
            .args(if cfg!(debug_assertions) { None } else { Some("--release") })
            .current_dir(repository())
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(build.status.success(), "the executable does not build");
        let messages = String::from_utf8(build.stdout).unwrap();
        let built = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find_map(|message| Some(PathBuf::from(message["executable"].as_str()?)));
        built.expect("cargo says where the executable is")
    })
}

/// A command of the executable.
pub fn regledger(arguments: &[&str]) -> Command {
    let mut command = Command::new(executable());
    command.args(arguments).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command
}

/// An address that nobody listens on, for a server that comes back to it.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// How a server is started.
#[derive(Default)]
pub struct Options<'a> {
    /// More arguments of `serve`.
    pub arguments: &'a [&'a str],
    /// A shell command line that wraps the executable: `ulimit -f 100; exec "$@"`.
    pub shell: Option<&'a str>,
    /// Where it listens; a free port of 127.0.0.1 by default.
    pub listen: Option<&'a str>,
}

/// A server in a data directory of its own; killed when it is dropped.
pub struct Server {
    child: Child,
    /// Where it is reached.
    pub url: String,
    /// Its data directory.
    pub data_dir: PathBuf,
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
    _own: Option<TempDir>,
}

impl Server {
    /// Starts a server on a fresh data directory.
    pub fn start() -> Self {
        Self::start_with(&Options::default())
    }

    /// Starts a server on a fresh data directory.
    pub fn start_with(options: &Options<'_>) -> Self {
        let own = TempDir::new().unwrap();
        let data_dir = own.path().join("data");
        let mut server = Self::start_in(&data_dir, options);
        server._own = Some(own);
        server
    }

    /// Starts a server in a data directory.
    pub fn start_in(data_dir: &Path, options: &Options<'_>) -> Self {
        Self::try_start_in(data_dir, options).unwrap_or_else(|lines| panic!("it did not start:\n{lines}"))
    }

    /// Starts a server in a data directory, or gives what it said before it ended.
    pub fn try_start_in(data_dir: &Path, options: &Options<'_>) -> Result<Self, String> {
        let mut child = command(data_dir, options).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (reader, serving) = collect(&mut child, lines.clone());
        match serving.recv_timeout(PATIENCE) {
            Ok(url) => {
                let data_dir = data_dir.to_owned();
                Ok(Self { child, url, data_dir, lines, reader: Some(reader), _own: None })
            }
            Err(_) => {
                let _ = child.kill();
                let status = child.wait().unwrap();
                reader.join().unwrap();
                Err(format!("{}\n{status}", lines.lock().unwrap().join("\n")))
            }
        }
    }

    /// Starts a server in a data directory, at an address that is given, and does not wait until it serves.
    pub fn begin_in(data_dir: &Path, options: &Options<'_>) -> Self {
        let mut child = command(data_dir, options).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (reader, _) = collect(&mut child, lines.clone());
        let url = format!("http://{}", options.listen.unwrap());
        Self { child, url, data_dir: data_dir.to_owned(), lines, reader: Some(reader), _own: None }
    }

    /// A client with the admin token.
    pub fn admin(&self) -> Client {
        let token = std::fs::read_to_string(self.data_dir.join("admin-token")).unwrap();
        Client::new(&self.url, token.trim())
    }

    /// What it logged and was read so far. The lines come through a pipe, so the last ones may still be on their way: all of
    /// them are there once it has [ended](Self::wait).
    pub fn log(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Waits until it has logged something.
    pub async fn has_logged(&self, what: &str) {
        eventually(what, async || self.log().contains(what).then_some(())).await;
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A command of the executable that speaks to this server.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = regledger(arguments);
        command.args(["--url", &self.url, "--data-dir"]).arg(&self.data_dir);
        command
    }

    /// Kills it as a power cut would, without a word.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.read_to_the_end();
    }

    /// Sends a signal by name: `TERM`, `STOP`.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it has ended by itself. All that it said is in the [log](Self::log) then.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = std::time::Duration::from_millis(10);
        for _ in 0..(PATIENCE.as_millis() / deadline.as_millis()) {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.read_to_the_end();
                return status;
            }
            std::thread::sleep(deadline);
        }
        panic!("it did not end; it said:\n{}", self.log());
    }

    fn read_to_the_end(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    /// Asks it to stop, waits until it has, and gives the data directory back.
    pub fn stop(mut self) -> (ExitStatus, PathBuf, Option<TempDir>) {
        self.signal("TERM");
        let status = self.wait();
        (status, self.data_dir.clone(), self._own.take())
    }

    /// Asks it to stop, waits until it has, and gives everything that it logged.
    pub fn whole_log(&mut self) -> String {
        self.signal("TERM");
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.log());
        self.log()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(data_dir: &Path, options: &Options<'_>) -> Command {
    let mut command = match options.shell {
        Some(line) => {
            let mut shell = Command::new("bash");
            shell.args(["-c", line, "bash"]).arg(executable());
            shell
        }
        None => Command::new(executable()),
    };
    command
        .args(["serve", "--listen", options.listen.unwrap_or("127.0.0.1:0")])
        .args(["--log-format", "json", "--data-dir"])
        .arg(data_dir)
        .args(options.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Keeps the lines of a child, and says where it serves as soon as it says so.
fn collect(child: &mut Child, lines: Arc<Mutex<Vec<String>>>) -> (JoinHandle<()>, Receiver<String>) {
    let (found, serving) = channel();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let reader = std::thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            if let Ok(Value::Object(event)) = serde_json::from_str(&line)
                && event.get("message").is_some_and(|message| message == "serving")
            {
                let _ = found.send(event["url"].as_str().unwrap().to_owned());
            }
            lines.lock().unwrap().push(line);
        }
    });
    (reader, serving)
}
