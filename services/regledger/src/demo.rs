//! `regledger demo`: a server on a fresh data directory, a Provet organisation that uses it, and what comes of it.

use std::io::{IsTerminal, stdout};
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use admission::Receipt;
use anyhow::{Context, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::change_line::short_line;
use crate::client::{Api, builder, read};
use crate::commands::moment::span;
use crate::config::{DOCUMENTED, Layers, Log, LogFormat, SettingFlags, Settings, Variables};
use crate::follow::Follower;
use crate::logging;
use crate::output::{Columns, table};
use crate::serve;
use crate::simulate::{Length, Message, Script, told_to_stop};

/// Where the demonstration listens if nobody else does.
const LISTEN: &str = "127.0.0.1:8080";

/// Serve on a fresh data directory and play a Provet organisation against it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  regledger demo
  regledger demo --tenants 1 --pace 2s
  regledger demo --for 30 --listen 127.0.0.1:0")]
pub struct Demo {
    /// Address and port [default: 127.0.0.1:8080, or a free port if that is taken]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Organisations that add the integration
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    tenants: u32,
    /// Time between two notices
    #[arg(long, value_parser = span, default_value = "700ms", value_name = "SPAN")]
    pace: Duration,
    /// End after so many seconds instead of staying up
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
}

/// Serves, plays, shows, and stays up.
pub async fn run(demo: &Demo) -> anyhow::Result<()> {
    // Readable by its owner alone, and gone in the end.
    let directory = tempfile::Builder::new().prefix("regledger-demo-").tempdir().context("cannot make a directory")?;
    let settings = settings(demo, directory.path())?;
    let _logging = logging::start(&Log { format: LogFormat::Human, level: "error".to_owned() })?;
    let mut running = serve::start(&settings).await?;
    let url = running.url.clone();
    let shown = tokio::select! {
        shown = show(demo, &url, &settings.admin_token_file) => shown,
        died = running.died() => died,
        ended = told_to_stop(demo.seconds.map(Duration::from_secs)) => ended,
    };
    running.stop().await;
    shown
}

/// The defaults, whatever the environment says: a demonstration should go alike everywhere.
fn settings(demo: &Demo, data_dir: &Path) -> anyhow::Result<Settings> {
    let free = || TcpListener::bind(LISTEN).is_ok();
    let listen = match &demo.listen {
        Some(listen) => listen,
        None if free() => LISTEN,
        None => "127.0.0.1:0",
    };
    std::fs::write(data_dir.join("regledger.toml"), DOCUMENTED)?;
    let layers = Layers {
        flags: &SettingFlags([("listen", listen.to_owned())].into()),
        data_dir: Some(data_dir),
        config: None,
        variables: &Variables::new(),
    };
    Ok(Settings::read(&layers.values()?)?)
}

/// Plays the organisations and shows what comes of it; stays until it is stopped.
async fn show(demo: &Demo, url: &str, token_file: &Path) -> anyhow::Result<()> {
    let token = std::fs::read_to_string(token_file)?;
    let api = Api::new(url.parse()?, Some(token.into()))?;
    let hookup = create_integration(&api).await?;
    let mut stage = Stage::new(api.clone());
    stage.say(&format!("serving at {url}; the integration acme-lab has the hookup URL\n  {hookup}\n"));
    let (sender, mut lines) = mpsc::channel(64);
    let following = AbortOnDropHandle::new(tokio::spawn(follow(api, sender.clone())));
    let playing = play(demo, &hookup, sender);
    tokio::pin!(playing);
    let mut all_sent = None;
    loop {
        tokio::select! {
            Some(line) = lines.recv() => stage.show(&line).await?,
            played = &mut playing, if all_sent.is_none() => all_sent = Some(played?),
            () = tokio::time::sleep(Duration::from_millis(500)), if all_sent.is_some() => break,
        }
    }
    stage.end(&next_steps(url, token_file.parent().unwrap_or(token_file), &hookup)).await?;
    // From here on others play, as the next steps propose.
    while let Some(line) = lines.recv().await {
        stage.show(&line).await?;
    }
    following.await?
}

/// Makes an integration and gives its hookup URL.
async fn create_integration(api: &Api) -> anyhow::Result<Url> {
    #[derive(Deserialize)]
    struct Created {
        hookup_url: Url,
    }
    let body = json!({"name": "acme-lab", "source": "provet", "notify": {"kind": "hookup"}});
    let created = api.write(Method::POST, "/v1/integrations", &body).await?;
    let created = created.context("the server did not say what it made")?;
    Ok(read::<Created>(&created)?.hookup_url)
}

async fn follow(api: Api, lines: mpsc::Sender<String>) -> anyhow::Result<()> {
    let mut follower = Follower::new(api, json!({"from": "beginning"}));
    loop {
        let frame = follower.next().await?;
        if frame.event != "bookmark" && !frame.data.is_empty() {
            lines.send(short_line(&serde_json::from_str(&frame.data)?)).await?;
        }
    }
}

/// Sends the notices of all organisations, in turn.
async fn play(demo: &Demo, hookup: &Url, lines: mpsc::Sender<String>) -> anyhow::Result<()> {
    let http = builder(hookup).build()?;
    let mut scripts: Vec<Script> =
        (0..demo.tenants).map(|tenant| Script::new(1, tenant, Length::Once, false)).collect();
    while !scripts.is_empty() {
        let mut messages: Vec<Message> = Vec::new();
        scripts.retain_mut(|script| script.next().map(|message| messages.push(message)).is_some());
        for message in messages {
            let sent = http.post(hookup.clone()).header("content-type", "application/json").body(message.body.clone());
            let (Message { tenant, step, .. }, answer) = (&message, sent.send().await?);
            let status = answer.status();
            ensure!(status == 200, "{tenant} ({step}) was answered {status}");
            let Receipt { partition, position, .. } = answer.json().await?;
            lines.send(format!("→ {tenant}  {step}: durable at {partition}:{position}")).await?;
            tokio::time::sleep(demo.pace).await;
        }
    }
    Ok(())
}

const COLUMNS: Columns =
    &[("TENANT", "/tenant"), ("CLIENT ID", "/client_id"), ("DEPARTMENTS", "/departments"), ("STATE", "/state")];

/// Where notices and changes scroll by above the client table; without a terminal, the table comes last.
struct Stage {
    api: Api,
    board: Option<ProgressBar>,
}

impl Stage {
    fn new(api: Api) -> Self {
        let board = stdout().is_terminal().then(|| {
            let style = ProgressStyle::with_template("\n{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout()).with_style(style)
        });
        Self { api, board }
    }

    fn say(&mut self, text: &str) {
        match &self.board {
            Some(board) => board.println(text),
            None => {
                // A reader that has gone will not miss it.
                let _ = std::io::Write::write_all(&mut stdout(), format!("{text}\n").as_bytes());
            }
        }
    }

    async fn show(&mut self, line: &str) -> anyhow::Result<()> {
        self.say(line);
        if let Some(board) = &self.board {
            board.set_message(self.clients(true).await?);
        }
        Ok(())
    }

    async fn clients(&self, terminal: bool) -> anyhow::Result<String> {
        let rows = self.api.list("/v1/clients", &(), None).await?;
        let rows = rows.iter().map(|row| read(row)).collect::<anyhow::Result<Vec<Value>>>()?;
        Ok(table(&rows, COLUMNS, terminal))
    }

    async fn end(&mut self, next_steps: &str) -> anyhow::Result<()> {
        let clients = self.clients(self.board.is_some()).await?;
        if let Some(board) = self.board.take() {
            board.finish_and_clear();
        }
        self.say(&format!("\n{clients}\n\n{next_steps}"));
        Ok(())
    }
}

fn next_steps(url: &str, data_dir: &Path, hookup: &Url) -> String {
    let executable = std::env::current_exe().unwrap_or_else(|_| "regledger".into());
    format!(
        "It stays up and shows what happens until Ctrl-C, which removes its data.
In another terminal:

  export REGLEDGER_URL={url}
  export REGLEDGER_DATA_DIR={data_dir}
  export HOOKUP_URL={hookup}
  alias regledger={executable}
  regledger client list --latest
  regledger client list --as-of 10
  regledger tail --from beginning
  regledger simulate --hookup $HOOKUP_URL --tenants 100 --faults
  regledger event replay --check
  token=$(cat $REGLEDGER_DATA_DIR/admin-token)
  curl -H \"Authorization: Bearer $token\" $REGLEDGER_URL/v1/clients
  curl -N -H \"Authorization: Bearer $token\" $REGLEDGER_URL/v1/changes",
        data_dir = data_dir.display(),
        executable = executable.display(),
    )
}
