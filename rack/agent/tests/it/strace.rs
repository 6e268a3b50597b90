//! What a process asked of the kernel, as strace(1) wrote it down.

use std::{collections::BTreeMap, process::Command};

/// Written: what can send a packet or write a file, and what makes written things last. Every sync
/// takes half a second, as on a disk that is very busy, so that clients meet in front of it also where
/// they are slow to start; they ask again after two.
///
/// The tracer stands aside (`-D`), so that the traced process is its starter's own child; all text is
/// hexadecimal, so that none of it can be taken for strace's own words.
pub(crate) const OPTIONS: [&str; 7] = [
    "-Dfyxx",
    "--seccomp-bpf",
    "--string-limit=65536",
    "--signal=none",
    "--quiet=attach,personality",
    "--trace=write,writev,pwrite64,pwritev,sendto,sendmsg,sendmmsg,fsync,fdatasync,rename,renameat,renameat2",
    "--inject=fsync,fdatasync:delay_exit=500000",
];

/// One call. Its begin and end are lines of the trace, which the tracer writes in the order in which
/// things happen.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) thread: u32,
    pub(crate) name: String,
    /// What strace shows of the file descriptor: a path, or `socket:[…]`.
    pub(crate) file: String,
    /// The first buffer or path among the arguments.
    pub(crate) bytes: Vec<u8>,
    pub(crate) begun: usize,
    /// Absent for a call that did not succeed, or not before the trace's end.
    pub(crate) done: Option<usize>,
}

/// Fails where nothing can be traced: a test that sees nothing proves nothing.
pub(crate) fn assert_possible() {
    match Command::new("strace")
        .args(["-f", "--trace=none", "true"])
        .output()
    {
        Ok(output) => assert!(
            output.status.success(),
            "strace cannot trace here (is ptrace forbidden?): {}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(error) => panic!("strace cannot be started (package strace): {error}"),
    }
}

/// The calls of a trace, by their begin.
pub(crate) fn read(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: BTreeMap<u32, usize> = BTreeMap::new();
    for (at, line) in trace.lines().enumerate() {
        let (thread, said) = line.split_once(' ').expect("a thread's number begins a line");
        let (thread, said) = (thread.parse().unwrap(), said.trim_start());
        if said.starts_with("+++") {
            continue;
        }
        let call = if said.starts_with("<... ") {
            open.remove(&thread).expect("what is resumed was begun")
        } else {
            let (name, arguments) = said.split_once('(').expect("a call has arguments");
            calls.push(Call {
                thread,
                name: name.to_owned(),
                file: String::from_utf8(hexadecimal(arguments, '<', '>')).unwrap(),
                bytes: hexadecimal(arguments, '"', '"'),
                begun: at,
                done: None,
            });
            calls.len() - 1
        };
        if said.ends_with("<unfinished ...>") {
            open.insert(thread, call);
        } else if said
            .rsplit_once(" = ")
            .is_some_and(|(_, result)| !result.starts_with(['-', '?']))
        {
            calls[call].done = Some(at);
        }
    }
    calls
}

/// The bytes of the first `\x..` text between two marks; none if there is no such text.
fn hexadecimal(text: &str, from: char, to: char) -> Vec<u8> {
    let inner = text
        .split_once(from)
        .and_then(|(_, rest)| rest.split_once(to))
        .map_or("", |(inner, _)| inner);
    inner
        .split("\\x")
        .skip(1)
        .map(|byte| u8::from_str_radix(byte, 16).expect("strace writes two digits"))
        .collect()
}
