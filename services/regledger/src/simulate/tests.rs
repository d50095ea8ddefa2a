use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use registration::notice;
use rstest::rstest;
use serde_json::Value;

use super::faults::kinds;
use super::*;
use crate::canned::{Canned, json};

fn script(seed: u64, tenant: u32, length: Length, faults: bool) -> Vec<Message> {
    Script::new(seed, tenant, length, faults).collect()
}

proptest! {
    #[test]
    fn the_same_seed_tells_the_same_story(seed: u64, tenant in 0_u32..1000, faults: bool) {
        let length = Length::Messages(40);
        prop_assert_eq!(script(seed, tenant, length, faults), script(seed, tenant, length, faults));
    }

    #[test]
    fn every_notice_is_one_that_must_be_accepted(seed: u64, tenant in 0_u32..1000) {
        for message in script(seed, tenant, Length::Messages(40), false) {
            let notice = notice::parse(&message.body);
            prop_assert!(notice.is_ok(), "{}: {:?}", message.step, notice.err());
            prop_assert_eq!(notice.unwrap().tenant.to_string(), message.tenant);
            prop_assert_eq!(message.expected, &[200]);
        }
    }

    #[test]
    fn a_department_notice_agrees_with_its_own_list(seed: u64, tenant in 0_u32..100) {
        for message in script(seed, tenant, Length::Messages(60), false) {
            let notice: Value = serde_json::from_slice(&message.body).unwrap();
            let Some(all) = notice["departments"].as_array() else { continue };
            if !notice["added_department"].is_null() {
                prop_assert!(all.contains(&notice["added_department"]));
            }
            if !notice["removed_department"].is_null() {
                prop_assert!(!all.contains(&notice["removed_department"]));
            }
        }
    }
}

#[test]
fn every_fault_is_judged_as_the_notice_itself_is() {
    let mut seen = BTreeSet::new();
    for message in script(1, 0, Length::Messages(kinds() * 3), true) {
        if !message.step.contains(':') {
            continue;
        }
        seen.insert(message.step);
        let parsed = notice::parse(&message.body);
        match message.expected {
            [200] => assert!(parsed.is_ok(), "{}: {:?}", message.step, parsed.err()),
            [400] => assert!(matches!(parsed, Err(notice::Rejection::Malformed(_))), "{}", message.step),
            [422] => assert!(matches!(parsed, Err(notice::Rejection::Invalid { .. })), "{}", message.step),
            [413] => assert!(message.body.len() > 40 * 1024, "{}", message.step),
            [415] => assert_ne!(message.content_type, Some("application/json"), "{}", message.step),
            _ => assert_ne!(message.target, Target::Given, "{}", message.step),
        }
    }
    assert_eq!(seen.len() as u64, kinds());
}

#[test]
fn a_story_has_every_part_and_ends() {
    let mut steps: BTreeMap<&str, usize> = BTreeMap::new();
    let mut clients = BTreeSet::new();
    for message in script(1, 0, Length::Once, false) {
        *steps.entry(message.step).or_default() += 1;
        let notice: Value = serde_json::from_slice(&message.body).unwrap();
        clients.insert(notice["client_id"].to_string());
    }
    let expected = ["delivered again", "department disabled", "department enabled", "installed", "secret rotated"];
    assert_eq!(steps.keys().copied().collect::<Vec<_>>(), expected);
    assert_eq!(clients.len(), 2, "an installation and another");
}

#[test]
fn organisations_of_one_run_are_different_ones() {
    let tenants: BTreeSet<String> =
        (0..500).filter_map(|tenant| script(7, tenant, Length::Messages(1), false).pop()).map(|m| m.tenant).collect();
    assert_eq!(tenants.len(), 500);
}

pub fn simulation(server: &str) -> Simulate {
    Simulate {
        hookup: Some(format!("{server}/hookup/a/k").parse().unwrap()),
        events_url: None,
        tenants: 7,
        rate: 0.0,
        connections: 3,
        duration: None,
        notices: Some(100),
        seed: 1,
        faults: true,
        retry: false,
        receipts: None,
    }
}

#[test]
fn as_many_messages_are_sent_as_were_asked_for() {
    let simulate = simulation("http://h");
    let sent: usize = (0..7).map(|tenant| simulate.script(tenant).count()).sum();
    assert_eq!(sent, 100);
}

pub const RECEIPT: &str = r#"{"event_id":"01890000-0000-7000-8000-000000000000","partition":0,"position":17,"leaf_hash":"x","recorded_time":"2026-11-23T10:00:00Z"}"#;

async fn report(simulate: &Simulate) -> report::Report {
    play::play(simulate, &CancellationToken::new(), false).await.unwrap()
}

#[tokio::test]
async fn what_is_acknowledged_is_written_down() {
    let server = Canned::serve(vec![json(200, RECEIPT)]).await;
    let dir = tempfile::tempdir().unwrap();
    let receipts = dir.path().join("receipts.ndjson");
    let base = server.url.as_str().trim_end_matches('/');
    let report = report(&Simulate { faults: false, receipts: Some(receipts.clone()), ..simulation(base) }).await;
    assert!(report.is_flawless());
    assert_eq!((report.sent, report.answers[&200]), (100, 100));
    let receipts = std::fs::read_to_string(receipts).unwrap();
    assert_eq!(receipts.lines().count(), 100);
    let first: Value = serde_json::from_str(receipts.lines().next().unwrap()).unwrap();
    assert_eq!((&first["position"], &first["step"]), (&17.into(), &"installed".into()));
}

#[rstest]
#[case::another_status(json(500, "broken"))]
#[case::no_receipt(json(200, "{}"))]
#[tokio::test]
async fn an_answer_that_was_not_expected_is_listed(#[case] answer: String) {
    let server = Canned::serve(vec![answer]).await;
    let base = server.url.as_str().trim_end_matches('/');
    let report = report(&Simulate { faults: false, ..simulation(base) }).await;
    assert_eq!((report.sent, report.unexpected, report.unanswered), (100, 100, 0));
    assert_eq!(report.unexpected_answers.len(), 20);
    assert!(report.to_text().contains("instead of [200]"));
}

#[tokio::test]
async fn a_message_that_nobody_answers_is_counted_apart_and_sent_again_when_asked() {
    let hang_up = String::new();
    let server = Canned::serve(vec![hang_up.clone(), json(503, "{}"), json(200, RECEIPT)]).await;
    let base = server.url.as_str().trim_end_matches('/');
    let one = Simulate { faults: false, notices: Some(1), tenants: 1, ..simulation(base) };
    let patient = report(&Simulate { retry: true, ..one }).await;
    assert!(patient.is_flawless());
    assert_eq!((patient.sent, patient.retried), (1, 2));
    let server = Canned::serve(vec![hang_up]).await;
    let base = server.url.as_str().trim_end_matches('/');
    let one = Simulate { faults: false, notices: Some(1), tenants: 1, ..simulation(base) };
    let report = report(&one).await;
    assert_eq!((report.unanswered, report.unexpected), (1, 0));
    assert!(!report.is_flawless());
}

#[tokio::test]
async fn an_event_of_isl_is_sent_again_until_the_reply_is_valid() {
    let answers = vec![String::new(), json(200, "no XML"), json(500, "<nomessage/>"), json(200, "<nomessage/>")];
    let server = Canned::serve(answers).await;
    let base = server.url.as_str().trim_end_matches('/');
    let url = Some(format!("{base}/isl/a/k/events").parse().unwrap());
    let one =
        Simulate { hookup: None, events_url: url, faults: false, notices: Some(1), tenants: 1, ..simulation(base) };
    let report = report(&one).await;
    assert!(report.is_flawless(), "{}", report.to_text());
    assert_eq!((report.sent, report.retried), (1, 3));
}

#[rstest]
#[case::hookup("hookup/a/k")]
#[case::events("isl/a/k/events")]
#[tokio::test]
async fn a_url_that_is_not_known_is_not_asked_again(#[case] path: &str) {
    let server = Canned::serve(vec![json(404, "no such thing")]).await;
    let url: Url = format!("{}{path}", server.url).parse().unwrap();
    let is_isl = path.starts_with("isl");
    let (hookup, events_url) = if is_isl { (None, Some(url)) } else { (Some(url), None) };
    let one = Simulate { hookup, events_url, faults: false, retry: true, connections: 1, ..simulation("http://h") };
    let report = report(&one).await;
    assert!(report.is_nowhere);
    assert_eq!((report.sent, report.retried), (1, 0));
}

#[rstest]
#[case("http://h/sim", "--events-url")]
#[case("http://h/sim/events", "--events-url")]
#[case("http://h/isl/a/k", "--events-url")]
fn what_is_no_url_of_events_is_called_by_its_flag(#[case] url: &str, #[case] flag: &str) {
    let one = Simulate { hookup: None, events_url: Some(url.parse().unwrap()), ..simulation("http://h") };
    assert!(one.check().unwrap_err().to_string().starts_with(flag));
}

#[test]
fn wrong_keys_and_names_are_put_where_the_right_ones_were() {
    let hookup = "http://h:1/hub/hookup/acme-lab/k3y".parse().unwrap();
    let path = |target: Target| target.url(&hookup).unwrap().path().to_owned();
    assert_eq!(path(Target::Given), "/hub/hookup/acme-lab/k3y");
    assert_eq!(path(Target::WrongKey), "/hub/hookup/acme-lab/a-key-that-nobody-gave-out");
    assert_eq!(path(Target::UnknownIntegration), "/hub/hookup/an-integration-that-nobody-made/k3y");
    assert!(Target::UnknownIntegration.url(&"http://h:1/".parse().unwrap()).is_none());
    let events = "http://h:1/isl/acme-isl/k3y/events".parse().unwrap();
    let path = |target: Target| target.url(&events).unwrap().path().to_owned();
    assert_eq!(path(Target::WrongKey), "/isl/acme-isl/a-key-that-nobody-gave-out/events");
    assert_eq!(path(Target::UnknownIntegration), "/isl/an-integration-that-nobody-made/k3y/events");
}

#[test]
fn percentiles_are_within_two_percent() {
    let mut report = report::Report::new().unwrap();
    (1..=10_000).for_each(|micros| report.answered(200, Duration::from_micros(micros)));
    let said = serde_json::to_value(&report).unwrap();
    for (name, exact) in [("p50", 5.0), ("p90", 9.0), ("p99", 9.9), ("max", 10.0)] {
        let said = said["latency_ms"][name].as_f64().unwrap();
        assert!((said / exact - 1.0).abs() < 0.021, "{name}: {said} is not {exact}");
    }
}
