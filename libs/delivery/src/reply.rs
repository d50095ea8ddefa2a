//! Replies to ISL's HTTP events under strict error checking.
//!
//! ISL Conference Proxy then demands valid XML of a script and repeats an event until it gets some. `<nomessage/>` says
//! that there is nothing to do; any other document is a message to the proxy's XMLMSG interface (ISL Conference Proxy
//! manual, HTTP events). We send these events as the proxy does and ask for the same reply. We have no XMLMSG
//! interface: such a message acknowledges the event and is not acted on.

use roxmltree::{Document, ParsingOptions};
use thiserror::Error;

use crate::egress::{Answer, CallError};
use crate::retry::{Verdict, judge};

/// The most nodes that a reply may have; with its length this bounds what reading it takes.
const MAX_NODES: u32 = 1000;

/// What a valid reply asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing: `<nomessage/>`.
    Nothing,
    /// Something of the XMLMSG interface.
    Message,
}

/// Why a reply does not acknowledge an event. It holds nothing of the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidReply {
    /// It is longer than is read of an answer, or has more than 1,000 nodes.
    #[error("the reply is too large")]
    TooLarge,
    /// XML is read in UTF-8 alone.
    #[error("the reply is not UTF-8")]
    Encoding,
    /// A document type can name other files and expand without end.
    #[error("the reply has a document type, which is not read")]
    DocumentType,
    /// It is empty, or not one well-formed XML document.
    #[error("the reply is not well-formed XML")]
    NotXml,
}

/// Reads a reply.
///
/// # Errors
/// [`InvalidReply`].
pub fn read(answer: &Answer) -> Result<Reply, InvalidReply> {
    if !answer.is_whole {
        return Err(InvalidReply::TooLarge);
    }
    let text = str::from_utf8(&answer.body).map_err(|_| InvalidReply::Encoding)?;
    let bounded = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, bounded).map_err(|error| match error {
        roxmltree::Error::DtdDetected => InvalidReply::DocumentType,
        roxmltree::Error::NodesLimitReached => InvalidReply::TooLarge,
        _ => InvalidReply::NotXml,
    })?;
    let is_nothing = document.root_element().has_tag_name("nomessage");
    Ok(if is_nothing { Reply::Nothing } else { Reply::Message })
}

/// Whether a reply is valid XML and has an element of this name, whatever its namespace.
pub fn has_element(answer: &Answer, name: &str) -> bool {
    let Ok(text) = str::from_utf8(&answer.body) else { return false };
    let bounded = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, bounded);
    answer.is_whole && document.is_ok_and(|document| document.descendants().any(|node| node.tag_name().name() == name))
}

/// Judges the outcome of a call that demands a valid reply: without one the event has not arrived, whatever the status.
pub fn judge_strictly(outcome: &Result<Answer, CallError>) -> Verdict {
    match (judge(outcome), outcome) {
        (Verdict::Done, Ok(answer)) if read(answer).is_err() => Verdict::Retry,
        (verdict, _) => verdict,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use reqwest::StatusCode;

    use super::*;

    fn answer(status: u16, body: &[u8]) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, retry_after: None, body: Bytes::copy_from_slice(body), is_whole: true }
    }

    const BILLION_LAUGHS: &[u8] = br#"<!DOCTYPE a [<!ENTITY b "lol"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>"#;
    const OUTSIDE: &[u8] = br#"<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>"#;

    #[test]
    fn only_one_well_formed_document_acknowledges_an_event() {
        use InvalidReply::{DocumentType, Encoding, NotXml, TooLarge};
        let nested = b"<a>".repeat(2000);
        let cases: [(&[u8], Result<Reply, InvalidReply>); 30] = [
            (b"<nomessage/>", Ok(Reply::Nothing)),
            (b"\xEF\xBB\xBF<nomessage/>", Ok(Reply::Nothing)),
            (b"<nomessage></nomessage>\r\n", Ok(Reply::Nothing)),
            (b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!-- done -->\n<nomessage />", Ok(Reply::Nothing)),
            (b"<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><nomessage/>", Ok(Reply::Nothing)),
            (b"<queryDatabase secret=\"s\"><domain filter=\"*\"/></queryDatabase>", Ok(Reply::Message)),
            (b"<a>&lt;&#x41;<![CDATA[<b>]]></a>", Ok(Reply::Message)),
            (b"<nomessage xmlns=\"urn:any\"/>", Ok(Reply::Nothing)),
            (b"", Err(NotXml)),
            (b"  \n", Err(NotXml)),
            (b"ok", Err(NotXml)),
            (b"nomessage", Err(NotXml)),
            (b"{\"result\":\"ok\"}", Err(NotXml)),
            (b"<nomessage>", Err(NotXml)),
            (b"<nomessage/", Err(NotXml)),
            (b"</nomessage>", Err(NotXml)),
            (b"<nomessage/><nomessage/>", Err(NotXml)),
            (b"<nomessage/>ok", Err(NotXml)),
            (b"ok<nomessage/>", Err(NotXml)),
            (b"<a><b></a></b>", Err(NotXml)),
            (b"<a x=1/>", Err(NotXml)),
            (b"<a x=\"1\" x=\"2\"/>", Err(NotXml)),
            (b"<a>&unknown;</a>", Err(NotXml)),
            (b"<a:b/>", Err(NotXml)),
            (b"<a>\x01</a>", Err(NotXml)),
            (b"<p>Not Found<br></p>", Err(NotXml)),
            (b"<a>\xE9</a>", Err(Encoding)),
            (BILLION_LAUGHS, Err(DocumentType)),
            (OUTSIDE, Err(DocumentType)),
            (&nested, Err(TooLarge)),
        ];
        for (body, expected) in cases {
            assert_eq!(read(&answer(200, body)), expected, "{}", body.escape_ascii());
        }
    }

    #[test]
    fn a_reply_of_which_only_the_beginning_was_read_is_none() {
        let cut = Answer { is_whole: false, ..answer(200, b"<nomessage/>") };
        assert_eq!(read(&cut), Err(InvalidReply::TooLarge));
    }

    #[test]
    fn strictly_an_event_has_arrived_with_a_valid_reply_alone() {
        let cases: [(u16, &[u8], Verdict); 6] = [
            (200, b"<nomessage/>", Verdict::Done),
            (202, b"<message/>", Verdict::Done),
            (200, b"OK", Verdict::Retry),
            (204, b"", Verdict::Retry),
            (500, b"<nomessage/>", Verdict::Retry),
            (410, b"<nomessage/>", Verdict::Pause),
        ];
        for (status, body, verdict) in cases {
            assert_eq!(judge_strictly(&Ok(answer(status, body))), verdict, "{status} {}", body.escape_ascii());
        }
    }
}
