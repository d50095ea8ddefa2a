//! What the README tells users to do does what it says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use acceptance::{Options, Server, executable, repository, tool};
use tempfile::TempDir;

/// The shell snippets that are marked to be tested, with their marks.
fn snippets() -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let marked = readme.split("<!-- test").skip(1);
    let snippets: Vec<_> = marked
        .map(|text| {
            let (mark, rest) = text.split_once("-->").unwrap();
            let code = rest.split("```sh\n").nth(1).expect("a mark stands before a snippet");
            let code = code.split("```").next().unwrap();
            (mark.trim_matches([':', ' ']).to_owned(), code.to_owned())
        })
        .collect();
    assert!(snippets.len() >= 4, "the README lost its tested snippets");
    snippets
}

fn bash(dir: &Path, script: &str, hookup: &str) -> Output {
    tool("timeout")
        .args(["20", "bash", "-O", "expand_aliases", "-c", script])
        .current_dir(dir)
        .env("HOOKUP_URL", hookup)
        .env_remove("REGLEDGER_URL")
        .output()
        .unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_stranger_who_follows_the_readme_sees_the_client_and_its_change() {
    let dir = TempDir::new().unwrap();
    let port = free_port().to_string();
    let mut snippets = snippets().into_iter();
    let (mark, serve) = snippets.next().unwrap();
    assert_eq!((mark.as_str(), serve.trim()), ("serve", "cargo run --no-default-features -- serve --data-dir ./data"));
    let listen = format!("127.0.0.1:{port}");
    let server = Server::start_in(&dir.path().join("data"), &Options { listen: Some(&listen), ..Options::default() });

    // One shell for all that follows, as the stranger has.
    let mut alias = String::new();
    let mut hookup = String::new();
    let mut said = String::new();
    for (_, code) in snippets {
        let code = code
            .replace("target/debug/regledger", executable().to_str().unwrap())
            .replace("127.0.0.1:8080", &listen)
            .replace("curl -N", "curl -N --max-time 2");
        let script = format!("export REGLEDGER_LISTEN={listen}\n{alias}\n{code}");
        let output = bash(dir.path(), &script, &hookup);
        said += &String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        if let Some(line) = code.lines().find(|line| line.starts_with("alias ")) {
            alias = line.to_owned();
        }
        if let Some(url) = said.split_whitespace().find(|word| word.contains("/hookup/")) {
            hookup = url.to_owned();
        }
        assert!(!said.is_empty(), "{code}\n{errors}");
    }
    for expected in ["/hookup/acme-lab/", "leaf_hash", "provetcloud.com/1234", "event: client.registered"] {
        assert!(said.contains(expected), "{expected} is not in what was said:\n{said}");
    }
    assert!(!said.contains("not-a-real-secret"), "{said}");
    drop(server);
}

#[test]
fn the_demo_shows_a_registration_arriving_the_table_and_the_stream() {
    let output = Command::new(executable())
        .args(["demo", "--for", "8", "--listen", &format!("127.0.0.1:{}", free_port())])
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    for expected in ["/hookup/", "client.registered", "client.departments_added"] {
        assert!(said.contains(expected), "{expected} is not in what the demo said:\n{said}");
    }
}

#[test]
fn every_file_that_the_readme_names_is_there() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    for word in readme.split(['`', '(', ')']) {
        let is_file =
            ["ops/", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"].iter().any(|start| word.starts_with(start));
        if is_file {
            assert!(repository().join(word).exists(), "the README names {word}");
        }
    }
}
