//! What is called and what is not: one rule for a URL that is configured and for a call.

use std::net::Ipv4Addr;

use delivery::egress::{CallError, Guard, Names, Refusal};
use proptest::prelude::*;

use super::{egress, send};

const LOOPBACK: Refusal = Refusal::Address { what: "a loopback address" };
const PRIVATE: Refusal = Refusal::Address { what: "a private address" };
const THIS_HOST: Refusal = Refusal::Address { what: "an address of this host" };
const LINK_LOCAL: Refusal = Refusal::Address { what: "a link-local address" };
const METADATA: Refusal = Refusal::Address { what: "a cloud's metadata address" };
const CARRIER: Refusal = Refusal::Address { what: "an address of a carrier's own network" };
const PROTOCOLS: Refusal = Refusal::Address { what: "an address for protocols" };
const DOCUMENTATION: Refusal = Refusal::Address { what: "an address for documentation" };
const BENCHMARKS: Refusal = Refusal::Address { what: "an address for benchmarks" };
const MULTICAST: Refusal = Refusal::Address { what: "a multicast address" };
const BROADCAST: Refusal = Refusal::Address { what: "the broadcast address" };
const RESERVED: Refusal = Refusal::Address { what: "a reserved address" };
const UNSPECIFIED: Refusal = Refusal::Address { what: "the unspecified address" };
const EMBEDDED: Refusal = Refusal::Address { what: "an IPv4 address inside IPv6" };
const NOT_GLOBAL: Refusal = Refusal::Address { what: "an address that is not global" };
const RELAY: Refusal = Refusal::Address { what: "an address of a 6to4 relay" };

const REFUSED: &[(&str, Refusal)] = &[
    // loopback in every notation
    ("http://127.0.0.1/", LOOPBACK),
    ("http://127.0.0.1:8080/", LOOPBACK),
    ("https://127.1.2.3/", LOOPBACK),
    ("http://127.1/", LOOPBACK),
    ("http://127.0.1/", LOOPBACK),
    ("http://2130706433/", LOOPBACK),
    ("http://0x7f000001/", LOOPBACK),
    ("http://0x7F.0.0.0x1/", LOOPBACK),
    ("http://0x7f.1/", LOOPBACK),
    ("http://017700000001/", LOOPBACK),
    ("http://0177.0.0.1/", LOOPBACK),
    ("http://0177.0.0.01/", LOOPBACK),
    ("http://00000177.0x0.00.1/", LOOPBACK),
    ("http://127.0.0.1./", LOOPBACK),
    ("http://%31%32%37.0.0.1/", LOOPBACK),
    ("http://127%2e0%2e0%2e1/", LOOPBACK),
    ("http://１２７.０.０.１/", LOOPBACK),
    ("http://①②⑦.⓪.⓪.①/", LOOPBACK),
    ("http://127。0。0。1/", LOOPBACK),
    ("http:\\\\127.0.0.1\\", LOOPBACK),
    ("http:127.0.0.1", LOOPBACK),
    ("  http://127.0.0.1/  ", LOOPBACK),
    ("ht\ttp://127.0.\n0.1/", LOOPBACK),
    ("HTTP://127.0.0.1/", LOOPBACK),
    ("http://[::1]/", LOOPBACK),
    ("http://[0:0:0:0:0:0:0:1]/", LOOPBACK),
    ("http://[0000:0000:0000:0000:0000:0000:0000:0001]/", LOOPBACK),
    // this host
    ("http://0/", THIS_HOST),
    ("http://0.0.0.0/", THIS_HOST),
    ("http://0x0/", THIS_HOST),
    ("http://0.1.2.3/", THIS_HOST),
    ("http://[::]/", UNSPECIFIED),
    // private networks
    ("http://10.0.0.1/", PRIVATE),
    ("http://167772161/", PRIVATE),
    ("http://012.1/", PRIVATE),
    ("http://172.16.0.1/", PRIVATE),
    ("http://172.31.255.254/", PRIVATE),
    ("http://192.168.1.1/", PRIVATE),
    ("http://0xc0.0xa8.1/", PRIVATE),
    ("http://192.168.257/", PRIVATE),
    ("http://[fd12:3456:789a::1]/", PRIVATE),
    ("http://[fc00::1]/", PRIVATE),
    ("http://[fec0::1]/", PRIVATE),
    ("http://100.64.0.1/", CARRIER),
    // metadata
    ("http://169.254.169.254/latest/meta-data/", LINK_LOCAL),
    ("http://2852039166/", LINK_LOCAL),
    ("http://0xA9FEA9FE/", LINK_LOCAL),
    ("http://0251.0376.0251.0376/", LINK_LOCAL),
    ("http://169.254.170.2/", LINK_LOCAL),
    ("http://100.100.100.200/", CARRIER),
    ("http://168.63.129.16/", METADATA),
    ("http://192.0.0.192/", PROTOCOLS),
    ("http://[fd00:ec2::254]/", PRIVATE),
    ("http://[fd20:ce::254]/", PRIVATE),
    ("http://[fe80::a9fe:a9fe]/", LINK_LOCAL),
    // IPv4 inside IPv6
    ("http://[::ffff:127.0.0.1]/", EMBEDDED),
    ("http://[::ffff:7f00:1]/", EMBEDDED),
    ("http://[::ffff:169.254.169.254]/", EMBEDDED),
    ("http://[::ffff:8.8.8.8]/", EMBEDDED),
    ("http://[::127.0.0.1]/", EMBEDDED),
    ("http://[64:ff9b::127.0.0.1]/", EMBEDDED),
    ("http://[64:ff9b::a9fe:a9fe]/", EMBEDDED),
    ("http://[64:ff9b:1::7f00:1]/", EMBEDDED),
    ("http://[2002:7f00:1::]/", EMBEDDED),
    ("http://[2002:a9fe:a9fe::1]/", EMBEDDED),
    ("http://[2001:0:4136:e378:8000:63bf:80ff:fffe]/", EMBEDDED),
    ("http://[::ffff:0:127.0.0.1]/", NOT_GLOBAL),
    // what nobody has
    ("http://192.0.2.1/", DOCUMENTATION),
    ("http://198.51.100.1/", DOCUMENTATION),
    ("http://203.0.113.1/", DOCUMENTATION),
    ("http://[2001:db8::1]/", DOCUMENTATION),
    ("http://[3fff::1]/", DOCUMENTATION),
    ("http://198.18.0.1/", BENCHMARKS),
    ("http://[2001:2::1]/", PROTOCOLS),
    ("http://192.88.99.1/", RELAY),
    ("http://224.0.0.1/", MULTICAST),
    ("http://239.255.255.250/", MULTICAST),
    ("http://[ff02::1]/", MULTICAST),
    ("http://255.255.255.255/", BROADCAST),
    ("http://4294967295/", BROADCAST),
    ("http://240.0.0.1/", RESERVED),
    ("http://[100::1]/", NOT_GLOBAL),
    ("http://[4000::1]/", NOT_GLOBAL),
    ("http://[5f00::1]/", NOT_GLOBAL),
    // schemes
    ("ftp://example.com/", Refusal::Scheme),
    ("file:///etc/passwd", Refusal::Scheme),
    ("gopher://example.com:70/_", Refusal::Scheme),
    ("ws://example.com/", Refusal::Scheme),
    ("javascript:alert(1)", Refusal::Scheme),
    ("data:text/plain,a", Refusal::Scheme),
    ("unix:/run/docker.sock", Refusal::Scheme),
    ("blob:http://example.com/a", Refusal::Scheme),
    // user info
    ("http://user@example.com/", Refusal::UserInfo),
    ("http://user:password@example.com/", Refusal::UserInfo),
    ("http://:password@example.com/", Refusal::UserInfo),
    ("http://example.com@127.0.0.1/", Refusal::UserInfo),
    ("http://example.com:80@127.0.0.1/", Refusal::UserInfo),
    ("http://%75ser@example.com/", Refusal::UserInfo),
    // ports
    ("http://example.com:0/", Refusal::Port(0)),
    ("http://example.com:22/", Refusal::Port(22)),
    ("http://example.com:25/", Refusal::Port(25)),
    ("http://example.com:79/", Refusal::Port(79)),
    ("http://example.com:81/", Refusal::Port(81)),
    ("https://example.com:444/", Refusal::Port(444)),
    ("https://example.com:1023/", Refusal::Port(1023)),
    ("http://8.8.8.8:22/", Refusal::Port(22)),
    // no URL
    ("", Refusal::NotAUrl),
    ("example.com", Refusal::NotAUrl),
    ("//example.com/", Refusal::NotAUrl),
    ("/path", Refusal::NotAUrl),
    ("http://", Refusal::NotAUrl),
    ("http:///", Refusal::NotAUrl),
    ("http://:80/", Refusal::NotAUrl),
    ("http://example.com:65536/", Refusal::NotAUrl),
    ("http://example.com:-1/", Refusal::NotAUrl),
    ("http://256.256.256.256/", Refusal::NotAUrl),
    ("http://127.0.0.1.1/", Refusal::NotAUrl),
    ("http://0x7f000001f/", Refusal::NotAUrl),
    ("http://1.2.3.08/", Refusal::NotAUrl),
    ("http://[::1/", Refusal::NotAUrl),
    ("http://[fe80::1%25eth0]/", Refusal::NotAUrl),
    ("http://[v1.a]/", Refusal::NotAUrl),
    ("http://exa mple.com/", Refusal::NotAUrl),
    ("http://example.com%00.evil.example/", Refusal::NotAUrl),
];

const CALLED: &[&str] = &[
    "http://example.com",
    "https://example.com/hooks?a=b#c",
    "http://example.com:80/",
    "https://example.com:80/",
    "http://example.com:443/",
    "http://example.com:1024/",
    "https://example.com:65535/",
    "http://8.8.8.8/",
    "http://134744072/",
    "https://[2606:4700:4700::1111]/",
    "https://münchen.example/",
    "http://example.com./",
    "http://127.0.0.1.nip.example/",
    "http://localhost/",
];

fn nowhere() -> Names {
    Names::new(|name| async move { panic!("{name} was looked up") })
}

#[tokio::test]
async fn what_is_refused_when_it_is_configured_is_refused_when_it_is_called() {
    let egress = egress(&[], nowhere());
    for &(url, expected) in REFUSED {
        assert_eq!(egress.guard().check(url).err(), Some(expected), "{url}");
        match send(&egress, url).await {
            Err(CallError::Url(refusal)) => assert_eq!(refusal, expected, "{url}"),
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[test]
fn what_can_be_called_can_be_configured() {
    let egress = egress(&[], nowhere());
    for &url in CALLED {
        assert!(egress.guard().check(url).is_ok(), "{url}");
    }
    let long = |bytes: usize| format!("http://example.com/{}", "a".repeat(bytes - "http://example.com/".len()));
    assert!(egress.guard().check(&long(2048)).is_ok());
    assert_eq!(egress.guard().check(&long(2049)), Err(Refusal::NotAUrl));
}

#[test]
fn an_allowed_network_opens_addresses_and_nothing_else() {
    let egress = egress(&["127.0.0.1/32", "fd00::/8"], nowhere());
    for url in ["http://127.0.0.1/", "http://2130706433:8080/", "https://[fd00::1]:8443/"] {
        assert!(egress.guard().check(url).is_ok(), "{url}");
    }
    let cases = [
        ("http://127.0.0.2/", LOOPBACK),
        ("http://[::1]/", LOOPBACK),
        ("http://[::ffff:127.0.0.1]/", EMBEDDED),
        ("http://127.0.0.1:22/", Refusal::Port(22)),
        ("ftp://127.0.0.1/", Refusal::Scheme),
        ("http://a@127.0.0.1/", Refusal::UserInfo),
    ];
    for (url, expected) in cases {
        assert_eq!(egress.guard().check(url), Err(expected), "{url}");
    }
}

#[test]
fn no_refusal_repeats_a_url() {
    let egress = egress(&[], nowhere());
    for url in [
        "http://canary:canary@canary.example/canary?canary#canary",
        "canary://canary/?canary",
        "http://10.1.2.3/canary",
    ] {
        let refusal = egress.guard().check(url).unwrap_err();
        let shown = format!("{refusal} {refusal:?}");
        assert!(!shown.contains("canary") && !shown.contains("10.1"), "{shown}");
    }
}

/// An IPv4 address as inet_aton reads it: in one to four parts, each decimal, octal or hexadecimal.
fn notations(address: u32) -> Vec<String> {
    let [a, b, c, d] = address.to_be_bytes();
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{a}.{b}.{}", address & 0xffff),
        format!("{a}.{}", address & 0x00ff_ffff),
        format!("{address}"),
        format!("{address:#x}"),
        format!("0{address:o}"),
        format!("{a:#x}.0{b:o}.{c}.0X{d:X}"),
        format!("00{a:o}.{:#x}", address & 0x00ff_ffff),
    ]
}

proptest! {
    #[test]
    fn an_address_is_judged_alike_in_every_notation(address: u32) {
        let guard = Guard::new(Vec::new());
        let expected = guard.check_address(Ipv4Addr::from_bits(address).into()).err();
        for host in notations(address) {
            prop_assert_eq!(guard.check(&format!("http://{}/", host)).err(), expected, "{}", host);
        }
    }
}
