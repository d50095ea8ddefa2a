//! What happens to settings.

use crate::change::{Change, ChangeType, Data};
use crate::client::SealedSecret;
use crate::command::{Outcome, Refusal};
use crate::directory::{
    JWT_URL, PRIVATE_KEY, SetValue, SettingChange, SettingRow, SettingSet, SettingValue, Start, setting_key,
};
use crate::fold::Placed;
use crate::row::{Kind, Row, RowKey, Rows};

/// The rows that deciding about a setting needs: its own, its domain's, and those that it depends on or that depend on it.
pub(super) fn rows_of(set: &SettingSet) -> Vec<RowKey> {
    let domain = set.domain.as_deref();
    let own = [setting_key(&set.key, domain)].into_iter().chain(domain.map(|name| RowKey::new(Kind::Domain, name)));
    let others = match set.key.as_str() {
        JWT_URL => vec![setting_key(PRIVATE_KEY, domain), setting_key(PRIVATE_KEY, None)],
        PRIVATE_KEY => vec![setting_key(JWT_URL, domain), setting_key(PRIVATE_KEY, None)],
        _ => Vec::new(),
    };
    own.chain(others).collect()
}

/// Sets a setting, or takes it back. One that already is not set is not taken back again.
pub(super) fn set(rows: &mut Rows, placed: &Placed, set: &SettingSet, changes: &mut Vec<Change>) -> Outcome {
    let domain = set.domain.as_deref();
    let made = match domain.map(|name| rows.get(&RowKey::new(Kind::Domain, name))) {
        Some(Some(Row::Domain(domain))) => domain.position,
        Some(_) => return Outcome::Refused { reason: Refusal::DomainNotFound },
        None => 0,
    };
    if lacks_key(rows, set, made) {
        return Outcome::Refused { reason: Refusal::KeyMissing };
    }
    let key = setting_key(&set.key, domain);
    let before = match rows.take(&key) {
        Some(Row::Setting(mut row)) => {
            row.belong_since(made);
            Some(row)
        }
        _ => None,
    };
    if set.value.is_none() && before.as_ref().is_none_or(|row| row.value.is_none()) {
        rows.restore(&key, before.map(Row::Setting));
        return Outcome::Applied { id: key.id };
    }
    let row = changed(placed, set, before);
    changes.push(Change::setting(&key, &row.change));
    let id = key.id.clone();
    rows.put(key, Row::Setting(row));
    Outcome::Applied { id }
}

fn changed(placed: &Placed, set: &SettingSet, before: Option<Box<SettingRow>>) -> Box<SettingRow> {
    let attributes = &placed.event.attributes;
    let change = SettingChange {
        key: set.key.clone(),
        domain: set.domain.clone(),
        is_set: set.value.is_some(),
        changed_by: attributes.actor.clone(),
        changed_time: placed.recorded_time,
    };
    let position = before.as_ref().map_or(placed.position, |row| row.position);
    let mut row = before.unwrap_or_else(|| {
        let changed_position = placed.position;
        let (value, previous, start, end) = (None, Vec::new(), None, None);
        Box::new(SettingRow { change: change.clone(), value, previous, start, end, position, changed_position })
    });
    let was_on = row.is_on();
    row.keep_public_key(set.overlap_until, placed.recorded_time);
    row.value = set.value.clone().map(|value| match value {
        SettingValue::Plain(text) => SetValue::Plain(text),
        SettingValue::Secret { value, summary, public_key } => {
            SetValue::Secret { value: SealedSecret { event: attributes.id, sealed: value }, summary, public_key }
        }
    });
    match (was_on, row.is_on()) {
        (false, true) => row.start = Some(Start::new(placed.position, set.start.clone())),
        (true, false) => row.end = Some(placed.position),
        _ => {}
    }
    row.change = change;
    row.changed_position = placed.position;
    row
}

/// Nothing is sent unsigned: a URL needs a key, its domain's or the hub's, and a key is not taken from under its URL.
fn lacks_key(rows: &Rows, set: &SettingSet, made: u64) -> bool {
    let domain = set.domain.as_deref();
    let is_set = |key: &str, domain: Option<&str>| {
        let made = if domain.is_some() { made } else { 0 };
        let row = rows.get(&setting_key(key, domain));
        matches!(row, Some(Row::Setting(row)) if row.value.is_some() && row.changed_position >= made)
    };
    match (set.key.as_str(), &set.value) {
        (JWT_URL, Some(_)) => !is_set(PRIVATE_KEY, domain) && !is_set(PRIVATE_KEY, None),
        (PRIVATE_KEY, None) => is_set(JWT_URL, domain) && (domain.is_none() || !is_set(PRIVATE_KEY, None)),
        _ => false,
    }
}

impl Change {
    fn setting(row: &RowKey, setting: &SettingChange) -> Self {
        let data = Data::Setting { setting: Box::new(setting.clone()) };
        Self { kind: ChangeType::SettingChanged, row: row.clone(), data }
    }
}
