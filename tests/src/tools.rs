//! Tools written by others, which `ops/install-test-tools` installs. A test without its tool fails.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A program from the system, that must be there.
pub fn tool(name: &str) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file());
    Command::new(found.unwrap_or_else(|| missing(name)))
}

/// Python with the packages of `ops/test-tools/requirements.txt`.
pub fn python() -> Command {
    Command::new(installed(".cache/venv/bin/python"))
}

/// Node, in the folder of the packages of `ops/test-tools/package.json`.
pub fn node() -> Command {
    let modules = installed(".cache/npm/node_modules");
    let mut node = tool("node");
    node.env("NODE_PATH", &modules).current_dir(modules.parent().unwrap());
    node
}

/// The folder with the jars of `ops/test-tools/pom.xml`.
pub fn kafka_libraries() -> PathBuf {
    installed(".cache/kafka/libs")
}

fn installed(path: &str) -> PathBuf {
    let path = repository().join(path);
    if !path.exists() {
        missing(&path.display().to_string());
    }
    path
}

pub(crate) fn missing(what: &str) -> ! {
    panic!("{what} is missing: run ops/install-test-tools, which `make test` does")
}
