//! Writing a partition to a file, again and again.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, ensure};
use indicatif::ProgressBar;
use registration::directory::LogHead;
use serde::Serialize;

use super::tree::Tree;
use super::{ENTRIES, PAGE, entries, head, progress};
use crate::client::Api;
use crate::output::say;

/// What a file of an earlier call holds.
#[derive(Debug, Default, PartialEq, Eq)]
struct Held {
    /// Complete lines: the position to go on from.
    lines: u64,
    /// Bytes of the complete lines; what follows was cut off while it was written.
    bytes: u64,
    /// The last complete line.
    last: Vec<u8>,
    /// The log of the complete lines.
    tree: Tree,
}

/// What a file holds now.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Exported<'a> {
    file: &'a Path,
    /// Entries that it lacked.
    added: u64,
    /// Entries in all, and their Merkle tree hash.
    #[serde(flatten)]
    log: LogHead,
}

/// Writes what the file lacks.
///
/// # Errors
/// If the server refuses or cannot be asked, the file cannot be written, or is of another ledger.
pub async fn run<'a>(api: &Api, partition: u32, path: &'a Path) -> anyhow::Result<Exported<'a>> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let held = held(&mut file).with_context(|| format!("cannot read {}", path.display()))?;
    check(api, partition, &held).await.with_context(|| format!("cannot go on with {}", path.display()))?;
    file.set_len(held.bytes)?;
    file.seek(SeekFrom::End(0))?;
    let lines = held.lines;
    let log = append(api, partition, held.tree, file).await?;
    let added = log.entries - lines;
    say(format_args!("{}: {added} new entries, {} in all, root {}", path.display(), log.entries, log.root));
    Ok(Exported { file: path, added, log })
}

async fn append(api: &Api, partition: u32, mut tree: Tree, file: File) -> anyhow::Result<LogHead> {
    let mut position = tree.head().entries;
    let bar = ProgressBar::no_length().with_position(position);
    let bar = progress(bar, head(api, partition).await.unwrap_or_default(), ENTRIES);
    let mut writer = BufWriter::new(file);
    loop {
        let page = entries(api, partition, position, PAGE).await?;
        if page.is_empty() {
            break;
        }
        for entry in &page {
            writer.write_all(entry.get().as_bytes())?;
            writer.write_all(b"\n")?;
            tree.push(entry.get().as_bytes());
        }
        position += page.len() as u64;
        bar.set_position(position);
    }
    writer.flush()?;
    writer.get_ref().sync_all()?;
    bar.finish_and_clear();
    Ok(tree.head())
}

/// Compares the last line with what the server has in its place.
async fn check(api: &Api, partition: u32, held: &Held) -> anyhow::Result<()> {
    let Some(position) = held.lines.checked_sub(1) else {
        return Ok(());
    };
    let entries = entries(api, partition, position, 1).await?;
    let entry = entries.first().context("the server's ledger is shorter than the file")?;
    ensure!(entry.get().as_bytes() == held.last, "it holds another entry at position {position} than the server");
    Ok(())
}

fn held(file: &mut File) -> std::io::Result<Held> {
    let (mut reader, mut held, mut line) = (BufReader::new(file), Held::default(), Vec::new());
    loop {
        line.clear();
        reader.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Ok(held);
        }
        held.lines += 1;
        held.bytes += line.len() as u64 + 1;
        held.tree.push(&line);
        std::mem::swap(&mut held.last, &mut line);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::canned::{Canned, json};

    #[tokio::test]
    async fn what_was_written_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.ndjson");
        std::fs::write(&path, "{}\n").unwrap();
        let metrics = json(200, "regledger_ledger_position{partition=\"0\"} 2\n");
        let answers = [json(200, "{}\n"), metrics, json(200, "{\"a\":1}\n{\"b\":2}\n"), json(200, "")];
        let server = Canned::serve(answers.into()).await;
        let api = Api::new(server.url.clone(), None).unwrap();
        let log = tree_of(["{}", "{\"a\":1}", "{\"b\":2}"]).head();
        let expected = Exported { file: &path, added: 2, log };
        assert_eq!(run(&api, 0, &path).await.unwrap(), expected);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n{\"a\":1}\n{\"b\":2}\n");
    }

    fn tree_of<'a>(lines: impl IntoIterator<Item = &'a str>) -> Tree {
        let mut tree = Tree::default();
        lines.into_iter().for_each(|line| tree.push(line.as_bytes()));
        tree
    }

    #[rstest]
    #[case::new("", 0, 0, "")]
    #[case::complete("{\"a\":1}\n{}\n", 2, 11, "{}")]
    #[case::cut_off("{\"a\":1}\n{\"b", 1, 8, "{\"a\":1}")]
    #[case::cut_off_at_once("{\"b", 0, 0, "")]
    fn what_was_cut_off_is_written_again(
        #[case] content: &str,
        #[case] lines: u64,
        #[case] bytes: u64,
        #[case] last: &str,
    ) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        file.rewind().unwrap();
        let tree = tree_of(content.lines().take(lines as usize));
        assert_eq!(held(&mut file).unwrap(), Held { lines, bytes, last: last.as_bytes().to_vec(), tree });
    }
}
