//! Filters: which changes a subscriber wants, and which it may see.

use api::{Access, Problem};
use projection::StoredChange;

/// Which changes pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    types: Vec<String>,
    integration: Option<String>,
    tenant: Option<String>,
    /// Integrations that the token sees; none if it sees everything.
    seen: Option<Vec<String>>,
}

impl Filter {
    /// A filter as asked for: `types` are short forms, or all of a family (`client.*`).
    ///
    /// # Errors
    /// 400 for a type that is neither.
    pub fn new(
        types: Vec<String>,
        integration: Option<String>,
        tenant: Option<String>,
        access: &Access,
    ) -> Result<Self, Problem> {
        for asked in &types {
            let known = registration::change::ChangeType::ALL.map(|kind| kind.short());
            if !known.iter().any(|kind| matches_type(asked, kind)) {
                return Err(Problem::query(format!(
                    "`type` must be one of {}, or a family like `client.*`.",
                    known.join(", ")
                )));
            }
        }
        Ok(Self {
            types,
            integration,
            tenant,
            seen: access.integrations.clone(),
        })
    }

    /// Whether a change passes.
    pub fn passes(&self, change: &StoredChange) -> bool {
        let integration = change.integration.as_deref();
        let wanted = self.types.is_empty()
            || self
                .types
                .iter()
                .any(|asked| matches_type(asked, &change.kind));
        wanted
            && self
                .integration
                .as_deref()
                .is_none_or(|asked| integration == Some(asked))
            && self
                .tenant
                .as_deref()
                .is_none_or(|asked| change.tenant.as_deref() == Some(asked))
            && self
                .seen
                .as_ref()
                .is_none_or(|seen| integration.is_some_and(|name| seen.iter().any(|s| s == name)))
    }

    /// Whether a row of an integration and tenant passes, for snapshots.
    pub fn passes_row(&self, integration: &str, tenant: &str) -> bool {
        self.integration
            .as_deref()
            .is_none_or(|asked| integration == asked)
            && self.tenant.as_deref().is_none_or(|asked| tenant == asked)
            && self
                .seen
                .as_ref()
                .is_none_or(|seen| seen.iter().any(|s| s == integration))
    }
}

fn matches_type(asked: &str, kind: &str) -> bool {
    match asked.strip_suffix(".*") {
        Some(family) => kind
            .split_once('.')
            .is_some_and(|(first, _)| first == family),
        None => asked == kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_matches_its_types_only() {
        let cases = [
            ("client.*", "client.registered", true),
            ("client.*", "clients.registered", false),
            ("client.registered", "client.registered", true),
            ("client.registered", "client.retired", false),
            ("*", "client.registered", false),
        ];
        for (asked, kind, expected) in cases {
            assert_eq!(matches_type(asked, kind), expected, "{asked} {kind}");
        }
    }
}
