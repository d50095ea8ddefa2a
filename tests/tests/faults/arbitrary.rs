//! Arbitrary bytes and mutated notices: whatever comes, the answer is one of the contract's, quotes nothing, and the process lives.

use acceptance::notice;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::hub::{Answer, Hub, post};

/// Begins each value that a mutation puts in: an answer that holds it quotes the body.
const MARK: &str = "q7Zk";

/// Bodies of each kind.
const CASES: u32 = 300;

/// A change to a notice.
#[derive(Clone, Debug)]
enum Mutation {
    /// Another value in a field, or another field.
    Set(String, Value),
    Remove(usize),
    /// In the text: bytes put in, taken out or flipped, at a part of its length.
    Insert(u16, Vec<u8>),
    Cut(u16, u8),
    Flip(u16, u8),
    Repeat(u16, u8),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (field(), value()).prop_map(|(name, value)| Mutation::Set(name, value)),
        (0_usize..10).prop_map(Mutation::Remove),
        (any::<u16>(), vec(any::<u8>(), 1..8)).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<u16>(), 1_u8..).prop_map(|(at, bytes)| Mutation::Cut(at, bytes)),
        (any::<u16>(), 1_u8..).prop_map(|(at, bits)| Mutation::Flip(at, bits)),
        (any::<u16>(), 1_u8..).prop_map(|(at, bytes)| Mutation::Repeat(at, bytes)),
    ]
}

fn field() -> impl Strategy<Value = String> {
    let known: Vec<String> = notice(1).as_object().unwrap().keys().cloned().collect();
    prop_oneof![
        4 => prop::sample::select(known),
        2 => prop::sample::select(vec!["departments".to_owned(), "added_department".to_owned(), "removed_department".to_owned()]),
        1 => "[a-z~/\"\\\\\u{0}é]{0,6}".prop_map(|name| format!("{MARK}{name}")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,24}".prop_map(|text| Value::from(format!("{MARK}{text}"))),
        "(https?|ftp|file)://[a-z@:\\[\\]./0-9é-]{0,24}".prop_map(|url| Value::from(format!("{url}{MARK}"))),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((".{0,8}", inner), 0..6).prop_map(|members| members
                .into_iter()
                .map(|(name, value)| (format!("{MARK}{name}"), value))
                .collect()),
        ]
    })
}

fn mutated(mutations: &[Mutation]) -> Vec<u8> {
    let mut notice = notice(1);
    notice["client_secret"] = format!("{MARK}-secret").into();
    notice["client_id"] = format!("{MARK}-client").into();
    let fields = notice.as_object_mut().unwrap();
    for mutation in mutations {
        match mutation {
            Mutation::Set(name, value) => drop(fields.insert(name.clone(), value.clone())),
            Mutation::Remove(index) => {
                let name = fields.keys().nth(*index).cloned();
                name.and_then(|name| fields.remove(&name));
            }
            _ => {}
        }
    }
    let mut body = notice.to_string().into_bytes();
    for mutation in mutations {
        spoil(&mut body, mutation);
    }
    body
}

fn spoil(body: &mut Vec<u8>, mutation: &Mutation) {
    let place = |at: u16, length: usize| usize::from(at) * length / usize::from(u16::MAX).max(1);
    match mutation {
        Mutation::Insert(at, bytes) => {
            let at = place(*at, body.len());
            body.splice(at..at, bytes.iter().copied());
        }
        Mutation::Cut(at, bytes) => {
            let at = place(*at, body.len());
            body.drain(at..(at + usize::from(*bytes)).min(body.len()));
        }
        Mutation::Flip(at, bits) => {
            let at = place(*at, body.len().saturating_sub(1));
            if let Some(byte) = body.get_mut(at) {
                *byte ^= bits;
            }
        }
        Mutation::Repeat(at, bytes) => {
            let at = place(*at, body.len());
            let part = body[at..(at + usize::from(*bytes)).min(body.len())].to_vec();
            body.splice(at..at, part);
        }
        Mutation::Set(..) | Mutation::Remove(_) => {}
    }
}

#[test]
fn whatever_bytes_come_the_answer_is_one_of_the_contracts() {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..2_000),
        "\\PC{0,200}".prop_map(String::into_bytes),
        "[\\[\\]{}\":,0-9eE+.truefalsn \\\\-]{0,300}".prop_map(String::into_bytes),
        value().prop_map(|value| value.to_string().into_bytes()),
    ];
    hold(bytes);
}

#[test]
fn however_a_notice_is_mutated_the_answer_is_one_of_the_contracts() {
    hold(vec(mutation(), 0..5).prop_map(|mutations| mutated(&mutations)));
}

/// Sends bodies to one server, which must be as good afterwards as before.
fn hold(bodies: impl Strategy<Value = Vec<u8>>) {
    let runtime = Runtime::new().unwrap();
    let hub = runtime.block_on(Hub::start());
    let http = reqwest::Client::new();
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let held = TestRunner::new(config).run(&bodies, |body| {
        let answer = runtime.block_on(post(&http, &hub.hookup, Some(b"application/json"), body.clone()));
        judge(&body, &answer)
    });
    if let Err(error) = held {
        panic!("{error}\n{}", hub.server.log());
    }
    runtime.block_on(async {
        assert_eq!(reqwest::get(format!("{}/healthz", hub.server.url)).await.unwrap().status(), 200);
        let receipts = hub.acknowledged(1..3).await;
        let readiness = hub.admin.get("/readyz").await;
        assert_eq!(readiness["ready"], json!(true), "{readiness}");
        acceptance::audit::everything_acknowledged_is_there(&hub.admin, &receipts).await;
    });
}

fn judge(body: &[u8], answer: &Answer) -> Result<(), TestCaseError> {
    let found = (answer.status, answer.problem());
    let problem = answer.json();
    match (found.0, found.1.as_str()) {
        (200, "application/json") => {
            prop_assert!(problem["event_id"].is_string() && problem["position"].is_u64(), "{}", answer.text);
            prop_assert!(serde_json::from_slice::<Value>(body).is_ok_and(|body| body.is_object()), "{}", answer.text);
        }
        (400, "malformed-body") => {
            prop_assert!(problem["quarantine_id"].is_string() && problem.get("errors").is_none(), "{}", answer.text);
        }
        (422, "invalid-body") => {
            prop_assert!(problem["quarantine_id"].is_string() && !answer.pointers().is_empty(), "{}", answer.text);
            prop_assert!(answer.pointers().len() <= 32, "{}", answer.text);
        }
        found => prop_assert!(false, "{found:?}: {}", answer.text),
    }
    prop_assert!(!answer.text.contains(MARK), "it quotes the body: {}", answer.text);
    Ok(())
}
