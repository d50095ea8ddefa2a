//! What all figures share: how large to measure, where, and how far it has come.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;

use crate::history::{History, SITTING};

/// One run of the figures.
pub struct Bench {
    quick: bool,
    dir: TempDir,
    history: OnceCell<History>,
}

impl Bench {
    /// A run in a directory of its own: in the target directory, for the disk is measured, and a system's directory for
    /// temporary files may be in memory.
    pub fn new(quick: bool) -> Self {
        let dir = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        Self { quick, dir, history: OnceCell::new() }
    }

    /// A size: as the figure asks, or a small one.
    pub fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// A path for a file or directory of a figure.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A progress bar of a figure, with what it counts.
    pub fn progress(&self, figure: &str, steps: usize) -> ProgressBar {
        let style = ProgressStyle::with_template("{prefix:12} {bar:30} {pos}/{len} {msg} [{elapsed}]");
        ProgressBar::new(steps as u64).with_style(style.unwrap()).with_prefix(figure.to_owned())
    }

    /// The data directory with a long history, made at the first call.
    pub async fn history(&self) -> &History {
        if self.history.get().is_none() {
            let made = History::make(self, SITTING).await;
            let _ = self.history.set(made);
        }
        self.history.get().unwrap()
    }
}

/// This program as a child of itself.
pub fn child(role: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child", role]).args(arguments);
    command
}

/// The same command, started through a shell line that ends in `exec "$@"`.
pub fn through_shell(line: &str, command: &Command) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", line, "bash"]).arg(command.get_program()).args(command.get_args());
    shell.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    shell
}

/// Has the kernel write what earlier rounds left behind, so that no round pays for another.
pub fn settle() {
    assert!(Command::new("sync").status().unwrap().success());
}

/// Text of a path that this program made itself.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
