//! The firmware's boot order in a script: `firmware disk net | net system disk`, as the job found and left it.

use super::{MAC, Stage};
use rack_api::boot_order::{BootEntry, BootOrderSeen, Starts};
use rack_api::fact::FactBody;
use rack_api::job::PartitionKind;
use reconciler_core::intent::Intent;
use schema_ids::Uuid;

impl Stage {
    /// A job tells the order.
    pub(super) fn firmware(&mut self, words: &str) {
        let (found, left) = words.split_once(" | ").unwrap();
        let list = |words: &str| words.split_whitespace().map(|word| self.entry(word)).collect();
        let order = BootOrderSeen {
            found: list(found),
            left: list(left),
        };
        let job = self.job();
        self.tell(FactBody::BootOrder { job, order });
    }

    fn entry(&self, word: &str) -> BootEntry {
        let starts = match word {
            "net" => Starts::Network {
                mac: MAC.parse().unwrap(),
            },
            "other-net" => Starts::Network {
                mac: "52:54:00:77:00:09".parse().unwrap(),
            },
            "system" => Starts::Partition {
                uuid: self.efi_partition(),
            },
            "other-system" => Starts::Partition {
                uuid: Uuid::from_bytes([9; 16]),
            },
            _ => Starts::Other,
        };
        BootEntry {
            label: word.to_owned(),
            starts,
        }
    }

    fn efi_partition(&self) -> Uuid {
        let Intent::Deployed(deploy) = &self.planning.parent.machines[&self.id].wanted.intent else {
            panic!("the script speaks of a system that nobody wants");
        };
        let mut partitions = deploy.disks.iter().flat_map(|disk| &disk.partitions);
        partitions
            .find(|partition| partition.kind == PartitionKind::Esp)
            .unwrap()
            .uuid
    }
}
