//! A pull request on real kernels: another image, a smaller count, another name, deleted files, more addresses. What its
//! plan says is done and nothing else, by the BMCs' log, the systems' own word and the disks' bytes.
//!
//! Then its revert is planned, and everything is deleted from git: neither does anything to any machine.

pub(crate) mod fleet;
mod record;

use crate::error::{Result, RigError};
use crate::machine::MachineSpec;
use crate::namespace;
use crate::once::faults::Faults;
use crate::once::life::Life;
use crate::once::patience::Patience;
use crate::once::{proof, release, two_agents, watch};
use crate::trial::change::in_order;
use fleet::{EDGE, KEPT, KEPT_AS, LONELY, NEXT_FILE, NEXT_WORDS, Next, RANGE, RELEASED};
use rack_inmachine::marker::{Marker, OFFSET, State};
use record::{Member, Records, WRITTEN};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const BRANCH: &str = "five-changes";
const REVERT: &str = "revert";
/// `muster apply`: errors in the revision, and a guard that stops it (gitops-ux A.4).
const EXIT_FAILED: i32 = 1;
const EXIT_BLOCKED: i32 = 4;
/// Strangers that ask for addresses: as many as the range has before, and one.
const STRANGERS: usize = 2;
/// A commit that was put back is read within a poll of git.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// Each look is a run of `muster`.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Lives it with these machines, which are declared and deployed by the first commit.
pub(crate) fn live(rack: &Life<'_>, specs: &[MachineSpec]) -> Result<()> {
    let story = Story {
        rack,
        began: Instant::now(),
    };
    story.tell("Deploy four machines");
    rack.programs.add_images(rack.built)?;
    let next = fleet::next_image(rack)?;
    let file = next.file.display().to_string();
    println!("{}", rack.programs.muster(&["image", "add", &file])?);
    namespace::plug_strangers(&rack.rack.run.namespace(), STRANGERS)?;
    let lives = specs.iter().map(|spec| Life { spec, ..*rack });
    let members = lives
        .map(|life| {
            println!("{}", life.spec.name);
            life.until("deployed", &mut Faults::default())?;
            Member::of(life)
        })
        .collect::<Result<Vec<_>>>()?;
    story.live(&members, &next)
}

struct Story<'a> {
    rack: &'a Life<'a>,
    began: Instant,
}

impl Story<'_> {
    fn tell(&self, what: &str) {
        println!("──── {:.0} s: {what}", self.began.elapsed().as_secs_f64());
    }

    fn live(&self, members: &[Member<'_>], next: &Next) -> Result<()> {
        let [edge, kept, released, lonely] = members else {
            return disproved("the life has four machines");
        };
        members.iter().try_for_each(Member::write)?;
        let before = Before {
            boot: edge.boot()?,
            marker: installed(edge)?,
            orders: [edge.orders()?, released.orders()?],
            data: members.iter().map(Member::data).collect::<Result<_>>()?,
        };
        let all = Records::of(members)?;
        let stay = Records::of([kept, lonely])?;
        self.addresses_are_few()?;

        self.tell("The pull request");
        let repository = &self.rack.fleet.repository;
        repository.propose_edit(BRANCH, "Five changes at once", |folder| {
            fleet::edit(folder, &self.rack.built[1], next)
        })?;
        println!("{}", repository.shown(BRANCH)?);
        self.shown(next)?;
        all.left_alone("planning")?;

        self.tell("Its merge");
        repository.merge(BRANCH)?;
        self.rack.programs.apply()?;
        edge.life.until_waits("FIRST_BOOT", &mut Faults::default())?;
        released.life.until("ready", &mut Faults::default())?;
        released.life.until_off()?;
        edge.life.until("deployed", &mut Faults::default())?;
        stay.left_alone("the merge")?;
        before.reinstalled(edge)?;
        before.erased(released)?;
        before.keeps_data(members)?;
        self.known_as()?;
        self.addresses_are_more()?;
        self.nothing_left()?;

        let running = Records::of([edge, kept, lonely])?;
        let alone = |meanwhile: &str| -> Result<()> {
            self.agent_heard()?;
            self.agent_heard()?;
            running.left_alone(meanwhile)?;
            before.keeps_data(members)?;
            before.stays_erased(released)
        };
        self.tell("Its revert, planned");
        self.reverted(next)?;
        alone("planning the revert")?;

        self.tell("All files are deleted");
        self.stopped("Delete every file", EXIT_FAILED, "M0106", fleet::delete_all)?;
        alone("an empty repository")?;
        repository.put_back()?;
        self.stopped(
            "Delete every machine",
            EXIT_BLOCKED,
            "FLEET_SHRANK",
            fleet::delete_machines,
        )?;
        alone("a fleet without machines")?;
        repository.put_back()?;
        self.nothing_left()?;
        alone("putting all of it back")?;
        self.tell("The end");
        Ok(())
    }

    /// The plan says all that it does, where it says so, and of no disk that is somebody's that it is erased.
    fn shown(&self, next: &Next) -> Result<()> {
        let words = ["plan", "--base", "main", "--head", BRANCH, "--detail", "full"];
        let text = self.rack.programs.muster(&words)?;
        println!("{text}");
        let image = format!("{} (", next.name);
        // Destructive first, then the rest, then what is not done, then guards.
        in_order(
            &text,
            &[
                "ERASES 2 DISKS ON 2 MACHINES",
                "This cannot be undone.",
                "DESTRUCTIVE",
                "deployment.edge",
                "[WIPE os]",
                "->",
                &image,
                "deployments/edge.toml:4",
                "erase  serial:os-of-edge   6.4 GB",
                "keep   serial:data-of-edge",
                "release deployment.web[",
                "[WIPE os]",
                "its slot is given back (CHG-4802): erased (quick), then it is Ready   deployments/web.toml:4",
                "erase  serial:os-of-web-b   6.4 GB",
                "keep   serial:data-of-web-b",
                "OTHER",
                "update subnet.lab-v4",
                "10.77.0.249 - 10.77.0.249  ->  10.77.0.249 - 10.77.0.253   # live",
                "orphan machine.lonely",
                "it keeps running lonely[1]",
                "rename machine.front",
                "it was web-a; nothing is done to it",
                "GUARDS",
                "ok       limits       destroys 2 of 3 allowed, of 4 machines",
                "Plan: 1 to redeploy, 1 to release, 2 to update, 1 to orphan, 1 to rename.",
            ],
        )?;
        erases_exactly(&text, &[EDGE, RELEASED])
    }

    /// The revert says what it erases, that what was erased does not come back, and what is taken back without harm.
    fn reverted(&self, next: &Next) -> Result<()> {
        self.rack.fleet.repository.revert(REVERT)?;
        let words = ["plan", "--base", "main", "--head", REVERT, "--detail", "full"];
        let text = self.rack.programs.muster(&words)?;
        println!("{text}");
        let image = format!("{} (", next.name);
        let back = format!("{} (", self.rack.built[1].name()?);
        in_order(
            &text,
            &[
                "ERASES 1 DISK ON 1 MACHINE",
                "This cannot be undone.",
                "deployment.edge",
                "[WIPE os]",
                &image,
                "->",
                &back,
                "erase  serial:os-of-edge   6.4 GB",
                // The slot comes back, what was on its disk does not.
                "deploy deployment.web[",
                "erase  serial:os-of-web-b   6.4 GB   blank",
                "keep   serial:data-of-web-b",
                "update machine.lonely",
                "wanted again as it runs",
                "10.77.0.249 - 10.77.0.253  ->  10.77.0.249 - 10.77.0.249   # live",
                "rename machine.web-a",
                "it was front; nothing is done to it",
                "ok       limits       destroys 1 of 3 allowed, beside 1 within 24 hours, of 4 machines",
                "Plan: 1 to redeploy, 1 to deploy, 2 to update, 1 to rename.",
            ],
        )?;
        erases_exactly(&text, &[EDGE, RELEASED])
    }

    /// The commit goes no further: `apply` ends so, and it is said why.
    fn stopped(&self, message: &str, exit: i32, code: &str, edit: fn(&Path) -> Result<()>) -> Result<()> {
        let (repository, programs) = (&self.rack.fleet.repository, self.rack.programs);
        edit(repository.path())?;
        repository.commit_all(message)?;
        let said = programs.ask(&["apply", "--yes"])?;
        println!("{message}:\n{}{}", said.output, said.errors);
        if said.status.code() != Some(exit) {
            return disproved(format!("apply of {message:?} ended with {}", said.status));
        }
        let mut patience = Patience::new(self.rack, "the revision is stopped");
        loop {
            let revision = &programs.status()?["revision"];
            if revision["summary"] == message && revision["stopped"]["code"] == code {
                println!("stopped: {}", revision["stopped"]);
                return Ok(());
            }
            patience.check()?;
            thread::sleep(LOOK_EVERY);
        }
    }

    /// The machine with another name is known by it, and deployed.
    fn known_as(&self) -> Result<()> {
        let status = self.rack.programs.status()?;
        let (phase, old) = (watch::phase(&status, KEPT_AS)?, watch::phase(&status, KEPT));
        if phase != "deployed" || old.is_ok() {
            return disproved(format!("{KEPT_AS} is {phase}, {KEPT} is {old:?}"));
        }
        let lonely = self.rack.programs.muster(&["why", LONELY])?;
        in_order(&lonely, &["ORPHANED"])
    }

    /// The only address of the dynamic range is taken by the first who asks.
    fn addresses_are_few(&self) -> Result<()> {
        let [first, second] = [0, 1].map(|number| two_agents::ask_for_address(self.rack, number));
        match (first?, second?) {
            (Ok(first), Err(_)) if first == RANGE[0] => {
                println!("a stranger has {first}, another has none");
                Ok(())
            }
            other => disproved(format!("of a range with one address two got {other:?}")),
        }
    }

    /// Who had none gets one of those that were added.
    fn addresses_are_more(&self) -> Result<()> {
        match two_agents::ask_for_address(self.rack, 1)? {
            Ok(address) if address.as_str() > RANGE[0] && address.as_str() <= RANGE[1] => {
                println!("the other has {address} now");
                Ok(())
            }
            other => disproved(format!("the wider range gave {other:?}")),
        }
    }

    fn nothing_left(&self) -> Result<()> {
        let until = Instant::now() + SETTLE_MAX;
        loop {
            let said = self.rack.programs.ask(&["plan", "--expect-empty"])?;
            if said.status.success() && said.output.contains("No changes now.") {
                println!("plan again: nothing");
                return Ok(());
            }
            if Instant::now() >= until {
                return disproved(format!("planning again is not empty:\n{}", said.output));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until the rack agent was heard once more.
    fn agent_heard(&self) -> Result<()> {
        let now = self.rack.programs.status()?["now"].clone();
        let mut patience = Patience::new(self.rack, "the rack agent is heard");
        loop {
            let status = self.rack.programs.status()?;
            // Times of one form compare as they read.
            if status["agents"][self.rack.rack.site.agent].as_str() > now.as_str() {
                return Ok(());
            }
            patience.check()?;
            thread::sleep(LOOK_EVERY);
        }
    }
}

/// What was before the merge.
struct Before {
    /// Of the machine that gets another image.
    boot: String,
    marker: Marker,
    /// Of that, and of the one that is released.
    orders: [Vec<String>; 2],
    /// Of everybody's own disk.
    data: Vec<String>,
}

impl Before {
    /// It was started for its job and from its disk, where the other image is now and nothing of what was before.
    fn reinstalled(&self, edge: &Member<'_>) -> Result<()> {
        let orders = since(&edge.orders()?, &self.orders[0])?;
        println!("{EDGE}, its BMC:\n{}", orders.join("\n"));
        starts(&orders, 2)?;
        let marker = installed(edge)?;
        if marker.spec == self.marker.spec || edge.boot()? == self.boot {
            return disproved(format!("{EDGE} has the installation of before: {marker:?}"));
        }
        let said = edge.ask(&format!("cat {NEXT_FILE}; ls {WRITTEN} 2>&1 || true"))?;
        println!("{EDGE} says: {}", said.trim().replace('\n', ", "));
        if said.starts_with(NEXT_WORDS) && said.contains("No such file") {
            return Ok(());
        }
        disproved(format!("{EDGE} does not run {NEXT_WORDS}: {said}"))
    }

    /// It was started once, for its erasure, and is off; its disk holds nothing.
    fn erased(&self, released: &Member<'_>) -> Result<()> {
        let orders = since(&released.orders()?, &self.orders[1])?;
        println!("{RELEASED}, its BMC:\n{}", orders.join("\n"));
        starts(&orders, 1)?;
        release::holds_nothing(&released.life.disk(0))
    }

    /// It is off and empty, as it was left.
    fn stays_erased(&self, released: &Member<'_>) -> Result<()> {
        starts(&since(&released.orders()?, &self.orders[1])?, 1)?;
        released.life.until_off()?;
        release::holds_nothing(&released.life.disk(0))
    }

    /// The disks that are somebody's are as they were, whatever was done to the machines around them.
    fn keeps_data(&self, members: &[Member<'_>]) -> Result<()> {
        for (member, before) in members.iter().zip(&self.data) {
            if member.data()? != *before {
                return disproved(format!("somebody's disk in {} was written", member.name()));
            }
        }
        println!("the disks that are somebody's: as they were, to the byte");
        Ok(())
    }
}

/// What a BMC was told beyond this.
fn since(now: &[String], before: &[String]) -> Result<Vec<String>> {
    match now.strip_prefix(before) {
        Some(new) => Ok(new.to_vec()),
        None => disproved("the BMCs' log was changed"),
    }
}

/// The machine was switched on so often by these orders.
fn starts(orders: &[String], wanted: usize) -> Result<()> {
    let on = orders.iter().filter(|line| line.contains(" set power 1")).count();
    if on == wanted {
        return Ok(());
    }
    disproved(format!("it was to be switched on {wanted} times: {orders:#?}"))
}

/// The finished marker on the disk that is installed.
fn installed(member: &Member<'_>) -> Result<Marker> {
    match proof::marker(&member.life.disk(0), OFFSET)? {
        Some(marker) if marker.state == State::Installed => Ok(marker),
        other => disproved(format!("{} is not installed: {other:?}", member.name())),
    }
}

/// The lines that erase are of the disks that are installed in these machines, and of no other.
fn erases_exactly(plan: &str, names: &[&str]) -> Result<()> {
    let lines = plan.lines().map(str::trim);
    let erased: Vec<&str> = lines.filter(|line| line.starts_with("erase ")).collect();
    let is_said =
        |name: &&str| proof::erased(plan, &format!("serial:{}", fleet::system_disk(name))).is_some();
    if erased.len() == names.len() && names.iter().all(is_said) {
        return Ok(());
    }
    disproved(format!(
        "the plan shall erase the disks of {names:?}, and names {erased:?}"
    ))
}

fn disproved<T>(text: impl Into<String>) -> Result<T> {
    Err(RigError::Disproved(text.into()))
}
