//! The executable: one process that runs any of regledger's roles, and the command line that speaks to it.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

#[cfg(test)]
mod canned;
mod change_line;
mod cli;
mod client;
mod clock;
mod commands;
mod config;
mod demo;
mod documents;
mod follow;
mod lock;
mod logging;
mod output;
mod serve;
mod session;
mod simulate;
mod sse;

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mimalloc::MiMalloc;

use crate::cli::Cli;
use crate::output::say;
use crate::session::{Session, Usage};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long work that nobody waits for any more may take to end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Exit codes: 0 done, 1 failed, 2 asked for in a way that makes no sense (clap exits with 2 by itself).
fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            if error.is::<Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    // The one provider of cryptography; it can only be installed already, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let session = Session::new(cli.globals, variables);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(commands::run(cli.command, &session));
    // Nobody waits for brokers that do not answer a start which was told to end.
    runtime.shutdown_timeout(LAST_WORDS);
    done
}

/// Whether the reader of our output has had enough, as `head` does.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
}
