//! Cursors: how far a subscriber has read, in every partition, as one opaque word.

use std::fmt::Write;

use data_encoding::BASE64URL_NOPAD;
use registration::directory::LedgerRow;
use uuid::Uuid;

/// The first change of a partition that was not read yet. Of the changes that are still to come it
/// is a lower bound, so a partition that was read to its end is at (next position, 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Next {
    /// Ledger position.
    pub position: u64,
    /// Ordinal among the changes of the event.
    pub ordinal: u16,
}

/// How far a subscriber has read a ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Id of the ledger.
    pub ledger: String,
    /// The era of the ledger in which it was made; none is the first one.
    pub era: Option<Uuid>,
    /// The first unread change of each partition.
    pub next: Vec<Next>,
}

/// The word is not one of our cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct CursorSyntax;

impl Cursor {
    /// The beginning of a ledger.
    pub fn beginning(ledger: &LedgerRow) -> Self {
        Self::at_heads(ledger, (0..ledger.partitions).map(|_| 0))
    }

    /// After everything below the given positions.
    pub fn at_heads(ledger: &LedgerRow, heads: impl IntoIterator<Item = u64>) -> Self {
        let next = heads.into_iter().map(|position| Next { position, ordinal: 0 }).collect();
        Self { ledger: ledger.ledger.clone(), era: ledger.era(), next }
    }

    /// Whether it has read nothing at or beyond the given positions.
    pub fn is_within(&self, heads: &[u64]) -> bool {
        let ends = heads.iter().map(|position| Next { position: *position, ordinal: 0 });
        self.next.len() == heads.len() && self.next.iter().zip(ends).all(|(next, end)| *next <= end)
    }

    /// Moves past a change; false if it was read already.
    pub fn pass(&mut self, partition: u32, position: u64, ordinal: u16) -> bool {
        let Some(next) = self.next.get_mut(partition as usize) else {
            return false;
        };
        let place = Next { position, ordinal };
        if place < *next {
            return false;
        }
        *next = Next { position, ordinal: ordinal + 1 };
        true
    }

    /// Writes the cursor as an opaque URL-safe word.
    pub fn encode(&self) -> String {
        let mut text = match self.era {
            None => format!("1 {}", self.ledger),
            Some(era) => format!("2 {} {}", self.ledger, era.simple()),
        };
        for next in &self.next {
            // writing to a string does not fail
            let _ = write!(text, " {}.{}", next.position, next.ordinal);
        }
        BASE64URL_NOPAD.encode(text.as_bytes())
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`CursorSyntax`] for anything else.
    pub fn decode(word: &str) -> Result<Self, CursorSyntax> {
        let bytes = BASE64URL_NOPAD.decode(word.as_bytes()).map_err(|_| CursorSyntax)?;
        let text = String::from_utf8(bytes).map_err(|_| CursorSyntax)?;
        let mut words = text.split(' ');
        let has_era = match words.next() {
            Some("1") => false,
            Some("2") => true,
            _ => return Err(CursorSyntax),
        };
        let mut word = || words.next().ok_or(CursorSyntax);
        let ledger = word()?.to_owned();
        let era = if has_era { Some(word()?.parse().map_err(|_| CursorSyntax)?) } else { None };
        let next = words.map(decode_next).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { ledger, era, next })
    }
}

fn decode_next(word: &str) -> Result<Next, CursorSyntax> {
    let (position, ordinal) = word.split_once('.').ok_or(CursorSyntax)?;
    let position = position.parse().map_err(|_| CursorSyntax)?;
    let ordinal = ordinal.parse().map_err(|_| CursorSyntax)?;
    Ok(Next { position, ordinal })
}

#[cfg(test)]
mod tests {
    use registration::directory::LedgerRestore;

    use super::*;

    /// A ledger of three partitions, restored so many times.
    fn ledger(restores: u128) -> LedgerRow {
        let restores = (1..=restores).map(|era| LedgerRestore { era: Uuid::from_u128(era), heads: vec![4, 4, 4] });
        LedgerRow { ledger: "0198aabb".to_owned(), partitions: 3, restores: restores.collect(), ..LedgerRow::default() }
    }

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        for restores in 0..3 {
            let mut cursor = Cursor::beginning(&ledger(restores));
            assert!(cursor.pass(1, 17, 2));
            assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor), "{restores}");
        }
    }

    #[test]
    fn a_cursor_of_the_first_era_is_written_without_one() {
        let cursor = Cursor::at_heads(&ledger(0), [1, 2, 3]);
        assert_eq!(BASE64URL_NOPAD.decode(cursor.encode().as_bytes()).unwrap(), b"1 0198aabb 1.0 2.0 3.0");
    }

    #[test]
    fn a_cursor_is_within_heads_if_no_partition_was_read_beyond() {
        for (partition, position, ordinal, expected) in
            [(0, 0, 0, true), (0, 3, 9, true), (0, 4, 0, false), (2, 3, 0, true), (2, 7, 0, false)]
        {
            let mut cursor = Cursor::beginning(&ledger(0));
            cursor.pass(partition, position, ordinal);
            assert_eq!(cursor.is_within(&[4, 4, 4]), expected, "{partition}:{position}.{ordinal}");
        }
        assert!(Cursor::at_heads(&ledger(0), [4, 4, 4]).is_within(&[4, 4, 4]));
        assert!(!Cursor::at_heads(&ledger(0), [0, 0, 0]).is_within(&[4, 4]), "another number of partitions");
    }

    #[test]
    fn words_that_are_no_cursors_are_refused() {
        for word in ["", "!", "MQ", "MSBhIDE", "MSBhIDEuMiB4", "Mi4x", "MSBhIDEuOTk5OTk5", "MiBhIDEuMg"] {
            assert!(Cursor::decode(word).is_err() || word == "MQ", "{word}");
        }
    }

    #[test]
    fn a_change_is_passed_once() {
        let mut cursor = Cursor::at_heads(&ledger(0), [0]);
        assert!(cursor.pass(0, 4, 0));
        assert!(cursor.pass(0, 4, 1));
        assert!(!cursor.pass(0, 4, 1));
        assert!(!cursor.pass(0, 3, 9));
        assert!(!cursor.pass(7, 9, 9), "no such partition");
    }
}
