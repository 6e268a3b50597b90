//! `muster-fleet-bench`: how fast fleets are read and planned, and how much memory that takes, beside Terraform where
//! there is one; and what files cost that nobody means well with.

mod check;
mod host;
mod hostile;
mod measure;
mod plan;

use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

#[derive(Debug, Parser)]
struct Flags {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measures checking and prints Markdown.
    Check {
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
    /// Measures planning and prints Markdown.
    Plan {
        /// Folders of fleets: `NAME=FOLDER`, in the order of the table.
        #[arg(long = "fleet")]
        fleets: Vec<String>,
        /// Rounds of each; medians are printed.
        #[arg(long, default_value_t = 5)]
        rounds: usize,
    },
    /// Checks files that nobody means well with, and prints Markdown.
    Hostile {
        /// The built muster.
        #[arg(long)]
        muster: PathBuf,
    },
    /// Runs one command, and prints how long it took and its memory at its largest.
    One {
        /// The command with its arguments.
        #[arg(last = true)]
        command: Vec<String>,
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
    /// Plans one change, and prints how long `plan` took and the memory at its largest; then how long all of it took,
    /// and how many changes it found.
    OnePlan {
        /// The fleet.
        folder: PathBuf,
        /// Where it stands.
        world: PathBuf,
    },
}

fn main() -> ExitCode {
    let done = match Flags::parse().what {
        What::Check {
            muster,
            fleets,
            rounds,
        } => check::all(&muster, &fleets, rounds),
        What::Plan { fleets, rounds } => plan::all(&fleets, rounds),
        What::Hostile { muster } => hostile::all(&muster),
        What::One { command } => measure::one(&command),
        What::Refused { command } => hostile::refused(&command),
        What::Again { folder } => check::again(&folder),
        What::OnePlan { folder, world } => plan::one(&folder, &world),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
