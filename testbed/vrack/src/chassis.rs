//! The chassis function: the one place that starts and stops a machine's QEMU.
//!
//! `ipmi_sim` runs `muster-vrack chassis …` for each BMC command. It is single-threaded and its clients
//! repeat a command after one second, so that program must be back at once: the service answers first and
//! acts afterwards, and serves one request at a time, so that the next question sees the act done.

pub(crate) mod power;
pub(crate) mod protocol;
pub(crate) mod service;

use crate::error::{Result, RigError, failed};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// Longer than any act of the service, which is the death of one QEMU; less than anyone waits for a BMC.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Asks the service; the words are `MACHINE get ITEM…` or `MACHINE set ITEM VALUE…`. Lines of `item:value` come back.
pub(crate) fn ask(socket: &Path, words: &[String]) -> Result<Vec<String>> {
    let mut stream = UnixStream::connect(socket).map_err(failed(format!("reach {}", socket.display())))?;
    stream
        .set_read_timeout(Some(ANSWER_MAX))
        .map_err(failed("set a deadline on the chassis"))?;
    stream
        .write_all(format!("{}\n", words.join(" ")).as_bytes())
        .map_err(failed("ask the chassis"))?;
    stream
        .shutdown(Shutdown::Write)
        .map_err(failed("end the question to the chassis"))?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .map_err(failed("hear the chassis"))?;
    let mut lines = answer.lines().map(str::to_owned);
    match lines.next().as_deref() {
        Some("ok") => Ok(lines.collect()),
        Some(_) | None => Err(RigError::Answer {
            whom: "the chassis".to_owned(),
            found: answer,
        }),
    }
}
