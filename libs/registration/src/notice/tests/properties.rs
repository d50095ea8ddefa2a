//! What holds for every body.

use proptest::prelude::*;

use super::*;
use crate::client::Registration;

/// Stands in every value and unknown name of a hostile notice, and never in a rejection.
const CANARY: &str = "canary";

/// Any JSON value, with a canary in every string and name.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,8}".prop_map(|text| Value::from(text + CANARY)),
        "https?://[a-z:@/]{0,8}".prop_map(|url| Value::from(url + CANARY)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,4}", inner), 0..4)
                .prop_map(|members| { members.into_iter().map(|(name, value)| (name + CANARY, value)).collect() }),
        ]
    })
}

/// A notice with some fields missing, some replaced by anything, and some that nobody knows.
fn almost_notice() -> impl Strategy<Value = String> {
    let field = prop_oneof![20 => Just(None), 1 => any_json().prop_map(Some)];
    let fields = prop::collection::vec(prop::option::weighted(0.99, field), FIELDS.len());
    (fields, any_json()).prop_map(|(fields, unknown)| {
        let written = FIELDS.iter().zip(fields).filter_map(|((name, good), replaced)| {
            let lexeme = replaced?.map_or((*good).to_owned(), |value| value.to_string());
            Some(((*name).to_owned(), lexeme))
        });
        let fields: Vec<_> = written.chain([(CANARY.to_owned(), unknown.to_string())]).collect();
        body(fields.iter().map(|(name, lexeme)| (name.as_str(), lexeme.as_str())))
    })
}

/// An integer in one of its spellings.
fn spelled_integer() -> impl Strategy<Value = String> {
    (-9_007_199_254_740_991_i64..=9_007_199_254_740_991, 0_usize..5, 0_usize..5).prop_map(|(number, zeros, shift)| {
        match zeros {
            0 => number.to_string(),
            1 => format!("{number}e0"),
            2 if number != 0 => format!("{number}{}E-{shift}", "0".repeat(shift)),
            _ => format!("{number}.{}", "0".repeat(zeros)),
        }
    })
}

/// A string in one of its spellings.
fn spelled_string() -> impl Strategy<Value = String> {
    ("[^\0]{0,12}", any::<bool>()).prop_map(|(text, escaped)| {
        if escaped {
            let units = text.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
            format!("\"{}\"", units.collect::<String>())
        } else {
            Value::from(text).to_string()
        }
    })
}

/// A good notice in any spelling, as fields and lexemes, in any order.
fn spelled_notice() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let integers = prop::collection::vec(spelled_integer(), 6);
    let strings = prop::collection::vec(spelled_string(), 8);
    let fields = (integers, strings).prop_map(|(integers, strings)| {
        let mut strings = strings.into_iter();
        let mut fields: Vec<(&str, String)> = KNOWN[1..10]
            .iter()
            .filter(|name| **name != "token_url")
            .filter_map(|name| Some((*name, strings.next()?)))
            .collect();
        fields.push(("token_url", FIELDS[7].1.to_owned()));
        fields.push(("provet_id", integers[0].clone()));
        fields.push(("added_department", integers[1].clone()));
        fields.push(("removed_department", integers[2].clone()));
        fields.push(("departments", format!("[{}]", integers[3..].join(","))));
        fields
    });
    fields.prop_shuffle()
}

proptest! {
    #[test]
    fn any_json_is_accepted_or_refused_without_being_quoted(value in any_json()) {
        let Err(rejection) = parse(value.to_string().as_bytes()) else { panic!("{value}") };
        prop_assert!(!format!("{rejection} {rejection:?}").contains(CANARY), "{:?}", rejection);
    }

    #[test]
    fn a_rejection_quotes_nothing_and_always_says_something(body in almost_notice()) {
        match parse(body.as_bytes()) {
            Ok(notice) => prop_assert!(notice.unknown.is_some()),
            Err(Rejection::Invalid { violations }) => {
                prop_assert!((1..=MAX_VIOLATIONS).contains(&violations.len()));
                prop_assert!(!format!("{violations:?}").contains(CANARY), "{:?}", violations);
            }
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn the_data_of_an_accepted_notice_is_one_line_of_the_same_json(body in almost_notice()) {
        let Ok(notice) = parse(body.as_bytes()) else { return Ok(()) };
        let data = serde_json::to_string(&notice.data(None, None)).unwrap();
        prop_assert!(!data.contains(['\n', '\r']));
        let mut expected: Value = serde_json::from_str(&body).unwrap();
        expected["client_secret"] = Value::Null;
        expected.as_object_mut().unwrap().remove(CANARY);
        prop_assert_eq!(serde_json::from_str::<Value>(&data).unwrap(), expected);
        prop_assert!(notice.unknown.unwrap().expose_secret().len() <= body.len());
    }

    #[test]
    fn every_lexeme_survives(fields in spelled_notice()) {
        let body = body(fields.iter().map(|(name, lexeme)| (*name, lexeme.as_str())));
        let notice = parse(body.as_bytes()).unwrap();
        let secret = fields.iter().find(|(name, _)| *name == "client_secret").unwrap();
        let secret: String = serde_json::from_str(&secret.1).unwrap();
        prop_assert_eq!(notice.client_secret.as_ref().unwrap().expose_secret(), &secret);
        let data = serde_json::to_string(&notice.data(None, None)).unwrap();
        let (_, members) = json::parse_with_members(data.as_bytes()).unwrap();
        prop_assert_eq!(members.len(), fields.len());
        for ((name, lexeme), (written, raw)) in fields.iter().zip(members) {
            prop_assert_eq!(*name, written);
            prop_assert!(*name == "client_secret" || lexeme == raw.get(), "{}: {}", lexeme, raw);
        }
    }

    #[test]
    fn what_is_accepted_can_be_folded(fields in spelled_notice()) {
        let body = body(fields.iter().map(|(name, lexeme)| (*name, lexeme.as_str())));
        let notice = parse(body.as_bytes()).unwrap();
        let data = serde_json::to_string(&notice.data(None, None)).unwrap();
        let registration: Registration = serde_json::from_str(&data).unwrap();
        prop_assert_eq!(registration.provet_id, notice.tenant.provet_id, "{}", body);
        prop_assert_eq!(registration.client_id, notice.client_id);
        prop_assert_eq!(registration.departments.map(|ids| ids.len()), Some(3));
    }

    #[test]
    fn no_text_makes_a_token_url_panic_and_hosts_are_stable(text in "(https?://)?.{0,24}") {
        if let Some(host) = normalise_host_of(&text) {
            prop_assert_eq!(normalise_host_of(&format!("https://{host}/")), Some(host.clone()));
            prop_assert_eq!(normalise_host(&host), Some(host));
        }
    }
}
