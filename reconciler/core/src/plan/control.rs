//! What keeps changes from being carried out all at once, beside budgets: the canary, and how much within an hour. And the
//! limits that are in force.

use super::growth::Asks;
use super::limits::Limits;
use rack_api::job::Deploy;
use rack_api::volume::{Device, VolumeGroup};
use schema_fleet::Fleet;
use schema_ids::{Digest, DiskId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What else keeps changes from being carried out all at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// Machines whose data in use may begin to be erased within an hour.
    pub wiped_per_hour: u32,
    /// How a new image or layout is tried on one machine first; absent where it is not.
    pub canary: Option<Canary>,
    /// The limits of its commit, which count for the next one too; plans stored before they were kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Box<Limits>>,
    /// Whether people must agree to what is destroyed.
    #[serde(default, skip_serializing_if = "Asks::is_none")]
    pub asks: Asks,
}

/// How a new image or layout is tried on one machine first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// How long that machine must have run, in seconds.
    pub soak_seconds: u64,
}

impl Canary {
    /// How long the first machine must have run.
    pub fn soak(self) -> Duration {
        Duration::from_secs(self.soak_seconds)
    }
}

/// What holds where git says nothing; plans stored before git could say anything of it have this.
impl Default for Control {
    fn default() -> Self {
        Self {
            wiped_per_hour: 20,
            canary: Some(Canary { soak_seconds: 0 }),
            limits: None,
            asks: Asks::default(),
        }
    }
}

impl Control {
    /// As git says it.
    pub(super) fn of(fleet: &Fleet, asks: Asks) -> Self {
        let settings = &fleet.settings;
        let canary = &settings.canary;
        let soak = canary.soak.as_ref().map_or(0, |soak| soak.0.as_secs());
        Self {
            wiped_per_hour: settings.limits.max_wiped_per_hour,
            canary: canary.enabled.then_some(Canary { soak_seconds: soak }),
            limits: Some(Box::new(Limits::of(fleet))),
            asks,
        }
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a layout is, without the disks and sizes that differ from machine to machine: which partitions, arrays, groups,
/// volumes and filesystems stand on what.
pub(crate) fn layout_digest(deploy: &Deploy) -> Digest {
    let disks: Vec<Vec<_>> = deploy
        .disks
        .iter()
        .map(|disk| disk.partitions.iter().map(|part| (&part.id, part.kind)).collect())
        .collect();
    let arrays: Vec<_> = deploy
        .arrays
        .iter()
        .map(|array| (&array.name, array.level, array.members.len()))
        .collect();
    let volumes =
        |group: &VolumeGroup| -> Vec<_> { group.volumes.iter().map(|volume| volume.name.clone()).collect() };
    let groups: Vec<_> = deploy
        .groups
        .iter()
        .map(|group| (&group.name, group.members.len(), volumes(group)))
        .collect();
    let disk = |id: &DiskId| deploy.disks.iter().position(|disk| disk.disk == *id);
    let device = |device: &Device| match device {
        Device::Partition(place) => {
            format!("partition {:?}/{}", disk(&place.disk), place.partition)
        }
        Device::Array { array } => format!("array {array}"),
        Device::Volume { group, volume } => format!("volume {group}/{volume}"),
    };
    let filesystems: Vec<_> = deploy
        .filesystems
        .iter()
        .map(|filesystem| {
            (
                device(&filesystem.device),
                filesystem.kind,
                &filesystem.mount,
                &filesystem.options,
            )
        })
        .collect();
    super::digest::of_value(&(deploy.firmware, disks, arrays, groups, filesystems))
}
