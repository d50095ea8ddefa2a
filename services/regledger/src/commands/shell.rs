//! Completions and manual pages.

use std::io;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;

/// Print the completion script of a shell.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  regledger completions bash >/etc/bash_completion.d/regledger")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

/// Write the manual pages.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  regledger man /usr/local/share/man/man1")]
pub struct Man {
    /// Directory to write them into
    dir: PathBuf,
}

/// `regledger schemas`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  regledger schemas schemas")]
pub struct Schemas {
    /// Directory to write them into
    pub dir: PathBuf,
}

/// Prints a completion script.
pub fn completions(arguments: &Completions) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "regledger", &mut script);
    Ok(io::Write::write_all(&mut io::stdout(), &script)?)
}

/// Writes a page for each command.
pub fn man(arguments: &Man) -> anyhow::Result<()> {
    let dir = &arguments.dir;
    std::fs::create_dir_all(dir)
        .and_then(|()| clap_mangen::generate_to(Cli::command(), dir))
        .with_context(|| format!("cannot write manual pages into {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_a_page() {
        let dir = tempfile::tempdir().unwrap();
        man(&Man { dir: dir.path().to_owned() }).unwrap();
        for page in ["regledger.1", "regledger-serve.1", "regledger-client-list.1"] {
            assert!(dir.path().join(page).exists(), "{page}");
        }
    }
}
