//! muster's own programs, started as an operator starts them.

use crate::child::{self, Launch};
use crate::error::{Result, RigError, failed};
use crate::images::Built;
use crate::machine::MachineSpec;
use crate::namespace::{self, BRIDGE, UPLINK};
use crate::program::{self, Said};
use crate::rack::{self, Rack, Site};
use crate::run::RUNS;
use crate::service::Service;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// musterd makes a database cluster at its first start: some CPU-seconds, more on a loaded host.
const START_MAX: Duration = Duration::from_secs(120);
/// A translated machine on a loaded host gets its timer interrupts so late that its kernel takes the timer for broken
/// and panics; so it is not to look. One that panics all the same starts again, as a watchdog would have it.
const KERNEL_ARGUMENTS: [&str; 2] = ["no_timer_check", "panic=10"];
/// Any command of `muster` that does not wait for machines.
const COMMAND_MAX: Duration = Duration::from_secs(120);
/// The port that rack agents find musterd on.
const PORT: u16 = 7443;
/// The private database, and how it is asked.
const DATABASE: [&str; 8] = [
    "--username=muster",
    "--dbname=muster",
    "--no-psqlrc",
    "--no-password",
    "--quiet",
    "--tuples-only",
    "--no-align",
    "--set=ON_ERROR_STOP=1",
];
/// Every table that the store calls derived (`reconciler/store/src/derived.rs`).
const DELETE_DERIVED: &str = "DELETE FROM work";
/// How much of each log a failure shows.
const TAIL_LINES: usize = 30;

/// The running programs.
#[derive(Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    inmachine: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    state: PathBuf,
    pub(crate) daemon: Service,
    pub(crate) agent: Service,
}

impl Programs {
    /// Starts musterd, which is told this beside the usual, enrols the agent with a one-time token, starts
    /// muster-rackd.
    pub(crate) fn start(
        rack: &Rack,
        folder: &Path,
        inmachine: &Path,
        repository: &Path,
        told: &[&str],
    ) -> Result<Self> {
        let state = rack.run.path("musterd");
        let runtime = rack.run.path("rt");
        let socket = runtime.join("musterd.sock");
        let musterd = folder.join("musterd");
        let mut words = daemon_words(rack.site, repository, &state, runtime);
        words.extend(told.iter().map(OsString::from));
        let daemon = Service::start(rack, "musterd", musterd, words, None)?;
        await_file(&socket, "musterd's socket")?;
        let agent = Seat::first(rack).take(rack, folder, &socket, inmachine)?;
        let this = Self {
            folder: folder.to_owned(),
            inmachine: inmachine.to_owned(),
            socket,
            log: rack.run.path("apply.log"),
            state,
            daemon,
            agent,
        };
        this.await_answer()?;
        Ok(this)
    }

    /// Enrols and starts a second agent of the rack, on a host of its own beside the first.
    pub(crate) fn start_beside(&self, rack: &Rack, agent: &str, address: Ipv4Addr) -> Result<Service> {
        let namespace = rack.run.namespace_beside();
        namespace::create_beside(&rack.run.namespace(), &namespace, (address, rack.site.address.1))?;
        let seat = Seat {
            agent,
            service: "muster-rackd-2",
            state: rack.run.path("rackd-2"),
            namespace,
            interface: UPLINK,
        };
        seat.take(rack, &self.folder, &self.socket, &self.inmachine)
    }

    /// Kills musterd as a power cut would, and starts it again.
    pub(crate) fn kill_daemon(&self, rack: &Rack) -> Result<()> {
        self.daemon.kill()?;
        self.start_daemon(rack)
    }

    /// Starts musterd again and waits until it answers.
    pub(crate) fn start_daemon(&self, rack: &Rack) -> Result<()> {
        self.daemon.start_again(rack, None)?;
        self.await_answer()
    }

    /// Ends both as a service manager does, agent first.
    pub(crate) fn stop(&self) -> Result<()> {
        self.agent.stop(START_MAX)?;
        self.daemon.stop(START_MAX)
    }

    /// Starts both again.
    pub(crate) fn start_again(&self, rack: &Rack) -> Result<()> {
        self.start_daemon(rack)?;
        self.agent.start_again(rack, None)
    }

    /// Starts the agent again with another program for machines to run.
    pub(crate) fn serve_in_machine(&self, rack: &Rack, program: &Path) -> Result<()> {
        self.agent.stop(START_MAX)?;
        let (_, words) = Seat::first(rack).line(rack, &self.folder, program)?;
        self.agent.start_again_as(rack, &words)
    }

    /// Deletes everything in the database that musterd can derive from the rest.
    pub(crate) fn forget_derived(&self) -> Result<()> {
        self.sql(DELETE_DERIVED).map(drop)
    }

    /// Has musterd's own database carry out a statement; rows come back as lines.
    pub(crate) fn sql(&self, statement: &str) -> Result<String> {
        let sockets = self.socket.with_file_name("postgres");
        let mut psql = Command::new("psql");
        psql.arg("--host").arg(sockets).args(DATABASE);
        program::run(psql.args(["--command", statement]), COMMAND_MAX)
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
        self.daemon.await_end(START_MAX)?;
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

    /// Starts `muster status --watch` on a terminal of its own; what it draws is added to `status-watch.log`. It is
    /// ended through the run's ledger.
    pub(crate) fn watch(&self, rack: &Rack) -> Result<()> {
        let (muster, socket) = (self.folder.join("muster"), self.socket.display());
        // Nobody has given the terminal a size.
        let line = format!(
            "stty cols 120 rows 30; {} --socket {socket} status --watch",
            muster.display()
        );
        let launch = Launch {
            name: "status-watch".to_owned(),
            program: PathBuf::from("script"),
            arguments: ["-qfec", &line, "/dev/null"].map(OsString::from).to_vec(),
            variables: vec![("TERM".to_owned(), "xterm".to_owned())],
            log: rack.run.path("status-watch.log"),
        };
        child::launch(&rack.run, &launch).map(drop)
    }

    /// Runs `muster` and hands back how it ended.
    pub(crate) fn ask(&self, words: &[&str]) -> Result<Said> {
        program::outcome(&mut self.command(words), COMMAND_MAX)
    }

    /// Waits until musterd answers.
    pub(crate) fn await_answer(&self) -> Result<()> {
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
        let id = plan["id"]
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

/// Where an agent of the rack is at home.
struct Seat<'a> {
    /// Its name in git.
    agent: &'a str,
    service: &'static str,
    state: PathBuf,
    namespace: String,
    interface: &'a str,
}

impl<'a> Seat<'a> {
    /// Beside musterd, on the machines' bridge.
    fn first(rack: &'a Rack) -> Self {
        Self {
            agent: rack.site.agent,
            service: "muster-rackd",
            state: rack.run.path("rackd"),
            namespace: rack.run.namespace(),
            interface: BRIDGE,
        }
    }

    /// The program that starts it in its namespace, and its arguments.
    fn line(&self, rack: &Rack, folder: &Path, inmachine: &Path) -> Result<(PathBuf, Vec<OsString>)> {
        let (own, words) = child::entering(&self.namespace)?;
        let rackd = folder.join("muster-rackd").into();
        Ok((
            own,
            [words, vec![rackd], agent_words(rack.site, self, inmachine)].concat(),
        ))
    }

    /// Enrols it with a one-time token and starts it.
    fn take(&self, rack: &Rack, folder: &Path, socket: &Path, inmachine: &Path) -> Result<Service> {
        let mut muster = Command::new(folder.join("muster"));
        muster.arg("--socket").arg(socket);
        let token = program::run(muster.args(["agent", "token", self.agent]), COMMAND_MAX)?;
        let rackd = folder.join("muster-rackd");
        let (own, words) = child::entering(&self.namespace)?;
        let mut enrol = Command::new(&own);
        enrol.args(&words).arg(&rackd);
        enrol.args([
            "enrol",
            "--daemon",
            &format!("https://{}:{PORT}", rack.site.address.0),
        ]);
        enrol
            .args(["--token", token.trim(), "--state-dir"])
            .arg(&self.state);
        program::run(&mut enrol, COMMAND_MAX)?;
        let (own, line) = self.line(rack, folder, inmachine)?;
        Service::start(rack, self.service, own, line, None)
    }
}

fn answer(found: &str) -> RigError {
    RigError::Answer {
        whom: "muster".to_owned(),
        found: found.to_owned(),
    }
}

fn daemon_words(site: &Site, repository: &Path, state: &Path, runtime: PathBuf) -> Vec<OsString> {
    vec![
        "run".into(),
        "--repository".into(),
        repository.into(),
        "--state-dir".into(),
        state.into(),
        "--runtime-dir".into(),
        runtime.into(),
        "--secrets-dir".into(),
        RUNS.into(),
        "--listen".into(),
        format!("{}:{PORT}", site.address.0).into(),
    ]
}

fn agent_words(site: &Site, seat: &Seat<'_>, inmachine: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![
        "--state-dir".into(),
        seat.state.clone().into(),
        "--link".into(),
        format!("{}={}", site.link, seat.interface).into(),
        "--agent-binary".into(),
        inmachine.into(),
        // A machine that someone switches is to be seen soon.
        "--power-every".into(),
        "5".into(),
        // A trial installs the same machines over and over.
        "--wipes-per-hour".into(),
        "1000".into(),
    ];
    for argument in KERNEL_ARGUMENTS {
        words.extend(["--kernel-argument".into(), argument.into()]);
    }
    words
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

/// The ends of all logs and of these machines' consoles, for whoever reads a failure.
pub(crate) fn print_tails(rack: &Rack, specs: &[MachineSpec]) {
    let logs = [
        "musterd.log",
        "muster-rackd.log",
        "muster-rackd-2.log",
        "chassis.log",
    ];
    let logs = logs
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), fs::read_to_string(rack.run.path(name)).ok()?)));
    let consoles = specs.iter().map(|spec| {
        let name = format!("console of {}", spec.name);
        (name, rack::console(&rack.machine(&spec.name)))
    });
    for (name, text) in logs.chain(consoles) {
        println!("──── {name}");
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..]
            .iter()
            .for_each(|line| println!("{line}"));
    }
}

/// How to look at a rack that is kept running.
pub(crate) fn print_commands(rack: &Rack, spec: &MachineSpec, folder: &Path) {
    let run = rack.run.directory().display();
    println!("\nThe rack runs on. To look at it:");
    println!("  export MUSTER_SOCKET={run}/rt/musterd.sock");
    println!("  {}/muster status", folder.display());
    println!("  tail -f {run}/m/{}/console.log", spec.name);
    println!(
        "  ip netns exec {} ssh -i {run}/id_ed25519 debian@ADDRESS",
        rack.run.namespace()
    );
    println!("Press Enter to end it.");
}
