//! The contracts with others, generated from the code: OpenAPI, AsyncAPI and JSON Schemas.
//!
//! They are served by every process and committed under `schemas/`; a test compares the two.

mod asyncapi;
mod components;
mod examples;
mod open_routes;
mod openapi;
mod patterns;
mod refusals;
mod schemas;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

/// Every generated contract.
pub struct Documents {
    /// OpenAPI 3.1: what can be asked.
    pub openapi: Value,
    /// AsyncAPI 3.0: what is told without being asked.
    pub asyncapi: Value,
    /// JSON Schemas (draft 2020-12) by their names under `/schemas/`, with the source's own.
    pub schemas: BTreeMap<String, Value>,
}

impl Documents {
    /// Generates all of them.
    ///
    /// # Errors
    /// If the embedded schema of the source is not JSON, which the tests rule out.
    pub fn new() -> anyhow::Result<Self> {
        let notice: Value = serde_json::from_str(registration::notice::SCHEMA)
            .context("the schema of a registration notice is not JSON")?;
        Ok(Self {
            openapi: openapi::document(&notice)?,
            asyncapi: asyncapi::document(&notice),
            schemas: schemas::all(notice),
        })
    }

    /// The files that hold them: names, and JSON whose keys are sorted, so that the same code gives
    /// the same bytes. The source's own schema is not among them: nobody generates it.
    pub fn files(&self) -> impl Iterator<Item = (&str, String)> {
        [("openapi.json", &self.openapi), ("asyncapi.json", &self.asyncapi)]
            .into_iter()
            .chain(self.schemas.iter().map(|(name, schema)| (name.as_str(), schema)))
            .filter(|(name, _)| *name != schemas::NOTICE)
            .map(|(name, document)| (name, format!("{document:#}\n")))
    }
}

/// Writes the files of all documents to a directory, which is made if there is none.
///
/// # Errors
/// If a file cannot be written.
pub fn write(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (name, text) in Documents::new()?.files() {
        let path = dir.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
