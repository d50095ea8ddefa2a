//! What commands print: tables for people, JSON for programs; on stdout, and nothing else there.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::change_line::change_line;

/// How commands print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// One object, or one object a line for lists.
    Json,
}

/// Columns of a table: each head, and where the value stands in an item, as a JSON Pointer (RFC 6901).
pub type Columns = &'static [(&'static str, &'static str)];

/// Stdout, in a format.
pub struct Output {
    format: Format,
    writer: Box<dyn Write + Send>,
    terminal: bool,
}

impl Output {
    /// Prints to the process's stdout.
    pub fn stdout(format: Format) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Self { format, writer: Box::new(stdout), terminal }
    }

    /// The format that was asked for.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether somebody is looking.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Prints a line as it is.
    pub fn line(&mut self, line: impl std::fmt::Display) -> io::Result<()> {
        writeln!(self.writer, "{line}")?;
        self.writer.flush()
    }

    /// Prints a list: a table with `columns`, or each item on a line.
    pub fn list(&mut self, items: &[Box<RawValue>], columns: Columns) -> anyhow::Result<()> {
        match self.format {
            Format::Json => {
                for item in items {
                    writeln!(self.writer, "{}", one_line(item)?)?;
                }
            }
            Format::Table => {
                let rows: Vec<Value> =
                    items.iter().map(|item| serde_json::from_str(item.get())).collect::<Result<_, _>>()?;
                writeln!(self.writer, "{}", table(&rows, columns, self.terminal))?;
            }
        }
        Ok(self.writer.flush()?)
    }

    /// Prints changes, a line for each.
    pub fn changes(&mut self, changes: &[Box<RawValue>]) -> anyhow::Result<()> {
        if self.format == Format::Json {
            return self.list(changes, &[]);
        }
        for change in changes {
            self.line(change_line(&serde_json::from_str(change.get())?))?;
        }
        Ok(())
    }

    /// Tells a program what was done; people are told on stderr.
    pub fn done(&mut self, what: &impl Serialize) -> anyhow::Result<()> {
        match self.format {
            Format::Json => Ok(self.line(serde_json::to_string(what)?)?),
            Format::Table => Ok(()),
        }
    }

    /// Prints one object: its members below one another, or the object on a line.
    pub fn object(&mut self, object: &RawValue) -> anyhow::Result<()> {
        match self.format {
            Format::Json => writeln!(self.writer, "{}", one_line(object)?)?,
            Format::Table => {
                // In their own order.
                let members: IndexMap<String, Box<RawValue>> = serde_json::from_str(object.get())?;
                let mut table = bare(self.terminal);
                for (name, value) in members {
                    let text = match value.get() {
                        object if object.starts_with('{') => printable(object),
                        other => cell(&serde_json::from_str(other)?),
                    };
                    table.add_row([name, text]);
                }
                writeln!(self.writer, "{}", printed(table))?;
            }
        }
        Ok(self.writer.flush()?)
    }
}

/// Says something to the person in front of the terminal: on stderr, where it disturbs no program.
pub fn say(text: impl std::fmt::Display) {
    // Nobody can be told that nobody can be told.
    let _ = writeln!(io::stderr(), "{text}");
}

/// JSON without line breaks: strings hold none, so only indentation could.
fn one_line(json: &RawValue) -> serde_json::Result<String> {
    if json.get().contains('\n') {
        return serde_json::to_string(&serde_json::from_str::<Value>(json.get())?);
    }
    Ok(json.get().to_owned())
}

/// A table of items.
pub fn table(items: &[Value], columns: Columns, terminal: bool) -> String {
    let mut table = bare(terminal);
    table.set_header(columns.iter().map(|(head, _)| *head));
    for item in items {
        table.add_row(columns.iter().map(|(_, pointer)| {
            let text = item.pointer(pointer).map(cell).unwrap_or_default();
            if pointer.ends_with("time") { to_the_second(&text) } else { text }
        }));
    }
    printed(table)
}

/// A table fits the terminal, but for its first column, which is there to be copied; elsewhere each row is one line.
fn bare(terminal: bool) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if terminal {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

fn printed(mut table: Table) -> String {
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    if let Some(first) = table.column_mut(0) {
        first.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// A time without its fraction: enough in a table; who counts nanoseconds reads the JSON.
fn to_the_second(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

/// A value in words: lists by commas, nothing for null; control characters of strangers are made visible.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// Text of strangers, safe on a terminal: control characters are escaped.
pub fn printable(text: &str) -> String {
    if text.chars().any(char::is_control) {
        return text
            .chars()
            .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
            .collect();
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printed(format: Format, print: impl FnOnce(&mut Output)) -> String {
        let page = Page::default();
        print(&mut Output { format, writer: Box::new(page.clone()), terminal: false });
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn items() -> Vec<Box<RawValue>> {
        [json!({"name": "acme-lab", "departments": [3, 9], "owner": null}), json!({"name": "b"})]
            .iter()
            .map(|item| to_raw_value(item).unwrap())
            .collect()
    }

    #[test]
    fn a_list_is_a_line_for_each_item_in_json() {
        let text = printed(Format::Json, |out| out.list(&items(), &[]).unwrap());
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    }

    #[test]
    fn a_list_is_a_table_for_people() {
        const COLUMNS: Columns = &[("NAME", "/name"), ("DEPARTMENTS", "/departments"), ("OWNER", "/owner")];
        let text = printed(Format::Table, |out| out.list(&items(), COLUMNS).unwrap());
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines, [vec!["NAME", "DEPARTMENTS", "OWNER"], vec!["acme-lab", "3,9"], vec!["b"]]);
    }

    #[test]
    fn an_object_keeps_the_order_of_its_members() {
        let object = RawValue::from_string(r#"{"z":1,"a":"x"}"#.to_owned()).unwrap();
        let text = printed(Format::Table, |out| out.object(&object).unwrap());
        let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(names, ["z", "a"]);
    }

    #[test]
    fn what_was_done_is_an_object_for_programs_alone() {
        let done = |format| printed(format, |out| out.done(&json!({"deleted": "a"})).unwrap());
        assert_eq!(done(Format::Json), "{\"deleted\":\"a\"}\n");
        assert_eq!(done(Format::Table), "");
    }

    #[test]
    fn indented_json_becomes_one_line() {
        let object = RawValue::from_string("{\n \"a\": 1\n}".to_owned()).unwrap();
        assert_eq!(printed(Format::Json, |out| out.object(&object).unwrap()), "{\"a\":1}\n");
    }

    #[test]
    fn escape_sequences_of_strangers_do_not_reach_the_terminal() {
        assert_eq!(cell(&json!("a\u{1b}[2Jb\nc")), "a\\u{1b}[2Jb\\nc");
    }
}
