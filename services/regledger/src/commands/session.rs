//! `regledger session`: sessions and chats of ISL systems.

use clap::{Args, Subcommand};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::client::path;
use crate::output::{Columns, Format};
use crate::session::Session as Asking;

/// Sessions of ISL systems.
#[derive(Debug, Subcommand)]
pub enum Session {
    /// Show a session or chat by its id in the ISL system, with the events that were kept of it
    #[command(after_help = "\
Examples:
  regledger session show 1234567
  regledger session show 1234567 --integration acme-isl --output json | jq '.events[].fields'

Events are kept while the setting http_events.save_into_sessions is yes.")]
    Show(Show),
}

/// Show a session.
#[derive(Debug, Args)]
pub struct Show {
    /// Its id in the ISL system
    id: String,
    #[command(flatten)]
    which: Which,
}

/// Which of several sessions that have one id.
#[derive(Debug, Args, Serialize)]
struct Which {
    /// Name of the integration
    #[arg(long, value_name = "NAME")]
    integration: Option<String>,
    /// The domain of the ISL system
    #[arg(long = "domain-id", value_name = "ID")]
    domain_id: Option<String>,
    /// The product, as in ISL_LIGHT
    #[arg(long)]
    module: Option<String>,
}

const COLUMNS: Columns = &[("TIME", "/time"), ("EVENT", "/event"), ("FIELDS", "/fields")];

/// Shows a session: to people as a table of its events.
pub async fn run(command: Session, session: &Asking) -> anyhow::Result<()> {
    let Session::Show(Show { id, which }) = command;
    let mut ask = session.ask()?;
    let found = ask.api.get(&path("sessions", &id, ""), &which).await?;
    if ask.output.format() == Format::Json {
        return ask.output.object(&found);
    }
    let mut members: IndexMap<String, Box<RawValue>> = serde_json::from_str(found.get())?;
    let events = members.shift_remove("events").map(|events| serde_json::from_str(events.get())).transpose()?;
    ask.output.object(&to_raw_value(&members)?)?;
    let events: Vec<Value> = events.unwrap_or_default();
    ask.output.list(&events.iter().map(told).collect::<Result<Vec<_>, _>>()?, COLUMNS)
}

/// An event with its form in one text.
fn told(event: &Value) -> serde_json::Result<Box<RawValue>> {
    let text = |field: &Value, name: &str| field[name].as_str().unwrap_or_default().to_owned();
    let fields = event["fields"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let fields: Vec<_> = fields.map(|field| format!("{}={}", text(field, "name"), text(field, "value"))).collect();
    to_raw_value(&json!({"time": event["time"], "event": event["event"], "fields": fields.join(" ")}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_with_its_fields() {
        let event = json!({"event": "CODE", "time": "2026-11-23T08:00:00Z", "sent_time": null,
            "fields": [{"name": "EVENT", "value": "CODE"}, {"name": "USER_NICK", "value": "Ann Lee"}]});
        let expected = r#"{"event":"CODE","fields":"EVENT=CODE USER_NICK=Ann Lee","time":"2026-11-23T08:00:00Z"}"#;
        let told: Value = serde_json::from_str(told(&event).unwrap().get()).unwrap();
        assert_eq!(told, serde_json::from_str::<Value>(expected).unwrap());
    }
}
