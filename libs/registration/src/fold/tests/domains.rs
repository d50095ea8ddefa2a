//! Domains: a name has one at a time, and what belonged to an earlier one belongs to nobody.

use super::*;

#[test]
fn a_domain_is_made_once_until_it_is_purged() {
    for lines in [
        &[("domain b", "domain.created"), ("domain b", "refused: NameTaken")][..],
        &[("domain default", "refused: NameTaken"), ("undomain default", "refused: DefaultDomain")],
        &[("undomain b", "refused: NotFound"), ("purge-domain b", "refused: NotFound")],
        &[
            ("domain b", "domain.created"),
            ("undomain b due=50", "domain.deleted"),
            ("undomain b", "refused: NotFound"),
            ("domain b", "refused: NameTaken"),
            // early
            ("purge-domain b at=49", "refused: NotFound"),
            ("domain b", "refused: NameTaken"),
            ("purge-domain b at=50", "applied"),
            // repeated
            ("purge-domain b at=51", "refused: NotFound"),
            ("domain b", "domain.created"),
            ("purge-domain b at=99", "refused: NotFound"),
        ],
        &[("purge-domain default at=99", "refused: NotFound")],
    ] {
        Story::of(lines);
    }
}

#[test]
fn nothing_is_made_in_a_domain_that_is_gone() {
    Story::of(&[
        ("domain b", "domain.created"),
        ("create c domain=b", "integration.created"),
        ("token t1 domain=b", "applied"),
        ("user u1 of=b made=2", "user.created"),
        ("undomain b due=50", "domain.deleted"),
        ("create d domain=b", "refused: DomainNotFound"),
        ("token t2 domain=b", "refused: DomainNotFound"),
        ("user u2 of=b made=2 name=bob", "refused: DomainNotFound"),
        ("unuser u1 of=b", "refused: NotFound"),
        ("password u1 of=b", "refused: NotFound"),
        // the name of its integration stays reserved
        ("create c", "refused: NameTaken"),
    ]);
}
