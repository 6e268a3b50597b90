//! A machine's BMC: `ipmi_sim` with its configuration and the two programs that it calls back, or the double.
//!
//! `ipmi_sim` speaks IPMI 1.5 and 2.0 on the network and KCS into the machine; `testbed/bmc` speaks cipher suite 17.
//! The power commands of both end in `chassis`.

use crate::chassis;
use crate::child::{self, Launch};
use crate::error::{Result, RigError, failed};
use crate::machine::{BmcKind, BmcSpec, MachineSpec};
use crate::program;
use crate::run::Run;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;

/// The program; Debian package `openipmi`.
pub(crate) const PROGRAM: &str = "/usr/bin/ipmi_sim";

/// Starts the BMC of a machine. It calls `own_program` for power and LAN settings.
pub(crate) fn start(run: &Run, spec: &MachineSpec, socket: &Path) -> Result<Child> {
    let own_program = program::own()?;
    match spec.bmc.kind {
        BmcKind::Simulator => start_simulator(run, spec, socket, &own_program),
        BmcKind::Double => start_double(run, spec, socket, &own_program),
    }
}

fn start_double(run: &Run, spec: &MachineSpec, socket: &Path, own_program: &Path) -> Result<Child> {
    let MachineSpec { name, bmc, .. } = spec;
    let mut arguments: Vec<OsString> = Vec::new();
    for (flag, value) in [
        ("--listen", format!("{}:623", bmc.address)),
        ("--user", bmc.user.clone()),
        ("--password", bmc.password.clone()),
        ("--suite", "17".to_owned()),
        ("--chassis", chassis_command(own_program, socket, name)),
    ] {
        arguments.extend([flag.into(), value.into()]);
    }
    child::launch(
        run,
        &Launch {
            name: format!("bmc-{name}"),
            // Built into the same folder.
            program: own_program.with_file_name("muster-bmc"),
            arguments,
            variables: Vec::new(),
            log: run.path("m").join(name).join("bmc.log"),
        },
    )
}

/// What a BMC calls for each act; words are parted by spaces.
fn chassis_command(own_program: &Path, socket: &Path, name: &str) -> String {
    format!(
        "{} chassis --socket {} {name}",
        own_program.display(),
        socket.display()
    )
}

fn start_simulator(run: &Run, spec: &MachineSpec, socket: &Path, own_program: &Path) -> Result<Child> {
    let directory = run.path("m").join(&spec.name);
    let file = |name: &str| directory.join(name);
    fs::create_dir_all(file("bmc-state")).map_err(failed("make a BMC's directory"))?;
    fs::write(file("lan.conf"), lan_configuration(spec, own_program, socket))
        .map_err(failed("write lan.conf"))?;
    fs::write(file("bmc.emu"), EMULATION).map_err(failed("write bmc.emu"))?;
    let mut arguments = vec!["-n".into()];
    for (flag, name) in [("-c", "lan.conf"), ("-f", "bmc.emu"), ("-s", "bmc-state")] {
        arguments.extend([flag.into(), file(name).into_os_string()]);
    }
    let name = format!("bmc-{}", spec.name);
    child::launch(
        run,
        &Launch {
            name,
            program: PathBuf::from(PROGRAM),
            arguments,
            variables: Vec::new(),
            log: file("bmc.log"),
        },
    )
}

/// One management controller with an event log; sensors and inventory records are not needed here.
const EMULATION: &str = "mc_setbmc 0x20\n\
    mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n\
    sel_enable 0x20 1000 0x0a\n\
    mc_enable 0x20\n";

fn lan_configuration(spec: &MachineSpec, own_program: &Path, socket: &Path) -> String {
    let MachineSpec { name, uuid, bmc, .. } = spec;
    let BmcSpec {
        address,
        kcs_port,
        user,
        password,
        kind: _,
    } = bmc;
    let guid = uuid.replace('-', "");
    let own = own_program.display();
    let chassis = chassis_command(own_program, socket, name);
    format!(
        "name \"{name}\"\n\
         set_working_mc 0x20\n\
         \x20 startlan 1\n\
         \x20   addr {address} 623\n\
         \x20   priv_limit admin\n\
         \x20   allowed_auths_admin none md2 md5 straight\n\
         \x20   guid {guid}\n\
         \x20   lan_config_program \"{own} lan {address}\"\n\
         \x20 endlan\n\
         \x20 chassis_control \"{chassis}\"\n\
         \x20 serial 15 127.0.0.1 {kcs_port} codec VM ipmb 0x20\n\
         \x20 startnow false\n\
         \x20 user 2 true \"{user}\" \"{password}\" admin 10 none md2 md5 straight\n"
    )
}

/// Answers `ipmi_sim`'s questions about a BMC's LAN settings: `get ITEM…`. Settings are taken and forgotten,
/// since the address is the namespace's to give.
pub(crate) fn lan(address: &str, words: &[String]) -> Result<Vec<String>> {
    let known = |item: &str| match item {
        "ip_addr" => Some(address),
        "ip_addr_src" => Some("static"),
        "mac_addr" => Some("02:00:00:77:00:01"),
        "subnet_mask" => Some("255.255.255.255"),
        "default_gw_ip_addr" | "backup_gw_ip_addr" => Some("0.0.0.0"),
        "default_gw_mac_addr" | "backup_gw_mac_addr" => Some("00:00:00:00:00:00"),
        _ => None,
    };
    match words.split_first() {
        Some((verb, items)) if verb == "get" => Ok(items
            .iter()
            .filter_map(|item| Some(format!("{item}:{}", known(item)?)))
            .collect()),
        Some((verb, _)) if verb == "set" => Ok(Vec::new()),
        Some(_) | None => {
            let found = words.join(" ");
            Err(RigError::Answer {
                whom: "ipmi_sim".to_owned(),
                found,
            })
        }
    }
}

/// The two programs `ipmi_sim` calls print what they have to say as lines and end with 0.
pub(crate) fn print_chassis(socket: &Path, words: &[String]) -> Result<()> {
    chassis::ask(socket, words)?
        .iter()
        .for_each(|line| println!("{line}"));
    Ok(())
}
