//! Files that nobody means well with: the largest there may be, of all that costs the reader most.
//!
//! Each is written, checked by the program in a process of its own, and removed. What it says matters as much as what it
//! costs: a person must see why it is refused.

use crate::measure::{Result, measured_saying};
use nix::sys::resource::{UsageWho, getrusage};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Bytes of a fleet file that is read.
const BYTES_MAX: usize = 4 << 20;

/// An input: what it is, the end of its file's name, what it begins with and what is repeated with a number.
struct Input {
    what: &'static str,
    syntax: &'static str,
    head: fn() -> String,
    piece: fn(usize) -> String,
    pieces: usize,
}

const fn toml(what: &'static str, piece: fn(usize) -> String, pieces: usize) -> Input {
    Input {
        what,
        syntax: "toml",
        head: String::new,
        piece,
        pieces,
    }
}

/// Tags without end.
fn tags() -> String {
    let tags: String = (0..100_000).map(|number| format!("\"t{number}\",")).collect();
    format!("tags=[{tags}]\n")
}

const INPUTS: [Input; 17] = [
    Input {
        head: || "a=[".to_owned(),
        ..toml("`[],[],…`", |_| "[],".to_owned(), usize::MAX)
    },
    toml("`=` on each line", |_| "=\n".to_owned(), usize::MAX),
    Input {
        head: || "a".to_owned(),
        ..toml("a key of 2 million dots", |_| ".a".to_owned(), usize::MAX)
    },
    toml(
        "180,000 comments that allow a warning",
        |_| "# muster: allow M0404 x\n".to_owned(),
        180_000,
    ),
    toml(
        "200,000 machines without anything",
        |number| format!("[machine.m{number}]\n"),
        200_000,
    ),
    Input {
        head: || "[machine]\n".to_owned(),
        ..toml(
            "as many in one table",
            |number| format!("m{number}={{}}\n"),
            178_000,
        )
    },
    toml(
        "20,000 machines without anything",
        |number| format!("[machine.m{number}]\n"),
        20_000,
    ),
    toml(
        "30,000 heads of seven parts",
        |number| format!("[m{number}.a.b.c.d.e]\n"),
        29_000,
    ),
    toml(
        "20,000 machines with one MAC address on three ports each",
        |number| {
            let nic = |port: &str| format!("nic.{port}.mac=\"52:54:00:00:00:01\"\n");
            format!("[machine.m{number}]\n{}", ["a", "b", "c"].map(nic).concat())
        },
        20_000,
    ),
    Input {
        head: || "[machine.m]\n".to_owned(),
        ..toml(
            "a machine with 89,000 ports of one MAC address",
            |number| format!("nic.n{number}.mac=\"52:54:00:00:00:01\"\n"),
            89_000,
        )
    },
    toml(
        "20,000 machines with three references to nothing each",
        |number| {
            format!("[machine.m{number}]\nrack=\"r{number}\"\npool=\"p{number}\"\nprofile=\"f{number}\"\n")
        },
        20_000,
    ),
    Input {
        head: || "[deployment.d]\nmachines=[".to_owned(),
        ..toml(
            "a list of 390,000 machines that are nowhere, never closed",
            |number| format!("\"m{number}\","),
            390_000,
        )
    },
    toml(
        "20,000 renames in one chain",
        |number| format!("[moved.machine.m{number}]\nto=\"m{}\"\n", number + 1),
        20_000,
    ),
    toml(
        "20,000 profiles in one chain",
        |number| format!("[profile.p{number}]\nextends=\"p{}\"\n", number + 1),
        20_000,
    ),
    Input {
        head: || format!("[defaults.machine]\n{}", tags()),
        ..toml(
            "defaults of 100,000 tags for 20,000 machines",
            |number| format!("[machine.m{number}]\n"),
            20_000,
        )
    },
    Input {
        syntax: "kdl",
        ..toml("KDL: 2 million nodes", |_| "a\n".to_owned(), usize::MAX)
    },
    Input {
        syntax: "kdl",
        ..toml(
            "KDL: 20,000 machines without anything",
            |number| format!("machine m{number}\n"),
            20_000,
        )
    },
];

/// Checks each, and prints Markdown.
pub(crate) fn all(muster: &Path) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("muster-hostile-{}", std::process::id()));
    let mut table = String::from("| input | seconds | MiB | what is said |\n|---|---|---|---|\n");
    for input in &INPUTS {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("a").with_extension(input.syntax), input.text())?;
        let program = muster.display().to_string();
        let place = folder.display().to_string();
        let (sample, said) =
            measured_saying(&["refused", "--", &program, "check", "--format", "plain", &place])?;
        fs::remove_dir_all(&folder)?;
        writeln!(
            table,
            "| {} | {:.1} | {:.0} | {said} |",
            input.what,
            sample.ms / 1000.0,
            sample.kib / 1024.0
        )?;
    }
    println!("{table}");
    Ok(())
}

impl Input {
    fn text(&self) -> String {
        let mut text = (self.head)();
        for number in 0..self.pieces {
            let piece = (self.piece)(number);
            if text.len() + piece.len() > BYTES_MAX {
                break;
            }
            text.push_str(&piece);
        }
        text
    }
}

/// Runs a check that must fail, and prints what it took and which code and title of an error it says first.
pub(crate) fn refused(command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().ok_or("which command?")?;
    let start = Instant::now();
    let output = Command::new(program).args(arguments).output()?;
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    if output.status.code() != Some(1) {
        return Err(format!("{program} ended with {}", output.status).into());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = || said.lines().filter_map(|line| line.strip_prefix("error["));
    // A limit says most; that there is no fleet is true of all of them.
    let limit = errors().find(|line| line.starts_with("M0008"));
    let other = errors().find(|line| !line.starts_with("M0106"));
    let first = limit.or(other).unwrap_or("nothing");
    println!("{ms} {}", getrusage(UsageWho::RUSAGE_CHILDREN)?.max_rss());
    println!("{}", first.replace("]:", ":"));
    Ok(())
}
