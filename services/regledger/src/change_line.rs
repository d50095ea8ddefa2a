//! A change in one line, for people who watch.

use serde_json::Value;

use crate::output::printable;

/// A change, or a row of a snapshot, in one line: time, what happened, to whom, and where it stands in the ledger.
pub fn change_line(change: &Value) -> String {
    joined(&[time(change), kind(change), &subject(change), &details(change), &place(change)])
}

/// A change in a line that fits a narrow terminal: time of day, what happened, to whom.
pub fn short_line(change: &Value) -> String {
    let time = time(change).split('T').next_back().unwrap_or_default();
    joined(&[time, kind(change), text(change, "/subject"), &changed(change)])
}

/// The time to the second.
fn time(change: &Value) -> &str {
    text(change, "/recordedtime").split('.').next().unwrap_or_default().trim_end_matches('Z')
}

fn kind(change: &Value) -> &str {
    let kind = text(change, "/type");
    let kind = kind.strip_prefix("regledger.").unwrap_or(kind);
    kind.rsplit_once(".v").map_or("snapshot", |(short, _)| short)
}

fn joined(parts: &[&str]) -> String {
    let padded = parts.iter().enumerate().map(|(index, part)| match index {
        1 => format!("{part:<26}"),
        _ => (*part).to_owned(),
    });
    let said: Vec<_> = padded.filter(|part| !part.trim().is_empty()).collect();
    printable(said.join("  ").trim_end())
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The row of a client: a change's, or of a snapshot the whole.
fn client(change: &Value) -> Option<&Value> {
    let bare = || Some(change).filter(|row| row.get("client_id").is_some());
    change.pointer("/data/client").or_else(bare)
}

fn subject(change: &Value) -> String {
    match client(change) {
        Some(row) => {
            format!("{}  {}  {}", text(row, "/integration"), text(row, "/tenant"), text(row, "/client_id"))
        }
        None => text(change, "/subject").to_owned(),
    }
}

/// Which departments came or went, or which fields are others.
fn changed(change: &Value) -> String {
    let mark = if text(change, "/type").contains("removed") { '-' } else { '+' };
    let list = |name: &str| change.pointer(name).and_then(Value::as_array).into_iter().flatten();
    let departments: Vec<_> = list("/data/departments").map(|id| format!("{mark}{id}")).collect();
    let fields: Vec<_> = list("/data/fields").filter_map(Value::as_str).collect();
    if fields.is_empty() { departments.join(" ") } else { format!("changed {}", fields.join(", ")) }
}

fn details(change: &Value) -> String {
    let mut said = vec![changed(change)];
    if let Some(row) = client(change) {
        if let Some(ids) = row.get("departments").and_then(Value::as_array) {
            let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
            said.push(format!("departments [{}]", ids.join(",")));
        }
        said.push(text(row, "/state").to_owned());
    }
    if change.pointer("/data/drift") == Some(&Value::Bool(true)) {
        said.push("drift".to_owned());
    }
    said.retain(|part| !part.is_empty());
    said.join("  ")
}

/// `0:17.1`: partition, position, and ordinal if it is not the first change of its event.
fn place(change: &Value) -> String {
    let (Some(partition), Some((position, ordinal))) =
        (change.get("partition").and_then(Value::as_u64), text(change, "/sequence").split_once('.'))
    else {
        return String::new();
    };
    let number = |digits: &str| digits.parse::<u64>().unwrap_or_default();
    match number(ordinal) {
        0 => format!("{partition}:{}", number(position)),
        ordinal => format!("{partition}:{}.{ordinal}", number(position)),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn client() -> Value {
        json!({"integration": "acme-lab", "tenant": "provetcloud.com/1234", "client_id": "abc",
               "departments": [3, 9], "state": "active"})
    }

    fn change(kind: &str, data: Value) -> Value {
        json!({"type": format!("regledger.{kind}.v1"), "recordedtime": "2026-11-23T10:00:00.123Z", "partition": 0,
               "sequence": "00000000000000000017.0001", "subject": "provetcloud.com/1234", "data": data})
    }

    #[rstest]
    #[case::departments(
        change("client.departments_added", json!({"client": client(), "departments": [3], "drift": true})),
        "2026-11-23T10:00:00  client.departments_added    acme-lab  provetcloud.com/1234  abc  +3  departments [3,9]  active  drift  0:17.1"
    )]
    #[case::updated(
        change("client.updated", json!({"client": client(), "fields": ["client_secret"]})),
        "2026-11-23T10:00:00  client.updated              acme-lab  provetcloud.com/1234  abc  changed client_secret  departments [3,9]  active  0:17.1"
    )]
    #[case::directory(
        change("integration.created", json!({"integration": {"name": "acme-lab"}})),
        "2026-11-23T10:00:00  integration.created         provetcloud.com/1234  0:17.1"
    )]
    #[case::snapshot(
        client(),
        "snapshot                    acme-lab  provetcloud.com/1234  abc  departments [3,9]  active"
    )]
    fn a_change_is_one_line(#[case] change: Value, #[case] expected: &str) {
        assert_eq!(change_line(&change), expected);
    }

    #[test]
    fn a_short_line_fits_a_narrow_terminal() {
        let updated = change("client.updated", json!({"client": client(), "fields": ["client_secret"]}));
        assert_eq!(
            short_line(&updated),
            "10:00:00  client.updated              provetcloud.com/1234  changed client_secret"
        );
        let added = change("client.departments_added", json!({"client": client(), "departments": [3, 9]}));
        assert_eq!(short_line(&added), "10:00:00  client.departments_added    provetcloud.com/1234  +3 +9");
    }
}
