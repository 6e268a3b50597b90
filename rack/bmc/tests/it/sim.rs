//! One `ipmi_sim` per test, on a port of its own, with a machine that is a few files in a directory.

use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rack_bmc::{Bmc, Secret, ipmi};
use testbed_scratch::Scratch;

/// The simulator answers some 50 ms after its start; a loaded test machine may need seconds.
const START_MAX: Duration = Duration::from_secs(20);
/// A free port can be taken by someone else before the simulator binds it.
const STARTS_MAX: usize = 5;

/// The machine behind the BMC. `ipmi_sim` runs it for every question about power and boot.
const MACHINE: &str = r#"#!/bin/sh
cd "$(dirname "$0")" || exit 1
echo "$*" >> calls
action=$1
shift
case $action in
get)
    for name in "$@"; do
        echo "$name:$(cat "$name")"
    done
    ;;
set)
    [ -f slow ] && sleep "$(cat slow)"
    while [ $# -ge 2 ]; do
        case $1 in
        shutdown) echo 0 > power ;;
        *) echo "$2" > "$1" ;;
        esac
        shift 2
    done
    ;;
esac
"#;

const BOARD: &str = "mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
";

/// Sessions that the simulator has room for. (It does not heed the limit of a user.)
pub(crate) const SESSIONS_MAX: usize = 63;

/// A running simulator.
pub(crate) struct Sim {
    pub(crate) address: SocketAddr,
    directory: Scratch,
    process: Child,
}

impl Sim {
    pub(crate) fn start() -> Self {
        (0..STARTS_MAX)
            .find_map(|_| Self::try_start())
            .expect("ipmi_sim answers on a free port")
    }

    fn try_start() -> Option<Self> {
        let directory = Scratch::new();
        let address = free_address();
        prepare(directory.path(), address);
        let process = Command::new("ipmi_sim")
            .args(["-n", "-c", "lan.conf", "-f", "board.emu", "-s", "state"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(fs::File::create(directory.path().join("log")).unwrap())
            .stderr(Stdio::null())
            .spawn();
        let process = match process {
            Ok(process) => process,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                panic!("ipmi_sim is not installed: it is in the Debian package openipmi")
            }
            Err(error) => panic!("ipmi_sim does not start: {error}"),
        };
        let mut sim = Self {
            address,
            directory,
            process,
        };
        sim.answers().then_some(sim)
    }

    /// Asks with an ASF presence ping (ASF 2.0 §3.2.4.2) until there is an answer.
    fn answers(&mut self) -> bool {
        const PING: [u8; 12] = [6, 0, 0xff, 6, 0, 0, 0x11, 0xbe, 0x80, 0, 0, 0];
        // Not connected, so that a port still closed is silence, which paces the loop.
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let started = Instant::now();
        while started.elapsed() < START_MAX && self.process.try_wait().unwrap().is_none() {
            socket.send_to(&PING, self.address).unwrap();
            if socket.recv(&mut [0; 64]).is_ok() {
                return true;
            }
        }
        false
    }

    /// The BMC with the right credentials and short limits.
    pub(crate) fn bmc(&self) -> Arc<dyn Bmc> {
        self.bmc_with("admin", "secret", quick())
    }

    pub(crate) fn bmc_with(&self, user: &str, password: &str, options: ipmi::Options) -> Arc<dyn Bmc> {
        ipmi::connect(self.address, user, Secret::new(password), options).unwrap()
    }

    /// A file of the machine, trimmed; `power` or `boot`.
    pub(crate) fn machine(&self, file: &str) -> String {
        fs::read_to_string(self.directory.path().join(file))
            .unwrap()
            .trim()
            .to_owned()
    }

    pub(crate) fn set_machine(&self, file: &str, value: &str) {
        fs::write(self.directory.path().join(file), value).unwrap();
    }

    /// What the BMC asked the machine to become, in order.
    pub(crate) fn changes(&self) -> Vec<String> {
        let calls = self.machine("calls");
        calls
            .lines()
            .filter_map(|call| call.strip_prefix("set "))
            .map(str::to_owned)
            .collect()
    }

    /// What `ipmitool` says.
    pub(crate) fn ipmitool(&self, arguments: &[&str]) -> String {
        // Left to itself it spends 10 s on asking for the list of suites.
        ipmitool(self.address, &[&["-C", "3"], arguments].concat())
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Stops it from running without closing its socket, as firmware that hangs.
    pub(crate) fn hang(&self) {
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-STOP", &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ended = self.process.kill();
        let _status = self.process.wait();
    }
}

/// Options that let a test of silence end soon.
pub(crate) fn quick() -> ipmi::Options {
    ipmi::Options {
        answer_max: Duration::from_secs(4),
        operation_max: Duration::from_secs(12),
        ..ipmi::Options::default()
    }
}

/// Runs `ipmitool` with the credentials of user `admin`, and returns its output.
pub(crate) fn ipmitool(address: SocketAddr, arguments: &[&str]) -> String {
    let output = Command::new("ipmitool")
        .args([
            "-I",
            "lanplus",
            "-U",
            "admin",
            "-P",
            "secret",
            "-H",
            &address.ip().to_string(),
        ])
        .args(["-p", &address.port().to_string()])
        .args(arguments)
        .output()
        .expect("ipmitool runs: it is in the Debian package ipmitool");
    assert!(
        output.status.success(),
        "ipmitool {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A UDP address on loopback that nobody has bound at this moment.
pub(crate) fn free_address() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn prepare(directory: &Path, address: SocketAddr) {
    let machine = directory.join("machine");
    let lan = format!(
        r#"name "machine"
set_working_mc 0x20
  startlan 1
    addr {ip} {port}
    priv_limit admin
    allowed_auths_admin none md2 md5 straight
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "{machine}"
  startnow false
  user 2 true "admin" "secret" admin 10 none md2 md5 straight
"#,
        ip = address.ip(),
        port = address.port(),
        machine = machine.display(),
    );
    fs::create_dir(directory.join("state")).unwrap();
    for (file, content) in [
        ("lan.conf", &*lan),
        ("board.emu", BOARD),
        ("power", "0"),
        ("boot", "default"),
        ("calls", ""),
    ] {
        fs::write(directory.join(file), content).unwrap();
    }
    fs::write(&machine, MACHINE).unwrap();
    fs::set_permissions(&machine, fs::Permissions::from_mode(0o755)).unwrap();
}
