//! A rack for one test: a namespace for the agent, one for its clients, a cable between them.
//!
//! Everything is taken down when the value is dropped, also by a panic.

use crate::{
    daemon::{Daemon, Listening, make_certificates, make_identity},
    full_disk::FullDisk,
    strace,
};
use rack_api::{
    config::{AddressRange, Desired, Enlist, Ephemeral, Link, RackConfig, RackMachine, RackNic, Subnet},
    fact::FactBody,
    inventory::FirmwareKind,
    job::{Job, JobKind, JobRef},
    order::{Action, NextBoot, Order},
};
use schema_ids::{Generation, Incarnation, Mac, MachineId, Timestamp, Uuid};
use std::{
    fs::{self, File},
    net::Ipv4Addr,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Child, Command, Output},
    sync::Arc,
    time::{Duration, Instant},
};
use testbed_scratch::Scratch;

/// The agent's address on the link.
pub(crate) const SERVER: &str = "10.77.0.1";
pub(crate) const LINK: &str = "lab/pxe";
/// Whatever is awaited has happened within this, on a machine that compiles meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Rack {
    pub(crate) daemon: Arc<Daemon>,
    listening: Option<Listening>,
    agent: Option<Child>,
    /// The program that runs the agent, with its options; empty for the agent itself.
    runner: Vec<String>,
    /// Seconds between two readings of a BMC.
    power_every: &'static str,
    /// What the agent is told beside the usual.
    pub(crate) words: Vec<&'static str>,
    /// As much of its log is of agents that ran before.
    pub(crate) log_before: usize,
    directory: Scratch,
    server: Namespace,
    /// The agent's address, and the clients' end of its cable.
    address: &'static str,
    far: &'static str,
    /// Shared by agents that stand on one link.
    client: Arc<Namespace>,
}

/// A network namespace that goes away.
pub(crate) struct Namespace(pub(crate) String);

impl Namespace {
    fn make(directory: &Scratch, side: &str) -> Self {
        let namespace = Self(directory.namespace(side));
        ip(&["netns", "add", &namespace.0]);
        ip(&["-n", &namespace.0, "link", "set", "lo", "up"]);
        namespace
    }

    /// Runs something that opens sockets, which stay in it.
    fn open<T: Send>(&self, open: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let opening = scope.spawn(|| {
                enter(&self.0);
                open()
            });
            opening.join().unwrap()
        })
    }

    /// A program in it.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]).args(arguments);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let gone = Command::new("ip").args(["netns", "delete", &self.0]).status();
        assert!(gone.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

impl Drop for Rack {
    fn drop(&mut self) {
        self.stop_agent();
        if std::thread::panicking() {
            for name in ["agent.log", "console.log"] {
                let log = fs::read(self.directory.path().join(name)).unwrap_or_default();
                eprintln!("──── {name}\n{}", String::from_utf8_lossy(&log));
            }
        }
    }
}

impl Rack {
    /// A rack with a listening daemon that wants `desired`, and a running agent.
    pub(crate) fn start(desired: Desired) -> Self {
        Self::run(Self::without_agent(), desired)
    }

    /// The same with the agent's state on a disk that can be full.
    pub(crate) fn start_on(disk: &FullDisk, desired: Desired) -> Self {
        let rack = Self::without_agent();
        std::os::unix::fs::symlink(disk.path(), rack.path("state")).unwrap();
        Self::run(rack, desired)
    }

    /// The same with the agent's calls of the kernel written to a file; see [`strace::OPTIONS`].
    pub(crate) fn start_traced(desired: Desired, trace: &str) -> Self {
        strace::assert_possible();
        let mut rack = Self::without_agent();
        rack.runner = vec!["strace".to_owned()];
        rack.runner.extend(strace::OPTIONS.map(str::to_owned));
        rack.runner
            .push(format!("--output={}", rack.path(trace).display()));
        Self::run(rack, desired)
    }

    /// The same with an agent that reads BMCs so seldom, in seconds.
    pub(crate) fn start_reading_power_every(desired: Desired, seconds: &'static str) -> Self {
        let mut rack = Self::without_agent();
        rack.power_every = seconds;
        Self::run(rack, desired)
    }

    /// The same with an agent that is told this beside the usual.
    pub(crate) fn start_told(desired: Desired, words: &[&'static str]) -> Self {
        let mut rack = Self::without_agent();
        rack.words = words.to_vec();
        Self::run(rack, desired)
    }

    /// The same with an agent that kills itself at a named place.
    pub(crate) fn start_to_fail(desired: Desired, failpoint: &str) -> Self {
        let mut rack = Self::without_agent();
        rack.runner = vec!["env".to_owned(), format!("MUSTER_FAILPOINT={failpoint}")];
        Self::run(rack, desired)
    }

    /// Waits until the agent has killed itself there, and starts it anew.
    pub(crate) fn restart_failed(&mut self, failpoint: &str) {
        let status = self.agent.take().unwrap().wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{status}");
        let said = format!("failpoint {failpoint} reached");
        assert!(self.log().contains(&said), "it did not say that it was there");
        self.runner.clear();
        self.start_agent();
    }

    fn run(mut rack: Self, desired: Desired) -> Self {
        rack.daemon.want(desired);
        rack.start_daemon();
        rack.start_agent();
        rack.await_true("the agent answers HTTP", |rack| {
            rack.curl(&["/boot.ipxe"]).status.success() && rack.log().contains("new word of the daemon")
        });
        // An agent that a test kills or a disk that it fills must not be quicker than the first word.
        rack.await_true("the daemon's word is on disk", |rack| {
            rack.path("state/desired.json").exists()
        });
        rack
    }

    /// A second agent, with a daemon of its own, whose cable ends among the same clients, as `nic1`.
    pub(crate) fn beside(&self, desired: Desired) -> Self {
        let mut rack = Self::cabled("10.77.0.2", "nic1", Some(Arc::clone(&self.client)));
        rack.daemon.want(desired);
        rack.start_daemon();
        rack.start_agent();
        rack.await_log("new word of the daemon");
        rack
    }

    /// Puts the cables of both agents and so many clients, `c0` and on, on one bridge.
    pub(crate) fn bridge(&self, clients: u32) {
        let mut lines =
            String::from("link add br0 type bridge stp_state 0 forward_delay 0\nlink set br0 up\n");
        for port in ["nic0", "nic1"] {
            lines += &format!("addr flush dev {port}\nlink set {port} master br0\n");
        }
        for number in 0..clients {
            lines += &format!("link add c{number} type veth peer name p{number}\n");
            lines +=
                &format!("link set p{number} master br0\nlink set p{number} up\nlink set c{number} up\n");
        }
        fs::write(self.path("bridge"), lines).unwrap();
        let made = self.client("ip", &["-batch", "bridge"]);
        assert!(made.status.success(), "{made:?}");
    }

    /// Waits for words in the agent's log.
    pub(crate) fn await_log(&self, words: &str) {
        self.await_true(words, |rack| rack.log().contains(words));
    }

    fn without_agent() -> Self {
        Self::cabled(SERVER, "nic0", None)
    }

    /// An agent's namespace with this address, cabled to this interface of the clients' namespace.
    fn cabled(address: &'static str, far: &'static str, clients: Option<Arc<Namespace>>) -> Self {
        testbed_scratch::assert_root("network namespaces");
        let directory = Scratch::new();
        let server = Namespace::make(&directory, "server");
        let client = clients.unwrap_or_else(|| Arc::new(Namespace::make(&directory, "client")));
        ip(&[
            "-n", &server.0, "link", "add", "rack0", "type", "veth", "peer", "name", far, "netns", &client.0,
        ]);
        let on_link = format!("{address}/24");
        ip(&["-n", &server.0, "addr", "add", &on_link, "dev", "rack0"]);
        ip(&["-n", &server.0, "link", "set", "rack0", "up"]);
        ip(&["-n", &client.0, "link", "set", far, "up"]);
        make_certificates(directory.path());
        fs::write(directory.path().join("inmachine"), b"#!/bin/true\n").unwrap();
        fs::create_dir(directory.path().join("ipxe")).unwrap();
        fs::write(directory.path().join("ipxe/snponly.efi"), loader()).unwrap();
        Self {
            daemon: Arc::default(),
            listening: None,
            agent: None,
            runner: Vec::new(),
            power_every: "2",
            words: Vec::new(),
            log_before: 0,
            directory,
            server,
            address,
            far,
            client,
        }
    }

    pub(crate) fn start_daemon(&mut self) {
        self.listening = Some(self.daemon.listen(&self.server.0, self.directory.path()));
    }

    pub(crate) fn stop_daemon(&mut self) {
        self.listening = None;
    }

    pub(crate) fn start_agent(&mut self) {
        let path = |name: &str| self.directory.path().join(name);
        make_identity(self.directory.path(), &path("state"));
        self.log_before = self.log().len();
        let log = File::options()
            .create(true)
            .append(true)
            .open(path("agent.log"))
            .unwrap();
        let child = Command::new("ip")
            .args(["netns", "exec", &self.server.0])
            .args(&self.runner)
            .arg(env!("CARGO_BIN_EXE_muster-rackd"))
            .args([
                "--link",
                &format!("{LINK}=rack0"),
                "--kernel-argument",
                "mitigations=off",
                "--power-every",
                self.power_every,
            ])
            .args(&self.words)
            .arg("--state-dir")
            .arg(path("state"))
            .arg("--agent-binary")
            .arg(path("inmachine"))
            .arg("--ipxe-dir")
            .arg(path("ipxe"))
            .env(
                "MUSTER_LOG",
                "debug,hyper_util=info,reqwest=info,rustls=info,netlink_proto=info,h2=info",
            )
            .current_dir(self.directory.path())
            .stderr(log)
            .spawn()
            .unwrap();
        self.agent = Some(child);
    }

    /// Ends the agent as an init system would, and sees that it ends in order.
    pub(crate) fn stop_agent(&mut self) {
        let Some(mut child) = self.agent.take() else {
            return;
        };
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let until = Instant::now() + PATIENCE;
        loop {
            match child.try_wait().unwrap() {
                Some(status) => {
                    assert!(
                        status.success() || std::thread::panicking(),
                        "the agent ended with {status}"
                    );
                    return;
                }
                None if Instant::now() > until => {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    assert!(std::thread::panicking(), "the agent did not end by SIGTERM");
                    return;
                }
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Ends the agent as a power cut would.
    pub(crate) fn kill_agent(&mut self) {
        if let Some(mut child) = self.agent.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// One more namespace, which is to be dropped before the rack.
    pub(crate) fn namespace(&self, side: &str) -> Namespace {
        Namespace::make(&self.directory, side)
    }

    /// A path in the test's own directory, where clients are run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Opens sockets beside the agent.
    pub(crate) fn open_beside<T: Send>(&self, open: impl FnOnce() -> T + Send) -> T {
        self.server.open(open)
    }

    /// Opens sockets among the clients.
    pub(crate) fn open<T: Send>(&self, open: impl FnOnce() -> T + Send) -> T {
        self.client.open(open)
    }

    /// The running agent.
    pub(crate) fn agent_pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(self.agent.as_ref().unwrap())
    }

    /// A program beside the agent, in its namespace.
    pub(crate) fn server_command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.server.command(program, arguments);
        command.current_dir(self.directory.path());
        command
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("agent.log")).unwrap_or_default()
    }

    /// Runs a program among the clients.
    pub(crate) fn client(&self, program: &str, arguments: &[&str]) -> Output {
        self.client_command(program, arguments).output().unwrap()
    }

    pub(crate) fn client_command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = self.client.command(program, arguments);
        command.current_dir(self.directory.path());
        command
    }

    /// curl to the agent; the first argument is the path, further ones are options.
    pub(crate) fn curl(&self, arguments: &[&str]) -> Output {
        let (path, options) = arguments.split_first().unwrap();
        // An address outside all ranges, so that a client without a lease can be one.
        self.client("ip", &["addr", "replace", "10.77.0.250/24", "dev", self.far]);
        let url = format!("http://{}:8080{path}", self.address);
        let mut all = vec!["-sS", "--max-time", "20", "--fail-with-body", "--globoff", &url];
        all.extend(options);
        self.client("curl", &all)
    }

    /// curl's output as text; an error of HTTP fails the test.
    pub(crate) fn get(&self, path: &str) -> String {
        let output = self.curl(&[path]);
        assert!(output.status.success(), "{path}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// POSTs a JSON body; gives status and answer.
    pub(crate) fn post(&self, path: &str, body: &impl serde::Serialize) -> (u16, String) {
        let body = serde_json::to_string(body).unwrap();
        let output = self.curl(&[
            path,
            "-H",
            "content-type: application/json",
            "-d",
            &body,
            "-w",
            "\n%{http_code}",
        ]);
        let text = String::from_utf8(output.stdout).unwrap();
        let (answer, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), answer.to_owned())
    }

    /// The MAC of the clients' first interface, made to be this.
    pub(crate) fn set_mac(&self, mac: Mac) {
        self.client("ip", &["link", "set", "nic0", "down"]);
        self.client("ip", &["link", "set", "nic0", "address", &mac.to_string()]);
        self.client("ip", &["link", "set", "nic0", "up"]);
    }

    /// udhcpc's one exchange on an interface as an iPXE ROM would make it: the address, or none.
    pub(crate) fn dhcp(&self, interface: &str, options: &[&str]) -> Option<Ipv4Addr> {
        leased(&self.dhcp_command(interface, options).output().unwrap())
    }

    pub(crate) fn dhcp_command(&self, interface: &str, options: &[&str]) -> Command {
        let mut all = vec![
            "udhcpc",
            "-f",
            "-n",
            "-q",
            "-t",
            "5",
            "-T",
            "2",
            "-s",
            "/bin/true",
            "-i",
            interface,
        ];
        all.extend(options);
        self.client_command("busybox", &all)
    }

    /// Waits until something is so.
    pub(crate) fn await_true(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < until, "waited in vain: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits for a fact and gives it.
    pub(crate) fn await_fact<T>(&self, what: &str, is: impl Fn(&FactBody) -> Option<T>) -> T {
        self.await_true(what, |rack| {
            rack.daemon.facts().iter().any(|fact| is(fact).is_some())
        });
        self.daemon.facts().iter().find_map(is).expect("just seen")
    }
}

/// Moves this thread into a namespace.
pub(crate) fn enter(namespace: &str) {
    let namespace = File::open(format!("/run/netns/{namespace}")).unwrap();
    rustix::thread::move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&namespace),
        Some(rustix::thread::LinkNameSpaceType::Network),
    )
    .unwrap();
}

/// The address in udhcpc's words.
pub(crate) fn leased(output: &Output) -> Option<Ipv4Addr> {
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = words.lines().find(|line| line.contains("lease of"))?;
    line.split("lease of ").nth(1)?.split(' ').next()?.parse().ok()
}

pub(crate) fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {output:?}");
}

/// What is served as a loader: long enough for several windows, and no two blocks alike.
pub(crate) fn loader() -> Vec<u8> {
    (0..100_000_u32).flat_map(u32::to_le_bytes).collect()
}

pub(crate) fn mac(last: u8) -> Mac {
    Mac::new([0x52, 0x54, 0, 0x77, 0, last]).unwrap()
}

pub(crate) fn machine_id() -> MachineId {
    MachineId(Uuid::from_bytes([7; 16]))
}

pub(crate) fn incarnation() -> Incarnation {
    Incarnation {
        number: 1,
        uuid: Uuid::from_bytes([1; 16]),
    }
}

/// One link with a range, and one machine with a reservation.
pub(crate) fn desired(enlist: Enlist, range: (&str, &str)) -> Desired {
    let subnet = Subnet {
        network: "10.77.0.0".parse().unwrap(),
        prefix: 24,
        gateway: Some("10.77.0.1".parse().unwrap()),
        dns: Vec::new(),
        dynamic: vec![AddressRange {
            from: range.0.parse().unwrap(),
            to: range.1.parse().unwrap(),
        }],
        lease_seconds: 600,
    };
    let machine = RackMachine {
        name: "node-01".parse().unwrap(),
        nics: vec![RackNic {
            mac: mac(1),
            link: LINK.to_owned(),
            address: Some(Ipv4Addr::new(10, 77, 0, 17)),
        }],
        hostname: Some("node-01".to_owned()),
        installed: false,
        firmware: FirmwareKind::Bios,
        secure_boot: false,
        bmc: None,
        refuse: None,
        stopped: None,
    };
    Desired {
        incarnation: incarnation(),
        config: RackConfig {
            links: [(
                LINK.to_owned(),
                Link {
                    dhcp: true,
                    enlist,
                    subnets: vec![subnet],
                    relay: None,
                },
            )]
            .into(),
            machines: [(machine_id(), machine)].into(),
            token_key: "00112233445566778899aabbccddeeff".to_owned(),
            ..RackConfig::default()
        },
        orders: Vec::new(),
    }
}

/// The same with an ephemeral system, and the machine ordered to be inspected.
pub(crate) fn with_job(mut desired: Desired, daemon: &Daemon) -> Desired {
    desired.config.ephemeral = Some(Ephemeral {
        kernel: daemon.keep(b"kernel"),
        initrd: daemon.keep(b"initrd"),
        rootfs: daemon.keep(b"rootfs"),
    });
    desired.orders = vec![boot_order(1, 1)];
    desired
}

pub(crate) fn boot_order(generation: u64, attempt: u32) -> Order {
    Order {
        machine: machine_id(),
        incarnation: incarnation(),
        generation: Generation(generation),
        number: attempt,
        deadline: Timestamp::from_unix_ms(i64::MAX),
        cause: "a test".to_owned(),
        by_hand: None,
        action: Action::Boot(NextBoot::Job(Box::new(Job {
            job: JobRef {
                machine: machine_id(),
                generation: Generation(generation),
                attempt,
            },
            name: "node-01".parse().unwrap(),
            boot_order: rack_api::boot_order::BootOrder::NetworkFirst,
            leaves: false,
            mark: None,
            kind: JobKind::Inspect,
        }))),
    }
}
