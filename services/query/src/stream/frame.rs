//! Frames: server-sent events as bytes (WHATWG HTML, section 9.2).

use actix_web::web::{BufMut, Bytes, BytesMut};
use projection::StoredChange;
use serde_json::json;

use crate::stream::cursor::Cursor;

/// What a client waits before it connects again, in milliseconds; sent once at the start.
pub(crate) const RETRY: &[u8] = b"retry: 1000\n\n";

/// Keeps idle connections open through proxies.
pub(crate) const HEARTBEAT: &[u8] = b": heartbeat\n\n";

/// A change, with the cursor after it.
pub(crate) fn change(change: &StoredChange, after: &Cursor) -> Bytes {
    frame(Some(after), &change.kind, &change.body)
}

/// A row as of the snapshot; it has no id, for nothing can be resumed within a snapshot.
pub(crate) fn snapshot(row: &[u8]) -> Bytes {
    frame(None, "snapshot", row)
}

/// How far the subscriber has read, where no change told it.
pub(crate) fn bookmark(at: &Cursor) -> Bytes {
    let data = json!({ "cursor": at.encode() }).to_string();
    frame(Some(at), "bookmark", data.as_bytes())
}

/// `data` is JSON without line breaks.
fn frame(id: Option<&Cursor>, event: &str, data: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(data.len() + event.len() + 160);
    if let Some(cursor) = id {
        bytes.put_slice(b"id: ");
        bytes.put_slice(cursor.encode().as_bytes());
        bytes.put_slice(b"\n");
    }
    bytes.put_slice(b"event: ");
    bytes.put_slice(event.as_bytes());
    bytes.put_slice(b"\ndata: ");
    bytes.put_slice(data);
    bytes.put_slice(b"\n\n");
    bytes.freeze()
}
