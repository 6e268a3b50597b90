//! Serves the chassis socket, one request at a time, from one thread that lives as long as the run.
//!
//! One thread on purpose: a QEMU is tied to the thread that started it (`child`), and the order of power
//! commands is the order in which they came.

use crate::chassis::power::Machine;
use crate::chassis::protocol::{self, Item, REQUEST_BYTES_MAX, Request, Verb};
use crate::error::{Result, chain, failed};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// A client writes its line at once; one that does not may not hold up the others.
const REQUEST_MAX: Duration = Duration::from_secs(2);

/// Starts serving; the socket exists when this returns. `log` gets a line for each request.
pub(crate) fn start(socket: &Path, machines: Vec<Machine>, log: PathBuf) -> Result<()> {
    let listener = UnixListener::bind(socket).map_err(failed(format!("listen on {}", socket.display())))?;
    let log = File::create(&log).map_err(failed(format!("make {}", log.display())))?;
    let mut service = Service {
        machines,
        log,
        began: Instant::now(),
    };
    thread::spawn(move || {
        for stream in listener.incoming() {
            if let Err(error) = stream
                .map_err(failed("accept"))
                .and_then(|stream| service.serve(stream))
            {
                service.note(&format!("failed: {}", chain(&error)));
            }
        }
    });
    Ok(())
}

struct Service {
    machines: Vec<Machine>,
    log: File,
    began: Instant,
}

impl Service {
    fn serve(&mut self, mut stream: UnixStream) -> Result<()> {
        stream
            .set_read_timeout(Some(REQUEST_MAX))
            .map_err(failed("set a deadline on a request"))?;
        let mut line = String::new();
        let limited = (&mut stream).take(REQUEST_BYTES_MAX);
        BufReader::new(limited)
            .read_line(&mut line)
            .map_err(failed("read a request"))?;
        let found = protocol::parse(&line).and_then(|request| Ok((self.find(&request.machine)?, request)));
        let (at, Request { verb, .. }) = match found {
            Ok(found) => found,
            Err(reason) => {
                self.note(&format!("refused: {reason}"));
                return stream
                    .write_all(format!("error {reason}\n").as_bytes())
                    .map_err(failed("refuse a request"));
            }
        };
        let machine = &mut self.machines[at];
        match verb {
            Verb::Get(items) => {
                let mut answer = "ok\n".to_owned();
                for item in items {
                    answer.push_str(&tell(machine, item)?);
                }
                stream.write_all(answer.as_bytes()).map_err(failed("answer"))
            }
            Verb::Set(order) => {
                stream.write_all(b"ok\n").map_err(failed("answer"))?;
                drop(stream);
                let done = machine.obey(order);
                self.note(&format!(
                    "{}: {}",
                    line.trim_end(),
                    done.as_ref().map_or_else(|e| chain(e), |()| "done".to_owned())
                ));
                Ok(())
            }
        }
    }

    fn find(&self, name: &str) -> std::result::Result<usize, String> {
        self.machines
            .iter()
            .position(|machine| machine.name() == name)
            .ok_or_else(|| format!("no machine {name:?}"))
    }

    fn note(&mut self, text: &str) {
        // The log is for people after a failure; a full disk must not stop the machines.
        let _ = writeln!(self.log, "{:9.3} {text}", self.began.elapsed().as_secs_f64());
    }
}

fn tell(machine: &mut Machine, item: Item) -> Result<String> {
    Ok(match item {
        Item::Power => format!("power:{}\n", u8::from(machine.is_on()?)),
        Item::Boot => format!("boot:{}\n", protocol::boot_word(machine.next())),
        Item::CpuMs => format!("cpu-ms:{}\n", machine.spent().as_millis()),
        Item::Starts => format!("starts:{}\n", machine.starts()),
    })
}
