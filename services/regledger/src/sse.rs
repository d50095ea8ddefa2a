//! Server-sent events, read line by line as the HTML standard says ("9.2.6 Interpreting an event stream").

/// The most bytes that one event may have: a change is far smaller, and a stream of none would fill the memory.
pub const MAX_EVENT_BYTES: usize = 4 << 20;

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// Its type; `message` is left empty here.
    pub event: String,
    /// The id to resume after, if the event brought one.
    pub id: Option<String>,
    /// Its data; lines joined by line feeds.
    pub data: String,
}

/// Takes a stream apart as it comes, without the ends of its lines.
#[derive(Debug, Default)]
pub struct Parser {
    frame: Frame,
    data: Vec<String>,
    bytes: usize,
}

impl Parser {
    /// Takes a line; gives the event that it completes.
    pub fn line(&mut self, line: &str) -> anyhow::Result<Option<Frame>> {
        if line.is_empty() {
            return Ok(self.dispatch());
        }
        self.bytes += line.len();
        anyhow::ensure!(self.bytes <= MAX_EVENT_BYTES, "the server sent an event of more than {MAX_EVENT_BYTES} bytes");
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match field {
            "event" => self.frame.event = value,
            "id" if !value.contains('\0') => self.frame.id = Some(value),
            "data" => self.data.push(value),
            _ => {}
        }
        Ok(None)
    }

    fn dispatch(&mut self) -> Option<Frame> {
        let Self { frame, data, .. } = std::mem::take(self);
        let dispatched = !data.is_empty() || frame.id.is_some();
        dispatched.then(|| Frame { data: data.join("\n"), ..frame })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn frame(event: &str, id: Option<&str>, data: &str) -> Frame {
        Frame { event: event.to_owned(), id: id.map(str::to_owned), data: data.to_owned() }
    }

    #[rstest]
    #[case::change("id: 7\nevent: client.registered\ndata: {}\n\n", vec![frame("client.registered", Some("7"), "{}")])]
    #[case::no_space_after_the_colon("data:x\n\n", vec![frame("", None, "x")])]
    #[case::lines_of_data("data: a\ndata: b\n\n", vec![frame("", None, "a\nb")])]
    #[case::an_empty_line_of_data("data\ndata: b\n\n", vec![frame("", None, "\nb")])]
    #[case::carriage_returns("data: a\r\n\r\ndata: b\r\n\r\n", vec![frame("", None, "a"), frame("", None, "b")])]
    #[case::heartbeat(": still here\n\n", vec![])]
    #[case::unfinished("data: a\n", vec![])]
    #[case::bookmark_without_data("id: 9\nevent: bookmark\n\n", vec![frame("bookmark", Some("9"), "")])]
    fn streams_are_read_as_the_standard_says(#[case] stream: &str, #[case] expected: Vec<Frame>) {
        let mut parser = Parser::default();
        let frames: Vec<_> = stream.lines().filter_map(|line| parser.line(line).unwrap()).collect();
        assert_eq!(frames, expected);
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let line = format!("data: {}", "x".repeat(1 << 20));
        assert!((0..5).any(|_| parser.line(&line).is_err()));
    }
}
