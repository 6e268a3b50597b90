//! The machine behind the BMC.

use std::io;
use std::process::Command;

/// What a BMC can do to its machine. A call that takes long makes the BMC slow, as it does real ones.
pub trait Chassis: Send {
    /// Whether the machine has power.
    ///
    /// # Errors
    /// What kept it from being told; the BMC then answers "unspecified error" (0xFF).
    fn is_on(&mut self) -> io::Result<bool>;

    /// Carries out a chassis control (IPMI 2.0 §28.3): 0 off, 1 on, 2 cycle, 3 reset, 5 soft off.
    ///
    /// # Errors
    /// As with [`Chassis::is_on`].
    fn control(&mut self, action: u8) -> io::Result<()>;

    /// Takes the boot flags' device (IPMI 2.0 table 28-14): 0 none, 1 network, 2 disk.
    ///
    /// # Errors
    /// As with [`Chassis::is_on`].
    fn boot(&mut self, device: u8) -> io::Result<()>;
}

/// A machine that is one value: it obeys at once.
#[derive(Debug, Default)]
pub struct InMemory {
    is_on: bool,
}

impl Chassis for InMemory {
    fn is_on(&mut self) -> io::Result<bool> {
        Ok(self.is_on)
    }

    fn control(&mut self, action: u8) -> io::Result<()> {
        self.is_on = match action {
            0 | 5 => false,
            1 => true,
            // A cycle or a reset leaves a machine that is off alone.
            _ => self.is_on,
        };
        Ok(())
    }

    fn boot(&mut self, _: u8) -> io::Result<()> {
        Ok(())
    }
}

/// A machine behind a program that is called for each act, with the words of `ipmi_sim`'s `chassis_control`:
/// `get power` prints `power:0` or `power:1`, `set power 1`, `set shutdown 1`, `set reset 1`, `set boot pxe` act.
#[derive(Debug)]
pub struct Program {
    program: String,
    arguments: Vec<String>,
}

impl Program {
    /// The program with its first arguments, parted by spaces. `None` without a word.
    pub fn new(words: &str) -> Option<Self> {
        let mut words = words.split_whitespace().map(str::to_owned);
        Some(Self {
            program: words.next()?,
            arguments: words.collect(),
        })
    }

    fn call(&self, words: &[&str]) -> io::Result<String> {
        let output = Command::new(&self.program)
            .args(&self.arguments)
            .args(words)
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("{}: {}", output.status, said.trim())));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Chassis for Program {
    fn is_on(&mut self) -> io::Result<bool> {
        let said = self.call(&["get", "power"])?;
        match said.trim() {
            "power:1" => Ok(true),
            "power:0" => Ok(false),
            other => Err(io::Error::other(format!("it says {other:?} of its power"))),
        }
    }

    fn control(&mut self, action: u8) -> io::Result<()> {
        let acts: &[[&str; 3]] = match action {
            0 => &[["set", "power", "0"]],
            1 => &[["set", "power", "1"]],
            2 => &[["set", "power", "0"], ["set", "power", "1"]],
            3 => &[["set", "reset", "1"]],
            5 => &[["set", "shutdown", "1"]],
            other => return Err(io::Error::other(format!("no such action: {other}"))),
        };
        acts.iter().try_for_each(|words| self.call(words).map(drop))
    }

    fn boot(&mut self, device: u8) -> io::Result<()> {
        let device = match device {
            1 => "pxe",
            2 => "default",
            _ => "none",
        };
        self.call(&["set", "boot", device]).map(drop)
    }
}
