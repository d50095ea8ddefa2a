//! Bodies: read whole, within bounds of size and time.

use std::time::Duration;

use actix_web::web::{Bytes, BytesMut, Payload};

use futures_util::StreamExt;

use sha2::{Digest, Sha256};

use crate::{Problem, ProblemType};

/// A sender that is slower than this is not waited for.
const DEADLINE: Duration = Duration::from_secs(10);

/// What is read of an oversized body, so that its sender hears the answer instead of a reset.
const DISCARDED: usize = 1 << 20;

/// What is read of a body of which only the beginning is kept.
const MAX_HASHED: u64 = 64 << 20;

/// The beginning of a body, and what the whole of it was.
#[derive(Debug)]
pub struct Beginning {
    /// Its first bytes.
    pub kept: Bytes,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

impl Beginning {
    /// Whether all of it was kept.
    pub fn is_whole(&self) -> bool {
        self.kept.len() as u64 == self.bytes
    }
}

/// Reads a body whatever its size and keeps its first `limit` bytes. Of one of more than 64 MiB so much is read.
///
/// # Errors
/// 408 for one that does not arrive within ten seconds, 400 for one that ends early.
pub async fn read_beginning(payload: Payload, limit: usize) -> Result<Beginning, Problem> {
    in_time(collect_beginning(payload, limit)).await
}

async fn collect_beginning(mut payload: Payload, limit: usize) -> Result<Beginning, Problem> {
    let (mut kept, mut bytes, mut hash) = (BytesMut::new(), 0, Sha256::new());
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ended_early())?;
        let room = limit.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        hash.update(&chunk);
        bytes += chunk.len() as u64;
        if bytes > MAX_HASHED {
            break;
        }
    }
    Ok(Beginning { kept: kept.freeze(), bytes, sha256: hash.finalize().into() })
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 413 for a larger one, 408 for one that does not arrive within ten seconds, 400 for one that ends
/// early.
pub async fn read_body(payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    in_time(collect(payload, limit)).await
}

async fn in_time<T>(reading: impl Future<Output = Result<T, Problem>>) -> Result<T, Problem> {
    match tokio::time::timeout(DEADLINE, reading).await {
        Ok(read) => read,
        Err(_) => {
            Err(Problem::new(ProblemType::RequestTimeout, "The body did not arrive within 10 seconds; send it again."))
        }
    }
}

fn ended_early() -> Problem {
    Problem::new(ProblemType::MalformedBody, "The body ended early; send it again.")
}

async fn collect(mut payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    let mut size = 0;
    while let Some(chunk) = payload.next().await {
        let Ok(chunk) = chunk else {
            return Err(ended_early());
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
