//! muster's own programs, started as an operator starts them.

use crate::child::{self, Launch};
use crate::error::{Result, RigError, failed};
use crate::images::Built;
use crate::machine::MachineSpec;
use crate::namespace::BRIDGE;
use crate::once::fleet::Repository;
use crate::program;
use crate::rack::{self, ADDRESS, Rack};
use rustix::process::{Pid, Signal, kill_process};
use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// musterd makes a database cluster at its first start: some CPU-seconds, more on a loaded host.
const START_MAX: Duration = Duration::from_secs(120);
/// Any command of `muster` that does not wait for machines.
const COMMAND_MAX: Duration = Duration::from_secs(120);
/// The port that rack agents find musterd on.
const PORT: u16 = 7443;
/// The agent and the link, as the example fleet names them.
const AGENT: &str = "rackd-1";
const LINK: &str = "lab/pxe";
/// How much of each log a failure shows.
const TAIL_LINES: usize = 30;

/// The running programs.
pub(crate) struct Programs {
    folder: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    /// Ended through the run's ledger; started anew after a fault.
    daemon: RefCell<Child>,
    agent: RefCell<Child>,
    daemon_words: Vec<OsString>,
    agent_words: Vec<OsString>,
    state: PathBuf,
}

impl Programs {
    /// Starts musterd, writes the agent's certificate, starts muster-rackd.
    pub(crate) fn start(
        rack: &Rack,
        folder: &Path,
        inmachine: &Path,
        repository: &Repository,
    ) -> Result<Self> {
        let (state, runtime) = (rack.run.path("musterd"), rack.run.path("rt"));
        let socket = runtime.join("musterd.sock");
        let musterd = folder.join("musterd");
        let words: Vec<OsString> = vec![
            "run".into(),
            "--repository".into(),
            repository.path.clone().into(),
            "--state-dir".into(),
            state.clone().into(),
            "--runtime-dir".into(),
            runtime.into(),
            "--listen".into(),
            format!("{ADDRESS}:{PORT}").into(),
        ];
        let daemon_words = words;
        let daemon = launch(rack, "musterd", musterd.clone(), daemon_words.clone())?;
        await_file(&socket, "musterd's socket")?;
        let certificates = rack.run.path("certificates");
        let mut enrol = Command::new(&musterd);
        enrol
            .args(["certificates", "--agent", AGENT, "--state-dir"])
            .arg(&state)
            .arg("--out")
            .arg(&certificates);
        program::run(&mut enrol, COMMAND_MAX)?;
        let words: Vec<OsString> = vec![
            "--name".into(),
            AGENT.into(),
            "--daemon".into(),
            format!("https://{ADDRESS}:{PORT}").into(),
            "--ca".into(),
            certificates.join("ca.pem").into(),
            "--cert".into(),
            certificates.join(format!("{AGENT}.pem")).into(),
            "--key".into(),
            certificates.join(format!("{AGENT}.key")).into(),
            "--state-dir".into(),
            rack.run.path("rackd").into(),
            "--link".into(),
            format!("{LINK}={BRIDGE}").into(),
            "--agent-binary".into(),
            inmachine.into(),
        ];
        let agent = launch(rack, "muster-rackd", folder.join("muster-rackd"), words.clone())?;
        let this = Self {
            folder: folder.to_owned(),
            socket,
            log: rack.run.path("apply.log"),
            daemon: RefCell::new(daemon),
            agent: RefCell::new(agent),
            daemon_words,
            agent_words: words,
            state,
        };
        this.await_answer()?;
        Ok(this)
    }

    /// Kills musterd as a power cut would, and starts it again.
    pub(crate) fn kill_daemon(&self, rack: &Rack) -> Result<()> {
        end(&mut self.daemon.borrow_mut())?;
        self.start_daemon(rack)
    }

    fn start_daemon(&self, rack: &Rack) -> Result<()> {
        let program = self.folder.join("musterd");
        *self.daemon.borrow_mut() = launch(rack, "musterd", program, self.daemon_words.clone())?;
        self.await_answer()
    }

    /// Kills muster-rackd as a power cut would, and starts it again.
    pub(crate) fn kill_agent(&self, rack: &Rack) -> Result<()> {
        end(&mut self.agent.borrow_mut())?;
        let program = self.folder.join("muster-rackd");
        *self.agent.borrow_mut() = launch(rack, "muster-rackd", program, self.agent_words.clone())?;
        Ok(())
    }

    /// Stops the private Postgres at once (`pg_ctl stop -m immediate` sends SIGQUIT). musterd ends with it,
    /// as it says, and is started again, as a service manager would.
    pub(crate) fn stop_postgres(&self, rack: &Rack) -> Result<()> {
        let file = self.state.join("postgres/postmaster.pid");
        let text = fs::read_to_string(&file).map_err(failed(format!("read {}", file.display())))?;
        let pid = text
            .lines()
            .next()
            .and_then(|line| line.trim().parse().ok())
            .and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| answer("a postmaster.pid without a pid"))?;
        kill_process(pid, Signal::QUIT).map_err(|errno| failed("stop Postgres")(errno.into()))?;
        let until = Instant::now() + START_MAX;
        while self
            .daemon
            .borrow_mut()
            .try_wait()
            .map_err(failed("wait for musterd"))?
            .is_none()
        {
            if Instant::now() >= until {
                return Err(RigError::Disproved(
                    "musterd outlives its private database".to_owned(),
                ));
            }
            thread::sleep(Duration::from_millis(100));
        }
        self.start_daemon(rack)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.folder.join("muster"));
        command.arg("--socket").arg(&self.socket).args(words);
        command
    }

    /// Runs `muster`; a bad end is an error.
    pub(crate) fn muster(&self, words: &[&str]) -> Result<String> {
        program::run(&mut self.command(words), COMMAND_MAX)
    }

    fn await_answer(&self) -> Result<()> {
        let until = Instant::now() + START_MAX;
        loop {
            match self.muster(&["status"]) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(200)),
            }
        }
    }

    /// Hands the images' files to musterd.
    pub(crate) fn add_images(&self, built: &[Built; 2]) -> Result<()> {
        let mut command = self.command(&["image", "add"]);
        command.args(
            built
                .iter()
                .flat_map(|image| &image.artefacts)
                .map(|file| &file.path),
        );
        println!("{}", program::run(&mut command, COMMAND_MAX)?);
        Ok(())
    }

    /// Applies the plan that was just shown; its own words go to a log.
    pub(crate) fn apply(&self) -> Result<()> {
        let text = self.muster(&["--json", "plan"])?;
        let plan: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| answer(&error.to_string()))?;
        let id = plan["plan"]["id"]
            .as_str()
            .ok_or_else(|| answer("a plan without an id"))?;
        // A poll or a hint may have adopted the commit meanwhile; then there is nothing left to apply.
        let said = self
            .muster(&["apply", "--yes"])
            .or_else(|_| self.muster(&["apply", id]))?;
        fs::write(&self.log, said).map_err(failed("write apply.log"))
    }

    /// The status document.
    pub(crate) fn status(&self) -> Result<serde_json::Value> {
        let text = self.muster(&["--json", "status"])?;
        serde_json::from_str(&text).map_err(|error| answer(&error.to_string()))
    }

    /// The first address of a machine's installed system.
    pub(crate) fn address(&self, machine: &str) -> Result<String> {
        let status = self.status()?;
        let machines = status["machines"].as_array().cloned().unwrap_or_default();
        let found = machines.iter().find(|known| known["name"] == machine);
        let address = found.and_then(|known| known["addresses"][0].as_str());
        address
            .map(str::to_owned)
            .ok_or_else(|| answer("a deployed machine without an address"))
    }
}

fn end(child: &mut Child) -> Result<()> {
    child
        .kill()
        .and_then(|()| child.wait())
        .map(drop)
        .map_err(failed("kill a program"))
}

fn answer(found: &str) -> RigError {
    RigError::Answer {
        whom: "muster".to_owned(),
        found: found.to_owned(),
    }
}

fn launch(rack: &Rack, name: &str, program: PathBuf, arguments: Vec<OsString>) -> Result<Child> {
    let log = rack.run.path(&format!("{name}.log"));
    child::launch(
        &rack.run,
        &Launch {
            name: name.to_owned(),
            program,
            arguments,
            log,
        },
    )
}

fn await_file(path: &Path, what: &str) -> Result<()> {
    let until = Instant::now() + START_MAX;
    while !path.exists() {
        if Instant::now() >= until {
            let (awaited, last) = (what.to_owned(), "nothing".to_owned());
            return Err(RigError::TooLong {
                awaited,
                total: START_MAX,
                last,
            });
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The ends of all logs, for whoever reads a failure.
pub(crate) fn print_tails(rack: &Rack, spec: &MachineSpec) {
    let console = rack::console(&rack.machine(&spec.name));
    let logs = ["musterd.log", "muster-rackd.log", "chassis.log"].map(|name| {
        (
            name.to_owned(),
            fs::read_to_string(rack.run.path(name)).unwrap_or_default(),
        )
    });
    for (name, text) in logs.into_iter().chain([("console".to_owned(), console)]) {
        println!("──── {name}");
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..]
            .iter()
            .for_each(|line| println!("{line}"));
    }
}

/// How to look at a rack that is kept running.
pub(crate) fn print_commands(rack: &Rack, folder: &Path) {
    let run = rack.run.directory().display();
    println!("\nThe rack runs on. To look at it:");
    println!("  export MUSTER_SOCKET={run}/rt/musterd.sock");
    println!("  {}/muster status", folder.display());
    println!("  tail -f {run}/m/node-01/console.log");
    println!(
        "  ip netns exec {} ssh -i {run}/id_ed25519 debian@ADDRESS",
        rack.run.namespace()
    );
    println!("Press Enter to end it.");
}
