//! The tree of commands: `regledger <noun> <verb>`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::{
    backup, client, config, domain, event, integration, quarantine, restore, session, setting, shell, subscription,
    tail, token, user,
};
use crate::commands::{delivery, listen};
use crate::config::SettingFlags;
use crate::demo::Demo;
use crate::output::Format;
use crate::simulate::Simulate;

const EXAMPLES: &str = "\
Examples:
  regledger demo                                          see it work
  regledger serve --data-dir /var/lib/regledger           run it
  regledger integration create acme-lab                   get a hookup URL to put into Provet
  regledger client list --integration acme-lab            the client table
  regledger client list --as-of 2026-11-01T00:00:00Z      … as it was then
  regledger tail --from beginning                         follow every change
  regledger subscription create acme --endpoint https://… have every change pushed

Exit codes: 0 done, 1 failed, 2 wrong usage.";

/// Keeps every client registration that Provet announces, and what ISL Conference Proxy tells of users, domains and
/// sessions: each notification goes into an immutable ledger before it is acknowledged, and the client table and the
/// change stream are derived from it.
#[derive(Debug, Parser)]
#[command(name = "regledger", version, after_help = EXAMPLES, max_term_width = 120)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that may stand anywhere.
#[derive(Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
pub struct Globals {
    /// Directory of the ledger and the keys; holds the token of the first start [default: regledger-data]
    /// [env: REGLEDGER_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Configuration file [default: regledger.toml in the data directory, else here] [env: REGLEDGER_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The server to ask [default: where `listen` says] [env: REGLEDGER_URL]
    #[arg(long, global = true)]
    pub url: Option<String>,
    /// The access token to ask with [default: the data directory's admin-token] [env: REGLEDGER_TOKEN]
    #[arg(long, global = true)]
    pub token: Option<String>,
    /// How to print: tables, or JSON (one object; for lists one a line)
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
}

impl std::fmt::Debug for Globals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the token.
        f.debug_struct("Globals").field("data_dir", &self.data_dir).field("url", &self.url).finish_non_exhaustive()
    }
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve on a fresh data directory and play a Provet organisation against it
    Demo(Demo),
    /// Run
    Serve(Serve),
    /// Play Provet's tool, or an ISL Conference Proxy, against a URL of an integration
    Simulate(Simulate),
    /// Integrations: what a provider publishes in a source's catalogue
    #[command(subcommand)]
    Integration(integration::Integration),
    /// The client table
    #[command(subcommand)]
    Client(client::Client),
    /// Follow the change stream
    Tail(tail::Tail),
    /// The ledger itself
    #[command(subcommand)]
    Event(event::Event),
    /// Notifications that could not be accepted
    #[command(subcommand)]
    Quarantine(quarantine::Quarantine),
    /// Settings of the hub and its domains, as on ISL's Integration page
    #[command(subcommand)]
    Setting(setting::Setting),
    /// Sessions of ISL systems
    #[command(subcommand)]
    Session(session::Session),
    /// Subscriptions: where changes are pushed to, and which
    #[command(subcommand)]
    Subscription(subscription::Subscription),
    /// Deliveries that did not arrive at once
    #[command(subcommand)]
    Delivery(delivery::Delivery),
    /// Receive webhooks on this machine: check signatures, print what comes
    Listen(listen::Listen),
    /// Access tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Domains: who owns integrations, tokens and users
    #[command(subcommand)]
    Domain(domain::Domain),
    /// Users: people who belong to a domain
    #[command(subcommand)]
    User(user::User),
    /// Settings of the process
    #[command(subcommand)]
    Config(config::Config),
    /// Copy the ledger and the keys, also while the server runs
    Backup(backup::Backup),
    /// Check a backup and put it into a data directory
    Restore(restore::Restore),
    /// Print the completion script of a shell
    Completions(shell::Completions),
    /// Write the manual pages
    Man(shell::Man),
    /// Write the schemas and the documents that describe the API
    Schemas(shell::Schemas),
}

/// Run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  regledger serve
  regledger serve --data-dir /var/lib/regledger --listen 0.0.0.0:8080 --http-public-url https://hub.example.com
  REGLEDGER_LOG_FORMAT=json regledger serve --config /etc/regledger.toml

The first start makes the ledger, the key-encryption key and the administrator's token. Keep a copy of the
key-encryption key elsewhere: without it no secret can be opened. `regledger config show` explains every setting.")]
pub struct Serve {
    /// Every setting can be given as a flag.
    #[command(flatten)]
    pub settings: SettingFlags,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use rstest::rstest;

    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[rstest]
    #[case("regledger --url U --token T --output json --data-dir D client list")]
    #[case("regledger client --url U --token T --output json --data-dir D list")]
    #[case("regledger client list --url U --token T --output json --data-dir D")]
    fn global_options_may_stand_anywhere(#[case] line: &str) {
        let globals = Cli::try_parse_from(line.split(' ')).unwrap().globals;
        assert_eq!(globals.url.as_deref(), Some("U"));
        assert_eq!(globals.token.as_deref(), Some("T"));
        assert_eq!(globals.output, Format::Json);
        assert_eq!(globals.data_dir, Some("D".into()));
        assert!(!format!("{globals:?}").contains("\"T\""));
    }

    #[test]
    fn no_argument_of_a_command_is_taken_for_a_global_one() {
        fn check(command: &clap::Command, path: &str, globals: &[&clap::Arg]) {
            let path = format!("{path} {}", command.get_name());
            let own = command.get_arguments().filter(|argument| !argument.is_global_set());
            for (argument, global) in own.flat_map(|argument| globals.iter().map(move |global| (argument, global))) {
                assert_ne!(argument.get_id(), global.get_id(), "{path}");
                let names = argument.get_long_and_visible_aliases().unwrap_or_default();
                assert!(global.get_long().is_none_or(|long| !names.contains(&long)), "{path}: {names:?}");
            }
            command.get_subcommands().for_each(|command| check(command, &path, globals));
        }
        let cli = Cli::command();
        let globals: Vec<_> = cli.get_arguments().filter(|argument| argument.is_global_set()).collect();
        assert_eq!(globals.len(), 5);
        check(&cli, "", &globals);
    }

    #[rstest]
    #[case("regledger serve --listen 127.0.0.1:1 --roles intake --ledger sqlite --state sqlite")]
    #[case("regledger serve --data-dir D --admin-token-file F --kek-file F")]
    #[case("regledger integration create acme-lab --source provet --notify hookup")]
    #[case("regledger integration rotate-hookup acme-lab --grace 1h")]
    #[case("regledger integration update acme-lab --owner somebody")]
    #[case("regledger simulate --hookup http://h/hookup/a/k --tenants 3 --rate 10 --faults")]
    #[case("regledger simulate --events-url http://h/isl/a/k/events --duration 3")]
    #[case("regledger client history c1")]
    #[case("regledger client list --as-of 0:17 --state active --latest")]
    #[case("regledger client reveal c1 --reason why")]
    #[case("regledger client retire c1")]
    #[case("regledger tail --from beginning --type client.* --type integration.created")]
    #[case("regledger event list --from 3 --limit 2")]
    #[case("regledger event export events.ndjson")]
    #[case("regledger event import events.ndjson --keys old/keys.db --kek-file old/kek --ledger kafka://h:9092/t")]
    #[case("regledger event explain 0:17")]
    #[case("regledger event replay events.ndjson --until 0:17 --check --output json")]
    #[case("regledger quarantine release q1")]
    #[case("regledger setting set jwt_webhook.url https://x.example/ --domain d")]
    #[case("regledger setting get jwt_webhook.url")]
    #[case("regledger setting list --domain d")]
    #[case("regledger setting reset jwt_webhook.url")]
    #[case("regledger session show s1 --integration acme-isl --domain-id 7 --module ISL_LIGHT")]
    #[case("regledger integration create acme-isl --source isl --jwks-url https://isl.example/jwks")]
    #[case("regledger token create --scope clients:read,changes:read --expires 720h")]
    #[case("regledger token revoke t1")]
    #[case("regledger domain create acme")]
    #[case("regledger domain delete acme --output json")]
    #[case("regledger user create --domain acme --name ann --email ann@example.com --role admin")]
    #[case("regledger user list --domain acme --state deleted")]
    #[case("regledger user show 0198")]
    #[case("regledger user update --domain acme --name ann --rename anna")]
    #[case("regledger user set-password --name ann --password-file f")]
    #[case("regledger user delete --domain acme --name ann")]
    #[case("regledger user undelete 0198")]
    #[case(
        "regledger subscription create acme --endpoint https://h/x --type client.* --from beginning --signature both"
    )]
    #[case("regledger subscription create office --address office@h --integration acme-lab")]
    #[case("regledger subscription update acme --endpoint https://h/y")]
    #[case("regledger subscription resume acme --from now")]
    #[case("regledger subscription test acme")]
    #[case("regledger delivery list --state dead --subscription acme --since 2026-11-23T08:00:00Z")]
    #[case("regledger delivery replay d1")]
    #[case("regledger delivery replay --client c1 --until 2026-11-23T08:00:00Z")]
    #[case("regledger delivery attempts acme")]
    #[case("regledger listen --listen 127.0.0.1:0 --secret whsec_x")]
    #[case("regledger subscription rotate-secret acme --grace 1h --signature v1a")]
    #[case("regledger config show --listen 127.0.0.1:1")]
    #[case("regledger backup DIR")]
    #[case("regledger restore DIR --replace")]
    #[case("regledger completions bash")]
    #[case("regledger man DIR")]
    #[case("regledger demo --for 5")]
    fn what_the_manual_says_is_understood(#[case] line: &str) {
        if let Err(error) = Cli::try_parse_from(line.split(' ')) {
            panic!("{line}: {error}");
        }
    }

    #[rstest]
    #[case("regledger")]
    #[case("regledger client")]
    #[case("regledger client dance")]
    #[case("regledger client reveal c1")]
    #[case("regledger client list --as-of yesterday")]
    #[case("regledger client list --limit 0")]
    #[case("regledger integration create acme --source fax")]
    #[case("regledger integration update acme")]
    #[case("regledger event import events.ndjson")]
    #[case("regledger subscription create acme")]
    #[case("regledger subscription create acme --endpoint https://h/x --address office@h")]
    #[case("regledger subscription update acme")]
    #[case("regledger delivery replay")]
    #[case("regledger delivery replay d1 --subscription acme")]
    #[case("regledger token create")]
    #[case("regledger domain create")]
    #[case("regledger user create")]
    #[case("regledger user create --name ann --role queen")]
    #[case("regledger user delete")]
    #[case("regledger user delete 0198 --name ann")]
    #[case("regledger user update 0198")]
    #[case("regledger token create --scope everything")]
    #[case("regledger tail --from snapshot --after c")]
    #[case("regledger simulate")]
    #[case("regledger simulate --hookup http://h/hookup/a/k --events-url http://h/isl/a/k/events")]
    #[case("regledger --output xml client list")]
    fn what_makes_no_sense_exits_with_2(#[case] line: &str) {
        let error = Cli::try_parse_from(line.split(' ')).map(|_| ()).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{line}: {error}");
    }

    #[test]
    fn every_command_explains_itself() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} says nothing about itself");
            for argument in command.get_arguments() {
                let silent = argument.get_help().is_none() && argument.get_long_help().is_none();
                assert!(!silent, "{path} does not explain {}", argument.get_id());
            }
            if command.get_subcommands().next().is_none() {
                assert!(command.get_after_help().is_some(), "{path} has no example");
            }
            command.get_subcommands().for_each(|command| check(command, &path));
        }
        check(&Cli::command(), "");
    }
}
