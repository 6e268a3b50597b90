//! Starts the long-lived programs of a run, so that none can outlive it unseen.
//!
//! Each goes through our own program first (`muster-vrack child`), which enters the namespace, asks the
//! kernel to be told when the harness dies, and then becomes the program: the pid that is in the ledger
//! stays the right one. A child is tied to the *thread* that started it, so only threads that live as
//! long as the run may call `launch`.

use crate::error::{Result, RigError, failed};
use crate::namespace;
use crate::program;
use crate::run::Run;
use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A program to start.
#[derive(Debug)]
pub(crate) struct Launch {
    /// What the ledger and messages call it.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    /// Set for it beside what it inherits.
    pub(crate) variables: Vec<(String, String)>,
    /// Everything it prints is added to this file.
    pub(crate) log: PathBuf,
}

/// Starts it in the run's namespace and writes it to the ledger.
pub(crate) fn launch(run: &Run, launch: &Launch) -> Result<Child> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(&launch.log)
        .map_err(failed(format!("open {}", launch.log.display())))?;
    let errors = log.try_clone().map_err(failed("share a log file"))?;
    let child = enter_command(run)?
        .arg(&launch.program)
        .args(&launch.arguments)
        .envs(launch.variables.iter().map(|(name, value)| (name, value)))
        .current_dir(run.directory())
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        // Ctrl-C in a terminal goes to the harness alone; the keeper then stops the others in order.
        .process_group(0)
        .spawn()
        .map_err(failed(format!("start {}", launch.name)))?;
    run.record(&launch.name, child.id())?;
    Ok(child)
}

/// A command that runs what is added to it inside the run's namespace.
pub(crate) fn enter_command(run: &Run) -> Result<Command> {
    let (own, words) = entering(&run.namespace())?;
    let mut command = Command::new(own);
    command.args(words);
    Ok(command)
}

/// The program and its first words that run what follows inside a namespace. From one of a run's namespaces another is
/// entered the same way.
pub(crate) fn entering(namespace: &str) -> Result<(PathBuf, Vec<OsString>)> {
    let own = program::own()?;
    let words = ["child", "--namespace", namespace, "--"];
    Ok((own, words.map(OsString::from).to_vec()))
}

/// Becomes the program; returns only when it cannot.
pub(crate) fn become_program(namespace: &str, words: &[OsString]) -> Result<Infallible> {
    let Some((program, arguments)) = words.split_first() else {
        return Err(RigError::Unmet {
            lacks: "no program given".to_owned(),
            fix: "name one after --".to_owned(),
        });
    };
    namespace::enter(namespace)?;
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .map_err(|errno| failed("ask to be told of the harness's death")(errno.into()))?;
    let error = Command::new(program).args(arguments).exec();
    Err(failed(format!("run {}", Path::new(program).display()))(error))
}
