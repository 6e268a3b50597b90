//! Arrays and volume groups over a layout's partitions, with names that md and LVM take.

use super::{Layout, MIB, Places, Problem, size_text};
use crate::plan::digest::owned;
use rack_api::job::PartitionKind;
use rack_api::volume::{Array, Base, Place, Volume, VolumeGroup};
use schema_fleet::{Extent, Raid, RaidLevel, Spanned, Storage, VolumeGroup as Written};
use schema_ids::Name;
use std::collections::BTreeSet;

/// Where an array's data begins on each member. md needs 1 MiB for itself and its write-intent bitmap; the
/// rest is room to reshape in without a file beside.
const ARRAY_DATA_OFFSET: u64 = 16 * MIB;

/// Left at the end of each member, so that a replacement which is a little smaller still serves.
const ARRAY_END_RESERVED: u64 = MIB;

/// md keeps 32 characters with the home host before it, which is `any:` (`mdp_superblock_1`).
const ARRAY_NAME_CHARS_MAX: usize = 28;

/// LVM's own default; also where data begins on a physical volume, behind 1 MiB of metadata.
const EXTENT_BYTES: u64 = 4 * MIB;

/// The kernel's limit on a device's name is 128 with the end (`DM_NAME_LEN`).
const VOLUME_NAME_CHARS_MAX: usize = 127;

/// What LVM keeps for volumes of its own (lvm(8), "VALID NAMES").
const VOLUME_PREFIXES: [&str; 2] = ["snapshot", "pvmove"];
const VOLUME_PARTS: [&str; 17] = [
    "_cdata", "_cmeta", "_corig", "_cpool", "_cvol", "_imeta", "_iorig", "_mimage", "_mlog", "_pmspare",
    "_rimage", "_rmeta", "_tdata", "_tmeta", "_vdata", "_vorigin", "_wcorig",
];

/// A group is a directory in `/dev`; these are there already.
const GROUP_NAMES_TAKEN: [&str; 16] = [
    "block", "bus", "char", "console", "cpu", "disk", "fd", "input", "mapper", "md", "mqueue", "net", "null",
    "pts", "shm", "tty",
];

/// The arrays, by name.
pub(super) fn arrays(
    problem: &Problem<'_>,
    layout: &Layout,
    places: &Places<'_>,
) -> Result<Vec<Array>, String> {
    let arrays = problem.storage.raid.iter();
    arrays
        .map(|(name, raid)| {
            array(problem, layout, places, name, raid).map_err(|why| format!("raid.{name}: {why}"))
        })
        .collect()
}

fn array(
    problem: &Problem<'_>,
    layout: &Layout,
    places: &Places<'_>,
    name: &Name,
    raid: &Raid,
) -> Result<Array, String> {
    if name.as_str().len() > ARRAY_NAME_CHARS_MAX {
        return Err(format!(
            "md knows names of at most {ARRAY_NAME_CHARS_MAX} characters"
        ));
    }
    let mut members: Vec<Place> = Vec::new();
    for member in &raid.members {
        members.extend_from_slice(linux_places(
            problem.storage,
            layout,
            places,
            &member.value,
            PartitionKind::Raid,
        )?);
    }
    let (level, least) = (raid.level.value.number(), raid.level.value.members_min() as usize);
    if members.len() < least {
        return Err(format!(
            "level {level} needs {least} members, it has {}: {}",
            members.len(),
            places_text(problem.storage, layout, &members)
        ));
    }
    let mut disks = BTreeSet::new();
    let again = members.iter().find(|member| !disks.insert(&member.disk));
    if let Some(again) = again.filter(|_| raid.level.value != RaidLevel::Stripe) {
        let both: Vec<Place> = members
            .iter()
            .filter(|member| member.disk == again.disk)
            .cloned()
            .collect();
        return Err(format!(
            "level {level} is to survive the loss of {}, which holds {} of its members: {}",
            again.disk,
            both.len(),
            places_text(problem.storage, layout, &both)
        ));
    }
    let size = |member: &Place| {
        layout
            .devices()
            .partition(member)
            .map_or(0, |made| made.size_bytes)
    };
    let reserved = ARRAY_DATA_OFFSET + ARRAY_END_RESERVED;
    let smallest = members.iter().min_by_key(|member| size(member));
    if let Some(small) = smallest.filter(|small| size(small) <= reserved) {
        return Err(format!(
            "{} has {}, of which md takes {}",
            place_text(problem.storage, layout, small),
            size_text(size(small)),
            size_text(reserved)
        ));
    }
    Ok(Array {
        name: name.clone(),
        level: u8::try_from(level).expect("a level is 10 at most"),
        uuid: owned(problem.binding, &["array", name.as_str()]),
        data_offset_bytes: ARRAY_DATA_OFFSET,
        member_bytes: smallest.map_or(0, size).saturating_sub(reserved),
        members,
    })
}

/// The volume groups, by name.
pub(super) fn groups(
    problem: &Problem<'_>,
    layout: &Layout,
    places: &Places<'_>,
) -> Result<Vec<VolumeGroup>, String> {
    let groups = problem.storage.lvm.iter();
    groups
        .map(|(name, group)| {
            self::group(problem, layout, places, name, group).map_err(|why| format!("lvm.{name}: {why}"))
        })
        .collect()
}

fn group(
    problem: &Problem<'_>,
    layout: &Layout,
    places: &Places<'_>,
    name: &Name,
    written: &Written,
) -> Result<VolumeGroup, String> {
    if GROUP_NAMES_TAKEN.contains(&name.as_str()) {
        return Err("a group cannot have this name, it is taken in /dev".to_owned());
    }
    let mut members = Vec::new();
    for member in &written.members {
        if layout.arrays.iter().any(|array| array.name == member.value) {
            members.push(Base::Array {
                array: member.value.clone(),
            });
        } else {
            let places = linux_places(problem.storage, layout, places, &member.value, PartitionKind::Lvm)?;
            members.extend(places.iter().cloned().map(Base::Partition));
        }
    }
    let mut volumes = Vec::new();
    for (volume, size) in written.volume.iter() {
        let volume = &volume.value;
        may_be_called(name, volume)?;
        volumes.push(Volume {
            name: volume.clone(),
            size_bytes: match size.size.value {
                Extent::Size(size) => Some(size.0.div_ceil(EXTENT_BYTES).saturating_mul(EXTENT_BYTES)),
                Extent::Rest => None,
            },
        });
    }
    // What takes all that is left is made when the others have theirs.
    volumes.sort_by_key(|volume| volume.size_bytes.is_none());
    let has_rest = volumes.iter().any(|volume| volume.size_bytes.is_none());
    let group = VolumeGroup {
        name: name.clone(),
        members,
        extent_bytes: EXTENT_BYTES,
        volumes,
    };
    let (given, room) = (group.given_bytes(), layout.devices().room_bytes(&group));
    if given > room || (has_rest && given == room) {
        let member = |base: &Base| match base {
            Base::Partition(place) => place_text(problem.storage, layout, place),
            Base::Array { array } => {
                let beneath = layout.devices().beneath(&base.clone().into());
                format!("{array} ({})", places_text(problem.storage, layout, &beneath))
            }
        };
        let members: Vec<String> = group.members.iter().map(member).collect();
        return Err(format!(
            "its volumes need {}{}, {} has {}",
            size_text(given),
            if has_rest { " and more" } else { "" },
            members.join(" + "),
            size_text(room)
        ));
    }
    Ok(group)
}

/// Whether LVM makes a volume of this name in this group.
fn may_be_called(group: &Name, volume: &Name) -> Result<(), String> {
    let text = volume.as_str();
    let kept = VOLUME_PREFIXES.iter().any(|prefix| text.starts_with(prefix))
        || VOLUME_PARTS.iter().any(|part| text.contains(part));
    if kept {
        return Err(format!("LVM keeps names like {volume} for itself"));
    }
    // Between the two stands a hyphen, each of their own is doubled.
    let chars = |name: &Name| name.as_str().len() + name.as_str().matches('-').count();
    if chars(group) + 1 + chars(volume) > VOLUME_NAME_CHARS_MAX {
        return Err(format!("{volume} and the group's name are too long together"));
    }
    Ok(())
}

/// Where a partition lies that is to be a member of something.
fn linux_places<'a>(
    storage: &Storage,
    layout: &Layout,
    places: &'a Places<'_>,
    member: &Name,
    kind: PartitionKind,
) -> Result<&'a [Place], String> {
    let places = places.get(member.as_str()).map_or(&[][..], Vec::as_slice);
    if places.is_empty() {
        return Err(format!("its member {member} is on no disk"));
    }
    let other = |place: &&Place| {
        layout
            .devices()
            .partition(place)
            .is_none_or(|made| made.kind != kind)
    };
    match places.iter().find(other) {
        None => Ok(places),
        Some(other) => Err(format!(
            "{} is no partition of type linux for it alone",
            place_text(storage, layout, other)
        )),
    }
}

/// Whether the root filesystem is on this partition, or on what stands on it.
pub(super) fn is_beneath_root(storage: &Storage, partition: &Name) -> bool {
    let is_in = |members: &[Spanned<Name>], name: &Name| members.iter().any(|member| member.value == *name);
    let in_array = |array: &str| {
        storage
            .raid
            .get(array)
            .is_some_and(|raid| is_in(&raid.members, partition))
    };
    let mut roots = storage.filesystem.iter().filter(|filesystem| {
        let mount = filesystem.mount.as_ref();
        mount.is_some_and(|mount| mount.as_str() == "/")
    });
    roots.any(|root| match root.on.split_once('/') {
        Some((group, _)) => storage.lvm.get(group).is_some_and(|group| {
            is_in(&group.members, partition) || group.members.iter().any(|member| in_array(member.as_str()))
        }),
        None => *root.on.value == *partition.as_str() || in_array(&root.on),
    })
}

fn places_text(storage: &Storage, layout: &Layout, places: &[Place]) -> String {
    let texts: Vec<String> = places
        .iter()
        .map(|place| place_text(storage, layout, place))
        .collect();
    texts.join(", ")
}

/// A partition with its selector and its disk.
fn place_text(storage: &Storage, layout: &Layout, place: &Place) -> String {
    let id = layout
        .devices()
        .partition(place)
        .map_or("", |made| made.id.as_str());
    let mut written = storage.partition.iter();
    let selector = written.find(|written| written.id.as_str() == id);
    let selector = selector.map_or("", |written| written.on.as_str());
    format!("{id} of select.{selector} on {}", place.disk)
}
