//! Hookup URLs: capabilities, rotated and guarded.

use acceptance::{Client, Options, Server, eventually, notice};
use reqwest::{Method, Response};
use serde_json::{Value, json};

async fn post(url: &str, headers: &[(&str, &str)], body: String) -> Response {
    let mut request = reqwest::Client::new().post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn rotate(admin: &Client, grace_seconds: u32) -> String {
    let asked = json!({"grace_seconds": grace_seconds});
    let made = admin.post("/v1/integrations/acme-lab/rotate-hookup", &asked).await;
    made["hookup_url"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_rotated_url_stays_valid_for_its_grace_period_alone() {
    let server = Server::start();
    let admin = server.admin();
    let first = admin.integration("acme-lab").await;
    let body = notice(1).to_string();
    let second = rotate(&admin, 60).await;
    for url in [&first, &second] {
        assert_eq!(post(url, &[], body.clone()).await.status(), 200);
    }
    let third = rotate(&admin, 1).await;
    assert_eq!(post(&first, &[], body.clone()).await.status(), 404, "there is one old URL, not many");
    eventually("the grace period of the second ends", async || {
        (post(&second, &[], body.clone()).await.status() == 404).then_some(())
    })
    .await;
    let fourth = rotate(&admin, 0).await;
    assert_eq!(post(&third, &[], body.clone()).await.status(), 404);
    assert_eq!(post(&fourth, &[], body).await.status(), 200);
}

#[tokio::test]
async fn a_deleted_integrations_url_ends_and_its_clients_stay() {
    let server = Server::start();
    let admin = server.admin();
    let url = admin.integration("acme-lab").await;
    let receipt = admin.notify(&url, &notice(1)).await;
    assert_eq!(admin.send(Method::DELETE, "/v1/integrations/acme-lab", &json!({})).await.0, 204);
    assert_eq!(post(&url, &[], notice(2).to_string()).await.status(), 404);
    let clients = admin.get(&format!("/v1/clients?min_position={}", Client::place(&receipt))).await;
    assert_eq!(clients["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_key_and_an_unknown_integration_cannot_be_told_apart() {
    let server = Server::start();
    let admin = server.admin();
    let url = admin.integration("acme-lab").await;
    let unknown = url.replace("acme-lab", "unknown");
    let mut answers = Vec::new();
    for wrong in [format!("{url}x"), unknown, format!("{}/hookup/acme-lab/x", server.url)] {
        let answer = post(&wrong, &[], notice(1).to_string()).await;
        assert_eq!(answer.status(), 404);
        let mut headers: Vec<_> = answer.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        headers.retain(|(name, _)| name != "x-request-id" && name != "date");
        headers.sort_by_key(|(name, _)| name.to_string());
        answers.push((headers, answer.bytes().await.unwrap()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn wrong_keys_are_slowed_down_by_address_and_a_right_key_never_is() {
    let arguments = ["--http-wrong-keys-per-minute", "5", "--http-trusted-proxies", "127.0.0.0/8"];
    let server = Server::start_with(&Options { arguments: &arguments, ..Options::default() });
    let admin = server.admin();
    let url = admin.integration("acme-lab").await;
    let wrong = format!("{url}x");
    let body = notice(1).to_string();
    let guesser = [("x-forwarded-for", "203.0.113.7")];
    for _ in 0..5 {
        assert_eq!(post(&wrong, &guesser, body.clone()).await.status(), 404);
    }
    let slowed = post(&wrong, &guesser, body.clone()).await;
    assert_eq!(slowed.status(), 429);
    assert!(slowed.headers().contains_key("retry-after"));
    for _ in 0..20 {
        assert_eq!(post(&url, &guesser, body.clone()).await.status(), 200, "the right key, from there too");
    }
    let elsewhere = [("x-forwarded-for", "203.0.113.8")];
    assert_eq!(post(&wrong, &elsewhere, body).await.status(), 404);
}

#[tokio::test]
async fn only_allowed_addresses_may_send_and_only_trusted_proxies_are_believed() {
    let trusting = ["--http-trusted-proxies", "127.0.0.1/32,10.0.0.0/8"];
    let cases: [(&[&str], &str, u16); 7] = [
        (&trusting, "203.0.113.7", 200),
        (&trusting, "203.0.113.8", 403),
        (&trusting, "203.0.113.7, 10.1.2.3", 200),
        (&trusting, "203.0.113.7, 198.51.100.1", 403),
        (&trusting, "2001:db8::1", 200),
        (&[], "203.0.113.7", 403),
        (&[], "", 403),
    ];
    for (arguments, forwarded, due) in cases {
        let server = Server::start_with(&Options { arguments, ..Options::default() });
        let admin = server.admin();
        let url = admin.integration("acme-lab").await;
        let allow = json!({"allow": {"addresses": ["203.0.113.7/32", "2001:db8::/32"]}});
        let (status, _) = admin.send(Method::PATCH, "/v1/integrations/acme-lab", &allow).await;
        assert_eq!(status, 200);
        let answer = post(&url, &[("x-forwarded-for", forwarded)], notice(1).to_string()).await;
        assert_eq!(answer.status(), due, "{arguments:?} {forwarded}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["quarantine_id"].is_string(), due == 403, "{forwarded}: {answer}");
    }
}

#[tokio::test]
async fn only_allowed_hosts_may_be_in_a_token_url() {
    let server = Server::start();
    let admin = server.admin();
    let url = admin.integration("acme-lab").await;
    let allow = json!({"allow": {"token_hosts": ["provetcloud.com", "other.example:8443"]}});
    admin.send(Method::PATCH, "/v1/integrations/acme-lab", &allow).await;
    for (token_url, due) in [
        ("https://provetcloud.com/1/token", 200),
        ("https://PROVETCLOUD.com:443/1/token", 200),
        ("https://other.example:8443/1/token", 200),
        ("https://other.example/1/token", 422),
        ("https://provetcloud.com.evil.example/1/token", 422),
        ("https://sub.provetcloud.com/1/token", 422),
    ] {
        let mut sent = notice(1);
        sent["token_url"] = json!(token_url);
        let answer = post(&url, &[], sent.to_string()).await;
        assert_eq!(answer.status(), due, "{token_url}");
        let problem: Value = answer.json().await.unwrap();
        if due == 422 {
            assert_eq!(problem["errors"][0]["pointer"], "/token_url");
            assert!(!problem.to_string().contains("example"), "never quoted: {problem}");
        }
    }
}

#[tokio::test]
async fn a_notice_is_taken_under_any_media_type_that_does_not_say_that_it_is_something_else() {
    let server = Server::start();
    let admin = server.admin();
    let url = admin.integration("acme-lab").await;
    let cases: [(Option<&str>, u16); 9] = [
        (None, 200),
        (Some("application/json"), 200),
        (Some("application/json; charset=utf-8"), 200),
        (Some("text/plain"), 200),
        (Some("application/octet-stream"), 200),
        (Some("application/x-www-form-urlencoded"), 415),
        (Some("multipart/form-data; boundary=x"), 415),
        (Some("text/xml"), 415),
        (Some("application/soap+xml"), 415),
    ];
    for (media_type, due) in cases {
        let headers: Vec<_> = media_type.map(|name| ("content-type", name)).into_iter().collect();
        assert_eq!(post(&url, &headers, notice(1).to_string()).await.status(), due, "{media_type:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_accepted_is_answered_as_the_contract_says() {
    let server = Server::start();
    let admin = server.admin();
    let url = admin.integration("acme-lab").await;
    let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
    let mut large = notice(1);
    large["note"] = json!("x".repeat(40 * 1024));
    let cases: [(Vec<u8>, u16, bool); 8] = [
        (b"{".to_vec(), 400, true),
        (Vec::new(), 400, true),
        (b"\xff".to_vec(), 400, true),
        (b"{\"a\":1,\"a\":2}".to_vec(), 400, true),
        (deep.into_bytes(), 400, true),
        (b"{}".to_vec(), 422, true),
        (b"[]".to_vec(), 422, true),
        (large.to_string().into_bytes(), 413, false),
    ];
    for (body, due, is_kept) in cases {
        let name = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let (status, problem) = admin.try_notify(&url, body).await;
        assert_eq!(status, due, "{name}: {problem}");
        assert_eq!(problem["quarantine_id"].is_string(), is_kept, "{name}: {problem}");
    }
    let (_, problem) = admin.try_notify(&url, "{}").await;
    assert_eq!(problem["errors"].as_array().unwrap().len(), 10, "every violation: {problem}");
    let largest = 40 * 1024 - notice(1).to_string().len() - 10;
    let mut sent = notice(1);
    sent["note"] = json!("x".repeat(largest));
    let (status, answer) = admin.try_notify(&url, sent.to_string()).await;
    assert_eq!(status, 200, "{}: {answer}", sent.to_string().len());
}

#[tokio::test]
async fn hookup_urls_begin_with_the_public_url() {
    let arguments = ["--http-public-url", "https://hub.example.com/notices/"];
    let server = Server::start_with(&Options { arguments: &arguments, ..Options::default() });
    let url = server.admin().integration("acme-lab").await;
    assert!(url.starts_with("https://hub.example.com/notices/hookup/acme-lab/"), "{url}");
}
