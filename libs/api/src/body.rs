//! Bodies: read whole, within bounds of size and time.

use std::time::Duration;

use actix_web::web::{Bytes, BytesMut, Payload};

use futures_util::StreamExt;

use crate::{Problem, ProblemType};

/// A sender that is slower than this is not waited for.
const DEADLINE: Duration = Duration::from_secs(10);

/// What is read of an oversized body, so that its sender hears the answer instead of a reset.
const DISCARDED: usize = 1 << 20;

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 413 for a larger one, 408 for one that does not arrive within ten seconds, 400 for one that ends
/// early.
pub async fn read_body(payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    match tokio::time::timeout(DEADLINE, collect(payload, limit)).await {
        Ok(read) => read,
        Err(_) => {
            Err(Problem::new(ProblemType::RequestTimeout, "The body did not arrive within 10 seconds; send it again."))
        }
    }
}

async fn collect(mut payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    let mut size = 0;
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else {
            return Err(Problem::new(ProblemType::MalformedBody, "The body ended early; send it again."));
        };
        size += chunk.len();
        if size <= limit {
            body.extend_from_slice(&chunk);
        } else if size > DISCARDED {
            break;
        }
    }
    if size <= limit {
        return Ok(body.freeze());
    }
    Err(Problem::new(ProblemType::BodyTooLarge, format!("The body may have {limit} bytes at most.")))
}
