//! Quarantined messages.

use jiff::SignedDuration;
use projection::{ListedMessage, MessageFilter, Place, Store};
use registration::quarantine::QuarantineState;

use super::story::{INTEGRATIONS, Story, start};

const ALL: usize = 10_000;

pub async fn held_messages_are_listed_and_counted(store: &dyn Store) {
    let mut story = Story::with_directory();
    let hours = |hours| start() + SignedDuration::from_hours(hours);
    story.quarantine("q1", 0, hours(1));
    story.quarantine("q2", 1, hours(2));
    story.quarantine("q3", 0, hours(3));
    story.quarantine("q1", 0, hours(4));
    story.dismiss("q3");
    story.commit_to(store).await;

    let [lab, pay] = INTEGRATIONS.map(str::to_owned);
    let held = Some(QuarantineState::Held);
    let cases = [
        (MessageFilter::default(), vec!["q1", "q2", "q3"]),
        (MessageFilter { state: held, ..MessageFilter::default() }, vec!["q1", "q2"]),
        (MessageFilter { integrations: Some(vec![lab]), ..MessageFilter::default() }, vec!["q1", "q3"]),
        (MessageFilter { integrations: Some(vec![pay]), state: held }, vec!["q2"]),
        (MessageFilter { integrations: Some(vec![]), state: None }, vec![]),
    ];
    for (filter, expected) in cases {
        let found = store.quarantined(filter.clone(), None, ALL).await.unwrap();
        assert_eq!(ids(&found), expected, "{filter:?}");
    }
    let first = store.quarantined(MessageFilter::default(), None, 2).await.unwrap();
    assert_eq!(first[0].at, Place { partition: 0, position: 3 });
    assert_eq!(first[0].message.count, 2);
    let rest = store.quarantined(MessageFilter::default(), Some(first[1].at), 2).await.unwrap();
    assert_eq!(ids(&rest), ["q3"]);
    for (now, expected) in [(0, 2), (2, 1), (3, 1), (4, 0)] {
        let count = store.count_quarantined_held(hours(now)).await.unwrap();
        assert_eq!(count, expected, "after {now} hours");
    }
}

fn ids(messages: &[ListedMessage]) -> Vec<&str> {
    messages.iter().map(|listed| listed.message.id.as_str()).collect()
}
