//! Records: what a change is in Kafka.
//!
//! In the topic of the changes a CloudEvent in binary content mode (Kafka protocol binding for CloudEvents 1.0.2, section 3.2):
//! its attributes are headers, its data is the value. In the topic of the clients the row after the change.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use kafka::KeyedRecord;
use registration::client::ClientState;
use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;

use crate::Topics;

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    client: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    state: ClientState,
}

/// The records of a change, byte for byte what the store keeps.
///
/// # Errors
/// If it is not a change.
pub(crate) fn of(body: &Bytes, topics: &Topics) -> Result<Vec<KeyedRecord>, serde_json::Error> {
    let mut attributes: BTreeMap<&str, &RawValue> = serde_json::from_slice(body)?;
    let data = attributes.remove("data").ok_or_else(|| serde_json::Error::missing_field("data"))?.get();
    let subject = attributes.get("subject").ok_or_else(|| serde_json::Error::missing_field("subject"))?;
    let mut records = vec![KeyedRecord {
        topic: topics.changes.clone(),
        // The tenant; where there is none, the name of the row.
        key: serde_json::from_str::<String>(subject.get())?.into(),
        headers: headers(&attributes)?,
        value: Some(body.slice_ref(data.as_bytes())),
    }];
    let data: Data<'_> = serde_json::from_str(data)?;
    if let Some(client) = data.client {
        let row: Row<'_> = serde_json::from_str(client.get())?;
        let is_erased = row.state == ClientState::Erased;
        records.push(KeyedRecord {
            topic: topics.clients.clone(),
            key: Bytes::copy_from_slice(row.id.as_bytes()),
            headers: Vec::new(),
            value: (!is_erased).then(|| body.slice_ref(client.get().as_bytes())),
        });
    }
    Ok(records)
}

fn headers(attributes: &BTreeMap<&str, &RawValue>) -> Result<Vec<(String, String)>, serde_json::Error> {
    let headers = attributes.iter().map(|(name, value)| {
        let name = match *name {
            "datacontenttype" => "content-type".to_owned(),
            name => format!("ce_{name}"),
        };
        Ok((name, text(value)?))
    });
    headers.collect()
}

/// The canonical string of an attribute's value, which JSON has as a string, a number or a boolean.
fn text(value: &RawValue) -> Result<String, serde_json::Error> {
    match value.get() {
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted),
        plain => Ok(plain.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use kafka::Connection;
    use serde_json::{Value, json};

    use super::*;

    fn topics() -> Topics {
        Topics {
            connection: Connection::new("127.0.0.1:1", &BTreeMap::new()).unwrap(),
            events: "events".to_owned(),
            changes: "changes".into(),
            clients: "clients".into(),
            publisher: "publisher".to_owned(),
            partitions: 2,
            risk_accepted: false,
        }
    }

    fn change(kind: &str, subject: &str, data: &Value) -> Bytes {
        let change = json!({
            "specversion": "1.0", "id": "l-1-17-0", "source": "/integrations/acme-lab", "type": kind, "subject": subject,
            "time": "2026-11-23T08:00:00Z", "recordedtime": "2026-11-23T08:00:00Z", "partition": 1,
            "sequence": "00000000000000000017.0000", "datacontenttype": "application/json", "data": data,
        });
        change.to_string().into()
    }

    fn records(kind: &str, subject: &str, data: &Value) -> Vec<KeyedRecord> {
        of(&change(kind, subject, data), &topics()).unwrap()
    }

    fn client(state: &str) -> Value {
        json!({"client": {"id": "c1", "tenant": "provetcloud.com/1", "state": state}, "fields": ["algorithm"]})
    }

    #[test]
    fn a_change_is_a_cloud_event_in_binary_mode_whose_key_is_the_tenant() {
        let data = client("active");
        let records = records("regledger.client.updated.v1", "provetcloud.com/1", &data);
        assert_eq!((&*records[0].topic, &records[0].key[..]), ("changes", &b"provetcloud.com/1"[..]));
        assert_eq!(records[0].value.as_deref().unwrap(), data.to_string().as_bytes());
        let headers: BTreeMap<&str, &str> =
            records[0].headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected = [
            ("ce_id", "l-1-17-0"),
            ("ce_partition", "1"),
            ("ce_recordedtime", "2026-11-23T08:00:00Z"),
            ("ce_sequence", "00000000000000000017.0000"),
            ("ce_source", "/integrations/acme-lab"),
            ("ce_specversion", "1.0"),
            ("ce_subject", "provetcloud.com/1"),
            ("ce_time", "2026-11-23T08:00:00Z"),
            ("ce_type", "regledger.client.updated.v1"),
            ("content-type", "application/json"),
        ];
        assert_eq!(headers, BTreeMap::from(expected));
    }

    #[test]
    fn the_row_after_the_change_replaces_the_one_before() {
        let data = client("retired");
        let records = records("regledger.client.retired.v1", "provetcloud.com/1", &data);
        assert_eq!((&*records[1].topic, &records[1].key[..]), ("clients", &b"c1"[..]));
        assert_eq!(records[1].value.as_deref().unwrap(), data["client"].to_string().as_bytes());
        assert_eq!(records[1].headers, []);
    }

    #[test]
    fn an_erased_client_leaves_a_tombstone() {
        let records = records("regledger.client.erased.v1", "provetcloud.com/1", &client("erased"));
        assert_eq!(records.iter().map(|record| record.value.is_some()).collect::<Vec<_>>(), [true, false]);
        assert_eq!(&records[1].key[..], b"c1");
    }

    #[test]
    fn what_happens_to_something_else_is_a_change_alone() {
        let data = json!({"integration": {"name": "acme-lab"}});
        let records = records("regledger.integration.created.v1", "acme-lab", &data);
        assert_eq!(records.len(), 1);
        assert_eq!(&records[0].key[..], b"acme-lab");
    }

    #[test]
    fn what_is_no_change_is_an_error() {
        for body in ["", "{}", r#"{"subject":"x"}"#, r#"{"subject":"x","data":{"client":{"id":"c1"}}}"#] {
            assert!(of(&Bytes::from_static(body.as_bytes()), &topics()).is_err(), "{body}");
        }
    }
}
