//! What holds for every fleet: planned twice is planned once, nothing overlaps, limits are limits.

use crate::seen::SeenMachine;
use crate::world::{self, World};
use proptest::prelude::*;
use rack_api::fact::{Fact, FactBody, PowerSeen, StepState};
use rack_api::inventory::Inventory;
use rack_api::job::{Deploy, JobRef, PartitionKind};
use rack_api::order::{Action, Order, PowerWanted};
use rack_api::volume::Device;
use reconciler_core::admit::{Admission, Ground, Leave, Permits, Policy, admit};
use reconciler_core::facts::{MachineFacts, StoredFact};
use reconciler_core::hold::Act;
use reconciler_core::intent::Intent;
use reconciler_core::next::{Need, Proposal};
use reconciler_core::plan::Plan;
use schema_ids::{Generation, Incarnation, MachineId, Timestamp, Uuid};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const MIB: u64 = 1 << 20;

/// One machine of a random fleet.
#[derive(Debug, Clone)]
struct Wish {
    deployed: bool,
    disks_gb: Vec<u64>,
    storage: &'static str,
}

fn wish() -> impl Strategy<Value = Wish> {
    let disks = prop::collection::vec(1_u64..60, 0..4);
    let storage = prop::sample::select(vec!["split", "esp", "mirror", "stack"]);
    (any::<bool>(), disks, storage).prop_map(|(deployed, disks_gb, storage)| Wish {
        deployed,
        disks_gb,
        storage,
    })
}

/// A mirror of two disks with volumes on it; and a group over a stripe of all disks and a partition of each.
const VOLUMES: &str = r#"
[storage.mirror]
select.os = { pick = "smallest", count = 2 }
partition = [
    { id = "esp", on = "os", size = "100MB", type = "esp" },
    { id = "swap", on = "os", size = "100MB", type = "swap" },
    { id = "sys", on = "os", size = "rest" },
]
raid.sys-mirror = { level = 1, members = ["sys"] }
lvm.vg-0 = { members = ["sys-mirror"], volume = { srv = { size = "rest" }, root = { size = "8GB" } } }
filesystem = [
    { on = "esp", type = "vfat", mount = "/boot/efi" },
    { on = "swap", type = "swap" },
    { on = "vg-0/root", type = "ext4", mount = "/" },
    { on = "vg-0/srv", type = "xfs", mount = "/srv" },
]
[storage.stack]
select.first = { pick = "smallest" }
select.others = { pick = "all", min-count = 2 }
partition = [
    { id = "esp", on = "first", size = "100MB", type = "esp" },
    { id = "root", on = "first", size = "rest" },
    { id = "fast", on = "others", size = "2GB" },
    { id = "slow", on = "others", size = "rest" },
]
raid.stripe = { level = 0, members = ["fast"] }
lvm.bulk = { members = ["slow", "stripe"], volume = { a = { size = "3GB" }, b = { size = "1000001B" } } }
filesystem = [
    { on = "esp", type = "vfat", mount = "/boot/efi" },
    { on = "root", type = "ext4", mount = "/" },
    { on = "bulk/a", type = "ext4", mount = "/a" },
    { on = "bulk/b", type = "xfs", mount = "/b" },
]
"#;

fn text(wishes: &[Wish], image: &str) -> String {
    let mut text = String::new();
    for (number, wish) in wishes.iter().enumerate() {
        writeln!(
            text,
            "[machine.m{number}]\nrack = \"r1\"\nboot.mode = \"uefi\"\n\
             nic.p0 = {{ mac = \"52:54:00:77:01:{number:02x}\", link = \"lab/pxe\" }}"
        )
        .unwrap();
        if wish.deployed {
            let storage = wish.storage;
            writeln!(
                text,
                "[deployment.d{number}]\nmachines = [\"m{number}\"]\nhostname = \"h{number}\"\n\
                 image = \"{image}\"\nstorage = \"{storage}\"\nnetwork = \"auto\""
            )
            .unwrap();
        }
    }
    text.push_str(
        "[storage.esp]\nselect.os = { pick = \"largest\" }\npartition = [\n\
         { id = \"esp\", on = \"os\", size = \"100MB\", type = \"esp\" },\n\
         { id = \"root\", on = \"os\", size = \"rest\" },\n]\nfilesystem = [\n\
         { on = \"esp\", type = \"vfat\", mount = \"/boot/efi\" },\n{ on = \"root\", type = \"ext4\", mount = \"/\" },\n]\n",
    );
    text.push_str(VOLUMES);
    text
}

fn inventory(number: usize, wish: &Wish, plan: &Plan) -> Inventory {
    let mut disks = String::new();
    for (at, gb) in wish.disks_gb.iter().enumerate() {
        write!(disks, "{{ id = \"serial:m{number}d{at}\", gb = {gb} }},").unwrap();
    }
    let seen = format!(
        "uefi = true\nserial = \"S{number}\"\nmacs = [\"52:54:00:77:01:{number:02x}\"]\ndisks = [{disks}]"
    );
    toml::from_str::<SeenMachine>(&seen).unwrap().inventory(plan)
}

/// Partitions are aligned, in order, apart from each other, and within the disk.
fn sound(deploy: &Deploy) -> Result<(), TestCaseError> {
    let mut uuids = BTreeSet::new();
    for disk in &deploy.disks {
        let mut free = MIB;
        for partition in &disk.partitions {
            prop_assert_eq!(partition.start_bytes % MIB, 0);
            prop_assert_eq!(partition.size_bytes % MIB, 0);
            prop_assert!(partition.size_bytes > 0);
            prop_assert!(partition.start_bytes >= free);
            free = partition.start_bytes + partition.size_bytes;
            prop_assert!(uuids.insert(partition.uuid));
        }
        prop_assert!(
            free <= disk.size_bytes - MIB,
            "no room is left for the backup table"
        );
        prop_assert_eq!(disk.partitions[0].start_bytes, MIB);
        prop_assert_eq!(&disk.partitions[0].id, "muster");
        prop_assert!(uuids.insert(disk.table));
    }
    standing(deploy)?;
    for filesystem in &deploy.filesystems {
        prop_assert!(uuids.insert(filesystem.uuid));
    }
    Ok(())
}

/// Every device that something stands on is there, holds it, and holds nothing else.
fn standing(deploy: &Deploy) -> Result<(), TestCaseError> {
    let devices = deploy.devices();
    let mut used: Vec<Device> = Vec::new();
    for array in &deploy.arrays {
        for member in &array.members {
            let partition = devices.partition(member).expect("a member is a partition");
            prop_assert_eq!(partition.kind, PartitionKind::Raid);
            prop_assert!(array.data_offset_bytes + array.member_bytes <= partition.size_bytes);
            used.push(Device::Partition(member.clone()));
        }
        prop_assert!(array.size_bytes() > 0);
    }
    for group in &deploy.groups {
        used.extend(group.members.iter().cloned().map(Device::from));
        let sizes = group.volumes.iter().map(|volume| {
            devices.size_bytes(&Device::Volume {
                group: group.name.clone(),
                volume: volume.name.clone(),
            })
        });
        let sizes: Vec<u64> = sizes.collect();
        prop_assert!(
            sizes
                .iter()
                .all(|size| *size > 0 && size.is_multiple_of(group.extent_bytes))
        );
        prop_assert!(sizes.iter().sum::<u64>() <= devices.room_bytes(group));
    }
    used.extend(
        deploy
            .filesystems
            .iter()
            .map(|filesystem| filesystem.device.clone()),
    );
    for (at, device) in used.iter().enumerate() {
        prop_assert!(devices.size_bytes(device) > 0, "{:?} is not there", device);
        prop_assert!(!devices.beneath(device).is_empty());
        prop_assert!(!used[..at].contains(device), "{:?} is used twice", device);
    }
    Ok(())
}

/// No address and no disk is given twice.
fn apart(plan: &Plan) -> Result<(), TestCaseError> {
    let mut addresses = BTreeMap::new();
    for (id, machine) in &plan.machines {
        for address in machine.nics.iter().filter_map(|nic| nic.address) {
            prop_assert_eq!(addresses.insert(std::net::IpAddr::V4(address), *id), None);
        }
    }
    for binding in plan.bindings.values() {
        for address in &binding.addresses {
            let owner = addresses.insert(*address, binding.machine);
            prop_assert!(owner.is_none_or(|owner| owner == binding.machine));
        }
    }
    let disks: Vec<_> = plan
        .bindings
        .values()
        .flat_map(|binding| &binding.disks)
        .collect();
    prop_assert_eq!(disks.iter().collect::<BTreeSet<_>>().len(), disks.len());
    Ok(())
}

/// What the machine in git consents to lose.
const AGREED: &str = "data:agreed";

/// What may be found on its disk.
const FOUND: [&str; 6] = [
    "blank",
    AGREED,
    "data:other",
    "muster:writing:1:OWN:2",
    "muster:installed:1:OWN:2",
    "muster:installed:1:OWN:3",
];

fn one_machine() -> String {
    format!(
        "[machine.m1]\nrack = \"r1\"\nboot.mode = \"bios\"\n\
         nic.p0 = {{ mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }}\n\
         consent = [{{ disk = \"serial:d1\", contents = \"{AGREED}\" }}]\n\
         [deployment.web]\nmachines = [\"m1\"]\nhostname = \"web\"\nimage = \"debian-a\"\n\
         storage = \"disk\"\nnetwork = \"auto\"\n"
    )
}

fn one_disk(holds: &str, plan: &Plan) -> Inventory {
    // Before there is a binding, nothing can be marked with it.
    let holds = match plan.bindings.is_empty() && holds.contains("OWN") {
        true => "blank",
        false => holds,
    };
    let seen = format!(
        "serial = \"S1\"\nmacs = [\"52:54:00:77:00:01\"]\n\
         disks = [{{ id = \"serial:d1\", gb = 20, holds = \"{holds}\" }}]"
    );
    toml::from_str::<SeenMachine>(&seen).unwrap().inventory(plan)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// `World::adopt` plans each adopted plan again and fails if anything changes.
    #[test]
    fn planned_twice_is_planned_once(wishes in prop::collection::vec(wish(), 1..8), inspected: u8, installed: u8) {
        let mut world = World::new();
        let fleet = world::fleet("limits.max-destroyed = 100", &text(&wishes, "debian-a"));
        world.next_commit();
        world.adopt(&fleet, world.plan(&fleet));
        for (number, wish) in wishes.iter().enumerate().filter(|(number, _)| inspected >> number & 1 == 1) {
            let (id, _) = world.parent.machine(&format!("m{number}")).unwrap();
            let inventory = inventory(number, wish, &world.parent);
            world.see(id, inventory);
        }
        world.later();
        world.adopt(&fleet, world.plan(&fleet));
        apart(&world.parent)?;
        let wanted: Vec<(MachineId, Deploy)> = world.parent.machines.iter().filter_map(|(id, machine)| {
            match &machine.wanted.intent {
                Intent::Deployed(deploy) => Some((*id, (**deploy).clone())),
                _ => None,
            }
        }).collect();
        for (at, (id, deploy)) in wanted.iter().enumerate() {
            sound(deploy)?;
            if installed >> at & 1 == 1 {
                world.later();
                world.install(*id);
            }
        }
        world.adopt(&fleet, world.plan(&fleet));

        // Another image: who runs is installed again on the same disks, and keeps its addresses.
        world.later();
        let fleet = world::fleet("limits.max-destroyed = 100", &text(&wishes, "debian-b"));
        world.next_commit();
        let before = world.parent.clone();
        let new = world.plan(&fleet);
        world.assert_same_elsewhere(&fleet, &new);
        world.adopt(&fleet, new);
        apart(&world.parent)?;
        for (id, old) in &wanted {
            let Intent::Deployed(new) = &world.parent.machines[id].wanted.intent else {
                return Err(TestCaseError::fail("a new image ends no deployment"));
            };
            prop_assert_eq!(&new.network, &old.network);
            prop_assert_eq!(new.binding, old.binding);
            let disks = |deploy: &Deploy| deploy.disks.iter().map(|disk| disk.disk.clone()).collect::<Vec<_>>();
            prop_assert_eq!(disks(new), disks(old));
            prop_assert_eq!(world.parent.machines[id].wanted.generation, before.machines[id].wanted.generation.next());
        }
    }

    /// Whatever is found or installed after a commit: a plan may erase no more than the one before it, but for
    /// what is blank or consented to; also where nobody reviews.
    #[test]
    fn facts_alone_erase_nothing_new(found in prop::collection::vec((0..FOUND.len(), any::<bool>()), 1..12)) {
        let mut world = World::new();
        let fleet = world::fleet("unreviewed = \"allow\"", &one_machine());
        world.next_commit();
        world.adopt(&fleet, world.plan(&fleet));
        for (holds, installed) in found {
            world.later();
            let (id, machine) = world.parent.machine("m1").unwrap();
            if installed && matches!(machine.wanted.intent, Intent::Deployed(_)) {
                world.install(id);
            } else {
                let seen = one_disk(FOUND[holds], &world.parent);
                world.see(id, seen);
            }
            let new = world.plan(&fleet);
            let before = world.parent.wipe_set.entries.get(&id).cloned().unwrap_or_default();
            for erased in new.wipe_set.entries.get(&id).into_iter().flatten() {
                let content = erased.content.to_string();
                prop_assert!(before.contains(erased) || ["blank", AGREED].contains(&content.as_str()), "{}", content);
            }
            world.adopt(&fleet, new);
        }
    }

    /// However facts are shuffled and repeated, they fold to the same.
    #[test]
    fn folding_does_not_depend_on_order(picks in prop::collection::vec((0_usize..12, 0_u64..5), 1..40), seed: u64) {
        let facts: Vec<StoredFact> = picks.iter().zip(1..).map(|((kind, pause), sequence)| StoredFact {
            agent: format!("a{}", kind % 2).parse().unwrap(),
            sequence,
            received: Timestamp::from_unix_ms(i64::try_from(1000 * sequence + pause).unwrap()),
            fact: Fact { at: Timestamp::from_unix_ms(0), body: body(*kind) },
        }).collect();
        let fold = |facts: &[StoredFact]| MachineFacts::fold(Generation(2), vec![], vec![], facts, BTreeMap::new());
        let mut shuffled = facts.clone();
        shuffled.extend(facts.iter().take(7).cloned());
        let length = shuffled.len();
        for at in 0..length {
            let other = (seed.rotate_left(u32::try_from(at % 64).unwrap()) % length as u64) as usize;
            shuffled.swap(at, other);
        }
        prop_assert_eq!(fold(&facts), fold(&shuffled));
    }

    /// Whatever is asked in whatever order, no rack has more than its places and no deployment loses more
    /// than its budget at once; and what is refused is refused for a reason that holds.
    #[test]
    fn no_limit_is_exceeded(asks in prop::collection::vec((0_u8..30, 0_u8..3, 0_u8..4, any::<bool>()), 1..80)) {
        let policy = Policy { boots_max: 4, erases_max: 1, ..Policy::default() };
        let plan = Plan::empty("lab".parse().unwrap());
        let mut permits = Permits::default();
        for ask in asks.chunks(5) {
            let proposals: Vec<Proposal> = ask.iter().map(|ask| proposal(*ask)).collect();
            let ground = Ground { plan: &plan, policy: &policy, standing: &BTreeMap::new() };
            let answers = admit(&proposals, &permits, &ground, Timestamp::from_unix_ms(0));
            prop_assert_eq!(answers.len(), proposals.len());
            for (answer, (machine, _, _, back)) in answers.into_iter().zip(ask) {
                if let Admission::Go(Leave::Take(grant)) = answer {
                    permits.grants.insert(grant.machine, grant);
                }
                if *back {
                    permits.grants.remove(&machine_id(*machine));
                }
            }
            let count = |fits: &dyn Fn(&Need) -> bool| permits.grants.values().filter(|grant| fits(&grant.need)).count();
            for rack in 0..3 {
                let rack = Some(format!("r{rack}").parse().unwrap());
                prop_assert!(count(&|need| need.rack == rack) <= 4);
            }
            for deployment in 1..4 {
                let deployment = Some(format!("d{deployment}").parse().unwrap());
                prop_assert!(count(&|need| need.erases == deployment) <= 1);
            }
        }
    }
}

fn machine_id(number: u8) -> MachineId {
    MachineId(Uuid::from_bytes([number; 16]))
}

fn proposal((machine, rack, deployment, _): (u8, u8, u8, bool)) -> Proposal {
    let uuid = Uuid::from_bytes([0; 16]);
    Proposal {
        order: Order {
            machine: machine_id(machine),
            incarnation: Incarnation { number: 1, uuid },
            generation: Generation(1),
            number: 1,
            deadline: Timestamp::from_unix_ms(0),
            cause: String::new(),
            by_hand: None,
            action: Action::Power(PowerWanted::On),
        },
        act: Act::Power,
        need: Some(Need {
            erases: (deployment > 0).then(|| format!("d{deployment}").parse().unwrap()),
            ..Need::to_boot(Some(format!("r{rack}").parse().unwrap()))
        }),
        since: Timestamp::from_unix_ms(0),
    }
}

fn body(kind: usize) -> FactBody {
    let machine = machine_id(1);
    let job = |generation, attempt| JobRef {
        machine,
        generation: Generation(generation),
        attempt,
    };
    let boot_id = |number| Uuid::from_bytes([number; 16]);
    let step = |done| StepState::Progress { done, total: 9 };
    match kind {
        0 => FactBody::Power {
            machine,
            power: PowerSeen::On,
        },
        1 => FactBody::Power {
            machine,
            power: PowerSeen::Off,
        },
        2 => FactBody::JobStarted {
            job: job(2, 1),
            boot_id: boot_id(1),
        },
        3 => FactBody::JobStarted {
            job: job(2, 1),
            boot_id: boot_id(2),
        },
        4 => FactBody::JobStarted {
            job: job(2, 2),
            boot_id: boot_id(3),
        },
        5 => FactBody::JobStarted {
            job: job(1, 1),
            boot_id: boot_id(1),
        },
        6 => FactBody::Step {
            job: job(2, 1),
            boot_id: boot_id(1),
            step: "unpack".to_owned(),
            state: step(4),
        },
        7 => FactBody::Step {
            job: job(2, 1),
            boot_id: boot_id(2),
            step: "unpack".to_owned(),
            state: step(5),
        },
        8 => FactBody::JobDone {
            job: job(2, 1),
            boot_id: boot_id(2),
        },
        9 => FactBody::JobDone {
            job: job(1, 1),
            boot_id: boot_id(1),
        },
        10 => FactBody::Step {
            job: job(2, 2),
            boot_id: boot_id(3),
            step: "a".to_owned(),
            state: StepState::Done,
        },
        _ => FactBody::JobStarted {
            job: job(3, 1),
            boot_id: boot_id(4),
        },
    }
}
