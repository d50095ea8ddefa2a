//! What every HTTP face of regledger shares: problems, access, pages, senders, the line per request, health.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod access;
mod asked;
mod body;
mod health;
mod observe;
mod page;
mod problem;
mod resource;
mod sender;
mod unquoted;

pub use access::{Access, Gate};
pub use asked::{read_json, read_query};
pub use body::{Beginning, read_beginning, read_body};
pub use health::{Check, Health, Readiness, Reason};
pub use observe::{Observer, observe};
pub use page::{Page, PageParameters, limit, next_path};
pub use problem::{Problem, ProblemBody, ProblemType};
pub use resource::resource;
pub use sender::{Throttle, sender};
use unquoted::unquoted;
