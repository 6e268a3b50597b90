//! What a deployment asks of the machines that it counts.

use crate::{
    decode::Ref,
    kind::{table, words},
    kinds::{
        image::Arch, machine::Machine, pool::Pool, profile::Tags, rack::Rack, storage::DiskType, zone::Zone,
    },
    span::Spanned,
    value::{
        at_least::{LeastNumber, LeastSize},
        pattern::Pattern,
        size::Size,
        vlan_ref::VlanRef,
    },
};
use schema_ids::{Name, PciId};

table! {
    /// What a machine must be to be given a slot. What git says of it is looked at first, then what its
    /// inspection found; a field that is left out asks for nothing.
    Require {
        /// The pool it belongs to.
        live pool: Option<Ref<Pool>>,
        /// The zone its rack stands in.
        live zone: Option<Ref<Zone>>,
        /// The rack it stands in.
        live rack: Option<Ref<Rack>>,
        /// Tags it has, all of them.
        live tags: Tags,
        /// Tags of which it has at least one.
        live any_tags: Tags,
        /// Tags it does not have.
        live without_tags: Tags,
        /// Its processors' architecture.
        live arch: Option<Spanned<Arch>>,
        /// Physical cores over all sockets.
        live cpu_cores: Option<LeastNumber>,
        /// Hardware threads over all sockets.
        live cpu_threads: Option<LeastNumber>,
        /// Memory. Kernel and firmware keep some for themselves, so what is found may be less by a sixteenth.
        live memory: Option<LeastSize>,
        /// Disks; each line is looked at by itself, so one disk may serve several.
        live disks: Vec<RequiredDisks>,
        /// GPUs; each line is looked at by itself, so one GPU may serve several. What only gives a server its picture is none.
        live gpus: Vec<RequiredGpus>,
        /// Devices on PCI; each line is looked at by itself.
        live pci: Vec<RequiredPci>,
    }
    later {
        /// VLANs that its ports must be on.
        live vlans: Vec<Spanned<VlanRef>>,
    }
}

table! {
    /// GPUs of one sort that a machine must have.
    RequiredGpus {
        /// Who makes them.
        live vendor: Option<GpuVendor>,
        /// Which chip, as `lspci -nn` shows it behind the vendor.
        live device: Option<PciId>,
        /// Its model, as the PCI ID database has it and `lspci` shows it behind the maker: `GA100 [A100 PCIe 80GB]`.
        live model: Option<Pattern>,
        /// Memory of each: what the model's name says, and where it says nothing, more than half of the window through which a
        /// processor sees it, since that is a power of two. A GPU that shows neither is not taken.
        live memory: Option<LeastSize>,
        /// How many there must be.
        live count: LeastNumber = LeastNumber(1),
    }
}

table! {
    /// Devices on PCI that a machine must have, told by their numbers as `lspci -nn` shows them: `[10de:20b5]`. Bridges and
    /// other parts of every board are not looked at.
    RequiredPci {
        /// Who makes the chip.
        live vendor: PciId,
        /// Which chip; without it, any of that vendor.
        live device: Option<PciId>,
        /// How many there must be.
        live count: LeastNumber = LeastNumber(1),
    }
}

words! {
    /// Who makes a GPU.
    GpuVendor {
        /// Advanced Micro Devices.
        Amd = "amd",
        /// Intel.
        Intel = "intel",
        /// NVIDIA.
        Nvidia = "nvidia",
    }
}

table! {
    /// Disks of one sort that a machine must have. Only local ones with an identity count.
    RequiredDisks {
        /// What sort of disk.
        live disk_type("type"): DiskType = DiskType::Any,
        /// No disk smaller than this counts.
        live min_size: Option<Size>,
        /// How many there must be.
        live count: LeastNumber = LeastNumber(1),
    }
}

/// A requirement that a machine does not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// The field of `require` that asks for it.
    pub field: &'static str,
    /// What sort of machine does not meet it, in words.
    pub why: String,
}

impl Require {
    /// The first requirement that a machine does not meet by what git says of it; `zone` is that of its rack.
    /// Whether a machine has what no file says, its inspection shows.
    pub fn unmet_by_git(&self, machine: &Machine, zone: Option<&Name>) -> Option<Unmet> {
        let unmet = |field, why| Some(Unmet { field, why });
        let pool = machine.pool.as_ref().map(|pool| &pool.name);
        let rack = machine.rack.as_ref().map(|rack| &rack.name);
        let asked = [
            ("pool", self.pool.as_ref().map(|pool| &pool.name), pool),
            ("zone", self.zone.as_ref().map(|zone| &zone.name), zone),
            ("rack", self.rack.as_ref().map(|rack| &rack.name), rack),
        ];
        for (field, asked, is) in asked {
            if let Some(asked) = asked.filter(|asked| Some(*asked) != is) {
                return unmet(field, format!("not in {field} {asked}"));
            }
        }
        if let Some(lacking) = self.tags.difference(&machine.tags).next() {
            return unmet("tags", format!("without the tag {lacking}"));
        }
        if !self.any_tags.is_empty() && self.any_tags.is_disjoint(&machine.tags) {
            let tags: Vec<&str> = self.any_tags.iter().map(|tag| tag.as_str()).collect();
            return unmet("any-tags", format!("without any tag of {}", tags.join(", ")));
        }
        let unwanted = self.without_tags.intersection(&machine.tags).next()?;
        unmet("without-tags", format!("with the tag {unwanted}"))
    }
}
