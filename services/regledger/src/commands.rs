//! What each command does, a file for each noun.

pub mod backup;
pub mod client;
pub mod config;
pub mod delivery;
pub mod domain;
pub mod event;
pub mod integration;
pub mod listen;
pub mod quarantine;
pub mod restore;
pub mod session;
pub mod setting;
pub mod shell;
pub mod subscription;
pub mod tail;
pub mod token;
pub mod user;

mod from_file;
pub mod moment;
pub mod sealed;

use clap::Args;

use crate::cli::Command;
use crate::session::Session;
use crate::{demo, documents, serve, simulate};

/// Names a row.
#[derive(Debug, Args)]
pub struct Id {
    /// Its id
    id: String,
}

/// Does what was asked for.
pub async fn run(command: Command, session: &Session) -> anyhow::Result<()> {
    match command {
        Command::Demo(demo) => demo::run(&demo).await,
        Command::Serve(arguments) => serve::run(&session.settings(&arguments.settings)?).await,
        Command::Simulate(simulate) => simulate::run(&simulate, session).await,
        Command::Domain(command) => domain::run(command, session).await,
        Command::User(command) => user::run(command, session).await,
        Command::Integration(command) => integration::run(command, session).await,
        Command::Client(command) => client::run(command, session).await,
        Command::Tail(tail) => tail::run(&tail, session).await,
        Command::Event(command) => event::run(command, session).await,
        Command::Quarantine(command) => quarantine::run(command, session).await,
        Command::Setting(command) => setting::run(command, session).await,
        Command::Session(command) => session::run(command, session).await,
        Command::Subscription(command) => subscription::run(command, session).await,
        Command::Delivery(command) => delivery::run(command, session).await,
        Command::Listen(listen) => listen::run(listen, session).await,
        Command::Token(command) => token::run(command, session).await,
        Command::Config(command) => config::run(command, session),
        Command::Backup(backup) => backup::run(&backup, session),
        Command::Restore(restore) => restore::run(&restore, session).await,
        Command::Completions(completions) => shell::completions(&completions),
        Command::Man(man) => shell::man(&man),
        Command::Schemas(schemas) => documents::write(&schemas.dir),
    }
}
