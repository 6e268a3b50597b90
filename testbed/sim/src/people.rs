//! People: they commit, and the commit is planned and adopted, as the daemon's pipeline does it.

use crate::check::Violation;
use crate::dice::Dice;
use crate::world::{Event, World};
use reconciler_core::plan::adoption::adoptable;
use reconciler_core::plan::{Desired, Plan, plan};
use schema_fleet::{Fleet, SourceFile};
use schema_ids::ContentId;
use std::fmt::Write as _;

/// What people want, and the commit that says so.
pub(crate) struct People {
    wish: Wish,
    commits: u32,
    commit: String,
    fleet: Option<Fleet>,
    /// The plan before the adopted one, for a planted bug.
    pub(crate) plan_before: Option<Plan>,
}

/// The fleet as it is wanted.
#[derive(Debug, Clone)]
struct Wish {
    deployed: Vec<bool>,
    declared: Vec<bool>,
    image: char,
    reinstall: u64,
    hostname: String,
    /// Disks of which a person agrees to lose the contents.
    consent: Vec<(usize, String, String)>,
}

impl People {
    pub(crate) fn new(machines: usize, dice: &mut Dice) -> Self {
        let wish = Wish {
            deployed: (0..machines).map(|_| dice.chance(700)).collect(),
            declared: vec![true; machines],
            image: 'a',
            reinstall: 0,
            hostname: "web-{slot}".to_owned(),
            consent: Vec::new(),
        };
        Self {
            wish,
            commits: 0,
            commit: String::new(),
            fleet: None,
            plan_before: None,
        }
    }
}

impl World {
    /// Draws when people commit.
    pub(crate) fn schedule_commits(&mut self) {
        for _ in 0..self.dice.between(2, 6) {
            let at = self.seconds(60, self.settings.faults_for.as_secs());
            self.later(at, Event::Commit);
        }
    }

    /// The first commit as it is; each later one with a change.
    pub(crate) fn commit(&mut self) {
        if self.people.commits > 0 {
            self.change_wish();
        }
        self.people.commits += 1;
        self.people.commit = format!("{:040}", self.people.commits);
        self.people.fleet = Some(fleet(&self.people.wish, &self.machines));
    }

    fn change_wish(&mut self) {
        let at = self.dice.between(0, self.machines.len() as u64) as usize;
        let kind = self.dice.between(0, 12);
        let wish = &mut self.people.wish;
        match kind {
            0..4 => wish.image = if wish.image == 'a' { 'b' } else { 'a' },
            4..6 => wish.reinstall += 1,
            6 => wish.hostname.push('x'),
            7..9 => wish.deployed[at] = !wish.deployed[at],
            9 => wish.declared[at] = !wish.declared[at],
            _ => {
                // Someone looked at a disk that waits, and agrees.
                let data = self.machines.iter().flat_map(|machine| {
                    machine.disks.iter().filter_map(|(id, disk)| match &disk.content {
                        ContentId::Foreign(_) => {
                            Some((machine.number, id.to_string(), disk.content.to_string()))
                        }
                        ContentId::Blank | ContentId::Marker { .. } => None,
                    })
                });
                wish.consent.extend(data.take(1));
            }
        }
    }

    /// Plans the commit with what is known now, and adopts the plan if it may be.
    pub(crate) fn replan(&mut self) -> Result<(), Violation> {
        let observed = self.store.observed(self.now);
        let Some(fleet) = &self.people.fleet else {
            return Ok(());
        };
        let desired = Desired {
            fleet,
            commit: &self.people.commit,
        };
        let new = plan(&desired, &observed, &self.store.plan, self.now);
        let before = self.store.plan.clone();
        if new.wants_the_same(&before) && new.commit == before.commit {
            return Ok(());
        }
        let allowed = adoptable(&new, Some(&new), None, fleet.settings.unreviewed);
        if allowed.is_ok() && self.store.adopt(new) {
            self.people.plan_before = Some(before);
            self.check_plan()?;
            self.announce();
        }
        Ok(())
    }

    /// Planning again, with the same commit and facts, wants nothing new.
    pub(crate) fn plan_again(&mut self) -> Result<(), Violation> {
        let observed = self.store.observed(self.now);
        let Some(fleet) = &self.people.fleet else {
            return Ok(());
        };
        let desired = Desired {
            fleet,
            commit: &self.people.commit,
        };
        let again = plan(&desired, &observed, &self.store.plan, self.now);
        if again.changes.is_empty() {
            return Ok(());
        }
        let what = format!("planning again changes {:?}", again.changes);
        Err(self.violation("idempotence", what))
    }
}

fn fleet(wish: &Wish, machines: &[crate::machine::Machine]) -> Fleet {
    let mut text = String::from(
        "[fleet.lab]\nschema = 1\nephemeral = \"ephemeral\"\nunreviewed = \"allow\"\nlimits.max-destroyed = 1000\n",
    );
    for machine in machines.iter().filter(|machine| wish.declared[machine.number]) {
        let Machine { number, serial, mac } = Machine::of(machine);
        let consents = wish.consent.iter().filter(|(at, ..)| *at == number);
        let consents: Vec<String> = consents
            .map(|(_, disk, contents)| format!("{{ disk = \"{disk}\", contents = \"{contents}\" }}"))
            .collect();
        writeln!(
            text,
            "[machine.m{number}]\nrack = \"r1\"\nserial = \"{serial}\"\nboot.mode = \"bios\"\n\
             bmc = {{ driver = \"ipmi\", address = \"10.1.0.{host}\", secret = \"bmc\" }}\n\
             nic.p0 = {{ mac = \"{mac}\", link = \"lab/pxe\" }}\nconsent = [{}]",
            consents.join(", "),
            host = number + 1,
        )
        .expect("writing into a String never fails");
    }
    let deployed = |number: usize| wish.deployed[number] && wish.declared[number];
    let names: Vec<String> = (0..machines.len())
        .filter(|at| deployed(*at))
        .map(|at| format!("\"m{at}\""))
        .collect();
    writeln!(
        text,
        "[deployment.web]\nmachines = [{}]\nhostname = \"{}\"\nimage = \"debian-{}\"\nstorage = \"disk\"\n\
         network = \"auto\"\nreinstall = {}",
        names.join(", "),
        wish.hostname,
        wish.image,
        wish.reinstall
    )
    .expect("writing into a String never fails");
    let files = [
        ("base.toml", include_str!("base.toml")),
        ("fleet.toml", text.as_str()),
    ];
    let files = files.map(|(path, text)| SourceFile {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
    });
    let parsed = schema_fleet::parse(&files);
    parsed
        .fleet
        .unwrap_or_else(|| panic!("people write right fleets: {:?}", parsed.diagnostics))
}

/// What git says of a machine.
struct Machine<'a> {
    number: usize,
    serial: &'a str,
    mac: schema_ids::Mac,
}

impl<'a> Machine<'a> {
    fn of(machine: &'a crate::machine::Machine) -> Self {
        Self {
            number: machine.number,
            serial: &machine.serial,
            mac: machine.mac,
        }
    }
}
