//! A life with two ports: a bond, tagged VLANs and a bridge on it, and a cable that is pulled.
//!
//! What the installed system made of git's words is asked of its kernel, by ssh; that its frames really carry
//! the tag is seen outside, at the other port of the bond, where the rack's bridge sends them.

use crate::error::{Result, RigError, failed};
use crate::machine::NicSpec;
use crate::once::faults::Faults;
use crate::once::inside::Inside;
use crate::once::life::Life;
use crate::once::reboots;
use crate::pcap::{self, Question};
use crate::qmp;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// The port that boots, as the example has it, and the other.
const MAC: &str = "52:54:00:77:00:01";
const OTHER_MAC: &str = "52:54:00:77:00:02";
/// The storage VLAN and the machine's fixed addresses on it.
const STORAGE: u16 = 120;
const STORAGE_V4: &str = "10.77.120.17";
const STORAGE_V6: &str = "fd77:120::17";
/// The guests' VLAN and the bridge's address on it.
const GUESTS: u16 = 130;
const GUESTS_V4: &str = "10.77.130.17";

/// What of the example is replaced, by what.
const CHANGES: [(&str, &str); 4] = [
    (
        "vlan.pxe = { vid = 0, dhcp = \"rack\" }\n",
        "vlan.pxe = { vid = 0, dhcp = \"rack\" }\n\
         vlan.storage = { vid = 120, dhcp = \"off\" }\n\
         vlan.guests = { vid = 130, dhcp = \"off\" }\n",
    ),
    (
        "[[subnet.lab-v4.range]]",
        "[subnet.storage-v4]\nvlan = \"lab/storage\"\ncidr = \"10.77.120.0/24\"\n\n\
         [subnet.storage-v6]\nvlan = \"lab/storage\"\ncidr = \"fd77:120::/64\"\n\n\
         [subnet.guests-v4]\nvlan = \"lab/guests\"\ncidr = \"10.77.130.0/24\"\n\n\
         [[subnet.lab-v4.range]]",
    ),
    (
        "nic.p0 = { mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }\n",
        "nic.p0 = { mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }\n\
         nic.p1 = { mac = \"52:54:00:77:00:02\", link = \"lab/pxe\" }\n",
    ),
    (
        "address = [{ on = \"p0\", mode = \"auto\", subnet = \"lab-v4\" }]\n",
        "bond.bond0 = { members = [\"p0\", \"p1\"], mode = \"active-backup\" }\n\
         vlan.stor = { link = \"bond0\", vlan = \"lab/storage\" }\n\
         vlan.guests = { link = \"bond0\", vlan = \"lab/guests\" }\n\
         bridge.br0 = { members = [\"guests\"] }\n\
         address = [\n\
         \x20   { on = \"bond0\", mode = \"auto\", subnet = \"lab-v4\" },\n\
         \x20   { on = \"stor\", mode = \"static\", cidr = \"10.77.120.17/24\" },\n\
         \x20   { on = \"stor\", mode = \"static\", cidr = \"fd77:120::17/64\" },\n\
         \x20   { on = \"br0\", mode = \"static\", cidr = \"10.77.130.17/24\" },\n\
         ]\n",
    ),
];

/// Everything that is looked at inside, in one login: a translated machine takes seconds for each.
const LOOK: &str = "cat /proc/net/bonding/bond0; echo; echo ==; \
    ip -details -json link; echo; echo ==; \
    ip -json address; echo; echo ==; \
    ip -4 route show default; echo ==; \
    ip -6 route show default; echo ==; \
    resolvectl dns; echo ==; \
    getent hosts node-01";
const PARTS: usize = 7;

/// Asks for neighbours that are not there, on each network with a tag.
const KNOCK: &str = "for there in 10.77.120.99 '[fd77:120::99]' 10.77.130.99; do \
    curl --silent --globoff --connect-timeout 2 http://$there/; done; true";

/// A bond looks at its ports ten times a second; a translated guest on a loaded host is slower.
const FAILOVER_MAX: Duration = Duration::from_secs(30);

/// The machine's second port, on the same bridge.
pub(crate) fn other() -> NicSpec {
    NicSpec {
        mac: OTHER_MAC.to_owned(),
        tap: "tap1".to_owned(),
    }
}

/// The example with two ports, two tagged VLANs, and all that is made of them.
pub(crate) fn layout(text: &str) -> Result<String> {
    CHANGES.iter().try_fold(text.to_owned(), |text, (from, to)| {
        if text.contains(from) {
            Ok(text.replacen(from, to, 1))
        } else {
            disproved(format!("the example fleet has no line {from:?}"))
        }
    })
}

/// Lives it.
pub(crate) fn live(life: &Life<'_>) -> Result<()> {
    let faults = &mut Faults::default();
    life.begin(faults)?;
    life.propose()?;
    life.fleet.merge()?;
    life.until("deployed", faults)?;
    life.prove()?;
    let inside = &Inside::of(life)?;
    made_as_written(inside)?;
    frames_are_tagged(life, inside)?;
    lives_with_one_port(life, inside)?;
    reboots::reboot(life, "both cables in")?;
    made_as_written(inside)?;
    life.until("deployed", faults)?;
    life.prove_nothing_left()
}

fn disproved<T>(text: impl Into<String>) -> Result<T> {
    Err(RigError::Disproved(text.into()))
}

/// The kernel has the bond, the VLANs and the bridge, with their addresses and one way out.
fn made_as_written(inside: &Inside<'_>) -> Result<()> {
    let said = inside.ask(LOOK)?;
    let parts: Vec<&str> = said.split("==\n").collect();
    let [bond, links, addresses, v4, v6, dns, hosts]: [&str; PARTS] = match parts.try_into() {
        Ok(parts) => parts,
        Err(_) => return disproved(format!("the installed system says:\n{said}")),
    };
    for line in [
        "Bonding Mode: fault-tolerance (active-backup)",
        "Slave Interface: p0",
        "Slave Interface: p1",
    ] {
        if !bond.contains(line) {
            return disproved(format!("/proc/net/bonding/bond0 has no line {line:?}:\n{bond}"));
        }
    }
    let links = json(links)?;
    for (name, id) in [("stor", STORAGE), ("guests", GUESTS)] {
        let link = named(&links, name)?;
        let made = &link["linkinfo"];
        if made["info_kind"] != "vlan" || made["info_data"]["id"] != id || link["link"] != "bond0" {
            return disproved(format!("{name} is not VLAN {id} on bond0: {link}"));
        }
    }
    if named(&links, "guests")?["master"] != "br0"
        || named(&links, "br0")?["linkinfo"]["info_kind"] != "bridge"
    {
        return disproved(format!("guests is not a port of the bridge br0: {links}"));
    }
    let addresses = json(addresses)?;
    for (name, wanted) in [
        ("bond0", inside.address()),
        ("stor", STORAGE_V4),
        ("stor", STORAGE_V6),
        ("br0", GUESTS_V4),
    ] {
        let interface = named(&addresses, name)?;
        let has = interface["addr_info"].as_array();
        if !has.is_some_and(|all| all.iter().any(|address| address["local"] == wanted)) {
            return disproved(format!("{name} has not {wanted}: {interface}"));
        }
    }
    let is_one = v4.lines().count() == 1 && v4.starts_with("default via 10.77.0.1 dev bond0");
    if !is_one || v6.lines().count() > 1 {
        return disproved(format!("default routes are\n{v4}{v6}"));
    }
    if !dns.lines().any(|line| line.contains("(bond0): 10.77.0.1")) || !hosts.contains("node-01") {
        return disproved(format!("names are looked up so:\n{dns}{hosts}"));
    }
    println!(
        "inside: bond0 over p0 and p1, stor is VLAN {STORAGE}, br0 over VLAN {GUESTS}, one default route"
    );
    Ok(())
}

fn json(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|_| RigError::Answer {
        whom: "ip in the installed system".to_owned(),
        found: text.to_owned(),
    })
}

fn named<'v>(all: &'v Value, name: &str) -> Result<&'v Value> {
    let found = all
        .as_array()
        .and_then(|all| all.iter().find(|one| one["ifname"] == name));
    found.ok_or_else(|| RigError::Disproved(format!("there is no interface {name}: {all}")))
}

/// Frames of each VLAN leave by one port with its tag, and come to the other over the rack's bridge.
fn frames_are_tagged(life: &Life<'_>, inside: &Inside<'_>) -> Result<()> {
    let machine = life.rack.machine(&life.spec.name);
    let files = [0, 1].map(|at| machine.join(format!("nic{at}.pcap")));
    for (at, file) in files.iter().enumerate() {
        qmp::dump(&machine.join("qmp"), at, file)?;
    }
    inside.ask(KNOCK)?;
    let questions = |file: &PathBuf| -> Result<BTreeSet<Question>> {
        let bytes = fs::read(file).map_err(failed("read the frames"))?;
        Ok(pcap::questions(&bytes, mac(MAC)?))
    };
    let [left, came] = [questions(&files[0])?, questions(&files[1])?];
    for (vlan, from) in [(STORAGE, STORAGE_V4), (STORAGE, STORAGE_V6), (GUESTS, GUESTS_V4)] {
        let from: IpAddr = from.parse().expect("a constant of ours is an address");
        let question = Question { vlan, from };
        if !left.contains(&question) || !came.contains(&question) {
            return disproved(format!("no {question:?} at both ports: {left:?} and {came:?}"));
        }
        println!("outside: {from} asks for a neighbour with the tag of VLAN {vlan}, seen at both ports");
    }
    Ok(())
}

fn mac(text: &str) -> Result<[u8; 6]> {
    let bytes: Option<Vec<u8>> = text
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| RigError::Disproved(format!("{text} is no MAC address")))
}

/// The cable of the port that works is pulled out: the other takes over, and the machine answers on.
fn lives_with_one_port(life: &Life<'_>, inside: &Inside<'_>) -> Result<()> {
    let socket = life.rack.machine(&life.spec.name).join("qmp");
    let (worked, _) = working(inside)?;
    let at = usize::from(worked != "p0");
    let spare = ["p1", "p0"][at];
    qmp::set_link(&socket, &format!("nic{at}"), false)?;
    let one_left = (spare.to_owned(), 1);
    until(inside, &one_left)?;
    println!("cable of {worked} pulled out: ssh answers by {spare}");
    qmp::set_link(&socket, &format!("nic{at}"), true)?;
    // The port that took over goes on: a second change would buy nothing.
    until(inside, &(one_left.0, 2))
}

/// The port that a bond works by, and how many have carrier.
type Working = (String, usize);

fn working(inside: &Inside<'_>) -> Result<Working> {
    let said = inside.ask("cat /sys/class/net/bond0/bonding/active_slave /sys/class/net/p[01]/carrier")?;
    let mut lines = said.lines();
    let port = lines.next().unwrap_or_default().to_owned();
    Ok((port, lines.filter(|line| *line == "1").count()))
}

fn until(inside: &Inside<'_>, wanted: &Working) -> Result<()> {
    let until = Instant::now() + FAILOVER_MAX;
    loop {
        let now = working(inside)?;
        if now == *wanted {
            return Ok(());
        }
        if Instant::now() >= until {
            return disproved(format!("bond0 works so: {now:?}, and not so: {wanted:?}"));
        }
        thread::sleep(Duration::from_secs(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_is_read_as_bytes() {
        assert_eq!(mac(MAC).expect("it is one"), [0x52, 0x54, 0, 0x77, 0, 1]);
        assert!(mac("52:54:00:77:00").is_err());
    }
}
