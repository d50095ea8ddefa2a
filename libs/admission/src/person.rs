//! What is personal about a user: sealed under the user's own key before anything is appended, and opened at the edge alone.

use std::fmt;

use registration::client::SealedSecret;
use registration::directory::{UserRow, UserState, normalise};
use registration::row::short_hash;
use registration::{Envelope, Sealed};
use secrecy::SecretString;
use uuid::Uuid;
use vault::{Context, DataKey, Subject, UnsealError};

use crate::{Admission, DirectoryView, Draft, PasswordError, Passwords, Unavailable};

/// The fields of a user's events in whose places envelopes stand.
const NAME: &str = "name";
const EMAIL: &str = "email";
const PASSWORD: &str = "password";

/// What is personal about a user.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The name as it was written.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Person(..)")
    }
}

/// Why nobody knows whether a user may sign in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The password's hash does not open.
    #[error("the hash of a password cannot be opened")]
    Shut(#[from] UnsealError),
    /// The password cannot be compared.
    #[error("a password cannot be compared")]
    Password(#[from] PasswordError),
}

/// Seals for one event about a user.
pub struct PersonSealer<'a> {
    admission: &'a Admission,
    key: DataKey,
    event: Uuid,
}

impl PersonSealer<'_> {
    /// Seals a name.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn name(&self, name: &str) -> Result<Sealed, Unavailable> {
        self.seal(NAME, &name.into())
    }

    /// Seals an e-mail address.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn email(&self, email: &str) -> Result<Sealed, Unavailable> {
        self.seal(EMAIL, &email.into())
    }

    /// Seals a password's hash.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub fn password(&self, hash: &SecretString) -> Result<Sealed, Unavailable> {
        self.seal(PASSWORD, hash)
    }

    fn seal(&self, field: &str, plain: &SecretString) -> Result<Sealed, Unavailable> {
        self.admission.seal(&self.key, self.event, field, plain)
    }
}

impl Admission {
    /// The index under which a name of a user is known in a domain, however it is written; none if it is no name.
    pub fn name_index(&self, domain: Uuid, name: &str) -> Option<String> {
        let name = normalise(name)?;
        Some(short_hash(&self.vault().index(&format!("name of a user of {domain}"), &name)))
    }

    /// Seals for an event that will make a user, of the same id. The user's key is durable when this returns.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn seal_new_person(&self, draft: Draft) -> Result<PersonSealer<'_>, Unavailable> {
        let subject = Subject::User(draft.id.to_string());
        let key = self.vault().data_key(&subject, draft.time).await.map_err(Unavailable::Keys)?;
        Ok(PersonSealer { admission: self, key, event: draft.id })
    }

    /// Seals for an event about a user, with the key that the user has: none is made for one who was purged meanwhile.
    ///
    /// # Errors
    /// [`UnsealError::NoKey`] for one who was purged.
    pub async fn seal_person(&self, user: &UserRow, draft: Draft) -> Result<PersonSealer<'_>, UnsealError> {
        let envelope = user.name.as_ref().map(|name| &name.sealed.sealed).ok_or(UnsealError::NoKey)?;
        let key = self.vault().key_of(&Subject::User(user.user.id.clone()), envelope).await?;
        Ok(PersonSealer { admission: self, key, event: draft.id })
    }

    /// What is personal about a user; none of one who was purged.
    ///
    /// # Errors
    /// [`UnsealError`], but not for lack of the key: it is destroyed a moment after the purge was decided.
    pub async fn person(&self, user: &UserRow) -> Result<Option<Person>, UnsealError> {
        match self.open_person(user).await {
            Err(UnsealError::NoKey) => Ok(None),
            opened => opened,
        }
    }

    async fn open_person(&self, user: &UserRow) -> Result<Option<Person>, UnsealError> {
        let Some(name) = self.open(user, NAME, user.name.as_ref()).await? else { return Ok(None) };
        let email = self.open(user, EMAIL, user.email.as_ref()).await?;
        Ok(Some(Person { name, email }))
    }

    /// The hash of a user's password; none if it has none.
    ///
    /// # Errors
    /// [`UnsealError`].
    pub async fn password_hash(&self, user: &UserRow) -> Result<Option<SecretString>, UnsealError> {
        Ok(self.open(user, PASSWORD, user.password.as_ref()).await?.map(SecretString::from))
    }

    /// The user who signs in with a name and a password in a domain, if it is one in use and the password is right. Whoever asks
    /// learns nothing from how long it takes: a password is compared in any case.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn sign_in(
        &self,
        directory: &DirectoryView,
        passwords: &Passwords,
        domain: &str,
        name: &str,
        password: SecretString,
    ) -> Result<Option<UserRow>, SignInError> {
        let user = self.user_of(directory, domain, name);
        let hash = match &user {
            Some(user) => self.password_hash(user).await?,
            None => None,
        };
        let is_right = passwords.verify(hash, password).await?;
        Ok(user.filter(|_| is_right))
    }

    fn user_of(&self, directory: &DirectoryView, domain: &str, name: &str) -> Option<UserRow> {
        let directory = directory.read();
        let index = self.name_index(directory.domain(domain)?.id, name)?;
        directory.user_by_name(&index).filter(|row| row.user.state == UserState::Active).cloned()
    }

    async fn open(
        &self,
        user: &UserRow,
        field: &str,
        sealed: Option<&SealedSecret>,
    ) -> Result<Option<String>, UnsealError> {
        let Some(SealedSecret { event, sealed: Sealed { sealed } }) = sealed else { return Ok(None) };
        let subject = Subject::User(user.user.id.clone());
        let context = Context { event: *event, field };
        let envelope: &Envelope = sealed;
        let opened = self.vault().open_envelope(&subject, &context, envelope).await?;
        String::from_utf8(opened.to_vec()).map(Some).map_err(|_| UnsealError::Tampered)
    }
}
