//! Networks that may connect, as an operator writes them: `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`.
//!
//! A few lines of our own instead of a crate: two integers and a mask, and no host bits may be set, which
//! the usual crate lets pass.

use std::net::IpAddr;
use std::str::FromStr;

/// One network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    }
}

fn network_bits(value: u128, width: u32, prefix: u32) -> u128 {
    // A shift by the whole width of the type is not defined, hence checked.
    value.checked_shr(width - prefix).unwrap_or(0)
}

impl Network {
    /// Whether the address lies in it. An IPv4 address that came in over an IPv6 socket counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let ((own, width), (other, other_width)) = (bits(self.address), bits(address.to_canonical()));
        width == other_width
            && network_bits(own, width, self.prefix) == network_bits(other, width, self.prefix)
    }
}

/// Whether the list lets the address in. An empty list lets everybody in: `check` warns of it.
pub fn allows(list: &[Network], address: IpAddr) -> bool {
    list.is_empty() || list.iter().any(|network| network.contains(address))
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = "a network is an address with or without a prefix length, such as \"10.0.0.0/8\"";
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| form.to_owned())?;
        let (value, width) = bits(address);
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= width).ok_or(form)?,
            None => width,
        };
        let host = width - prefix;
        let kept = network_bits(value, width, prefix).checked_shl(host).unwrap_or(0);
        if kept != value {
            return Err("the address has bits set behind the prefix length".into());
        }
        Ok(Self { address, prefix })
    }
}

impl<'de> serde::Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{Network, allows};

    fn check(list: &[&str], address: &str, allowed: bool) {
        let networks: Vec<Network> = list.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(allows(&networks, address.parse().unwrap()), allowed, "{list:?} {address}");
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        check(&["10.0.0.0/8"], "10.255.1.2", true);
        check(&["10.0.0.0/8"], "11.0.0.1", false);
        check(&["192.0.2.7"], "192.0.2.7", true);
        check(&["192.0.2.7"], "192.0.2.8", false);
        check(&["192.0.2.4/31", "10.0.0.0/8"], "192.0.2.5", true);
        check(&["0.0.0.0/0"], "203.0.113.9", true);
        check(&["0.0.0.0/0"], "2001:db8::1", false);
        check(&["2001:db8::/32"], "2001:db8:ffff::1", true);
        check(&["::/0"], "2001:db8::1", true);
        check(&["10.0.0.0/8"], "::ffff:10.1.2.3", true);
        check(&[], "203.0.113.9", true);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in ["", "10.0.0.0/33", "10.0.0.1/8", "10.0.0/8", "host", "::/129", "10.0.0.0/-1", "1.2.3.4/"]
        {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
