//! Departments: base, added, removed; drift; null and the empty list; the state that follows.

use super::*;
use crate::change::Data;

#[test]
fn a_first_notice_names_its_departments_in_the_registration_alone() {
    for (notice, standing) in [
        ("notice", "null active"),
        ("notice []", "[] inactive"),
        ("notice [3,1,3]", "[1,3] active"),
        ("notice +3", "[3] active"),
        ("notice -3", "[] inactive"),
        ("notice [1] +3", "[1,3] active"),
        ("notice [1,3] -3", "[1] active"),
        ("notice [3] -3", "[] inactive"),
        ("notice [1] +3 -3", "[1] active"),
        ("notice [1.0,2e0] +30e-1", "[1,2,3] active"),
    ] {
        assert_eq!(Story::of(&[(notice, "registered")]).standing(), standing, "{notice}");
    }
}

#[test]
fn a_notice_lists_adds_and_removes_departments() {
    for (table, notice, changes, standing) in [
        // never named
        ("", "", "nothing", "null active"),
        ("", "[]", "deactivated", "[] inactive"),
        ("", "[1,2]", "departments_added [1,2]", "[1,2] active"),
        ("", "+3", "departments_added [3]", "[3] active"),
        ("", "[3] +4", "departments_added [3,4]", "[3,4] active"),
        ("", "-3", "departments_removed [3], deactivated", "[] inactive"),
        ("", "[] -3", "departments_removed [3], deactivated", "[] inactive"),
        ("", "+3 -3", "departments_removed [3], deactivated", "[] inactive"),
        // none
        ("[]", "", "nothing", "[] inactive"),
        ("[]", "[]", "nothing", "[] inactive"),
        ("[]", "-3", "nothing", "[] inactive"),
        ("[]", "+3 -3", "nothing", "[] inactive"),
        ("[]", "+3", "departments_added [3], reactivated", "[3] active"),
        ("[]", "[3] +3", "departments_added [3], reactivated", "[3] active"),
        ("[]", "[3]", "departments_added [3] drift, reactivated", "[3] active"),
        // some: without a list, the table is the base
        ("[1,2]", "", "nothing", "[1,2] active"),
        ("[1,2]", "+2", "nothing", "[1,2] active"),
        ("[1,2]", "-3", "nothing", "[1,2] active"),
        ("[1,2]", "+3 -3", "nothing", "[1,2] active"),
        ("[1,2]", "+3", "departments_added [3]", "[1,2,3] active"),
        ("[1,2]", "-2", "departments_removed [2]", "[1] active"),
        ("[1,2]", "+2 -2", "departments_removed [2]", "[1] active"),
        ("[1,2]", "+3 -1", "departments_added [3], departments_removed [1]", "[2,3] active"),
        ("[1]", "-1", "departments_removed [1], deactivated", "[] inactive"),
        ("[1]", "+1 -1", "departments_removed [1], deactivated", "[] inactive"),
        // a list that agrees with the table plus the notice
        ("[1,2]", "[2,1,1]", "nothing", "[1,2] active"),
        ("[1,2]", "[1] +2", "nothing", "[1,2] active"),
        ("[1,2]", "[1,2,3] -3", "nothing", "[1,2] active"),
        ("[1,2]", "[1,2] +3", "departments_added [3]", "[1,2,3] active"),
        ("[1,2]", "[1,2,3] +3", "departments_added [3]", "[1,2,3] active"),
        ("[1,2]", "[1,2] -2", "departments_removed [2]", "[1] active"),
        ("[1,2]", "[1] -2", "departments_removed [2]", "[1] active"),
        ("[1]", "[] -1", "departments_removed [1], deactivated", "[] inactive"),
        // a list that does not: the notice wins
        ("[1,2]", "[1,2,3]", "departments_added [3] drift", "[1,2,3] active"),
        ("[1,2]", "[1]", "departments_removed [2] drift", "[1] active"),
        ("[1,2]", "[1] -1", "departments_removed [1,2] drift, deactivated", "[] inactive"),
        ("[1,2]", "[]", "departments_removed [1,2] drift, deactivated", "[] inactive"),
        ("[1,2]", "[3]", "departments_added [3] drift, departments_removed [1,2] drift", "[3] active"),
        ("[1,2]", "[4] +3", "departments_added [3,4] drift, departments_removed [1,2] drift", "[3,4] active"),
    ] {
        let (first, notice) = (format!("notice {table}"), format!("notice {notice}"));
        let story = Story::of(&[(&first, "registered"), (&notice, changes)]);
        assert_eq!(story.standing(), standing, "{notice} after {first}");
    }
}

#[test]
fn null_departments_are_shown_as_null_and_none_as_an_empty_list() {
    for (notice, shown) in [("notice", "null"), ("notice []", "[]"), ("notice [2,1]", "[1,2]")] {
        let story = Story::of(&[(notice, "registered")]);
        let row = serde_json::to_value(story.client()).unwrap();
        assert_eq!(row["departments"].to_string(), shown, "{notice}");
    }
}

#[test]
fn each_change_holds_the_row_after_it() {
    let mut story = Story::of(&[("notice [1,2]", "registered")]);
    let (_, changes) = story.fold(r#"notice [] +3 -3 algorithm="HS256""#);
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            let Data::Client(data) = &change.data else { panic!("{change:?}") };
            let ids = data.client.departments.clone().unwrap();
            (change.kind.short(), ids, data.client.state.as_str())
        })
        .collect();
    let expected = [
        ("client.updated", vec![1, 2], "active"),
        ("client.departments_removed", vec![], "active"),
        ("client.deactivated", vec![], "inactive"),
    ];
    assert_eq!(rows, expected);
}

#[test]
fn a_row_between_an_addition_and_a_removal_holds_both() {
    let mut story = Story::of(&[("notice [1,2]", "registered")]);
    let (_, changes) = story.fold("notice [2,3]");
    let lists: Vec<_> = changes
        .iter()
        .map(|change| match &change.data {
            Data::Client(data) => data.client.departments.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lists, [Some(vec![1, 2, 3]), Some(vec![2, 3])]);
}

#[test]
fn drift_is_said_of_departments_alone() {
    let mut story = Story::of(&[("notice [1]", "registered")]);
    let (_, changes) = story.fold(r#"notice [] algorithm="HS256""#);
    let said: Vec<_> = changes
        .iter()
        .map(|change| match &change.data {
            Data::Client(data) => (change.kind.short(), data.drift),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected = [("client.updated", None), ("client.departments_removed", Some(true)), ("client.deactivated", None)];
    assert_eq!(said, expected);
}
