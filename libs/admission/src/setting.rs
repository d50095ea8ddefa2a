//! Settings: opened where they are acted on.

use registration::directory::{SetValue, SettingRow, definition, settings_tenant};
use secrecy::SecretString;
use vault::{Context, Subject, UnsealError};

use crate::{Admission, DirectoryView};

impl Admission {
    /// What is set for a domain, else for the hub, else the default; none where that is empty.
    ///
    /// # Errors
    /// [`UnsealError`].
    pub async fn setting(
        &self,
        directory: &DirectoryView,
        key: &str,
        domain: Option<&str>,
    ) -> Result<Option<SecretString>, UnsealError> {
        let row = directory.read().setting(key, domain).cloned();
        let Some(SettingRow { change, value: Some(value), .. }) = row else {
            let default = definition(key).map(|definition| definition.default);
            return Ok(default.filter(|default| !default.is_empty()).map(SecretString::from));
        };
        match value {
            SetValue::Plain(text) => Ok(Some(text.into())),
            SetValue::Secret { value, .. } => {
                let subject = Subject::Tenant(settings_tenant(change.domain.as_deref()));
                let context = Context { event: value.event, field: "value" };
                let plain = self.vault().open_envelope(&subject, &context, &value.sealed.sealed).await?;
                Ok(Some(String::from_utf8_lossy(&plain).into_owned().into()))
            }
        }
    }
}
