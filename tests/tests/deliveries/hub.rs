//! A hub that may call this machine, and what is asked of it.

use acceptance::{Client, Mailbox, Options, Received, Receiver, Server, free_address, mail_server, notice};
use serde_json::{Value, json};

/// The loopback network is allowed, and failures are borne for a short time.
pub const ARGUMENTS: &[&str] = &["--egress-allow", "127.0.0.0/8"];

pub fn start() -> Server {
    start_with(&[])
}

pub fn start_with(more: &[&str]) -> Server {
    let arguments = [ARGUMENTS, more].concat();
    Server::start_with(&Options { arguments: &arguments, ..Options::default() })
}

/// A hub that hands mails in, and where.
pub async fn mailing() -> (Server, Mailbox) {
    let mailbox = Mailbox::start().await;
    let (address, port) = (free_address(), mailbox.port.to_string());
    let url = format!("http://{address}");
    let arguments = [&mail_server(&port)[..], &["--smtp-from", "hub@example.com", "--http-public-url", &url]].concat();
    let server = Server::start_with(&Options { arguments: &arguments, listen: Some(&address), ..Options::default() });
    (server, mailbox)
}

/// Subscribes a receiver to what happens to clients; what was answered.
pub async fn subscribe(admin: &Client, name: &str, receiver: &Receiver, more: Value) -> Value {
    let mut asked = json!({"name": name, "url": receiver.url, "types": ["client.*"]});
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    admin.post("/v1/subscriptions", &asked).await
}

/// Posts notices of tenants, in this order: the n-th notice of a tenant changes its algorithm.
pub async fn notify(admin: &Client, hookup: &str, tenants: impl IntoIterator<Item = u64>) {
    let mut counts = std::collections::BTreeMap::new();
    for tenant in tenants {
        let count = counts.entry(tenant).or_insert(0);
        *count += 1;
        notify_again(admin, hookup, tenant, &format!("A{count}")).await;
    }
}

pub async fn notify_again(admin: &Client, hookup: &str, tenant: u64, algorithm: &str) {
    let mut sent = notice(tenant);
    sent["algorithm"] = json!(algorithm);
    admin.notify(hookup, &sent).await;
}

/// Holds that what came first of each tenant came in the order of the ledger; how many changes they were.
pub fn in_order(received: &[Received]) -> usize {
    let mut seen = std::collections::BTreeSet::new();
    let mut last = std::collections::BTreeMap::new();
    for one in received.iter().filter(|one| seen.insert(one.id().to_owned())) {
        let (change, subject) = (one.json(), one.subject());
        assert_eq!(change["id"], one.id());
        let sequence = (change["partition"].as_u64().unwrap(), change["sequence"].as_str().unwrap().to_owned());
        if let Some(before) = last.insert(subject.clone(), sequence.clone()) {
            assert!(before < sequence, "{subject}: {sequence:?} after {before:?}");
        }
    }
    seen.len()
}

/// How a subscription stands.
pub async fn standing(admin: &Client, name: &str) -> String {
    let shown = admin.get(&format!("/v1/subscriptions/{name}")).await;
    match shown["paused"]["reason"].as_str() {
        Some(reason) => format!("paused: {reason}"),
        None => shown["state"].as_str().unwrap().to_owned(),
    }
}

/// Waits until a subscription stands so.
pub async fn stands(admin: &Client, name: &str, due: &str) {
    acceptance::eventually(due, async || (standing(admin, name).await == due).then_some(())).await;
}
