//! A musterd that hangs, and a person at a terminal: what is shown says how old it is, whoever is in a hurry is told the other way, and
//! Ctrl-C ends what it should.

use crate::bed::Bed;
use crate::muster::{Muster, fleet, is_adopted, seen, text};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// What is waited for comes within ten seconds; more on a loaded host.
const WORD_MAX: Duration = Duration::from_secs(90);

fn signal(bed: &Bed, name: &str) {
    let pid = bed.pid().to_string();
    let status = Command::new("kill").args([name, &pid]).status();
    assert!(status.expect("kill starts").success());
}

/// A program on a terminal of its own, with Ctrl-C as it is where nobody has it ignored.
struct Terminal {
    script: Child,
    screen: ChildStdout,
    shown: Vec<u8>,
}

impl Terminal {
    fn start(muster: &Muster, words: &str) -> Self {
        let (program, socket) = (muster.program.display(), muster.socket.display());
        let run = format!("exec env --default-signal=INT {program} --ascii --socket {socket} {words}");
        let mut script = Command::new("script");
        script.args(["-qfec", &run, "/dev/null"]).env("TERM", "xterm");
        let mut script = script
            .current_dir(&muster.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("script, of bsdutils, starts");
        let screen = script.stdout.take().unwrap();
        Self {
            script,
            screen,
            shown: Vec::new(),
        }
    }

    /// Reads until this is on the screen.
    fn until(&mut self, wanted: &str) {
        let mut some = [0; 4096];
        let until = Instant::now() + WORD_MAX;
        while !text(&self.shown).contains(wanted) {
            assert!(Instant::now() < until, "{wanted:?}: {}", text(&self.shown));
            let read = self.screen.read(&mut some).expect("the terminal");
            assert!(read > 0, "it ended before {wanted:?}: {}", text(&self.shown));
            self.shown.extend(&some[..read]);
        }
    }

    fn types(&mut self, keys: &[u8]) {
        self.script.stdin.as_mut().unwrap().write_all(keys).unwrap();
    }

    /// Its exit code, once it ends.
    fn code(mut self) -> Option<i32> {
        let until = Instant::now() + WORD_MAX;
        while Instant::now() < until {
            if let Some(status) = self.script.try_wait().expect("a child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        drop(self.script.kill());
        drop(self.script.wait());
        panic!("it goes on: {}", text(&self.shown));
    }
}

#[tokio::test]
async fn ctrl_c_at_the_question_and_while_musterd_hangs_ends_it() {
    let (machine, deploy) = fleet();
    let mut bed = Bed::new(&machine);
    let muster = Muster::of(&bed);
    bed.start(&[]);
    let status = bed.until("adopted", |status| is_adopted(status, "first")).await;
    bed.hear(1, seen(&status)).await;
    // What erases waits for a word: the branch is ahead of what is carried out.
    bed.commit(&[("deploy.toml", Some(&deploy))], "deploy");
    let ahead = |status: &reconciler_core::people::Status| {
        status
            .revision
            .as_ref()
            .is_some_and(|revision| revision.stopped.is_some())
    };
    bed.until("waiting for a word", ahead).await;

    let mut asked = Terminal::start(&muster, "apply --wait");
    asked.until("Type yes: ");
    asked.types(b"\x03");
    assert_eq!(asked.code(), Some(130));

    // It asks musterd, which says nothing: nobody stays with anything yet, and Ctrl-C is what it always is.
    let mut hangs = Terminal::start(&muster, "apply --wait");
    hangs.until("Type yes: ");
    signal(&bed, "-STOP");
    hangs.types(b"yes\n");
    hangs.until("yes\r\n");
    hangs.types(b"\x03");
    let code = hangs.code();
    signal(&bed, "-CONT");
    assert_eq!(code, Some(130));
}

#[tokio::test]
async fn what_hangs_is_told_to_and_the_other_way() {
    let (machine, _) = fleet();
    let mut bed = Bed::new(&machine);
    let muster = Muster::of(&bed);
    bed.start(&[]);
    bed.until("adopted", |status| is_adopted(status, "first")).await;
    let mut watch = muster.command(&["status", "--watch"]);
    let mut watch = watch
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("muster starts");
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("node-01"));
    signal(&bed, "-STOP");
    let mut told = BufReader::new(watch.stderr.take().unwrap()).lines();
    let told_at_first = told.next().unwrap().unwrap();
    let begun = Instant::now();
    for words in [
        &["status"][..],
        &["stop", "--scope", "fleet", "--reason", "it burns"],
        &["resume", "--scope", "fleet", "--reason", "it is out"],
    ] {
        let said = muster.command(words).output().expect("muster starts");
        let text = text(&said.stderr);
        assert_eq!(said.status.code(), Some(6), "{words:?}: {text}");
        assert!(text.contains("did not answer within 10 s"), "{text}");
        for other in ["`musterd stop --reason ...`", "`muster-rackd stop --reason ...`"] {
            assert!(text.contains(other), "{words:?}: {text}");
        }
    }
    assert!(begun.elapsed() < WORD_MAX, "{:?}", begun.elapsed());
    signal(&bed, "-CONT");
    assert!(
        told_at_first.starts_with("musterd has not answered since "),
        "{told_at_first}"
    );
    assert!(told_at_first.contains("; this is as of "), "{told_at_first}");
    assert_eq!(told.next().unwrap().unwrap(), "musterd answers again");
    drop(watch.kill());
    drop(watch.wait());
}
