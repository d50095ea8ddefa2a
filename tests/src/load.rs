//! `regledger simulate` as a load, and the receipts that it was given.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::regledger;

/// Provet's orchestration tool, which sends again what was not acknowledged.
pub struct Load(Child);

impl Load {
    /// Starts it; receipts are written to a file.
    pub fn start(hookup: &str, receipts: &Path) -> Self {
        let played = ["simulate", "--hookup", hookup, "--tenants", "60", "--duration", "600", "--retry"];
        let mut command = regledger(&played);
        command.args(["--faults", "--connections", "24", "--output", "json", "--receipts"]).arg(receipts);
        Self(command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap())
    }

    /// Ends the play; what it reports.
    pub fn stop(&mut self) -> Value {
        let sent = Command::new("kill").args(["-s", "INT", &self.0.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let report = std::io::read_to_string(self.0.stdout.take().unwrap()).unwrap();
        self.0.wait().unwrap();
        serde_json::from_str(&report).unwrap_or_else(|error| panic!("{error}: {report}"))
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The receipts that were written so far.
pub fn read(receipts: &Path) -> Vec<Value> {
    let text = fs::read_to_string(receipts).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
