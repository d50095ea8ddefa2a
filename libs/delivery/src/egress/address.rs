//! The address rule: which addresses may be called.
//!
//! What is refused follows IANA's registries of special-purpose addresses (RFC 6890), and in IPv6 everything that is
//! not global unicast. A few registered networks that are reachable from everywhere and serve nobody's webhook (Port
//! Control Protocol anycast, AMT, ORCHID) are refused with the network that they are part of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(bits: u128, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), prefix)
}

const MAPPED: Ipv6Net = v6(0xffff << 32, 96);
const COMPATIBLE: Ipv6Net = v6(0, 96);
const NAT64: Ipv6Net = v6(0x0064_ff9b << 96, 96);
const TEREDO: Ipv6Net = v6(0x2001 << 112, 32);
const SIX_TO_FOUR: Ipv6Net = v6(0x2002 << 112, 16);
const GLOBAL_UNICAST: Ipv6Net = v6(0x2000 << 112, 3);

/// The first network that an address is in says what it is.
const REFUSED_V4: [(Ipv4Net, &str); 17] = [
    (v4(0, 0, 0, 0, 8), "an address of this host"),
    (v4(10, 0, 0, 0, 8), "a private address"),
    (v4(100, 64, 0, 0, 10), "an address of a carrier's own network"),
    (v4(127, 0, 0, 0, 8), "a loopback address"),
    // a public address, but in Azure it is the host that a machine runs on
    (v4(168, 63, 129, 16, 32), "a cloud's metadata address"),
    (v4(169, 254, 0, 0, 16), "a link-local address"),
    (v4(172, 16, 0, 0, 12), "a private address"),
    (v4(192, 0, 0, 0, 24), "an address for protocols"),
    (v4(192, 0, 2, 0, 24), "an address for documentation"),
    (v4(192, 88, 99, 0, 24), "an address of a 6to4 relay"),
    (v4(192, 168, 0, 0, 16), "a private address"),
    (v4(198, 18, 0, 0, 15), "an address for benchmarks"),
    (v4(198, 51, 100, 0, 24), "an address for documentation"),
    (v4(203, 0, 113, 0, 24), "an address for documentation"),
    (v4(224, 0, 0, 0, 4), "a multicast address"),
    (v4(255, 255, 255, 255, 32), "the broadcast address"),
    (v4(240, 0, 0, 0, 4), "a reserved address"),
];

/// The first network that an address is in says what it is. Those outside of global unicast are here for their names.
const REFUSED_V6: [(Ipv6Net, &str); 15] = [
    (v6(0, 128), "the unspecified address"),
    (v6(1, 128), "a loopback address"),
    (MAPPED, "an IPv4 address inside IPv6"),
    (COMPATIBLE, "an IPv4 address inside IPv6"),
    (NAT64, "an IPv4 address inside IPv6"),
    (v6(0x0064_ff9b_0001 << 80, 48), "an IPv4 address inside IPv6"),
    (SIX_TO_FOUR, "an IPv4 address inside IPv6"),
    (TEREDO, "an IPv4 address inside IPv6"),
    (v6(0x2001 << 112, 23), "an address for protocols"),
    (v6(0x2001_0db8 << 96, 32), "an address for documentation"),
    (v6(0x3fff << 112, 20), "an address for documentation"),
    (v6(0xfc00 << 112, 7), "a private address"),
    (v6(0xfe80 << 112, 10), "a link-local address"),
    (v6(0xfec0 << 112, 10), "a private address"),
    (v6(0xff00 << 112, 8), "a multicast address"),
];

/// Whether an address may be called, and if not, what it is. One that carries an IPv4 address needs both to be allowed,
/// so that who allows a NAT64 network has not allowed all that is private behind it.
pub(super) fn check(address: IpAddr, allow: &[IpNet]) -> Result<(), &'static str> {
    let Some(what) = refused(address) else {
        return Ok(());
    };
    if !allow.iter().any(|network| network.contains(&address)) {
        return Err(what);
    }
    embedded(address).map_or(Ok(()), |inner| check(IpAddr::V4(inner), allow))
}

/// What an address is, if it is one that is not called unless it is allowed.
fn refused(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(v4) => REFUSED_V4.iter().find(|(network, _)| network.contains(&v4)).map(|&(_, what)| what),
        IpAddr::V6(v6) => {
            let known = REFUSED_V6.iter().find(|(network, _)| network.contains(&v6)).map(|&(_, what)| what);
            known.or_else(|| (!GLOBAL_UNICAST.contains(&v6)).then_some("an address that is not global"))
        }
    }
}

/// The IPv4 address that an IPv6 address stands for: RFC 4291 (2.5.5), RFC 6052, RFC 3056, RFC 4380.
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = address else {
        return None;
    };
    let bits = v6.to_bits();
    let at = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
    if v6.is_unspecified() || v6.is_loopback() {
        None
    } else if [MAPPED, COMPATIBLE, NAT64].iter().any(|network| network.contains(&v6)) {
        Some(at(0))
    } else if SIX_TO_FOUR.contains(&v6) {
        Some(at(80))
    } else if TEREDO.contains(&v6) {
        Some(Ipv4Addr::from_bits(!at(0).to_bits()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_refused(address: &str, allow: &[&str]) -> bool {
        let allow: Vec<IpNet> = allow.iter().map(|network| network.parse().unwrap()).collect();
        check(address.parse().unwrap(), &allow).is_err()
    }

    /// The first and last address of each network, and their neighbours outside where those are called.
    #[test]
    fn networks_are_refused_from_end_to_end_and_no_further() {
        let cases = [
            ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
            ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0")),
            ("100.64.0.0", "100.127.255.255", Some("100.63.255.255"), Some("100.128.0.0")),
            ("127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0")),
            ("168.63.129.16", "168.63.129.16", Some("168.63.129.15"), Some("168.63.129.17")),
            ("169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0")),
            ("172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0")),
            ("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0")),
            ("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0")),
            ("192.88.99.0", "192.88.99.255", Some("192.88.98.255"), Some("192.88.100.0")),
            ("192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0")),
            ("198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0")),
            ("198.51.100.0", "198.51.100.255", Some("198.51.99.255"), Some("198.51.101.0")),
            ("203.0.113.0", "203.0.113.255", Some("203.0.112.255"), Some("203.0.114.0")),
            ("224.0.0.0", "255.255.255.255", Some("223.255.255.255"), None),
            ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None, None),
            ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Some("2000:ffff::"), Some("2001:200::")),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Some("2001:db7:ffff::"), Some("2001:db9::")),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some("2001:ffff::"), Some("2003::")),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Some("3ffe:ffff::"), Some("3fff:1000::")),
            ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Some("3fff:ffff::"), None),
        ];
        for (first, last, before, after) in cases {
            assert!(is_refused(first, &[]) && is_refused(last, &[]), "{first} to {last}");
            for neighbour in [before, after].into_iter().flatten() {
                assert!(!is_refused(neighbour, &[]), "{neighbour} beside {first}");
            }
        }
    }

    #[test]
    fn an_address_is_called_what_it_is() {
        let cases = [
            ("169.254.169.254", "a link-local address"),
            ("255.255.255.255", "the broadcast address"),
            ("250.1.2.3", "a reserved address"),
            ("::", "the unspecified address"),
            ("::1", "a loopback address"),
            ("::ffff:8.8.8.8", "an IPv4 address inside IPv6"),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "an IPv4 address inside IPv6"),
            ("2001:2::1", "an address for protocols"),
            ("fd00:ec2::254", "a private address"),
            ("100::1", "an address that is not global"),
        ];
        for (address, what) in cases {
            assert_eq!(check(address.parse().unwrap(), &[]), Err(what), "{address}");
        }
    }

    #[test]
    fn only_what_is_allowed_is_called_nevertheless() {
        let cases = [
            ("10.1.2.3", vec!["10.1.2.0/24"], false),
            ("10.1.3.3", vec!["10.1.2.0/24"], true),
            ("127.0.0.1", vec!["::1/128"], true),
            ("::1", vec!["::1/128"], false),
            ("::1", vec!["0.0.0.0/0"], true),
            ("fd00::1", vec!["fd00::/8"], false),
            ("fe80::1", vec!["fd00::/8"], true),
            // both addresses must be allowed
            ("::ffff:10.0.0.1", vec!["10.0.0.0/8"], true),
            ("::ffff:10.0.0.1", vec!["::ffff:0:0/96"], true),
            ("::ffff:10.0.0.1", vec!["::ffff:0:0/96", "10.0.0.0/8"], false),
            ("::10.0.0.1", vec!["::/96"], true),
            ("64:ff9b::9.9.9.9", vec!["64:ff9b::/96"], false),
            ("64:ff9b::127.0.0.1", vec!["64:ff9b::/96"], true),
            ("2002:7f00:1::", vec!["2002::/16"], true),
            ("2002:909:909::", vec!["2002::/16"], false),
            // in Teredo the address is inverted: 127.0.0.1
            ("2001:0:4136:e378:8000:63bf:80ff:fffe", vec!["2001::/32"], true),
        ];
        for (address, allow, refused) in cases {
            assert_eq!(is_refused(address, &allow), refused, "{address} {allow:?}");
        }
    }

    proptest! {
        #[test]
        fn what_std_calls_special_is_refused(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_broadcast() || address.is_documentation()
                || address.is_unspecified();
            prop_assert!(!special || check(IpAddr::V4(address), &[]).is_err());
        }

        #[test]
        fn no_ipv4_address_is_called_by_way_of_ipv6(bits in any::<u32>(), rest in any::<u32>()) {
            let low = u128::from(bits);
            let six_to_four = 0x2002_u128 << 112 | low << 80 | u128::from(rest);
            let teredo = 0x2001_u128 << 112 | u128::from(rest) << 64 | u128::from(!bits);
            for v6 in [low, 0xffff << 32 | low, 0x64_ff9b_u128 << 96 | low, six_to_four, teredo] {
                let v6 = IpAddr::V6(Ipv6Addr::from_bits(v6));
                prop_assert!(check(v6, &[]).is_err(), "{}", v6);
            }
        }

        #[test]
        fn whoever_allows_nat64_has_allowed_nothing_private(bits in any::<u32>()) {
            let outer = IpAddr::V6(Ipv6Addr::from_bits(0x64_ff9b_u128 << 96 | u128::from(bits)));
            let inner = IpAddr::V4(Ipv4Addr::from_bits(bits));
            prop_assert_eq!(check(outer, &[IpNet::V6(NAT64)]), check(inner, &[]));
        }
    }
}
