//! Scripts: programs of the repository that run in machines.

use crate::{
    kind::{kind, words},
    span::Spanned,
    value::{hardware::HardwareMatch, interval::Interval, path::RepositoryPath, scalar::Scalar},
};
use schema_ids::Name;
use std::collections::BTreeMap;

kind! {
    /// A program of the repository that runs in the ephemeral system of machines.
    "script" in scripts (later): Script {
        /// For people.
        live description: Option<String>,
        /// When it runs.
        live phase: Spanned<ScriptPhase>,
        /// The file; its first line says what runs it.
        live file: Spanned<RepositoryPath>,
        /// The longest it may take.
        live timeout: Interval = Interval::seconds(600),
        /// Whether it writes to disks. Such a one runs where disks are erased anyway, and the plan says so.
        live destructive: bool = false,
        /// How often it runs in a machine.
        live per: ScriptPer = ScriptPer::Machine,
        /// What it is given, as variables of its environment: `minutes` is `MUSTER_ARG_MINUTES`.
        live args: BTreeMap<Name, Scalar>,
        /// Hardware of which a machine must have something: `pci:10de:*`, `system:Dell*`, `disk:SAMSUNG*`.
        live for_hardware: Vec<Spanned<HardwareMatch>>,
    }
}

words! {
    /// When a script runs.
    ScriptPhase {
        /// At each inspection.
        Commissioning = "commissioning",
        /// When a test is asked for.
        Test = "test",
        /// Before the first write of an installation.
        BeforeDeploy = "before-deploy",
        /// After the last write of an installation.
        AfterDeploy = "after-deploy",
        /// When a machine is released.
        Release = "release",
    }
}

words! {
    /// How often a script runs in a machine.
    ScriptPer {
        /// Once.
        Machine = "machine",
        /// Once for each disk.
        Disk = "disk",
        /// Once for each network interface.
        Nic = "nic",
    }
}
