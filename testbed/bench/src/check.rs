//! How fast `muster check` reads fleets of a thousand to a hundred thousand machines, and how much memory it takes,
//! beside Terraform where there is one.
//!
//! Each round is a process of its own, and the sizes take turns. The second reading, of a fleet in which one file
//! changed, is what a daemon or an editor does: it happens in one process that keeps what it read.

use crate::host;
use crate::measure::{self, Result, Sample, Terraform, measured, median};
use nix::sys::resource::{UsageWho, getrusage};
use schema_fleet::Cache;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;
use testbed_scratch::Scratch;

/// The most machines of which Terraform is asked, as resources.
const PEER_MACHINES_MAX: usize = 10_000;

/// Measures `muster check` over all fleets.
pub(crate) fn all(muster: &Path, fleets: &[String], rounds: usize) -> Result<()> {
    println!("Before: {}.\n", host::facts());
    let mut fleets: Vec<(&str, &str)> = fleets
        .iter()
        .map(|fleet| fleet.split_once('=').ok_or("--fleet NAME=FOLDER"))
        .collect::<std::result::Result<_, _>>()?;
    fleets.dedup();
    let muster = muster.display().to_string();
    let mut cold: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    let mut warm: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    let scratch = Scratch::new();
    let mut peers: BTreeMap<(&str, &str), Vec<Sample>> = BTreeMap::new();
    for _ in 0..rounds {
        for (name, folder) in &fleets {
            cold.entry(name)
                .or_default()
                .push(measured(&["one", "--", &muster, "check", folder])?);
            warm.entry(name).or_default().push(measured(&["again", folder])?);
            // Of more it takes minutes, and says nothing new.
            let fleet = measure::fleet(&measure::files(Path::new(folder))?)?;
            if fleet.machines.len() > PEER_MACHINES_MAX {
                continue;
            }
            if let Some(terraform) = Terraform::prepare(scratch.path(), &fleet)? {
                let mut keep = |verb, sample| peers.entry((name, verb)).or_default().push(sample);
                keep("validate", terraform.run(&["validate"])?);
                keep("plan", terraform.plan()?);
            }
        }
    }
    let mut table = String::from(
        "| fleet | `check`, ms | peak, MiB | us a machine | again, one file changed, ms | `terraform validate` | `terraform plan` | rounds |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (name, folder) in &fleets {
        let (first, second) = (median(&cold[name]), median(&warm[name]));
        let machines = measure::fleet(&measure::files(Path::new(folder))?)?
            .machines
            .len();
        let ratio = |verb: &str| {
            let samples = peers.iter().find(|((of, which), _)| of == name && *which == verb);
            samples.map_or_else(
                || "not asked".to_owned(),
                |(_, samples)| format!("{:.1}x", median(samples).ms / first.ms),
            )
        };
        writeln!(
            table,
            "| {name} | {:.0} | {:.0} | {:.1} | {:.0} | {} | {} | {rounds} |",
            first.ms,
            first.kib / 1024.0,
            first.ms * 1000.0 / machines as f64,
            second.ms,
            ratio("validate"),
            ratio("plan"),
        )?;
    }
    println!("{table}");
    println!("After: {}.", host::facts());
    Ok(())
}

/// Reads a fleet, changes one line of it, and reads it again.
pub(crate) fn again(folder: &Path) -> Result<()> {
    let mut files = measure::files(folder)?;
    let mut cache = Cache::default();
    let first = cache.parse(&files);
    if first.fleet.is_none() {
        return Err("the fleet is not right".into());
    }
    // The first serial number of the last file that has one is another one now.
    let changed = files.iter_mut().rev().find_map(|file| {
        let text = String::from_utf8(std::mem::take(&mut file.bytes)).unwrap_or_default();
        let other = text.replacen("serial = \"", "serial = \"X", 1).replacen(
            "serial=",
            "serial=X",
            usize::from(!text.contains("serial = \"")),
        );
        let differs = other != text;
        file.bytes = other.into_bytes();
        differs.then_some(())
    });
    changed.ok_or("no machine has a serial number")?;
    let start = Instant::now();
    let second = cache.parse(&files);
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    if second.fleet == first.fleet {
        return Err("the change was not seen".into());
    }
    println!("{ms} {}", getrusage(UsageWho::RUSAGE_SELF)?.max_rss());
    Ok(())
}
