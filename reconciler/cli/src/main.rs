//! `muster`: check a fleet, see what a change would do, carry it out, and know why a machine waits.
//!
//! A thin shell over `schema-fleet` (offline) and musterd's people's API (everything that needs
//! reality). It decides nothing.

// A print that panics when its reader is gone is no way to end: all printing is in `say`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod adopt;
mod agent;
mod apply;
mod arguments;
mod check;
mod client;
mod comment;
mod drift;
mod events;
mod exit;
mod explain;
mod fmt;
mod folder;
mod for_ci;
mod hold;
mod image;
mod image_command;
mod init;
mod interrupt;
mod letters;
mod log;
mod machine;
mod manual;
mod moved;
mod offline;
mod patch;
mod pin;
mod plan;
mod power;
mod progress;
mod removed;
mod say;
mod schema;
mod show;
mod silence;
mod snapshot;
mod status;
mod stop;
mod stuck;
mod wait;
mod watch;

use crate::arguments::{Arguments, Command, ImageCommand, Log, MachineCommand};
use crate::client::Client;
use crate::exit::{Exit, Failure};
use crate::say::{say, say_json, tell};
use clap::Parser as _;
use mimalloc::MiMalloc;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return misunderstood(&error),
    };
    if arguments.ascii {
        letters::ascii_only();
    }
    match run(&arguments) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            if arguments.json {
                // Where the answer cannot go, this cannot either; the exit code remains.
                drop(say_json(failure.json()));
            } else {
                tell(&failure);
            }
            failure.exit().into()
        }
    }
}

/// `--help`, `--version`, or a mistake in the words.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let is_mistake = error.use_stderr();
    // The words were not understood, this one among them.
    if std::env::args_os().any(|word| word == "--ascii") {
        letters::ascii_only();
        let told = error.render();
        if is_mistake {
            tell(told);
        } else {
            // A terminal that is gone is not worth a second error.
            drop(say(told));
        }
    } else {
        drop(error.print());
    }
    if is_mistake {
        Exit::Usage.into()
    } else {
        Exit::Done.into()
    }
}

fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let json = arguments.json;
    let online = || Client::connect(&arguments.socket);
    match &arguments.command {
        Command::Init(wish) => init::run(wish, json),
        Command::Check(wish) => check::run(wish, json),
        Command::Fmt(wish) => fmt::run(wish, json),
        Command::Plan(wish) => plan::run(online, wish, json),
        Command::Comment(wish) => comment::run(wish, json),
        Command::Snapshot(wish) => snapshot::run(&online()?, wish, json),
        Command::Apply(wish) => apply::run(online(), wish, json),
        Command::Status { watch: true, .. } => watch::run(&online()?, json),
        Command::Status { stuck: true, at, .. } => stuck::run(&online()?, *at, json),
        Command::Status {
            at: Some(at),
            stuck: false,
            ..
        } => status::then(&online()?, *at, json),
        Command::Status { .. } => status::run(&online()?, json),
        Command::Drift(wish) => drift::run(&online()?, wish, json),
        Command::Pin(wish) => pin::pin(&online()?, wish, json),
        Command::Unpin(wish) => pin::unpin(wish, json),
        Command::Adopt(wish) => adopt::run(online, wish, json),
        Command::Show(wish) => match show::object_of(wish)? {
            Some(object) => show::run(&object, wish, json),
            None => machine::show(&online()?, &wish.words[0], json),
        },
        Command::Why {
            machine,
            against: Some(deployment),
        } => machine::against(&online()?, machine, deployment, json),
        Command::Why {
            machine,
            against: None,
        } => machine::why(&online()?, machine, json),
        Command::Log(Log { at: Some(at), .. }) => status::then(&online()?, *at, json),
        Command::Log(wish) => log::run(&online()?, wish, json),
        Command::Hold(wish) => hold::run(online, wish, json),
        Command::Stop(wish) => stop::stop(online(), wish, json),
        Command::Resume(wish) => stop::resume(&online()?, wish, json),
        Command::Machine(MachineCommand::Discovered { patch }) => {
            machine::discovered(&online()?, *patch, json)
        }
        Command::Machine(MachineCommand::Power(wish)) => power::run(&online()?, wish, json),
        Command::Machine(MachineCommand::Fenced { machine, reason }) => {
            machine::fenced(&online()?, machine, reason, json)
        }
        Command::Agent(wish) => agent::run(&online()?, wish, json),
        Command::Moved(wish) => moved::run(wish, json),
        Command::Removed(wish) => removed::run(wish, json),
        Command::Image(ImageCommand::Build(wish)) => image_command::build(wish, json),
        Command::Image(ImageCommand::Add { files }) => image_command::add(&online()?, files, json),
        Command::Image(ImageCommand::Ls) => image_command::ls(&online()?, json),
        Command::Override { guard, plan, reason } => plan::open_guard(&online()?, guard, plan, reason, json),
        Command::Approve {
            plan,
            wipe_set,
            withdraw,
            reason,
        } => match reason.as_deref().filter(|_| *withdraw) {
            None => plan::approve(&online()?, plan, wipe_set, json),
            Some(reason) => plan::withdraw(&online()?, plan, wipe_set, reason, json),
        },
        Command::Recover => machine::recover(&online()?, json),
        Command::Explain(wish) => explain::run(wish.code.as_deref(), json),
        Command::Schema(wish) => schema::run(wish, json),
        Command::Completions { shell } => manual::completions(*shell),
        Command::Man { folder } => manual::pages(folder),
    }
}
