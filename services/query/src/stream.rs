//! The change stream: what happened to the client table, in order, resumable, to everyone at once.

mod backlog;
pub mod cursor;
pub mod filter;
mod frame;
pub mod subscriber;
pub mod tailer;
