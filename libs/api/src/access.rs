//! Who may do what: bearer tokens, checked against the directory that this process knows.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use admission::{Clock, DirectoryView, hash_of};
use registration::directory::{Scope, Token};

use crate::{Problem, ProblemType};

/// Lets requests in.
#[derive(Clone)]
pub struct Gate {
    directory: Arc<DirectoryView>,
    clock: Clock,
}

/// What the holder of a token may see and do.
#[derive(Clone, Debug)]
pub struct Access {
    /// The token.
    pub token: Token,
    /// Names of the integrations that it sees; none if it sees all.
    pub integrations: Option<Vec<String>>,
}

impl Gate {
    /// A gate that asks a directory.
    pub fn new(directory: Arc<DirectoryView>, clock: Clock) -> Self {
        Self { directory, clock }
    }

    /// The directory that is asked.
    pub fn directory(&self) -> &Arc<DirectoryView> {
        &self.directory
    }

    /// Lets a request in if its token is valid and allows what it asks for. A token that this
    /// process does not know may have been made a moment ago elsewhere, so it catches up first.
    ///
    /// # Errors
    /// 401 without a valid token, 403 with one that lacks the scope.
    pub async fn admit(&self, request: &HttpRequest, scope: Scope) -> Result<Access, Problem> {
        let Some(token) = bearer(request) else {
            return Err(Problem::new(
                ProblemType::Unauthorized,
                "Send an access token: `Authorization: Bearer …`. `regledger token create` makes one.",
            ));
        };
        let hash = hash_of(token);
        if self.directory.read().token_by_hash(&hash).is_none() {
            self.directory
                .catch_up()
                .await
                .map_err(|_| Problem::unavailable("The directory of tokens cannot be read; try again."))?;
        }
        self.check(&hash, scope)
    }

    fn check(&self, hash: &str, scope: Scope) -> Result<Access, Problem> {
        let directory = self.directory.read();
        let token = directory.token_by_hash(hash).filter(|token| token.is_valid(self.clock.now()));
        let Some(token) = token else {
            return Err(Problem::new(
                ProblemType::Unauthorized,
                "The access token is unknown, expired or revoked; make a new one.",
            ));
        };
        if !token.allows(scope) {
            return Err(Problem::new(
                ProblemType::Forbidden,
                format!("The access token lacks the scope {}.", scope.as_str()),
            ));
        }
        let integrations = directory.seen_by(token);
        Ok(Access { token: token.clone(), integrations })
    }

    /// Whether a token that was let in before is still valid.
    pub fn is_still_valid(&self, id: &str) -> bool {
        let directory = self.directory.read();
        directory.token(id).is_some_and(|token| token.is_valid(self.clock.now()))
    }
}

impl Access {
    /// Whether it sees an integration.
    pub fn sees(&self, integration: &str) -> bool {
        self.integrations.as_ref().is_none_or(|seen| seen.iter().any(|name| name == integration))
    }

    /// Demands a token that sees everything.
    ///
    /// # Errors
    /// 403 for one that is limited to a domain or to integrations.
    pub fn unrestricted(self) -> Result<Self, Problem> {
        if self.token.is_unrestricted() {
            return Ok(self);
        }
        Err(Problem::new(
            ProblemType::Forbidden,
            "Only an access token that no domain and no integration limits may do this.",
        ))
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}
