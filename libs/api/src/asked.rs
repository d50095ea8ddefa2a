//! What a request asks for: what is wrong with it is said as a problem, with the field and without its value.

use actix_web::HttpRequest;
use actix_web::error::QueryPayloadError;
use actix_web::web::{Payload, Query};
use registration::quarantine::Violation;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::{Problem, ProblemType, read_body, unquoted};

/// The largest body of a command in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// Reads the JSON body of a command; an empty one is read as `{}`. What is asked comes after who asks: call it once the request
/// was let in.
///
/// # Errors
/// 400, 408, 413 and 422, with the field that is wrong.
pub async fn read_json<T: DeserializeOwned>(payload: Payload) -> Result<T, Problem> {
    let bytes = read_body(payload, MAX_BYTES).await?;
    parse(if bytes.is_empty() { b"{}" } else { &bytes })
}

/// Reads the query of a request, likewise.
///
/// # Errors
/// 400 with what was expected.
pub fn read_query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, Problem> {
    let query = Query::<T>::from_query(request.query_string()).map_err(|error| {
        let reason = match &error {
            QueryPayloadError::Deserialize(error) => unquoted(&error.to_string()),
            _ => "it cannot be decoded".to_owned(),
        };
        Problem::query(format!("The query is not understood: {reason}."))
    })?;
    Ok(query.into_inner())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value = registration::json::parse(bytes).map_err(|malformed| {
        Problem::new(ProblemType::MalformedBody, format!("The body is not strict JSON: {malformed}."))
    })?;
    // By itself serde would take the fields of an array in their order.
    if !value.is_object() {
        return Err(wrong(String::new(), "expected an object".to_owned()));
    }
    serde_path_to_error::deserialize(value)
        .map_err(|error| wrong(pointer(error.path()), unquoted(&error.into_inner().to_string())))
}

fn wrong(pointer: String, detail: String) -> Problem {
    Problem::new(ProblemType::InvalidBody, "Fields break rules; mend those that are listed.")
        .errors(vec![Violation { pointer, detail }])
}

/// The JSON Pointer (RFC 6901) of a path.
fn pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |pointer, segment| match segment {
        Segment::Seq { index } => format!("{pointer}/{index}"),
        Segment::Map { key } => {
            format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
        }
        Segment::Enum { .. } | Segment::Unknown => pointer,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Asked {
        #[expect(dead_code, reason = "only whether it can be read is asked")]
        name: Option<String>,
    }

    #[test]
    fn what_is_asked_is_an_object() {
        assert!(parse::<Asked>(b"{}").is_ok());
        for body in ["[]", "[null]", "null", "7", "\"name\""] {
            let problem = parse::<Asked>(body.as_bytes()).unwrap_err();
            assert_eq!(problem.kind(), ProblemType::InvalidBody, "{body}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_by_its_pointer_and_without_its_value() {
        for (body, place) in
            [(r#"{"a/b~c":[1,"s3cret"]}"#, "/a~1b~0c/1"), (r#""s3cret""#, ""), (r#"{"a":"s3cret"}"#, "/a")]
        {
            let problem = parse::<BTreeMap<String, Vec<u32>>>(body.as_bytes()).unwrap_err();
            let shown = format!("{problem:?}");
            assert!(!shown.contains("s3cret"), "{shown}");
            assert!(shown.contains(&format!("pointer: {place:?}")), "{shown}");
        }
    }
}
