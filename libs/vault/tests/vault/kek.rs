//! Where the key-encryption key comes from.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use rstest::rstest;
use tempfile::TempDir;
use vault::{Kek, KekError, SqliteKeys, Vault};

use super::{LEDGER, Place};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn read(text: &str, mode: u32) -> Result<Kek, KekError> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kek");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    Kek::from_file(&path)
}

fn command(script: &str) -> Result<Kek, KekError> {
    Kek::from_command(&["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()])
}

/// Both keys open the same key store.
async fn same(one: Kek, other: Kek) -> bool {
    let folder = TempDir::new().unwrap();
    let keys = Arc::new(SqliteKeys::open(&folder.path().join("keys.db")).unwrap());
    Vault::open(keys.clone(), one, LEDGER).await.unwrap();
    Vault::open(keys, other, LEDGER).await.is_ok()
}

#[rstest]
#[case::bare(KEY.to_owned())]
#[case::newline(format!("{KEY}\n"))]
#[case::windows_newline(format!("{KEY}\r\n"))]
#[tokio::test]
async fn a_key_is_base64_with_or_without_a_newline(#[case] text: String) {
    assert!(same(read(&text, 0o600).unwrap(), read(KEY, 0o400).unwrap()).await);
}

#[rstest]
#[case::empty("")]
#[case::short("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==")]
#[case::long("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g")]
#[case::unpadded("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")]
#[case::not_canonical("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=")]
#[case::not_base64("!!ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")]
#[case::hexadecimal("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f")]
#[case::two_newlines("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n")]
#[case::two_keys("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")]
fn anything_else_is_not_a_key(#[case] text: &str) {
    let error = read(text, 0o600).unwrap_err();
    assert!(matches!(error, KekError::NotAKey { .. }), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(text.is_empty() || !shown.contains(text.trim()), "{shown}");
}

#[rstest]
#[case(0o600, true)]
#[case(0o400, true)]
#[case(0o640, false)]
#[case(0o604, false)]
#[case(0o610, false)]
#[case(0o666, false)]
fn a_key_file_that_others_may_open_is_refused(#[case] mode: u32, #[case] taken: bool) {
    match read(KEY, mode) {
        Ok(_) => assert!(taken),
        Err(KekError::Exposed { mode: found, .. }) => assert!(!taken && found == mode),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_missing_key_file_is_told_from_an_unreadable_one() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let missing = Kek::from_file(&folder.path().join("kek"));
    assert!(matches!(missing, Err(KekError::Missing { .. })), "{missing:?}");
    let unreadable = Kek::from_file(folder.path());
    assert!(matches!(unreadable, Err(KekError::File { .. })), "a folder: {unreadable:?}");
}

#[tokio::test]
async fn a_new_key_file_is_its_owners_alone_and_gives_the_key_it_was_made_with() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kek");
    let made = Kek::create_file(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(same(made, Kek::from_file(&path).unwrap()).await);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft stays behind");
}

#[test]
fn a_key_file_is_never_overwritten() {
    let place = Place::new();
    let before = fs::read(place.path("kek")).unwrap();
    let again = Kek::create_file(&place.path("kek"));
    assert!(matches!(again, Err(KekError::Exists { .. })));
    assert_eq!(fs::read(place.path("kek")).unwrap(), before);
    assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 1, "no draft stays behind");
}

#[tokio::test]
async fn of_several_that_make_a_key_file_at_once_one_does_and_all_read_the_same() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kek");
    let made = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| Kek::create_file(&path))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let (made, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    assert!(refused.iter().all(|result| matches!(result, Err(KekError::Exists { .. }))));
    for kek in made {
        assert!(same(kek.unwrap(), Kek::from_file(&path).unwrap()).await);
    }
}

#[tokio::test]
async fn a_command_gives_the_key_on_its_standard_output() {
    let kek = command(&format!("echo {KEY}")).unwrap();
    assert!(same(kek, read(KEY, 0o600).unwrap()).await);
}

#[test]
fn a_command_that_fails_gives_no_key() {
    for script in [format!("echo {KEY}; exit 3"), format!("echo {KEY}; kill -9 $$")] {
        let error = command(&script).unwrap_err();
        assert!(matches!(error, KekError::CommandFailed { .. }), "{script}: {error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(KEY), "{shown}");
    }
}

#[test]
fn a_command_that_cannot_be_run_or_says_something_else_gives_no_key() {
    assert!(matches!(Kek::from_command(&[]), Err(KekError::NoCommand)));
    let nowhere = Kek::from_command(&["/nowhere/to/be/found".to_owned()]);
    assert!(matches!(nowhere, Err(KekError::Command { .. })));
    assert!(matches!(command("echo not a key"), Err(KekError::NotAKey { .. })));
    assert!(matches!(command("true"), Err(KekError::NotAKey { .. })));
}
