//! Sessions of ISL systems.

use projection::Store;

use super::story::Story;

pub async fn sessions_are_found_by_their_id_in_any_system(store: &dyn Store) {
    let mut story = Story::with_directory();
    story.isl(0, "7", Some("s1"), "START");
    story.isl(0, "7", Some("s2"), "START");
    story.isl(1, "7", Some("s1"), "START");
    story.isl(0, "8", Some("s1"), "JOIN");
    story.isl(0, "7", Some("s1"), "STOP");
    // neither its row nor that of its domain is a session
    story.isl(0, "s1", None, "MESSAGE");
    story.commit_to(store).await;
    let found = store.sessions("s1".to_owned(), 10).await.unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|row| (row.session.integration.as_str(), row.session.domain_id.as_deref(), row.session.counts.len()))
        .collect();
    assert_eq!(found, [("acme-lab", Some("7"), 2), ("acme-pay", Some("7"), 1), ("acme-lab", Some("8"), 1)]);
    for (id, limit, expected) in [("s1", 2, 2), ("s2", 10, 1), ("s3", 10, 0)] {
        assert_eq!(store.sessions(id.to_owned(), limit).await.unwrap().len(), expected, "{id}");
    }
}

pub async fn changes_of_an_isl_system_are_found_by_integration_and_tenant(store: &dyn Store) {
    let mut story = Story::with_directory();
    story.isl_user(0, "7", "ann");
    story.isl_user(0, "8", "ann");
    story.commit_to(store).await;
    let changes = store.changes(0, (3, 0), 100, 10).await.unwrap();
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.kind.as_str(), change.integration.as_deref(), change.tenant.as_deref()))
        .collect();
    let of = |domain| Some(domain);
    assert_eq!(
        told,
        [
            ("domain.created", Some("acme-lab"), of("isl:acme-lab/7")),
            ("user.created", Some("acme-lab"), of("isl:acme-lab/7")),
            ("domain.created", Some("acme-lab"), of("isl:acme-lab/8")),
            ("user.created", Some("acme-lab"), of("isl:acme-lab/8")),
        ]
    );
}
