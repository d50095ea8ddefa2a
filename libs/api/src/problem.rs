//! Problems: RFC 9457 error answers that say what to do next and never quote what was sent.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use admission::{AppendError, Refused, RefusedKind, Unavailable};
use registration::quarantine::Violation;
use schemars::JsonSchema;
use serde::Serialize;

/// The stable types of problems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the slug and the title say it")]
pub enum ProblemType {
    MalformedBody,
    InvalidBody,
    InvalidQuery,
    AddressRefused,
    UnsupportedMediaType,
    RequestTimeout,
    BodyTooLarge,
    NotFound,
    MethodNotAllowed,
    TooManyRequests,
    Unauthorized,
    TokenRefused,
    Forbidden,
    Conflict,
    IdempotencyKeyReused,
    InProgress,
    CursorGone,
    KeyDestroyed,
    LinkGone,
    OutcomeUnknown,
    NotProjected,
    Unavailable,
    Internal,
}

impl ProblemType {
    /// Every type, for the OpenAPI document.
    pub const ALL: [Self; 23] = [
        Self::MalformedBody,
        Self::InvalidBody,
        Self::InvalidQuery,
        Self::AddressRefused,
        Self::UnsupportedMediaType,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::TooManyRequests,
        Self::Unauthorized,
        Self::TokenRefused,
        Self::Forbidden,
        Self::Conflict,
        Self::IdempotencyKeyReused,
        Self::InProgress,
        Self::CursorGone,
        Self::KeyDestroyed,
        Self::LinkGone,
        Self::OutcomeUnknown,
        Self::NotProjected,
        Self::Unavailable,
        Self::Internal,
    ];

    fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::MalformedBody => (400, "malformed-body", "The body is not strict JSON"),
            Self::InvalidBody => (422, "invalid-body", "The body breaks rules"),
            Self::InvalidQuery => (400, "invalid-query", "A query parameter is not understood"),
            Self::AddressRefused => (403, "address-refused", "The address is not allowed"),
            Self::UnsupportedMediaType => (415, "unsupported-media-type", "The media type is not JSON"),
            Self::RequestTimeout => (408, "request-timeout", "The request did not arrive in time"),
            Self::BodyTooLarge => (413, "body-too-large", "The body is too large"),
            Self::NotFound => (404, "not-found", "There is no such thing"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "The method is not allowed"),
            Self::TooManyRequests => (429, "too-many-requests", "Too many requests"),
            Self::Unauthorized => (401, "unauthorized", "A valid access token is needed"),
            Self::TokenRefused => (401, "token-refused", "The token is not believed"),
            Self::Forbidden => (403, "forbidden", "The access token does not allow this"),
            Self::Conflict => (409, "conflict", "The state does not allow this"),
            Self::IdempotencyKeyReused => {
                (422, "idempotency-key-reused", "The Idempotency-Key was used for another request")
            }
            Self::InProgress => (409, "in-progress", "The same request is being carried out"),
            Self::CursorGone => (410, "cursor-gone", "The cursor cannot be resumed"),
            Self::KeyDestroyed => (410, "key-destroyed", "The key was destroyed"),
            Self::LinkGone => (410, "link-gone", "The link is of no use any more"),
            Self::OutcomeUnknown => (504, "outcome-unknown", "The outcome is not known yet"),
            Self::NotProjected => (504, "not-projected", "The position is not projected yet"),
            Self::Unavailable => (503, "unavailable", "Not possible right now"),
            Self::Internal => (500, "internal", "Something is broken here"),
        }
    }

    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.parts().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The URI of the type.
    pub fn uri(self) -> String {
        format!("urn:regledger:problem:{}", self.parts().1)
    }

    /// The title.
    pub fn title(self) -> &'static str {
        self.parts().2
    }
}

/// The body of an error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub struct ProblemBody {
    /// Stable URI of the type of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The type in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened here, and what to do.
    pub detail: String,
    /// What is wrong with single fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Violation>,
    /// Where the refused notification is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quarantine_id: Option<String>,
    /// `partition:position` of the event whose outcome is not known yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
}

/// An error answer.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: ProblemType,
    body: Box<ProblemBody>,
    retry_after: Option<u32>,
    allow: Option<String>,
}

impl Problem {
    /// A problem; `detail` says what to do about it.
    pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
        let body = ProblemBody {
            kind: kind.uri(),
            title: kind.title().to_owned(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            quarantine_id: None,
            position: None,
        };
        Self { kind, body: Box::new(body), retry_after: None, allow: None }
    }

    /// There is nothing here, or nothing that this caller may see.
    pub fn not_found() -> Self {
        Self::new(ProblemType::NotFound, "There is nothing under this address, or nothing that this caller may see.")
    }

    /// The resource does not know the method, but these.
    pub fn method_not_allowed(allow: String) -> Self {
        let detail = "See /openapi.json for the methods of this resource.";
        let mut problem = Self::new(ProblemType::MethodNotAllowed, detail);
        problem.allow = Some(allow);
        problem
    }

    /// Something should be there and works again soon.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(ProblemType::Unavailable, detail).retry_after(1)
    }

    /// A query parameter that is not understood.
    pub fn query(detail: impl Into<String>) -> Self {
        Self::new(ProblemType::InvalidQuery, detail)
    }

    /// Lists what is wrong with single fields.
    #[must_use]
    pub fn errors(mut self, errors: Vec<Violation>) -> Self {
        self.body.errors = errors;
        self
    }

    /// Says where the refused notification is kept.
    #[must_use]
    pub fn quarantined(mut self, id: String) -> Self {
        self.body.quarantine_id = Some(id);
        self
    }

    /// Says which event's outcome is not known.
    #[must_use]
    pub fn position(mut self, place: impl fmt::Display) -> Self {
        self.body.position = Some(place.to_string());
        self
    }

    /// Says after how many seconds to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Whether it says where the refused notification is kept.
    pub fn is_quarantined(&self) -> bool {
        self.body.quarantine_id.is_some()
    }

    /// What happened here, and what to do.
    pub fn detail(&self) -> &str {
        &self.body.detail
    }

    /// The type.
    pub fn kind(&self) -> ProblemType {
        self.kind
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let kind = match refused.kind {
            RefusedKind::Malformed => ProblemType::MalformedBody,
            RefusedKind::Invalid => ProblemType::InvalidBody,
            RefusedKind::Address => ProblemType::AddressRefused,
            RefusedKind::Unverified => ProblemType::TokenRefused,
            // told only to whoever tries to release it
            RefusedKind::Acknowledged => ProblemType::InvalidBody,
        };
        Self::new(kind, refused.detail).errors(refused.violations)
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        if let Unavailable::Ledger(AppendError::Unacceptable { .. }) = error {
            return Self::new(
                ProblemType::InvalidBody,
                "It is too large for one ledger entry of 65,535 bytes; make it smaller.",
            );
        }
        tracing::warn!(error = &error as &dyn std::error::Error, "not recorded");
        Self::unavailable(
            "It could not be made durable, so it is not acknowledged. Send it again; \
             /readyz says what is wrong.",
        )
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.body.title, self.body.detail)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type("application/problem+json");
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if let Some(methods) = &self.allow {
            response.insert_header((ALLOW, methods.as_str()));
        }
        if self.status_code() == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        // By hand: `HttpResponse::json` keeps a content type only if it was set as a header value.
        response.body(serde_json::to_vec(&self.body).unwrap_or_default())
    }
}
