//! `cargo xtask fuzz TARGET`: changes what is in the corpus at random, and gives it to `muster`, which must answer in
//! bounded time and memory.
//!
//! Each input is one process with limits, so that a crash, a hang and a gigabyte are all seen from outside. What is told
//! for the first time (a new set of codes) is mutated further; what breaks the program is made small and kept in the
//! corpus, where tests read it again.

use crate::cargo;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// KiB of address space and seconds of processor time that one input may take.
const LIMITS: &str = "ulimit -v 524288 -t 10; exec \"$0\" \"$@\"";

/// Bytes of an input: what needs more is measured, not found.
const INPUT_MAX: usize = 16 << 10;

/// Tries to make a broken input smaller.
const SHRINKS: usize = 200;

const TARGETS: [&str; 5] = ["toml", "kdl", "decoder", "fmt", "tree"];

const TOKENS: [&str; 40] = [
    "\n",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    ",",
    ".",
    "\"",
    "\"\"\"",
    "'''",
    "#",
    "//",
    "/-",
    "/*",
    "*/",
    "\\",
    "(",
    ")",
    "#true",
    "machine ",
    "profile",
    "defaults",
    "extends",
    "storage",
    "moved",
    "removed",
    "muster: allow M0404 ",
    "nic",
    "10.0.0.0/8",
    "52:54:00:00:00:01",
    "99999999999999999999",
    "\u{feff}",
    "é",
    "\r",
    "\n\n",
    "\n40000 d",
    "\n120000 ",
    "\n160000 m",
];

/// Fuzzes a target for some seconds; finds are errors.
pub(crate) fn run(words: &[&str]) -> Result<(), String> {
    let usage = || format!("cargo xtask fuzz {} [--seconds N] [--seed N]", TARGETS.join("|"));
    let [target, rest @ ..] = words else {
        return Err(usage());
    };
    let (mut seconds, mut seed) = (60, None);
    for pair in rest.chunks(2) {
        match pair {
            ["--seconds", number] => seconds = number.parse().map_err(|_| usage())?,
            ["--seed", number] => seed = Some(number.parse().map_err(|_| usage())?),
            _ => return Err(usage()),
        }
    }
    if !TARGETS.contains(target) {
        return Err(usage());
    }
    let program = match *target {
        "tree" => tree_reader()?,
        _ => {
            cargo::succeed(&mut cargo::cargo(&["build", "--bin", "muster"]))?;
            cargo::target().join("debug/muster")
        }
    };
    let crate_of_it = match *target {
        "tree" => "reconciler/git",
        _ => "schema/fleet",
    };
    let seed = seed.unwrap_or_else(|| {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(1, |since| since.as_secs())
    });
    println!("seed {seed}");
    let scratch = std::env::temp_dir().join(format!("muster-fuzz-{}", std::process::id()));
    let fuzzer = Fuzzer {
        target,
        scratch: scratch.clone(),
        program,
        corpus: cargo::root().join(crate_of_it).join("tests/corpus").join(target),
    };
    let found = fuzzer.run(Dice(seed | 1), Duration::from_secs(seconds));
    fs::remove_dir_all(&scratch).map_err(|error| format!("cannot clear {}: {error}", scratch.display()))?;
    match found? {
        0 => Ok(()),
        finds => Err(format!(
            "{finds} inputs break it; the smallest forms are in the corpus"
        )),
    }
}

/// The test that reads trees out of a folder: musterd's own way, and no program's.
fn tree_reader() -> Result<PathBuf, String> {
    let words = [
        "test",
        "-p",
        "reconciler-git",
        "--lib",
        "--no-run",
        "--message-format",
        "json",
    ];
    let output = cargo::cargo(&words).stderr(Stdio::inherit()).output();
    let output = output.map_err(|error| format!("cannot build the reader of trees: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let built = said.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    });
    built.ok_or_else(|| "cargo built no reader of trees".to_owned())
}

struct Fuzzer<'f> {
    target: &'f str,
    /// What answers.
    program: PathBuf,
    scratch: PathBuf,
    corpus: PathBuf,
}

impl Fuzzer<'_> {
    fn run(&self, mut dice: Dice, time: Duration) -> Result<usize, String> {
        let fail = |error| format!("cannot read {}: {error}", self.corpus.display());
        let folder = self.scratch.join("fleet");
        fs::create_dir_all(&folder).map_err(fail)?;
        if self.target == "decoder" {
            let base = cargo::root().join("schema/fleet/tests/cases/base.toml");
            fs::copy(base, folder.join("base.toml")).map_err(fail)?;
        }
        let mut pool = Vec::new();
        let cases = cargo::root().join("schema/fleet/tests/cases/bad");
        let folders: &[&PathBuf] = match self.target {
            "tree" => &[&self.corpus],
            _ => &[&self.corpus, &cases],
        };
        for folder in folders {
            for entry in fs::read_dir(folder).map_err(fail)? {
                pool.push(fs::read(entry.map_err(fail)?.path()).map_err(fail)?);
            }
        }
        let (mut met, mut finds, mut inputs) = (BTreeSet::new(), BTreeSet::new(), 0_usize);
        let began = Instant::now();
        while began.elapsed() < time {
            let input = dice.mutate(&pool);
            inputs += 1;
            let (broken, told) = self.try_one(&input)?;
            if let Some(how) = broken {
                if finds.insert(how.clone()) {
                    let small = self.shrink(input, &mut dice)?;
                    let place = self.corpus.join(format!("found-{:016x}", digest(&small)));
                    println!("{how}: {}", place.display());
                    fs::write(place, small).map_err(fail)?;
                }
            } else if met.insert(told) {
                pool.push(input);
            }
        }
        println!("{inputs} inputs, {} answers, {} finds", met.len(), finds.len());
        Ok(finds.len())
    }

    /// How it breaks, if it does, and the codes that it is answered with.
    fn try_one(&self, input: &[u8]) -> Result<(Option<String>, BTreeSet<String>), String> {
        let folder = self.scratch.join("fleet");
        let name = if self.target == "kdl" { "a.kdl" } else { "a.toml" };
        fs::write(folder.join(name), input).map_err(|error| format!("cannot write the input: {error}"))?;
        let words: &[&str] = match self.target {
            "fmt" => &["fmt", "--diff", "--to", "kdl"],
            "tree" => &["--nocapture", "--exact", "hostile::the_corpus_is_answered"],
            _ => &["check", "--format", "plain"],
        };
        let mut command = limited(&self.program);
        match self.target {
            "tree" => command.args(words).env("MUSTER_TREES", &folder),
            _ => command.args(words).arg(&folder),
        };
        let output = command.output();
        let output = output.map_err(|error| format!("cannot run muster: {error}"))?;
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let codes = said.lines().filter_map(|line| line.split_once("[M")?.1.get(..4));
        let told = codes.map(str::to_owned).collect();
        let panicked = String::from_utf8_lossy(&output.stderr);
        let place = panicked
            .lines()
            .find(|line| line.contains("panicked at"))
            .unwrap_or_default();
        Ok((
            broken(output.status).then(|| format!("{} {place}", output.status)),
            told,
        ))
    }

    /// A smaller input that breaks it too.
    fn shrink(&self, mut input: Vec<u8>, dice: &mut Dice) -> Result<Vec<u8>, String> {
        for _ in 0..SHRINKS {
            let mut less = input.clone();
            let from = dice.below(less.len() + 1);
            let to = less.len().min(from + 1 + dice.below(less.len() / 2 + 1));
            less.drain(from..to);
            if less.len() < input.len() && self.try_one(&less)?.0.is_some() {
                input = less;
            }
        }
        Ok(input)
    }
}

/// 0 and 1 are answers; all else is a panic, a signal or a limit.
fn broken(status: ExitStatus) -> bool {
    !matches!(status.code(), Some(0 | 1))
}

fn limited(program: &Path) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", LIMITS]).arg(program).stdin(Stdio::null());
    command
}

/// A name for an input (FNV-1a).
fn digest(input: &[u8]) -> u64 {
    input.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Numbers from a seed (xorshift64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(0) % sides.max(1)
    }

    /// One of the pool, changed in some places.
    fn mutate(&mut self, pool: &[Vec<u8>]) -> Vec<u8> {
        let mut input = pool[self.below(pool.len())].clone();
        for _ in 0..=self.below(6) {
            let at = self.below(input.len() + 1);
            match self.below(6) {
                0 if at < input.len() => input[at] ^= 1 << self.below(8),
                1 => {
                    let other = &pool[self.below(pool.len())];
                    let from = self.below(other.len() + 1);
                    let to = other.len().min(from + self.below(200));
                    input.splice(at..at, other[from..to].iter().copied());
                }
                2 => {
                    let to = input.len().min(at + self.below(40));
                    input.drain(at..to);
                }
                3 => {
                    let token = TOKENS[self.below(TOKENS.len())].repeat(1 + self.below(300));
                    input.splice(at..at, token.into_bytes());
                }
                _ => {
                    let token = TOKENS[self.below(TOKENS.len())];
                    input.splice(at..at, token.bytes());
                }
            }
        }
        input.truncate(INPUT_MAX);
        input
    }
}
