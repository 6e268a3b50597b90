//! xtask: the project's own commands. `cargo xtask` alone lists them.
//!
//! Written with std and a JSON reader only, so that it builds in seconds on a fresh machine. Builds run as the
//! caller; packages, test programs and the virtual rack ask for root, each through sudo.

mod bench;
mod bill;
mod cargo;
mod demo;
mod fleet;
mod fuzz;
mod long;
mod packages;
mod peers;
mod report;
mod rig;
mod sudo;
mod suite;
mod tidy;
mod tie;

use std::process::ExitCode;

const VERBS: &str = "\
cargo xtask VERB

  demo [--yes] [--keep] [--json]
                    a rack of two virtual machines, from an empty repository to both deployed
  packages          install what building, testing and virtual racks need
  check             formatting, borders and house rules, clippy
  tidy              borders and house rules alone
  test [--no-vm]    everything: packages, build, all tests, a machine's lives
  test --long [--only LIFE]…
                    lives of machines that cost too much for every change: storage, network, kernels
  vrack once [--life LIFE] [--from MOMENT] [--keep] [--rebuild]
                    one machine from a commit to a running system; `muster-vrack once --help` names lives and moments
  fleet --machines N [--format toml|kdl|mixed] [--out DIR]
                    a fleet of N machines, up to 100,000; `examples/thousand` is one
  bench [dhcp] [tftp] [http] [--rounds N]
                    muster-rackd beside other servers, as in docs/benchmarks.md
  bench check [--machines-max N] [--rounds N]
                    `muster check` on fleets of up to 100,000 machines, beside terraform if there is one
  bench hostile     muster check on files that nobody means well with
  bench deploy [--rounds N]
                    a deployment step by step, beside a script that does the same writes
  fuzz toml|kdl|decoder|fmt|tree [--seconds N] [--seed N]
                    files at random for `muster`, from the corpus of tests; what breaks it is kept there
  vrack bench       the virtual rack's hardware alone
  inmachine         the static program that runs in machines
  clean             end and remove whatever a killed run left behind, of virtual racks and of tests
  sweep             the same of tests alone; each start of a test does it too
  sqlx              check all SQL against a throw-away database and store the answers";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["demo", words @ ..] => demo::run(words),
        ["fleet", words @ ..] => fleet::run(words),
        ["fuzz", words @ ..] => fuzz::run(words),
        ["packages"] => packages::install(),
        ["peers"] => peers::unpack(),
        ["check"] => suite::check(),
        ["tidy"] => tidy::run(),
        ["test"] => suite::test(true),
        ["test", "--no-vm"] => suite::test(false),
        ["bench", words @ ..] => bench::run(words),
        ["test", "--long", only @ ..] => names(only).and_then(|only| long::test(&only)),
        ["vrack", "once", flags @ ..] => rig::once(flags),
        ["vrack", "bench"] => rig::bench(),
        ["inmachine"] => cargo::build_inmachine(),
        ["clean"] => rig::clean(),
        ["sweep"] => sweep(),
        ["tied", program, arguments @ ..] => tie::run(program, arguments),
        ["sqlx"] => cargo::refresh_queries(),
        _ => Err(VERBS.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
}

/// The names in `--only NAME --only NAME`.
fn names<'w>(words: &[&'w str]) -> Result<Vec<&'w str>, String> {
    let pairs = words.chunks(2).map(|pair| match pair {
        ["--only", name] => Ok(*name),
        _ => Err(VERBS.to_owned()),
    });
    pairs.collect()
}

/// Clears away what killed tests left, as root where root can be had.
fn sweep() -> Result<(), String> {
    if !sudo::is_root() && sudo::is_possible() {
        let own = std::env::current_exe().map_err(|error| format!("cannot find our own program: {error}"))?;
        return cargo::succeed(sudo::as_root(own, &["TMPDIR"]).arg("sweep"));
    }
    testbed_scratch::sweep()?
        .iter()
        .for_each(|line| println!("{line}"));
    Ok(())
}
