//! People: they commit changes, at times of their own and at those that suit least.

use crate::dice::Dice;
use crate::machine::Machine;
use crate::settings::Commits;
use crate::world::{Event, World};
use reconciler_core::hold::{Keeper, Scope, Stop};
use schema_fleet::{Fleet, SourceFile};
use schema_ids::ContentId;
use std::fmt::Write as _;
use std::time::Duration;

/// What people want, and the commit that says so.
pub(crate) struct People {
    wish: Wish,
    commits: u32,
    /// The newest commit, 40 digits.
    pub(crate) commit: String,
    pub(crate) fleet: Option<Fleet>,
    /// Commits that are still to come at their time.
    pub(crate) coming: usize,
    /// Commits that are still to come just when a machine asks whether it may write.
    awkward: u64,
    /// In a run in which someone stops everything: when. They have dice of their own, so that no other run is another
    /// one for them.
    stops: Option<Dice>,
    /// In a run in which the fleet says how long what leaves is kept with its data: how long, drawn anew for each commit.
    quarantines: Option<Dice>,
}

/// The fleet as it is wanted.
#[derive(Debug, Clone)]
struct Wish {
    deployed: Vec<bool>,
    declared: Vec<bool>,
    image: char,
    reinstall: u64,
    hostname: String,
    /// What becomes of the disks of the deployment, if it is removed.
    removed: Option<&'static str>,
    /// The same of machines.
    retired: Vec<Option<&'static str>>,
    /// Disks of which a person agrees to lose the contents.
    consent: Vec<(usize, String, String)>,
    /// Whether machines are counted, as many as are to be deployed, instead of named.
    counted: bool,
    /// The deployment's names, the newest last.
    names: Vec<String>,
    /// The most machines that may be out of service at once, where there is a budget.
    budget: Option<u32>,
    /// How long what leaves is kept with its data.
    quarantine: Option<&'static str>,
    /// The most machines that may be destroyed within a day.
    limit: u32,
}

/// What a commit changes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// Nothing: it is the first.
    First,
    /// The deployment's image.
    Image,
    /// The deployment's reinstall epoch.
    Reinstall,
    /// The deployment's host names.
    Hostname,
    /// Whether this machine is deployed.
    Deployed(usize),
    /// Whether git has this machine at all.
    Declared(usize),
    /// Whether the deployment is removed, and what becomes of the disks.
    Removed(&'static str),
    /// The same of this machine.
    Retired(usize, &'static str),
    /// Someone looked at a disk that waits, and agrees.
    Consent,
    /// Machines are counted, or named again.
    Counted,
    /// The deployment has another name.
    Moved,
    /// No commit: everything is stopped.
    Stop,
    /// No commit: everything goes on.
    Resume,
}

impl People {
    pub(crate) fn new(machines: usize, dice: &mut Dice) -> Self {
        let wish = Wish {
            deployed: (0..machines).map(|_| dice.chance(700)).collect(),
            declared: vec![true; machines],
            removed: None,
            retired: vec![None; machines],
            image: 'a',
            reinstall: 0,
            hostname: "web-{slot}".to_owned(),
            consent: Vec::new(),
            counted: dice.chance(300),
            names: vec!["web".to_owned()],
            budget: None,
            quarantine: None,
            limit: 1000,
        };
        Self {
            wish,
            commits: 0,
            commit: String::new(),
            fleet: None,
            coming: 0,
            awkward: 0,
            stops: Some(dice.child()).filter(|dice| dice.clone().chance(400)),
            quarantines: Some(dice.child().child()).filter(|dice| dice.clone().chance(500)),
        }
    }
}

impl World<'_> {
    /// Draws when people commit, and what.
    pub(crate) fn schedule_commits(&mut self) {
        match self.settings.commits {
            Commits::NewImage(after) => {
                self.people.wish.deployed.fill(true);
                self.commit_later(after, Change::Image);
            }
            Commits::Rolling => {
                self.people.wish.deployed.fill(true);
                self.people.wish.budget = self.settings.budget;
                for _ in 0..self.dice.between(3, 6) {
                    let at = self.seconds(60, self.settings.faults_for.as_secs());
                    let change = match self.dice.between(0, 4) {
                        0 | 1 => Change::Image,
                        2 => Change::Reinstall,
                        _ => Change::Hostname,
                    };
                    self.commit_later(at, change);
                }
            }
            Commits::Removing => {
                self.people.wish.deployed.fill(true);
                // By name: one that is counted would be replaced.
                self.people.wish.counted = false;
                let limit = self.settings.limit.unwrap_or_default();
                self.people.wish.limit = limit;
                for place in 0..2 * limit {
                    let at = Duration::from_secs(u64::from(place + 1) * 7200);
                    let at = at + self.seconds(0, 1800);
                    self.commit_later(at, Change::Retired(place as usize, "quick"));
                }
            }
            Commits::Drawn => {
                self.people.awkward = self.dice.between(2, 5);
                for _ in 0..self.dice.between(2, 6) {
                    let at = self.seconds(60, self.settings.faults_for.as_secs());
                    let change = self.draw_change();
                    self.commit_later(at, change);
                }
                self.schedule_stop();
            }
        }
    }

    /// In some runs someone stops everything for a while, at no particular time.
    fn schedule_stop(&mut self) {
        if self.people.stops.is_some() {
            self.stop_for_a_while(60, self.settings.faults_for.as_secs());
        }
    }

    /// And once just when a machine asks whether it may write.
    fn stop_awkwardly(&mut self) {
        let is_time = self.people.coming > 0 && self.faulty();
        if is_time && self.people.stops.as_mut().is_some_and(|dice| dice.chance(100)) {
            self.stop_for_a_while(0, 1);
        }
    }

    /// Some time between these, in seconds, and for up to half an hour.
    fn stop_for_a_while(&mut self, least: u64, most: u64) {
        let Some(dice) = &mut self.people.stops else {
            return;
        };
        let at = Duration::from_millis(dice.between(least * 1000, most * 1000));
        let back = at + Duration::from_secs(dice.between(60, 1800));
        self.commit_later(at, Change::Stop);
        self.commit_later(back, Change::Resume);
    }

    fn stop(&mut self, is_stopped: bool) {
        let stop = Stop {
            scope: Scope::Fleet,
            reason: "smoke".to_owned(),
            by: "people".to_owned(),
            since: self.now,
            keeper: Keeper::Database,
        };
        self.note(
            "people",
            format_args!("{}", if is_stopped { "stop" } else { "resume" }),
        );
        self.store
            .restrain(is_stopped.then_some(stop).into_iter().collect());
        self.announce();
    }

    fn draw_change(&mut self) -> Change {
        let machine = self.dice.between(0, self.machines.len() as u64) as usize;
        let fate = self.fate();
        match self.dice.between(0, 17) {
            0..4 => Change::Image,
            4..6 => Change::Reinstall,
            6 => Change::Hostname,
            7..9 => Change::Deployed(machine),
            9 => Change::Declared(machine),
            10 => Change::Removed(fate),
            11..13 => Change::Retired(machine, fate),
            13 => Change::Counted,
            14 => Change::Moved,
            _ => Change::Consent,
        }
    }

    fn fate(&mut self) -> &'static str {
        FATES[usize::from(self.dice.chance(500))]
    }

    pub(crate) fn commit_later(&mut self, after: Duration, change: Change) {
        self.people.coming += 1;
        self.later(after, Event::Commit(change));
    }

    /// A machine asks whether it may write: now and then somebody changes its image meanwhile, or takes its deployment
    /// away for a while.
    pub(crate) fn commit_awkwardly(&mut self) -> bool {
        self.stop_awkwardly();
        if self.people.awkward == 0 || !self.faulty() || !self.dice.chance(300) {
            return false;
        }
        self.people.awkward -= 1;
        let change = match self.dice.between(0, 4) {
            0 | 1 => Change::Image,
            2 => Change::Reinstall,
            _ => Change::Removed(self.fate()),
        };
        let soon = Duration::from_millis(self.dice.between(1, 60));
        self.commit_later(soon, change);
        if matches!(change, Change::Removed(_)) {
            let back = soon + self.seconds(60, 1800);
            self.commit_later(back, change);
        }
        true
    }

    pub(crate) fn commit(&mut self, change: Change) {
        self.people.coming -= 1;
        if matches!(change, Change::Stop | Change::Resume) {
            self.stop(matches!(change, Change::Stop));
            return;
        }
        self.change_wish(change);
        if self.settings.commits == Commits::Drawn
            && let Some(dice) = &mut self.people.quarantines
        {
            let drawn = QUARANTINES.get(dice.between(0, 4) as usize);
            self.people.wish.quarantine = drawn.copied();
        }
        self.people.commits += 1;
        self.people.commit = format!("{:040}", self.people.commits);
        self.people.fleet = Some(fleet(&self.people.wish, &self.machines));
        let number = self.people.commits;
        self.note("people", format_args!("commit {number}: {change:?}"));
        self.announce();
    }

    fn change_wish(&mut self, change: Change) {
        let wish = &mut self.people.wish;
        match change {
            Change::First | Change::Stop | Change::Resume => {}
            Change::Image => wish.image = if wish.image == 'a' { 'b' } else { 'a' },
            Change::Reinstall => wish.reinstall += 1,
            Change::Hostname => wish.hostname.push('x'),
            Change::Deployed(at) => wish.deployed[at] = !wish.deployed[at],
            Change::Declared(at) => wish.declared[at] = !wish.declared[at],
            Change::Counted => wish.counted = !wish.counted,
            Change::Moved => wish.names.push(format!("web-{}", wish.names.len())),
            Change::Removed(fate) => wish.removed = toggled(wish.removed, fate),
            Change::Retired(at, fate) => {
                wish.retired[at] = toggled(wish.retired[at], fate);
                // What comes back is in git, or it would be forgotten.
                wish.declared[at] = true;
            }
            Change::Consent => {
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
}

/// How long what leaves is kept with its data, where it is.
const QUARANTINES: [&str; 3] = ["5m", "30m", "2h"];

/// What becomes of disks.
const FATES: [&str; 2] = ["quick", "retain"];

/// Removed with this fate; taken back, if it was; or removed with another.
fn toggled(standing: Option<&'static str>, fate: &'static str) -> Option<&'static str> {
    Some(fate).filter(|fate| standing != Some(fate))
}

impl People {
    /// Whether something is removed whose disks keep what they hold.
    pub(crate) fn keep_disks(&self) -> bool {
        let gone = self.wish.retired.iter().chain([&self.wish.removed]);
        gone.flatten().any(|fate| *fate == "retain")
    }
}

fn fleet(wish: &Wish, machines: &[Machine]) -> Fleet {
    let files = [
        ("base.toml", include_str!("base.toml").to_owned()),
        ("fleet.toml", text(wish, machines)),
    ];
    let files = files.map(|(path, text)| SourceFile {
        path: path.to_owned(),
        bytes: text.into_bytes(),
    });
    let parsed = schema_fleet::parse(&files);
    parsed
        .fleet
        .unwrap_or_else(|| panic!("people write right fleets: {:?}", parsed.diagnostics))
}

fn text(wish: &Wish, machines: &[Machine]) -> String {
    let mut text = String::from(
        "[fleet.lab]\nschema = 1\nephemeral = \"ephemeral\"\nunreviewed = \"allow\"\nlimits.max-wiped-per-hour = 10000\n",
    );
    if let Some(length) = wish.quarantine {
        writeln!(text, "quarantine = \"{length}\"").expect("writing into a String never fails");
    }
    writeln!(text, "limits.max-destroyed = {}", wish.limit).expect("writing into a String never fails");
    if let Some(most) = wish.budget {
        writeln!(
            text,
            "[budget.all]\ntargets = [\"fleet:lab\"]\nmax-unavailable = {most}\nhalt-after-failures = 0"
        )
        .expect("writing into a String never fails");
    }
    let machines_gone = wish.retired.iter().enumerate();
    let machines_gone = machines_gone.filter_map(|(at, fate)| Some((format!("machine.m{at}"), (*fate)?)));
    let deployment_gone = wish.removed.map(|fate| ("deployment.web".to_owned(), fate));
    for (gone, fate) in machines_gone.chain(deployment_gone) {
        writeln!(text, "[removed.{gone}]\ndisks = \"{fate}\"\nreason = \"over\"")
            .expect("writing into a String never fails");
    }
    let is_there = |at: usize| wish.declared[at] && wish.retired[at].is_none();
    for machine in machines.iter().filter(|machine| is_there(machine.number)) {
        let (number, serial, mac) = (machine.number, &machine.serial, machine.mac);
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
    let names: Vec<String> = (0..machines.len())
        .filter(|at| wish.deployed[*at] && is_there(*at) && wish.removed.is_none())
        .map(|at| format!("\"m{at}\""))
        .collect();
    if names.is_empty() {
        // A deployment of no machines is none; what it had is left alone.
        return text;
    }
    let machines = match wish.counted {
        true => format!("count = {}", names.len()),
        false => format!("machines = [{}]", names.join(", ")),
    };
    let (name, old) = wish.names.split_last().expect("a deployment has a name");
    writeln!(
        text,
        "[deployment.{name}]\n{machines}\nhostname = \"{}\"\nimage = \"debian-{}\"\nstorage = \"disk\"\n\
         network = \"auto\"\nreinstall = {}",
        wish.hostname, wish.image, wish.reinstall
    )
    .expect("writing into a String never fails");
    for (old, new) in old.iter().zip(&wish.names[1..]) {
        writeln!(text, "[moved.deployment.{old}]\nto = \"{new}\"")
            .expect("writing into a String never fails");
    }
    text
}
