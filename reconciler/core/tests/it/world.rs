//! What a store would know, kept by hand: plans are made of it and adopted, and planning again changes nothing.

use rack_api::inventory::Inventory;
use rack_api::job::JobRef;
use reconciler_core::facts::{Erasure, Seen};
use reconciler_core::form::Setting;
use reconciler_core::form::document::document;
use reconciler_core::ground::Ground;
use reconciler_core::intent::Intent;
use reconciler_core::observed::{Destroyed, InstalledBinding, Observed, ObservedMachine};
use reconciler_core::plan::{Base, Desired, Plan, plan};
use reconciler_core::snapshot::{self, BmcNames, Known, Snapshot};
use reconciler_core::times::{Estimate, Took, estimates};
use schema_fleet::{Fleet, SourceFile};
use schema_ids::{DiskId, Generation, Incarnation, MachineId, Timestamp};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// What a store would know, kept by hand.
pub(crate) struct World {
    pub(crate) observed: Observed,
    pub(crate) parent: Plan,
    /// The newest installations.
    pub(crate) took: Vec<Took>,
    commits: u32,
    /// The BMCs that the adopted commit declares.
    bmcs: Vec<IpAddr>,
}

impl World {
    pub(crate) fn new() -> Self {
        let uuid = "00000000-0000-4000-8000-00000000f1ee".parse().unwrap();
        let at = Timestamp::from_unix_ms(1_700_000_000_000);
        let observed = Observed::empty(at, uuid, Incarnation { number: 1, uuid });
        Self {
            observed,
            parent: Plan::empty("lab".parse().unwrap()),
            took: Vec::new(),
            commits: 0,
            bmcs: Vec::new(),
        }
    }

    /// Time goes on: a minute.
    pub(crate) fn later(&mut self) {
        self.observed.at = self.observed.at.plus(Duration::from_secs(60));
    }

    /// What a store tells of a day only.
    pub(crate) fn forget_old(&mut self) {
        let at = self.observed.at;
        let day = Duration::from_secs(24 * 3600);
        self.observed
            .destroyed
            .retain(|_, destroyed| at < destroyed.at.plus(day));
    }

    pub(crate) fn next_commit(&mut self) {
        self.commits += 1;
    }

    pub(crate) fn plan(&self, fleet: &Fleet) -> Plan {
        self.plan_beside(fleet, None)
    }

    /// The same, compared with another commit.
    pub(crate) fn plan_beside(&self, fleet: &Fleet, base: Option<&Fleet>) -> Plan {
        let commit = format!("{:040}", self.commits);
        let base = base.map(|fleet| Base {
            fleet,
            commit: "ba5e000000000000000000000000000000000000",
        });
        let desired = Desired {
            fleet,
            commit: &commit,
            base,
        };
        plan(&desired, &self.observed, &self.parent, self.observed.at)
    }

    /// Proves that the same plan is made where there is only a snapshot, and the repository.
    pub(crate) fn assert_same_elsewhere(&self, fleet: &Fleet, here: &Plan) {
        let commit = here.commit.as_deref().unwrap();
        let desired = Desired {
            fleet,
            commit,
            base: None,
        };
        let (there, times) = self.elsewhere(&desired);
        assert_eq!(there.id, here.id);
        assert_eq!(there.made, here.made);
        // Guards' words of the moment are not in what is compared next.
        assert_eq!(there.guards, here.guards);
        assert_eq!(there.without_moment(), here.without_moment());
        let setting = |times| Setting {
            times,
            ..Setting::default()
        };
        let told = document(here, &setting(self.times(here)));
        assert_eq!(document(&there, &setting(times)), told);
    }

    /// How long each installation of a plan takes.
    pub(crate) fn times(&self, plan: &Plan) -> BTreeMap<MachineId, Estimate> {
        estimates(plan, &self.observed, &self.took)
    }

    /// The plan that is made there, and how long its installations take.
    fn elsewhere(&self, desired: &Desired<'_>) -> (Plan, BTreeMap<MachineId, Estimate>) {
        let bodies = RefCell::new(BTreeMap::new());
        let known = Known {
            adopted: Some(self.parent.clone()),
            observed: self.observed.clone(),
            drift: Vec::new(),
            silent: Vec::new(),
            agents: BTreeMap::new(),
            took: self.took.clone(),
        };
        let snapshot = Snapshot::of(known, "7ree", |body| {
            let body = String::from_utf8(body.to_vec()).unwrap();
            let known = bodies
                .borrow()
                .iter()
                .find_map(|(name, known)| (*known == body).then(|| String::clone(name)));
            let name = known.unwrap_or_else(|| format!("b{}", bodies.borrow().len()));
            bodies.borrow_mut().insert(name.clone(), body);
            name
        });
        let written = serde_json::to_string(&snapshot).unwrap();
        // As they would stand in it. Of BMCs a few do: the largest example has a thousand.
        let held = bodies.borrow();
        let bodies_there = held.values().map(|body| serde_json::to_string(body).unwrap());
        let bmcs = self
            .parent
            .machines
            .values()
            .filter_map(|machine| machine.bmc.as_ref());
        let bmcs = bmcs.take(8).map(|bmc| format!("\"{}\"", bmc.address));
        for secret in bodies_there.chain(bmcs) {
            assert!(!written.contains(&secret), "{secret} is in the snapshot");
        }
        drop(held);
        let read: Snapshot = serde_json::from_str(&written).unwrap();
        let bmcs = self.bmcs.iter().copied().chain(snapshot::bmcs(desired.fleet));
        let read = read.restored(&BmcNames::new("7ree", bmcs), |name| {
            bodies.borrow().get(name).cloned()
        });
        let read = read.expect("the repository has what the snapshot names");
        let ground = Ground::new(read.adopted, read.observed, &desired.fleet.name);
        let plan = ground.plan(desired);
        let times = estimates(&plan, &ground.observed, &read.took);
        (plan, times)
    }

    /// Adopts a plan, and proves that planning again changes nothing.
    pub(crate) fn adopt(&mut self, fleet: &Fleet, new: Plan) {
        for (id, machine) in &new.machines {
            let known = self
                .observed
                .machines
                .entry(*id)
                .or_insert_with(|| ObservedMachine::named(machine.name.clone()));
            known.name = machine.name.clone();
        }
        self.observed.bindings = new.bindings.clone();
        let at = self.observed.at;
        for id in &new.destroys {
            let before = self.observed.destroyed.remove(id);
            let destroyed = Destroyed::by(&new, &self.parent, *id, at).beside(before);
            self.observed.destroyed.insert(*id, destroyed);
        }
        self.parent = new;
        self.bmcs = snapshot::bmcs(fleet).collect();
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

    pub(crate) fn begin(&mut self, id: MachineId) {
        let generation = self.parent.machines[&id].wanted.generation;
        let seen = self.observed.machines.get_mut(&id).unwrap();
        (seen.ever_written, seen.written_in) = (true, Some(generation));
    }

    /// It was seen off by order, or a person vouches for that.
    pub(crate) fn leave(&mut self, id: MachineId) {
        let generation = self.parent.machines[&id].wanted.generation;
        let at = self.observed.at;
        let seen = self.observed.machines.get_mut(&id).unwrap();
        (seen.gone_in, seen.gone_at) = (Some(generation), Some(at));
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
    pub(crate) fn erase_some(&mut self, id: MachineId, disks: &[DiskId]) {
        self.begin(id);
        let before = self.observed.machines[&id].erased.clone();
        self.record(id, self.parent.machines[&id].wanted.generation);
        let seen = self.observed.machines.get_mut(&id).unwrap();
        seen.erased
            .retain(|disk, _| before.contains_key(disk) || disks.contains(disk));
        let stands = |installed: &InstalledBinding| disks.iter().all(|disk| !installed.disks.contains(disk));
        seen.installed = seen.installed.take().filter(stands);
    }

    pub(crate) fn forget(&mut self, id: MachineId) {
        let seen = self.observed.machines.get_mut(&id).unwrap();
        (seen.ever_written, seen.written_in, seen.installed) = (false, None, None);
    }

    /// Every disk that is to be erased is on record, by a job of this generation.
    pub(crate) fn record(&mut self, id: MachineId, generation: Generation) -> Vec<DiskId> {
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

/// A fleet of `base.toml`, the fleet object's fields and what a case adds.
pub(crate) fn fleet(settings: &str, text: &str) -> Fleet {
    checked(settings, text).unwrap_or_else(|why| panic!("the case's fleet is wrong: {why}"))
}

/// The same, or what is wrong with it.
pub(crate) fn checked(settings: &str, text: &str) -> Result<Fleet, String> {
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
    parsed.fleet.ok_or_else(|| format!("{:?}", parsed.diagnostics))
}
