//! The `muster` program against a real musterd: each command that asks the daemon, and each exit code.

use crate::bed::{Bed, example};
use rack_api::fact::FactBody;
use rack_api::inventory::{Cpu, Disk, DiskKind, Firmware, FirmwareKind, Inventory, Nic};
use rack_api::job::JobRef;
use reconciler_core::intent::Intent;
use reconciler_core::people::{MachineDetail, Status};
use reconciler_core::phase::Phase;
use schema_ids::Uuid;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::SystemTime;

/// What is on node-01's disk, and what it takes to have it erased.
const DATA: &str = "data:gpt-ext4+0011223344556677";
const DISK: &str = "serial:disk-0";

/// A machine that no one asks anything of.
const NODE_2: &str = "[machine.node-02]\nrack = \"r1\"\nserial = \"LAB-0002\"\nboot.mode = \"bios\"\n\
                      nic.p0 = { mac = \"52:54:00:77:00:02\", link = \"lab/pxe\" }\n";

/// `muster` with this daemon's socket.
pub(crate) struct Muster {
    pub(crate) program: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) socket: PathBuf,
}

impl Muster {
    /// The program beside musterd. Cargo builds those of other packages in a test of the whole workspace
    /// only, so that one alone may meet none, or an old one.
    pub(crate) fn of(bed: &Bed) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_musterd")).with_file_name("muster");
        let build = "run `cargo build -p reconciler-cli` first, or the tests of the whole workspace";
        let built = fs::metadata(&program).and_then(|file| file.modified());
        let built = built.unwrap_or_else(|error| panic!("{}: {error}; {build}", program.display()));
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/src");
        assert!(
            newest(&sources) <= built,
            "muster is older than its sources; {build}"
        );
        Self {
            program,
            folder: bed.path(""),
            socket: bed.path("run/musterd.sock"),
        }
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--socket")
            .arg(&self.socket)
            .args(words)
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("muster starts")
    }

    /// Its standard output; it must end with this code.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        let (said, told) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{words:?}: {said}{told}");
        said
    }

    /// Its one JSON document; it must end with this code.
    #[track_caller]
    pub(crate) fn document(&self, words: &[&str], code: i32) -> Value {
        let said = self.says(&[&["--json"], words].concat(), code);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{words:?}: {error}: {said}"))
    }

    /// The plan for a branch: its document.
    #[track_caller]
    pub(crate) fn plan(&self, head: &str, code: i32) -> Value {
        self.document(&["plan", "--exit-code", "--head", head], code)
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// When the newest file in a folder was changed.
fn newest(folder: &Path) -> SystemTime {
    let entries = fs::read_dir(folder)
        .expect("sources")
        .map(|entry| entry.expect("an entry"));
    let times = entries.map(|entry| match entry.path().is_dir() {
        true => newest(&entry.path()),
        false => entry.metadata().and_then(|file| file.modified()).expect("a time"),
    });
    times.max().expect("a folder of sources is not empty")
}

/// The example without its deployment, whose erasures nobody agrees to unseen, and the deployment.
pub(crate) fn fleet() -> (String, String) {
    let whole = example().replace("unreviewed = \"allow\"", "");
    let (machine, deployment) = whole.split_once("[deployment.").expect("the example deploys");
    let consent = format!("consent = [{{ disk = \"{DISK}\", contents = \"{DATA}\" }}]\n");
    let machine = machine.replace("boot.mode =", &format!("{consent}boot.mode ="));
    (machine, format!("[deployment.{deployment}"))
}

fn inventory(serial: &str, mac: &str, disks: Vec<Disk>) -> Box<Inventory> {
    Box::new(Inventory {
        uuid: None,
        serial: Some(serial.to_owned()),
        vendor: "Acme\n[machine.evil]".to_owned(),
        product: "R1".to_owned(),
        firmware: Firmware {
            kind: FirmwareKind::Bios,
            version: "1".to_owned(),
        },
        cpu: Cpu {
            arch: "amd64".to_owned(),
            model: "cpu".to_owned(),
            cores: 1,
            threads: 1,
        },
        memory_bytes: 1 << 30,
        disks,
        nics: vec![Nic {
            name: "eno1".to_owned(),
            mac: mac.parse().unwrap(),
            speed_mbps: None,
            link: true,
            driver: "virtio_net".to_owned(),
        }],
        bmc: None,
        pci: None,
        mark: None,
    })
}

/// What the rack agent saw: node-01 with data on its disk, and a machine that no file declares.
pub(crate) fn seen(status: &Status) -> Vec<FactBody> {
    let node = &status.machines[0];
    let disk = Disk {
        id: Some(DISK.parse().unwrap()),
        path: "/dev/sda".to_owned(),
        model: "disk".to_owned(),
        serial: "disk-0".to_owned(),
        size_bytes: 20_000_000_000,
        kind: DiskKind::Ssd,
        local: true,
        content: DATA.parse().unwrap(),
        holds: "gpt, ext4 \"old\"".to_owned(),
    };
    vec![
        FactBody::Inventory {
            job: JobRef {
                machine: node.id,
                generation: node.generation,
                attempt: 1,
            },
            inventory: inventory("LAB-0001", "52:54:00:77:00:01", vec![disk]),
        },
        FactBody::Enlisted {
            mac: "52:54:00:77:00:99".parse().unwrap(),
            link: "lab/pxe".to_owned(),
            inventory: inventory("CZ231", "52:54:00:77:00:99", Vec::new()),
        },
    ]
}

/// node-01 runs what was wanted of it.
pub(crate) fn installed(muster: &Muster) -> Vec<FactBody> {
    let detail: MachineDetail = serde_json::from_value(muster.document(&["show", "node-01"], 0)).unwrap();
    let Intent::Deployed(deploy) = &detail.plan.wanted.intent else {
        panic!("node-01 is to be deployed: {detail:#?}");
    };
    let job = JobRef {
        machine: detail.status.id,
        generation: detail.plan.wanted.generation,
        attempt: 1,
    };
    vec![
        FactBody::Installed {
            job,
            binding: deploy.binding,
            spec: deploy.spec,
            disks: vec![DISK.parse().unwrap()],
        },
        FactBody::PhonedHome {
            machine: job.machine,
            binding: deploy.binding,
            boot_id: Uuid::from_bytes([2; 16]),
            root_disk: Some(DISK.parse().unwrap()),
            root_device: "/dev/sda2".to_owned(),
        },
    ]
}

/// A branch with these files; the working tree is back on `main` afterwards.
fn branch(bed: &Bed, name: &str, files: &[(&str, Option<&str>)]) {
    bed.git(&["checkout", "-q", "-b", name, "main"]);
    bed.commit(files, name);
    bed.git(&["checkout", "-q", "main"]);
}

pub(crate) fn is_adopted(status: &Status, summary: &str) -> bool {
    let revision = status.revision.as_ref();
    revision.is_some_and(|revision| revision.summary == summary && revision.stopped.is_none())
        && revision.map(|revision| &revision.commit)
            == status
                .adopted
                .as_ref()
                .and_then(|adopted| adopted.commit.as_ref())
}

fn code_of(status: &Status) -> Option<&str> {
    Some(status.revision.as_ref()?.stopped.as_ref()?.code.as_str())
}

#[tokio::test]
async fn each_command_and_each_exit_code() {
    let (machine, deployment) = fleet();
    let mut bed = Bed::new(&machine);
    let muster = Muster::of(&bed);
    muster.says(&["status"], 6);
    bed.start(&[]);
    let status = bed.until("adopted", |status| is_adopted(status, "first")).await;

    plans(&bed, &muster, &machine, &deployment);
    muster.says(&["plan", "--max-age", "10m"], 6);
    bed.hear(1, seen(&status)).await;
    muster.says(&["plan", "--max-age", "10m"], 0);
    shows(&bed, &muster);
    discovers(&bed, &muster, &machine);
    let stale = erases(&bed, &muster, &deployment).await;
    waits(&bed, &muster, &machine, &stale).await;

    let recovered = muster.document(&["recover"], 0);
    assert_eq!(recovered["incarnation"]["number"], 2);
    fs::rename(bed.path("fleet"), bed.path("away")).unwrap();
    let away = muster.document(&["plan"], 6);
    assert_eq!(away["error"]["code"], "SOURCE");
}

/// `plan` of branches: nothing, a label, changes, destruction, a guard.
fn plans(bed: &Bed, muster: &Muster, machine: &str, deployment: &str) {
    assert!(muster.says(&["plan"], 0).contains("No changes."));
    assert_eq!(muster.plan("main", 0)["outcome"], "none");
    let labelled = machine.replace("serial = \"LAB-0001\"", "serial = \"LAB-0001X\"");
    branch(bed, "label", &[("fleet.toml", Some(&labelled))]);
    let label = muster.plan("label", 0);
    assert_eq!(label["changes"][0]["action"], "label", "{label:#}");

    branch(bed, "more", &[("more.toml", Some(NODE_2))]);
    let file = bed.path("ci").display().to_string();
    let words = ["plan", "--exit-code", "--head", "more", "--output-file", &file];
    let more = muster.document(&words, 2);
    let lines = fs::read_to_string(&file).unwrap();
    let (id, wipe_set) = (&more["id"], &more["wipe-set"]["digest"]);
    let (id, wipe_set) = (id.as_str().unwrap(), wipe_set.as_str().unwrap());
    let wanted =
        format!("outcome=changes\ndestructive=false\nblocked=false\nplan-id={id}\nwipe-set={wipe_set}\n");
    assert_eq!(lines, wanted);

    forms(bed, muster);
    muster.says(&["plan", "--expect-empty", "--head", "label"], 0);
    muster.says(&["plan", "--expect-empty", "--head", "more"], 2);
    // What `more` has beyond `label` is not what both have beyond what is carried out.
    let unknown = muster.document(&["plan", "--base", "origin/main"], 1);
    let told = unknown["error"]["message"].as_str().unwrap();
    assert!(told.ends_with("knows that as \"main\""), "{told}");
    let both = muster.document(&["plan", "--base", "more", "--head", "more"], 0);
    let causes = both["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| &change["cause"]);
    assert!(
        causes.clone().all(|cause| cause == "pending") && causes.count() == 1,
        "{both:#}"
    );
    let part = muster.document(&["plan", "--head", "more", "--only", "machine:node-0?"], 0);
    assert_eq!(
        (&part["complete"], &part["changes"][0]["machine"]),
        (&false.into(), &"node-02".into())
    );
    let part = muster.document(&["plan", "--head", "more", "--only", "machine:node-02"], 0);
    muster.document(&["show", part["id"].as_str().unwrap()], 1);
    let nobody = muster.document(&["plan", "--head", "more", "--only", "tag:gpu"], 1);
    assert_eq!(nobody["error"]["code"], "M0801");
    let again = muster.says(&["plan", "--replace", id], 0);
    assert!(again.contains(id), "{again}");

    let start = machine.find("[machine.").unwrap();
    let end = start + machine[start..].find("\n# ---").unwrap();
    let empty = format!("{}{}", &machine[..start], &machine[end..]);
    branch(bed, "empty", &[("fleet.toml", Some(&empty))]);
    assert_eq!(muster.plan("empty", 4)["outcome"], "blocked");
    muster.says(&["plan", "--head", "empty"], 4);

    let removed = muster.says(
        &[
            "removed", "machine", "node-01", "--disks", "retain", "--reason", "RMA 8841",
        ],
        0,
    );
    let files = [
        ("fleet.toml", Some(empty.as_str())),
        ("removed.toml", Some(&removed)),
    ];
    branch(bed, "removed", &files);
    assert_eq!(muster.plan("removed", 3)["outcome"], "destructive");

    branch(
        bed,
        "wrong",
        &[("deploy.toml", Some(&deployment.replace("one-port", "two-port")))],
    );
    let wrong = muster.plan("wrong", 1);
    assert_eq!(wrong["error"]["code"], "M0101");
    assert_eq!(muster.plan("nowhere", 1)["error"]["code"], "NOT_FOUND");
}

/// The same plan as a comment and as a document, each in a file.
fn forms(bed: &Bed, muster: &Muster) {
    let (comment, document) = (bed.path("plan.md").display().to_string(), bed.path("plan.json"));
    let json_out = document.display().to_string();
    let words = [
        "plan",
        "--base",
        "main",
        "--head",
        "more",
        "--format",
        "md",
        "--out",
        &comment,
        "--json-out",
        &json_out,
    ];
    assert_eq!(muster.says(&words, 0), "");
    let comment = fs::read_to_string(comment).unwrap();
    assert!(
        comment.starts_with("<!-- muster:plan fleet=lab -->\n### muster plan: nothing is erased\n"),
        "{comment}"
    );
    let document: Value = serde_json::from_slice(&fs::read(document).unwrap()).unwrap();
    assert_eq!(
        (&document["format"], &document["base"]["name"]),
        (&"muster.plan/1.0".into(), &"main".into())
    );
    assert!(
        muster
            .says(&["plan", "--head", "more", "--detail", "full"], 0)
            .contains("more@")
    );
}

/// `status`, `show`, `why`, of what there is and what there is not.
fn shows(bed: &Bed, muster: &Muster) {
    assert!(muster.says(&["status"], 0).contains("node-01"));
    let status = muster.document(&["status"], 0);
    let plan = status["adopted"]["plan"].as_str().unwrap();
    assert!(muster.says(&["show", plan], 0).starts_with("muster plan"));
    assert_eq!(muster.document(&["show", plan], 0)["id"], plan);
    assert!(muster.says(&["show", "node-01"], 0).contains("/dev/sda"));
    assert_eq!(
        muster.document(&["show", "node-01"], 0)["status"]["name"],
        "node-01"
    );
    assert!(muster.says(&["why", "node-01"], 0).contains("node-01 is"));
    assert_eq!(muster.document(&["why", "node-01"], 0)["name"], "node-01");
    for words in [
        ["show", "p-000000000000"],
        ["show", "node-09"],
        ["why", "node-09"],
    ] {
        assert_eq!(muster.document(&words, 1)["error"]["code"], "NOT_FOUND");
    }
    // Nobody reads its BMC yet, and what is not known to be idle is not cut.
    let power = muster.document(&["machine", "power", "node-01", "status"], 0);
    assert_eq!(
        (&power["machine"], &power["power"]),
        (&"node-01".into(), &Value::Null)
    );
    let refused = muster.document(&["machine", "power", "node-01", "off"], 1);
    assert_eq!(refused["error"]["code"], "BUSY");
    let unknown = muster.document(&["machine", "power", "node-09", "on"], 1);
    assert_eq!(unknown["error"]["code"], "NOT_FOUND");
    muster.says(&["machine", "power", "node-01", "sideways"], 64);
    let long = "x".repeat(1000);
    let refused = muster.document(&["machine", "power", "node-01", "on", "--reason", &long], 1);
    assert_eq!(refused["error"]["code"], "BAD_REQUEST");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = muster.command(&["status"]).stdout(writer).output().unwrap();
    assert_eq!(
        (output.status.code(), text(&output.stderr).as_str()),
        (Some(0), ""),
        "{}",
        bed.log()
    );
}

/// `machine discovered`: the lines it proposes pass `muster check` with the fleet that they are for.
fn discovers(bed: &Bed, muster: &Muster, machine: &str) {
    assert!(
        muster
            .says(&["machine", "discovered"], 0)
            .contains("52:54:00:77:00:99")
    );
    let patch = muster.says(&["machine", "discovered", "--patch"], 0);
    assert!(patch.contains("\nrack = \"r1\"\n"), "{patch}");
    let folder = bed.path("patched");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("fleet.toml"), format!("{machine}\n{patch}")).unwrap();
    let checked = muster.says(&["check", &folder.display().to_string()], 0);
    assert!(checked.contains("2 machines"), "{checked}");
    let found = muster.document(&["machine", "discovered"], 0);
    assert_eq!(found.as_array().map(Vec::len), Some(1));
}

/// A commit that erases what nobody was shown: asked, declined, approved. Gives the plan that was so left
/// behind.
async fn erases(bed: &Bed, muster: &Muster, deployment: &str) -> String {
    let before = muster.plan("main", 0);
    bed.commit(&[("deploy.toml", Some(deployment))], "deploy");
    bed.until("stopped", |status| {
        code_of(status) == Some("PLAN_CHANGED_SINCE_SHOWN")
    })
    .await;
    let nobody = muster.document(&["apply"], 64);
    assert_eq!(nobody["outcome"], "usage");
    assert!(nobody["plan"]["id"].is_string(), "{nobody:#}");
    muster.says(&["apply", "--yes"], 64);
    assert_eq!(declined(bed, muster)["outcome"], "declined");

    let plan = muster.plan("main", 3);
    let (id, wipe_set) = (&plan["id"], &plan["wipe-set"]["digest"]);
    let (id, wipe_set) = (id.as_str().unwrap(), wipe_set.as_str().unwrap());
    let shown = muster.says(&["show", id], 0);
    assert!(
        shown.contains("ERASES 1 DISK ON 1 MACHINE") && shown.contains("[WIPE all]"),
        "{shown}"
    );
    let wrong = muster.document(&["approve", id, "--wipe-set", "w-000000000000"], 5);
    assert_eq!(wrong["error"]["code"], "M0901");
    muster.document(&["approve", "p-000000000000", "--wipe-set", wipe_set], 1);
    let approved = muster.document(&["approve", id, "--wipe-set", wipe_set], 0);
    assert_eq!(approved["approved"], wipe_set);
    bed.until("adopted", |status| is_adopted(status, "deploy")).await;
    before["id"].as_str().unwrap().to_owned()
}

/// The guard that stops this plan lets it pass once two people have said why; no other guard, no one person alone.
fn opened(bed: &Bed, muster: &Muster, plan: &str) {
    let open = |guard, reason| ["override", "--guard", guard, "--plan", plan, "--reason", reason];
    let refused = muster.document(&open("empty", " "), 1);
    assert_eq!(refused["error"]["code"], "BAD_REQUEST");
    let refused = muster.document(&open("limits", "it is intended"), 1);
    assert_eq!(refused["error"]["code"], "BAD_REQUEST");
    muster.document(&open("everything", "it is intended"), 1);
    let first = muster.document(&open("empty", "the rack is sold"), 0);
    assert_eq!(
        (&first["people"], &first["needed"]),
        (&json!(["root"]), &2.into())
    );
    muster.document(&open("empty", "the rack is sold, really"), 0);
    let alone = muster.document(&["apply", plan], 4);
    let why = alone["stopped"]["message"].as_str().unwrap();
    assert!(why.contains("(1 of 2 people have said so)"), "{why}");
    let output = second_person(bed, muster)
        .args(open("empty", "I have seen it"))
        .output();
    let output = output.expect("setpriv starts");
    let said = text(&output.stdout);
    assert!(said.contains("\"uid 65534\""), "{said}{}", text(&output.stderr));
    assert_eq!(muster.document(&["apply", plan], 0)["outcome"], "accepted");
}

/// The same program run by somebody else who may reach the socket.
pub(crate) fn second_person(bed: &Bed, muster: &Muster) -> Command {
    for folder in ["", "run"] {
        fs::set_permissions(bed.path(folder), fs::Permissions::from_mode(0o750)).unwrap();
    }
    let program = bed.path("muster");
    fs::copy(&muster.program, &program).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=0", "--clear-groups"])
        .arg(program)
        .arg("--socket")
        .arg(&muster.socket)
        .arg("--json");
    command
}

/// `apply` as a person at a terminal who says no.
fn declined(bed: &Bed, muster: &Muster) -> Value {
    let out = bed.path("declined");
    let command = format!(
        "{} --socket {} --json apply > {}",
        muster.program.display(),
        muster.socket.display(),
        out.display()
    );
    let mut script = Command::new("script");
    script
        .args(["-qec", &command, "/dev/null"])
        .current_dir(&muster.folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut script = script.spawn().expect("script, of bsdutils, starts");
    std::io::Write::write_all(&mut script.stdin.take().unwrap(), b"no\n").unwrap();
    let ended = script.wait_with_output().unwrap();
    let told = text(&ended.stdout);
    assert_eq!(ended.status.code(), Some(3), "{told}");
    assert!(told.contains("Carry it out? Type yes:"), "{told}");
    serde_json::from_slice(&fs::read(out).unwrap()).expect("one document")
}

/// `apply`: stale, blocked, rejected; and `--wait`, which ends although machines will never be as first wanted.
async fn waits(bed: &Bed, muster: &Muster, machine: &str, stale: &str) {
    let past = muster.document(&["apply", stale], 5);
    assert_eq!(
        (&past["outcome"], &past["stopped"]["code"]),
        (&"stale".into(), &"M0901".into())
    );
    assert_eq!(past["plan"]["id"], stale);
    let unknown = muster.document(&["apply", "p-000000000000"], 1);
    assert_eq!(unknown["stopped"]["code"], "NOT_FOUND");

    // node-01 waits for its rack agent; this commit does not concern it.
    let link = machine.replace("to = \"10.77.0.249\"", "to = \"10.77.0.248\"");
    bed.commit(&[("fleet.toml", Some(&link))], "a smaller range");
    let done = muster.document(&["apply", "--yes", "--wait"], 0);
    assert_eq!(done["outcome"], "converged", "{done:#}");
    // It runs, and git no longer says so: shown, and waited for by nobody.
    bed.hear(3, installed(muster)).await;
    let is_deployed = |status: &Status| status.machines[0].phase == Phase::Deployed;
    bed.until("deployed", is_deployed).await;
    bed.commit(&[("deploy.toml", None)], "forget the deployment");
    let done = muster.document(&["apply", "--yes", "--wait"], 0);
    assert_eq!(
        (&done["outcome"], &done["stage"]),
        (&"converged".into(), &"adopted".into()),
        "{done:#}"
    );
    let node = muster.document(&["why", "node-01"], 0);
    assert_eq!(node["wait"]["condition"], "ORPHANED");

    let start = link.find("[machine.").unwrap();
    let end = start + link[start..].find("\n# ---").unwrap();
    let empty = format!("{}{}", &link[..start], &link[end..]);
    bed.commit(&[("fleet.toml", Some(&empty))], "lose the machine");
    let blocked = muster.document(&["apply"], 4);
    assert_eq!(blocked["outcome"], "blocked");
    assert!(
        blocked["stopped"]["code"].is_string() && blocked["plan"]["id"].is_string(),
        "{blocked:#}"
    );
    let id = blocked["plan"]["id"].as_str().unwrap();
    assert_eq!(muster.document(&["apply", id], 4)["outcome"], "blocked");
    opened(bed, muster, id);
    bed.commit(&[("fleet.toml", Some("[fleet.lab]\n"))], "break it");
    assert_eq!(muster.document(&["apply"], 1)["stopped"]["code"], "M0005");
    bed.commit(&[("fleet.toml", Some(&link))], "mend it");
    bed.until("adopted", |status| is_adopted(status, "mend it")).await;
}
