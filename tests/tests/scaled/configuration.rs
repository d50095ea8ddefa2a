//! What is changed at one process holds at all others.

use acceptance::{Client, eventually, notice, regledger};
use serde_json::json;
use tempfile::TempDir;

use crate::fleet::Fleet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_the_configuration_reaches_every_process() {
    let fleet = Fleet::new();
    let [intake, _projector, query_a, query_b] = fleet.start_all(["intake", "projector", "query", "query"]);
    let admin = query_a.admin();
    let hookup = admin.integration("acme-lab").await;
    // At once: who does not find a key catches up by itself.
    intake.acknowledged(&hookup, 1..2).await;

    let token = admin.post("/v1/tokens", &json!({"name": "reader", "scopes": ["clients:read"]})).await;
    let reader = Client::new(&query_b.server.url, token["token"].as_str().unwrap());
    reader.get("/v1/clients").await;
    let (status, _) = admin
        .send(reqwest::Method::DELETE, &format!("/v1/tokens/{}", token["id"].as_str().unwrap()), &json!(null))
        .await;
    assert!(status.is_success(), "{status}");
    eventually("a revoked token", async || (reader.try_get("/v1/clients").await.0 == 401).then_some(())).await;

    let (status, _) = admin.send(reqwest::Method::DELETE, "/v1/integrations/acme-lab", &json!(null)).await;
    assert!(status.is_success(), "{status}");
    let reached = intake.reached(&hookup);
    eventually("a closed hookup", async || {
        (admin.try_notify(&reached, notice(2).to_string()).await.0 == 404).then_some(())
    })
    .await;
}

#[test]
fn what_is_configured_is_shown_without_its_passwords() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("regledger.toml");
    let said = "state = 'postgres://u:hidden@h/d'\n[kafka]\nsasl.password = 'hidden'\nsecurity.protocol = 'SASL_SSL'";
    std::fs::write(&file, said).unwrap();
    let given: &[&[&str]] = &[
        &["--config", file.to_str().unwrap()],
        &["--state", "postgres://u:hidden@h/d", "--kafka", "sasl.password=hidden,security.protocol=SASL_SSL"],
    ];
    for given in given {
        for format in ["json", "table"] {
            let mut show = regledger(&["config", "show", "--output", format, "--data-dir"]);
            let shown = show.arg(dir.path().join("data")).args(*given).output().unwrap();
            let text = String::from_utf8([shown.stdout, shown.stderr].concat()).unwrap();
            assert!(shown.status.success(), "{given:?}: {text}");
            assert!(text.contains("sasl.password,security.protocol"), "{given:?}: {text}");
            assert!(!text.contains("hidden") && !text.contains("SASL_SSL"), "{given:?}: {text}");
        }
    }
}
