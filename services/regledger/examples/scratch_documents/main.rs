//! scratch
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]
pub mod documents;
fn main() -> anyhow::Result<()> { documents::write(std::path::Path::new("schemas")) }
