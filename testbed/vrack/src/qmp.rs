//! The few words of QEMU's machine protocol (QMP) that the rig speaks.
//!
//! One connection per command: QEMU serves one at a time, and none is to be held.

use crate::error::{Result, RigError, failed};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// QEMU answers between two blocks of guest code; a loaded host gets this long.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// Answers and events read before giving up on one command.
const LINES_MAX: usize = 100;

/// Ends QEMU after it has finished its writes.
pub(crate) fn quit(socket: &Path) -> Result<()> {
    execute(socket, &json!({ "execute": "quit" })).map(drop)
}

/// Presses the power button (ACPI); the guest decides what that means.
pub(crate) fn press_power_button(socket: &Path) -> Result<()> {
    execute(socket, &json!({ "execute": "system_powerdown" })).map(drop)
}

/// Changes a device's place in the boot order; counts from the next reset on.
pub(crate) fn set_boot_index(socket: &Path, device: &str, index: usize) -> Result<()> {
    let arguments =
        json!({ "path": format!("/machine/peripheral/{device}"), "property": "bootindex", "value": index });
    execute(socket, &json!({ "execute": "qom-set", "arguments": arguments })).map(drop)
}

/// Plugs the cable of a network card in or pulls it out; the guest sees its carrier come and go.
pub(crate) fn set_link(socket: &Path, nic: &str, is_up: bool) -> Result<()> {
    let arguments = json!({ "name": nic, "up": is_up });
    execute(socket, &json!({ "execute": "set_link", "arguments": arguments })).map(drop)
}

/// Writes every frame that passes a network card from now on, in both directions, to a file (pcap). It ends
/// with QEMU.
pub(crate) fn dump(socket: &Path, at: usize, file: &Path) -> Result<()> {
    let arguments = json!({
        "qom-type": "filter-dump",
        "id": format!("dump{at}"),
        "netdev": format!("net{at}"),
        "file": file,
    });
    execute(
        socket,
        &json!({ "execute": "object-add", "arguments": arguments }),
    )
    .map(drop)
}

fn execute(socket: &Path, command: &Value) -> Result<Value> {
    let unreadable = |found: String| RigError::Answer {
        whom: format!("QEMU at {}", socket.display()),
        found,
    };
    let mut stream = UnixStream::connect(socket).map_err(failed(format!("reach {}", socket.display())))?;
    stream
        .set_read_timeout(Some(ANSWER_MAX))
        .map_err(failed("set a deadline on QMP"))?;
    stream
        .set_write_timeout(Some(ANSWER_MAX))
        .map_err(failed("set a deadline on QMP"))?;
    let reader = BufReader::new(stream.try_clone().map_err(failed("share the QMP socket"))?);
    let mut lines = reader.lines().take(LINES_MAX);
    // The greeting, then two commands, each with its answer; events may come between.
    let mut answer = Value::Null;
    for command in [&json!({ "execute": "qmp_capabilities" }), command] {
        writeln!(stream, "{command}").map_err(failed("write to QMP"))?;
        answer = loop {
            let line = lines.next().ok_or_else(|| unreadable("no answer".to_owned()))?;
            let line = line.map_err(failed("read from QMP"))?;
            let value: Value = serde_json::from_str(&line).map_err(|_| unreadable(line.clone()))?;
            if let Some(answer) = value.get("return") {
                break answer.clone();
            }
            if let Some(error) = value.get("error") {
                return Err(unreadable(error.to_string()));
            }
        };
    }
    Ok(answer)
}
