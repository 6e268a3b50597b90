//! What git says of the machines, in the fleet language.

use crate::world::fleet;
use schema_fleet::Fleet;
use std::fmt::Write as _;

/// How long what leaves is kept with its data.
const QUARANTINES: [&str; 4] = ["20m", "45m", "2h", "0s"];

/// What git says; a commit changes some of it.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    pub(crate) machines: u8,
    /// The first machine of the second deployment.
    pub(crate) second: u8,
    pub(crate) most: &'static str,
    pub(crate) waves: u8,
    pub(crate) soak: bool,
    pub(crate) window: bool,
    pub(crate) halt: u8,
    /// Whether the budget is about the whole fleet.
    pub(crate) wide: bool,
    /// Whether there is a second budget over all of it.
    pub(crate) other: bool,
    pub(crate) canary: bool,
    pub(crate) rate: u32,
    pub(crate) image: u8,
    pub(crate) epoch: u8,
    /// What the budget is called now.
    pub(crate) named: u8,
    /// Whether the first deployment is called `site` now.
    pub(crate) moved: bool,
    /// How long the last machine is kept with its data, while it is removed.
    pub(crate) leaves: Option<u8>,
}

impl Git {
    /// One deployment, and a budget over the fleet that halts at the first failure and asks for nothing else.
    pub(crate) fn plain(machines: u8, most: &'static str) -> Self {
        Self {
            machines,
            second: machines,
            most,
            waves: 0,
            soak: false,
            window: false,
            halt: 1,
            wide: true,
            other: false,
            canary: false,
            rate: 20,
            image: 0,
            epoch: 0,
            named: 0,
            moved: false,
            leaves: None,
        }
    }

    pub(super) fn fleet(&self) -> Fleet {
        let mut text = String::new();
        let leaves = |number: &u8| self.leaves.is_some() && *number == self.machines;
        for number in (1..=self.machines).filter(|number| !leaves(number)) {
            writeln!(
                text,
                "[machine.m{number}]\nrack = \"r1\"\nserial = \"S{number}\"\nboot.mode = \"bios\"\n\
                 bmc = {{ driver = \"ipmi\", address = \"10.77.0.1{number}\", secret = \"bmc\" }}\n\
                 nic.p0 = {{ mac = \"52:54:00:77:00:0{number}\", link = \"lab/pxe\" }}"
            )
            .unwrap();
        }
        let image = ["debian-a", "debian-b"][usize::from(self.image % 2)];
        let stay = (1..=self.machines).filter(|number| !leaves(number));
        let (first, second): (Vec<u8>, Vec<u8>) = stay.partition(|number| *number <= self.second);
        if let Some(length) = self.leaves {
            let length = QUARANTINES[usize::from(length) % QUARANTINES.len()];
            writeln!(
                text,
                "[removed.machine.m{}]\ndisks = \"quick\"\nquarantine = \"{length}\"\nreason = \"over\"",
                self.machines
            )
            .unwrap();
        }
        let web = if self.moved { "site" } else { "web" };
        // Hosts keep their names: a new one would be another intent.
        for (name, host, machines) in [(web, "web", first), ("db", "db", second)] {
            if machines.is_empty() {
                continue;
            }
            let list: Vec<String> = machines.iter().map(|number| format!("\"m{number}\"")).collect();
            writeln!(
                text,
                "[deployment.{name}]\nmachines = [{}]\nhostname = \"{host}-{{slot}}\"\nimage = \"{image}\"\n\
                 storage = \"disk\"\nnetwork = \"auto\"\nreinstall = {}",
                list.join(", "),
                self.epoch
            )
            .unwrap();
        }
        if self.moved {
            text.push_str("[moved.deployment.web]\nto = \"site\"\n");
        }
        let targets = match self.wide {
            true => "fleet:lab".to_owned(),
            false => format!("deployment:{web}"),
        };
        let soak = if self.soak { "soak = \"20m\"\n" } else { "" };
        let window = match self.window {
            true => "window = { hours = \"08:00-16:00\", tz = \"UTC\" }\n",
            false => "",
        };
        let waves = match self.waves {
            0 => "",
            1 => "wave = [{ name = \"canary\", machines = 1 }]\n",
            _ => "wave = [{ name = \"canary\", machines = 1 }, { name = \"half\", percent = 50 }]\n",
        };
        writeln!(
            text,
            "[budget.b{}]\ntargets = [\"{targets}\"]\nmax-unavailable = {}\nhalt-after-failures = {}\n{soak}{window}{waves}",
            self.named, self.most, self.halt
        )
        .unwrap();
        if self.other {
            text.push_str(
                "[budget.all]\ntargets = [\"machine:m*\"]\nmax-unavailable = 2\nhalt-after-failures = 0\n",
            );
        }
        let settings = format!(
            "unreviewed = \"allow\"\nlimits.max-destroyed = 100\nlimits.max-wiped-per-hour = {}\ncanary = {{ enabled = {}, soak = \"5m\" }}",
            self.rate, self.canary
        );
        fleet(&settings, &text)
    }
}
