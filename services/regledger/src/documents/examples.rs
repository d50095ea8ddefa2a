//! Examples that stand in the documents.

use api::ProblemType;
use serde_json::{Value, json};

/// A registration notice: department 3 adds an integration that 9 has already.
pub(super) fn notice() -> Value {
    json!({
        "provet_id": 1234,
        "client_id": "abc",
        "client_secret": "a-secret-that-is-sealed-before-it-is-written",
        "algorithm": "RS256",
        "authorization_grant_type": "client_credentials",
        "client_type": "confidential",
        "redirect_uris": "https://example.com/callback",
        "token_url": "https://provetcloud.com/1234/oauth2/token/",
        "authorize_url": "https://provetcloud.com/1234/oauth2/authorize/",
        "openid_autodiscovery_url": null,
        "departments": [3, 9],
        "added_department": 3
    })
}

/// The client that came of it.
pub(super) fn client() -> Value {
    let mut client = client_in_change();
    client["domain"] = json!("default");
    client["latest"] = json!(true);
    client
}

/// A change knows neither of what is joined nor of what is computed when a row is read.
fn client_in_change() -> Value {
    json!({
        "id": "cmfzxq2ljnrwgk4tvpb3s7ahe",
        "integration": "acme-lab",
        "tenant": "provetcloud.com/1234",
        "provet_id": 1234,
        "client_id": "abc",
        "algorithm": "RS256",
        "authorization_grant_type": "client_credentials",
        "client_type": "confidential",
        "redirect_uris": ["https://example.com/callback"],
        "token_url": "https://provetcloud.com/1234/oauth2/token/",
        "authorize_url": "https://provetcloud.com/1234/oauth2/authorize/",
        "openid_autodiscovery_url": null,
        "has_secret": true,
        "departments": [3, 9],
        "state": "active",
        "partition": 0,
        "position": 17,
        "registered_time": "2026-11-02T08:15:00Z",
        "changed_time": "2026-11-23T09:30:00.25Z"
    })
}

/// What the notice changed.
pub(super) fn change() -> Value {
    json!({
        "specversion": "1.0",
        "id": "0198c5a47b1e7c3ab2d1f0e9a8b7c6d5-0-17-0",
        "source": "/integrations/acme-lab",
        "type": "regledger.client.departments_added.v1",
        "subject": "provetcloud.com/1234",
        "time": "2026-11-23T09:30:00.25Z",
        "recordedtime": "2026-11-23T09:30:00.25Z",
        "partition": 0,
        "sequence": "00000000000000000017.0000",
        "datacontenttype": "application/json",
        "data": { "client": client_in_change(), "departments": [3], "drift": false }
    })
}

/// Where it is durable.
pub(super) fn receipt() -> Value {
    json!({
        "event_id": "019ab0e1-6c00-7d4e-9f3a-5b2c8e7d1a60",
        "partition": 0,
        "position": 17,
        "leaf_hash": "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=",
        "recorded_time": "2026-11-23T09:30:00.25Z"
    })
}

/// What is answered where a field breaks a rule.
pub(super) fn problem() -> Value {
    let kind = ProblemType::InvalidBody;
    json!({
        "type": kind.uri(),
        "title": kind.title(),
        "status": kind.status().as_u16(),
        "detail": "Fields break rules; mend those that are listed.",
        "errors": [{
            "pointer": "/name",
            "detail": "must be 1 to 63 of a-z, 0-9 and -, and not begin with -"
        }]
    })
}

/// The change as a server-sent event.
pub(super) fn server_sent_event() -> String {
    format!("id: MSAwMTk4YzVhNCAxNy4x\nevent: client.departments_added\ndata: {}\n\n", change())
}
