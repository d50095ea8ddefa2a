//! How several processes are deployed: manifests that Kubernetes takes, a Compose file and an image, and nothing in them
//! that the executable does not understand.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use acceptance::{python, regledger, repository};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

const IMAGE: &str = concat!("regledger:", env!("CARGO_PKG_VERSION"));

const ROLES: [&str; 4] = ["intake", "projector", "query", "dispatcher"];

/// Seconds that a process may take once it has drained: ten for the last words of connections, the rest for its stores.
const AFTER_DRAIN: u64 = 30;

/// Where the container finds its settings.
const SETTINGS_FILE: &str = "/etc/regledger/regledger.toml";

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// The documents of YAML files.
fn documents(option: Option<&str>, files: &[String]) -> Vec<Value> {
    let mut reader = python();
    reader.arg(repository().join("tests/tests/contract/clients/manifests.py")).args(option);
    let done = reader.args(files).current_dir(repository()).output().unwrap();
    assert!(done.status.success(), "{files:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The names of the manifests that belong together.
fn resources() -> BTreeSet<String> {
    let kustomization = documents(None, &["ops/kubernetes/kustomization.yaml".to_owned()]).remove(0);
    serde_json::from_value(kustomization["resources"].clone()).unwrap()
}

/// All manifests, each held against the schema of its kind.
fn manifests() -> Vec<Value> {
    let files: Vec<_> = resources().iter().map(|name| format!("ops/kubernetes/{name}")).collect();
    documents(Some("--kubernetes"), &files)
}

fn of_kind<'a>(manifests: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    manifests.iter().filter(move |manifest| manifest["kind"] == kind)
}

fn words(list: &Value) -> Vec<String> {
    serde_json::from_value(list.clone()).unwrap()
}

/// What `config show` says of the arguments of `serve` and these variables, all of which it must understand.
fn understood(arguments: &[String], variables: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let (serve, settings) = arguments.split_first().unwrap();
    assert_eq!(serve, "serve");
    let done = regledger(&["config", "show", "--output", "json"]).args(settings).envs(variables).output().unwrap();
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(done.status.success() && said.is_empty(), "{arguments:?} {variables:?}: {said}");
    let lines = String::from_utf8(done.stdout).unwrap();
    let settings = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    settings.map(|setting| (text(&setting["key"]), text(&setting["value"]))).collect()
}

/// The settings of a container, whose secrets are of no interest here.
fn settings_of(container: &Value, manifests: &[Value]) -> BTreeMap<String, String> {
    let map = of_kind(manifests, "ConfigMap").next().unwrap();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(map["data"]["regledger.toml"].as_str().unwrap().as_bytes()).unwrap();
    let mut arguments = words(&container["args"]);
    let place = arguments.iter_mut().find(|argument| *argument == SETTINGS_FILE).unwrap();
    *place = file.path().to_str().unwrap().to_owned();
    let variables = container["env"].as_array().into_iter().flatten().map(|variable| {
        assert!(variable["valueFrom"]["secretKeyRef"].is_object(), "{variable}");
        (variable["name"].as_str().unwrap().to_owned(), "postgres://user:password@host/database".to_owned())
    });
    understood(&arguments, &variables.collect())
}

#[test]
fn kubernetes_takes_every_manifest_and_none_is_forgotten() {
    let folder = std::fs::read_dir(repository().join("ops/kubernetes")).unwrap();
    let mut files: BTreeSet<_> = folder.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert!(files.remove("kustomization.yaml"));
    assert_eq!(files, resources());
    let manifests = manifests();
    assert_eq!(of_kind(&manifests, "Secret").count(), 0, "a secret is not committed");
    let namespaces = manifests.iter().filter(|manifest| manifest["kind"] != "Namespace");
    for manifest in namespaces {
        assert_eq!(manifest["metadata"]["namespace"], "regledger", "{manifest}");
    }
}

#[test]
fn a_deployment_is_rolled_without_a_gap_and_confined() {
    let manifests = manifests();
    let pod = "/spec/template/spec";
    let container = "/spec/template/spec/containers/0";
    let due = [
        ("/spec", "/replicas", json!(2)),
        ("/spec", "/strategy/rollingUpdate/maxUnavailable", json!(0)),
        (pod, "/automountServiceAccountToken", json!(false)),
        (pod, "/enableServiceLinks", json!(false)),
        (pod, "/securityContext/runAsNonRoot", json!(true)),
        (pod, "/securityContext/seccompProfile/type", json!("RuntimeDefault")),
        (pod, "/topologySpreadConstraints/0/topologyKey", json!("kubernetes.io/hostname")),
        (container, "/image", json!(IMAGE)),
        (container, "/startupProbe/httpGet", json!({"path": "/healthz", "port": "http"})),
        (container, "/livenessProbe/httpGet", json!({"path": "/healthz", "port": "http"})),
        (container, "/readinessProbe/httpGet", json!({"path": "/readyz", "port": "http"})),
        (container, "/securityContext/readOnlyRootFilesystem", json!(true)),
        (container, "/securityContext/allowPrivilegeEscalation", json!(false)),
        (container, "/securityContext/capabilities/drop", json!(["ALL"])),
    ];
    assert_eq!(of_kind(&manifests, "Deployment").count(), ROLES.len());
    for deployment in of_kind(&manifests, "Deployment") {
        let name = &deployment["metadata"]["name"];
        for (above, below, value) in &due {
            assert_eq!(deployment.pointer(&format!("{above}{below}")), Some(value), "{name}: {below}");
        }
        for resource in ["requests/cpu", "requests/memory", "limits/cpu", "limits/memory"] {
            let given = deployment.pointer(&format!("{container}/resources/{resource}"));
            assert!(given.is_some_and(Value::is_string), "{name}: {resource}");
        }
        assert_eq!(deployment.pointer(&format!("{pod}/containers")).unwrap().as_array().unwrap().len(), 1);
    }
}

#[test]
fn budgets_services_and_routes_find_the_pods_that_they_mean() {
    let manifests = manifests();
    for deployment in of_kind(&manifests, "Deployment") {
        let labels = &deployment["spec"]["selector"]["matchLabels"];
        assert_eq!(labels, &deployment["spec"]["template"]["metadata"]["labels"]);
        let budgets = of_kind(&manifests, "PodDisruptionBudget");
        let budgets: Vec<_> = budgets.filter(|budget| budget["spec"]["selector"]["matchLabels"] == *labels).collect();
        assert_eq!(budgets.len(), 1, "{labels}");
        assert_eq!(budgets[0]["spec"]["maxUnavailable"], 1);
    }
    let mut served = BTreeSet::new();
    for service in of_kind(&manifests, "Service") {
        let mut deployments = of_kind(&manifests, "Deployment");
        let of_it = |deployment: &&Value| deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"];
        let deployment = deployments.find(of_it).unwrap();
        let port = &deployment["spec"]["template"]["spec"]["containers"][0]["ports"][0]["name"];
        assert_eq!(&service["spec"]["ports"][0]["targetPort"], port);
        served.insert((service["metadata"]["name"].to_string(), service["spec"]["ports"][0]["name"].to_string()));
    }
    for ingress in of_kind(&manifests, "Ingress") {
        for path in ingress["spec"]["rules"][0]["http"]["paths"].as_array().unwrap() {
            let service = &path["backend"]["service"];
            let named = (service["name"].to_string(), service["port"]["name"].to_string());
            assert!(served.contains(&named), "{path}");
        }
    }
}

#[test]
fn what_kubernetes_tells_a_process_is_understood_and_leaves_it_time_to_end() {
    let manifests = manifests();
    for deployment in of_kind(&manifests, "Deployment") {
        let pod = &deployment["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        let settings = settings_of(container, &manifests);
        let role = &deployment["metadata"]["labels"]["app.kubernetes.io/component"];
        assert_eq!(role, &json!(settings["roles"]));
        assert!(settings["ledger"].starts_with("kafka://"), "{}", settings["ledger"]);
        assert_eq!(settings["state"], "********", "all of them, or an intake would keep rows of its own");
        assert_eq!(container["env"].is_null(), role == "intake", "an intake does not know PostgreSQL's password");
        let mounts = container["volumeMounts"].as_array().unwrap().iter().map(|mount| mount["mountPath"].as_str());
        let mounts: Vec<_> = mounts.flatten().collect();
        for setting in ["data_dir", "kek.file", "admin_token_file"] {
            assert!(mounts.iter().any(|mount| settings[setting].starts_with(mount)), "{setting}");
        }
        let drain: u64 = settings["shutdown.drain_seconds"].parse().unwrap();
        let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(grace >= drain + AFTER_DRAIN, "{grace} s for a drain of {drain} s");
    }
}

/// A text of the Compose file with its variables filled in: the default, or some word.
fn interpolated(text: &str) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (variable, after) = rest.split_once('}').unwrap();
    let value = variable.split_once(":-").map_or("word", |(_, default)| default);
    format!("{before}{value}{}", interpolated(after))
}

#[test]
fn what_compose_tells_a_process_is_understood_and_leaves_it_time_to_end() {
    let compose = documents(None, &["ops/compose/compose.yaml".to_owned()]).remove(0);
    let proxy = read("ops/compose/nginx.conf");
    let mut roles = BTreeMap::new();
    for (name, service) in compose["services"].as_object().unwrap() {
        if !service["image"].as_str().unwrap().starts_with("regledger:") {
            continue;
        }
        assert_eq!(service["image"], IMAGE, "{name}");
        assert_eq!(service["build"]["dockerfile"], "ops/container/Containerfile", "{name}");
        assert!(service["healthcheck"]["test"].to_string().contains("GET /readyz "), "{name}");
        assert!(service["deploy"]["resources"]["limits"]["memory"].is_string(), "{name}");
        assert_eq!(service["read_only"], true, "{name}");
        let variables = service["environment"].as_object().unwrap().iter();
        let variables = variables.map(|(name, value)| (name.clone(), interpolated(value.as_str().unwrap())));
        let settings = understood(&words(&service["command"]), &variables.collect());
        let drain: u64 = settings["shutdown.drain_seconds"].parse().unwrap();
        let grace = service["stop_grace_period"].as_str().unwrap().strip_suffix('s').unwrap();
        assert!(grace.parse::<u64>().unwrap() >= drain + AFTER_DRAIN, "{name}");
        let role = settings["roles"].clone();
        let is_routed_to = proxy.contains(&format!("server {name}:8080 "));
        assert_eq!(is_routed_to, role == "intake" || role == "query", "{name}");
        *roles.entry(role).or_insert(0) += 1;
    }
    assert_eq!(roles, ROLES.map(|role| (role.to_owned(), 2)).into());
    let password = compose["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"].as_str().unwrap();
    assert!(password.starts_with("${POSTGRES_PASSWORD:?"), "a secret is not committed");
}

#[test]
fn the_image_is_built_with_the_toolchain_of_the_repository_and_does_not_run_as_root() {
    let toolchain: toml::Table = toml::from_str(&read("rust-toolchain.toml")).unwrap();
    let rust = toolchain["toolchain"]["channel"].as_str().unwrap();
    let file = read("ops/container/Containerfile");
    let version = env!("CARGO_PKG_VERSION");
    for due in [
        &format!("FROM docker.io/library/rust:{rust}-slim-bookworm AS build\n"),
        &format!("ENV RUSTUP_TOOLCHAIN={rust}\n"),
        "FROM docker.io/library/debian:bookworm-slim\n",
        &format!("org.opencontainers.image.version=\"{version}\""),
        "STOPSIGNAL SIGTERM\n",
        "USER 10001:10001\n",
        "ENTRYPOINT [\"/usr/bin/regledger\"]\n",
        "CMD [\"serve\"]\n",
    ] {
        assert!(file.contains(due), "{due}");
    }
    let said = file.split_whitespace().filter(|word| word.starts_with("REGLEDGER_"));
    let variables = said.filter_map(|word| word.split_once('='));
    let variables: BTreeMap<_, _> = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let settings = understood(&["serve".to_owned()], &variables);
    assert_eq!(settings["data_dir"], "/var/lib/regledger");
}
