//! What every HTTP face of regledger shares: problems, access, pages, the line per request, health.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod access;
mod health;
mod json_body;
mod observe;
mod page;
mod problem;

pub use access::{Access, Gate};
pub use health::{Check, Health, Readiness, Reason};
pub use json_body::JsonBody;
pub use observe::{Observer, observe};
pub use page::{Page, PageParameters, limit, next_path};
pub use problem::{Problem, ProblemBody, ProblemType, method_not_allowed};
