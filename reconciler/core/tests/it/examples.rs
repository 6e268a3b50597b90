//! Every example is planned: machines as it expects them are inspected, and then every slot is filled.

use crate::world::World;
use reconciler_core::observed::BindingState;
use reconciler_core::plan::{Plan, adoption::adoptable};
use schema_fleet::{Fleet, SourceFile};
use schema_ids::{MachineId, Name};
use std::fs;
use std::path::{Path, PathBuf};
use testbed_sim::expected;

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name)
}

/// All files below a folder, by their paths from `root`.
fn read(root: &Path, folder: &Path, files: &mut Vec<SourceFile>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read(root, &path, files);
        } else {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let bytes = fs::read(&path).unwrap();
            files.push(SourceFile { path: name, bytes });
        }
    }
}

fn parsed(folder: &Path) -> Fleet {
    let mut files = Vec::new();
    read(folder, folder, &mut files);
    let parsed = schema_fleet::parse(&files);
    parsed
        .fleet
        .unwrap_or_else(|| panic!("{}: {:?}", folder.display(), parsed.diagnostics))
}

/// From an empty world to everything installed: what is wanted of the machines when all were seen.
fn carried_out(folder: &Path) -> Plan {
    let fleet = parsed(folder);
    let mut world = World::new();
    world.next_commit();
    let first = world.plan(&fleet);
    world.adopt(&fleet, first);
    for (name, machine) in &fleet.machines {
        let (id, _) = world.parent.machine(name.as_str()).unwrap();
        world.see(id, expected::inventory(name, machine));
    }
    world.later();
    let plan = world.plan(&fleet);
    assert_eq!(
        adoptable(&plan, &world.parent, None, fleet.settings.unreviewed, &[]),
        Ok(()),
        "blank disks need nobody's consent"
    );
    world.adopt(&fleet, plan);
    let plan = world.parent.clone();
    assert_eq!(plan.notes, [], "{}", folder.display());
    for machine in plan.machines.values() {
        assert_eq!(machine.blocked, None, "{}: {}", folder.display(), machine.name);
    }
    for (name, deployment) in &fleet.deployments {
        let wanted = deployment
            .count
            .as_ref()
            .map_or(deployment.machines.len(), |count| count.value as usize);
        let of = |binding: &&_| is_active(binding, name);
        assert_eq!(
            plan.bindings.values().filter(of).count(),
            wanted,
            "{}: {name}",
            folder.display()
        );
    }
    let deployed: Vec<MachineId> = plan.bindings.values().map(|binding| binding.machine).collect();
    deployed.into_iter().for_each(|id| world.install(id));
    world.later();
    // What runs has user-data and BMCs, which a snapshot does not show.
    world.assert_same_elsewhere(&fleet, &world.plan(&fleet));
    assert_eq!(
        world.plan(&fleet).changes,
        [],
        "{}: all is as it shall be",
        folder.display()
    );
    plan
}

fn is_active(binding: &reconciler_core::observed::Binding, deployment: &Name) -> bool {
    binding.deployment == *deployment && binding.state == BindingState::Active
}

#[test]
fn every_example_fills_its_slots_in_both_syntaxes() {
    let names = fs::read_dir(example("")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| example(name).join("toml").is_dir()).collect();
    assert!(names.len() >= 3, "{names:?}");
    for name in names {
        let toml = carried_out(&example(&name).join("toml"));
        let mut kdl = carried_out(&example(&name).join("kdl"));
        // Only the places in the files differ.
        for (id, machine) in &mut kdl.machines {
            machine.origin = toml.machines[id].origin.clone();
        }
        assert!(toml.wants_the_same(&kdl), "{name} differs");
    }
}

/// What the guide shows of budgets, canaries and limits is a fleet, word for word.
#[test]
fn the_guide_of_budgets_shows_a_fleet() {
    let page = include_str!("../../../../docs/guide/budgets.md");
    let blocks = page.split("```toml\n").skip(1);
    let blocks: Vec<&str> = blocks
        .filter_map(|rest| Some(rest.split_once("```")?.0))
        .collect();
    let [budget, settings] = blocks[..] else {
        panic!("two blocks: {blocks:?}");
    };
    let around = "[machine.m1]\nrack = \"r1\"\nserial = \"S1\"\nboot.mode = \"bios\"\n\
                  nic.p0 = { mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }\n\
                  [deployment.web-1]\nmachines = [\"m1\"]\nhostname = \"web\"\nimage = \"debian-a\"\n\
                  storage = \"disk\"\nnetwork = \"auto\"\n";
    let files = [settings, include_str!("../cases/base.toml"), budget, around];
    let files: Vec<schema_fleet::SourceFile> = (1..)
        .zip(files)
        .map(|(number, text)| schema_fleet::SourceFile {
            path: format!("{number}.toml"),
            bytes: text.as_bytes().to_vec(),
        })
        .collect();
    let parsed = schema_fleet::parse(&files);
    assert_eq!(parsed.diagnostics, [], "{:#?}", parsed.diagnostics);
    let fleet = parsed.fleet.expect("a fleet");
    assert!(fleet.budgets.contains_key("web") && fleet.settings.canary.enabled);
}
