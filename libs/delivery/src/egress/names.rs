//! Names: which addresses a host has. What is looked up here is checked here, and the connection goes to nowhere else.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::guard::Guard;
use super::part::{self, Part};

/// Tells the addresses of a name.
#[derive(Clone)]
pub struct Names(Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>);

impl Names {
    /// Names that a function knows.
    pub fn new<F>(look_up: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        Self(Arc::new(move |name| Box::pin(look_up(name))))
    }

    /// Names by the machine's resolver. A lookup that a call has given up goes on in its thread, until the resolver
    /// does.
    pub fn system() -> Self {
        Self::new(|name| async move {
            let found = tokio::net::lookup_host((name, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}

/// The resolver of the client: asks once for a connection, and gives the answer on only if all of it may be called.
pub(super) struct Pinned {
    pub(super) guard: Guard,
    pub(super) names: Names,
}

impl Resolve for Pinned {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.guard.clone();
        let looking_up = (self.names.0)(name.as_str().to_owned());
        Box::pin(async move {
            part::begin(Part::Resolve);
            let addresses = looking_up.await?;
            // One address that may not be called condemns the others: the next answer may have it alone.
            addresses.iter().try_for_each(|&address| guard.check_address(address))?;
            if addresses.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            part::begin(Part::Connect);
            // Port 0 stands for the port of the URL.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}
