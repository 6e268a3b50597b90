//! A pull request, as large as they come: a new image, a smaller count, a rename, a deleted file, a wider DHCP range. Its
//! plan says all of it, its merge does that and nothing else, and a revert is told honestly. What the guards stop is done
//! when people open them.

use crate::error::{Result, failed};
use crate::trial::bed::Bed;
use crate::trial::fleet::{IMAGES, LAYOUTS, SECRET, Wanted};
use crate::trial::traces::Traces;
use crate::trial::watch::{self, Goal, disproved};
use schema_ids::ContentId;
use std::fs;
use std::path::Path;

/// Two get another image; one of three is released; one gets another name; one loses its file.
pub(crate) const MACHINES: &[&str] = &["edge-1", "edge-2", "web-a", "web-b", "web-c", "ledger", "lonely"];

const EDGES: [&str; 2] = ["edge-1", "edge-2"];
/// Of the three that count, the one that is named to go.
const RELEASED: &str = "web-c";
const LONELY: &str = "lonely";
const OLD_NAME: &str = "ledger";
const NEW_NAME: &str = "ledger-main";
/// What nobody asked anything of.
const STAY: &[&str] = &["web-a", "web-b", LONELY];

const BRANCH: &str = "proposal";
const REVERT: &str = "revert";

/// The last address of the dynamic range, before and after.
const RANGE: [&str; 2] = ["10.77.0.249", "10.77.0.253"];

/// `muster plan` and `muster apply`: a guard says no (gitops-ux A.4).
const EXIT_BLOCKED: i32 = 4;

pub(crate) fn run(bed: &Bed) -> Result<()> {
    bed.fleet().write_secret(SECRET, true)?;
    write_all(bed, bed.repository.path())?;
    bed.repository.commit_all("Seven machines")?;
    bed.programs.apply()?;
    let deployed: Vec<_> = MACHINES
        .iter()
        .map(|name| (*name, Goal::Settled("deployed")))
        .collect();
    watch::all(bed, &deployed)?;
    let stay = Traces::of(bed, STAY)?;
    let all = Traces::of(bed, MACHINES)?;
    let renamed = Renamed::look(bed, OLD_NAME)?;

    bed.repository
        .propose_edit(BRANCH, "Five changes at once", edit)?;
    shown(bed, BRANCH)?;
    all.left_alone(bed)?;
    bed.repository.merge(BRANCH)?;
    let stopped = blocked(bed)?;
    all.left_alone(bed)?;
    open(bed, "limits", &stopped)?;
    watch::all(
        bed,
        &[
            (EDGES[0], Goal::Settled("deployed")),
            (EDGES[1], Goal::Settled("deployed")),
            (RELEASED, Goal::Settled("ready")),
            (NEW_NAME, Goal::Settled("deployed")),
            (LONELY, Goal::Waits("ORPHANED", LONELY)),
        ],
    )?;
    did_only_that(bed, &stay)?;
    renamed.left_alone(bed, NEW_NAME)?;
    let again = bed.programs.ask(&["plan", "--expect-empty"])?;
    if !again.status.success() || !again.output.contains("No changes now.") {
        return disproved(format!("planning again is not empty:\n{}", again.output));
    }
    revert(bed, &stay)?;
    guarded(bed, &stay)
}

/// What is known of a machine that gets another name.
#[derive(Debug, PartialEq, Eq)]
struct Renamed {
    disk: String,
    starts: u64,
    orders: u64,
}

impl Renamed {
    /// Its hardware stays where it is, under the name that it was built by.
    fn look(bed: &Bed, called: &str) -> Result<Self> {
        Ok(Self {
            disk: bed.disk_digest(OLD_NAME)?,
            starts: bed.starts(OLD_NAME)?,
            orders: bed.orders(called)?,
        })
    }

    fn left_alone(&self, bed: &Bed, called: &str) -> Result<()> {
        let now = Self::look(bed, called)?;
        if now == *self {
            println!("{called}: nothing was ordered, no byte was written");
            return Ok(());
        }
        disproved(format!("the new name was acted on: {self:?}, now {now:?}"))
    }
}

/// The plan of a proposal says all that it does, where it says so, and that a guard stops it.
fn shown(bed: &Bed, branch: &str) -> Result<()> {
    let said = bed.programs.ask(&["plan", "--base", "main", "--head", branch])?;
    let text = &said.output;
    println!("{text}");
    if said.status.code() != Some(EXIT_BLOCKED) {
        return disproved(format!(
            "the plan is not blocked ({}):\n{}",
            said.status, said.errors
        ));
    }
    // Destructive first, then the rest, then what is not done, then guards.
    in_order(
        text,
        &[
            "ERASES 3 DISKS ON 3 MACHINES",
            "DESTRUCTIVE",
            "deployment.edges   2 machines   [WIPE all]",
            "system (",
            "->  other (",
            "deployments/edges.toml:4",
            "edge-1",
            "disk-of-edge-1",
            "edge-2",
            "disk-of-edge-2",
            "release deployment.web[",
            "[WIPE all]",
            "its slot is given back (CHG-1): erased (quick), then it is Ready   deployments/web.toml:4",
            "disk-of-web-c",
            "OTHER",
            "update subnet.lab-v4",
            "10.77.0.200 - 10.77.0.249  ->  10.77.0.200 - 10.77.0.253   # live",
            "orphan machine.lonely",
            "it keeps running lonely[1]",
            "rename machine.ledger-main",
            "it was ledger; nothing is done to it",
            "GUARDS",
            "BLOCKED  limits       LIMIT_EXCEEDED",
            "3 of 7 machines, edge-1, edge-2, web-c; the limit is 2",
            "Plan: 2 to redeploy, 1 to release, 2 to update, 1 to orphan, 1 to rename.",
        ],
    )?;
    for name in [
        "disk-of-web-a",
        "disk-of-web-b",
        "disk-of-ledger",
        "disk-of-lonely",
    ] {
        if text.contains(name) {
            return disproved(format!("{name} is named:\n{text}"));
        }
    }
    Ok(())
}

/// The branch goes no further: `apply` shows its plan, and ends so.
fn blocked(bed: &Bed) -> Result<String> {
    let said = bed.programs.ask(&["apply", "--yes"])?;
    match said.status.code() {
        Some(EXIT_BLOCKED) => Ok(said.output),
        _ => disproved(format!(
            "not blocked ({}):\n{}{}",
            said.status, said.output, said.errors
        )),
    }
}

/// By the BMCs' and the disks' own record, not by musterd's.
fn did_only_that(bed: &Bed, stay: &Traces) -> Result<()> {
    stay.left_alone(bed)?;
    for name in EDGES {
        let written = fs::read(bed.disk(name)?.path()).map_err(failed("read a disk"))?;
        let image = fs::read(bed.image(IMAGES[1])).map_err(failed("read an image"))?;
        if !written.windows(image.len()).any(|window| window == image) {
            return disproved(format!("{name} does not have the new image"));
        }
    }
    let content = bed.disk(RELEASED)?.content().map_err(failed("look at a disk"))?;
    if content != ContentId::Blank {
        return disproved(format!("{RELEASED} was not erased"));
    }
    let told = fs::read_to_string(bed.rack.run.path("rackd/desired.json")).unwrap_or_default();
    if !told.contains(RANGE[1]) || told.contains(RANGE[0]) {
        return disproved(format!(
            "the rack agent does not serve up to {}:\n{told}",
            RANGE[1]
        ));
    }
    println!("that was done, and nothing else");
    Ok(())
}

/// `git revert` brings the words back, and the plan says what it cannot bring back.
fn revert(bed: &Bed, stay: &Traces) -> Result<()> {
    bed.repository.revert(REVERT)?;
    let said = bed.programs.ask(&["plan", "--base", "main", "--head", REVERT])?;
    in_order(
        &said.output,
        &[
            "ERASES 2 DISKS ON 2 MACHINES (33.5 MB). This cannot be undone.",
            "deployment.edges   2 machines   [WIPE all]",
            "->  system (",
            // The slot comes back, what was on its disk does not.
            "deploy deployment.web[",
            "disk-of-web-c   16.7 MB   blank",
            "update machine.lonely",
            "wanted again as it runs",
            "10.77.0.253  ->  10.77.0.200 - 10.77.0.249   # live",
            "rename machine.ledger",
            "2 of 7 machines, edge-1, edge-2; beside 1 within 24 hours, the limit is 2",
        ],
    )?;
    stay.left_alone(bed)
}

/// Guards stop a commit each, whatever it is, and let it through once a person says why.
fn guarded(bed: &Bed, stay: &Traces) -> Result<()> {
    let fleet =
        |from: &'static str, to: &'static str| move |folder: &Path| change(folder, "fleet.toml", from, to);
    let small = "max-destroyed = 10\nlimits.max-destroyed-percent = 100\nlimits.min-population = 1\nlimits.max-changed-percent = 20";
    opened(bed, "changed", "LIMIT_EXCEEDED", |folder| {
        fleet("max-destroyed = 2", small)(folder)?;
        for name in ["web-a", "web-b", "web-c"] {
            change(
                folder,
                &format!("machines/{name}.toml"),
                "[\"web\"]",
                "[\"web\"]\nboot.timeout = \"20m\"",
            )?;
        }
        Ok(())
    })?;
    stay.left_alone(bed)?;
    // No commit raises a limit for itself.
    fleet("max-changed-percent = 20", "max-changed-percent = 100")(bed.repository.path())?;
    bed.repository.commit_all("Raise the share")?;
    bed.programs.apply()?;
    change(
        bed.repository.path(),
        "deployments/edges.toml",
        IMAGES[1],
        &format!("{}\"\nprotect = \"wipe", IMAGES[1]),
    )?;
    bed.repository.commit_all("Protect what is at the edge")?;
    bed.programs.apply()?;
    opened(bed, "protection", "PROTECTED", |folder| {
        let file = "deployments/edges.toml";
        change(folder, file, "protect = \"wipe\"\n", "reinstall = 1\n")
    })?;
    let again: Vec<_> = EDGES
        .iter()
        .map(|name| (*name, Goal::Settled("deployed")))
        .collect();
    watch::all(bed, &again)?;
    stay.left_alone(bed)?;
    opened(bed, "empty", "FLEET_SHRANK", |folder| {
        for name in ["edge-1", "edge-2", "web-a", "web-b"] {
            fs::remove_file(folder.join(format!("machines/{name}.toml"))).map_err(failed("delete a file"))?;
        }
        for name in ["edges", "web"] {
            fs::remove_file(folder.join(format!("deployments/{name}.toml")))
                .map_err(failed("delete a file"))?;
        }
        Ok(())
    })?;
    watch::all(
        bed,
        &[
            ("web-a", Goal::Waits("ORPHANED", "web-a")),
            ("edge-1", Goal::Waits("ORPHANED", "edge-1")),
        ],
    )?;
    stay.left_alone(bed)
}

/// A commit is stopped by this guard and no other; nothing happens. Opened, it is carried out.
fn opened(bed: &Bed, guard: &str, code: &str, edit: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    edit(bed.repository.path())?;
    bed.repository.commit_all(&format!("Against {guard}"))?;
    let orders = bed.count("order_issued")?;
    let text = blocked(bed)?;
    let stops: Vec<&str> = text.lines().filter(|line| line.contains("BLOCKED")).collect();
    match stops[..] {
        [stop] if stop.contains(guard) && stop.contains(code) => println!("{}", stop.trim()),
        _ => return disproved(format!("it is not {guard} alone that stops this:\n{text}")),
    }
    bed.agent_heard()?;
    if bed.count("order_issued")? != orders {
        return disproved(format!("something was ordered though {guard} stops it"));
    }
    open(bed, guard, &text)
}

/// Opens a guard for the plan that was shown, and has that carried out.
fn open(bed: &Bed, guard: &str, text: &str) -> Result<()> {
    let mut words = text.split([' ', ',', '\n']);
    let Some(plan) = words.find(|word| word.starts_with("p-")) else {
        return disproved(format!("no plan's id:\n{text}"));
    };
    let reason = "the trial means it";
    let said = bed
        .programs
        .muster(&["override", "--guard", guard, "--plan", plan, "--reason", reason])?;
    println!("{}", said.trim());
    bed.programs.muster(&["apply", plan]).map(drop)
}

/// All of these are said, one behind the other.
pub(crate) fn in_order(text: &str, all: &[&str]) -> Result<()> {
    let mut rest = text;
    for wanted in all {
        match rest.find(wanted) {
            Some(at) => rest = &rest[at..],
            None => return disproved(format!("{wanted:?} is not said there:\n{text}")),
        }
    }
    Ok(())
}

/// Edits a fleet file.
pub(crate) fn change(folder: &Path, file: &str, from: &str, to: &str) -> Result<()> {
    let text = fs::read_to_string(folder.join(file)).map_err(failed("read a fleet file"))?;
    if !text.contains(from) {
        return disproved(format!("{file} does not say {from:?}:\n{text}"));
    }
    write(folder, file, &text.replace(from, to))
}

/// The whole fleet, a file for each thing that changes.
fn write_all(bed: &Bed, folder: &Path) -> Result<()> {
    let head = bed.fleet().text();
    write(
        folder,
        "fleet.toml",
        &head.replace("max-destroyed = 10", "max-destroyed = 2"),
    )?;
    for name in MACHINES {
        let wanted = Wanted {
            image: None,
            lines: if name.starts_with("web-") {
                "tags = [\"web\"]"
            } else {
                ""
            },
            ..Wanted::default()
        };
        let whole = bed.fleet().with(bed.spec(name)?, wanted).text();
        let own = whole.strip_prefix(&head).unwrap_or_default();
        write(folder, &format!("machines/{name}.toml"), own)?;
    }
    write(
        folder,
        "deployments/edges.toml",
        &deployment("edges", "machines = [\"edge-1\", \"edge-2\"]"),
    )?;
    write(folder, "deployments/web.toml", &web(3, ""))?;
    write(
        folder,
        "deployments/ledger.toml",
        &deployment("ledger", "machines = [\"ledger\"]"),
    )?;
    write(
        folder,
        "deployments/lonely.toml",
        &deployment("lonely", "machines = [\"lonely\"]"),
    )
}

/// The pull request.
fn edit(folder: &Path) -> Result<()> {
    change(folder, "deployments/edges.toml", IMAGES[0], IMAGES[1])?;
    let release =
        format!("release = {{ machines = [\"{RELEASED}\"], disks = \"quick\", reason = \"CHG-1\" }}\n");
    write(folder, "deployments/web.toml", &web(2, &release))?;
    let renamed = "machines/ledger.toml";
    change(
        folder,
        renamed,
        "[machine.ledger]",
        &format!("[moved.machine.{OLD_NAME}]\nto = \"{NEW_NAME}\"\n[machine.{NEW_NAME}]"),
    )?;
    change(
        folder,
        "deployments/ledger.toml",
        "[\"ledger\"]",
        &format!("[\"{NEW_NAME}\"]"),
    )?;
    for file in ["machines/lonely.toml", "deployments/lonely.toml"] {
        fs::remove_file(folder.join(file)).map_err(failed("delete a fleet file"))?;
    }
    change(folder, "fleet.toml", RANGE[0], RANGE[1])
}

fn web(count: u32, more: &str) -> String {
    deployment(
        "web",
        &format!("count = {count}\nrequire.tags = [\"web\"]\n{more}"),
    )
}

fn deployment(name: &str, machines: &str) -> String {
    format!(
        "[deployment.{name}]\n{machines}\nhostname = \"{{name}}\"\n\
         image = \"{}\"\nstorage = \"{}\"\nnetwork = \"one-port\"\n",
        IMAGES[0], LAYOUTS[0].0
    )
}

pub(crate) fn write(folder: &Path, file: &str, text: &str) -> Result<()> {
    let path = folder.join(file);
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text))
        .map_err(failed("write a fleet file"))
}
