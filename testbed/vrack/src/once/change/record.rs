//! What machines and their BMCs have on their own record. Nothing here asks muster or its database.

use crate::error::{Result, RigError, failed};
use crate::once::change::fleet::DATA_BAY;
use crate::once::inside::Inside;
use crate::once::life::Life;
use crate::program;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// What a person wrote into the installed system, of which no git speaks.
pub(super) const WRITTEN: &str = "/var/lib/ledger";
/// The same on the disk that is theirs: a filesystem with a file in it, put away again. Then both are on their disks.
const WRITE: &str = "set -eu; sudo mkfs.ext4 -q DISK; sudo mount DISK /mnt; \
    head -c 8M /dev/urandom | sudo tee /mnt/ledger FILE > /dev/null; sudo umount /mnt; sync";
/// A boot of a kernel has an id of its own (random(4)). A system that was installed since has no such file.
const ASK: &str = "cat /proc/sys/kernel/random/boot_id; hostname; sudo sha256sum FILE 2>&1 || true";
/// mkfs and eight megabytes of random bytes on real hardware.
const WRITE_MAX: Duration = Duration::from_secs(30);
/// A small disk's file is read in a moment; a loaded host gets more.
const DIGEST_MAX: Duration = Duration::from_secs(60);

/// A machine of the rack with the way into its system.
pub(super) struct Member<'a> {
    pub(super) life: Life<'a>,
    inside: Inside<'a>,
}

impl<'a> Member<'a> {
    /// A machine that is deployed.
    pub(super) fn of(life: Life<'a>) -> Result<Self> {
        let address = life.programs.address(&life.spec.name)?;
        let scale = life.accelerator.timeout_scale();
        let inside = Inside::at(life.rack, &life.fleet.key, address, scale);
        Ok(Self { life, inside })
    }

    pub(super) fn name(&self) -> &str {
        &self.life.spec.name
    }

    /// What its system says to a script, at the address that it had when it was deployed first.
    pub(super) fn ask(&self, script: &str) -> Result<String> {
        self.inside.ask(script)
    }

    /// Somebody works with it.
    pub(super) fn write(&self) -> Result<()> {
        let disk = format!("/dev/disk/by-id/virtio-{}", self.life.spec.disks[DATA_BAY].serial);
        let script = WRITE.replace("DISK", &disk).replace("FILE", WRITTEN);
        self.inside.ask_within(&script, WRITE_MAX).map(drop)
    }

    /// What its BMC was told so far, a line for each, with the second: switching, and what is booted next.
    pub(super) fn orders(&self) -> Result<Vec<String>> {
        let path = self.life.rack.run.path("chassis.log");
        let log = fs::read_to_string(path).map_err(failed("read the BMCs' log"))?;
        let own = format!(" {} set ", self.name());
        Ok(log
            .lines()
            .filter(|line| line.contains(&own))
            .map(str::to_owned)
            .collect())
    }

    /// The digest of all bytes of the disk that is somebody's.
    pub(super) fn data(&self) -> Result<String> {
        let mut command = Command::new("sha256sum");
        let said = program::run(command.arg(self.life.disk(DATA_BAY)), DIGEST_MAX)?;
        Ok(said.split(' ').next().unwrap_or_default().to_owned())
    }

    /// The id of the boot that its system is in.
    pub(super) fn boot(&self) -> Result<String> {
        let said = self.ask("cat /proc/sys/kernel/random/boot_id")?;
        Ok(said.trim().to_owned())
    }
}

/// What is on record of a machine that runs.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    orders: Vec<String>,
    starts: u64,
    /// The boot that it is in, what it calls itself, and the digest of what a person wrote into its system.
    inside: String,
    data: String,
}

/// What is on record of some of them, to be looked at again.
pub(super) struct Records<'m>(Vec<(&'m Member<'m>, Record)>);

impl<'m> Records<'m> {
    /// Looks now.
    pub(super) fn of(members: impl IntoIterator<Item = &'m Member<'m>>) -> Result<Self> {
        let looked = members
            .into_iter()
            .map(|member| Ok((member, Record::of(member)?)));
        looked.collect::<Result<_>>().map(Self)
    }

    /// No order since, no other boot, no byte of theirs that is another.
    pub(super) fn left_alone(&self, meanwhile: &str) -> Result<()> {
        for (member, before) in &self.0 {
            let now = Record::of(member)?;
            if now != *before {
                let name = member.name();
                let text = format!("{name} was not left alone by {meanwhile}: {before:#?}, now {now:#?}");
                return Err(RigError::Disproved(text));
            }
        }
        let names: Vec<&str> = self.0.iter().map(|(member, _)| member.name()).collect();
        println!(
            "{meanwhile}: no order, the same boot, the same bytes: {}",
            names.join(", ")
        );
        Ok(())
    }
}

impl Record {
    fn of(member: &Member<'_>) -> Result<Self> {
        Ok(Self {
            orders: member.orders()?,
            starts: member.life.starts()?,
            inside: member.ask(&ASK.replace("FILE", WRITTEN))?,
            data: member.data()?,
        })
    }
}
