//! The rig on the bench: one machine, its BMC and its firmware, with no part of muster.
//!
//! Shows whether a failure is the rig's. Power goes through `ipmitool`, an implementation that is not ours.

use crate::accelerator::Accelerator;
use crate::child;
use crate::error::{Result, RigError};
use crate::machine::{BmcKind, BmcSpec, DiskSpec, Firmware, MachineSpec, NicSpec};
use crate::preflight;
use crate::program;
use crate::rack::{self, Rack};
use std::net::Ipv4Addr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Out-of-band commands take 0.1 to 0.4 s; ipmitool repeats lost ones for up to 20 s.
const IPMI_MAX: Duration = Duration::from_secs(30);

/// Power-on to iPXE's banner is 2 CPU-seconds when translated; a loaded host gets ten times that.
const BANNER_MAX: Duration = Duration::from_secs(20);

/// What iPXE says once each time the firmware hands over to it.
const BANNER: &str = "starting execution";

/// The machine of a rack of one, with two cards.
pub(crate) fn machine() -> MachineSpec {
    MachineSpec {
        name: "node-01".to_owned(),
        uuid: "11111111-2222-3333-4444-555555555501".to_owned(),
        serial: "SN-0001".to_owned(),
        firmware: Firmware::Bios,
        memory_mib: 1024,
        disks: vec![DiskSpec {
            serial: "muster-disk-0".to_owned(),
            bytes: 8 << 30,
        }],
        nics: [("52:54:00:77:00:01", "tap0"), ("52:54:00:77:00:02", "tap1")]
            .map(|(mac, tap)| NicSpec {
                mac: mac.to_owned(),
                tap: tap.to_owned(),
            })
            .to_vec(),
        bmc: BmcSpec {
            kind: BmcKind::Simulator,
            address: Ipv4Addr::new(10, 77, 1, 1),
            kcs_port: 9231,
            user: "admin".to_owned(),
            password: "secret".to_owned(),
        },
    }
}

/// Runs the bench.
pub(crate) fn run(kernel: &Path) -> Result<()> {
    preflight::check()?;
    let spec = machine();
    let accelerator = Accelerator::choose(kernel)?;
    let rack = Rack::open(std::slice::from_ref(&spec), accelerator, |_| Ok(()))?;
    let tried = try_power(&rack, &spec, accelerator);
    if tried.is_err() {
        println!("kept for reading: {}", rack.run.directory().display());
        rack.run.keep()?;
    }
    rack.close()?;
    tried
}

fn try_power(rack: &Rack, spec: &MachineSpec, accelerator: Accelerator) -> Result<()> {
    let name = &spec.name;
    expect_power(rack, spec, "off")?;
    power(rack, spec, "on")?;
    expect_power(rack, spec, "on")?;
    await_banners(rack, name, 1, accelerator)?;
    // ipmi_sim answers at once, switches off, and switches on again some seconds later.
    power(rack, spec, "cycle")?;
    await_banners(rack, name, 2, accelerator)?;
    expect_power(rack, spec, "on")?;
    power(rack, spec, "off")?;
    expect_power(rack, spec, "off")?;
    power(rack, spec, "cycle")?;
    expect_power(rack, spec, "off")?;
    let starts = rack.number(name, "starts")?;
    if starts != 2 {
        return Err(RigError::Disproved(format!(
            "the machine was started {starts} times, not 2"
        )));
    }
    println!(
        "the rig works: {:.1} CPU-seconds of QEMU",
        rack.spent(name)?.as_secs_f64()
    );
    Ok(())
}

fn power(rack: &Rack, spec: &MachineSpec, verb: &str) -> Result<String> {
    let BmcSpecText {
        address,
        user,
        password,
    } = text(spec);
    let mut command = child::enter_command(&rack.run)?;
    command.args([
        "/usr/bin/ipmitool",
        "-I",
        "lanplus",
        "-H",
        &address,
        "-U",
        &user,
        "-P",
        &password,
        "-C",
        "3",
    ]);
    let began = Instant::now();
    let said = program::run(command.args(["chassis", "power", verb]), IPMI_MAX)?;
    println!(
        "power {verb}: {} ({} ms)",
        said.trim(),
        began.elapsed().as_millis()
    );
    Ok(said)
}

struct BmcSpecText {
    address: String,
    user: String,
    password: String,
}

fn text(spec: &MachineSpec) -> BmcSpecText {
    let BmcSpec {
        address,
        user,
        password,
        ..
    } = spec.bmc.clone();
    BmcSpecText {
        address: address.to_string(),
        user,
        password,
    }
}

fn expect_power(rack: &Rack, spec: &MachineSpec, expected: &str) -> Result<()> {
    let said = power(rack, spec, "status")?;
    if said.trim_end().ends_with(expected) {
        return Ok(());
    }
    Err(RigError::Disproved(format!(
        "the power is not {expected}: {said}"
    )))
}

/// Waits until iPXE has greeted that often on the console.
fn await_banners(rack: &Rack, name: &str, count: usize, accelerator: Accelerator) -> Result<()> {
    let until = Instant::now() + BANNER_MAX * accelerator.timeout_scale();
    loop {
        let console = rack::console(&rack.machine(name));
        if console.matches(BANNER).count() >= count {
            println!("firmware: iPXE has started {count} times");
            return Ok(());
        }
        if Instant::now() >= until {
            let last = console.lines().last().unwrap_or_default().to_owned();
            return Err(RigError::TooLong {
                awaited: "iPXE on the console".to_owned(),
                total: BANNER_MAX,
                last,
            });
        }
        thread::sleep(Duration::from_millis(100));
    }
}
