//! Pages: lists answer `{"items":[…],"next":…}`, where `next` is the path of the next page.

use actix_web::HttpRequest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use utoipa::IntoParams;

use crate::Problem;

/// Items on a page if nobody says otherwise.
const DEFAULT_LIMIT: usize = 100;
/// Items on a page at most.
const MAX_LIMIT: usize = 1000;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Path and query of the next page; null at the end.
    pub next: Option<String>,
}

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageParameters {
    /// Items on the page, 1 to 1000; 100 by default.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<usize>,
    /// Where the page begins. It is within `next`, the address of the next page: follow that as it is.
    pub after: Option<String>,
    /// Wait until PARTITION:POSITION is projected, up to 5 seconds.
    pub min_position: Option<String>,
}

impl PageParameters {
    /// The position at which the page begins, for lists in the order of the ledger.
    ///
    /// # Errors
    /// 400 if `after` was not taken from `next`.
    pub fn position(&self) -> Result<u64, Problem> {
        let after = self.after.as_deref().map(str::parse).transpose();
        let after = after.map_err(|_| Problem::query("`after` must be taken from a page's `next`."));
        Ok(after?.unwrap_or_default())
    }
}

/// The number of items asked for.
///
/// # Errors
/// 400 for 0 and for more than 1000.
pub fn limit(asked: Option<usize>) -> Result<usize, Problem> {
    match asked.unwrap_or(DEFAULT_LIMIT) {
        limit @ 1..=MAX_LIMIT => Ok(limit),
        _ => Err(Problem::query(format!("`limit` must be between 1 and {MAX_LIMIT}."))),
    }
}

impl<T> Page<T> {
    /// A page from up to `limit + 1` items: the one too many says that there is a next page, which
    /// begins after the last item kept.
    pub fn of(mut items: Vec<T>, limit: usize, request: &HttpRequest, after: impl FnOnce(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| next_path(request, &after(last)));
        Self { items, next }
    }

    /// The same page with its items turned into others.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(turn).collect(), next: self.next }
    }
}

/// Path and query of the page that begins after `after`.
pub fn next_path(request: &HttpRequest, after: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let pairs = form_urlencoded::parse(request.query_string().as_bytes());
    query.extend_pairs(pairs.filter(|(name, _)| name != "after"));
    query.append_pair("after", after);
    format!("{}?{}", request.path(), query.finish())
}
