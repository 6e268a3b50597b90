//! Names made of what they name: plans, machines, bindings and everything with a UUID on a disk.

use crate::plan::{GuardReport, Plan, WipeSet, held};
use rack_api::job::{Deploy, Erase};
use schema_ids::{BindingId, ContentId, Digest, Incarnation, MachineId, Name, Timestamp, Uuid};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use std::io;
use std::mem;
use std::net::{IpAddr, Ipv6Addr};

/// A digest over parts, each with its length before it, so that no two lists of parts look alike.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A digest over a value's JSON. Structs print their fields in one order and maps are sorted, so equal
/// values give equal digests.
pub(super) fn of_value(value: &impl Serialize) -> Digest {
    let json =
        serde_json::to_vec(value).expect("our own types have text for keys and no failing serializers");
    Digest(digest(&[&json]))
}

fn short(prefix: char, digest: Digest) -> String {
    format!("{prefix}-{}", &digest.hex()[..12])
}

/// What of a plan belongs to the moment.
struct Moment {
    made: Timestamp,
    held: Option<(usize, GuardReport)>,
    gone: Vec<(MachineId, IpAddr)>,
}

impl Plan {
    /// Everything in it but its id and what belongs to the moment: when it was made, and what was said then of holds. The
    /// BMCs of machines that git no longer names are those of its parent, of which it has the id: their addresses add
    /// nothing, and a snapshot has none.
    #[must_use]
    pub fn without_moment(&self) -> Self {
        let mut bare = self.clone();
        bare.take_moment();
        bare
    }

    fn take_moment(&mut self) -> Moment {
        self.id.clear();
        let held = self.guards.iter().position(|said| said.guard == held::GUARD);
        let gone = self.machines.iter_mut().filter(|(_, machine)| !machine.declared);
        let addresses = gone.filter_map(|(id, machine)| Some((*id, &mut machine.bmc.as_mut()?.address)));
        let nowhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        Moment {
            gone: addresses
                .map(|(id, address)| (id, mem::replace(address, nowhere)))
                .collect(),
            made: mem::replace(&mut self.made, Timestamp::from_unix_ms(0)),
            held: held.map(|at| (at, self.guards.remove(at))),
        }
    }

    fn put_moment(&mut self, moment: Moment) {
        let Moment { made, held, gone } = moment;
        self.made = made;
        if let Some((at, held)) = held {
            self.guards.insert(at, held);
        }
        for (id, address) in gone {
            let machine = self.machines.get_mut(&id);
            if let Some(bmc) = machine.and_then(|machine| machine.bmc.as_mut()) {
                bmc.address = address;
            }
        }
    }
}

/// Gives a plan its id, which is of everything in it but its moment: who plans again in the same world finds the same
/// plan, and whoever was shown it need not look again.
pub(super) fn name(plan: &mut Plan) {
    let moment = plan.take_moment();
    // The text of ten thousand machines is tens of megabytes, and nobody needs it whole.
    let mut hash = io::BufWriter::with_capacity(HASHED_AT_ONCE, Hash(Sha256::new()));
    serde_json::to_writer(&mut hash, &*plan).expect("a plan has text for keys, and a hash takes all bytes");
    plan.put_moment(moment);
    let Hash(hash) = hash.into_inner().expect("a hash takes all bytes");
    plan.id = short('p', Digest(hash.finalize().into()));
}

/// Bytes of a plan's text that are hashed at once: it comes a few characters at a time.
const HASHED_AT_ONCE: usize = 16 << 10;

/// A digest that text is written into.
#[derive(Debug)]
struct Hash(Sha256);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The name of a wipe-set's entries.
pub(super) fn wipe_set(entries: &impl Serialize) -> String {
    short('w', of_value(entries))
}

impl WipeSet {
    /// The set of these entries.
    pub(super) fn of(
        entries: std::collections::BTreeMap<
            MachineId,
            std::collections::BTreeSet<crate::observed::DiskContents>,
        >,
    ) -> Self {
        Self {
            digest: wipe_set(&entries),
            entries,
        }
    }
}

/// A new machine's identity. `round` tells it from machines that had the same claim before.
pub(super) fn machine_id(fleet: Uuid, name: &Name, evidence: &str, round: u64) -> MachineId {
    let parts: [&[u8]; 5] = [
        b"machine",
        &fleet.bytes(),
        name.as_str().as_bytes(),
        evidence.as_bytes(),
        &round.to_be_bytes(),
    ];
    MachineId(Uuid::from_digest(digest(&parts)))
}

/// A new binding's identity.
pub(super) fn binding_id(
    fleet: Uuid,
    deployment: &Name,
    slot: u32,
    machine: MachineId,
    round: u64,
) -> BindingId {
    let parts: [&[u8]; 6] = [
        b"binding",
        &fleet.bytes(),
        deployment.as_str().as_bytes(),
        &slot.to_be_bytes(),
        &machine.0.bytes(),
        &round.to_be_bytes(),
    ];
    BindingId(Uuid::from_digest(digest(&parts)))
}

/// The UUID of something that a binding owns on a disk: a table, a partition, a filesystem.
pub(super) fn owned(binding: BindingId, what: &[&str]) -> Uuid {
    let binding = binding.0.bytes();
    let mut parts: Vec<&[u8]> = vec![b"owned", &binding];
    parts.extend(what.iter().map(|word| word.as_bytes()));
    Uuid::from_digest(digest(&parts))
}

/// The digest of what a release carries out: which disks, how. Not what they hold.
pub(super) fn erase_spec(erase: &Erase) -> Digest {
    let disks: Vec<_> = erase
        .disks
        .iter()
        .map(|disk| (&disk.disk, disk.size_bytes))
        .collect();
    of_value(&("erase", erase.binding, erase.method, disks))
}

/// The digest of what a deployment carries out: without itself, the control plane's life, what is erased
/// on the way, and how many bytes the image is said to have.
pub(super) fn spec(deploy: &Deploy) -> Digest {
    let mut carried_out = deploy.clone();
    carried_out.spec = Digest([0; 32]);
    carried_out.image.unpacked_bytes = 0;
    carried_out.incarnation = Incarnation {
        number: 0,
        uuid: Uuid::from_bytes([0; 16]),
    };
    for disk in &mut carried_out.disks {
        disk.agreed = ContentId::Blank;
    }
    of_value(&carried_out)
}
