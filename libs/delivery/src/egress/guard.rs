//! The guard: which URLs may be called, told when one is configured and again when it is opened for calls.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use thiserror::Error;
use url::{Host, Url};

use super::address;

/// The longest URL in bytes.
const MAX_URL_BYTES: usize = 2048;

/// Lets calls go to where they may go: http or https, port 80, 443 or from 1024 up, and an address that is reachable
/// from everywhere or is in a network that the operator allows.
#[derive(Clone, Debug)]
pub struct Guard {
    allow: Arc<[IpNet]>,
}

/// Why a URL, or an address that its host has, is not called. Nothing of the URL but its port is in it, and no address
/// that a name was found to have: whoever may set a URL could ask for the addresses of an inner network that way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It cannot be read as an absolute URL with a host, or is longer than 2,048 bytes.
    #[error("this is not an absolute URL of at most 2048 bytes")]
    NotAUrl,
    /// It is neither http nor https.
    #[error("only http and https are called")]
    Scheme,
    /// A user name or a password is in it.
    #[error("a user name or a password in a URL is not sent; take it out")]
    UserInfo,
    /// Its port belongs to other protocols.
    #[error("port {0} is not called, only 80, 443 and those from 1024 up")]
    Port(u16),
    /// The host is, or has, an address that is not called.
    #[error("the host has {what}, which is not called unless egress.allow has its network")]
    Address {
        /// What the address is: `a private address`, for instance.
        what: &'static str,
    },
}

/// Where calls go: a URL that the guard has let through, or why it has not. It cannot be printed: a URL may be secret.
#[derive(Clone)]
pub struct Target(Result<Url, Refusal>);

impl Target {
    /// The host that the URL names; empty if it is not called.
    pub fn host(&self) -> &str {
        self.0.as_ref().ok().and_then(Url::host_str).unwrap_or_default()
    }

    pub(super) fn url(&self) -> Result<Url, Refusal> {
        self.0.clone()
    }
}

impl Guard {
    /// A guard that also allows what is in these networks, ports and schemes as everywhere.
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self { allow: allow.into() }
    }

    /// Reads a URL as browsers do (WHATWG), so that an address is an address in whatever notation, and says whether it
    /// may be called. The addresses of a name are left to the call.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check(&self, url: &str) -> Result<Url, Refusal> {
        if url.len() > MAX_URL_BYTES {
            return Err(Refusal::NotAUrl);
        }
        let url = Url::parse(url).map_err(|_| Refusal::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::UserInfo);
        }
        match url.port_or_known_default() {
            Some(80 | 443 | 1024..) => {}
            port => return Err(Refusal::Port(port.unwrap_or(0))),
        }
        match url.host().ok_or(Refusal::NotAUrl)? {
            Host::Domain(_) => {}
            Host::Ipv4(address) => self.check_address(address.into())?,
            Host::Ipv6(address) => self.check_address(address.into())?,
        }
        Ok(url)
    }

    /// Where a URL leads: what may not be called is refused at each call.
    pub fn target(&self, url: &str) -> Target {
        Target(self.check(url))
    }

    /// Says whether an address may be called.
    ///
    /// # Errors
    /// [`Refusal::Address`].
    pub fn check_address(&self, address: IpAddr) -> Result<(), Refusal> {
        address::check(address, &self.allow).map_err(|what| Refusal::Address { what })
    }
}
