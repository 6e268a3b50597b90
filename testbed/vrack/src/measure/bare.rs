//! The bare script in a machine that no file of the fleet names: it boots as found machines do, with the script in the
//! place of the in-machine agent.

use crate::chassis;
use crate::child::{self, Launch};
use crate::error::{Result, RigError, failed};
use crate::images::Built;
use crate::machine::MachineSpec;
use crate::measure::meter::Meter;
use crate::measure::steps::{self, BARE, Deployment};
use crate::once;
use crate::once::life::Life;
use crate::qmp;
use crate::rack::{self, Rack};
use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// The script itself.
const SCRIPT: &str = include_str!("bare.sh");
/// Of the built Debian image.
const IMAGE: &str = "rootfs.tar.zst";
/// Where it is served.
const PORT: u16 = 8000;
/// What it calls itself on the console.
const FAILED: &str = "bare: failed";
const LAST_STEP: &str = "bare: finish";
const UP: &str = "bare: up";
/// Of the reserved ones of the example's subnet.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 40);
/// From power to a system that is up, on real hardware, generously.
const DEPLOY_MAX: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// In front of the network card, which has the standing order's first place.
const FIRST: usize = 0;

/// The same machine as the one that muster deploys, but for its names.
pub(crate) fn machine() -> MachineSpec {
    let mut spec = once::machine(once::Kind::Plain);
    "node-02".clone_into(&mut spec.name);
    "11111111-2222-3333-4444-555555555502".clone_into(&mut spec.uuid);
    "LAB-0002".clone_into(&mut spec.serial);
    for nic in &mut spec.nics {
        "52:54:00:77:00:02".clone_into(&mut nic.mac);
        "tap1".clone_into(&mut nic.tap);
    }
    spec.bmc.address = Ipv4Addr::new(10, 77, 0, 12);
    spec.bmc.kcs_port += 1;
    spec
}

/// The fleet, with machines that no file names let into the ephemeral system.
pub(crate) fn let_in(text: &str) -> Result<String> {
    let (closed, open) = (r#"dhcp = "rack" }"#, r#"dhcp = "rack", enlist = "on" }"#);
    if text.contains(closed) {
        return Ok(text.replace(closed, open));
    }
    Err(RigError::Disproved(format!(
        "the example fleet has no {closed:?}"
    )))
}

/// Lets it deploy the machine, which is off, and leaves it off.
pub(crate) fn deploy(life: &Life<'_>, spec: &MachineSpec, built: &[Built; 2]) -> Result<Deployment> {
    let script = life.rack.run.path("bare.sh");
    fs::write(&script, text(life, spec, built)?).map_err(failed("write the bare script"))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
        .map_err(failed("mark it as a program"))?;
    life.programs.serve_in_machine(life.rack, &script)?;
    serve(life.rack, built[1].file(IMAGE)?)?;
    let meter = Meter::start(life.rack, &spec.name)?;
    set(life, spec, "power 1")?;
    await_word(life, spec, LAST_STEP)?;
    // As whoever runs such a script by hand has it: from the next reset on the disk comes first.
    qmp::set_boot_index(&life.rack.machine(&spec.name).join("qmp"), "disk0", FIRST)?;
    await_word(life, spec, UP)?;
    let seen = meter.stop()?;
    set(life, spec, "power 0")?;
    let up_ms = steps::said_ms(&seen, UP).ok_or_else(|| RigError::Disproved(format!("no {UP:?}")))?;
    steps::deployment(&seen, &BARE, up_ms)
}

/// Serves the image as whoever runs such a script does; muster-rackd serves one only while a machine is told to
/// have it. Ended through the run's ledger.
fn serve(rack: &Rack, image: &Path) -> Result<()> {
    let folder = image.parent().unwrap_or(Path::new("/"));
    let address = format!("{}:{PORT}", rack::ADDRESS);
    let words = ["httpd", "-f", "-p", &address, "-h"].map(OsString::from);
    let launch = Launch {
        name: "httpd".to_owned(),
        program: PathBuf::from("busybox"),
        arguments: words.into_iter().chain([folder.into()]).collect(),
        variables: Vec::new(),
        log: rack.run.path("httpd.log"),
    };
    child::launch(&rack.run, &launch).map(drop)
}

fn set(life: &Life<'_>, spec: &MachineSpec, order: &str) -> Result<()> {
    let words = [spec.name.as_str(), "set"].into_iter().chain(order.split(' '));
    let words: Vec<String> = words.map(str::to_owned).collect();
    chassis::ask(&life.rack.socket(), &words).map(drop)
}

/// The script with its values.
fn text(life: &Life<'_>, spec: &MachineSpec, built: &[Built; 2]) -> Result<String> {
    let block = &built[1].block;
    let digest = block
        .split_once("sha256 = \"")
        .and_then(|(_, rest)| rest.split('"').next());
    let digest = digest.ok_or_else(|| RigError::Answer {
        whom: "muster image build".to_owned(),
        found: block.clone(),
    })?;
    let key =
        fs::read_to_string(life.fleet.key.with_extension("pub")).map_err(failed("read the public key"))?;
    let (server, key, mac) = (rack::ADDRESS, key.trim(), &spec.nics[0].mac);
    Ok(format!(
        "#!/bin/bash\nimage=http://{server}:{PORT}/{IMAGE}\nsha256={digest}\naddress={ADDRESS}\nmac={mac}\n\
         key='{key}'\n{SCRIPT}"
    ))
}

/// Waits for a word on the console.
fn await_word(life: &Life<'_>, spec: &MachineSpec, word: &str) -> Result<()> {
    let limit = DEPLOY_MAX * life.accelerator.timeout_scale();
    let until = Instant::now() + limit;
    loop {
        let console = rack::console(&life.rack.machine(&spec.name));
        if console.contains(word) {
            return Ok(());
        }
        let last = console.lines().last().unwrap_or_default().to_owned();
        if console.contains(FAILED) {
            return Err(RigError::Disproved(format!("the bare script failed: {last}")));
        }
        if Instant::now() >= until {
            return Err(RigError::TooLong {
                awaited: format!("{word:?} on the console of {}", spec.name),
                total: limit,
                last,
            });
        }
        thread::sleep(LOOK_EVERY);
    }
}
