//! Egress: the one HTTP client for every outgoing call.
//!
//! A call goes to where the [`Guard`] lets it and to nowhere else: redirects are not followed, no proxy of the
//! environment is used, and a name is looked up once for a connection, which goes to the very addresses that were
//! checked. A call ends at its deadline, wherever it is then, and no more than [`MAX_BODY_BYTES`] of an answer are
//! read. Nothing is decompressed.

mod address;
mod error;
mod guard;
mod names;
mod part;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ipnet::IpNet;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, Request, Response, StatusCode};
use tokio::time::timeout;
use tower::util::MapFutureLayer;

pub use self::error::{CallError, ClientError};
pub use self::guard::{Guard, Refusal, Target};
pub use self::names::Names;
pub use self::part::Part;
use crate::retry::RetryAfter;

/// How much of an answer's body is read, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// How long a connection is kept for the next call, and how many to one host.
const IDLE: Duration = Duration::from_secs(30);
const MAX_IDLE_PER_HOST: usize = 32;

const USER_AGENT: &str = concat!("regledger/", env!("CARGO_PKG_VERSION"));

/// What a client is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Networks that may be called although they are not public.
    pub allow: Vec<IpNet>,
    /// Certificates in PEM, of authorities that are trusted besides the machine's.
    pub roots: Option<Vec<u8>>,
    /// Where names are looked up.
    pub names: Names,
}

/// A request. It cannot be printed: headers and body may be secret.
#[derive(Clone)]
pub struct Call<'a> {
    /// GET or POST.
    pub method: Method,
    /// Where to.
    pub target: &'a Target,
    /// Headers besides those of the connection. Mark secret ones as sensitive.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Time for the whole call: looking up, connecting, sending, and the answer with its body.
    pub deadline: Duration,
}

impl<'a> Call<'a> {
    /// A GET without more.
    pub fn get(target: &'a Target, deadline: Duration) -> Self {
        Self { method: Method::GET, target, headers: HeaderMap::new(), body: Bytes::new(), deadline }
    }

    /// A POST of a body of this media type, without more.
    pub fn post(target: &'a Target, media_type: &'static str, body: impl Into<Bytes>, deadline: Duration) -> Self {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        Self { method: Method::POST, target, headers, body: body.into(), deadline }
    }
}

/// What came back, whatever the status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// When it asks to be called again, if that can be understood.
    pub retry_after: Option<RetryAfter>,
    /// The first bytes of the body, at most [`MAX_BODY_BYTES`].
    pub body: Bytes,
    /// Whether that is all of it.
    pub is_whole: bool,
}

/// The HTTP client. A clone is the same client.
#[derive(Clone, Debug)]
pub struct Egress {
    client: Client,
    guard: Guard,
}

impl Egress {
    /// Makes the client.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        let guard = Guard::new(settings.allow);
        let pinned = names::Pinned { guard: guard.clone(), names: settings.names };
        let client = Client::builder()
            .user_agent(USER_AGENT)
            .http1_only()
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            // another crate may have switched decompression on: it is one client library
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE_PER_HOST)
            .tls_certs_merge(certificates(settings.roots.as_deref())?)
            .dns_resolver(pinned)
            .connector_layer(MapFutureLayer::new(part::connecting))
            .build()
            .map_err(ClientError::Setup)?;
        Ok(Self { client, guard })
    }

    /// The guard, to check a URL when it is configured, and to open it for calls.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// Makes a call, once. Every status is an answer, a redirection too.
    ///
    /// # Errors
    /// [`CallError`]; whether the host has got the request is then unknown, except where [`CallError::part`] comes
    /// before [`Part::Answer`].
    pub async fn send(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let deadline = call.deadline;
        let in_time = async {
            match timeout(deadline, self.exchange(call)).await {
                Ok(answered) => answered,
                Err(_) => Err(CallError::Deadline(part::current())),
            }
        };
        part::track(in_time).await
    }

    async fn exchange(&self, call: Call<'_>) -> Result<Answer, CallError> {
        let url = call.target.url().map_err(CallError::Url)?;
        let mut request = Request::new(call.method, url);
        *request.headers_mut() = call.headers;
        *request.body_mut() = Some(call.body.into());
        let mut response = self.client.execute(request).await.map_err(CallError::before_answer)?;
        part::begin(Part::Body);
        let (body, is_whole) = first_bytes(&mut response).await?;
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        Ok(Answer { status: response.status(), retry_after: retry_after.and_then(RetryAfter::parse), body, is_whole })
    }
}

fn certificates(pem: Option<&[u8]>) -> Result<Vec<Certificate>, ClientError> {
    let Some(pem) = pem else {
        return Ok(Vec::new());
    };
    let certificates = Certificate::from_pem_bundle(pem).map_err(ClientError::Roots)?;
    if certificates.is_empty() { Err(ClientError::NoRoots) } else { Ok(certificates) }
}

/// Reads the body as far as it is kept, and says whether that is all of it.
async fn first_bytes(response: &mut Response) -> Result<(Bytes, bool), CallError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| CallError::Body(error.without_url()))? {
        let room = MAX_BODY_BYTES - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() > room {
            return Ok((body.freeze(), false));
        }
    }
    Ok((body.freeze(), true))
}
