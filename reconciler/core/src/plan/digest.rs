//! Names made of what they name: plans, machines, bindings and everything with a UUID on a disk.

use crate::intent::Intent;
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
/// plan, and whoever was shown it need not look again. A deployment stands in it by its digest: what a machine shall be takes
/// more text than all else that is said of it.
pub(super) fn name(plan: &mut Plan) {
    let moment = plan.take_moment();
    let mut machines = mem::take(&mut plan.machines);
    let mut text = Text::new();
    text.add(&*plan);
    for (id, machine) in &mut machines {
        let intent = mem::replace(&mut machine.wanted.intent, Intent::Retired);
        let kept = machine.kept.take();
        text.add(&(id, &*machine, kept.as_deref().map(Short::of)));
        match &intent {
            Intent::Deployed(deploy) => text.add(&("deployed", Short::of(deploy))),
            Intent::Observe { .. }
            | Intent::Ready { .. }
            | Intent::AsIs { .. }
            | Intent::Orphaned { .. }
            | Intent::Released(_)
            | Intent::Retired => text.add(&intent),
        }
        machine.wanted.intent = intent;
        machine.kept = kept;
    }
    plan.machines = machines;
    plan.put_moment(moment);
    plan.id = short('p', text.digest());
}

/// Text that is hashed while it is written: that of ten thousand machines is tens of megabytes, and nobody needs it whole.
struct Text(io::BufWriter<Hash>);

impl Text {
    fn new() -> Self {
        Self(io::BufWriter::with_capacity(HASHED_AT_ONCE, Hash(Sha256::new())))
    }

    /// A value's JSON. One that is no number ends where it ends: no two lists of values look alike.
    fn add(&mut self, value: &impl Serialize) {
        serde_json::to_writer(&mut self.0, value)
            .expect("our own types have text for keys, and a hash takes all bytes");
    }

    fn digest(self) -> Digest {
        let Hash(hash) = self.0.into_inner().expect("a hash takes all bytes");
        Digest(hash.finalize().into())
    }
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

/// Gives a deployment the digest of what it carries out: without itself, the control plane's life, what is erased
/// on the way, and how many bytes the image is said to have.
pub(super) fn spec(deploy: &mut Deploy) {
    deploy.spec = NOTHING;
    let now = Circumstances {
        incarnation: Incarnation {
            number: 0,
            uuid: Uuid::from_bytes([0; 16]),
        },
        unpacked_bytes: 0,
        agreed: vec![ContentId::Blank; deploy.disks.len()],
    };
    let circumstances = now.exchange(deploy);
    let spec = of_value(&*deploy);
    circumstances.exchange(deploy);
    deploy.spec = spec;
}

/// No value's digest.
const NOTHING: Digest = Digest([0; 32]);

/// What a deployment says beside what it carries out.
struct Circumstances {
    incarnation: Incarnation,
    unpacked_bytes: u64,
    agreed: Vec<ContentId>,
}

impl Circumstances {
    /// Puts these in, and gives back those that were there.
    fn exchange(mut self, deploy: &mut Deploy) -> Self {
        mem::swap(&mut self.incarnation, &mut deploy.incarnation);
        mem::swap(&mut self.unpacked_bytes, &mut deploy.image.unpacked_bytes);
        for (agreed, disk) in self.agreed.iter_mut().zip(&mut deploy.disks) {
            mem::swap(agreed, &mut disk.agreed);
        }
        self
    }
}

/// A deployment in short: its digest, and what that leaves out.
#[derive(Serialize)]
struct Short<'a> {
    spec: Digest,
    incarnation: Incarnation,
    unpacked_bytes: u64,
    agreed: Vec<&'a ContentId>,
}

impl<'a> Short<'a> {
    fn of(deploy: &'a Deploy) -> Self {
        debug_assert_ne!(
            deploy.spec, NOTHING,
            "whoever resolves a deployment gives it its digest"
        );
        Self {
            spec: deploy.spec,
            incarnation: deploy.incarnation,
            unpacked_bytes: deploy.image.unpacked_bytes,
            agreed: deploy.disks.iter().map(|disk| &disk.agreed).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intent::Wanted;
    use crate::plan::MachinePlan;
    use schema_ids::Generation;
    use serde_json::json;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// A deployment as an adopted plan has it, with the digest that stands in the markers of its disks.
    const DEPLOY: &str = include_str!("../../tests/cases/deploy.json");

    fn deploy() -> Deploy {
        serde_json::from_str(DEPLOY).expect("a deployment")
    }

    #[test]
    fn what_runs_is_known_by_the_digest_that_it_was_installed_with() {
        let mut again = deploy();
        again.spec = NOTHING;
        again.incarnation.number += 1;
        again.image.unpacked_bytes += 1;
        again.disks[0].agreed = ContentId::Foreign("gpt-1".to_owned());
        let besides = again.clone();
        spec(&mut again);
        assert_eq!(again.spec, deploy().spec);
        assert_eq!(
            Deploy {
                spec: NOTHING,
                ..again
            },
            besides,
            "nothing else of it has changed"
        );
    }

    fn named(deploy: Deploy, kept: bool) -> String {
        let mut plan = Plan::empty("lab".parse().expect("a name"));
        let machine: MachinePlan = serde_json::from_value(json!({
            "name": "m1",
            "wanted": { "generation": 1, "intent": { "want": "retired" } },
            "origin": { "file": "fleet.toml", "line": 1 },
            "nics": [],
            "firmware": "uefi",
            "declared": true,
            "outdated": [],
        }))
        .expect("a machine");
        let deploy = Arc::new(deploy);
        let machine = match kept {
            true => MachinePlan {
                kept: Some(deploy),
                ..machine
            },
            false => MachinePlan {
                wanted: Wanted {
                    generation: Generation(1),
                    intent: Intent::Deployed(deploy),
                },
                ..machine
            },
        };
        plan.machines
            .insert(MachineId(Uuid::from_bytes([1; 16])), machine);
        let before = plan.clone();
        name(&mut plan);
        assert_eq!(
            Plan {
                id: String::new(),
                ..plan.clone()
            },
            Plan {
                id: String::new(),
                ..before
            }
        );
        plan.id
    }

    #[test]
    fn a_plan_is_another_once_anything_of_a_deployment_is() {
        let mut others = vec![deploy(); 5];
        others[0].spec = Digest([1; 32]);
        others[1].incarnation.number += 1;
        others[2].image.unpacked_bytes += 1;
        others[3].disks[0].agreed = ContentId::Foreign("gpt-1".to_owned());
        others[4].disks[1].agreed = ContentId::Foreign("gpt-1".to_owned());
        let same = deploy();
        let all = others.into_iter().chain([same]);
        let names: BTreeSet<_> = all
            .flat_map(|deploy| [named(deploy.clone(), true), named(deploy, false)])
            .collect();
        assert_eq!(names.len(), 12);
    }
}
