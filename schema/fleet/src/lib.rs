//! The fleet language: TOML and KDL files of a repository in, one resolved model and diagnostics out.
//!
//! `parse` is the whole of it. Both syntaxes become one spanned tree, one decoder reads the tree by
//! the table of kinds, the checks look at the result. No clock, no disk, no network: files are
//! handed in by the shell that has them.

mod check;
mod code;
mod count;
mod decode;
mod diagnostic;
mod fleet;
mod fold;
mod format;
mod kind;
mod kinds;
mod layer;
mod limit;
mod objects;
mod parse;
pub mod render;
mod source;
mod span;
mod suggest;
mod tree;
mod value;

pub use code::Code;
pub use decode::{InOrder, Ref};
pub use diagnostic::{Applicability, Diagnostic, Edit, Fix, Label, Severity};
pub use fleet::Fleet;
pub use format::format;
pub use kind::{Effect, FieldRow, KindRow, Shape, Word};
pub use kinds::{
    deployment::{Deployment, UpdatePolicy},
    disk_fate::DiskFate,
    fabric::{DhcpMode, Enlist, Fabric, Vlan},
    fleet::{FleetSettings, Git, Limits, Unreviewed},
    image::{Arch, Image, ImageFormat, Part, Proof, UserDataMechanism},
    kinds,
    machine::{Bmc, BmcDriver, Boot, BootMode, BootOrder, Consent, Machine, Nic, Power, Protect},
    moved_deployment::MovedDeployment,
    moved_machine::MovedMachine,
    network::{
        Address, AddressMode, Bond, BondHash, BondMode, Bridge, LacpRate, Network, Route, VlanInterface,
    },
    pool::Pool,
    profile::{Profile, Tags},
    rack::Rack,
    release::Release,
    removed_deployment::RemovedDeployment,
    removed_machine::RemovedMachine,
    require::{Require, RequiredDisks},
    secret::{Secret, SecretKeys, SecretStore},
    storage::{
        DiskType, Filesystem, FilesystemType, OnRedeploy, Partition, PartitionType, Pick, Raid, RaidLevel,
        Select, Storage, Volume, VolumeGroup,
    },
    subnet::{Range, RangeUse, Subnet},
    zone::Zone,
};
pub use parse::{Parsed, parse};
pub use source::SourceFile;
pub use span::{Origin, Position, Span, Spanned};
pub use tree::Syntax;
pub use value::{
    BadValue,
    at_least::{LeastNumber, LeastSize},
    boot_timeout::BootTimeout,
    extent::Extent,
    interval::Interval,
    path::{AbsolutePath, RepositoryPath},
    pattern::Pattern,
    size::Size,
    source_url::SourceUrl,
    ssh_key::SshKey,
    template::{Placeholders, Template},
    vlan_ref::VlanRef,
};
