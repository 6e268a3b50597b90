//! The interfaces of a network layout on one machine: ports by MAC address, and the bonds, tagged VLANs
//! and bridges made of them, each after what it is made of, with its MAC address and frame size.
//!
//! What the kernel would refuse or silently make useless is refused here, by the interface's name. It
//! knows nothing of addresses but whether an interface has any.

use crate::plan::NicPlan;
use rack_api::network::{BondHash, BondMode, LacpRate, Made};
use schema_fleet::{AddressMode, Bond, Bridge, Fleet, Machine, Network, Vlan, VlanInterface, VlanRef};
use schema_ids::{Mac, Name};
use std::collections::{BTreeMap, BTreeSet};

/// The kernel's limit on an interface's name (`IFNAMSIZ` less the end).
const NAME_CHARS_MAX: usize = 15;

/// What Ethernet carries without being told (IEEE 802.3), in bytes.
const ETHERNET_MTU: u16 = 1500;

/// What an interface is.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Port(&'a NicPlan),
    Bond(&'a Bond),
    Vlan(&'a VlanInterface, &'a Vlan),
    Bridge(&'a Bridge),
}

/// The interfaces of a layout that are used, checked against each other.
pub(super) struct Interfaces<'a> {
    fleet: &'a Fleet,
    machine: &'a Machine,
    layout: &'a Network,
    kinds: BTreeMap<&'a Name, Kind<'a>>,
    /// The bond or bridge that an interface is a member of.
    masters: BTreeMap<&'a Name, &'a Name>,
    /// What is made, each after what it is made of.
    made: Vec<&'a Name>,
}

impl<'a> Interfaces<'a> {
    /// The interfaces of a layout on a machine, or what is wrong with one of them.
    pub(super) fn of(
        fleet: &'a Fleet,
        layout: &'a Network,
        machine: &'a Machine,
        nics: &'a [NicPlan],
    ) -> Result<Self, String> {
        let mut interfaces = Self {
            fleet,
            machine,
            layout,
            kinds: BTreeMap::new(),
            masters: BTreeMap::new(),
            made: Vec::new(),
        };
        interfaces.make(nics)?;
        interfaces.use_ports(nics)?;
        interfaces.join()?;
        let made: Vec<&Name> = interfaces.made.drain(..).collect();
        for name in made {
            interfaces.order(name, &mut BTreeSet::new())?;
        }
        for name in interfaces.kinds.keys().copied() {
            interfaces.fits(name)?;
            interfaces.mtu(name)?;
        }
        Ok(interfaces)
    }

    /// All that the layout makes.
    fn make(&mut self, nics: &[NicPlan]) -> Result<(), String> {
        let bonds = self
            .layout
            .bond
            .iter()
            .map(|(name, bond)| (name, Ok(Kind::Bond(bond))));
        let bridges = self
            .layout
            .bridge
            .iter()
            .map(|(name, bridge)| (name, Ok(Kind::Bridge(bridge))));
        let fleet = self.fleet;
        let vlans = self.layout.vlan.iter().map(|(name, made)| {
            let kind = vlan_of(fleet, &made.vlan.value).map(|vlan| Kind::Vlan(made, vlan));
            (
                name,
                kind.ok_or_else(|| format!("{name} is of {}, which is no VLAN", made.vlan.value)),
            )
        });
        for (name, kind) in bonds.chain(vlans).chain(bridges) {
            if nics.iter().any(|nic| nic.name == name.as_str()) {
                return Err(format!(
                    "{name} is a port of the machine, and is made by the layout"
                ));
            }
            if self.kinds.insert(name, kind?).is_some() {
                return Err(format!("{name} is made twice by the layout"));
            }
            self.made.push(name);
        }
        Ok(())
    }

    /// The ports that have an address, or that something is made of.
    fn use_ports(&mut self, nics: &'a [NicPlan]) -> Result<(), String> {
        let layout = self.layout;
        let bonds = layout.bond.values().flat_map(|bond| &bond.members);
        let bridges = layout.bridge.values().flat_map(|bridge| &bridge.members);
        let vlans = layout.vlan.values().map(|vlan| &vlan.link);
        let addresses = layout.address.iter().map(|address| &address.on);
        for name in bonds.chain(bridges).chain(vlans).chain(addresses) {
            if self.kinds.contains_key(&name.value) {
                continue;
            }
            let port = nics.iter().find(|nic| nic.name == name.as_str());
            let port = port.ok_or_else(|| format!("the machine has no interface {}", name.value))?;
            self.kinds.insert(&name.value, Kind::Port(port));
        }
        self.kinds.keys().try_for_each(|name| nameable(name))
    }

    /// Members join their bond or bridge: one each, and of a kind that can.
    fn join(&mut self) -> Result<(), String> {
        for master in self.made.clone() {
            let members = self.members(master);
            let kind = self.kinds[master];
            if members.is_empty() {
                return Err(format!("{master} has no members"));
            }
            if matches!(kind, Kind::Vlan(..)) {
                continue;
            }
            for member in members {
                let can = match self.kinds[member] {
                    Kind::Port(_) => true,
                    Kind::Bond(_) | Kind::Vlan(..) => matches!(kind, Kind::Bridge(_)),
                    Kind::Bridge(_) => false,
                };
                if !can {
                    let only = match kind {
                        Kind::Bridge(_) => "a bridge joins ports, bonds and VLANs",
                        Kind::Bond(_) | Kind::Port(_) | Kind::Vlan(..) => "a bond joins ports",
                    };
                    return Err(format!("{member} cannot be a member of {master}: {only}"));
                }
                if let Some(other) = self.masters.insert(member, master) {
                    return Err(format!("{member} is a member of {other} and of {master}"));
                }
            }
        }
        Ok(())
    }

    /// Puts an interface after what it is made of.
    fn order(&mut self, name: &'a Name, above: &mut BTreeSet<&'a Name>) -> Result<(), String> {
        if matches!(self.kinds[name], Kind::Port(_)) || self.made.contains(&name) {
            return Ok(());
        }
        if !above.insert(name) {
            return Err(format!("{name} is made of itself"));
        }
        for below in self.members(name) {
            self.order(below, above)?;
        }
        self.made.push(name);
        Ok(())
    }

    /// Whether one interface can be what the layout wants of it.
    fn fits(&self, name: &'a Name) -> Result<(), String> {
        if let Some(master) = self.masters.get(name)
            && self.is_addressed(name)
        {
            return Err(format!(
                "{name} is a member of {master} and has no address of its own; {master} can have it"
            ));
        }
        let Kind::Vlan(made, vlan) = self.kinds[name] else {
            return Ok(());
        };
        let (link, of) = (&made.link.value, &made.vlan.value);
        if vlan.vid.value == 0 {
            return Err(format!("{name} is of {of}, which has no tag: its id is 0"));
        }
        if matches!(self.kinds[link], Kind::Vlan(..)) {
            return Err(format!("{name} is on {link}, which is a tagged VLAN itself"));
        }
        if let Some(bond) = self.bond_of(link) {
            return Err(format!(
                "{name} is on {link}, a member of {bond}; it must be on {bond}"
            ));
        }
        let twin = self.layout.vlan.iter().find(|(other, twin)| {
            *other < name && twin.link.value == *link && twin.vlan.value == made.vlan.value
        });
        if let Some((twin, _)) = twin {
            return Err(format!("{twin} and {name} are the same VLAN {of} on {link}"));
        }
        for port in self.ports(link) {
            let elsewhere = self.link_of(port).filter(|there| there.fabric != of.fabric);
            if let Some(there) = elsewhere {
                return Err(format!(
                    "{name} is of {of}, but {port} beneath it is on another fabric, with {there}"
                ));
            }
        }
        Ok(())
    }

    /// The port of that name; none for what is made, or not used.
    pub(super) fn port(&self, name: &Name) -> Option<&'a NicPlan> {
        match self.kinds.get(name)? {
            Kind::Port(nic) => Some(nic),
            Kind::Bond(_) | Kind::Vlan(..) | Kind::Bridge(_) => None,
        }
    }

    /// All interfaces by name.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a Name> + '_ {
        self.kinds.keys().copied()
    }

    /// What is made, each after what it is made of.
    pub(super) fn made(&self) -> &[&'a Name] {
        &self.made
    }

    /// The interfaces directly beneath one, as the layout lists them.
    fn members(&self, name: &Name) -> Vec<&'a Name> {
        match self.kinds[name] {
            Kind::Port(_) => Vec::new(),
            Kind::Bond(bond) => bond.members.iter().map(|member| &member.value).collect(),
            Kind::Bridge(bridge) => bridge.members.iter().map(|member| &member.value).collect(),
            Kind::Vlan(vlan, _) => vec![&vlan.link.value],
        }
    }

    /// The ports beneath an interface, itself if it is one.
    fn ports(&self, name: &'a Name) -> Vec<&'a Name> {
        match self.kinds[name] {
            Kind::Port(_) => vec![name],
            Kind::Bond(_) | Kind::Bridge(_) | Kind::Vlan(..) => self
                .members(name)
                .into_iter()
                .flat_map(|member| self.ports(member))
                .collect(),
        }
    }

    /// The ports whose untagged frames an interface sends and receives.
    pub(super) fn untagged(&self, name: &'a Name) -> Vec<&'a NicPlan> {
        match self.kinds[name] {
            Kind::Port(nic) => vec![nic],
            Kind::Vlan(..) => Vec::new(),
            Kind::Bond(_) | Kind::Bridge(_) => self
                .members(name)
                .into_iter()
                .flat_map(|member| self.untagged(member))
                .collect(),
        }
    }

    /// Its MAC address: of the port beneath that boots, since the rack's DHCP gives that one its address;
    /// else of the first. `None` has no port beneath it, which [`Interfaces::of`] refuses.
    pub(super) fn mac(&self, name: &'a Name) -> Option<Mac> {
        let ports = self.ports(name);
        let nics = || ports.iter().filter_map(|port| self.port(port));
        let boots = nics().find(|nic| nic.address.is_some());
        boots.or_else(|| nics().next()).map(|nic| nic.mac)
    }

    /// The VLAN that an interface is on, where that is certain: a tagged one is.
    pub(super) fn tagged(&self, name: &Name) -> Option<&'a VlanRef> {
        match self.kinds.get(name) {
            Some(Kind::Vlan(made, _)) => Some(&made.vlan.value),
            Some(Kind::Port(_) | Kind::Bond(_) | Kind::Bridge(_)) | None => None,
        }
    }

    /// How it is made; none for a port.
    pub(super) fn recipe(&self, name: &Name) -> Result<Option<Made>, String> {
        let members = || self.members(name).into_iter().map(Name::to_string).collect();
        let made = match self.kinds.get(name) {
            None | Some(Kind::Port(_)) => return Ok(None),
            Some(Kind::Bond(bond)) => Made::Bond {
                members: members(),
                mode: mode(bond)?,
            },
            Some(Kind::Vlan(made, vlan)) => Made::Vlan {
                link: made.link.value.to_string(),
                id: vlan.vid.value,
            },
            Some(Kind::Bridge(bridge)) => Made::Bridge {
                members: members(),
                stp: bridge.stp,
            },
        };
        Ok(Some(made))
    }

    /// The frame size to be set, in bytes; none where the driver's own is right.
    pub(super) fn mtu_to_set(&self, name: &'a Name) -> Result<Option<u16>, String> {
        let own = self.mtu(name)?;
        let mut differs = own != ETHERNET_MTU;
        // What is made begins with the size of what is beneath it.
        for below in self.members(name) {
            differs |= self.mtu(below)? != own;
        }
        Ok(differs.then_some(own))
    }

    /// The largest payload of its frames, in bytes: that of its network, or what the layout says, and
    /// enough for the VLANs on it.
    pub(super) fn mtu(&self, name: &'a Name) -> Result<u16, String> {
        if let Some(bond) = self.bond_of(name) {
            return self.mtu(bond);
        }
        let said = match self.kinds[name] {
            Kind::Bond(bond) => bond.mtu.as_ref().map(|mtu| mtu.value),
            Kind::Port(_) | Kind::Vlan(..) | Kind::Bridge(_) => None,
        };
        let network = said.or_else(|| self.network_mtu(name));
        let own = match self.kinds[name] {
            // A bridge passes frames on as they are: none that a port of it cannot send.
            Kind::Bridge(_) => {
                let least = self.least_beneath(name)?;
                network.map_or(least, |mtu| mtu.min(least))
            }
            Kind::Port(_) | Kind::Bond(_) | Kind::Vlan(..) => network.unwrap_or(ETHERNET_MTU),
        };
        let above = self.kinds.iter().filter_map(|(above, kind)| match kind {
            Kind::Vlan(made, vlan) if made.link.value == *name => Some((vlan.mtu, above)),
            Kind::Vlan(..) | Kind::Port(_) | Kind::Bond(_) | Kind::Bridge(_) => None,
        });
        match above.max() {
            Some((wanted, vlan)) if wanted > own => {
                let may_grow = said.is_none()
                    && !self.is_addressed(name)
                    && !matches!(self.kinds[name], Kind::Bridge(_));
                may_grow.then_some(wanted).ok_or_else(|| {
                    format!("{vlan} has frames of {wanted} bytes, {name} beneath it has {own}")
                })
            }
            Some(_) | None => Ok(own),
        }
    }

    fn least_beneath(&self, name: &'a Name) -> Result<u16, String> {
        let mut least = None;
        for below in self.members(name) {
            let mtu = self.mtu(below)?;
            least = Some(least.map_or(mtu, |least: u16| least.min(mtu)));
        }
        Ok(least.unwrap_or(ETHERNET_MTU))
    }

    /// The frame size of the network that its own frames belong to, where git says which that is.
    fn network_mtu(&self, name: &Name) -> Option<u16> {
        match self.kinds[name] {
            Kind::Port(_) => Some(vlan_of(self.fleet, self.link_of(name)?)?.mtu),
            Kind::Vlan(_, vlan) => Some(vlan.mtu),
            Kind::Bond(_) | Kind::Bridge(_) => self
                .members(name)
                .into_iter()
                .filter_map(|member| self.network_mtu(member))
                .min(),
        }
    }

    /// The VLAN that a port carries untagged.
    fn link_of(&self, port: &Name) -> Option<&'a VlanRef> {
        Some(&self.machine.nic.get(port)?.link.as_ref()?.value)
    }

    fn bond_of(&self, name: &Name) -> Option<&'a Name> {
        let master = self.masters.get(name).copied()?;
        matches!(self.kinds[master], Kind::Bond(_)).then_some(master)
    }

    fn is_addressed(&self, name: &Name) -> bool {
        let mut entries = self.layout.address.iter();
        entries.any(|entry| entry.on.value == *name && entry.mode.value != AddressMode::LinkUp)
    }
}

fn vlan_of<'a>(fleet: &'a Fleet, name: &VlanRef) -> Option<&'a Vlan> {
    fleet.fabrics.get(&name.fabric)?.vlan.get(&name.vlan)
}

/// Names that the kernel and systemd take: not too long, none that mean something else, no bare number.
fn nameable(name: &Name) -> Result<(), String> {
    let text = name.as_str();
    if text.len() > NAME_CHARS_MAX {
        return Err(format!(
            "the name {name} has more than {NAME_CHARS_MAX} characters, which the kernel does not take"
        ));
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number || ["lo", "all", "default", "bonding_masters"].contains(&text) {
        return Err(format!("no interface can have the name {name}"));
    }
    Ok(())
}

/// How a bond works; what this version does not set up is refused.
fn mode(bond: &Bond) -> Result<BondMode, String> {
    let later = |word: &str| format!("{word} is not carried out by this version");
    let hash = match bond.hash.value {
        schema_fleet::BondHash::Layer2 => BondHash::Layer2,
        schema_fleet::BondHash::Layer23 => BondHash::Layer23,
        schema_fleet::BondHash::Layer34 => BondHash::Layer34,
        hash @ (schema_fleet::BondHash::Encap23
        | schema_fleet::BondHash::Encap34
        | schema_fleet::BondHash::VlanSrcMac) => return Err(later(hash.as_str())),
    };
    let rate = match bond.lacp_rate.value {
        schema_fleet::LacpRate::Slow => LacpRate::Slow,
        schema_fleet::LacpRate::Fast => LacpRate::Fast,
    };
    match bond.mode.value {
        schema_fleet::BondMode::ActiveBackup => Ok(BondMode::ActiveBackup),
        schema_fleet::BondMode::Lacp => Ok(BondMode::Lacp { rate, hash }),
        schema_fleet::BondMode::BalanceXor => Ok(BondMode::BalanceXor { hash }),
        schema_fleet::BondMode::BalanceRr => Ok(BondMode::BalanceRr),
        mode @ (schema_fleet::BondMode::Broadcast
        | schema_fleet::BondMode::BalanceTlb
        | schema_fleet::BondMode::BalanceAlb) => Err(later(mode.as_str())),
    }
}
