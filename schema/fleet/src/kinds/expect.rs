//! What a person says that a machine has, for its inspection to be compared with.

use crate::{
    kind::table,
    kinds::storage::DiskType,
    span::Spanned,
    value::{disk_count::DiskCount, size::Size},
};

table! {
    /// What a machine's inspection must find. Storage layouts are solved against the disks that are said here
    /// before the machine has been seen.
    Expect {
        /// Physical cores over all sockets, at least.
        live cpu_cores: Option<Spanned<u32>>,
        /// Memory, at least. Kernel and firmware keep some for themselves, so what is found may be less by a sixteenth.
        live memory: Option<Spanned<Size>>,
        /// Local disks, at least.
        live disks: Option<Spanned<u32>>,
        /// Disks of each sort.
        live disk: Vec<ExpectedDisks>,
    }
}

table! {
    /// Disks of one sort that a machine has.
    ExpectedDisks {
        /// What sort of disk.
        live disk_type("type"): DiskType,
        /// How large each is, as sold; what is found may differ by a hundredth.
        live size: Spanned<Size>,
        /// The maker's model name.
        live model: Option<String>,
        /// How many.
        live count: DiskCount = DiskCount(1),
    }
}
