//! Where a webhook may go: the guard against requests that are made for somebody else (SSRF).
//!
//! Owns the classes of addresses and the setting `http.webhook_allow`. Promises that the address which is connected to is the one that
//! was judged (a name is asked for once, and its answer is what is connected to), and that link-local, metadata, multicast and
//! unspecified addresses are refused whatever is allowed, also where they are hidden in an IPv6 address (mapped, NAT64, 6to4, Teredo).
//! Loopback and private addresses need to be allowed, as a range or by the name of the host. Redirects and proxies are nobody's
//! business here: [`super::endpoint`] follows none and uses none.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::deliver::blocking::{self, Blocked};
use crate::problem::Problem;

/// How long a name may be asked for.
const LOOKUP_WAIT: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// What an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// Anybody's.
    Public,
    /// This machine.
    Loopback,
    /// A network of one's own, or of nobody.
    Private,
    /// Never a receiver of webhooks.
    Never(&'static str),
}

/// What may be reached beside public addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    /// A range of addresses.
    Range(IpAddr, u32),
    /// A host by name; `*` stands for any text.
    Host(String),
}

/// Judges addresses.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Vec<Allowed>,
    /// This machine may be reached.
    loopback: bool,
}

/// The service's own, said once.
static OF_SERVICE: OnceLock<Arc<Guard>> = OnceLock::new();

impl Guard {
    /// Says what this service allows, once per process and before any webhook is made.
    pub fn set_of_service(self) {
        // A second time (a test's) keeps the first answer.
        let _ = OF_SERVICE.set(Arc::new(self));
    }

    /// What this service allows; nothing beside public addresses where nobody has said.
    pub fn of_service() -> Arc<Self> {
        OF_SERVICE.get().cloned().unwrap_or_default()
    }

    /// Reads `http.webhook_allow`: ranges (`10.0.0.0/8`), addresses and names of hosts (`*.example.com`), with commas between them.
    /// `loopback`: this machine may be reached without being named.
    pub fn parse(text: &str, loopback: bool) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(Self { allowed: parts.map(Allowed::parse).collect::<Result<_, _>>()?, loopback })
    }

    /// Whether the address may be reached for this host; if not, what it is.
    pub fn judge(&self, host: &str, address: IpAddr) -> Result<(), &'static str> {
        let class = class(address);
        if let Class::Never(what) = class {
            return Err(what);
        }
        let named = || self.allowed.iter().any(|allowed| allowed.fits(host, address));
        match class {
            Class::Public => Ok(()),
            Class::Loopback if self.loopback || named() => Ok(()),
            Class::Loopback => Err("this machine itself"),
            _ if named() => Ok(()),
            _ => Err("an address of a private network"),
        }
    }

    /// Looks the host up and gives the addresses that may be reached; a problem when there are none.
    pub async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Problem> {
        let found: Vec<SocketAddr> = match host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, port)],
            Err(_) => match tokio::time::timeout(LOOKUP_WAIT, look_up(host, port)).await {
                Ok(Ok(Ok(found))) => found,
                Ok(Ok(Err(error))) => return Err(unknown(host).why(error.to_string())),
                Ok(Err(Blocked::NoRoom)) => return Err(unknown(host).why("other names that nobody answers for are looked up")),
                Ok(Err(Blocked::Panicked)) | Err(_) => {
                    return Err(unknown(host).why(format!("no answer within {} s", LOOKUP_WAIT.as_secs())));
                }
            },
        };
        let mut refused = None;
        let mut may = Vec::with_capacity(found.len());
        for address in found {
            match self.judge(host, address.ip()) {
                Ok(()) => may.push(address),
                Err(what) => refused = refused.or(Some((address.ip(), what))),
            }
        }
        match refused {
            Some((address, what)) if may.is_empty() => Err(refusal(host, address, what)),
            None if may.is_empty() => Err(unknown(host).why("it has no address")),
            _ => Ok(may),
        }
    }
}

async fn look_up(host: &str, port: u16) -> Result<std::io::Result<Vec<SocketAddr>>, Blocked> {
    let name = host.to_owned();
    let look_up = move || Ok((name.as_str(), port).to_socket_addrs()?.take(ADDRESSES_MAX).collect());
    blocking::call(&blocking::LOOKUPS, LOOKUP_WAIT, look_up).await
}

/// What an address is that nothing is ever sent to, whoever asks for it; none: it may be a receiver.
pub fn never(address: IpAddr) -> Option<&'static str> {
    match class(address) {
        Class::Never(what) => Some(what),
        _ => None,
    }
}

fn unknown(host: &str) -> Problem {
    Problem::retry("webhook/unreachable", format!("the receiver's name {host} is not found"))
}

/// What is said of an address that is refused.
pub fn refusal(host: &str, address: IpAddr, what: &str) -> Problem {
    let fix = if matches!(class(address), Class::Never(_)) {
        "give the receiver another address".to_owned()
    } else {
        format!("http.webhook_allow = \"{host}\", or its range, in rowfeed.toml, if it is meant to be reached")
    };
    let at = if host == address.to_string() { host.to_owned() } else { format!("{host} ({address})") };
    Problem::fail("webhook/address", format!("webhooks do not go to {at}"))
        .why(format!("it is {what}: a webhook must not be a way into networks that its author cannot reach"))
        .fix(fix)
}

impl Allowed {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| format!("\"{text}\" is not a range of addresses, such as 10.0.0.0/8"))?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.parse().ok().filter(|bits| *bits <= most);
            return bits.map(|bits| Self::Range(address, bits)).ok_or_else(|| format!("\"{text}\" has no length from 0 to {most}"));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Range(address, if address.is_ipv4() { 32 } else { 128 }));
        }
        let is_name = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'*'));
        if !is_name || text.trim_matches(['*', '.']).is_empty() {
            return Err(format!("\"{text}\" is neither a range of addresses nor the name of a host, such as *.example.com"));
        }
        Ok(Self::Host(text.to_ascii_lowercase()))
    }

    fn fits(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Self::Range(base, bits) => in_range(canonical(address), *base, *bits) || in_range(address, *base, *bits),
            Self::Host(pattern) => crate::log::topic::fits(pattern, &host.trim_end_matches('.').to_ascii_lowercase()),
        }
    }
}

fn in_range(address: IpAddr, base: IpAddr, bits: u32) -> bool {
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => same(u128::from(address.to_bits()) << 96, u128::from(base.to_bits()) << 96, bits),
        (IpAddr::V6(address), IpAddr::V6(base)) => same(address.to_bits(), base.to_bits(), bits),
        _ => false,
    }
}

/// Whether the first bits are the same.
fn same(a: u128, b: u128, bits: u32) -> bool {
    bits == 0 || (a ^ b) >> (128 - bits.min(128)) == 0
}

/// An IPv4 address that is written as IPv6 is what it is.
fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// Ranges of IPv4 that are not anybody's, the narrower ones first.
const V4: &[(Ipv4Addr, u32, Class)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8, Class::Never("no address at all")),
    (Ipv4Addr::new(169, 254, 0, 0), 16, Class::Never("link-local, where clouds keep their metadata")),
    (Ipv4Addr::new(168, 63, 129, 16), 32, Class::Never("Azure's address for its own machines")),
    (Ipv4Addr::new(100, 100, 100, 200), 32, Class::Never("Alibaba Cloud's metadata")),
    (Ipv4Addr::new(192, 0, 0, 192), 32, Class::Never("Oracle Cloud's metadata")),
    (Ipv4Addr::new(224, 0, 0, 0), 4, Class::Never("multicast")),
    (Ipv4Addr::new(240, 0, 0, 0), 4, Class::Never("reserved, or broadcast")),
    (Ipv4Addr::new(127, 0, 0, 0), 8, Class::Loopback),
    (Ipv4Addr::new(10, 0, 0, 0), 8, Class::Private),
    (Ipv4Addr::new(172, 16, 0, 0), 12, Class::Private),
    (Ipv4Addr::new(192, 168, 0, 0), 16, Class::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, Class::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, Class::Private),
    (Ipv4Addr::new(192, 0, 2, 0), 24, Class::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, Class::Private),
    (Ipv4Addr::new(198, 51, 100, 0), 24, Class::Private),
    (Ipv4Addr::new(203, 0, 113, 0), 24, Class::Private),
];

const fn v6(a: u16, b: u16, c: u16, last: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, 0, 0, 0, 0, last)
}

/// Ranges of IPv6 that are not anybody's. Whatever is outside `2000::/3` is not anybody's either.
const V6: &[(Ipv6Addr, u32, Class)] = &[
    (v6(0, 0, 0, 0), 128, Class::Never("no address at all")),
    (v6(0, 0, 0, 1), 128, Class::Loopback),
    (v6(0xfe80, 0, 0, 0), 10, Class::Never("link-local")),
    (v6(0xff00, 0, 0, 0), 8, Class::Never("multicast")),
    (v6(0xfd00, 0xec2, 0, 0x254), 128, Class::Never("Amazon's metadata")),
    (v6(0xfd20, 0xce, 0, 0x254), 128, Class::Never("Google Cloud's metadata")),
    (v6(0x2001, 0xdb8, 0, 0), 32, Class::Private),
    (v6(0x2001, 0x2, 0, 0), 48, Class::Private),
    (v6(0x3fff, 0, 0, 0), 20, Class::Private),
];

fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => class_v6(v6),
    }
}

fn class_v4(address: Ipv4Addr) -> Class {
    let range = V4.iter().find(|(base, bits, _)| in_range(address.into(), (*base).into(), *bits));
    range.map_or(Class::Public, |(_, _, class)| *class)
}

fn class_v6(address: Ipv6Addr) -> Class {
    if let Some(v4) = address.to_ipv4_mapped() {
        return class_v4(v4);
    }
    if let Some((_, _, class)) = V6.iter().find(|(base, bits, _)| in_range(address.into(), (*base).into(), *bits)) {
        return *class;
    }
    let [a, b, c, ..] = address.segments();
    let [.., w, x, y, z] = address.octets();
    let low = Ipv4Addr::new(w, x, y, z);
    let [_, _, q, r, s, t, ..] = address.octets();
    match (a, b, c) {
        // Compatible with IPv4, long out of use, and NAT64: what is behind it is the IPv4 address.
        (0, 0, _) => class_v4(low).max(Class::Private),
        (0x64, 0xff9b, 0) => class_v4(low),
        // NAT64 of one's own network: the translator is inside, so what it leads to may be too.
        (0x64, 0xff9b, 1) => class_v4(low).max(Class::Private),
        // 6to4 and Teredo carry the IPv4 address of who is asked; nobody offers Teredo any more.
        (0x2002, ..) => class_v4(Ipv4Addr::new(q, r, s, t)),
        (0x2001, 0, _) => class_v4(Ipv4Addr::from_bits(!low.to_bits())).max(Class::Private),
        _ if a & 0xe000 == 0x2000 => Class::Public,
        _ => Class::Private,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(guard: &Guard, host: &str, address: &str) -> bool {
        guard.judge(host, address.parse().unwrap()).is_ok()
    }

    #[test]
    fn metadata_is_refused_in_every_disguise_whatever_is_allowed() {
        let guard = Guard::parse("0.0.0.0/0, ::/0, *.example.com, 169.254.169.254", true).unwrap();
        let metadata = [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "2001:0:0:0:0:0:5601:5601",
            "::a9fe:a9fe",
            "fd00:ec2::254",
            "168.63.129.16",
            "100.100.100.200",
            "0.0.0.0",
            "::",
            "::ffff:0.0.0.0",
            "fe80::1",
            "ff02::1",
            "224.0.0.1",
            "255.255.255.255",
        ];
        for address in metadata {
            assert!(!judged(&guard, "a.example.com", address), "{address}");
        }
    }

    #[test]
    fn private_addresses_need_to_be_allowed_and_public_ones_do_not() {
        let strict = Guard::default();
        let own = [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.0.1",
            "100.64.0.1",
            "fd12::1",
            "fec0::1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "::ffff:10.0.0.1",
            "198.18.0.1",
            "2001:db8::1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "4000::1",
        ];
        for address in own {
            assert!(!judged(&strict, "h", address), "{address}");
        }
        for address in ["1.1.1.1", "172.32.0.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"] {
            assert!(judged(&strict, "h", address), "{address}");
        }
    }

    #[test]
    fn what_is_allowed_is_a_range_an_address_or_a_name() {
        let guard = Guard::parse("10.0.0.0/8, *.Example.com,fd12:3456::/32 , 192.168.7.7, localhost", false).unwrap();
        assert!(judged(&guard, "h", "10.200.0.1") && judged(&guard, "h", "::ffff:10.0.0.1"));
        assert!(judged(&guard, "hooks.example.com", "172.16.0.1") && judged(&guard, "Hooks.EXAMPLE.com.", "127.0.0.1"));
        assert!(!judged(&guard, "example.com.evil.org", "172.16.0.1") && !judged(&guard, "h", "172.16.0.1"));
        assert!(judged(&guard, "h", "192.168.7.7") && !judged(&guard, "h", "192.168.7.8"));
        assert!(judged(&guard, "h", "fd12:3456::9") && !judged(&guard, "h", "fd12:3457::9"));
        assert!(judged(&guard, "localhost", "127.0.0.1") && !judged(&guard, "127.0.0.1", "127.0.0.1"));
        assert!(judged(&Guard::parse("", true).unwrap(), "127.0.0.1", "::ffff:127.0.0.1"));
        for bad in ["10.0.0.0/33", "10.0.0/8", "fd::/129", "*", "*.*", "a b", "http://x"] {
            assert!(Guard::parse(bad, false).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn spellings_of_this_machine_are_judged_by_what_they_lead_to() {
        let guard = Guard::default();
        for host in ["localhost", "127.1", "2130706433", "0x7f.0.0.1", "[::1]", "::1", "0"] {
            let problem = guard.addresses(host, 80).await.expect_err(host);
            assert!(matches!(problem.code, "webhook/address" | "webhook/unreachable"), "{host}: {problem}");
        }
        assert_eq!(Guard::parse("", true).unwrap().addresses("127.0.0.1", 81).await.unwrap(), ["127.0.0.1:81".parse().unwrap()]);
    }
}
