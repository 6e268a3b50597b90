//! The fleet: everything a commit says, decoded and resolved.
//!
//! A plain value. It is what is wanted; what was seen is elsewhere.

use crate::kinds::{
    budget::Budget, deployment::Deployment, device::Device, dns::Dns, fabric::Fabric, fleet::FleetSettings,
    hold::Hold, image::Image, machine::Machine, moved_deployment::MovedDeployment,
    moved_machine::MovedMachine, network::Network, pool::Pool, profile::Profile, rack::Rack,
    removed_deployment::RemovedDeployment, removed_machine::RemovedMachine, role::Role, script::Script,
    secret::Secret, storage::Storage, subnet::Subnet, tag::Tag, zone::Zone,
};
use crate::not_yet::NotYet;
use crate::value::path::RepositoryPath;
use schema_ids::Name;
use std::{collections::BTreeMap, sync::Arc};

/// The maps of objects by name, in the fleet and in its draft.
macro_rules! objects {
    ($($(#[doc = $doc:literal])* $map:ident: $type:ty,)*) => {
        /// Everything a commit says. References between its objects are checked to exist.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Fleet {
            /// The fleet's name.
            pub name: Name,
            /// What holds everywhere.
            pub settings: FleetSettings,
            $($(#[doc = $doc])* pub $map: BTreeMap<Name, $type>,)*
            /// The user-data files that deployments name, by path.
            pub user_data: BTreeMap<RepositoryPath, Vec<u8>>,
            /// What is understood, but not carried out by this version.
            pub not_yet: Vec<NotYet>,
        }

        /// What could be decoded, while it is not yet known whether it makes a fleet.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Draft {
            pub(crate) settings: Option<(Name, FleetSettings)>,
            $(pub(crate) $map: BTreeMap<Name, $type>,)*
            pub(crate) user_data: BTreeMap<RepositoryPath, Vec<u8>>,
            pub(crate) not_yet: Vec<NotYet>,
        }

        impl Draft {
            /// Adds what another file brings; of two objects of one name the first counts.
            pub(crate) fn take(&mut self, other: Self) {
                if self.settings.is_none() {
                    self.settings = other.settings;
                }
                $(for (name, object) in other.$map {
                    self.$map.entry(name).or_insert(object);
                })*
            }

            /// The fleet, if there are settings; whether it is sound is the checks' business.
            pub(crate) fn finish(self) -> Option<Fleet> {
                let (name, settings) = self.settings?;
                Some(Fleet { name, settings, $($map: self.$map,)* user_data: self.user_data, not_yet: self.not_yet })
            }
        }
    };
}

objects! {
    /// Secrets, by where they are kept.
    secrets: Secret,
    /// Zones.
    zones: Zone,
    /// Racks.
    racks: Rack,
    /// Fabrics with their VLANs.
    fabrics: Fabric,
    /// Subnets.
    subnets: Subnet,
    /// Things on the network that are no machines.
    devices: Device,
    /// Records of the domain name system.
    dns: Dns,
    /// Tags that say more than their name.
    tags: Tag,
    /// Who may do what.
    roles: Role,
    /// Programs that run in machines.
    scripts: Script,
    /// What is left alone for now.
    holds: Hold,
    /// How much may be out of service at once.
    budgets: Budget,
    /// Pools.
    pools: Pool,
    /// Profiles as written; machines have them applied.
    profiles: Profile,
    /// Machines, with profile and defaults applied. A cache shares them from revision to revision.
    machines: Arc<Machine>,
    /// Storage layouts.
    storages: Storage,
    /// Network layouts.
    networks: Network,
    /// Images.
    images: Image,
    /// Deployments.
    deployments: Deployment,
    /// Machines removed on purpose.
    removed_machines: RemovedMachine,
    /// Deployments removed on purpose.
    removed_deployments: RemovedDeployment,
    /// Machines with a new name, by the old one.
    moved_machines: MovedMachine,
    /// Deployments with a new name, by the old one.
    moved_deployments: MovedDeployment,
}
