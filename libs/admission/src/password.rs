//! Passwords: kept as argon2id hashes, made and compared a few at a time and off the threads that serve.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, Salt, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// The shortest password in characters.
pub const MIN_PASSWORD: usize = 8;
/// The longest password in bytes: more would only cost time.
pub const MAX_PASSWORD: usize = 1024;

/// Memory in KiB, passes and lanes, as the OWASP Password Storage Cheat Sheet recommends for argon2id.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);

/// How long one waits for a turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The hash of a password that nobody has: comparing with it takes as long as with any other.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5cyBzYWx0IQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Why a password was neither hashed nor compared.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many are being hashed.
    #[error("too many passwords are being hashed")]
    Busy,
    /// There is no randomness, no memory, or the hash is not one of ours.
    #[error("a password could not be hashed")]
    Failed,
}

/// Hashes passwords, and compares them.
#[derive(Clone)]
pub struct Passwords(Arc<Semaphore>);

impl Default for Passwords {
    /// As many at a time as there are processors: each takes 19 MiB and some hundredths of a second.
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(available_parallelism().map_or(1, NonZeroUsize::get))))
    }
}

impl Passwords {
    /// What is wrong with a password, if anything is.
    pub fn violation(password: &SecretString) -> Option<&'static str> {
        let password = password.expose_secret();
        let fits = password.chars().count() >= MIN_PASSWORD && password.len() <= MAX_PASSWORD;
        (!fits).then_some("must have 8 characters at least and 1024 bytes at most")
    }

    /// Hashes a password with a new salt; the hash is a PHC string.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(&self, password: SecretString) -> Result<SecretString, PasswordError> {
        let mut salt = [0; Salt::RECOMMENDED_LENGTH];
        aws_lc_rs::rand::fill(&mut salt).map_err(|_| PasswordError::Failed)?;
        let salt = SaltString::encode_b64(&salt).map_err(|_| PasswordError::Failed)?;
        self.work(move || {
            let hashed = argon2()?.hash_password(password.expose_secret().as_bytes(), &salt);
            Ok(hashed.map_err(|_| PasswordError::Failed)?.to_string().into())
        })
        .await
    }

    /// Whether a password is the one that was hashed; where there is none, it takes as long to say no.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn verify(&self, hash: Option<SecretString>, password: SecretString) -> Result<bool, PasswordError> {
        self.work(move || {
            let known = hash.as_ref().map_or(NOBODYS, |hash| hash.expose_secret());
            let known = PasswordHash::new(known).map_err(|_| PasswordError::Failed)?;
            let compared = argon2()?.verify_password(password.expose_secret().as_bytes(), &known);
            Ok(compared.is_ok() && hash.is_some())
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = tokio::time::timeout(PATIENCE, self.0.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| PasswordError::Busy)?.map_err(|_| PasswordError::Failed)?;
        // The turn ends with the work, also if nobody waits for it any more.
        let working = spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        working.await.map_err(|_| PasswordError::Failed)?
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passwords")
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(|_| PasswordError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_known_by_its_hash_and_no_other_is() {
        let passwords = Passwords::default();
        let (one, other) = (SecretString::from("correct horse"), SecretString::from("correct horsf"));
        let hash = passwords.hash(one.clone()).await.unwrap();
        let again = passwords.hash(one.clone()).await.unwrap();
        assert_ne!(hash.expose_secret(), again.expose_secret(), "each has a salt of its own");
        assert!(hash.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "OWASP's cost");
        for (known, password, is_right) in [
            (Some(hash.clone()), one.clone(), true),
            (Some(again), one.clone(), true),
            (Some(hash), other, false),
            (None, one, false),
        ] {
            assert_eq!(passwords.verify(known, password).await.unwrap(), is_right);
        }
        assert!(passwords.verify(Some("no hash".into()), "x".into()).await.is_err());
    }

    #[test]
    fn a_password_is_neither_short_nor_endless() {
        for (password, fits) in [
            ("1234567".to_owned(), false),
            ("12345678".to_owned(), true),
            ("пароль12".to_owned(), true),
            ("a".repeat(1024), true),
            ("a".repeat(1025), false),
        ] {
            assert_eq!(Passwords::violation(&password.clone().into()).is_none(), fits, "{password:?}");
        }
    }
}
