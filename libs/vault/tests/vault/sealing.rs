//! Envelopes: they open where they were sealed, and nowhere else.

use data_encoding::BASE64;
use proptest::prelude::*;
use registration::Envelope;
use rstest::rstest;
use uuid::Uuid;
use vault::{Context, Subject, UnsealError, Vault};

use super::{EVENT, Place, day, field, quarantined, tenant};

async fn seal(vault: &Vault, subject: &Subject, context: &Context<'_>, plaintext: &[u8]) -> Envelope {
    let key = vault.data_key(subject, day(0)).await.unwrap();
    vault.seal(&key, context, plaintext).unwrap()
}

#[test]
fn what_was_sealed_opens() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let place = Place::new();
    let vault = runtime.block_on(place.open());
    proptest!(|(name in ".{0,40}", event: u128, at in ".{0,20}", plaintext: Vec<u8>)| {
        let context = Context { event: Uuid::from_u128(event), field: &at };
        for subject in [tenant(&name), quarantined(&name, day(30))] {
            let opened = runtime.block_on(async {
                let envelope = seal(&vault, &subject, &context, &plaintext).await;
                vault.open_envelope(&subject, &context, &envelope).await
            });
            prop_assert_eq!(&*opened.unwrap(), &plaintext);
        }
    });
}

#[rstest]
#[case::another_tenant(tenant("provetcloud.com/2"), EVENT, "client_secret")]
#[case::a_message_of_the_same_name(quarantined("provetcloud.com/1", day(30)), EVENT, "client_secret")]
#[case::another_event(tenant("provetcloud.com/1"), Uuid::from_u128(3), "client_secret")]
#[case::another_field(tenant("provetcloud.com/1"), EVENT, "unknown")]
#[case::a_longer_field(tenant("provetcloud.com/1"), EVENT, "client_secrets")]
#[case::no_field(tenant("provetcloud.com/1"), EVENT, "")]
#[tokio::test]
async fn an_envelope_opens_nowhere_else(#[case] subject: Subject, #[case] event: Uuid, #[case] name: &str) {
    let place = Place::new();
    let vault = place.open().await;
    let envelope = seal(&vault, &tenant("provetcloud.com/1"), &field("client_secret"), b"secret").await;
    vault.data_key(&subject, day(0)).await.unwrap();
    let opened = vault.open_envelope(&subject, &Context { event, field: name }, &envelope).await;
    assert!(matches!(opened, Err(UnsealError::Tampered)), "{opened:?}");
}

#[tokio::test]
async fn the_key_of_another_subject_does_not_open_even_if_the_envelope_names_it() {
    let place = Place::new();
    let vault = place.open().await;
    let (one, other) = (tenant("provetcloud.com/1"), tenant("provetcloud.com/2"));
    let mut envelope = seal(&vault, &one, &field("client_secret"), b"secret").await;
    envelope.kid = vault.data_key(&other, day(0)).await.unwrap().kid().to_owned();
    for subject in [one, other] {
        let opened = vault.open_envelope(&subject, &field("client_secret"), &envelope).await;
        assert!(matches!(opened, Err(UnsealError::Tampered)), "{subject:?}: {opened:?}");
    }
}

#[tokio::test]
async fn a_tampered_byte_does_not_open() {
    let place = Place::new();
    let vault = place.open().await;
    let (subject, context) = (tenant("provetcloud.com/1"), field("client_secret"));
    let sealed = seal(&vault, &subject, &context, b"secret").await;
    let (nonce, ct) = (sealed.nonce.as_bytes(), sealed.ct.as_bytes());
    let (nonce, ct) = (BASE64.decode(nonce).unwrap(), BASE64.decode(ct).unwrap());
    for bit in 0..8 * (nonce.len() + ct.len()) {
        let mut bytes = [nonce.as_slice(), &ct].concat();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (nonce, ct) = bytes.split_at(nonce.len());
        let tampered = Envelope { nonce: BASE64.encode(nonce), ct: BASE64.encode(ct), ..sealed.clone() };
        let opened = vault.open_envelope(&subject, &context, &tampered).await;
        assert!(matches!(opened, Err(UnsealError::Tampered)), "bit {bit}: {opened:?}");
    }
}

#[rstest]
#[case::another_algorithm(|e: &mut Envelope| e.alg = "A128GCM".to_owned())]
#[case::no_nonce(|e: &mut Envelope| e.nonce.clear())]
#[case::a_longer_nonce(|e: &mut Envelope| e.nonce.push_str("AAAA"))]
#[case::not_base64(|e: &mut Envelope| e.ct.replace_range(..1, "!"))]
#[case::no_ciphertext(|e: &mut Envelope| e.ct.clear())]
#[case::less_than_a_tag(|e: &mut Envelope| e.ct.truncate(4))]
#[tokio::test]
async fn what_is_no_envelope_of_ours_does_not_open(#[case] spoil: fn(&mut Envelope)) {
    let place = Place::new();
    let vault = place.open().await;
    let (subject, context) = (tenant("provetcloud.com/1"), field("client_secret"));
    let mut envelope = seal(&vault, &subject, &context, b"secret").await;
    spoil(&mut envelope);
    let opened = vault.open_envelope(&subject, &context, &envelope).await;
    assert!(matches!(opened, Err(UnsealError::Tampered)), "{opened:?}");
}

#[tokio::test]
async fn an_envelope_of_an_unknown_key_says_so() {
    let place = Place::new();
    let vault = place.open().await;
    let (subject, context) = (tenant("provetcloud.com/1"), field("client_secret"));
    let mut envelope = seal(&vault, &subject, &context, b"secret").await;
    envelope.kid = "elsewhere".to_owned();
    let opened = vault.open_envelope(&subject, &context, &envelope).await;
    assert!(matches!(opened, Err(UnsealError::NoKey)), "{opened:?}");
}

#[tokio::test]
async fn the_same_plaintext_is_sealed_differently_each_time() {
    let place = Place::new();
    let vault = place.open().await;
    let subject = tenant("provetcloud.com/1");
    let one = seal(&vault, &subject, &field("client_secret"), b"secret").await;
    let other = seal(&vault, &subject, &field("client_secret"), b"secret").await;
    assert_eq!(one.kid, other.kid);
    assert!(one.nonce != other.nonce && one.ct != other.ct);
}

#[tokio::test]
async fn a_fingerprint_stays_the_same_when_the_vault_is_opened_again() {
    let place = Place::new();
    let first = place.open().await.fingerprint("provetcloud.com/1", b"secret");
    let again = place.open().await.fingerprint("provetcloud.com/1", b"secret");
    assert_eq!(first, again);
    let elsewhere = Place::new().open().await.fingerprint("provetcloud.com/1", b"secret");
    assert_ne!(first, elsewhere, "the key is the ledger's own");
}

#[tokio::test]
async fn what_was_sealed_for_a_shredded_subject_never_opens_again_and_no_other_is_hurt() {
    let place = Place::new();
    let vault = place.open().await;
    let user = |id: &str| Subject::User(id.to_owned());
    for (subject, others) in [(user("1"), [user("2"), tenant("1")]), (tenant("3"), [tenant("4"), user("3")])] {
        let envelope = seal(&vault, &subject, &field("name"), b"ann").await;
        let mut kept = Vec::new();
        for other in others {
            let envelope = seal(&vault, &other, &field("name"), b"bob").await;
            kept.push((other, envelope));
        }
        assert_eq!(vault.shred(&subject).await.unwrap(), 1, "{subject:?}");
        assert_eq!(vault.shred(&subject).await.unwrap(), 0, "{subject:?} again");
        for vault in [&vault, &place.open().await] {
            let opened = vault.open_envelope(&subject, &field("name"), &envelope).await;
            assert!(matches!(opened, Err(UnsealError::NoKey)), "{subject:?}: {opened:?}");
            let key = vault.key_of(&subject, &envelope).await;
            assert!(matches!(key, Err(UnsealError::NoKey)), "{subject:?}");
            for (other, envelope) in &kept {
                let opened = vault.open_envelope(other, &field("name"), envelope).await;
                assert_eq!(opened.unwrap().as_slice(), b"bob", "{other:?}");
            }
        }
    }
}

#[tokio::test]
async fn more_is_sealed_with_the_key_of_what_was_sealed_before() {
    let place = Place::new();
    let vault = place.open().await;
    let subject = Subject::User("1".to_owned());
    let first = seal(&vault, &subject, &field("name"), b"ann").await;
    let key = vault.key_of(&subject, &first).await.unwrap();
    let second = vault.seal(&key, &field("email"), b"ann@example.com").unwrap();
    assert_eq!(second.kid, first.kid);
    let opened = vault.open_envelope(&subject, &field("email"), &second).await.unwrap();
    assert_eq!(opened.as_slice(), b"ann@example.com");
}

#[tokio::test]
async fn an_index_stays_the_same_when_the_vault_is_opened_again() {
    let place = Place::new();
    let index = place.open().await.index("domain", "ann");
    assert_eq!(index, place.open().await.index("domain", "ann"));
    assert_ne!(index, Place::new().open().await.index("domain", "ann"), "the key is the ledger's own");
}
