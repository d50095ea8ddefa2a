//! The contracts with others: OpenAPI, AsyncAPI and JSON Schemas. Every process serves them, and they are committed
//! under `schemas/`, where a test compares them with the code.
//!
//! The OpenAPI and AsyncAPI documents are their own templates: what people wrote stays as it is committed, what follows
//! from the code is written anew.

mod openapi;
mod patterns;
mod refusals;
mod schemas;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use self::schemas::Refinements;

/// Every contract.
pub struct Documents {
    /// OpenAPI 3.1: what can be asked.
    pub openapi: Value,
    /// AsyncAPI 3.0: what is told without being asked.
    pub asyncapi: Value,
    /// JSON Schemas (draft 2020-12) by their names under `/schemas/`, with the source's own.
    pub schemas: BTreeMap<String, Value>,
}

impl Documents {
    /// Writes all of them anew.
    pub fn new() -> anyhow::Result<Self> {
        let notice = embedded(registration::notice::SCHEMA)?;
        let refinements = Refinements(embedded(include_str!("documents/refinements.json"))?);
        let mut openapi = embedded(include_str!("../../../schemas/openapi.json"))?;
        openapi::renew(&mut openapi, &notice, &refinements)?;
        let mut asyncapi = embedded(include_str!("../../../schemas/asyncapi.json"))?;
        asyncapi["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
        asyncapi["components"]["schemas"] = json!(schemas::of_asyncapi(&notice, &refinements));
        Ok(Self { openapi, asyncapi, schemas: schemas::all(notice, &refinements) })
    }

    /// The files that hold them: names, and JSON whose keys are sorted, so that the same code gives the same bytes.
    /// The source's own schema is not among them: nobody generates it.
    pub fn files(&self) -> impl Iterator<Item = (&str, String)> {
        [("openapi.json", &self.openapi), ("asyncapi.json", &self.asyncapi)]
            .into_iter()
            .chain(self.schemas.iter().map(|(name, schema)| (name.as_str(), schema)))
            .filter(|(name, _)| *name != schemas::NOTICE)
            .map(|(name, document)| (name, format!("{document:#}\n")))
    }
}

fn embedded(text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text).context("an embedded document is not JSON")
}

/// Writes the files of all documents to a directory, which is made if there is none.
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
