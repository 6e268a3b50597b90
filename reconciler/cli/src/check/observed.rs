//! `muster check --observed`: the disks that inspections found, as `muster --json show NAME` prints them.

use crate::exit::Failure;
use rack_api::inventory::{Disk, DiskKind, Inventory};
use schema_fleet::{DeclaredDisk, DiskType, Observed, Size};
use schema_ids::Name;
use serde::Deserialize;
use std::path::Path;

/// Of what is known of a machine, what is used here.
#[derive(Deserialize)]
struct Detail {
    status: Named,
    inventory: Option<Inventory>,
}

#[derive(Deserialize)]
struct Named {
    name: Name,
}

/// Reads a file of such documents, one behind the other. A machine that was not inspected is left out.
pub(super) fn read(path: &Path) -> Result<Observed, Failure> {
    let bytes = std::fs::read(path).map_err(|source| Failure::File {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    let documents = serde_json::Deserializer::from_slice(&bytes).into_iter::<Detail>();
    let mut observed = Observed::new();
    for document in documents {
        let detail = document.map_err(|error| {
            Failure::Usage(format!(
                "{} does not hold what `muster --json show NAME` prints of machines: {error}",
                path.display()
            ))
        })?;
        if let Some(inventory) = detail.inventory {
            observed.insert(detail.status.name, disks(&inventory));
        }
    }
    Ok(observed)
}

/// Those that a layout may take: local ones with an identity of their own.
fn disks(inventory: &Inventory) -> Vec<DeclaredDisk> {
    let is_alone = |disk: &&Disk| {
        let alike = inventory.disks.iter().filter(|other| other.id == disk.id);
        disk.local && disk.id.is_some() && alike.count() == 1
    };
    let declared = |disk: &Disk| DeclaredDisk {
        sort: match disk.kind {
            DiskKind::Ssd => DiskType::Ssd,
            DiskKind::Nvme => DiskType::Nvme,
            DiskKind::Hdd => DiskType::Hdd,
        },
        size: Size(disk.size_bytes),
        model: Some(disk.model.clone()),
    };
    inventory.disks.iter().filter(is_alone).map(declared).collect()
}
