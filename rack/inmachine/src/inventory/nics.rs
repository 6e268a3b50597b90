//! Ethernet interfaces.
//!
//! Only the boot interface was brought up by the initrd. To see which others have a cable they are
//! raised here, without an address: that sends nothing but what the link layer itself does.

use crate::sysfs::Sysfs;
use rack_api::inventory::Nic;
use schema_ids::Mac;
use std::time::Duration;

/// The kernel's number for Ethernet (`ARPHRD_ETHER`).
const TYPE_ETHERNET: u32 = 1;

/// The address was not made up by the kernel (`NET_ADDR_PERM`).
const ADDRESS_PERMANENT: u32 = 0;

/// `IFF_UP` of an interface's flags.
const FLAG_UP: u32 = 1;

/// Gigabit copper negotiates in 3 s, 25G optics with training in about 8 s.
const CARRIER_WAIT: Duration = Duration::from_secs(8);

fn hardware_names(sysfs: &Sysfs) -> Vec<String> {
    let mut names = sysfs.names("sys/class/net");
    names.retain(|name| {
        let number = |attribute: &str| sysfs.number::<u32>(&format!("sys/class/net/{name}/{attribute}"));
        sysfs.exists(&format!("sys/class/net/{name}/device"))
            && number("type") == Some(TYPE_ETHERNET)
            && number("addr_assign_type") == Some(ADDRESS_PERMANENT)
    });
    names
}

fn has_carrier(sysfs: &Sysfs, name: &str) -> bool {
    // Reading fails while the interface is down.
    sysfs.text(&format!("sys/class/net/{name}/carrier")).as_deref() == Some("1")
}

/// All interfaces of the machine that have an address of their own.
pub(super) fn find_all(sysfs: &Sysfs) -> Vec<Nic> {
    let read = |name: String| {
        let directory = format!("sys/class/net/{name}");
        let mac: Mac = sysfs.text(&format!("{directory}/address"))?.parse().ok()?;
        let driver = sysfs.resolve(&format!("{directory}/device/driver"));
        Some(Nic {
            mac,
            // The kernel says -1 where there is no link or no such thing as a speed.
            speed_mbps: sysfs
                .number::<u32>(&format!("{directory}/speed"))
                .filter(|speed| *speed > 0),
            link: has_carrier(sysfs, &name),
            driver: driver
                .and_then(|path| Some(path.rsplit_once('/')?.1.to_owned()))
                .unwrap_or_default(),
            name,
        })
    };
    hardware_names(sysfs).into_iter().filter_map(read).collect()
}

/// Raises every interface that is down, so that its carrier can be seen, and waits for the slow
/// ones. One that cannot be raised shows no link.
pub fn raise_links(sysfs: &Sysfs) {
    let mut waiting = Vec::new();
    for name in hardware_names(sysfs) {
        let flags_path = format!("sys/class/net/{name}/flags");
        let flags = sysfs
            .text(&flags_path)
            .and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok());
        let Some(flags) = flags.filter(|flags| flags & FLAG_UP == 0) else {
            continue;
        };
        // No router on that link shall configure us.
        let _ = std::fs::write(
            sysfs.path(&format!("proc/sys/net/ipv6/conf/{name}/disable_ipv6")),
            "1",
        );
        if std::fs::write(sysfs.path(&flags_path), format!("{:#x}", flags | FLAG_UP)).is_ok() {
            waiting.push(name);
        }
    }
    let began = std::time::Instant::now();
    while began.elapsed() < CARRIER_WAIT && waiting.iter().any(|name| !has_carrier(sysfs, name)) {
        std::thread::sleep(Duration::from_millis(250));
    }
}
