//! `regledger simulate` as a load, and the receipts that it was given.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::{eventually, regledger};

/// Provet's orchestration tool, which sends again what was not acknowledged, and writes receipts to a file.
pub struct Load {
    child: Child,
    receipts: PathBuf,
}

impl Load {
    /// Starts it.
    pub fn start(hookup: &str, receipts: &Path) -> Self {
        let played = ["simulate", "--hookup", hookup, "--tenants", "60", "--duration", "600", "--retry"];
        let mut command = regledger(&played);
        command.args(["--faults", "--connections", "24", "--output", "json", "--receipts"]).arg(receipts);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        Self { child, receipts: receipts.to_owned() }
    }

    /// The receipts that were written so far.
    pub fn receipts(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.receipts).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until so many more have been written.
    pub async fn acknowledged(&self, more: usize) {
        let enough = self.receipts().len() + more;
        eventually("receipts", async || (self.receipts().len() >= enough).then_some(())).await;
    }

    /// Ends the play, in which every message was answered in the end, and none unexpectedly; all receipts.
    pub fn stop(mut self) -> Vec<Value> {
        let sent = Command::new("kill").args(["-s", "INT", &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let report = std::io::read_to_string(self.child.stdout.take().unwrap()).unwrap();
        self.child.wait().unwrap();
        let report: Value = serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"));
        assert_eq!(report["unexpected"], 0, "{report}");
        assert_eq!(report["unanswered"], 0, "{report}");
        self.receipts()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
