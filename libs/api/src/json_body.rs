//! JSON bodies of commands: what is wrong with one is said as a problem, with the field.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use registration::quarantine::Violation;
use serde::de::DeserializeOwned;

use crate::{Problem, ProblemType};

/// The largest body of a command in bytes.
const MAX_BYTES: usize = 256 * 1024;

/// A JSON body. An empty one is read as `{}`.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = Bytes::from_request(request, payload);
        Box::pin(async move {
            let bytes = bytes.await.map_err(|_| {
                Problem::new(
                    ProblemType::BodyTooLarge,
                    format!("The body may have {MAX_BYTES} bytes at most."),
                )
            })?;
            parse(if bytes.is_empty() { b"{}" } else { &bytes }).map(Self)
        })
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let value = registration::json::parse(bytes).map_err(|malformed| {
        Problem::new(
            ProblemType::MalformedBody,
            format!("The body is not strict JSON: {malformed}."),
        )
    })?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let pointer = if path == "." {
            String::new()
        } else {
            format!("/{}", path.replace('.', "/"))
        };
        let detail = error.into_inner().to_string();
        Problem::new(
            ProblemType::InvalidBody,
            "Fields break rules; mend those that are listed.",
        )
        .errors(vec![Violation { pointer, detail }])
    })
}
