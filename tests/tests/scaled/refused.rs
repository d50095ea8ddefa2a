//! What does not belong together is refused before anything is written, and says why.

use crate::fleet::Fleet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_belongs_to_another_fleet_is_refused_and_named() {
    let (fleet, other) = (Fleet::new(), Fleet::new());
    let [_projector, query] = fleet.start_all(["projector", "query"]);
    let _others = other.start("projector");
    let missing = other.database.replace("postgres@", "postgres:hidden@") + "-of-nobody";
    let cases = [
        ("--partitions", "4", "it has 3 partitions instead of 4"),
        ("--state", other.database.as_str(), "is the projection of ledger"),
        ("--state", &missing, "does not exist"),
    ];
    for (name, value, reason) in cases {
        let said = fleet.refuses(name, value);
        assert!(said.contains(reason), "{name} {value}: {said}");
        assert!(!said.contains("hidden"), "{said}");
    }
    query.is_ready().await;
}
