//! Leases: one holder at a time, and nothing is written under one that was lost.

use std::time::Duration;

use projection::{Claim, Claimed, Commit, CommitError, Lease, Store};
use uuid::Uuid;

use super::story::{Notice, Story};

const LONG: Duration = Duration::from_hours(1);

/// It has run out when it is granted.
const NONE: Duration = Duration::ZERO;

fn lease(name: &str, epoch: u128) -> Lease {
    Lease { name: name.into(), epoch: Uuid::from_u128(epoch + 100) }
}

/// Claims a lease; returns who else holds it.
async fn claim(store: &dyn Store, lease: &Lease, holder: &str, ttl: Duration) -> Option<String> {
    let claim = Claim { lease: lease.clone(), holder: holder.into(), ttl };
    match store.claim(claim).await.unwrap() {
        Claimed::Granted => None,
        Claimed::Held { holder } => Some(holder),
    }
}

async fn renew(store: &dyn Store, lease: &Lease) -> bool {
    store.renew(vec![lease.clone()], LONG).await.unwrap() == [lease.clone()]
}

pub async fn a_lease_has_one_holder(store: &dyn Store) {
    let (first, second) = (lease("a", 1), lease("a", 2));
    assert_eq!(claim(store, &first, "x", LONG).await, None);
    assert_eq!(claim(store, &second, "y", LONG).await.as_deref(), Some("x"));
    assert!(renew(store, &first).await && !renew(store, &second).await);
    // Of another epoch, or another lease: nothing happens.
    store.release(second.clone()).await.unwrap();
    store.release(lease("b", 1)).await.unwrap();
    assert_eq!(claim(store, &second, "y", LONG).await.as_deref(), Some("x"));

    store.release(first.clone()).await.unwrap();
    assert_eq!(claim(store, &second, "y", LONG).await, None);
    assert!(!renew(store, &first).await && renew(store, &second).await);
    // Who claims what he holds, as when he does not know that he does, holds it under the new epoch.
    let third = lease("a", 3);
    assert_eq!(claim(store, &third, "y", LONG).await, None);
    assert!(!renew(store, &second).await && renew(store, &third).await);
}

pub async fn a_lease_that_has_run_out_is_whose_claims_it_or_renews_it_first(store: &dyn Store) {
    let (first, second) = (lease("a", 1), lease("a", 2));
    assert_eq!(claim(store, &first, "x", NONE).await, None);
    assert_eq!(claim(store, &second, "y", NONE).await, None);
    assert!(!renew(store, &first).await, "it is somebody else's");
    assert!(renew(store, &second).await, "nobody has claimed it");
    assert_eq!(claim(store, &first, "x", LONG).await.as_deref(), Some("y"));
    let many = vec![lease("b", 3), second.clone(), first];
    assert_eq!(store.renew(many, LONG).await.unwrap(), [second]);
    assert_eq!(store.renew(Vec::new(), LONG).await.unwrap(), []);
}

pub async fn what_is_committed_under_a_lost_lease_is_fenced(store: &dyn Store) {
    let mut story = Story::new(0);
    let commit = story.notice(Notice { adds: Some(3), ..Notice::default() }).clone();
    let [old, new] = [1, 2].map(|epoch| lease("projector/x", epoch));
    assert_eq!(claim(store, &old, "x", NONE).await, None);
    assert_eq!(claim(store, &new, "y", LONG).await, None);
    let under = |lease: &Lease| Commit { lease: lease.clone(), ..commit.clone() };
    for (case, lease) in [("lost", old.clone()), ("of another name", lease("projector/y", 2))] {
        let fenced = store.commit(under(&lease)).await;
        assert!(matches!(fenced, Err(CommitError::Fenced { partition: 0, expected: 0 })), "{case}: {fenced:?}");
        assert_eq!(store.cursor(0).await.unwrap().next, 0, "{case}");
    }
    store.commit(under(&new)).await.unwrap();
    assert_eq!(*store.watch().borrow(), [1, 0]);

    store.release(new.clone()).await.unwrap();
    let after = Commit { expected: 1, next: 2, changes: Vec::new(), ..under(&new) };
    let fenced = store.commit(after).await;
    assert!(matches!(fenced, Err(CommitError::Fenced { .. })), "given back: {fenced:?}");
}

pub async fn leases_are_listed_while_they_last(store: &dyn Store) {
    for (name, holder, ttl) in [("w/b", "x", LONG), ("w/a", "y", LONG), ("w/c", "y", NONE), ("wa", "x", LONG)] {
        let epoch = u128::from(name.as_bytes()[name.len() - 1]) + name.len() as u128 * 1000;
        assert_eq!(claim(store, &lease(name, epoch), holder, ttl).await, None);
    }
    let held = store.held("w/").await.unwrap();
    assert_eq!(held, [("w/a", "y"), ("w/b", "x")].map(|(name, holder)| (name.to_owned(), holder.to_owned())));
    assert_eq!(store.held("%").await.unwrap(), []);
}
