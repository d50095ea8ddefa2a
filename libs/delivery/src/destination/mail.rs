//! Mails: a notice in words of each change, with a link where there are credentials to be seen, and never the credentials.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use thiserror::Error;

use super::{Destination, Outcome, Parcel};
use crate::retry::Verdict;

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// TLS after a greeting in clear, and nothing is sent without.
    Starttls,
    /// TLS from the first byte on.
    Implicit,
    /// None: for a server on the same machine.
    None,
}

/// Where mails are handed in.
#[derive(Clone, Debug)]
pub struct MailSettings {
    /// Name of the server; its certificate is for that.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is reached.
    pub encryption: Encryption,
    /// User and password, if it asks for them.
    pub credentials: Option<(String, SecretString)>,
    /// Who sends.
    pub from: String,
    /// Certificates in PEM, of authorities that are trusted besides the machine's.
    pub roots: Option<Vec<u8>>,
    /// Time for one mail.
    pub deadline: Duration,
}

/// What is mailed: the same at each attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Id of the change that it tells.
    pub id: String,
    /// When that was recorded.
    pub time: Timestamp,
    /// Its subject.
    pub subject: String,
    /// What it says.
    pub text: String,
}

/// Why mails cannot be sent with these settings.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MailError {
    /// It is no address of a mailbox.
    #[error("{0} is not the address of a mailbox")]
    Address(&'static str),
    /// TLS cannot be set up.
    #[error("the connection to the mail server cannot be set up")]
    Setup(#[from] lettre::transport::smtp::Error),
}

/// Hands mails in; a clone is the same.
#[derive(Clone)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    host: Arc<str>,
    deadline: Duration,
}

impl Mailer {
    /// Connects when there is something to send.
    ///
    /// # Errors
    /// [`MailError`].
    pub fn new(settings: MailSettings) -> Result<Self, MailError> {
        let MailSettings { host, port, encryption, credentials, from, roots, deadline } = settings;
        let mut parameters = TlsParameters::builder(host.clone());
        if let Some(pem) = roots {
            parameters = parameters.add_root_certificate(Certificate::from_pem(&pem)?);
        }
        let tls = match encryption {
            Encryption::Starttls => Tls::Required(parameters.build_rustls()?),
            Encryption::Implicit => Tls::Wrapper(parameters.build_rustls()?),
            Encryption::None => Tls::None,
        };
        let transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&host).port(port).tls(tls);
        let transport = transport.timeout(Some(deadline));
        let transport = match credentials {
            Some((user, password)) => {
                transport.credentials(Credentials::new(user, password.expose_secret().to_owned()))
            }
            None => transport,
        };
        Ok(Self { transport: transport.build(), from: mailbox(&from, "smtp.from")?, host: host.into(), deadline })
    }

    /// Name of the server.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Hands in a letter to an address.
    pub async fn post(&self, to: &str, letter: Letter) -> Outcome {
        match mailbox(to, "what is given") {
            Ok(to) => self.hand_in(to, letter).await,
            Err(_) => Outcome::needless("the address is not that of a mailbox"),
        }
    }

    async fn hand_in(&self, to: Mailbox, letter: Letter) -> Outcome {
        let builder = Message::builder().from(self.from.clone()).to(to).subject(letter.subject);
        // The same at each attempt, so that a mail that came twice can be told.
        let builder = builder.message_id(Some(format!("<{}@regledger>", letter.id)));
        match builder.date(letter.time.into()).header(ContentType::TEXT_PLAIN).body(letter.text) {
            Ok(message) => self.send(message).await,
            Err(_) => Outcome::unsent("the change cannot be told in a mail".to_owned()),
        }
    }

    async fn send(&self, message: Message) -> Outcome {
        match tokio::time::timeout(self.deadline, self.transport.send(message)).await {
            Ok(Ok(response)) => {
                Outcome { verdict: Verdict::Done, status: None, answer: said(response.message()), asked_wait: None }
            }
            Ok(Err(error)) => Outcome::unsent(reason(&error)),
            Err(_) => Outcome::unsent("the mail server did not take the mail in time".to_owned()),
        }
    }
}

/// What the server said, without the address that it may quote.
fn reason(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("the mail server answered {code}"),
        None if error.is_timeout() => "the mail server did not answer in time".to_owned(),
        None => "the mail server cannot be reached".to_owned(),
    }
}

fn said<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    super::excerpt(lines.collect::<Vec<_>>().join(" ").as_bytes())
}

fn mailbox(text: &str, what: &'static str) -> Result<Mailbox, MailError> {
    let address: Address = text.parse().map_err(|_| MailError::Address(what))?;
    Ok(Mailbox::new(None, address))
}

/// Makes the link of a change about a client: from the ids of both, and when it was recorded.
pub type Links = Arc<dyn Fn(&str, &str, Timestamp) -> Option<String> + Send + Sync>;

/// Sends notices to one mailbox.
pub struct Mail {
    mailer: Mailer,
    to: Mailbox,
    links: Links,
}

/// What of a change is told.
#[derive(Deserialize)]
struct Change {
    id: String,
    subject: String,
    recordedtime: Timestamp,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    client: Option<Client>,
    fields: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Client {
    id: String,
    integration: String,
    state: String,
    departments: Option<Vec<i64>>,
    has_secret: bool,
}

impl Mail {
    /// Sends to this mailbox.
    ///
    /// # Errors
    /// [`MailError::Address`].
    pub fn new(mailer: Mailer, to: &SecretString, links: Links) -> Result<Self, MailError> {
        Ok(Self { mailer, to: mailbox(to.expose_secret(), "the target of the subscription")?, links })
    }

    fn letter(&self, parcel: &Parcel) -> Option<Letter> {
        let change: Change = serde_json::from_slice(&parcel.body).ok()?;
        let (subject, text) = self.words(&parcel.kind, &change);
        Some(Letter { id: change.id, time: change.recordedtime, subject, text })
    }

    fn words(&self, kind: &str, change: &Change) -> (String, String) {
        let mut lines = vec![format!("What happened: {kind}"), format!("When: {}", change.recordedtime)];
        let Some(client) = &change.data.client else {
            lines.push(format!("About: {}", change.subject));
            return (format!("{kind}: {}", change.subject), lines.join("\n"));
        };
        lines.push(format!("Integration: {}", client.integration));
        lines.push(format!("Tenant: {}", change.subject));
        lines.push(format!("State: {}", client.state));
        if let Some(departments) = &client.departments {
            lines.push(format!(
                "Departments: {}",
                departments.iter().map(i64::to_string).collect::<Vec<_>>().join(", ")
            ));
        }
        if let Some(fields) = &change.data.fields {
            lines.push(format!("Changed: {}", fields.join(", ")));
        }
        let tells_credentials = matches!(kind, "client.registered" | "client.updated") && client.has_secret;
        let link = tells_credentials.then(|| (self.links)(&client.id, &change.id, change.recordedtime)).flatten();
        if let Some(link) = link {
            lines.extend([
                String::new(),
                "The credentials are not in this mail. They are shown once, to whoever opens this page first and"
                    .to_owned(),
                "presses the button there:".to_owned(),
                link,
            ]);
        }
        (format!("{kind}: {} at {}", change.subject, client.integration), lines.join("\n"))
    }
}

impl Destination for Mail {
    fn attempt<'a>(&'a self, parcel: &'a Parcel, _now: Timestamp) -> BoxFuture<'a, Outcome> {
        async move {
            match self.letter(parcel) {
                Some(letter) => self.mailer.hand_in(self.to.clone(), letter).await,
                None => Outcome::unsent("the change cannot be told in a mail".to_owned()),
            }
        }
        .boxed()
    }

    fn host(&self) -> &str {
        self.mailer.host()
    }
}
