//! What a change brought about, and what was wrong before.

use crate::revision::file;
use schema_fleet::{Brought, Change, SourceFile, brought, parse, render};
use std::collections::BTreeMap;

/// Wrong in two places: a zone's key, and a reference.
const OLD: &str = "[zone.z1]\nseriall = 1\n\n[machine.m1]\nrack = \"gone\"\n\
    nic.p0 = { mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }\n";

/// The lines of one file.
fn lines(path: &str, from: u32, to: u32) -> BTreeMap<String, Vec<std::ops::RangeInclusive<u32>>> {
    BTreeMap::from([(path.to_owned(), vec![from..=to])])
}

fn with_base(files: &[(&str, &str)]) -> Vec<SourceFile> {
    let base = file("base.toml", include_str!("../cases/base.toml"));
    let files = files.iter().map(|(path, text)| file(path, text));
    files.chain([base]).collect()
}

fn shown(before: &[(&str, &str)], now: &[(&str, &str)], change: Change) -> (Vec<String>, usize) {
    let files = with_base(now);
    let change = Change {
        before: with_base(before),
        ..change
    };
    let Brought {
        diagnostics,
        older_errors,
        older_warnings,
    } = brought(&parse(&files), &files, &change);
    let titles = diagnostics
        .iter()
        .map(|one| format!("{} {}", one.code, one.title));
    (titles.collect(), older_errors + older_warnings)
}

#[test]
fn what_was_wrong_before_is_not_shown() {
    let moved = format!("# why\n\n{OLD}");
    let now = shown(
        &[("a.toml", OLD)],
        &[("a.toml", &moved)],
        Change {
            lines: lines("a.toml", 1, 2),
            ..Change::default()
        },
    );
    assert_eq!(now, (vec![], 2));
}

#[test]
fn what_stands_on_a_changed_line_is_shown() {
    let change = || Change {
        lines: lines("a.toml", 2, 2),
        ..Change::default()
    };
    let (now, older) = shown(&[("a.toml", OLD)], &[("a.toml", OLD)], change());
    assert_eq!((now, older), (vec!["M0002 unknown key `seriall`".to_owned()], 1));
}

/// The object is another one, though the line that is wrong is not.
#[test]
fn what_is_about_a_changed_object_is_shown() {
    let now = OLD.replace("[machine.m1]\n", "[machine.m1]\nserial = \"x\"\n");
    let change = Change {
        lines: lines("a.toml", 5, 5),
        ..Change::default()
    };
    let (now, older) = shown(&[("a.toml", OLD)], &[("a.toml", &now)], change);
    assert_eq!((now, older), (vec!["M0101 unknown rack \"gone\"".to_owned()], 1));
}

/// A rack is taken away, and a machine in another file lacks it.
#[test]
fn what_it_breaks_elsewhere_is_shown() {
    let machine = (
        "m.toml",
        "[machine.m1]\nrack = \"r9\"\nnic.p0 = { mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }\n",
    );
    let rack = ("r.toml", "[rack.r9]\nagents = [\"a\"]\n");
    let (now, older) = shown(&[machine, rack], &[machine], Change::default());
    assert_eq!((now, older), (vec!["M0101 unknown rack \"r9\"".to_owned()], 0));
}

/// The same mistake once more is one more, wherever git saw a change; what cannot be read has no object.
#[test]
fn one_more_of_the_same_is_shown() {
    let once = "zone a x=true\n";
    let twice = format!("{once}zone b x=true\n");
    let (now, older) = shown(&[("a.kdl", once)], &[("a.kdl", &twice)], Change::default());
    assert_eq!((now.len(), older), (2, 0), "{now:?}");
    let (now, older) = shown(&[("a.kdl", &twice)], &[("a.kdl", once)], Change::default());
    assert_eq!((now.len(), older), (0, 1), "{now:?}");
}

#[test]
fn a_renamed_file_brings_nothing_about() {
    let unreadable = "[zone.z1\n";
    let change = |renamed: &[(&str, &str)]| Change {
        renamed: renamed
            .iter()
            .map(|(new, old)| ((*new).to_owned(), (*old).to_owned()))
            .collect(),
        ..Change::default()
    };
    let before = [("a.toml", unreadable), ("b.toml", OLD)];
    let now = [("c.toml", unreadable), ("d.toml", OLD)];
    let (told, older) = shown(
        &before,
        &now,
        change(&[("c.toml", "a.toml"), ("d.toml", "b.toml")]),
    );
    assert_eq!((told, older), (vec![], 3));
    // A file that cannot be read has no object to be known by.
    let (told, _) = shown(&before, &now, change(&[]));
    assert_eq!(told.len(), 1, "{told:?}");
}

/// A fleet of two machines and a deployment that counts, right in itself.
const RIGHT: &str = "[machine.m1]\nserial = \"S1\"\nprotect = \"wipe\"\nnic.p0 = { mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }\n\
    [machine.m2]\nserial = \"S2\"\nnic.p0 = { mac = \"52:54:00:77:00:02\", link = \"lab/pxe\" }\n\
    [machine.m3]\nserial = \"S3\"\nnic.p0 = { mac = \"52:54:00:77:00:03\", link = \"lab/pxe\" }\n\
    [deployment.web]\ncount = 2\nhostname = \"web-{slot}\"\nimage = \"debian\"\nstorage = \"disk\"\nnetwork = \"port\"\n";

fn told_of_change(now: &str) -> String {
    told_between(RIGHT, now)
}

fn told_between(before: &str, now: &str) -> String {
    let (before, now) = (with_base(&[("a.toml", before)]), with_base(&[("a.toml", now)]));
    let change = Change {
        before,
        ..Change::default()
    };
    let brought = brought(&parse(&now), &now, &change);
    render::plain(&brought.diagnostics, &now)
}

#[test]
fn what_a_change_takes_away_is_told() {
    assert_eq!(told_of_change(RIGHT), "");
    let machines = RIGHT.split("[machine.").collect::<Vec<_>>();
    let without = |number: usize| RIGHT.replace(&format!("[machine.{}", machines[number]), "");
    let renamed = RIGHT.replace("[machine.m2]", "[machine.other]");
    let removed = format!(
        "{}[removed.machine.m1]\ndisks = \"quick\"\nreason = \"sold\"\n",
        without(1)
    );
    let fewer = RIGHT.replace("count = 2", "count = 1");
    let named = format!("{fewer}release = {{ machines = [\"m1\"], disks = \"quick\", reason = \"sold\" }}\n");
    let mut told = String::new();
    for (what, text) in [
        ("vanished", without(2)),
        ("renamed without a word", renamed),
        ("removed though protected", removed),
        ("counted less", fewer),
        ("counted less, and protected released", named),
    ] {
        told += &format!("== {what}\n{}", told_of_change(&text));
    }
    let layout = "[storage.data]\nselect.os = {}\nselect.data = { type = \"hdd\", on-redeploy = \"keep\" }\npartition = [{ id = \"root\", on = \"os\", size = \"rest\" }, { id = \"srv\", on = \"data\", size = \"rest\" }]\n\
        filesystem = [{ on = \"root\", type = \"ext4\", mount = \"/\" }, { on = \"srv\", type = \"xfs\", mount = \"/srv\" }]\n";
    let other = layout.replace("on = \"data\", size = \"rest\"", "on = \"data\", size = \"1TB\"");
    told += &format!("== kept disks cut otherwise\n{}", told_between(layout, &other));
    insta::assert_snapshot!(told);
}
