//! Filters: which changes a subscriber wants, and which it may see.

use api::{Access, Problem};
use projection::StoredChange;
use registration::change::matches_type;
use registration::directory::{Directory, Token};

/// Which changes pass.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    types: Vec<String>,
    integration: Option<String>,
    tenant: Option<String>,
    /// The token, if it does not see everything.
    limited: Option<Token>,
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
        let limited = (!access.token.is_unrestricted()).then(|| access.token.clone());
        Ok(Self { types, integration, tenant, limited })
    }

    /// Whether it depends on the directory, which may have to catch up first, if a change passes.
    pub fn asks_directory(&self, change: &StoredChange, directory: &Directory) -> bool {
        match (&self.limited, change.integration.as_deref()) {
            (Some(token), Some(integration)) => directory.sees(token, integration).is_none(),
            _ => false,
        }
    }

    /// Whether a change passes.
    pub fn passes(&self, change: &StoredChange, directory: &Directory) -> bool {
        let wanted = self.types.is_empty() || self.types.iter().any(|asked| matches_type(asked, &change.kind));
        let row = || self.passes_row(change.integration.as_deref(), change.tenant.as_deref(), directory);
        wanted && (row() || self.passes_domain(change, directory))
    }

    /// Whether it is a change of the domain that the token is limited to, or of a user there. An earlier domain of that name
    /// was another one.
    fn passes_domain(&self, change: &StoredChange, directory: &Directory) -> bool {
        let is_asked = self.integration.is_none() && self.tenant.is_none() && change.integration.is_none();
        let limits = self.limited.as_ref().filter(|token| is_asked && token.integrations.is_empty());
        let own = limits.and_then(|token| token.domain.as_ref());
        own.is_some_and(|own| directory.concerns(own, None, &change.body))
    }

    /// Whether what belongs to an integration and a tenant passes.
    pub fn passes_row(&self, integration: Option<&str>, tenant: Option<&str>, directory: &Directory) -> bool {
        let is =
            |asked: &Option<String>, found: Option<&str>| asked.as_deref().is_none_or(|asked| found == Some(asked));
        is(&self.integration, integration)
            && is(&self.tenant, tenant)
            && self
                .limited
                .as_ref()
                .is_none_or(|token| integration.is_some_and(|name| directory.sees(token, name) == Some(true)))
    }
}
