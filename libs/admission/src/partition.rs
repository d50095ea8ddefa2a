//! Where an event belongs: the directory in partition 0, everything else spread over the others, if there are any.

use ledger::leaf_hash;
use uuid::Uuid;

/// The partition, of so many, in which a tenant's registrations for an integration are kept.
pub fn partition_of_tenant(partitions: u32, integration: Uuid, tenant: &str) -> u32 {
    spread(partitions, &format!("{integration}/{tenant}"))
}

/// The partition, of so many, in which a quarantined message is kept.
pub fn partition_of_message(partitions: u32, message: &str) -> u32 {
    spread(partitions, message)
}

fn spread(partitions: u32, key: &str) -> u32 {
    let others = partitions.saturating_sub(1);
    if others == 0 {
        return 0;
    }
    let hash = leaf_hash(key.as_bytes());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    1 + number % others
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These are for ever: a ledger in use has its events there.
    #[test]
    fn an_event_belongs_where_it_always_has() {
        let integration = Uuid::from_u128(1);
        for (partitions, tenant, expected) in [
            (1, "provetcloud.com/1", 0),
            (2, "provetcloud.com/1", 1),
            (8, "provetcloud.com/1", 7),
            (8, "provetcloud.com/2", 6),
            (8, "provetcloud.com/3", 5),
        ] {
            let found = partition_of_tenant(partitions, integration, tenant);
            assert_eq!(found, expected, "{tenant} of {partitions}");
        }
    }
}
