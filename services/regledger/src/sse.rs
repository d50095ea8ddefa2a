//! Server-sent events, read as the HTML standard says ("9.2.6 Interpreting an event stream").

/// The most bytes that one event may have: a change is far smaller, and a stream of none would fill the memory.
const MAX_EVENT_BYTES: usize = 4 << 20;

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

/// The stream holds something that is no stream of events.
#[derive(Debug, thiserror::Error)]
#[error("the server sent an event of more than {MAX_EVENT_BYTES} bytes")]
pub struct TooLong;

/// Takes a stream apart as it comes.
#[derive(Debug, Default)]
pub struct Parser {
    buffer: Vec<u8>,
    frame: Frame,
    has_data: bool,
    bytes: usize,
}

impl Parser {
    /// Takes some bytes; gives the events that they complete.
    ///
    /// # Errors
    /// [`TooLong`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Frame>, TooLong> {
        self.buffer.extend_from_slice(bytes);
        let mut frames = Vec::new();
        let mut start = 0;
        while let Some((end, next)) = line_end(&self.buffer, start) {
            let line = String::from_utf8_lossy(&self.buffer[start..end]).into_owned();
            start = next;
            if let Some(frame) = self.line(&line) {
                frames.push(frame);
            }
        }
        self.buffer.drain(..start);
        if self.buffer.len() + self.bytes > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        Ok(frames)
    }

    fn line(&mut self, line: &str) -> Option<Frame> {
        if line.is_empty() {
            return self.dispatch();
        }
        self.bytes += line.len();
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.frame.event),
            "id" if !value.contains('\0') => self.frame.id = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.frame.data.push('\n');
                }
                self.has_data = true;
                self.frame.data.push_str(value);
            }
            _ => {}
        }
        None
    }

    fn dispatch(&mut self) -> Option<Frame> {
        let frame = std::mem::take(&mut self.frame);
        self.bytes = 0;
        let dispatched = std::mem::take(&mut self.has_data) || frame.id.is_some();
        dispatched.then_some(frame)
    }
}

/// Where a line ends and the next begins; none while that cannot be known.
fn line_end(buffer: &[u8], start: usize) -> Option<(usize, usize)> {
    let end = start + buffer[start..].iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
    match (buffer[end], buffer.get(end + 1)) {
        (b'\n', _) => Some((end, end + 1)),
        (_, None) => None,
        (_, Some(b'\n')) => Some((end, end + 2)),
        (_, Some(_)) => Some((end, end + 1)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn frame(event: &str, id: Option<&str>, data: &str) -> Frame {
        Frame { event: event.to_owned(), id: id.map(str::to_owned), data: data.to_owned() }
    }

    #[rstest]
    #[case::change("id: 7\nevent: client.registered\ndata: {}\n\n", vec![frame("client.registered", Some("7"), "{}")])]
    #[case::no_space_after_the_colon("data:x\n\n", vec![frame("", None, "x")])]
    #[case::lines_of_data("data: a\ndata: b\n\n", vec![frame("", None, "a\nb")])]
    #[case::carriage_returns("data: a\r\n\r\ndata: b\r\n\r\n", vec![frame("", None, "a"), frame("", None, "b")])]
    #[case::heartbeat(": still here\n\n", vec![])]
    #[case::unfinished("data: a\n", vec![])]
    #[case::bookmark_without_data("id: 9\nevent: bookmark\n\n", vec![frame("bookmark", Some("9"), "")])]
    fn streams_are_read_as_the_standard_says(#[case] stream: &str, #[case] expected: Vec<Frame>) {
        assert_eq!(Parser::default().feed(stream.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::default();
        let chunk = vec![b'x'; 1 << 20];
        assert!((0..5).any(|_| parser.feed(&chunk).is_err()));
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_does_not_matter(cuts in proptest::collection::vec(0_usize..64, 0..8)) {
            let stream = "id: 1\r\nevent: a\r\ndata: é\n\n: x\n\ndata: b\ndata: c\n\n".as_bytes();
            let whole = Parser::default().feed(stream).unwrap();
            let mut parser = Parser::default();
            let mut frames = Vec::new();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            for pair in cuts.windows(2) {
                frames.extend(parser.feed(&stream[pair[0]..pair[1]]).unwrap());
            }
            prop_assert_eq!(frames, whole);
        }
    }
}
