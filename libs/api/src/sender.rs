//! Senders: which address a request came from, and how often it may ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use actix_web::HttpRequest;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;

use crate::{Problem, ProblemType};

/// Senders that are remembered.
const REMEMBERED: usize = 10_000;

/// Slows down those who ask for too much.
pub struct Throttle(DefaultKeyedRateLimiter<IpAddr>);

impl Throttle {
    /// Lets each sender ask so often in a minute.
    pub fn new(per_minute: u32) -> Self {
        let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        Self(RateLimiter::keyed(Quota::per_minute(per_minute)))
    }

    /// Counts a request.
    ///
    /// # Errors
    /// 429 for one too many, with what is said of it.
    pub fn check(&self, sender: IpAddr, detail: &'static str) -> Result<(), Problem> {
        if self.0.len() > REMEMBERED {
            self.0.retain_recent();
        }
        let counted = self.0.check_key(&group(sender));
        counted.map_err(|_| Problem::new(ProblemType::TooManyRequests, detail).retry_after(5))
    }
}

/// The address of the sender: the peer, or behind trusted proxies the last address in
/// `X-Forwarded-For` that is not one of them. What an untrusted peer claims is not believed.
pub fn sender(request: &HttpRequest, proxies: &[IpNet]) -> IpAddr {
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let forwarded = request.headers().get_all("x-forwarded-for");
    let claims = forwarded.filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let chain: Vec<&str> = claims.map(str::trim).collect();
    resolve(peer, &chain, proxies)
}

fn resolve(peer: IpAddr, chain: &[&str], proxies: &[IpNet]) -> IpAddr {
    let mut address = peer.to_canonical();
    for claim in chain.iter().rev() {
        if !proxies.iter().any(|net| net.contains(&address)) {
            break;
        }
        let Ok(before) = claim.parse::<IpAddr>() else {
            break;
        };
        address = before.to_canonical();
    }
    address
}

/// What counts as one sender where senders are counted: an address, or an IPv6 network of 64 bits,
/// which one sender has whole.
fn group(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_are_believed() {
        let cases = [
            ("9.9.9.9", vec![], "9.9.9.9"),
            ("9.9.9.9", vec!["1.1.1.1"], "9.9.9.9"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", vec!["1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", vec!["6.6.6.6", "1.1.1.1"], "1.1.1.1"),
            ("10.0.0.1", vec!["1.1.1.1", "10.0.0.2"], "1.1.1.1"),
            ("10.0.0.1", vec!["1.1.1.1", "garbage"], "10.0.0.1"),
            ("::ffff:10.0.0.1", vec!["2001:db8::1"], "2001:db8::1"),
        ];
        let proxies = ["10.0.0.0/8".parse().unwrap()];
        for (peer, chain, expected) in cases {
            let found = resolve(peer.parse().unwrap(), &chain, &proxies);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {chain:?}");
        }
    }

    #[test]
    fn a_v6_network_is_one_sender() {
        let a: IpAddr = "2001:db8:1:2:3::4".parse().unwrap();
        assert_eq!(group(a), "2001:db8:1:2::".parse::<IpAddr>().unwrap());
        assert_ne!(group(a), group("2001:db8:1:3::4".parse().unwrap()));
    }
}
