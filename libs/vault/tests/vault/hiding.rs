//! Nothing that is secret shows: not when values are printed, and not in the files.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};

use super::{Place, day, field, occurs, quarantined, tenant};

const CANARY: &[u8] = b"canary-7d1f0c55-secret";

#[tokio::test]
async fn printing_shows_no_key() {
    let place = Place::new();
    let vault = place.open().await;
    let key = vault.data_key(&tenant("provetcloud.com/1"), day(0)).await.unwrap();
    let text = fs::read_to_string(place.path("kek")).unwrap();
    let kek = BASE64.decode(text.trim_end().as_bytes()).unwrap();
    let shown = format!("{:?} {:#?} {vault:?} {vault:#?} {key:?} {key:#?}", place.kek(), place.kek());

    assert!(shown.contains(key.kid()), "what is printed is what is meant: {shown}");
    for form in [BASE64.encode(&kek), BASE64URL_NOPAD.encode(&kek), HEXLOWER.encode(&kek), format!("{kek:?}")] {
        assert!(!shown.contains(&form), "{shown}");
    }
    // What is not the key-encryption key cannot be named here, but would be long.
    let longest = shown.split(|c: char| !c.is_ascii_alphanumeric()).map(str::len).max();
    assert!(longest < Some(24), "{shown}");
    assert!(!shown.contains('['), "no list of bytes: {shown}");
}

#[tokio::test]
async fn nothing_of_a_plaintext_or_the_key_encryption_key_is_in_the_key_store() {
    let place = Place::new();
    let vault = place.open().await;
    for subject in [tenant("provetcloud.com/1"), quarantined("message", day(30))] {
        let key = vault.data_key(&subject, day(0)).await.unwrap();
        vault.seal(&key, &field("client_secret"), CANARY).unwrap();
    }
    vault.fingerprint("provetcloud.com/1", CANARY);
    let text = fs::read_to_string(place.path("kek")).unwrap();
    let kek = BASE64.decode(text.trim_end().as_bytes()).unwrap();
    vault.close().await;

    let mut files = 0;
    for entry in fs::read_dir(place.0.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("kek") {
            continue;
        }
        files += 1;
        let bytes = fs::read(&path).unwrap();
        assert!(!occurs(b"canary", &bytes), "{path:?}");
        assert!(!occurs(&kek, &bytes) && !occurs(text.trim_end().as_bytes(), &bytes), "{path:?}");
    }
    assert!(files > 0);
}

#[tokio::test]
async fn the_files_of_the_key_store_are_their_owners_alone() {
    let place = Place::new();
    let vault = place.open().await;
    vault.data_key(&tenant("provetcloud.com/1"), day(0)).await.unwrap();
    for name in ["keys.db", "keys.db-wal", "keys.db-shm"] {
        let mode = fs::metadata(place.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}
