//! The machine's firmware: DHCP, then the boot script that the rack agent serves, as iPXE reads it.
//!
//! Knows the commands that our scripts use; anything else is an error, and the disk comes next.

use crate::scripted::{Board, Machine, cable};
use rack_api::kernel_argument;
use std::time::Duration;

/// The rack agent is one hop away; the largest thing fetched is an initrd.
const FETCH_MAX: Duration = Duration::from_secs(60);

/// No script, kernel or initrd of a trial comes near.
const BYTES_MAX: u64 = 64 << 20;

/// A script that chains to another is followed so often.
const CHAIN_MAX: u32 = 4;

/// What comes after the firmware.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A kernel with this command line.
    System(String),
    /// The next boot device.
    Disk,
}

type Fetch<'a> = &'a mut dyn FnMut(&str) -> Result<Vec<u8>, String>;

/// Boots from the network.
pub(super) fn boot(machine: &Machine) -> Result<Next, String> {
    let lease = cable::lease(&machine.board, &machine.directory).map_err(|error| error.to_string())?;
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .proxy(None)
        .timeout_global(Some(FETCH_MAX))
        .build()
        .into();
    let mut fetch = |url: &str| {
        let mut response = agent.get(url).call().map_err(|error| format!("{url}: {error}"))?;
        let body = response.body_mut().with_config().limit(BYTES_MAX).read_to_vec();
        let bytes = body.map_err(|error| format!("{url}: {error}"))?;
        println!("{url}: {} bytes", bytes.len());
        Ok(bytes)
    };
    let next = follow(&machine.board, &lease.boot_file, CHAIN_MAX, &mut fetch)?;
    if let Next::System(command_line) = &next
        && let Some(url) = argument(command_line, kernel_argument::ROOTFS)
    {
        fetch(url)?;
    }
    Ok(next)
}

fn argument<'a>(command_line: &'a str, key: &str) -> Option<&'a str> {
    let mut words = command_line.split(' ');
    words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// Fetches a script and does what it says.
fn follow(board: &Board, url: &str, chains: u32, fetch: Fetch<'_>) -> Result<Next, String> {
    let script = String::from_utf8(fetch(url)?).map_err(|error| error.to_string())?;
    let lines: Vec<String> = script.lines().map(|line| expand(board, line)).collect();
    if lines.first().map(String::as_str) != Some("#!ipxe") {
        return Err(format!("{url} is no script"));
    }
    let mut kernel = None;
    let mut at = 1;
    while let Some(line) = lines.get(at) {
        at += 1;
        // `this || that`: that, if this fails.
        let mut failed = String::new();
        for command in line.split(" || ") {
            match perform(board, command, chains, &mut kernel, fetch) {
                Ok(Flow::On) => {}
                Ok(Flow::GoTo(label)) => {
                    let place = lines.iter().position(|line| *line == format!(":{label}"));
                    at = place.ok_or_else(|| format!("no label {label}"))?;
                }
                Ok(Flow::Next(next)) => return Ok(next),
                Err(error) => {
                    println!("{command}: {error}");
                    failed = error;
                    continue;
                }
            }
            failed.clear();
            break;
        }
        if !failed.is_empty() {
            return Err(failed);
        }
    }
    Ok(Next::Disk)
}

enum Flow {
    On,
    GoTo(String),
    Next(Next),
}

fn perform(
    board: &Board,
    command: &str,
    chains: u32,
    kernel: &mut Option<String>,
    fetch: Fetch<'_>,
) -> Result<Flow, String> {
    let mut words = command.split_whitespace();
    let verb = words.next().unwrap_or_default();
    let rest: Vec<&str> = words.collect();
    let mut plain = Vec::new();
    let mut given = rest.iter();
    while let Some(word) = given.next() {
        match *word {
            "--name" => drop(given.next()),
            "--replace" | "--autofree" => {}
            word => plain.push(word),
        }
    }
    let url = || plain.first().copied().ok_or_else(|| format!("{verb} what?"));
    match verb {
        "" => {}
        label if label.starts_with(':') => {}
        "echo" => println!("{}", rest.join(" ")),
        // For people at a screen.
        "sleep" => {}
        "goto" => return Ok(Flow::GoTo(url()?.to_owned())),
        "exit" => return Ok(Flow::Next(Next::Disk)),
        "iseq" if plain.len() == 2 && plain[0] == plain[1] => {}
        "iseq" => return Err("not equal".to_owned()),
        "chain" if chains == 0 => return Err("one script after another, without end".to_owned()),
        "chain" => return follow(board, url()?, chains - 1, fetch).map(Flow::Next),
        "kernel" => {
            fetch(url()?)?;
            *kernel = Some(plain[1..].join(" "));
        }
        "initrd" => drop(fetch(url()?)?),
        "boot" => {
            let command_line = kernel.take().ok_or("no kernel to boot")?;
            return Ok(Flow::Next(Next::System(command_line)));
        }
        other => return Err(format!("unknown command {other}")),
    }
    Ok(Flow::On)
}

/// Puts in what iPXE knows of its machine.
fn expand(board: &Board, line: &str) -> String {
    line.replace("${netX/mac:hexhyp}", &board.mac.hyphenated())
        .replace("${platform}", "pcbios")
        .replace("${buildarch}", "i386")
        .replace("${uuid}", &board.uuid.to_string())
        .replace("${serial:uristring}", &board.serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Board {
        Board {
            namespace: String::new(),
            uuid: "11111111-2222-3333-4444-555555555501".parse().expect("a UUID"),
            serial: "LAB-1".to_owned(),
            mac: "52:54:00:77:00:01".parse().expect("a MAC"),
            tap: String::new(),
        }
    }

    /// Boots from scripts by URL; says what was fetched.
    fn booted(scripts: &[(&str, &str)]) -> (Result<Next, String>, Vec<String>) {
        let mut fetched = Vec::new();
        let mut fetch = |url: &str| {
            fetched.push(url.to_owned());
            let found = scripts.iter().find(|(name, _)| *name == url);
            found
                .map(|(_, text)| text.as_bytes().to_vec())
                .ok_or_else(|| "404".to_owned())
        };
        let next = follow(&board(), "first", CHAIN_MAX, &mut fetch);
        (next, fetched)
    }

    const FIRST: &str = "#!ipxe\nchain --replace --autofree m/${netX/mac:hexhyp}?platform=${platform} || goto failed\n\
                         :failed\necho none\nsleep 5\niseq ${platform} efi || exit\nexit 1\n";
    const OWN: &str = "m/52-54-00-77-00-01?platform=pcbios";

    #[test]
    fn a_job_loads_everything_and_boots_with_its_arguments() {
        let job = "#!ipxe\necho job\nkernel --name kernel k a=1 b=2 || goto failed\ninitrd --name initrd i || goto \
                   failed\nboot || goto failed\n:failed\nexit\n";
        let (next, fetched) = booted(&[("first", FIRST), (OWN, job), ("k", ""), ("i", "")]);
        assert_eq!(next, Ok(Next::System("a=1 b=2".to_owned())));
        assert_eq!(fetched, ["first", OWN, "k", "i"]);
        let (next, _) = booted(&[("first", FIRST), (OWN, job), ("k", "")]);
        assert_eq!(next, Ok(Next::Disk), "what cannot be loaded is not booted");
    }

    #[test]
    fn without_a_script_of_its_own_the_disk_comes_next() {
        assert_eq!(booted(&[("first", FIRST)]).0, Ok(Next::Disk));
        assert_eq!(
            booted(&[("first", FIRST), (OWN, "#!ipxe\necho local\nexit\n")]).0,
            Ok(Next::Disk)
        );
        assert!(booted(&[]).0.is_err(), "no script at all");
        assert!(booted(&[("first", "#!ipxe\nconjure\n")]).0.is_err());
        assert!(
            booted(&[("first", "#!ipxe\nchain first\n")]).0.is_err(),
            "a circle"
        );
    }
}
