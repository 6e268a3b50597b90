//! muster-vrack: a rack of QEMU machines with real firmware, disks and BMCs in one network namespace.
//!
//! `once` takes one machine from a commit to a running system through the real programs and says whether
//! all of it was seen. Needs root, for the namespace and its devices; touches nothing of the host's network.

mod accelerator;
mod bench;
mod bmc;
mod chassis;
mod child;
mod clear;
mod copy;
mod demo;
mod error;
mod images;
mod keeper;
mod machine;
mod measure;
mod namespace;
mod once;
mod pcap;
mod preflight;
mod process_table;
mod program;
mod programs;
mod qemu;
mod qmp;
mod rack;
mod repository;
mod run;
mod scripted;
mod service;
mod tie;
mod trial;

use clap::{Parser, Subcommand};
use error::{Result, chain};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(
    name = "muster-vrack",
    about = "Virtual racks: real firmware, disks and BMCs without hardware"
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Tries the rig itself: power by IPMI, and firmware that starts; no part of muster takes part.
    Bench {
        /// The kernel for the trial of the accelerator.
        #[arg(long)]
        kernel: PathBuf,
    },
    /// Builds the images of a life that are not in the cache.
    Images {
        /// The folder of muster's programs.
        #[arg(long)]
        programs: PathBuf,
        /// Where built images are kept.
        #[arg(long)]
        images: PathBuf,
        /// Throws the kept ones away first.
        #[arg(long)]
        rebuild: bool,
    },
    /// Takes one machine from a commit to a running system.
    Once(once::Wish),
    /// Shows all of it on two machines, as `cargo xtask demo` does.
    Demo(demo::Wish),
    /// Measures a deployment, step by step, beside a script that does the same writes.
    Measure(measure::Wish),
    /// Tries one promise on scripted machines: real musterd, muster-rackd, Postgres and BMCs.
    Trial(trial::Wish),
    /// Ends and removes whatever runs that are gone have left behind, kept files included.
    Clean,
    /// Asks for or changes a machine's power; called by `ipmi_sim`.
    #[command(hide = true)]
    Chassis {
        #[arg(long)]
        socket: PathBuf,
        /// `MACHINE get ITEM…` or `MACHINE set ITEM VALUE…`.
        words: Vec<String>,
    },
    /// Tells a BMC's LAN settings; called by `ipmi_sim`.
    #[command(hide = true)]
    Lan { address: String, words: Vec<String> },
    /// Is a scripted machine, from power-on to power-off; started by the chassis.
    #[command(hide = true)]
    Scripted {
        directory: PathBuf,
        /// Tries the disk before the network.
        #[arg(long)]
        disk_first: bool,
    },
    /// Becomes a program of a run, inside its namespace.
    #[command(hide = true)]
    Child {
        #[arg(long)]
        namespace: String,
        #[arg(last = true)]
        words: Vec<OsString>,
    },
    /// Clears a run away when its harness dies.
    #[command(hide = true)]
    Keeper { directory: PathBuf },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("muster-vrack: {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

fn perform(verb: Verb) -> Result<()> {
    match verb {
        Verb::Bench { kernel } => bench::run(&kernel),
        Verb::Images {
            programs,
            images,
            rebuild,
        } => {
            if rebuild {
                images::forget(&images)?;
            }
            images::build(&programs, &images).map(drop)
        }
        Verb::Once(wish) => once::run(&wish),
        Verb::Demo(wish) => demo::run(&wish),
        Verb::Measure(wish) => measure::run(&wish),
        Verb::Trial(wish) => trial::run(&wish),
        Verb::Clean => clear::stale().and_then(|()| run::Run::forget_kept(true)),
        Verb::Chassis { socket, words } => bmc::print_chassis(&socket, &words),
        Verb::Lan { address, words } => {
            bmc::lan(&address, &words).map(|lines| lines.iter().for_each(|l| println!("{l}")))
        }
        Verb::Child { namespace, words } => match child::become_program(&namespace, &words)? {},
        Verb::Scripted {
            directory,
            disk_first,
        } => scripted::run(&directory, disk_first),
        Verb::Keeper { directory } => keeper::keep(directory),
    }
}
