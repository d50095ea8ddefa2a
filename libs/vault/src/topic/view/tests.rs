//! The view against a model that looks through all records, and against compaction.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

/// A record of the topic: which key it is about, and how the key is made; None destroys it.
type Written = (u8, Option<(u8, Option<i64>)>);

fn row(kid: u8, name: u8, expires: Option<i64>) -> KeyRow {
    let (kid, kind, name) = (kid.to_string(), "tenant".to_owned(), name.to_string());
    KeyRow { kid, kind, name, made: 0, expires, wrapped: vec![1, 2, 3] }
}

fn said((kid, made): &Written) -> Said {
    match made {
        Some((name, expires)) => Said::Made(row(*kid, *name, *expires)),
        None => Said::Destroyed { kid: kid.to_string() },
    }
}

fn view<'a>(log: impl IntoIterator<Item = &'a (u64, Written)>) -> View {
    let mut view = View::default();
    log.into_iter().for_each(|(offset, written)| view.apply(*offset, said(written)));
    view
}

/// The last record of each key of a record, in their order.
fn last(log: &[(u64, Written)]) -> Vec<&(u64, Written)> {
    let is_last = |index: &usize| log[index + 1..].iter().all(|(_, (kid, _))| *kid != log[*index].1.0);
    (0..log.len()).filter(is_last).map(|index| &log[index]).collect()
}

const EXPIRIES: [Option<i64>; 3] = [None, Some(0), Some(30)];

/// Everything that can be asked.
fn answers(view: &View) -> Vec<String> {
    let mut answers = vec![format!("{}", view.has_keys())];
    answers.extend((0..12u8).map(|kid| format!("{:?}", view.by_kid(&kid.to_string()))));
    for (name, expires) in (0..4).flat_map(|name| EXPIRIES.map(|expires| (name, expires))) {
        answers.push(format!("{:?}", view.sealing(&row(0, name, expires)).map(|row| &row.kid)));
    }
    for name in 0..4u8 {
        let of = Doomed::Of { kind: "tenant".to_owned(), name: name.to_string() };
        answers.push(format!("{:?}", view.doomed(&of)));
    }
    answers.extend([-1, 0, 29, 30].map(|now| format!("{:?}", view.doomed(&Doomed::Due(now)))));
    answers
}

fn written() -> impl Strategy<Value = Written> {
    (0..12u8, proptest::option::weighted(0.7, (0..4u8, prop::sample::select(EXPIRIES.to_vec()))))
}

fn logs() -> impl Strategy<Value = Vec<(u64, Written)>> {
    proptest::collection::vec(written(), 0..60).prop_map(|written| (3..).step_by(2).zip(written).collect())
}

proptest! {
    #[test]
    fn compaction_changes_nothing(log in logs(), others: Vec<prop::sample::Index>) {
        let expected = answers(&view(&log));
        let last = last(&log);
        let is_last = |offset: u64| last.iter().any(|(other, _)| *other == offset);
        let stays = |offset: u64| others.iter().any(|index| log[index.index(log.len())].0 == offset);
        let partly = log.iter().filter(|(offset, _)| is_last(*offset) || stays(*offset));
        prop_assert_eq!(&answers(&view(partly)), &expected);
        // In the end the tombstones go as well.
        let wholly = last.iter().copied().filter(|(_, (_, made))| made.is_some());
        prop_assert_eq!(&answers(&view(wholly)), &expected);
    }

    #[test]
    fn the_first_key_of_a_subject_that_is_not_destroyed_seals(log in logs()) {
        let view = view(&log);
        let last = last(&log);
        for (name, expires) in (0..4).flat_map(|name| EXPIRIES.map(|expires| (name, expires))) {
            let first = last.iter().find(|(_, (_, made))| *made == Some((name, expires)));
            let expected = first.map(|(_, (kid, _))| kid.to_string());
            prop_assert_eq!(view.sealing(&row(0, name, expires)).map(|row| row.kid.clone()), expected);
        }
        for now in [-1, 0, 29, 30] {
            let due = |made: &Option<(u8, Option<i64>)>| made.and_then(|(_, expires)| expires).is_some_and(|at| at <= now);
            let expected: BTreeSet<_> =
                last.iter().filter(|(_, (_, made))| due(made)).map(|(_, (kid, _))| kid.to_string()).collect();
            prop_assert_eq!(view.doomed(&Doomed::Due(now)).into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }
}

#[test]
fn the_first_that_says_whose_keys_these_are_is_believed() {
    let belongs = |ledger: &str| {
        Said::Belongs(Belonging { ledger: ledger.to_owned(), kek_check: Vec::new(), fingerprint_keys: Vec::new() })
    };
    let mut view = View::default();
    assert!(view.belonging().is_none());
    for (offset, ledger) in (0..).zip(["first", "second", "first"]) {
        view.apply(offset, belongs(ledger));
        assert_eq!(view.belonging().unwrap().ledger, "first");
    }
}
