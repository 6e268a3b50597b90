//! How long planning takes over fleets that run, and how much memory, beside Terraform where there is one.
//!
//! Each fleet is first carried out in memory: every machine is seen as git expects it, every slot is filled and
//! installed. What is measured then is a pull request that moves each deployment to another image, planned against that world by
//! a process of its own that knows nothing yet. Terraform plans as many resources of its built-in `terraform_data`, all
//! made before, of which as many change.

use crate::host;
use crate::measure::{self, Result, Sample, Terraform, fleet, measured_saying, median};
use nix::sys::resource::{UsageWho, getrusage};
use reconciler_core::intent::Intent;
use reconciler_core::observed::{InstalledBinding, Observed, ObservedMachine};
use reconciler_core::plan::{Base, Desired, Plan, plan};
use schema_fleet::{Fleet, SourceFile};
use schema_ids::{Incarnation, Timestamp, Uuid};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};
use testbed_scratch::Scratch;
use testbed_sim::expected;

/// Where a fleet stands.
#[derive(Debug, Serialize, Deserialize)]
struct World {
    observed: Observed,
    adopted: Plan,
}

/// The commit that stands, and the one that is planned.
const BASE: &str = "ba5e000000000000000000000000000000000000";
const HEAD: &str = "4ead000000000000000000000000000000000000";

/// Measures planning over all fleets.
pub(crate) fn all(fleets: &[String], rounds: usize) -> Result<()> {
    println!("Before: {}.\n", host::facts());
    let scratch = Scratch::new();
    let mut table = String::from(
        "| fleet | changes | `plan`, ms | with reading all, ms | peak, MiB | `terraform plan`, ms | terraform/muster | peak of terraform, MiB |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for fleet in fleets {
        let (name, folder) = fleet.split_once('=').ok_or("--fleet NAME=FOLDER")?;
        let world = scratch.path().join(format!("{}.json", name.replace(' ', "-")));
        let (fleet, stands) = carried_out(Path::new(folder))?;
        std::fs::write(&world, serde_json::to_vec(&stands)?)?;
        let terraform = Terraform::prepare(scratch.path(), &fleet)?;
        if let Some(terraform) = &terraform {
            terraform.made(&fleet, "first")?;
            terraform.write(&fleet, "second")?;
        }
        let (mut core, mut whole, mut peers) = (Vec::new(), Vec::new(), Vec::new());
        let mut changes = String::new();
        for _ in 0..rounds {
            let path = world.display().to_string();
            let (sample, more) = measured_saying(&["one-plan", folder, &path])?;
            let (ms, found) = more.split_once(' ').ok_or("two numbers are wanted")?;
            whole.push(Sample {
                ms: ms.parse()?,
                ..sample
            });
            core.push(sample);
            changes = found.to_owned();
            if let Some(terraform) = &terraform {
                peers.push(terraform.plan()?);
            }
        }
        let (core, whole) = (median(&core), median(&whole));
        let peer = match peers.is_empty() {
            true => "not asked | |".to_owned(),
            false => {
                let peer = median(&peers);
                format!(
                    "{:.0} | {:.1}x | {:.0}",
                    peer.ms,
                    peer.ms / whole.ms,
                    peer.kib / 1024.0
                )
            }
        };
        let (alone, all, mib) = (core.ms, whole.ms, core.kib / 1024.0);
        writeln!(
            table,
            "| {name} | {changes} | {alone:.0} | {all:.0} | {mib:.0} | {peer} |"
        )?;
    }
    println!("{table}");
    println!("After: {}.", host::facts());
    Ok(())
}

/// Reads a world and a fleet of which each deployment gets another image, and plans that.
pub(crate) fn one(folder: &Path, world: &Path) -> Result<()> {
    let start = Instant::now();
    let World { observed, adopted } = serde_json::from_slice(&std::fs::read(world)?)?;
    let mut files = measure::files(folder)?;
    let base = fleet(&files)?;
    change(&mut files);
    let head = fleet(&files)?;
    let planning = Instant::now();
    let plan = plan(
        &Desired {
            fleet: &head,
            commit: HEAD,
            base: Some(Base {
                fleet: &base,
                commit: BASE,
            }),
        },
        &observed,
        &adopted,
        observed.at,
    );
    let (alone, all) = (planning.elapsed(), start.elapsed());
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{} {}", ms(alone), getrusage(UsageWho::RUSAGE_SELF)?.max_rss());
    println!("{} {}", ms(all), plan.changes.len());
    Ok(())
}

/// A pull request: every deployment moves on to an image that came out since.
fn change(files: &mut Vec<SourceFile>) {
    let text = |file: &SourceFile| String::from_utf8_lossy(&file.bytes).into_owned();
    let mut newer = None;
    for file in files.iter_mut() {
        let is = text(file);
        if let Some(at) = is.find("[image.debian-12-20261101]") {
            newer = Some(
                is[at..]
                    .replace("20261101", "20261201")
                    .replace("9f2c1d", "9f2c1e"),
            );
        }
        let moved = is.replace("image = \"debian-12-20261101\"", "image = \"debian-12-20261201\"");
        file.bytes = moved.into_bytes();
    }
    files.extend(newer.map(|text| SourceFile {
        path: "catalog/images-of-december.toml".to_owned(),
        bytes: text.into_bytes(),
    }));
}

/// From an empty world to one in which every slot is filled and installed.
fn carried_out(folder: &Path) -> Result<(Fleet, World)> {
    let fleet = fleet(&measure::files(folder)?)?;
    let uuid = Uuid::from_bytes([7; 16]);
    let at = Timestamp::from_unix_ms(1_795_000_000_000);
    let name = fleet.name.clone();
    let mut world = World {
        observed: Observed::empty(at, uuid, Incarnation { number: 1, uuid }),
        adopted: Plan::empty(name),
    };
    world.adopt(&fleet);
    for (name, machine) in &fleet.machines {
        let (id, _) = world.adopted.machine(name.as_str()).ok_or("a machine was lost")?;
        let seen = world.observed.machines.get_mut(&id).ok_or("a machine was lost")?;
        seen.inventory = Some(expected::inventory(name, machine));
        seen.inspected = Some(at);
    }
    world.adopt(&fleet);
    for (id, machine) in &world.adopted.machines {
        let Intent::Deployed(deploy) = &machine.wanted.intent else {
            continue;
        };
        let seen = world.observed.machines.get_mut(id).ok_or("a machine was lost")?;
        seen.ever_written = true;
        seen.written_in = Some(machine.wanted.generation);
        seen.installed = Some(InstalledBinding {
            binding: deploy.binding,
            spec: deploy.spec,
            generation: machine.wanted.generation,
            disks: deploy.disks.iter().map(|disk| disk.disk.clone()).collect(),
            at,
        });
    }
    let again = world.plan(&fleet);
    if !again.changes.is_empty() {
        return Err("the fleet is not as it shall be".into());
    }
    Ok((fleet, world))
}

impl World {
    fn plan(&self, fleet: &Fleet) -> Plan {
        let desired = Desired {
            fleet,
            commit: BASE,
            base: None,
        };
        plan(&desired, &self.observed, &self.adopted, self.observed.at)
    }

    fn adopt(&mut self, fleet: &Fleet) {
        self.observed.at = self.observed.at.plus(Duration::from_secs(60));
        let plan = self.plan(fleet);
        let known: BTreeMap<_, _> = plan
            .machines
            .iter()
            .map(|(id, machine)| (*id, ObservedMachine::named(machine.name.clone())))
            .collect();
        for (id, machine) in known {
            self.observed.machines.entry(id).or_insert(machine);
        }
        self.observed.bindings = plan.bindings.clone();
        self.adopted = plan;
    }
}
