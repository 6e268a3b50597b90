//! One value changed in the text as a person wrote it: comments and the rest stay, and what is not known is not guessed.

use schema_fleet::revise::{NotRevised, adopt, pin, set, unpin};
use schema_fleet::{SourceFile, parse};
use schema_ids::Name;

const BASE: &str = include_str!("../../../../examples/one-machine/toml/fleet.toml");

const SECOND: &str = "[machine.node-02]\nrack = \"r1\"\nserial = \"LAB-0002\"\nboot.mode = \"bios\"\n\
                      nic.p0 = { mac = \"52:54:00:77:00:02\", link = \"lab/pxe\" }\n";

/// The example with its deployment written like this.
fn fleet(path: &str, deployment: &str) -> Vec<SourceFile> {
    let (base, _) = BASE.split_once("[deployment.").unwrap();
    let file = |path: &str, text: &str| SourceFile {
        path: path.to_owned(),
        bytes: text.as_bytes().to_vec(),
    };
    let files = vec![file("fleet.toml", base), file(path, deployment)];
    let parsed = parse(&files);
    assert!(parsed.fleet.is_some(), "{deployment}: {:#?}", parsed.diagnostics);
    files
}

fn with(files: &[SourceFile], changed: &SourceFile) -> Vec<SourceFile> {
    let mut files = files.to_vec();
    for file in files.iter_mut().filter(|file| file.path == changed.path) {
        file.clone_from(changed);
    }
    files
}

fn text(file: &SourceFile) -> String {
    String::from_utf8(file.bytes.clone()).unwrap()
}

const REST: &str =
    "hostname = \"{name}\"\nimage = \"debian-12\"\nstorage = \"single-disk\"\nnetwork = \"one-port\"\n";
const KDL_REST: &str = "image=debian-12 storage=single-disk network=one-port hostname=\"{name}\"";

fn machines() -> Vec<Name> {
    vec!["node-01".parse().unwrap()]
}

/// Pinned, it names its machines; unpinned again, it says what it said.
fn there_and_back(path: &str, deployment: &str, is_same: bool) -> String {
    let files = fleet(path, deployment);
    let pinned = pin(&files, "web", &machines()).unwrap();
    let pinned_files = with(&files, &pinned);
    assert!(matches!(
        pin(&pinned_files, "web", &machines()),
        Err(NotRevised::Missing { .. })
    ));
    let unpinned = unpin(&pinned_files, "web").unwrap();
    assert_eq!(unpinned.raised, None);
    let back = unpinned.file;
    if is_same {
        assert_eq!(text(&back), deployment);
    }
    let deployments = |files: &[SourceFile]| parse(files).fleet.unwrap().deployments;
    assert_eq!(deployments(&files), deployments(&with(&files, &back)));
    text(&pinned)
}

/// Machines that were added by name while it was pinned are counted.
#[test]
fn a_deployment_counts_again_no_fewer_than_it_names() {
    let toml = format!("[deployment.web]\ncount = 1 # one\n{REST}");
    let kdl = format!("deployment web count=1 {KDL_REST}\n");
    for (path, deployment, added, count) in [
        ("web.toml", &toml, r#""node-01", "node-02""#, "count = 2 # one"),
        ("web.kdl", &kdl, r#""node-01" "node-02""#, "count 2"),
    ] {
        let mut files = fleet(path, deployment);
        files.push(SourceFile {
            path: "second.toml".to_owned(),
            bytes: SECOND.as_bytes().to_vec(),
        });
        let mut pinned = pin(&files, "web", &machines()).unwrap();
        let said = text(&pinned);
        let more = said.replace("\"node-01\"", added);
        assert_ne!(more, said, "{said}");
        pinned.bytes = more.into_bytes();
        let now = with(&files, &pinned);
        let parsed = parse(&now);
        assert!(parsed.fleet.is_some(), "{:#?}", parsed.diagnostics);
        let unpinned = unpin(&now, "web").unwrap();
        assert_eq!(unpinned.raised, Some((1, 2)), "{path}");
        let again = text(&unpinned.file);
        assert!(again.contains(count), "{again}");
        assert!(!again.contains("machines"), "{again}");
    }
}

#[test]
fn a_deployment_is_pinned_and_counts_again_in_toml() {
    let keys = format!(
        "# The web.\n[deployment.web]\n  count = 1 # one\n{REST}\n  # Not the old ones.\n[deployment.web.require]\ncpu-cores = {{ \
         min = 2 }} # two\n"
    );
    let keys = keys.replace("{ min = 2 }", "\">= 2\"");
    insta::assert_snapshot!("pinned_toml", there_and_back("web.toml", &keys, true));
    let dotted = format!(
        "[deployment.web]\ncount = 1\nrequire.disks = [\n  {{ count = 2 }}, # two\n]\nspread.by = \"rack\"\n{REST}"
    );
    let dotted = dotted.replace("count = 2", "count = \">= 2\"");
    insta::assert_snapshot!("pinned_toml_dotted", there_and_back("web.toml", &dotted, true));
}

#[test]
fn a_deployment_is_pinned_and_counts_again_in_kdl() {
    let nodes = format!(
        "deployment web {KDL_REST} {{\n    count 1 // one\n    require {{\n        cpu-cores \">= 2\"\n    }}\n}}\n"
    );
    insta::assert_snapshot!("pinned_kdl", there_and_back("web.kdl", &nodes, true));
    let head = format!("deployment web count=1 {KDL_REST} {{\n    require cpu-cores=\">= 2\" // two\n}}\n");
    insta::assert_snapshot!("pinned_kdl_head", there_and_back("web.kdl", &head, false));
    let bare = format!("deployment web {KDL_REST} count=1\n");
    insta::assert_snapshot!("pinned_kdl_bare", there_and_back("web.kdl", &bare, false));
}

#[test]
fn a_field_is_set_where_its_object_stands() {
    let changed = |deployment: &str, path: &str, kind: &str, name: &str, field: &str, value: &str| {
        let files = fleet(path, deployment);
        text(&set(&files, kind, name, field, value).unwrap())
    };
    let deployment = format!("[deployment.web]\nmachines = [\"node-01\"]\n{REST}");
    let machine = changed(&deployment, "web.toml", "machine", "node-01", "power", "off");
    assert!(
        machine.contains("[machine.node-01]\npower = \"off\"\nrack = \"r1\"\n"),
        "{machine}"
    );
    let machine = changed(
        &deployment,
        "web.toml",
        "machine",
        "node-01",
        "boot.order",
        "disk-first",
    );
    assert!(
        machine.contains("[machine.node-01]\nboot.order = \"disk-first\"\n"),
        "{machine}"
    );
    let serial = changed(
        &deployment,
        "web.toml",
        "machine",
        "node-01",
        "serial",
        "LAB-0002",
    );
    assert!(
        serial.contains("rack = \"r1\"\nserial = \"LAB-0002\"\nboot.mode"),
        "{serial}"
    );

    let rest = "\n\n[x-rest]\n";
    let more = format!("{deployment}\n[machine]\nm2.serial = \"S2\"\nm3 = {{ serial = \"S3\" }}{rest}");
    let dotted = changed(&more, "web.toml", "machine", "m2", "power", "on");
    assert!(
        dotted.contains("m2.power = \"on\"\nm2.serial = \"S2\"\n"),
        "{dotted}"
    );
    let inline = changed(&more, "web.toml", "machine", "m3", "power", "on");
    assert!(
        inline.contains("m3 = { power = \"on\", serial = \"S3\" }"),
        "{inline}"
    );

    let kdl = format!(
        "deployment web {KDL_REST} {{\n    machines node-01\n}}\n\nmachine m2 serial=S2\nmachine m3 {{\n    serial S3\n    power on // here\n}}\n"
    );
    let old = changed(&kdl, "web.kdl", "machine", "m3", "power", "off");
    assert!(old.contains("    power \"off\" // here\n"), "{old}");
    let new = changed(&kdl, "web.kdl", "machine", "m3", "boot.order", "disk-first");
    assert!(
        new.contains("machine m3 {\n    boot {\n        order \"disk-first\"\n    }\n"),
        "{new}"
    );

    let files = fleet("web.kdl", &kdl);
    let bare = changed(&kdl, "web.kdl", "machine", "m2", "power", "off");
    assert!(
        bare.contains("machine m2 serial=S2 {\n    power \"off\"\n}\nmachine m3 {"),
        "{bare}"
    );
    let inline = kdl.replace("machine m2 serial=S2\n", "machine m2 { serial S2; }\n");
    let by_hand = set(&fleet("web.kdl", &inline), "machine", "m2", "power", "off").unwrap_err();
    assert!(
        by_hand.to_string().contains("write it by hand: power = \"off\""),
        "{by_hand}"
    );
    assert_eq!(
        set(&files, "machine", "m9", "power", "off"),
        Err(NotRevised::Absent("machine.m9".to_owned()))
    );
    let wrong = set(&files, "machine", "m3", "power", "sideways").unwrap_err();
    assert!(matches!(wrong, NotRevised::ByHand { .. }), "{wrong}");
}

/// A bracket that nobody closes, in a comment: nothing below it is taken along.
#[test]
fn what_stands_below_stays_or_nothing_is_given() {
    let text = format!("[deployment.web]\ncount = 1 # was 2 [OPS\nupdate-policy = \"manual\"\n{REST}");
    let files = fleet("web.toml", &text);
    match pin(&files, "web", &machines()) {
        Err(NotRevised::ByHand { .. }) => {}
        given => {
            let after = parse(&with(&files, &given.unwrap())).fleet.unwrap();
            let before = parse(&files).fleet.unwrap();
            let policy =
                |fleet: &schema_fleet::Fleet| fleet.deployments.values().next().unwrap().update_policy;
            assert_eq!(policy(&after), policy(&before));
        }
    }
}

/// A machine is adopted by a deployment that is written like this; gives the text, or why not.
fn adopted(path: &str, deployment: &str, slot: Option<u32>) -> Result<String, NotRevised> {
    let files = fleet(path, deployment);
    let name: Name = "node-01".parse().unwrap();
    let changed = adopt(&files, "web", &name, slot)?;
    let after = parse(&with(&files, &changed)).fleet.unwrap();
    let now = after.deployments.values().next().unwrap();
    assert_eq!(now.adopt.len(), 1);
    assert_eq!(now.adopt[0].machine.name, name);
    // Told once, it is not told again.
    assert!(adopt(&with(&files, &changed), "web", &name, slot).is_err());
    Ok(text(&changed))
}

#[test]
fn a_deployment_adopts_a_machine_where_it_stands_in_toml() {
    let counts = format!("# The web.\n[deployment.web] # all\ncount = 3 # three\n{REST}");
    let text = adopted("web.toml", &counts, Some(2)).unwrap();
    assert!(
        text.contains(
            "[deployment.web] # all\nadopt = [{ machine = \"node-01\", slot = 2 }]\ncount = 3 # three\n"
        ),
        "{text}"
    );
    let names = format!("[deployment.web]\nmachines = [\n  \"node-01\", # first\n]\n{REST}");
    let text = adopted("web.toml", &names, None).unwrap();
    assert!(
        text.contains("adopt = [{ machine = \"node-01\" }]\nmachines = [\n  \"node-01\", # first\n]"),
        "{text}"
    );
    let inline = "deployment.web = { machines = [\"node-01\"], hostname = \"a\", image = \"debian-12\", storage = \
                  \"single-disk\", network = \"one-port\" }\n";
    let text = adopted("web.toml", inline, None).unwrap();
    assert!(
        text.starts_with("deployment.web = { adopt = [{ machine = \"node-01\" }], machines"),
        "{text}"
    );
}

#[test]
fn a_deployment_adopts_a_machine_where_it_stands_in_kdl() {
    let bare = format!("deployment web {KDL_REST} count=2\n");
    let text = adopted("web.kdl", &bare, Some(1)).unwrap();
    assert!(
        text.contains("count=2 {\n    adopt machine=\"node-01\" slot=1\n}\n"),
        "{text}"
    );
    let nodes = format!("  deployment web {KDL_REST} {{\n    machines node-01 // one\n  }}\n");
    let text = adopted("web.kdl", &nodes, None).unwrap();
    assert!(
        text.contains("{\n      adopt machine=\"node-01\"\n    machines node-01 // one\n"),
        "{text}"
    );
    let odd = format!("deployment web {KDL_REST} {{ count 2; }}\n");
    assert!(matches!(
        adopted("web.kdl", &odd, None),
        Err(NotRevised::ByHand { .. })
    ));
}

/// Two machines beside each other: the second is named behind the first, in whichever way that is written.
#[test]
fn a_machine_is_named_and_adopted_behind_the_others() {
    let two = SECOND;
    let second: Name = "node-02".parse().unwrap();
    let toml = |list: &str| format!("{two}[deployment.web]\n{list}\n{REST}");
    let cases = [
        (
            "machines = [\"node-01\"]",
            "machines = [\"node-01\", \"node-02\"]",
        ),
        (
            "machines = [\"node-01\",] # so",
            "machines = [\"node-01\", \"node-02\",] # so",
        ),
        (
            "machines = [\n  \"node-01\", # so\n]\nadopt = [\n  { machine = \"node-01\" }, # so\n]",
            "  { machine = \"node-01\" }, { machine = \"node-02\" }, # so\n]",
        ),
    ];
    for (list, expected) in cases {
        let files = fleet("web.toml", &toml(list));
        let changed = text(&adopt(&files, "web", &second, None).unwrap());
        assert!(changed.contains(expected), "{changed}");
    }
    let kdl = format!("deployment web {KDL_REST} {{\n    machines node-01\n    adopt machine=node-01\n}}\n");
    let mut files = fleet("web.kdl", &kdl);
    files.push(SourceFile {
        path: "two.toml".to_owned(),
        bytes: two.as_bytes().to_vec(),
    });
    let changed = text(&adopt(&files, "web", &second, None).unwrap());
    assert!(changed.contains("machines node-01 \"node-02\"\n"), "{changed}");
    assert!(changed.contains("    adopt machine=\"node-02\"\n"), "{changed}");
}
