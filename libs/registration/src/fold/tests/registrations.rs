//! Registrations: what makes a client, what changes one, what brings one back.

use serde_json::json;

use super::*;
use crate::story::LEDGER;

#[test]
fn a_first_notice_is_registered_alone_with_its_departments_inside() {
    let mut story = Story::new();
    let (placed, changes) = story.fold("notice [9,3]");
    let [change] = &changes[..] else { panic!("{changes:?}") };
    let event = serde_json::to_value(change.cloud_event(LEDGER, &placed, 0)).unwrap();
    let expected = json!({
        "specversion": "1.0",
        "id": "l1-0-2-0",
        "source": "/integrations/acme-lab",
        "type": "regledger.client.registered.v1",
        "subject": "provetcloud.com/1234",
        "time": second(2),
        "recordedtime": second(2),
        "partition": 0,
        "sequence": "00000000000000000002.0000",
        "datacontenttype": "application/json",
        "data": {"client": {
            "id": story.client().id,
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
            "position": 2,
            "registered_time": second(2),
            "changed_time": second(2),
        }},
    });
    assert_eq!(event, expected);
}

#[test]
fn a_change_says_which_fields_the_notice_changed() {
    for (notice, changes) in [
        ("notice", "nothing"),
        (r#"notice algorithm="HS256""#, "updated algorithm"),
        ("notice algorithm=null", "updated algorithm"),
        (r#"notice authorization_grant_type="authorization_code""#, "updated authorization_grant_type"),
        (r#"notice client_type="public""#, "updated client_type"),
        (r#"notice redirect_uris="https://example.com/other""#, "updated redirect_uris"),
        (r#"notice redirect_uris="\u0020https://example.com/callback\n""#, "nothing"),
        (r#"notice token_url="https://provetcloud.com/token""#, "updated token_url"),
        (r#"notice token_url="HTTPS://PROVETCLOUD.COM:443/token""#, "updated token_url"),
        (r#"notice authorize_url="https://provetcloud.com/x""#, "updated authorize_url"),
        (r#"notice openid_autodiscovery_url="https://x""#, "updated openid_autodiscovery_url"),
        ("notice secret=s2", "updated client_secret"),
        ("notice secret=null", "updated client_secret"),
        ("notice secret=s1,new", "nothing"),
        (
            r#"notice secret=s2 token_url="https://provetcloud.com/token" algorithm=null"#,
            "updated algorithm token_url client_secret",
        ),
    ] {
        Story::of(&[("notice", "registered"), (notice, changes), (notice, "nothing")]);
    }
}

#[test]
fn changes_come_in_the_order_that_the_design_names() {
    Story::of(&[
        ("notice [1]", "registered"),
        ("notice [2] secret=s2", "updated client_secret, departments_added [2] drift, departments_removed [1] drift"),
        ("notice -2 secret=s3", "updated client_secret, departments_removed [2], deactivated"),
        ("notice +4 secret=s4", "updated client_secret, departments_added [4], reactivated"),
        ("retire", "retired"),
        ("notice [] secret=s5", "updated client_secret, departments_removed [4] drift, reactivated, deactivated"),
    ]);
}

#[test]
fn a_client_is_told_apart_by_integration_host_provet_id_and_client_id() {
    for (notice, expected) in [
        ("notice provet_id=1234", "nothing"),
        ("notice provet_id=1234.0", "nothing"),
        ("notice provet_id=1.234e3", "nothing"),
        ("notice provet_id=12340E-1", "nothing"),
        ("notice provet_id=1235", "registered"),
        (r#"notice client_id="abd""#, "registered"),
        (r#"notice client_id="ABC""#, "registered"),
        (r#"notice client_id="\u0061bc""#, "nothing"),
        ("notice in=acme-pay", "registered"),
        (r#"notice token_url="https://us.provetcloud.com/1234/oauth2/token/""#, "registered"),
        (r#"notice token_url="https://provetcloud.com:8443/1234/oauth2/token/""#, "registered"),
        (r#"notice token_url="https://PROVETcloud.com:443/1234/oauth2/token/""#, "updated token_url"),
    ] {
        Story::of(&[("notice", "registered"), (notice, expected)]);
    }
}

#[test]
fn a_tenant_on_an_international_host_is_known_in_both_spellings() {
    Story::of(&[
        (r#"notice token_url="https://müller.example/t""#, "registered"),
        (r#"notice token_url="https://xn--mller-kva.example/t""#, "updated token_url"),
    ]);
}

#[test]
fn a_notice_to_a_retired_client_is_always_a_new_fact() {
    for (first, notice, changes, standing) in [
        ("notice", "notice", "reactivated", "null active"),
        ("notice", "notice []", "reactivated, deactivated", "[] inactive"),
        ("notice []", "notice []", "reactivated, deactivated", "[] inactive"),
        ("notice []", "notice +3", "departments_added [3], reactivated", "[3] active"),
        ("notice [1]", "notice [1]", "reactivated", "[1] active"),
        ("notice [1]", "notice -1", "departments_removed [1], reactivated, deactivated", "[] inactive"),
        ("notice [1]", "notice secret=s2", "updated client_secret, reactivated", "[1] active"),
        // also under a key that was seen
        ("notice [1] key=k1", "notice [1] key=k1", "reactivated", "[1] active"),
    ] {
        let story = Story::of(&[(first, "registered"), ("retire", "retired"), (notice, changes)]);
        assert_eq!(story.standing(), standing, "{notice} after {first}");
    }
}

#[test]
fn a_key_that_brought_a_client_back_is_remembered_once() {
    let story = Story::of(&[
        ("notice key=k1", "registered"),
        ("retire", "retired"),
        ("notice key=k1", "reactivated"),
        ("notice +3 key=k1", "nothing"),
    ]);
    assert_eq!(story.row("").idempotency_keys, ["k1"]);
}

#[test]
fn an_older_released_notice_brings_no_retired_client_back() {
    Story::of(&[
        ("notice at=50", "registered"),
        ("retire", "retired"),
        ("notice at=40 released=100", "refused: Superseded"),
        ("notice at=60 released=101", "reactivated"),
    ]);
}

#[test]
fn no_notice_removes_a_client() {
    let story = Story::of(&[
        ("notice [1,2]", "registered"),
        ("notice [] secret=null", "updated client_secret, departments_removed [1,2] drift, deactivated"),
    ]);
    assert!(!story.client().has_secret);
    assert_eq!(story.standing(), "[] inactive");
}

#[test]
fn a_row_keeps_where_it_began_and_says_where_it_changed() {
    let story = Story::of(&[
        ("notice", "registered"),
        ("notice", "nothing"),
        ("notice +1", "departments_added [1]"),
        ("notice", "nothing"),
    ]);
    let row = story.row("");
    assert_eq!((row.first_position, row.client.position), (2, 4));
}

#[test]
fn a_secret_is_known_again_after_its_fingerprint_key_was_rotated() {
    let story = Story::of(&[
        ("notice secret=old", "registered"),
        ("notice secret=old,new", "nothing"),
        ("notice secret=new", "nothing"),
        ("notice secret=other", "updated client_secret"),
    ]);
    let secret = story.row("").secret.as_ref().unwrap();
    assert_eq!(secret.sealed.sealed.fp, ["other"]);
}

#[test]
fn a_secret_is_kept_with_the_event_that_sealed_it() {
    let mut story = Story::new();
    let events = ["notice", "notice +3", "notice secret=s2"].map(|line| {
        let (placed, _) = story.fold(line);
        (placed.event.attributes.id, story.row("").secret.as_ref().unwrap().event)
    });
    let [first, again, other] = events;
    assert_eq!((first.1, again.1, other.1), (first.0, first.0, other.0), "the same secret stays in its first envelope");
    story.tell("notice secret=null");
    assert_eq!(story.row("").secret, None);
}

#[test]
fn a_notice_without_an_integration_registers_nobody() {
    let mut event = place(second(0), 0, "notice").event;
    event.attributes.integration_id = None;
    let placed = Placed::after(second(0), 0, 0, event);
    assert_eq!(placed.rows(), []);
    assert_eq!(fold(&mut Rows::default(), &placed), []);
}
