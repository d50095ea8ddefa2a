//! Where rows begin and changes stand, and the one integer under which that is kept.

use registration::Place;

/// The most partitions that a state store has room for.
pub const MAX_PARTITIONS: u32 = 1 << 9;

/// The last position that a state store has room for.
pub const MAX_POSITION: u64 = (1 << POSITION_BITS) - 1;

/// The last ordinal that a state store has room for.
pub const MAX_ORDINAL: u16 = (1 << ORDINAL_BITS) - 1;

const POSITION_BITS: u32 = 42;
const ORDINAL_BITS: u32 = 12;

/// A place as an integer; places are ordered as these are.
pub(crate) fn pack_place(place: Place) -> i64 {
    pack(place.partition, place.position, 0)
}

/// The place that was [packed](pack_place).
pub(crate) fn unpack_place(packed: i64) -> Place {
    let (partition, position, _) = unpack(packed);
    Place { partition, position }
}

/// Partition, position and ordinal as one integer that is ordered as they are. What lies beyond the limits, as in a question
/// for a place that no ledger reaches, becomes the last place within them.
pub fn pack(partition: u32, position: u64, ordinal: u16) -> i64 {
    if partition >= MAX_PARTITIONS {
        return i64::MAX;
    }
    let position = position.min(MAX_POSITION) << ORDINAL_BITS;
    let partition = u64::from(partition) << (POSITION_BITS + ORDINAL_BITS);
    (partition | position | u64::from(ordinal.min(MAX_ORDINAL))).cast_signed()
}

/// The parts of what was [packed](pack).
pub fn unpack(packed: i64) -> (u32, u64, u16) {
    let bits = packed.cast_unsigned();
    (
        (bits >> (POSITION_BITS + ORDINAL_BITS)) as u32,
        (bits >> ORDINAL_BITS) & MAX_POSITION,
        (bits & u64::from(MAX_ORDINAL)) as u16,
    )
}

/// The integers of databases are signed; no position comes near the limit.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_packed_keeps_its_parts_and_order(
            a in (0..MAX_PARTITIONS, 0..=MAX_POSITION, 0..=MAX_ORDINAL),
            b in (0..MAX_PARTITIONS, 0..=MAX_POSITION, 0..=MAX_ORDINAL),
        ) {
            let packed = |(partition, position, ordinal)| pack(partition, position, ordinal);
            prop_assert_eq!(unpack(packed(a)), a);
            prop_assert_eq!(packed(a).cmp(&packed(b)), a.cmp(&b));
        }
    }

    #[test]
    fn what_lies_beyond_the_limits_is_packed_as_the_last_within_them() {
        let last = pack(7, MAX_POSITION, MAX_ORDINAL);
        assert_eq!(pack(7, u64::MAX, u16::MAX), last);
        assert!(pack(8, 0, 0) > last);
        assert_eq!(pack(MAX_PARTITIONS, 0, 0), i64::MAX);
        assert_eq!(pack(MAX_PARTITIONS - 1, MAX_POSITION, MAX_ORDINAL), i64::MAX);
    }
}
