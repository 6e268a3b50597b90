//! The BMC as the machine itself sees it, asked by way of the kernel's IPMI device.

use crate::console::chain;
use crate::program;
use crate::say;
use crate::sysfs::Sysfs;
use rack_api::inventory::BmcSeen;
use std::time::Duration;

/// `ipmitool` asks some twenty parameters; a BMC that is busy answers each within a second or two.
const LAN_PRINT_LIMIT: Duration = Duration::from_secs(60);

/// Asks the BMC for its LAN configuration (IPMI 2.0 §23.2); `None` where there is no BMC.
pub fn look(sysfs: &Sysfs) -> Option<BmcSeen> {
    if !sysfs.exists("dev/ipmi0") {
        return None;
    }
    match program::run("ipmitool", &["lan", "print"], "", LAN_PRINT_LIMIT) {
        Ok(text) => Some(parse(&text)),
        Err(error) => {
            say!("the BMC does not tell its address: {}", chain(&error));
            Some(BmcSeen {
                address: None,
                mac: None,
            })
        }
    }
}

/// Reads the table that `ipmitool lan print` draws.
fn parse(text: &str) -> BmcSeen {
    let value = |key: &str| {
        text.lines().find_map(|line| {
            let (name, value) = line.split_once(" : ")?;
            (name.trim() == key).then(|| value.trim())
        })
    };
    BmcSeen {
        address: value("IP Address")
            .and_then(|text| text.parse::<std::net::IpAddr>().ok())
            .filter(|address| !address.is_unspecified()),
        mac: value("MAC Address").and_then(|text| text.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        let seen = parse(
            "Set in Progress         : Set Complete\n\
             IP Address Source       : Static Address\n\
             IP Address              : 10.77.1.20\n\
             Subnet Mask             : 255.255.255.0\n\
             MAC Address             : 52:54:00:77:aa:01\n",
        );
        assert_eq!(seen.address, Some("10.77.1.20".parse().unwrap()));
        assert_eq!(seen.mac, Some("52:54:00:77:aa:01".parse().unwrap()));
    }

    #[test]
    fn an_unset_address_is_none() {
        let seen = parse("IP Address : 0.0.0.0\nMAC Address : 00:00:00:00:00:00\n");
        assert_eq!(
            seen,
            BmcSeen {
                address: None,
                mac: None
            }
        );
    }
}
