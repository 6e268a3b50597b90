//! Two rack agents on one link. The one that answers the machine's boot, and has its BMC, is killed while the kernel
//! streams; the other carries on to a deployed machine.
//!
//! No address is given to two clients, by either's journal and by the clients' own word, and the machine's BMC obeys
//! one of them at a time.

use crate::child;
use crate::error::{Result, RigError, failed};
use crate::namespace;
use crate::once::faults::Faults;
use crate::once::life::Life;
use crate::once::patience::Patience;
use crate::program;
use crate::rack;
use crate::service::Service;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

/// The second agent's name and address; the first has those of the example.
const SECOND: &str = "rackd-2";
const SECOND_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
/// Clients with addresses of the dynamic range, which each agent has a part of. Some ask while both answer, some while
/// one is dead, some when it is back.
const STRANGERS: usize = 9;
/// A client asks five times, every two seconds; a loaded host gets more.
const DHCP_MAX: Duration = Duration::from_secs(60);
/// The console is looked at this often: a kernel of eight megabytes streams for a second.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Each look is a run of `muster`.
const HEARD_EVERY: Duration = Duration::from_millis(500);

/// An agent of the rack.
struct Agent<'a> {
    name: &'static str,
    address: Ipv4Addr,
    /// Its folder of state in the run.
    state: &'static str,
    service: &'a Service,
}

/// The example with two agents.
pub(crate) fn fleet(text: &str) -> Result<String> {
    let (one, two) = ("agents = [\"rackd-1\"]", "agents = [\"rackd-1\", \"rackd-2\"]");
    if !text.contains(one) {
        return disproved(format!("the example fleet has no line {one:?}"));
    }
    Ok(text.replacen(one, two, 1))
}

/// Lives it.
pub(crate) fn live(life: &Life<'_>) -> Result<()> {
    let second = life.programs.start_beside(life.rack, SECOND, SECOND_ADDRESS)?;
    let agents = [
        Agent {
            name: life.rack.site.agent,
            address: life.rack.site.address.0,
            state: "rackd",
            service: &life.programs.agent,
        },
        Agent {
            name: SECOND,
            address: SECOND_ADDRESS,
            state: "rackd-2",
            service: &second,
        },
    ];
    let agents = &agents;
    namespace::plug_strangers(&life.rack.run.namespace(), STRANGERS)?;
    life.begin(&mut Faults::default())?;
    for agent in agents {
        heard_after(life, agent, None)?;
    }
    let mut given = Given::default();
    given.ask(life, 0..STRANGERS / 3)?;
    life.propose()?;
    let starts = life.starts()?;
    life.fleet.merge()?;
    life.programs.apply()?;
    let [killed, other] = agents;
    kill_while_it_serves(life, killed, starts)?;
    given.ask(life, 0..STRANGERS / 3 * 2)?;
    life.until("deployed", &mut Faults::default())?;
    carried_on(life, killed, other)?;
    life.prove()?;
    let before = last_heard(life, killed)?;
    killed.service.start_again(life.rack, None)?;
    heard_after(life, killed, before.as_deref())?;
    println!("{} is back", killed.name);
    given.ask(life, 0..STRANGERS)?;
    for agent in agents {
        given.read_journal(life, agent)?;
    }
    given.prove()?;
    one_hand_on_the_bmc(agents)?;
    life.until("deployed", &mut Faults::default())?;
    life.prove_nothing_left()
}

/// Lets the first agent answer the next boot, and kills it while it sends the kernel. The other's cable is out from
/// power to kernel: so short that nobody misses it.
fn kill_while_it_serves(life: &Life<'_>, agent: &Agent<'_>, starts: u64) -> Result<()> {
    let first = life.rack.run.namespace();
    let before = console(life).len();
    let mut patience = Patience::new(life, "the machine is switched on for its deployment");
    while life.starts()? == starts {
        patience.check()?;
        thread::sleep(LOOK_EVERY);
    }
    namespace::cable_beside(&first, "down")?;
    let mut patience = Patience::new(life, "the machine loads the kernel of its deployment");
    // The firmware's own words, once it asks; it says more when it has the whole file.
    while !console(life).split_off(before).contains(&agent.artefact()) {
        patience.check()?;
        thread::sleep(LOOK_EVERY);
    }
    agent.service.kill()?;
    namespace::cable_beside(&first, "up")?;
    println!("  fault: {} is killed while it sends the kernel", agent.name);
    Ok(())
}

/// The boot that was cut led nowhere, and the next was the other's from beginning to end.
fn carried_on(life: &Life<'_>, killed: &Agent<'_>, other: &Agent<'_>) -> Result<()> {
    let console = console(life);
    let cut = console.rfind(&killed.artefact()).unwrap_or_default();
    let since = &console[cut..];
    let (Some(again), Some(kernel)) = (since.find(&other.artefact()), since.find("Linux version")) else {
        return disproved(format!("{} sent no kernel after the kill", other.name));
    };
    if kernel < again {
        return disproved("the boot that was to be cut had its kernel before the kill");
    }
    println!(
        "{} was killed in mid-boot, {} carried on",
        killed.name, other.name
    );
    Ok(())
}

/// When musterd heard an agent last.
fn last_heard(life: &Life<'_>, agent: &Agent<'_>) -> Result<Option<String>> {
    let status = life.programs.status()?;
    Ok(status["agents"][agent.name].as_str().map(str::to_owned))
}

/// Waits until musterd has heard an agent after this time, or at all.
fn heard_after(life: &Life<'_>, agent: &Agent<'_>, time: Option<&str>) -> Result<()> {
    let mut patience = Patience::new(life, "musterd hears both agents");
    // Times of one form compare as they read.
    while last_heard(life, agent)?.as_deref() <= time {
        patience.check()?;
        thread::sleep(HEARD_EVERY);
    }
    Ok(())
}

/// Commands to the BMC came from the agent that git names first until it was killed, and from then on from the other.
fn one_hand_on_the_bmc([killed, other]: &[Agent<'_>; 2]) -> Result<()> {
    let mut commands: Vec<(String, &str)> = Vec::new();
    for agent in [killed, other] {
        let said = agent.service.said();
        let lines = said.lines().filter(|line| line.contains("power command"));
        // Each line begins with its time, between colours.
        let time = |line: &str| line.split('Z').next().unwrap_or_default().to_owned();
        commands.extend(lines.map(|line| (time(line), agent.name)));
    }
    commands.sort();
    let mut hands: Vec<&str> = commands.iter().map(|(_, name)| *name).collect();
    hands.dedup();
    if hands == [killed.name, other.name] {
        println!(
            "{} commands to the BMC: from {}",
            commands.len(),
            hands.join(", then from ")
        );
        return Ok(());
    }
    disproved(format!(
        "commands to the BMC came from {hands:?}, one after the other"
    ))
}

/// Has a stranger ask for an address: what it got, or what it said when it got none.
pub(super) fn ask_for_address(life: &Life<'_>, number: usize) -> Result<std::result::Result<String, String>> {
    let interface = format!("c{number}");
    let mut client = child::enter_command(&life.rack.run)?;
    client.args(["busybox", "udhcpc", "-f", "-n", "-q", "-t", "5", "-T", "2"]);
    client.args(["-s", "/bin/true", "-i", &interface]);
    let said = program::outcome(&mut client, DHCP_MAX)?;
    let address = said
        .errors
        .split_once("lease of ")
        .and_then(|(_, rest)| rest.split(' ').next());
    Ok(address.map(str::to_owned).ok_or_else(|| said.errors.clone()))
}

/// Which clients were given an address.
#[derive(Default)]
struct Given(BTreeMap<String, BTreeMap<String, &'static str>>);

impl Given {
    /// These strangers ask, one after the other, and each must get an address.
    fn ask(&mut self, life: &Life<'_>, strangers: std::ops::Range<usize>) -> Result<()> {
        for number in strangers {
            let address = match ask_for_address(life, number)? {
                Ok(address) => address,
                Err(said) => return disproved(format!("c{number} got no address: {said}")),
            };
            self.note(&address, &namespace::stranger(number), "its own word");
        }
        Ok(())
    }

    /// What an agent's journal says. Its format is the agent's own: a line for each change.
    fn read_journal(&mut self, life: &Life<'_>, agent: &Agent<'_>) -> Result<()> {
        let path = life.rack.run.path(agent.state).join("leases.jsonl");
        let text = fs::read_to_string(&path).map_err(failed(format!("read {}", path.display())))?;
        let mut leases = 0;
        for line in text.lines() {
            let change: Value = serde_json::from_str(line).unwrap_or_default();
            if let (Some(address), Some(mac)) =
                (change["address"].as_str(), change["to"]["leased"]["mac"].as_str())
            {
                self.note(address, mac, agent.name);
                leases += 1;
            }
        }
        println!("{}: {leases} leases in its journal", agent.name);
        Ok(())
    }

    fn note(&mut self, address: &str, mac: &str, whose: &'static str) {
        let clients = self.0.entry(address.to_owned()).or_default();
        clients.insert(mac.to_owned(), whose);
    }

    /// No address was given to two.
    fn prove(&self) -> Result<()> {
        if let Some((address, clients)) = self.0.iter().find(|(_, clients)| clients.len() > 1) {
            return disproved(format!("{address} was given to {clients:?}"));
        }
        println!(
            "{} addresses of the dynamic range, none of them twice",
            self.0.len()
        );
        Ok(())
    }
}

impl Agent<'_> {
    /// How the firmware calls what it loads from here.
    fn artefact(&self) -> String {
        format!("http://{}:8080/artefact/", self.address)
    }
}

fn console(life: &Life<'_>) -> String {
    rack::console(&life.rack.machine(&life.spec.name))
}

fn disproved<T>(text: impl Into<String>) -> Result<T> {
    Err(RigError::Disproved(text.into()))
}
