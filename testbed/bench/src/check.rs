//! `muster-check-bench`: how fast `muster check` reads fleets of a thousand to a hundred thousand machines, and how much
//! memory it takes, beside Terraform where there is one.
//!
//! Each round is a process of its own, and the sizes take turns. The second reading, of a fleet in which one file
//! changed, is what a daemon or an editor does: it happens in one process that keeps what it read.

use clap::{Parser, Subcommand};
use nix::sys::resource::{UsageWho, getrusage};
use schema_fleet::{Cache, SourceFile};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

#[path = "host.rs"]
mod host;
#[path = "hostile.rs"]
mod hostile;

#[derive(Debug, Parser)]
struct Flags {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measures all fleets and prints Markdown.
    All {
        /// The built muster.
        #[arg(long)]
        muster: PathBuf,
        /// Folders of fleets: `NAME=FOLDER`, in the order of the table.
        #[arg(long = "fleet")]
        fleets: Vec<String>,
        /// Rounds of each; medians are printed.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Runs one command, and prints how long it took and its memory at its largest.
    One {
        /// The command with its arguments.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Checks files that nobody means well with, and prints Markdown.
    Hostile {
        /// The built muster.
        #[arg(long)]
        muster: PathBuf,
    },
    /// Runs one check that must fail, and prints how long it took, its memory, and what it says.
    Refused {
        /// The command with its arguments.
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Reads a fleet, changes one line of it, and reads it again.
    Again {
        /// The fleet.
        folder: PathBuf,
    },
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let done = match Flags::parse().what {
        What::All {
            muster,
            fleets,
            rounds,
        } => all(&muster, &fleets, rounds),
        What::One { command } => one(&command),
        What::Hostile { muster } => hostile::all(&muster),
        What::Refused { command } => hostile::refused(&command),
        What::Again { folder } => again(&folder),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Wall time in milliseconds and memory in KiB.
#[derive(Debug, Clone, Copy, Default)]
struct Sample {
    ms: f64,
    kib: f64,
}

impl Sample {
    /// Of the two numbers that a measurement prints.
    fn read(text: &str) -> Result<Self> {
        let (ms, kib) = text.trim().split_once(' ').ok_or("two numbers are wanted")?;
        Ok(Self {
            ms: ms.parse()?,
            kib: kib.parse()?,
        })
    }
}

/// The most machines of which Terraform is asked, as resources.
const PEER_MACHINES_MAX: usize = 10_000;

fn all(muster: &Path, fleets: &[String], rounds: usize) -> Result<()> {
    println!("Before: {}.\n", host::facts());
    let mut fleets: Vec<(&str, &str)> = fleets
        .iter()
        .map(|fleet| fleet.split_once('=').ok_or("--fleet NAME=FOLDER"))
        .collect::<std::result::Result<_, _>>()?;
    fleets.dedup();
    let muster = muster.display().to_string();
    let mut cold: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    let mut warm: BTreeMap<&str, Vec<Sample>> = BTreeMap::new();
    let terraform = Terraform::find();
    let mut peers: BTreeMap<(&str, &str), Vec<Sample>> = BTreeMap::new();
    for _ in 0..rounds {
        for (name, folder) in &fleets {
            cold.entry(name)
                .or_default()
                .push(measured(&["one", "--", &muster, "check", folder])?);
            warm.entry(name).or_default().push(measured(&["again", folder])?);
            // Of more it takes minutes, and says nothing new.
            let is_small = machines(Path::new(folder))? <= PEER_MACHINES_MAX;
            if let Some(terraform) = terraform.as_ref().filter(|_| is_small) {
                for (verb, sample) in terraform.measure(folder)? {
                    peers.entry((name, verb)).or_default().push(sample);
                }
            }
        }
    }
    let mut table = String::from(
        "| fleet | `check`, ms | peak, MiB | us a machine | again, one file changed, ms | `terraform validate` | `terraform plan` | rounds |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for (name, folder) in &fleets {
        let (first, second) = (median(&cold[name]), median(&warm[name]));
        let machines = machines(Path::new(folder))?;
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

/// Starts this program again for one measurement; it prints two numbers.
fn measured(arguments: &[&str]) -> Result<Sample> {
    Ok(measured_saying(arguments)?.0)
}

/// The same of one that prints a line more.
fn measured_saying(arguments: &[&str]) -> Result<(Sample, String)> {
    let output = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(format!("{arguments:?} failed").into());
    }
    let text = String::from_utf8(output.stdout)?;
    let mut lines = text.lines();
    let sample = Sample::read(lines.next().unwrap_or_default())?;
    Ok((sample, lines.next().unwrap_or_default().to_owned()))
}

fn one(command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().ok_or("which command?")?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        // Settings of Terraform that need not be there.
        .env_remove("TF_CLI_CONFIG_FILE")
        .stdout(Stdio::null())
        .status()?;
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    if !status.success() {
        return Err(format!("{program} failed").into());
    }
    println!("{ms} {}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    Ok(())
}

fn again(folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    read(folder, "", &mut files)?;
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

fn read(folder: &Path, prefix: &str, files: &mut Vec<SourceFile>) -> Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(folder)?.collect::<std::result::Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry
            .file_name()
            .into_string()
            .map_err(|_| "a name that is no text")?;
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{prefix}{name}/"), files)?;
        } else {
            files.push(SourceFile {
                path: format!("{prefix}{name}"),
                bytes: std::fs::read(entry.path())?,
            });
        }
    }
    Ok(())
}

fn machines(folder: &Path) -> Result<usize> {
    let mut files = Vec::new();
    read(folder, "", &mut files)?;
    let fleet = schema_fleet::parse(&files)
        .fleet
        .ok_or("the fleet is not right")?;
    Ok(fleet.machines.len().max(1))
}

fn median(samples: &[Sample]) -> Sample {
    let middle = |of: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Sample {
        ms: middle(|sample| sample.ms),
        kib: middle(|sample| sample.kib),
    }
}

/// A terraform on the PATH, with a resource of its own for each machine; its built-in provider needs no download.
struct Terraform(PathBuf);

impl Terraform {
    fn find() -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let folders = std::env::split_paths(&path);
        folders
            .map(|folder| folder.join("terraform"))
            .find(|program| program.is_file())
            .map(Self)
    }

    fn measure(&self, fleet: &str) -> Result<Vec<(&'static str, Sample)>> {
        let folder = std::env::temp_dir().join(format!("muster-check-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let mut files = Vec::new();
        read(Path::new(fleet), "", &mut files)?;
        let model = schema_fleet::parse(&files)
            .fleet
            .ok_or("the fleet is not right")?;
        let mut resources = serde_json::Map::new();
        for (name, machine) in &model.machines {
            let nics: BTreeMap<&str, String> = machine
                .nic
                .iter()
                .map(|(port, nic)| (port.as_str(), nic.mac.value.to_string()))
                .collect();
            let serial = machine.serial.as_ref().map(|serial| serial.value.clone());
            let key = format!("m_{}", name.as_str().replace(['.', '-'], "_"));
            resources.insert(
                key,
                serde_json::json!({ "input": { "name": name.as_str(), "serial": serial, "nics": nics } }),
            );
        }
        let text = serde_json::json!({ "resource": { "terraform_data": resources } }).to_string();
        std::fs::write(folder.join("main.tf.json"), text)?;
        let program = self.0.display().to_string();
        let chdir = format!("-chdir={}", folder.display());
        measured(&["one", "--", &program, &chdir, "init", "-input=false"])?;
        let validate = measured(&["one", "--", &program, &chdir, "validate"])?;
        let plan = measured(&[
            "one",
            "--",
            &program,
            &chdir,
            "plan",
            "-input=false",
            "-lock=false",
        ])?;
        std::fs::remove_dir_all(&folder)?;
        Ok(vec![("validate", validate), ("plan", plan)])
    }
}
