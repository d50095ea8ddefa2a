//! The workspace is built as ARCHITECTURE.md says.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use acceptance::repository;
use serde_json::Value;

/// What each crate of ours needs, tests left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let done = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(repository())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&done.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let needed = package["dependencies"].as_array().unwrap().iter();
            let needed = needed.filter(|dependency| dependency["kind"] != "dev");
            let names = needed.map(|dependency| dependency["name"].as_str().unwrap().to_owned());
            (package["name"].as_str().unwrap().to_owned(), names.collect())
        })
        .collect()
}

/// The crates in the order of the table of ARCHITECTURE.md, by their folders.
fn rooms() -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    rows.map(|(folder, _)| folder.to_owned()).collect()
}

fn name(folder: &str) -> &str {
    let name = folder.rsplit('/').next().unwrap();
    if name == "tests" { "acceptance" } else { name }
}

#[test]
fn architecture_has_a_room_for_each_crate_and_no_other() {
    let known: BTreeSet<_> = rooms().iter().map(|folder| name(folder).to_owned()).collect();
    assert_eq!(known, dependencies().into_keys().collect());
    for folder in rooms() {
        assert!(repository().join(&folder).join("Cargo.toml").is_file(), "{folder}");
    }
}

#[test]
fn dependencies_point_up_the_list_and_never_down() {
    let (rooms, dependencies) = (rooms(), dependencies());
    for (index, folder) in rooms.iter().enumerate() {
        for below in &rooms[index + 1..] {
            assert!(!dependencies[name(folder)].contains(name(below)), "{folder} needs {below}");
        }
    }
}

#[test]
fn services_do_not_depend_on_one_another() {
    let (rooms, dependencies) = (rooms(), dependencies());
    let services: Vec<_> = rooms.iter().filter(|folder| folder.starts_with("services/")).collect();
    for service in services.iter().filter(|folder| name(folder) != "regledger") {
        for other in &services {
            assert!(!dependencies[name(service)].contains(name(other)), "{service} needs {other}");
        }
    }
}

#[test]
fn no_crate_knows_what_it_may_not_know() {
    let dependencies = dependencies();
    let ours: Vec<_> = dependencies.keys().map(String::as_str).collect();
    let all_but_reply: Vec<_> = ours.iter().copied().filter(|name| *name != "reply").collect();
    let io = ["tokio", "rusqlite", "reqwest", "actix-web", "aws-lc-rs", "rand"];
    let cases = [
        ("registration", [ours.clone(), io.to_vec()].concat()),
        ("reply", ours.clone()),
        ("sqlite", all_but_reply.clone()),
        ("kafka", all_but_reply),
        ("postgres", ours.clone()),
        ("ledger", vec!["vault", "projection", "serde_json", "actix-web"]),
        ("vault", vec!["ledger", "projection", "actix-web"]),
        ("projection", vec!["vault", "actix-web"]),
        ("admission", vec!["projection", "actix-web", "api"]),
        (
            "delivery",
            vec!["ledger", "vault", "projection", "admission", "api", "sqlite", "kafka", "rusqlite", "actix-web"],
        ),
        ("api", vec!["projection"]),
        ("intake", vec!["projection", "rusqlite", "sqlite"]),
        ("projector", vec!["actix-web", "api", "vault"]),
        ("publisher", vec!["actix-web", "api", "vault", "ledger"]),
        ("query", vec!["rusqlite", "sqlite"]),
    ];
    for (name, forbidden) in cases {
        for other in forbidden {
            assert!(!dependencies[name].contains(other), "{name} may not know {other}");
        }
    }
    for (name, needed) in &dependencies {
        assert!(name == "regledger" || !needed.contains("anyhow"), "{name}: a library names its errors");
    }
}

/// The command line calls our own server, and the tests call what they want.
#[test]
fn every_outgoing_call_goes_through_delivery() {
    for (name, needed) in dependencies() {
        let may_call = ["delivery", "regledger", "acceptance"].contains(&name.as_str());
        assert!(may_call || !needed.contains("reqwest"), "{name} calls by itself");
    }
}

#[test]
fn licences_sources_and_the_one_tls_provider_are_as_decided() {
    let done = Command::new(repository().join("ops/check-dependencies")).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "-p", "regledger", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
        .current_dir(repository())
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    let crates: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(crates.contains("aws-lc-rs"), "the one provider");
    // OpenSSL itself belongs to librdkafka alone: deny.toml says so, and what checks it was run above.
    for other in ["ring", "openssl", "native-tls", "boring", "mbedtls", "h2"] {
        assert!(!crates.contains(other), "{other}");
    }
}

#[test]
fn no_file_is_a_drawer() {
    let listed = Command::new("git").args(["ls-files", "*.rs"]).current_dir(repository()).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.lines().count() > 100);
    for path in listed.lines() {
        for part in path.trim_end_matches(".rs").split('/') {
            assert!(!["utils", "util", "common", "core", "helpers", "types", "misc"].contains(&part), "{path}");
        }
    }
}
