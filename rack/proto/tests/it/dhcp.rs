//! DHCP conversations as case files: each step sends a packet of one of the clients captured in the
//! table below, and the snapshot holds every answer in readable form.

use dhcproto::v4::{
    Architecture, Decodable, Decoder, DhcpOption, Encodable, Encoder, Flags, Message, MessageType,
    OptionCode, UnknownOption,
    relay::{RelayAgentInformation, RelayInfo},
};
use rack_api::config::{AddressRange, Enlist, Link, RackConfig, RackMachine, RackNic, Relay, Subnet};
use rack_proto::dhcp::{Answer, Ingress, LeaseChange, Leases, answer};
use schema_ids::{Mac, MachineId, Timestamp, Uuid};
use serde::Deserialize;
use std::{collections::BTreeMap, fmt::Write as _, net::Ipv4Addr, time::Duration};

pub(crate) const LINK: &str = "lab/boot";
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// One conversation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What it shows; printed above the snapshot.
    title: String,
    #[serde(default = "known")]
    enlist: Enlist,
    /// Ranges as `first-last`.
    #[serde(default)]
    dynamic: Vec<String>,
    /// Reserved addresses by MAC; an empty address declares the machine without one.
    #[serde(default)]
    machines: BTreeMap<Mac, String>,
    /// Whether their firmware starts signed loaders only.
    #[serde(default)]
    secure_boot: bool,
    step: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// A row of [`options`].
    #[serde(default = "linux")]
    client: String,
    /// MACs that send at the same moment.
    mac: Vec<Mac>,
    send: String,
    /// Seconds since the case began.
    #[serde(default)]
    at: u64,
    /// Option 50 or `ciaddr`, instead of the address last offered or acknowledged to the MAC.
    address: Option<Ipv4Addr>,
    /// Option 54, instead of our own.
    server: Option<Ipv4Addr>,
    relay: Option<Ipv4Addr>,
    /// What the relay says the client's subnet is, where that is not its own.
    link_selection: Option<Ipv4Addr>,
    #[serde(default)]
    broadcast: bool,
    /// From here on the reservations are these.
    machines: Option<BTreeMap<Mac, String>>,
}

fn known() -> Enlist {
    Enlist::Known
}

fn linux() -> String {
    "linux".to_owned()
}

#[test]
fn conversations() {
    insta::glob!("../cases/dhcp", "*.toml", |path| {
        let case: Case = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        insta::with_settings!({ description => case.title.clone(), omit_expression => true }, {
            insta::assert_snapshot!(run(&case));
        });
    });
}

fn run(case: &Case) -> String {
    let mut config = config(case.enlist, &case.dynamic, &case.machines);
    for machine in config.machines.values_mut() {
        machine.secure_boot = case.secure_boot;
    }
    let mut leases = Leases::default();
    let mut addresses: BTreeMap<Mac, Ipv4Addr> = BTreeMap::new();
    let mut out = String::new();
    for step in &case.step {
        if let Some(machines) = &step.machines {
            config = self::config(case.enlist, &case.dynamic, machines);
        }
        let now = Timestamp::from_unix_ms(0).plus(Duration::from_secs(step.at));
        // All of them send before any hears the answer of the others.
        let mut replies = Vec::new();
        for mac in &step.mac {
            let bytes = packet(step, *mac, addresses.get(mac).copied());
            let ingress = Ingress {
                link: LINK,
                server: SERVER,
                bytes: &bytes,
            };
            let answer = answer(&config, &leases, &ingress, now);
            for change in &answer.changes {
                leases.apply(change);
            }
            replies.push((*mac, answer));
        }
        for (mac, answer) in replies {
            writeln!(out, "{:>4}s {mac} {} {}", step.at, step.client, step.send).unwrap();
            if let Some(address) = shown(&mut out, &answer) {
                addresses.insert(mac, address);
            }
        }
    }
    // The journal replayed gives the same leases.
    let mut replayed = Leases::default();
    for change in leases.snapshot() {
        let line = serde_json::to_string(&change).unwrap();
        replayed.apply(&serde_json::from_str::<LeaseChange>(&line).unwrap());
    }
    assert_eq!(replayed.snapshot(), leases.snapshot());
    out
}

/// What a machine with this client is told to load when it asks for an address; nothing if it is told none.
pub(crate) fn loader(client: &str, secure_boot: bool) -> Option<String> {
    let mac = Mac::new([0x52, 0x54, 0, 0x77, 0, 1]).unwrap();
    let step = Step {
        client: client.to_owned(),
        mac: vec![mac],
        send: "discover".to_owned(),
        at: 0,
        address: None,
        server: None,
        relay: None,
        link_selection: None,
        broadcast: false,
        machines: None,
    };
    let mut config = config(known(), &[], &[(mac, "10.77.0.11".to_owned())].into());
    for machine in config.machines.values_mut() {
        machine.secure_boot = secure_boot;
    }
    let bytes = packet(&step, mac, None);
    let ingress = Ingress {
        link: LINK,
        server: SERVER,
        bytes: &bytes,
    };
    let answer = answer(&config, &Leases::default(), &ingress, Timestamp::from_unix_ms(0));
    let reply = answer.reply.unwrap();
    let message = Message::decode(&mut Decoder::new(&reply.bytes)).unwrap();
    match message.opts().get(OptionCode::BootfileName) {
        Some(DhcpOption::BootfileName(file)) => Some(String::from_utf8(file.clone()).unwrap()),
        Some(_) | None => None,
    }
}

pub(crate) fn config(enlist: Enlist, dynamic: &[String], machines: &BTreeMap<Mac, String>) -> RackConfig {
    let range = |text: &String| {
        let (from, to) = text.split_once('-').unwrap();
        AddressRange {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        }
    };
    let subnet = |network: &str, gateway: &str, dynamic: Vec<AddressRange>| Subnet {
        network: network.parse().unwrap(),
        prefix: 24,
        gateway: Some(gateway.parse().unwrap()),
        dns: vec!["10.77.0.53".parse().unwrap()],
        dynamic,
        lease_seconds: 600,
    };
    let link = |subnet: Subnet| Link {
        dhcp: true,
        enlist,
        subnets: vec![subnet],
        relay: None,
    };
    let here = subnet("10.77.0.0", "10.77.0.254", dynamic.iter().map(range).collect());
    let far = subnet(
        "10.78.0.0",
        "10.78.0.254",
        vec![range(&"10.78.0.100-10.78.0.110".to_owned())],
    );
    let farther = subnet(
        "10.79.0.0",
        "10.79.0.254",
        vec![range(&"10.79.0.100-10.79.0.110".to_owned())],
    );
    let relayed = Link {
        relay: Some(Relay {
            giaddr: ["10.77.0.250".parse().unwrap(), "10.79.0.254".parse().unwrap()].into(),
        }),
        ..link(farther)
    };
    RackConfig {
        links: [
            (LINK.to_owned(), link(here)),
            ("lab/far".to_owned(), link(far)),
            ("lab/farther".to_owned(), relayed),
        ]
        .into(),
        machines: machines
            .iter()
            .enumerate()
            .map(|(index, (mac, address))| machine(index, *mac, address))
            .collect(),
        ..RackConfig::default()
    }
}

fn machine(index: usize, mac: Mac, address: &str) -> (MachineId, RackMachine) {
    let index = u8::try_from(index).unwrap();
    let machine = RackMachine {
        name: format!("node-{index:02}").parse().unwrap(),
        nics: vec![RackNic {
            mac,
            link: LINK.to_owned(),
            address: (!address.is_empty()).then(|| address.parse().unwrap()),
        }],
        hostname: Some(format!("node-{index:02}")),
        installed: false,
        firmware: rack_api::inventory::FirmwareKind::Bios,
        secure_boot: false,
        bmc: None,
        refuse: None,
        stopped: None,
    };
    (MachineId(Uuid::from_bytes([index; 16])), machine)
}

fn packet(step: &Step, mac: Mac, last: Option<Ipv4Addr>) -> Vec<u8> {
    let kind = match step.send.as_str() {
        "discover" => MessageType::Discover,
        "select" | "reboot" | "renew" => MessageType::Request,
        "decline" => MessageType::Decline,
        "release" => MessageType::Release,
        "inform" => MessageType::Inform,
        other => panic!("no such packet: {other}"),
    };
    let address = step.address.or(last);
    let zero = Ipv4Addr::UNSPECIFIED;
    let mut message = Message::new_with_id(0x0102_0304, zero, zero, zero, zero, &mac.octets());
    options(&mut message, &step.client, mac);
    let options = message.opts_mut();
    options.insert(DhcpOption::MessageType(kind));
    if matches!(step.send.as_str(), "select" | "decline" | "release") {
        options.insert(DhcpOption::ServerIdentifier(step.server.unwrap_or(SERVER)));
    }
    match step.send.as_str() {
        "select" | "reboot" | "decline" => {
            options.insert(DhcpOption::RequestedIpAddress(address.unwrap()));
        }
        "discover" => {
            if let Some(address) = step.address {
                options.insert(DhcpOption::RequestedIpAddress(address));
            }
        }
        _ => {
            message.set_ciaddr(address.unwrap());
        }
    }
    if step.broadcast {
        message.set_flags(Flags::default().set_broadcast());
    }
    if let Some(relay) = step.relay {
        let mut info = RelayAgentInformation::default();
        info.insert(RelayInfo::AgentCircuitId(b"port-7".to_vec()));
        if let Some(subnet) = step.link_selection {
            info.insert(RelayInfo::LinkSelection(subnet));
        }
        message
            .set_giaddr(relay)
            .opts_mut()
            .insert(DhcpOption::RelayAgentInformation(info));
    }
    encode(&message)
}

pub(crate) fn encode(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    message.encode(&mut Encoder::new(&mut bytes)).unwrap();
    bytes
}

/// What each client sends, as captured from QEMU's ROMs and OVMF: architecture, class, user class,
/// client identifier, message size, flags.
fn options(message: &mut Message, client: &str, mac: Mac) {
    let (arch, class, ipxe, client_id, broadcast) = match client {
        "linux" => (None, "", false, true, false),
        "ipxe-bios" => (Some(0), "PXEClient:Arch:00000:UNDI:002001", true, true, false),
        "rom-bios" => (Some(0), "PXEClient:Arch:00000:UNDI:002001", false, false, true),
        "rom-bios-no-93" => (None, "PXEClient:Arch:00000:UNDI:002001", false, false, true),
        "ovmf-pxe" => (Some(7), "PXEClient:Arch:00007:UNDI:003000", false, false, true),
        "ovmf-http" => (Some(16), "HTTPClient:Arch:00016:UNDI:003000", false, false, true),
        "ipxe-efi" => (Some(7), "PXEClient:Arch:00007:UNDI:003010", true, true, false),
        "arm64-pxe" => (Some(11), "PXEClient:Arch:00011:UNDI:003000", false, false, true),
        other => panic!("no such client: {other}"),
    };
    if broadcast {
        message.set_flags(Flags::default().set_broadcast());
    }
    let options = message.opts_mut();
    options.insert(DhcpOption::MaxMessageSize(1472));
    if let Some(arch) = arch {
        options.insert(DhcpOption::ClientSystemArchitecture(Architecture(arch)));
    }
    if !class.is_empty() {
        options.insert(DhcpOption::ClassIdentifier(class.as_bytes().to_vec()));
        let mut uuid = vec![0];
        // 01020304-0506-0708-090a-0b0c0d0e0f10 with its first three fields little-endian.
        uuid.extend([4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16]);
        options.insert(DhcpOption::ClientMachineIdentifier(uuid));
    }
    if ipxe {
        options.insert(DhcpOption::UserClass(b"iPXE".to_vec()));
        let features = UnknownOption::new(OptionCode::from(175), vec![177, 5, 1, 26, 244, 16, 0]);
        options.insert(DhcpOption::Unknown(features));
    }
    if client_id {
        let mut id = vec![1];
        id.extend(mac.octets());
        options.insert(DhcpOption::ClientIdentifier(id));
    }
}

/// Writes an answer down; gives the address in it.
fn shown(out: &mut String, answer: &Answer) -> Option<Ipv4Addr> {
    for change in &answer.changes {
        let durable = if change.is_durable() { "journal" } else { "memory" };
        writeln!(out, "        {durable}: {} {:?}", change.address, change.to).unwrap();
    }
    for fact in &answer.facts {
        writeln!(out, "        fact: {fact:?}").unwrap();
    }
    if let Some(seen) = &answer.seen {
        let uuid = seen.uuid.map_or_else(String::new, |uuid| uuid.to_string());
        writeln!(out, "        boot: {:?} {} {uuid}", seen.bootstrap, seen.client).unwrap();
    }
    if let Some(why) = answer.silence {
        writeln!(out, "        silence: {why:?}").unwrap();
    }
    let reply = answer.reply.as_ref()?;
    let message = Message::decode(&mut Decoder::new(&reply.bytes)).unwrap();
    assert!(reply.bytes.len() >= 300 && reply.bytes.len() <= 548);
    writeln!(
        out,
        "        reply to {:?}: yiaddr {} ciaddr {} siaddr {}{}",
        reply.to,
        message.yiaddr(),
        message.ciaddr(),
        message.siaddr(),
        if message.flags().broadcast() {
            " broadcast"
        } else {
            ""
        }
    )
    .unwrap();
    if let Some(file) = message.fname() {
        writeln!(out, "            file {}", String::from_utf8_lossy(file)).unwrap();
    }
    for (code, option) in message.opts().iter() {
        let text = match option {
            DhcpOption::BootfileName(text)
            | DhcpOption::TFTPServerName(text)
            | DhcpOption::ClassIdentifier(text) => {
                format!("{}", String::from_utf8_lossy(text))
            }
            other => format!("{other:?}"),
        };
        writeln!(out, "            {:>3} {text}", u8::from(*code)).unwrap();
    }
    (!message.yiaddr().is_unspecified()).then(|| message.yiaddr())
}
