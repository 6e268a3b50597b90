//! What one rack agent is to serve and to do: the adopted plan, seen from its place.
//!
//! A whole value, made anew each time and compared by digest; never a difference. BMC accounts pass through
//! it as the shell hands them in: sealed to the agent, but for the digest, which is taken of what was sealed.

use crate::condition::Condition;
use crate::intent::Intent;
use crate::plan::{LinkPlan, MachinePlan, Plan};
use crate::roles::BmcTimes;
use rack_api::config::{
    AddressRange, BmcAccess, Desired, Enlist, Known, Link, RackConfig, RackMachine, RackNic, Subnet,
};
use rack_api::order::{Lane, Order};
use schema_ids::{Digest, Incarnation, Mac, MachineId, Name};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// What the value is made of.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The adopted plan, as it is in hand (see [`roles`](crate::roles)).
    pub plan: &'a Plan,
    /// This life of the control plane.
    pub incarnation: Incarnation,
    /// Issued orders; those of another generation or life and all but the newest of a lane are left
    /// out here.
    pub orders: &'a [Order],
    /// Machines on which an installation of ours ever began: local boot whenever a job cannot be
    /// vouched for.
    pub written: &'a BTreeSet<MachineId>,
    /// Machines that a person has stopped, with who and why: a power order of theirs is taken back.
    pub stopped: &'a BTreeMap<MachineId, String>,
    /// BMC accounts by secret name, each sealed to the agent.
    pub secrets: &'a BTreeMap<Name, String>,
    /// How long the agent commands BMCs.
    pub bmc_times: BmcTimes,
    /// Key of the job tokens, hexadecimal.
    pub token_key: &'a str,
}

/// What `agent` is to serve and to do.
pub fn desired(inputs: &Inputs<'_>, agent: &Name) -> Desired {
    let plan = inputs.plan;
    let here = |link: &String| {
        plan.links
            .get(link)
            .is_some_and(|link| link.agents.contains(agent))
    };
    let serves = |machine: &MachinePlan| machine.nics.iter().filter_map(|nic| nic.link.as_ref()).any(here);
    let drives = |machine: &MachinePlan| machine.bmc_agent.as_ref() == Some(agent);
    let mine = || {
        plan.machines
            .iter()
            .filter(|(_, machine)| serves(machine) || drives(machine))
    };

    let links = plan.links.iter().filter(|(name, _)| here(name));
    let owners = owners(plan);
    let machines = mine().map(|(id, machine)| {
        let nics = machine.nics.iter().filter_map(|nic| {
            let link = nic.link.clone().filter(here)?;
            if owners.get(&nic.mac) != Some(id) {
                return None;
            }
            Some(RackNic {
                mac: nic.mac,
                link,
                address: nic.address,
            })
        });
        let bmc = if drives(machine) {
            bmc_access(machine, inputs)
        } else {
            None
        };
        let served = RackMachine {
            name: machine.name.clone(),
            nics: nics.collect(),
            hostname: Some(hostname(machine)),
            installed: inputs.written.contains(id) || machine.is_left_alone(),
            firmware: machine.firmware,
            secure_boot: machine.secure_boot,
            bmc,
            refuse: refused(machine),
            stopped: inputs.stopped.get(id).cloned(),
        };
        (*id, served)
    });
    // What is still to be installed here, and what every job runs in.
    let images = mine()
        .filter(|(id, _)| plan.wipe_set.entries.contains_key(id))
        .filter_map(|(_, machine)| installed(&machine.wanted.intent));
    let ephemeral = plan
        .ephemeral
        .iter()
        .flat_map(|system| [system.kernel, system.initrd, system.rootfs]);
    let config = RackConfig {
        links: links
            .map(|(name, link)| (name.clone(), served_link(link, agent)))
            .collect(),
        machines: machines.collect(),
        ephemeral: plan.ephemeral.clone(),
        artefacts: images.chain(ephemeral).collect(),
        token_key: inputs.token_key.to_owned(),
        known: known(inputs, agent),
    };
    let orders = standing(inputs).into_values().filter(|order| {
        plan.machines
            .get(&order.machine)
            .is_some_and(|machine| match order.lane() {
                Lane::Power => drives(machine) && !inputs.stopped.contains_key(&order.machine),
                Lane::Boot => serves(machine),
            })
    });
    Desired {
        incarnation: inputs.incarnation,
        config,
        orders: orders.cloned().collect(),
    }
}

/// The image that an intent installs.
fn installed(intent: &Intent) -> Option<Digest> {
    match intent {
        Intent::Deployed(deploy) => Some(deploy.image.digest),
        Intent::Observe { .. }
        | Intent::Ready { .. }
        | Intent::AsIs { .. }
        | Intent::Orphaned { .. }
        | Intent::Released(_)
        | Intent::Retired => None,
    }
}

/// Whose each interface is. Where an entry has an interface of a machine that git no longer names, it
/// is still that machine's: the entry is only observed until a person has said which is which.
fn owners(plan: &Plan) -> BTreeMap<Mac, MachineId> {
    let certain = |machine: &MachinePlan| {
        let blocked = machine.blocked.as_ref().map(|blocked| blocked.condition);
        blocked != Some(Condition::IdentityAmbiguous)
    };
    let mut machines: Vec<_> = plan.machines.iter().collect();
    // The last one has it: a retired machine's is anybody's.
    machines.sort_by_key(|(_, machine)| (machine.wanted.intent != Intent::Retired, certain(machine)));
    let nics = machines
        .into_iter()
        .flat_map(|(id, machine)| machine.nics.iter().map(|nic| (nic.mac, *id)));
    nics.collect()
}

/// What git knows machines by, for an agent that may be asked about strangers. Of the whole fleet: a
/// stranger here may be a machine of another rack. A machine that was ever written to, or runs what muster did not
/// install, is left out: it boots its own disk, from whichever interface it asks.
fn known(inputs: &Inputs<'_>, agent: &Name) -> Known {
    let plan = inputs.plan;
    let asked = |link: &LinkPlan| link.enlist == Enlist::Known && link.agents.contains(agent);
    if !plan.links.values().any(asked) {
        return Known::default();
    }
    let wanted = || {
        let machines = plan.machines.iter();
        machines
            .filter(|(id, machine)| {
                machine.declared && !inputs.written.contains(id) && !machine.is_left_alone()
            })
            .map(|(_, machine)| machine)
    };
    let serials = wanted().filter_map(|machine| machine.serial.as_deref());
    Known {
        serials: serials
            .map(|serial| serial.trim().to_owned())
            .filter(|serial| !serial.is_empty())
            .collect(),
        uuids: wanted().filter_map(|machine| machine.uuid).collect(),
        macs: wanted()
            .flat_map(|machine| machine.nics.iter().map(|nic| nic.mac))
            .collect(),
    }
}

/// Why it gets no job: nobody can say which machine it is.
fn refused(machine: &MachinePlan) -> Option<String> {
    let doubted = |condition| {
        matches!(
            condition,
            Condition::IdentityAmbiguous | Condition::IdentityChanged
        )
    };
    let blocked = machine
        .blocked
        .as_ref()
        .filter(|blocked| doubted(blocked.condition))?;
    // One that may be inspected again must be let in for it.
    matches!(machine.wanted.intent, Intent::Observe { .. })
        .then(|| format!("{}: {}", blocked.condition, blocked.evidence))
}

/// The newest order of each lane, of the generation that is wanted and of this life.
fn standing<'a>(inputs: &Inputs<'a>) -> BTreeMap<(MachineId, Lane), &'a Order> {
    let mut standing: BTreeMap<(MachineId, Lane), &Order> = BTreeMap::new();
    for order in inputs.orders {
        let wanted = inputs
            .plan
            .machines
            .get(&order.machine)
            .map(|machine| machine.wanted.generation);
        if wanted != Some(order.generation) || order.incarnation != inputs.incarnation {
            continue;
        }
        let place = standing.entry((order.machine, order.lane())).or_insert(order);
        if place.number < order.number {
            *place = order;
        }
    }
    standing
}

fn hostname(machine: &MachinePlan) -> String {
    match &machine.wanted.intent {
        Intent::Deployed(deploy) => deploy.hostname.clone(),
        Intent::Observe { .. }
        | Intent::Ready { .. }
        | Intent::AsIs { .. }
        | Intent::Orphaned { .. }
        | Intent::Released(_)
        | Intent::Retired => machine.name.to_string(),
    }
}

fn bmc_access(machine: &MachinePlan, inputs: &Inputs<'_>) -> Option<BmcAccess> {
    let bmc = machine.bmc.as_ref()?;
    Some(BmcAccess {
        driver: bmc.driver.clone(),
        address: SocketAddr::new(bmc.address, bmc.port),
        lease_ms: u64::try_from(inputs.bmc_times.lease.as_millis()).unwrap_or(u64::MAX),
        sealed: inputs.secrets.get(bmc.secret.as_ref()?)?.clone(),
        username: String::new(),
        password: String::new(),
    })
}

fn served_link(link: &LinkPlan, agent: &Name) -> Link {
    let place = link.agents.iter().position(|name| name == agent).unwrap_or(0);
    let slice = |range: &AddressRange| slice(*range, place, link.agents.len());
    let subnets = link.subnets.iter().map(|subnet| Subnet {
        dynamic: subnet.dynamic.iter().filter_map(slice).collect(),
        ..subnet.clone()
    });
    Link {
        dhcp: link.dhcp,
        enlist: link.enlist,
        subnets: subnets.collect(),
        relay: link.relay.clone(),
    }
}

/// The part of a range for one of several agents; parts never overlap and leave nothing out.
fn slice(range: AddressRange, place: usize, of: usize) -> Option<AddressRange> {
    let (from, to) = (number(range.from), number(range.to));
    let count = to.checked_sub(from)?.checked_add(1)?;
    let (place, of) = (place as u128, of.max(1) as u128);
    // Share by share: the first ones take what does not divide.
    let (each, rest) = (count / of, count % of);
    let start = from + each * place + rest.min(place);
    let length = each + u128::from(place < rest);
    let address = |number| address_like(range.from, number);
    (length > 0).then(|| AddressRange {
        from: address(start),
        to: address(start + length - 1),
    })
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address_like(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
        IpAddr::V6(_) => IpAddr::V6(number.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slices_cover_a_range_without_overlap(from in 0_u32..1000, length in 1_u32..300, of in 1_usize..7) {
            let range = AddressRange {
                from: IpAddr::V4(from.into()),
                to: IpAddr::V4((from + length - 1).into()),
            };
            let mut next = number(range.from);
            for place in 0..of {
                if let Some(part) = slice(range, place, of) {
                    prop_assert_eq!(number(part.from), next);
                    prop_assert!(part.from <= part.to);
                    next = number(part.to) + 1;
                }
            }
            prop_assert_eq!(next, number(range.to) + 1);
        }
    }
}
