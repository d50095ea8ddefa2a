//! What is set, for the hub or for a domain, and taken back.

use serde_json::json;

use super::*;
use crate::change::Data;
use crate::directory::{SettingRow, setting_key};
use crate::row::Row;
use crate::story::second;

fn row(story: &Story, key: &str, domain: Option<&str>) -> SettingRow {
    match story.rows.get(&setting_key(key, domain)) {
        Some(Row::Setting(row)) => (**row).clone(),
        other => panic!("no setting {key} but {other:?}"),
    }
}

#[test]
fn a_change_of_a_setting_is_told_and_one_that_is_none_is_not() {
    Story::of(&[
        ("set webhook_events.user_create yes", "setting.changed"),
        ("set webhook_events.user_create no", "setting.changed"),
        ("unset webhook_events.user_create", "setting.changed"),
        ("unset webhook_events.user_create", "applied"),
        ("unset webhook_events.user_delete", "applied"),
        ("set webhook_events.user_create yes domain=default", "setting.changed"),
        ("set webhook_events.user_create yes domain=nowhere", "refused: DomainNotFound"),
        // what a newer executable knows is folded by this one too
        ("set of_the_future yes", "setting.changed"),
        ("set jwt_webhook.claims {} key=k1", "setting.changed"),
        ("set jwt_webhook.claims {} key=k1", "nothing"),
    ]);
}

#[test]
fn nothing_is_sent_unsigned() {
    Story::of(&[
        ("set jwt_webhook.url u1", "refused: KeyMissing"),
        ("set jwt_webhook.url u1 domain=default", "refused: KeyMissing"),
        ("set jwt_webhook.private_key k1 domain=default", "setting.changed"),
        ("set jwt_webhook.url u1", "refused: KeyMissing"),
        ("set jwt_webhook.url u1 domain=default", "setting.changed"),
        ("unset jwt_webhook.private_key domain=default", "refused: KeyMissing"),
        ("set jwt_webhook.private_key k2", "setting.changed"),
        ("unset jwt_webhook.private_key domain=default", "setting.changed"),
        ("set jwt_webhook.url u2", "setting.changed"),
        ("unset jwt_webhook.private_key", "refused: KeyMissing"),
        ("unset jwt_webhook.url", "setting.changed"),
        ("unset jwt_webhook.private_key", "setting.changed"),
    ]);
}

#[test]
fn a_replaced_key_is_served_until_its_tokens_have_ended() {
    let mut story = Story::new();
    story.tell("set jwt_webhook.private_key k1");
    story.tell("set jwt_webhook.private_key k2 until=20 at=10");
    story.tell("unset jwt_webhook.private_key until=22 at=12");
    let kids = |row: &SettingRow| row.previous.iter().map(|key| key.key["kid"].clone()).collect::<Vec<_>>();
    let first = row(&story, "jwt_webhook.private_key", None);
    assert_eq!((kids(&first), first.public_key()), (vec![json!("k1"), json!("k2")], None));
    assert_eq!(first.previous[1].until, second(22));
    story.tell("set jwt_webhook.private_key k3 at=21");
    let then = row(&story, "jwt_webhook.private_key", None);
    assert_eq!((kids(&then), then.public_key()), (vec![json!("k2")], Some(&json!({"kid": "k3"}))));
    for number in 4..30 {
        story.tell(&format!("set jwt_webhook.private_key k{number} until=900 at=30"));
    }
    assert_eq!(row(&story, "jwt_webhook.private_key", None).previous.len(), 8);
}

#[test]
fn a_change_says_which_setting_and_by_whom_and_never_its_value() {
    let mut story = Story::new();
    for line in ["set jwt_webhook.private_key canary", "set jwt_webhook.claims canary domain=default"] {
        let (placed, changes) = story.fold(line);
        let event = serde_json::to_value(changes[0].cloud_event("l1", &placed, 0)).unwrap();
        assert!(!event.to_string().contains("canary"), "{event}");
        let Data::Setting { setting } = &changes[0].data else { panic!("{event}") };
        assert_eq!((setting.changed_by.as_deref(), setting.is_set), (Some("token-1"), true));
        assert_eq!(event["source"], format!("/settings/{}", changes[0].row.id));
    }
}
