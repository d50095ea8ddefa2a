//! The documents of the API as the linters and testers of others see them.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use acceptance::{Server, repository};
use tempfile::{NamedTempFile, TempDir};

fn succeeded(done: &Output) {
    let said = [&done.stdout[..], &done.stderr[..]].concat();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[tokio::test]
async fn redocly_finds_nothing_wrong_with_the_openapi_document() {
    let server = Server::start();
    let mut file = NamedTempFile::with_suffix(".json").unwrap();
    write!(file, "{}", server.admin().get("/openapi.json").await).unwrap();
    let linter = repository().join(".cache/npm/node_modules/.bin/redocly");
    let mut lint = Command::new(linter);
    lint.arg("lint").arg(file.path()).arg("--config").arg(repository().join("ops/test-tools/redocly.yaml"));
    lint.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    succeeded(&lint.output().unwrap());
}

#[tokio::test]
async fn the_asyncapi_parser_finds_nothing_wrong_with_the_asyncapi_document() {
    let server = Server::start();
    let script = repository().join("tests/tests/contract/clients/asyncapi.mjs");
    let mut parse = acceptance::node();
    parse.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = parse.spawn().unwrap();
    let document = server.admin().get("/asyncapi.json").await.to_string();
    child.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    succeeded(&child.wait_with_output().unwrap());
}

/// Left out: the stream, which does not end, and the end of a token, which would be its own.
#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_no_answer_that_the_openapi_document_does_not_allow() {
    let mut server = Server::start();
    let admin = server.admin();
    admin.integration("acme-lab").await;
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("openapi.json");
    std::fs::write(&file, admin.get("/openapi.json").await.to_string()).unwrap();
    let config = format!("hooks = \"schemathesis_hooks\"\n[auth.openapi.bearer]\nbearer = \"{}\"\n", admin.token);
    std::fs::write(dir.path().join("schemathesis.toml"), config).unwrap();
    let mut run = Command::new(repository().join(".cache/venv/bin/schemathesis"));
    run.env("PYTHONPATH", repository().join("tests/tests/contract/clients")).env("PYTHONDONTWRITEBYTECODE", "1");
    run.arg("run").arg(&file).args(["--url", &server.url, "--checks", "all", "--continue-on-failure"]);
    run.args(["--exclude-path", "/v1/changes", "--max-examples", "3", "--seed", "1", "--max-time", "45"]);
    // What is deleted in the directory is there until it is purged.
    run.args(["--exclude-operation-id", "revokeToken", "--exclude-checks", "use_after_free"]);
    run.args(["--no-color", "--generation-database", "none", "--request-timeout", "20"]);
    succeeded(&run.current_dir(dir.path()).output().unwrap());
    assert_eq!(admin.get("/readyz").await["ready"], true);
    let log = server.whole_log();
    let failed: Vec<_> = log.lines().filter(|line| line.contains("\"http.status\":5")).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
