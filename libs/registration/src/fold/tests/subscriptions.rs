//! Subscriptions: made, paused, resumed, and what each of them leaves in the row.

use super::*;
use crate::change::Data;
use crate::directory::{PauseReason, SubscriptionRow};
use crate::row::Row;

fn subscription<'a>(story: &'a Story, name: &str) -> &'a SubscriptionRow {
    match story.rows.get(&RowKey::new(Kind::Subscription, name)) {
        Some(Row::Subscription(row)) => row,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn a_subscription_is_decided_by_what_came_before_it() {
    for lines in [
        &[("subscribe s", "subscription.created"), ("subscribe s", "refused: NameTaken")][..],
        &[("subscribe s domain=nowhere", "refused: DomainNotFound")],
        &[("subscribe s domain=default", "subscription.created")],
        &[
            ("pause s", "refused: NotFound"),
            ("resume s", "refused: NotFound"),
            ("rekey s until=9", "refused: NotFound"),
        ],
        &[
            ("subscribe s", "subscription.created"),
            ("resume s", "applied"),
            ("pause s", "subscription.paused"),
            ("pause s", "applied"),
            ("refilter s", "subscription.updated"),
            ("resume s", "subscription.resumed"),
            ("resume s", "applied"),
            ("resume s start=[]", "subscription.resumed"),
            ("unsubscribe s", "subscription.deleted"),
            ("resume s", "refused: NotFound"),
            ("unsubscribe s", "refused: NotFound"),
            ("subscribe s", "subscription.created"),
        ],
        // the hub pauses what it saw, and nothing that was changed since
        &[
            ("subscribe s", "subscription.created"),
            ("refilter s", "subscription.updated"),
            ("suspend s why=gone revision=2", "applied"),
            ("suspend s why=gone revision=3", "subscription.paused"),
            ("suspend s why=failing revision=5", "applied"),
            ("resume s", "subscription.resumed"),
        ],
        // of what is lost it must be said from where
        &[
            ("subscribe s", "subscription.created"),
            ("suspend s why=start-unknown revision=2", "subscription.paused"),
            ("resume s", "refused: StartNeeded"),
            ("resume s start=[9]", "subscription.resumed"),
        ],
        &[("subscribe s key=k1", "subscription.created"), ("subscribe s key=k1", "nothing")],
    ] {
        Story::of(lines);
    }
}

#[test]
fn a_subscription_begins_after_its_own_event_or_at_the_beginning() {
    let mut story = Story::new();
    for (line, said, positions) in [
        ("subscribe s", 2, vec![]),
        ("subscribe t start=[1,7,9]", 3, vec![4, 7, 9]),
        ("resume s start=[1,5]", 4, vec![5, 5]),
        ("resume t start=[]", 5, vec![]),
    ] {
        story.tell(line);
        let name = line.split(' ').nth(1).unwrap();
        let start = &subscription(&story, name).start;
        assert_eq!((start.said, &start.positions), (said, &positions), "{line}");
    }
}

#[test]
fn a_pause_says_why_and_a_resumption_forgets_it() {
    let mut story = Story::of(&[("subscribe s", "subscription.created"), ("pause s", "subscription.paused")]);
    let paused = subscription(&story, "s").subscription.paused.clone().unwrap();
    assert_eq!((paused.reason, paused.time), (PauseReason::ByHand, second(3)));
    assert!(!subscription(&story, "s").is_active());
    story.tell("resume s");
    assert!(subscription(&story, "s").is_active());
    assert_eq!(subscription(&story, "s").subscription.paused, None);
}

#[test]
fn replaced_keys_sign_until_their_time_and_no_longer_than_was_said_before() {
    let mut story = Story::of(&[("subscribe s", "subscription.created")]);
    for (line, due) in [
        ("rekey s until=100", vec![(3, None), (2, Some(100))]),
        ("rekey s until=500 public=whpk_a", vec![(4, None), (3, Some(500)), (2, Some(100))]),
        ("rekey s until=600 at=200", vec![(5, None), (4, Some(600)), (3, Some(500))]),
        ("rekey s until=200 at=201", vec![(6, None)]),
    ] {
        story.tell(line);
        let row = subscription(&story, "s");
        let of = |key: &crate::directory::SubscriptionKey| (key.key.event.as_u64_pair().1, key.until);
        let due: Vec<_> = due.into_iter().map(|(event, until)| (event, until.map(second))).collect();
        assert_eq!(row.keys.iter().map(of).collect::<Vec<_>>(), due, "{line}");
        let public: Vec<_> = row.keys.iter().filter_map(|key| key.public_key.clone()).collect();
        assert_eq!(row.subscription.public_keys, public, "{line}");
    }
}

#[test]
fn there_are_never_more_than_eight_keys() {
    let mut story = Story::of(&[("subscribe s", "subscription.created")]);
    for _ in 0..20 {
        story.tell("rekey s until=900");
    }
    assert_eq!(subscription(&story, "s").keys.len(), 8);
}

#[test]
fn a_name_that_is_used_again_has_nothing_of_the_old_one() {
    let story = Story::of(&[
        ("subscribe s", "subscription.created"),
        ("pause s", "subscription.paused"),
        ("unsubscribe s", "subscription.deleted"),
        ("subscribe s", "subscription.created"),
    ]);
    let row = subscription(&story, "s");
    assert!(row.is_active());
    assert_eq!((row.position, row.start.said), (5, 5));
    assert_eq!(row.subscription.id.as_u64_pair().1, 5);
}

#[test]
fn a_change_of_a_subscription_shows_no_target_and_no_key() {
    let mut story = Story::new();
    for line in ["subscribe s", "retarget s", "rekey s until=100", "suspend s why=gone revision=4"] {
        let (placed, changes) = story.fold(line);
        assert_eq!(changes.len(), 1, "{line}");
        assert!(matches!(changes[0].data, Data::Subscription { .. }));
        let event = serde_json::to_value(changes[0].cloud_event("l1", &placed, 0)).unwrap();
        assert_eq!((&event["source"], &event["subject"]), (&"/subscriptions/s".into(), &"s".into()), "{line}");
        assert!(!event.to_string().contains("sealed"), "{line}: {event}");
    }
    assert_eq!(subscription(&story, "s").subscription.origin.as_deref(), Some("https://example.org"));
    assert_eq!(subscription(&story, "s").target.event.as_u64_pair().1, 3);
}

#[test]
fn a_filter_wants_what_all_of_its_lists_want() {
    let filter = |integrations: &[&str], tenants: &[&str], types: &[&str]| crate::directory::ChangeFilter {
        integrations: integrations.iter().map(|&text| text.to_owned()).collect(),
        tenants: tenants.iter().map(|&text| text.to_owned()).collect(),
        types: types.iter().map(|&text| text.to_owned()).collect(),
    };
    for (filter, wants) in [
        (filter(&[], &[], &[]), true),
        (filter(&["a"], &["t"], &["client.*"]), true),
        (filter(&["b", "a"], &[], &["client.updated", "client.registered"]), true),
        (filter(&["b"], &[], &[]), false),
        (filter(&[], &["u"], &[]), false),
        (filter(&[], &[], &["client.updated"]), false),
        (filter(&["a"], &["t"], &["user.*"]), false),
    ] {
        assert_eq!(filter.wants("client.registered", Some("a"), Some("t")), wants, "{filter:?}");
    }
    assert!(!filter(&["a"], &[], &[]).wants("user.created", None, None), "what has no integration is of none");
}
