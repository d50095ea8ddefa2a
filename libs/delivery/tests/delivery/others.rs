//! Programs in other languages, with libraries that others wrote.

use std::io::Write;
use std::process::{Command, Stdio};

use acceptance::{node, python, repository};
use serde_json::Value;

/// The libraries that there are a script for.
#[derive(Clone, Copy, Debug)]
pub enum Language {
    JavaScript,
    Python,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::JavaScript, Self::Python];

    /// Runs the script of that name: JSON in, JSON out.
    pub fn run(self, script: &str, input: &Value) -> Value {
        let (mut command, extension) = match self {
            Self::JavaScript => (node(), "mjs"),
            Self::Python => (python(), "py"),
        };
        let scripts = repository().join("libs/delivery/tests/delivery/others");
        command.arg(scripts.join(format!("{script}.{extension}")));
        run(command, input)
    }
}

fn run(mut command: Command, input: &Value) -> Value {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{command:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}
