//! What differs, value by value, with the place in git where the new value stands.
//!
//! Of what is secret, or too long for a line, only the path is told.

use crate::observed::Binding;
use crate::plan::deployment::differences;
use crate::plan::{BmcPlan, Effect, FieldChange, LinkPlan, MachinePlan, MarkPlan, NicPlan, Origin, Protect};
use rack_api::boot_order::BootOrder;
use rack_api::config::{Enlist, Subnet};
use rack_api::inventory::FirmwareKind;
use rack_api::job::Deploy;
use schema_fleet::{Fleet, RangeUse, Span};
use schema_ids::Name;
use std::fmt::Display;

/// Fields that only say which machine it is, or among which it counts: nothing happens to it by them.
const LABELS: [&str; 5] = ["serial", "uuid", "zone", "pool", "tags"];

/// A place in git.
pub(super) fn at(span: &Span) -> Origin {
    Origin {
        file: span.file.to_string(),
        line: span.start.line,
    }
}

fn field(
    path: impl Into<String>,
    before: Option<String>,
    after: Option<String>,
    effect: Effect,
) -> FieldChange {
    FieldChange {
        path: path.into(),
        before,
        after,
        effect,
        origin: None,
    }
}

fn text(value: &impl Display) -> Option<String> {
    Some(value.to_string())
}

/// What differs between two installations of one slot.
pub(super) fn of_deployment(
    fleet: &Fleet,
    binding: Option<&Binding>,
    before: &Deploy,
    now: &Deploy,
) -> Vec<FieldChange> {
    let wish = binding.and_then(|binding| fleet.deployments.get(&binding.deployment));
    let image = |deploy: &Deploy| Some(format!("{} ({})", deploy.image.name, deploy.image.digest.short()));
    let firmware = |deploy: &Deploy| Some(firmware(deploy.firmware).to_owned());
    let changes = differences(before, now).into_iter().map(|(path, acts)| {
        let effect = if acts { Effect::Redeploy } else { Effect::None };
        let (old, new) = match path {
            "image" => (image(before), image(now)),
            "reinstall" => (text(&before.epoch), text(&now.epoch)),
            "hostname" => (Some(before.hostname.clone()), Some(now.hostname.clone())),
            "boot.mode" => (firmware(before), firmware(now)),
            "storage" => (None, wish.map(|wish| wish.storage.name.to_string())),
            "network" => (None, wish.map(|wish| wish.network.name.to_string())),
            _ => (None, None),
        };
        let place = wish.and_then(|wish| match path {
            "image" if before.image.name == now.image.name => {
                let image = fleet.images.get(&wish.image.name)?;
                Some(Origin::of(&image.origin))
            }
            "image" => Some(at(&wish.image.span)),
            "storage" => Some(at(&wish.storage.span)),
            "network" => Some(at(&wish.network.span)),
            "hostname" => Some(at(&wish.hostname.span)),
            "user-data" => wish.user_data.as_ref().map(|path| at(&path.span)),
            _ => Some(Origin::of(&wish.origin)),
        });
        FieldChange {
            origin: place,
            ..field(path, old, new, effect)
        }
    });
    changes.collect()
}

/// What a first installation is of.
pub(super) fn of_first(fleet: &Fleet, binding: Option<&Binding>, now: &Deploy) -> Vec<FieldChange> {
    let wish = binding.and_then(|binding| fleet.deployments.get(&binding.deployment));
    let image = format!("{} ({})", now.image.name, now.image.digest.short());
    vec![FieldChange {
        origin: wish.map(|wish| at(&wish.image.span)),
        ..field("image", None, Some(image), Effect::Redeploy)
    }]
}

/// That a person asks for another installation.
pub(super) fn reinstalled(before: u64, now: u64) -> FieldChange {
    field("reinstall", text(&before), text(&now), Effect::Redeploy)
}

fn firmware(kind: FirmwareKind) -> &'static str {
    match kind {
        FirmwareKind::Bios => "bios",
        FirmwareKind::Uefi => "uefi",
    }
}

/// What differs of a machine apart from its intent: it takes effect at once.
pub(super) fn of_machine(before: &MachinePlan, now: &MachinePlan) -> Vec<FieldChange> {
    let order = |order: BootOrder| match order {
        BootOrder::NetworkFirst => "network-first",
        BootOrder::DiskFirst => "disk-first",
    };
    let protect = |protect: Option<Protect>| {
        protect.map(|protect| match protect {
            Protect::Release => "release".to_owned(),
            Protect::Wipe => "wipe".to_owned(),
        })
    };
    let agents = |machine: &MachinePlan| {
        let agents: Vec<&str> = machine
            .bmc_agent
            .iter()
            .chain(&machine.bmc_standby)
            .map(Name::as_str)
            .collect();
        (!agents.is_empty()).then(|| agents.join(", "))
    };
    let serial = |machine: &MachinePlan| machine.serial.clone();
    let uuid = |machine: &MachinePlan| machine.uuid.map(|uuid| uuid.to_string());
    let rack = |machine: &MachinePlan| machine.rack.as_ref().map(Name::to_string);
    let mut pairs = nics(&before.nics, &now.nics);
    pairs.extend(bmc(before.bmc.as_ref(), now.bmc.as_ref()));
    pairs.extend(mark(before, now));
    let name = |name: &Option<Name>| name.as_ref().map(Name::to_string);
    let tags = |machine: &MachinePlan| {
        let tags: Vec<&str> = machine.tags.iter().map(Name::as_str).collect();
        (!tags.is_empty()).then(|| tags.join(", "))
    };
    let manage = |machine: &MachinePlan| machine.observe.then(|| "observe".to_owned());
    let simple: [(&str, [Option<String>; 2]); 14] = [
        ("zone", [before, now].map(|machine| name(&machine.zone))),
        ("pool", [before, now].map(|machine| name(&machine.pool))),
        ("tags", [before, now].map(tags)),
        ("bmc agents", [before, now].map(agents)),
        (
            "boot.mode",
            [before, now].map(|machine| text(&firmware(machine.firmware))),
        ),
        (
            "boot.order",
            [before, now].map(|machine| text(&order(machine.boot_order))),
        ),
        (
            "boot.secure-boot",
            [before, now].map(|machine| text(&machine.secure_boot)),
        ),
        (
            "boot.timeout",
            [before, now].map(|machine| Some(format!("{}s", machine.boot_timeout_seconds))),
        ),
        ("power", [before, now].map(power)),
        ("manage", [before, now].map(manage)),
        ("serial", [before, now].map(serial)),
        ("uuid", [before, now].map(uuid)),
        ("rack", [before, now].map(rack)),
        ("protect", [before, now].map(|machine| protect(machine.protect))),
    ];
    pairs.extend(
        simple
            .into_iter()
            .map(|(path, [old, new])| (path.to_owned(), old, new)),
    );
    let differ = pairs.into_iter().filter(|(_, old, new)| old != new);
    let at_once = differ.map(|(path, old, new)| {
        let effect = match LABELS.contains(&path.as_str()) {
            true => Effect::None,
            false => Effect::Live,
        };
        field(path, old, new, effect)
    });
    let waiting = now.outdated.difference(&before.outdated);
    let waiting = waiting.map(|path| field(path.clone(), None, None, Effect::None));
    let placed = at_once.chain(waiting).map(|change| FieldChange {
        origin: Some(now.origin.clone()),
        ..change
    });
    placed.collect()
}

type Pair = (String, Option<String>, Option<String>);

fn nics(before: &[NicPlan], now: &[NicPlan]) -> Vec<Pair> {
    let mut pairs = Vec::new();
    // Of nearly all machines: no text is made of what is as it was.
    if before == now {
        return pairs;
    }
    let of = |nics: &[NicPlan], name: &str| nics.iter().find(|nic| nic.name == name).cloned();
    let mut names: Vec<&str> = before.iter().chain(now).map(|nic| nic.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let both = [of(before, name), of(now, name)];
        let values =
            |value: fn(&NicPlan) -> Option<String>| both.each_ref().map(|nic| nic.as_ref().and_then(value));
        let paths = [
            ("mac", values(|nic| text(&nic.mac))),
            ("link", values(|nic| nic.link.clone())),
            (
                "address",
                values(|nic| nic.address.map(|address| address.to_string())),
            ),
        ];
        pairs.extend(paths.map(|(path, [old, new])| (format!("nic.{name}.{path}"), old, new)));
    }
    let order = |nics: &[NicPlan]| {
        let names: Vec<&str> = nics.iter().map(|nic| nic.name.as_str()).collect();
        Some(names.join(", "))
    };
    pairs.push(("nic order".to_owned(), order(before), order(now)));
    pairs
}

fn bmc(before: Option<&BmcPlan>, now: Option<&BmcPlan>) -> Vec<Pair> {
    if before == now {
        return Vec::new();
    }
    let values = |value: fn(&BmcPlan) -> Option<String>| (before.and_then(value), now.and_then(value));
    [
        ("driver", values(|bmc| Some(bmc.driver.clone()))),
        ("address", values(|bmc| text(&bmc.address))),
        ("port", values(|bmc| text(&bmc.port))),
        ("secret", values(|bmc| bmc.secret.as_ref().map(Name::to_string))),
    ]
    .map(|(path, (old, new))| (format!("bmc.{path}"), old, new))
    .into()
}

fn mark(before: &MachinePlan, now: &MachinePlan) -> [Pair; 2] {
    let both = [before, now].map(|machine| machine.mark.as_deref());
    let stands = |mark: &MarkPlan| {
        let stands = mark.wish.stands.as_ref();
        stands.map(|_| "left by the next inspection".to_owned())
    };
    let over = |mark: &MarkPlan| mark.said.as_ref().map(ToString::to_string);
    let values = |value: &dyn Fn(&MarkPlan) -> Option<String>| {
        let [old, new] = both.map(|mark| mark.and_then(value));
        (old, new)
    };
    [("mark", values(&stands)), ("taken-from", values(&over))]
        .map(|(path, (old, new))| (path.to_owned(), old, new))
}

/// What differs of a link apart from its subnets.
pub(super) fn of_link(before: &LinkPlan, now: &LinkPlan) -> Vec<FieldChange> {
    let enlist = |enlist: Enlist| match enlist {
        Enlist::Off => "off",
        Enlist::Known => "known",
        Enlist::On => "on",
    };
    let agents = |link: &LinkPlan| {
        let agents: Vec<&str> = link.agents.iter().map(Name::as_str).collect();
        Some(agents.join(", "))
    };
    let relay = |link: &LinkPlan| {
        let relay = link.relay.as_ref()?;
        let giaddr: Vec<String> = relay.giaddr.iter().map(ToString::to_string).collect();
        Some(giaddr.join(", "))
    };
    let both = [before, now];
    let pairs = [
        ("dhcp", both.map(|link| text(&link.dhcp))),
        ("enlist", both.map(|link| text(&enlist(link.enlist)))),
        ("agents", both.map(agents)),
        ("relay", both.map(relay)),
    ];
    let differ = pairs.into_iter().filter(|(_, [old, new])| old != new);
    differ
        .map(|(path, [old, new])| field(path, old, new, Effect::Live))
        .collect()
}

/// What differs of a subnet as DHCP and router advertisements tell it.
pub(super) fn of_subnet(fleet: &Fleet, before: Option<&Subnet>, now: Option<&Subnet>) -> Vec<FieldChange> {
    let values = |value: fn(&Subnet) -> Option<String>| (before.and_then(value), now.and_then(value));
    let pairs = [
        ("range dynamic", values(ranges)),
        (
            "gateway",
            values(|subnet| subnet.gateway.map(|gateway| gateway.to_string())),
        ),
        ("dns", values(|subnet| list(&subnet.dns))),
        (
            "lease-time",
            values(|subnet| Some(format!("{}s", subnet.lease_seconds))),
        ),
    ];
    let of_git = now.and_then(|now| in_git(fleet, now)).map(|(_, subnet)| subnet);
    let differ = pairs.into_iter().filter(|(_, (old, new))| old != new);
    differ
        .map(|(path, (old, new))| {
            let place = of_git.map(|subnet| match path {
                "range dynamic" => {
                    let range = subnet
                        .range
                        .iter()
                        .find(|range| range.purpose == RangeUse::Dynamic);
                    range.map_or_else(|| Origin::of(&subnet.origin), |range| at(&range.from.span))
                }
                "gateway" => {
                    let gateway = subnet.gateway.as_ref();
                    gateway.map_or_else(|| Origin::of(&subnet.origin), |gateway| at(&gateway.span))
                }
                _ => Origin::of(&subnet.origin),
            });
            FieldChange {
                origin: place,
                ..field(path, old, new, Effect::Live)
            }
        })
        .collect()
}

/// A subnet as git has it, by its network.
pub(super) fn in_git<'a>(fleet: &'a Fleet, subnet: &Subnet) -> Option<(&'a Name, &'a schema_fleet::Subnet)> {
    let mut subnets = fleet.subnets.iter();
    subnets.find(|(_, of_git)| {
        of_git.cidr.network() == subnet.network && of_git.cidr.prefix_len() == subnet.prefix
    })
}

fn ranges(subnet: &Subnet) -> Option<String> {
    let ranges: Vec<String> = subnet
        .dynamic
        .iter()
        .map(|range| format!("{} - {}", range.from, range.to))
        .collect();
    (!ranges.is_empty()).then(|| ranges.join(", "))
}

fn list(values: &[impl Display]) -> Option<String> {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// What git says of its power.
fn power(machine: &MachinePlan) -> Option<String> {
    match (machine.keep_on, machine.may_be_off) {
        (true, _) => Some("on".to_owned()),
        (false, true) => Some("off".to_owned()),
        (false, false) => None,
    }
}
