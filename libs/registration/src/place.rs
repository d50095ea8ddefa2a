//! Where an event stands.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A partition and a position in it, written `0:17`. Places of one partition are ordered as its events are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Place {
    /// The partition, from 0.
    pub partition: u32,
    /// The position in the partition, from 0 and without gaps.
    pub position: u64,
}

/// The text is not a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a place is written PARTITION:POSITION, as in 0:17")]
pub struct PlaceSyntax;

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition, self.position)
    }
}

impl FromStr for Place {
    type Err = PlaceSyntax;

    fn from_str(text: &str) -> Result<Self, PlaceSyntax> {
        let (partition, position) = text.split_once(':').ok_or(PlaceSyntax)?;
        let partition = decimal(partition)?.try_into().map_err(|_| PlaceSyntax)?;
        Ok(Self { partition, position: decimal(position)? })
    }
}

/// Digits alone: `u64::from_str` would take a sign, too.
fn decimal(text: &str) -> Result<u64, PlaceSyntax> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(PlaceSyntax);
    }
    text.parse().map_err(|_| PlaceSyntax)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_place_is_read_as_it_was_written(partition: u32, position: u64) {
            let place = Place { partition, position };
            prop_assert_eq!(place.to_string().parse(), Ok(place));
            let json = serde_json::to_string(&place).unwrap();
            prop_assert_eq!(&json, &format!(r#"{{"partition":{partition},"position":{position}}}"#));
            prop_assert_eq!(serde_json::from_str::<Place>(&json).unwrap(), place);
        }

        #[test]
        fn places_are_ordered_by_partition_and_then_by_position(a: (u32, u64), b: (u32, u64)) {
            let place = |(partition, position)| Place { partition, position };
            prop_assert_eq!(place(a).cmp(&place(b)), a.cmp(&b));
        }
    }

    #[test]
    fn what_is_not_a_place_is_refused() {
        for text in
            ["", "0", ":", "0:", ":0", "0:+1", "-1:0", "0: 1", "0:1:2", "4294967296:0", "0:18446744073709551616", "0:٣"]
        {
            assert_eq!(text.parse::<Place>(), Err(PlaceSyntax), "{text:?}");
        }
    }
}
