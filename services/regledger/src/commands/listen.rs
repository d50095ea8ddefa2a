//! `regledger listen`: a receiver for developers, which checks signatures and prints what comes.

use std::net::SocketAddr;

use actix_web::web::{Bytes, Data, to};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use anyhow::Context;
use clap::Args;
use delivery::webhook::{ID, Verifier, VerifyingKey};
use parking_lot::Mutex;
use serde_json::value::RawValue;

use crate::clock;
use crate::output::{Output, say};
use crate::session::{Session, Usage};

/// Receive webhooks on this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  regledger listen --secret whsec_…
  regledger listen --listen 127.0.0.1:9000 --output json | jq .data

The hub must be allowed to call it: serve it with --egress-allow 127.0.0.0/8.")]
pub struct Listen {
    /// Where it listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:9000", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// A key that attempts may be signed with, whsec_… or whpk_…; may be repeated. Without one nothing is checked
    #[arg(long = "secret", value_name = "KEY")]
    secrets: Vec<String>,
    /// How everything is answered
    #[arg(long, default_value_t = 204, value_parser = clap::value_parser!(u16).range(200..600))]
    status: u16,
}

struct Receiver {
    verifier: Option<Verifier>,
    output: Mutex<Output>,
    status: u16,
}

/// Does it, until it is interrupted.
pub async fn run(listen: Listen, session: &Session) -> anyhow::Result<()> {
    let keys = listen.secrets.iter().map(|text| VerifyingKey::parse(&text.as_str().into()));
    let keys = keys.collect::<Result<Vec<_>, _>>().map_err(Usage::error)?;
    let receiver = Data::new(Receiver {
        verifier: (!keys.is_empty()).then(|| Verifier::new(keys)),
        output: Mutex::new(session.output()),
        status: listen.status,
    });
    let server = HttpServer::new(move || App::new().app_data(receiver.clone()).default_service(to(receive)));
    let server =
        server.workers(1).bind(listen.listen).with_context(|| format!("cannot listen on {}", listen.listen))?;
    for address in server.addrs() {
        say(format_args!("listening on http://{address}/"));
    }
    server.run().await.context("the receiver died")
}

async fn receive(request: HttpRequest, body: Bytes, receiver: Data<Receiver>) -> HttpResponse {
    let header = |name: &str| request.headers().get(name)?.to_str().ok();
    let checked = receiver.verifier.as_ref().map(|verifier| verifier.verify(header, &body, clock::now()));
    if let Some(Err(error)) = checked {
        say(format_args!("refused {}: {error}", header(ID).unwrap_or("what has no webhook-id")));
        return HttpResponse::Unauthorized().finish();
    }
    let Ok(change) = serde_json::from_slice::<Box<RawValue>>(&body) else {
        say("what came is not JSON");
        return HttpResponse::BadRequest().finish();
    };
    if receiver.output.lock().changes(&[change]).is_err() {
        return HttpResponse::InternalServerError().finish();
    }
    let status = actix_web::http::StatusCode::from_u16(receiver.status).unwrap_or_default();
    HttpResponse::build(status).finish()
}
