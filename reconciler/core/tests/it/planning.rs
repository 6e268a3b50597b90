//! Planning, case by case: `tests/cases/plan/*.toml`.
//!
//! A case is a list of steps. A step with `fleet` is a commit; one without plans the same commit with
//! new facts. What was seen is said briefly (`see`, `installed`, `in-use`); the snapshot is what a
//! person would want to know of each plan. Whatever a case does, planning again changes nothing.

use rack_api::inventory::{Cpu, Disk, DiskKind, Firmware, FirmwareKind, Inventory, Nic};
use rack_api::job::JobRef;
use rack_api::network::{Network, Settings};
use reconciler_core::facts::{Erasure, Seen};
use reconciler_core::intent::Intent;
use reconciler_core::observed::{InstalledBinding, Observed, ObservedMachine};
use reconciler_core::plan::adoption::adoptable;
use reconciler_core::plan::{Desired, Plan, plan};
use schema_fleet::{Fleet, SourceFile};
use schema_ids::{DiskId, Generation, Incarnation, MachineId, Timestamp, Uuid};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What is to be seen in it.
    #[expect(dead_code, reason = "for the reader of the case")]
    why: String,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Step {
    say: String,
    /// Machines, deployments and the like; beside `base.toml`.
    fleet: Option<String>,
    /// Fields of the fleet object.
    settings: Option<String>,
    /// Inspected now.
    #[serde(default)]
    see: BTreeMap<String, SeenMachine>,
    /// Installed now as the adopted plan wants it.
    #[serde(default)]
    installed: Vec<String>,
    /// Told that they may write, as the adopted plan wants it.
    #[serde(default)]
    begun: Vec<String>,
    /// Erased now, all disks as the adopted plan wants it, and looked at.
    #[serde(default)]
    erased: Vec<String>,
    /// On record as erased by a job of this generation, all disks that the adopted plan erases.
    #[serde(default)]
    recorded: BTreeMap<String, u64>,
    /// Disks on record as erased by the release that is under way, and not looked at since.
    #[serde(default)]
    partly_erased: BTreeMap<String, Vec<DiskId>>,
    /// Of which the database lost what was written, and by whom: it comes from a backup.
    #[serde(default)]
    forgotten: Vec<String>,
    /// Addresses of strangers.
    #[serde(default)]
    in_use: Vec<std::net::IpAddr>,
    /// Whether people saw this very plan before it is adopted.
    #[serde(default = "yes")]
    shown: bool,
    /// Machines whose whole intent is of interest.
    #[serde(default)]
    detail: Vec<String>,
    /// Machines whose disks, all that are bound, are of interest.
    #[serde(default)]
    bound: Vec<String>,
    /// Machines whose network is of interest.
    #[serde(default)]
    network: Vec<String>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeenMachine {
    serial: Option<String>,
    uuid: Option<Uuid>,
    macs: Vec<schema_ids::Mac>,
    disks: Vec<SeenDisk>,
    #[serde(default)]
    uefi: bool,
    /// Cores; threads are twice as many.
    #[serde(default = "one")]
    cores: u32,
    #[serde(default = "one")]
    memory_gib: u32,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SeenDisk {
    id: String,
    gb: u64,
    holds: Option<String>,
    #[serde(default)]
    nvme: bool,
}

impl SeenMachine {
    /// `BINDING` in a marker stands for one that has ended, `OWN` for one that has not.
    pub(crate) fn inventory(&self, plan: &Plan) -> Inventory {
        let ended = plan
            .ended
            .iter()
            .next()
            .map(ToString::to_string)
            .unwrap_or_default();
        let content = |holds: &str| own(plan, &holds.replace("BINDING", &ended)).parse().unwrap();
        let disks = self.disks.iter().enumerate().map(|(at, disk)| Disk {
            id: disk.id.parse().ok(),
            path: format!("/dev/vd{}", char::from(b'a' + u8::try_from(at).unwrap())),
            model: "disk".to_owned(),
            serial: disk.id.split(':').next_back().unwrap_or_default().to_owned(),
            size_bytes: disk.gb * 1_000_000_000,
            kind: if disk.nvme { DiskKind::Nvme } else { DiskKind::Ssd },
            local: true,
            content: content(disk.holds.as_deref().unwrap_or("blank")),
            holds: String::new(),
        });
        let nics = self.macs.iter().map(|mac| Nic {
            name: "eth0".to_owned(),
            mac: *mac,
            speed_mbps: None,
            link: true,
            driver: "virtio".to_owned(),
        });
        Inventory {
            uuid: self.uuid,
            serial: self.serial.clone(),
            vendor: String::new(),
            product: String::new(),
            firmware: Firmware {
                kind: if self.uefi {
                    FirmwareKind::Uefi
                } else {
                    FirmwareKind::Bios
                },
                version: String::new(),
            },
            cpu: Cpu {
                arch: "amd64".to_owned(),
                model: String::new(),
                cores: self.cores,
                threads: 2 * self.cores,
            },
            // A little is the kernel's.
            memory_bytes: u64::from(self.memory_gib) * 1_040_000_000,
            disks: disks.collect(),
            nics: nics.collect(),
            bmc: None,
        }
    }
}

/// The text with the first binding of the plan for `OWN`, and the one of a machine for `OF-` and its name.
fn own(plan: &Plan, text: &str) -> String {
    let own = plan.bindings.keys().next().map(ToString::to_string);
    let text = text.replace("OWN", &own.unwrap_or_default());
    plan.bindings.iter().fold(text, |text, (id, binding)| {
        let name = &plan.machines[&binding.machine].name;
        text.replace(&format!("OF-{name}"), &id.to_string())
    })
}

/// A fleet of `base.toml`, the fleet object's fields and what a case adds.
pub(crate) fn fleet(settings: &str, text: &str) -> Fleet {
    let head = format!("[fleet.lab]\nschema = 1\nephemeral = \"ephemeral\"\n{settings}\n");
    let files = [
        ("fleet.toml", head.as_str()),
        ("base.toml", include_str!("../cases/base.toml")),
        ("case.toml", text),
    ];
    let files: Vec<SourceFile> = files
        .into_iter()
        .map(|(path, text)| SourceFile {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        })
        .collect();
    let parsed = schema_fleet::parse(&files);
    parsed
        .fleet
        .unwrap_or_else(|| panic!("the case's fleet is wrong: {:?}", parsed.diagnostics))
}

/// What a store would know, kept by hand.
pub(crate) struct World {
    pub(crate) observed: Observed,
    pub(crate) parent: Plan,
    commits: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        let uuid = "00000000-0000-4000-8000-00000000f1ee".parse().unwrap();
        let observed = Observed {
            at: Timestamp::from_unix_ms(1_700_000_000_000),
            fleet_uid: uuid,
            incarnation: Incarnation { number: 1, uuid },
            machines: BTreeMap::new(),
            bindings: BTreeMap::new(),
            discovered: BTreeMap::new(),
            addresses_in_use: BTreeMap::new(),
            restored: None,
        };
        Self {
            observed,
            parent: Plan::empty("lab".parse().unwrap()),
            commits: 0,
        }
    }

    /// Time goes on: a minute.
    pub(crate) fn later(&mut self) {
        self.observed.at = self.observed.at.plus(Duration::from_secs(60));
    }

    pub(crate) fn next_commit(&mut self) {
        self.commits += 1;
    }

    pub(crate) fn plan(&self, fleet: &Fleet) -> Plan {
        let commit = format!("{:040}", self.commits);
        let desired = Desired {
            fleet,
            commit: &commit,
        };
        plan(&desired, &self.observed, &self.parent, self.observed.at)
    }

    /// Adopts a plan, and proves that planning again changes nothing.
    pub(crate) fn adopt(&mut self, fleet: &Fleet, new: Plan) {
        for (id, machine) in &new.machines {
            let known = self
                .observed
                .machines
                .entry(*id)
                .or_insert_with(|| ObservedMachine {
                    name: machine.name.clone(),
                    inventory: None,
                    inspected: None,
                    ever_written: false,
                    installed: None,
                    written_in: None,
                    erased: BTreeMap::new(),
                });
            known.name = machine.name.clone();
        }
        self.observed.bindings = new.bindings.clone();
        self.parent = new;
        let again = self.plan(fleet);
        assert_eq!(again.changes, [], "planning again changes something");
        assert!(
            again.wants_the_same(&self.parent),
            "planning again wants something else"
        );
    }

    pub(crate) fn see(&mut self, id: MachineId, inventory: Inventory) {
        let at = self.observed.at;
        let seen = self.observed.machines.get_mut(&id).unwrap();
        seen.inventory = Some(inventory);
        seen.inspected = Some(at);
    }

    pub(crate) fn install(&mut self, id: MachineId) {
        let wanted = &self.parent.machines[&id].wanted;
        let Intent::Deployed(deploy) = &wanted.intent else {
            panic!("{} is not to be installed", self.parent.machines[&id].name);
        };
        let seen = self.observed.machines.get_mut(&id).unwrap();
        seen.ever_written = true;
        seen.written_in = Some(wanted.generation);
        seen.installed = Some(InstalledBinding {
            binding: deploy.binding,
            spec: deploy.spec,
            generation: wanted.generation,
            disks: deploy.disks.iter().map(|disk| disk.disk.clone()).collect(),
            at: self.observed.at,
        });
    }
}

impl World {
    fn begin(&mut self, id: MachineId) {
        let generation = self.parent.machines[&id].wanted.generation;
        let seen = self.observed.machines.get_mut(&id).unwrap();
        (seen.ever_written, seen.written_in) = (true, Some(generation));
    }

    /// Every disk is on record, and the job's inventory finds it blank.
    pub(crate) fn erase(&mut self, id: MachineId) {
        self.begin(id);
        let erased = self.record(id, self.parent.machines[&id].wanted.generation);
        let at = self.observed.at;
        let seen = self.observed.machines.get_mut(&id).unwrap();
        let inventory = seen.inventory.as_mut().unwrap();
        for found in &mut inventory.disks {
            if found.id.as_ref().is_some_and(|disk| erased.contains(disk)) {
                found.content = schema_ids::ContentId::Blank;
            }
        }
        (seen.installed, seen.inspected) = (None, Some(at));
    }

    /// Some disks are on record, then the power fails: nobody looked at them.
    fn erase_some(&mut self, id: MachineId, disks: &[DiskId]) {
        self.begin(id);
        let before = self.observed.machines[&id].erased.clone();
        self.record(id, self.parent.machines[&id].wanted.generation);
        let seen = self.observed.machines.get_mut(&id).unwrap();
        seen.erased
            .retain(|disk, _| before.contains_key(disk) || disks.contains(disk));
        let stands = |installed: &InstalledBinding| disks.iter().all(|disk| !installed.disks.contains(disk));
        seen.installed = seen.installed.take().filter(stands);
    }

    fn forget(&mut self, id: MachineId) {
        let seen = self.observed.machines.get_mut(&id).unwrap();
        (seen.ever_written, seen.written_in, seen.installed) = (false, None, None);
    }

    /// Every disk that is to be erased is on record, by a job of this generation.
    fn record(&mut self, id: MachineId, generation: Generation) -> Vec<DiskId> {
        let machine = &self.parent.machines[&id];
        let Intent::Released(erase) = &machine.wanted.intent else {
            panic!("{} is not to be erased", machine.name);
        };
        let since = self.observed.at;
        let seen = self.observed.machines.get_mut(&id).unwrap();
        for disk in &erase.disks {
            let value = Erasure {
                job: JobRef {
                    machine: id,
                    generation,
                    attempt: 1,
                },
                binding: erase.binding,
                method: "quick".to_owned(),
                sample: "zeros".to_owned(),
            };
            seen.erased.insert(disk.disk.clone(), Seen { value, since });
        }
        erase.disks.iter().map(|disk| disk.disk.clone()).collect()
    }
}

fn id(world: &World, name: &str) -> MachineId {
    world
        .parent
        .machine(name)
        .unwrap_or_else(|| panic!("no plan knows {name}"))
        .0
}

fn describe(plan: &Plan, step: &Step) -> String {
    let mut text = String::new();
    for change in &plan.changes {
        let mark = if change.destructive() { "!" } else { " " };
        writeln!(
            text,
            "{mark} {:?} {}: {}",
            change.action, change.object, change.why
        )
        .unwrap();
        for erased in &change.erases {
            writeln!(
                text,
                "      erases {} {}",
                erased.disk,
                brief(&erased.content.to_string())
            )
            .unwrap();
        }
        for kept in &change.keeps {
            writeln!(text, "      keeps  {kept}").unwrap();
        }
    }
    describe_machines(plan, &mut text);
    let entries = plan.wipe_set.entries.iter().flat_map(|(id, disks)| {
        let name = &plan.machines[id].name;
        disks.iter().map(move |disk| {
            format!(
                "  may erase {name} {} {}\n",
                disk.disk,
                brief(&disk.content.to_string())
            )
        })
    });
    let mut entries: Vec<String> = entries.collect();
    entries.sort();
    text.push_str(&entries.concat());
    for guard in &plan.guards {
        if let Some((code, why)) = &guard.blocked {
            writeln!(text, "  BLOCKED by {}: {code}: {why}", guard.guard).unwrap();
        }
    }
    let mut notes: Vec<_> = plan.notes.iter().collect();
    notes.sort_by_key(|note| &note.object);
    for note in notes {
        writeln!(
            text,
            "  note {} {}: {}",
            note.object,
            note.code,
            brief(&note.text)
        )
        .unwrap();
    }
    for name in &step.detail {
        let (_, machine) = plan.machine(name).unwrap();
        writeln!(
            text,
            "{}",
            serde_json::to_string_pretty(&machine.wanted.intent).unwrap()
        )
        .unwrap();
    }
    for name in &step.bound {
        let (id, _) = plan.machine(name).unwrap();
        let own = plan.bindings.values().filter(|binding| binding.machine == id);
        let disks: Vec<&str> = own
            .flat_map(|binding| &binding.disks)
            .map(|disk| disk.as_str())
            .collect();
        writeln!(text, "  bound of {name}: {}", disks.join(", ")).unwrap();
    }
    for name in &step.network {
        let (_, machine) = plan.machine(name).unwrap();
        if let Intent::Deployed(deploy) = &machine.wanted.intent {
            writeln!(text, "network of {name}").unwrap();
            describe_network(&deploy.network, &mut text);
        }
    }
    text
}

/// One line for each interface: what it is, then what it has where it has something.
fn describe_network(network: &Network, text: &mut String) {
    let ports = network
        .interfaces
        .iter()
        .map(|port| (&port.name, port.mac, "port".to_owned(), &port.settings));
    let made = network.made.iter().map(|made| {
        let kind = serde_json::to_string(&made.kind).unwrap();
        (&made.name, made.mac, kind, &made.settings)
    });
    for (name, mac, kind, settings) in ports.chain(made) {
        let has = serde_json::to_value(settings).unwrap();
        let nothing = serde_json::to_value(Settings::default()).unwrap();
        let mut has = has.as_object().unwrap().clone();
        has.retain(|key, value| nothing.get(key) != Some(value));
        writeln!(text, "  {name} {mac} {kind}").unwrap();
        for (key, value) in has {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value]);
            for value in values {
                writeln!(text, "      {key}: {value}").unwrap();
            }
        }
    }
}

fn describe_machines(plan: &Plan, text: &mut String) {
    let mut machines: Vec<_> = plan.machines.values().collect();
    machines.sort_by_key(|machine| machine.name.as_str());
    for machine in machines {
        let wanted = match &machine.wanted.intent {
            Intent::Observe { why } => format!("observe ({why})"),
            Intent::Ready { .. } => "ready".to_owned(),
            Intent::Orphaned { .. } => "orphaned".to_owned(),
            Intent::Released(erase) => {
                let disks: Vec<&str> = erase.disks.iter().map(|disk| disk.disk.as_str()).collect();
                format!("released, erases {}", disks.join("+"))
            }
            Intent::Retired => "retired".to_owned(),
            Intent::Deployed(deploy) => {
                let disks: Vec<&str> = deploy.disks.iter().map(|disk| disk.disk.as_str()).collect();
                let addresses = deploy.network.all().flat_map(|(_, settings)| &settings.addresses);
                let addresses: Vec<String> = addresses.map(|at| at.address.to_string()).collect();
                format!(
                    "{} {} on {} {}",
                    deploy.hostname,
                    deploy.image.name,
                    disks.join("+"),
                    addresses.join("+")
                )
            }
        };
        writeln!(
            text,
            "  {} generation {}: {wanted}",
            machine.name, machine.wanted.generation
        )
        .unwrap();
        if let Some(blocked) = &machine.blocked {
            writeln!(text, "      {}: {}", blocked.condition, brief(&blocked.evidence)).unwrap();
        }
        if !machine.outdated.is_empty() {
            let fields: Vec<&str> = machine.outdated.iter().map(String::as_str).collect();
            writeln!(text, "      outdated: {}", fields.join(", ")).unwrap();
        }
    }
}

/// Bindings are digests that mean nothing to a reader.
fn brief(text: &str) -> String {
    let mut words = Vec::new();
    for word in text.split(' ') {
        let parts: Vec<&str> = word
            .split(':')
            .map(|part| {
                if part.len() == 36 && part.contains("-8") {
                    "BINDING"
                } else {
                    part
                }
            })
            .collect();
        words.push(parts.join(":"));
    }
    words.join(" ")
}

fn run(case: &Case) -> String {
    let mut world = World::new();
    let mut current = None;
    let mut text = String::new();
    for step in &case.step {
        world.later();
        if let Some(added) = &step.fleet {
            world.next_commit();
            let added = own(&world.parent, added);
            current = Some(fleet(step.settings.as_deref().unwrap_or_default(), &added));
        }
        let fleet = current.as_ref().expect("the first step has a fleet");
        for (name, seen) in &step.see {
            let id = id(&world, name);
            world.see(id, seen.inventory(&world.parent));
        }
        for name in &step.installed {
            let id = id(&world, name);
            world.install(id);
        }
        for name in &step.begun {
            world.begin(id(&world, name));
        }
        for name in &step.erased {
            world.erase(id(&world, name));
        }
        for (name, generation) in &step.recorded {
            world.record(id(&world, name), Generation(*generation));
        }
        for (name, disks) in &step.partly_erased {
            world.erase_some(id(&world, name), disks);
        }
        for name in &step.forgotten {
            world.forget(id(&world, name));
        }
        world.observed.addresses_in_use = step.in_use.iter().map(|address| (*address, None)).collect();
        let new = world.plan(fleet);
        writeln!(text, "== {}", step.say).unwrap();
        text.push_str(&describe(&new, step));
        let shown = step.shown.then_some(&new);
        match adoptable(&new, &world.parent, shown, fleet.settings.unreviewed) {
            Ok(()) => world.adopt(fleet, new),
            Err((code, why)) => writeln!(text, "  NOT ADOPTED {code}: {}", brief(&why)).unwrap(),
        }
    }
    text
}

#[test]
fn cases() {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_snapshot_path("../cases/plan");
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::glob!("../cases/plan", "*.toml", |path| {
            let case: Case = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
            insta::assert_snapshot!("plan", run(&case));
        });
    });
}
