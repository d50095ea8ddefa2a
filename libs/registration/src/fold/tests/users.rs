//! Users: a name has one at a time, and a purge comes neither early nor twice.

use proptest::prelude::*;

use super::*;
use crate::directory::{UserRow, UserState};
use crate::row::Row;

fn user<'a>(story: &'a Story, id: &str) -> &'a UserRow {
    match story.rows.get(&RowKey::new(Kind::User, id)) {
        Some(Row::User(row)) => row,
        other => panic!("{id} is {other:?}"),
    }
}

#[test]
fn a_name_is_taken_once_in_a_domain() {
    for lines in [
        &[("user u1", "user.created"), ("user u2", "refused: NameTaken"), ("user u2 name=bob", "user.created")][..],
        &[("user u1 of=nowhere", "refused: DomainNotFound")],
        // the id of an earlier domain of that name
        &[("user u1 made=77", "refused: DomainNotFound")],
        &[("domain b", "domain.created"), ("user u1", "user.created"), ("user u2 of=b made=2", "user.created")],
        &[("user u1", "user.created"), ("unuser u1", "user.deleted"), ("user u2", "refused: NameTaken")],
        &[("user u1", "user.created"), ("user u1 name=bob", "refused: NameTaken")],
    ] {
        Story::of(lines);
    }
}

#[test]
fn a_user_is_changed_while_it_is_in_use() {
    for lines in [
        &[("password u1", "refused: NotFound"), ("roles u1 to=admin", "refused: NotFound")][..],
        &[
            ("user u1", "user.created"),
            ("roles u1 to=admin,member,admin", "user.updated roles"),
            ("roles u1 to=member,admin", "applied"),
            ("email u1 to=a@b", "user.updated email"),
            ("email u1", "user.updated email"),
            ("password u1", "user.updated password"),
            ("password u1 of=elsewhere", "refused: NotFound"),
            ("unuser u1", "user.deleted"),
            ("unuser u1", "refused: NotFound"),
            ("password u1", "refused: NotFound"),
            ("rename u1 name=bob", "refused: NotFound"),
            ("reuser u1", "user.undeleted"),
            ("reuser u1", "refused: NotFound"),
            ("password u1", "user.updated password"),
        ],
        &[
            ("user u1", "user.created"),
            ("user u2 name=bob", "user.created"),
            ("rename u1 name=bob", "refused: NameTaken"),
            ("rename u1 name=ann", "user.updated name"),
            ("rename u1 name=eve", "user.updated name"),
            // it was written by somebody who thought that it still was ann
            ("rename u1 name=joe", "refused: Outdated"),
            ("user u3", "user.created"),
            ("user u4 name=eve", "refused: NameTaken"),
            ("rename u1 from=eve name=ann", "refused: NameTaken"),
        ],
    ] {
        Story::of(lines);
    }
}

#[test]
fn a_purge_comes_neither_early_nor_twice() {
    let story = Story::of(&[
        ("user u1", "user.created"),
        ("purge u1 at=999", "refused: NotFound"),
        ("unuser u1 due=1100", "user.deleted"),
        ("purge u1 at=1099", "refused: NotFound"),
        // by a name that it does not have
        ("purge u1 name=bob at=1100", "refused: NotFound"),
        ("purge u1 of=elsewhere at=1100", "refused: NotFound"),
        ("reuser u1 at=1101", "user.undeleted"),
        ("purge u1 at=1102", "refused: NotFound"),
        ("email u1 to=a@b", "user.updated email"),
        ("unuser u1 due=1110", "user.deleted"),
        ("purge u1 at=1110", "user.purged"),
        ("purge u1 at=1111", "refused: NotFound"),
        ("reuser u1", "refused: NotFound"),
        ("user u2", "user.created"),
        ("purge u1 at=1112", "refused: NotFound"),
        ("user u3", "refused: NameTaken"),
    ]);
    let row = user(&story, "u1");
    assert_eq!(row.user.state, UserState::Purged);
    assert!(row.name.is_none() && row.email.is_none() && row.password.is_none() && row.name_index.is_none());
    assert!(row.former.is_empty(), "what it was called before is as gone");
}

#[test]
fn users_of_a_deleted_domain_are_purged_with_it() {
    Story::of(&[
        ("domain b", "domain.created"),
        ("user u1 of=b made=2", "user.created"),
        ("user u2 of=b made=2 name=bob", "user.created"),
        ("undomain b due=50", "domain.deleted"),
        ("purge u1 of=b made=2 at=49", "refused: NotFound"),
        ("purge u1 of=b made=2 at=50", "user.purged"),
        ("purge-domain b at=51", "applied"),
        ("domain b", "domain.created"),
        // one that the purge of its domain overtook; the domain of the same name is another one
        ("password u2 of=b made=2", "refused: NotFound"),
        ("purge u2 of=b made=2 name=bob at=53", "user.purged"),
        ("user u3 of=b made=9", "user.created"),
    ]);
}

#[test]
fn what_changes_say_of_a_user_is_nothing_personal() {
    let mut story = Story::new();
    story.tell("user u1");
    for line in ["email u1 to=a@b", "password u1", "unuser u1", "purge u1 at=999"] {
        let (placed, changes) = story.fold(line);
        let text = serde_json::to_string(&changes[0].cloud_event("l1", &placed, 0)).unwrap();
        assert!(!text.contains("sealed") && !text.contains("ann") && !text.contains("kid"), "{text}");
        assert!(text.contains(r#""source":"/domains/default""#) && text.contains(r#""subject":"u1""#), "{text}");
    }
}

fn is_holder(story: &Story, row: &UserRow) -> bool {
    let key = RowKey::new(Kind::UserName, row.name_index.clone().unwrap());
    matches!(story.rows.get(&key), Some(Row::UserName(name)) if name.holder.as_ref() == Some(&row.user.id))
}

/// Lines about a few users with few names, in two domains that come and go.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let user = "(user|signup|confirm|unuser|reuser|purge|password) u[1-4] name=(ann|bob)( of=b made=[2-9])?( due=[1-9]0)?( at=[1-9]5)?";
    let rename = "rename u[1-4] from=(ann|bob) name=(ann|bob)( of=b made=[2-9])?";
    let domain = "(domain|undomain|purge-domain) b( due=[1-9]0)?( at=[1-9]5)?";
    prop::collection::vec(prop_oneof![4 => user, 1 => rename, 2 => domain], 0..60)
}

/// Lines about one user; so few that everything is remembered.
fn renames() -> impl Strategy<Value = Vec<String>> {
    let line =
        "(user|unuser|reuser|password) u1|roles u1 to=admin|rename u1 from=(ann|bob) name=(ann|bob)|email u1( to=a@b)?";
    prop::collection::vec(line, 0..18).prop_map(|lines| [vec!["user u1".to_owned()], lines].concat())
}

fn named(story: &Story, id: &str) -> Option<UserRow> {
    match story.rows.get(&RowKey::new(Kind::User, id)) {
        Some(Row::User(row)) => Some((**row).clone()),
        _ => None,
    }
}

#[test]
fn of_a_user_who_is_renamed_without_end_the_last_names_are_kept() {
    let mut story = Story::new();
    story.tell("user u1");
    for _ in 0..20 {
        assert_eq!(story.tell("rename u1 name=ann"), "user.updated name");
    }
    let until: Vec<u64> = user(&story, "u1").former.iter().map(|former| former.until).collect();
    assert_eq!(until, (7..23).collect::<Vec<_>>());
}

proptest! {
    #[test]
    fn no_two_users_have_a_name_whatever_came_in_between(lines in lines()) {
        let mut story = Story::new();
        for line in &lines {
            story.tell(line);
            let mut held: Vec<_> = story.rows.of(Kind::User).filter_map(|row| match row {
                Row::User(row) if row.user.state != UserState::Pending => row.name_index.clone(),
                _ => None,
            }).collect();
            let all = held.len();
            held.sort();
            held.dedup();
            prop_assert_eq!(held.len(), all, "after {}", line);
        }
    }

    #[test]
    fn a_name_is_reserved_for_exactly_those_that_are_there_and_not_purged(lines in lines()) {
        let mut story = Story::new();
        lines.iter().for_each(|line| drop(story.tell(line)));
        for row in story.rows.of(Kind::User) {
            let Row::User(row) = row else { continue };
            prop_assert_eq!(row.user.state == UserState::Purged, row.name_index.is_none());
            let Some(index) = &row.name_index else { continue };
            if row.user.state == UserState::Pending {
                prop_assert!(!is_holder(&story, row), "{:?}", row);
                continue;
            }
            match story.rows.get(&RowKey::new(Kind::UserName, index)) {
                Some(Row::UserName(name)) => prop_assert_eq!(name.holder.as_ref(), Some(&row.user.id)),
                other => prop_assert!(false, "{} is {:?}", index, other),
            }
        }
    }

    #[test]
    fn what_a_user_was_called_at_a_position_is_known_for_as_long_as_it_is_there(lines in renames()) {
        let (mut story, mut was) = (Story::new(), Vec::new());
        for line in &lines {
            let (placed, _) = story.fold(line);
            was.extend(named(&story, "u1").map(|row| (placed.position, row.name, row.email)));
        }
        let Some(now) = named(&story, "u1") else { return Ok(()) };
        for (position, name, email) in was {
            let then = now.clone().as_of(position);
            prop_assert_eq!((then.name, then.email), (name, email), "at {}", position);
        }
    }

    #[test]
    fn nobody_is_purged_before_its_time(lines in lines()) {
        let mut story = Story::new();
        for line in &lines {
            let before: Vec<_> = story.rows.of(Kind::User).cloned().collect();
            let (placed, changes) = story.fold(line);
            for change in changes.iter().filter(|change| change.kind.short() == "user.purged") {
                let was = before.iter().find_map(|row| match row {
                    Row::User(row) if row.user.id == change.row.id => Some(row.clone()),
                    _ => None,
                }).unwrap();
                let domain = story.rows.get(&RowKey::new(Kind::Domain, &was.user.domain));
                let Some(Row::Domain(domain)) = domain else { panic!("{domain:?}") };
                let now = placed.event.attributes.time;
                let is_over = domain.id != was.user.domain_id || domain.is_over(now);
                prop_assert!(was.is_due(now) || is_over, "{}", line);
            }
        }
    }
}

/// Intake folds the directory alone, a projector everything in the partition: both must decide alike, whatever the clock did.
#[test]
fn a_purge_is_decided_by_its_own_time_and_not_by_what_else_came_before() {
    Story::of(&[
        ("user u1", "user.created"),
        ("unuser u1 due=1100", "user.deleted"),
        ("notice at=5000", "registered"),
        ("purge u1 at=1099", "refused: NotFound"),
        ("purge u1 at=1100", "user.purged"),
    ]);
}

#[test]
fn whoever_signs_up_has_the_name_when_that_is_confirmed_and_not_before() {
    for lines in [
        &[("signup u1", "user.signed_up"), ("user u2", "user.created"), ("confirm u1", "refused: NameTaken")][..],
        &[
            ("signup u1", "user.signed_up"),
            ("signup u2", "user.signed_up"),
            ("confirm u2", "user.created"),
            ("confirm u1", "refused: NameTaken"),
            ("confirm u2", "refused: NotFound"),
            ("password u2", "user.updated password"),
            // the name that somebody else has stays taken
            ("purge u1 at=100", "user.purged"),
            ("user u3", "refused: NameTaken"),
        ],
        &[("user u1", "user.created"), ("signup u2", "refused: NameTaken"), ("confirm u2", "refused: NotFound")],
        &[("user u1", "user.created"), ("unuser u1", "user.deleted"), ("signup u2", "refused: NameTaken")],
        &[("signup u1 of=nowhere", "refused: DomainNotFound"), ("signup u1 made=77", "refused: DomainNotFound")],
        &[("signup u1", "user.signed_up"), ("signup u1", "refused: NameTaken")],
        &[
            ("signup u1", "user.signed_up"),
            ("password u1", "refused: NotFound"),
            ("email u1 to=a@b", "refused: NotFound"),
            ("unuser u1", "refused: NotFound"),
            ("reuser u1", "refused: NotFound"),
            ("forgot u1", "refused: NotFound"),
            ("confirm u1 name=bob", "refused: Outdated"),
            ("confirm u1 of=elsewhere", "refused: NotFound"),
            ("confirm u1", "user.created"),
        ],
        // its own time counts
        &[
            ("signup u1 due=50", "user.signed_up"),
            ("confirm u1 at=50", "refused: Outdated"),
            ("purge u1 at=49", "refused: NotFound"),
            ("confirm u1 at=49", "user.created"),
            ("purge u1 at=99", "refused: NotFound"),
        ],
        &[("signup u1 due=50", "user.signed_up"), ("purge u1 at=50", "user.purged"), ("user u2", "user.created")],
        &[
            ("domain b", "domain.created"),
            ("signup u1 of=b made=2", "user.signed_up"),
            ("undomain b due=9", "domain.deleted"),
            ("confirm u1 of=b made=2", "refused: NotFound"),
            ("purge u1 of=b made=2 at=9", "user.purged"),
        ],
    ] {
        Story::of(lines);
    }
}

#[test]
fn a_forgotten_password_is_set_by_the_newest_link_once() {
    for lines in [
        &[("forgot u1", "refused: NotFound"), ("password u1 request=2", "refused: NotFound")][..],
        &[
            ("user u1", "user.created"),
            ("password u1 request=2", "refused: Outdated"),
            ("forgot u1 due=900", "user.password_forgotten"),
            // nobody's mailbox is flooded, whichever way the clock is set
            ("forgot u1 at=303", "refused: Outdated"),
            ("forgot u1 at=-295", "refused: Outdated"),
            ("forgot u1 at=304 due=900", "user.password_forgotten"),
            ("password u1 request=4 at=400", "refused: Outdated"),
            ("password u1 request=7 at=900", "refused: Outdated"),
            ("password u1 request=7 at=899", "user.updated password"),
            ("password u1 request=7 at=400", "refused: Outdated"),
        ],
        // what an administrator sets ends it, and so does another address
        &[
            ("user u1", "user.created"),
            ("forgot u1", "user.password_forgotten"),
            ("password u1", "user.updated password"),
            ("password u1 request=3", "refused: Outdated"),
        ],
        &[
            ("user u1", "user.created"),
            ("forgot u1", "user.password_forgotten"),
            ("email u1 to=a@b", "user.updated email"),
            ("password u1 request=3", "refused: Outdated"),
        ],
        &[
            ("user u1", "user.created"),
            ("forgot u1", "user.password_forgotten"),
            ("unuser u1", "user.deleted"),
            ("password u1 request=3", "refused: NotFound"),
            ("forgot u1 at=999", "refused: NotFound"),
        ],
    ] {
        Story::of(lines);
    }
}
