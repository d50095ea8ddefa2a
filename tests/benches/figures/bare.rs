//! A bare server: what actix-web can do here if nothing is kept.

use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{App, HttpResponse, HttpServer};
use serde_json::{Value, json};

/// Serves at an address, as a child: parses each body as JSON and answers with something like a receipt. Workers and
/// connections are set up as those of the executable.
pub fn serve(arguments: &[&str]) {
    let [address] = arguments else { panic!("child bare ADDRESS") };
    let server = HttpServer::new(|| {
        App::new()
            .route("/readyz", web::get().to(async || "ready"))
            .route("/hookup/{integration}/{key}", web::post().to(receive))
    })
    .tcp_nodelay(true)
    .h1_allow_half_closed(false)
    .keep_alive(Duration::from_secs(75))
    .bind(address)
    .unwrap()
    .run();
    actix_web::rt::System::new().block_on(server).unwrap();
}

async fn receive(body: Bytes) -> HttpResponse {
    match serde_json::from_slice::<Value>(&body) {
        Ok(notice) => HttpResponse::Ok().json(json!({
            "event_id": "0198c0ff-ee01-7000-8000-0198c0ffee01",
            "partition": 0,
            "position": notice["provet_id"],
            "leaf_hash": "brQLnP+zeplonyIkymXquWyXhLI+8PF7dPhQpuTUh34=",
            "recorded_time": "2026-11-23T05:00:00.000000000Z",
        })),
        Err(_) => HttpResponse::BadRequest().finish(),
    }
}
