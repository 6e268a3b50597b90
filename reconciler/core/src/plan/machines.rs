//! Machines as git says and as they were seen: everything about them but their intent.

use crate::intent::{Intent, Wanted};
use crate::observed::Observed;
use crate::plan::addresses::{Addresses, may_be_given};
use crate::plan::claim::Claims;
use crate::plan::ownership;
use crate::plan::{BmcPlan, MachinePlan, NicPlan, Origin, Plan, Protect};
use rack_api::boot_order::BootOrder;
use rack_api::inventory::FirmwareKind;
use schema_fleet::{BmcDriver, BootMode, DhcpMode, Fleet, Machine, Manage, Power};
use schema_ids::{Generation, MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// The port of IPMI over LAN (RFC 8832 registers `asf-rmcp`).
const IPMI_PORT: u16 = 623;

/// The port of Redfish: HTTPS.
const REDFISH_PORT: u16 = 443;

/// Machines that git declares, with an intent of "ready" until they are given theirs.
pub(super) fn declared<'a>(
    fleet: &'a Fleet,
    observed: &Observed,
    parent: &Plan,
    claims: &Claims,
    addresses: &mut Addresses<'a>,
) -> BTreeMap<MachineId, MachinePlan> {
    let mut machines = BTreeMap::new();
    for (name, machine) in &fleet.machines {
        let Some(&id) = claims.by_name.get(name) else {
            continue;
        };
        let before = parent.machines.get(&id);
        let rack = machine.rack.as_ref().map(|rack| &rack.name);
        let plan = MachinePlan {
            name: name.clone(),
            wanted: Wanted {
                generation: Generation(0),
                intent: Intent::IDLE,
            },
            origin: Origin::of(&machine.origin),
            nics: nics(fleet, machine, before, addresses),
            firmware: match machine.boot.mode {
                BootMode::Bios => FirmwareKind::Bios,
                BootMode::Uefi => FirmwareKind::Uefi,
            },
            boot_order: match machine.boot.order {
                schema_fleet::BootOrder::NetworkFirst => BootOrder::NetworkFirst,
                schema_fleet::BootOrder::DiskFirst => BootOrder::DiskFirst,
            },
            secure_boot: machine.boot.secure_boot,
            boot_timeout_seconds: machine.boot.timeout.duration().as_secs(),
            keep_on: machine.power == Some(Power::On),
            may_be_off: machine.power == Some(Power::Off),
            observe: machine.manage == Manage::Observe,
            mark: ownership::of_declared(fleet, observed, id, machine, before),
            inspect: machine.inspect.max(before.map_or(0, |before| before.inspect)),
            bmc: machine.bmc.as_ref().and_then(bmc),
            bmc_agent: rack
                .and_then(|rack| fleet.racks.get(rack)?.agents.first())
                .map(|agent| agent.value.clone()),
            bmc_standby: rack
                .and_then(|rack| fleet.racks.get(rack))
                .map(|rack| {
                    rack.agents
                        .iter()
                        .skip(1)
                        .map(|agent| agent.value.clone())
                        .collect()
                })
                .unwrap_or_default(),
            serial: machine.serial.as_ref().map(|serial| serial.value.clone()),
            uuid: machine.uuid.as_ref().map(|uuid| uuid.value),
            protect: machine.protect.map(Protect::of),
            was_protected: false,
            declared: true,
            rack: rack.cloned(),
            zone: rack
                .and_then(|rack| fleet.racks.get(rack)?.zone.as_ref())
                .map(|zone| zone.name.clone()),
            pool: machine.pool.as_ref().map(|pool| pool.name.clone()),
            tags: machine.tags.iter().map(|tag| tag.value.clone()).collect(),
            inspected: observed.machines.get(&id).and_then(|seen| seen.inspected),
            blocked: None,
            outdated: BTreeSet::new(),
            kept: None,
            as_is: None,
            leaving_since: None,
            quarantine: None,
            taken_back: None,
            written: BTreeMap::new(),
        };
        machines.insert(id, plan);
    }
    machines
}

/// Addresses that are fixed in git or kept from before, by anyone.
pub(super) fn taken(fleet: &Fleet, observed: &Observed, parent: &Plan) -> BTreeSet<IpAddr> {
    let nics = fleet.machines.values().flat_map(|machine| machine.nic.values());
    let in_git = nics
        .filter_map(|nic| nic.address.as_ref())
        .map(|address| address.value);
    let before = parent.machines.values().flat_map(|machine| &machine.nics);
    let before = before.filter_map(|nic| nic.address).map(IpAddr::V4);
    let bound = observed.bindings.values().chain(parent.bindings.values());
    let bmcs = fleet
        .machines
        .values()
        .filter_map(|machine| machine.bmc.as_ref()?.address.as_ref());
    let devices = fleet.devices.values().flat_map(|device| &device.address);
    in_git
        .chain(devices.map(|address| address.value))
        .chain(before)
        .chain(bound.flat_map(|binding| binding.addresses.iter().copied()))
        .chain(bmcs.map(|address| address.value))
        .collect()
}

fn nics<'a>(
    fleet: &'a Fleet,
    machine: &'a Machine,
    before: Option<&MachinePlan>,
    addresses: &mut Addresses<'a>,
) -> Vec<NicPlan> {
    let nics = machine.nic.iter().map(|(name, nic)| {
        let mac = nic.mac.value;
        let kept = before.and_then(|before| before.nics.iter().find(|kept| kept.mac == mac)?.address);
        let fixed = nic.address.as_ref().map(|address| address.value);
        let address = match fixed {
            Some(IpAddr::V4(address)) => Some(address),
            Some(IpAddr::V6(_)) | None => boot_subnet(fleet, nic, kept)
                .and_then(|subnet| as_v4(addresses.choose(subnet, kept.map(IpAddr::V4), mac)?)),
        };
        let link = nic.link.as_ref().map(|link| link.value.to_string());
        NicPlan {
            name: name.to_string(),
            mac,
            link,
            address,
        }
    });
    nics.collect()
}

/// The IPv4 subnet to boot in: the one of the address it has, else the first of the link by name. None
/// where nobody of ours answers DHCP.
fn boot_subnet<'a>(fleet: &'a Fleet, nic: &schema_fleet::Nic, kept: Option<Ipv4Addr>) -> Option<&'a Name> {
    let link = &nic.link.as_ref()?.value;
    let vlan = fleet.fabrics.get(&link.fabric)?.vlan.get(&link.vlan)?;
    if vlan.dhcp.value == DhcpMode::Off {
        return None;
    }
    let on_link = || {
        let of_link = fleet
            .subnets
            .iter()
            .filter(|(_, subnet)| subnet.vlan.value == *link);
        of_link.filter(|(_, subnet)| subnet.cidr.value.network().is_ipv4())
    };
    let has = kept.and_then(|kept| on_link().find(|(_, subnet)| may_be_given(subnet, IpAddr::V4(kept))));
    has.or_else(|| on_link().next()).map(|(name, _)| name)
}

fn as_v4(address: IpAddr) -> Option<Ipv4Addr> {
    match address {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    }
}

fn bmc(bmc: &schema_fleet::Bmc) -> Option<BmcPlan> {
    let port = match bmc.driver {
        BmcDriver::Ipmi => IPMI_PORT,
        BmcDriver::Redfish => REDFISH_PORT,
        BmcDriver::Manual => return None,
    };
    Some(BmcPlan {
        driver: bmc.driver.to_string(),
        address: bmc.address.as_ref()?.value,
        port: bmc.port.unwrap_or(port),
        secret: bmc.secret.as_ref().map(|secret| secret.name.clone()),
    })
}

impl Origin {
    pub(crate) fn of(origin: &schema_fleet::Origin) -> Self {
        match origin.span() {
            Some(span) => Self {
                file: span.file.to_string(),
                line: span.start.line,
            },
            None => Self {
                file: origin.to_string(),
                line: 0,
            },
        }
    }
}

impl Protect {
    pub(super) fn of(protect: schema_fleet::Protect) -> Self {
        match protect {
            schema_fleet::Protect::Release => Self::Release,
            schema_fleet::Protect::Wipe => Self::Wipe,
        }
    }
}
