//! Questions with as many conditions as were asked for, so that each is planned for what it asks.

use tokio_postgres::types::ToSql;

/// A question and its values.
pub(super) struct Select<'a> {
    sql: String,
    values: Vec<Box<dyn ToSql + Send + Sync + 'a>>,
}

impl<'a> Select<'a> {
    pub(super) fn new(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), values: Vec::new() }
    }

    /// Adds text.
    pub(super) fn push(&mut self, text: &str) {
        self.sql.push_str(text);
    }

    /// Adds a value; returns how it is written.
    pub(super) fn bind(&mut self, value: impl ToSql + Send + Sync + 'a) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    /// Adds a condition, its value written `?`, if a value is asked for.
    pub(super) fn and(&mut self, condition: &str, value: Option<impl ToSql + Send + Sync + 'a>) {
        if let Some(value) = value {
            let bound = self.bind(value);
            self.push(" AND ");
            self.push(&condition.replacen('?', &bound, 1));
        }
    }

    /// Ends it with a limit.
    pub(super) fn limit(&mut self, limit: i64) {
        let bound = self.bind(limit);
        self.push(" LIMIT ");
        self.push(&bound);
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }
}
