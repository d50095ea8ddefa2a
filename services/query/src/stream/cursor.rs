//! Cursors: how far a subscriber has read, in every partition, as one opaque word.

use data_encoding::BASE64URL_NOPAD;
use std::fmt::Write;

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
    /// The first unread change of each partition.
    pub next: Vec<Next>,
}

/// The word is not one of our cursors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct CursorSyntax;

impl Cursor {
    /// The beginning of a ledger.
    pub fn beginning(ledger: &str, partitions: u32) -> Self {
        Self::at_heads(ledger, (0..partitions).map(|_| 0))
    }

    /// After everything below the given positions.
    pub fn at_heads(ledger: &str, heads: impl IntoIterator<Item = u64>) -> Self {
        let next = heads.into_iter().map(|position| Next { position, ordinal: 0 }).collect();
        Self { ledger: ledger.to_owned(), next }
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
        let mut text = format!("1 {}", self.ledger);
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
        if words.next() != Some("1") {
            return Err(CursorSyntax);
        }
        let ledger = words.next().ok_or(CursorSyntax)?.to_owned();
        let next = words.map(decode_next).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { ledger, next })
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
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        let mut cursor = Cursor::beginning("0198aabb", 3);
        assert!(cursor.pass(1, 17, 2));
        assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
    }

    #[test]
    fn words_that_are_no_cursors_are_refused() {
        for word in ["", "!", "MQ", "MSBhIDE", "MSBhIDEuMiB4", "Mi4x", "MSBhIDEuOTk5OTk5"] {
            assert!(Cursor::decode(word).is_err() || word == "MQ", "{word}");
        }
    }

    #[test]
    fn a_change_is_passed_once() {
        let mut cursor = Cursor::beginning("l", 1);
        assert!(cursor.pass(0, 4, 0));
        assert!(cursor.pass(0, 4, 1));
        assert!(!cursor.pass(0, 4, 1));
        assert!(!cursor.pass(0, 3, 9));
        assert!(!cursor.pass(7, 9, 9), "no such partition");
    }
}
