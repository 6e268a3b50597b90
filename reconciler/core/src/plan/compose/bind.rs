//! What a deployment takes of its machine: disks and addresses, which no other binding has.

use super::{Filling, plain};
use crate::condition::Condition;
use crate::intent::Intent;
use crate::observed::{Binding, BindingState};
use crate::plan::deployment::Decided;
use crate::plan::written::written;
use crate::plan::{AsIs, Blocked};
use rack_api::job::Deploy;
use schema_ids::{DiskId, MachineId, Name};
use std::collections::BTreeSet;
use std::net::IpAddr;

impl Filling<'_, '_> {
    /// Records what a deployment takes; a disk that another binding has is not taken.
    pub(in crate::plan) fn bind(
        &mut self,
        id: MachineId,
        name: &Name,
        slot: u32,
        decided: Decided,
        as_is: Option<&AsIs>,
    ) -> Decided {
        let (own, mut disks, addresses) = match &decided.intent {
            Intent::Deployed(deploy) => {
                let disks: BTreeSet<DiskId> = deploy.disks.iter().map(|disk| disk.disk.clone()).collect();
                (deploy.binding, disks, addresses_of(deploy))
            }
            // Which addresses its system has is not known here.
            Intent::AsIs { binding, .. } => (*binding, BTreeSet::new(), BTreeSet::new()),
            Intent::Observe { .. }
            | Intent::Ready { .. }
            | Intent::Orphaned { .. }
            | Intent::Released(_)
            | Intent::Retired => return decided,
        };
        // What it wrote under another layout, or was adopted with, stays its own until a release has erased it.
        disks.extend(written(&self.context, id, own).into_keys());
        disks.extend(as_is.into_iter().flat_map(AsIs::disks).cloned());
        let mut owners = disks.iter().filter_map(|disk| self.owners.get(disk));
        let other = owners.find(|owner| **owner != own);
        if let Some(other) = other.and_then(|owner| self.bindings.get(owner)) {
            let evidence = format!("a disk of it is also in {}[{}]", other.deployment, other.slot);
            // Whoever runs something is not switched off for it.
            let seen = self.context.observed.machines.get(&id);
            let intent = match as_is.is_some() || seen.is_some_and(|seen| seen.serves(own)) {
                true => Intent::Observe {
                    why: evidence.clone(),
                    look: None,
                },
                false => Intent::IDLE,
            };
            return plain(
                intent,
                Some(Blocked {
                    condition: Condition::IdentityAmbiguous,
                    evidence,
                }),
            );
        }
        self.owners.extend(disks.iter().map(|disk| (disk.clone(), own)));
        let binding = Binding {
            deployment: name.clone(),
            slot,
            machine: id,
            disks,
            addresses,
            state: BindingState::Active,
        };
        self.bindings.insert(own, binding);
        decided
    }
}

fn addresses_of(deploy: &Deploy) -> BTreeSet<IpAddr> {
    let interfaces = deploy.network.all();
    interfaces
        .flat_map(|(_, settings)| settings.addresses.iter().map(|address| address.address))
        .collect()
}
