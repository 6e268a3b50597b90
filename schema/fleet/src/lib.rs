//! The fleet language: TOML and KDL files of a repository in, one resolved model and diagnostics out.
//!
//! `parse` is the whole of it. Both syntaxes become one spanned tree, one decoder reads the tree by
//! the table of kinds, the checks look at the result. No clock, no disk, no network: files are
//! handed in by the shell that has them.

mod advice;
mod allow;
mod blame;
mod built_in;
mod cache;
mod changed;
mod check;
mod code;
mod count;
mod decode;
mod diagnostic;
mod fingerprint;
mod fit;
mod fix;
mod fleet;
mod fold;
mod format;
mod index;
mod intake;
mod kind;
mod kinds;
mod layer;
mod limit;
mod marker;
mod not_yet;
mod objects;
mod parallel;
mod parse;
mod part;
mod position;
mod read;
pub mod render;
pub mod revise;
pub mod schema;
mod source;
mod span;
mod suggest;
mod tree;
mod value;

pub use blame::{Blame, BlameRow};
pub use built_in::built_in;
pub use cache::Cache;
pub use changed::{Brought, Change, brought};
pub use code::Code;
pub use decode::{InOrder, Ref};
pub use diagnostic::{Applicability, Diagnostic, Edit, Fix, Label, Severity};
pub use fit::{DeclaredDisk, Misfit, fit};
pub use fix::{Fixed, Repair, fix};
pub use fleet::{Draft, Fleet};
pub use format::format;
pub use index::Index;
pub use intake::{EntryKind, Intake, Refused, Step};
pub use kind::{Effect, FieldRow, KindRow, Shape, Word};
pub use kinds::{
    budget::{Budget, Day, Wave, Window},
    deployment::{Adopt, Deployment, ReleaseOrder, Spread, SpreadBy, UpdateOn, UpdatePolicy},
    device::Device,
    disk_fate::DiskFate,
    dns::{Dns, RecordType},
    expect::{Expect, ExpectedDisks},
    fabric::{DhcpMode, Enlist, Fabric, Vlan},
    fleet::{Approvals, Canary, Deletion, FleetSettings, Git, Limits, Unreviewed, Verify},
    hold::{Hold, HoldEffect},
    image::{Arch, Image, ImageFormat, Part, Proof, UserDataMechanism},
    kinds,
    machine::{
        Bmc, BmcDriver, BmcTls, Boot, BootMode, BootOrder, Consent, Machine, Manage, Nic, Power, Protect,
    },
    marker::Marker,
    moved_deployment::MovedDeployment,
    moved_machine::MovedMachine,
    network::{
        Address, AddressMode, Bond, BondHash, BondMode, Bridge, BridgeType, LacpRate, Network, Port, Route,
        VlanInterface,
    },
    pool::Pool,
    profile::{Profile, Tags},
    rack::Rack,
    release::Release,
    removed_deployment::RemovedDeployment,
    removed_machine::RemovedMachine,
    require::{GpuVendor, Require, RequiredDisks, RequiredGpus, RequiredPci, Unmet},
    role::{Permission, Role},
    scope_limits::ScopeLimits,
    script::{Script, ScriptPer, ScriptPhase},
    secret::{Secret, SecretKeys, SecretStore},
    storage::{
        Bcache, Btrfs, BtrfsProfile, CacheMode, Compression, Dataset, DiskBus, DiskType, Filesystem,
        FilesystemType, Luks, OnRedeploy, Partition, PartitionType, Pick, Raid, RaidLevel, Select, Storage,
        Subvolume, Unlock, Vdev, Volume, VolumeGroup, Zpool,
    },
    subnet::{Range, RangeUse, RouterAdvertisement, Subnet, SubnetRoute},
    tag::Tag,
    zone::Zone,
};
pub use layer::Layer;
pub use limit::FILE_BYTES_MAX;
pub use marker::fleet_files;
pub use not_yet::NotYet;
pub use parse::{Observed, Parsed, decoded, parse, parse_observed, parse_taken};
pub use position::At;
pub use source::SourceFile;
pub use span::{Given, Origin, Position, Span, Spanned};
pub use tree::Syntax;
pub use value::{
    BadValue,
    at_least::{LeastNumber, LeastSize},
    boot_timeout::BootTimeout,
    disk_count::DiskCount,
    dns_name::DnsName,
    expression::{Comparison, Condition, Expression, Fact, Operand},
    extent::Extent,
    hardware::{HardwareMatch, HardwareOf},
    hours::Hours,
    interval::Interval,
    path::{AbsolutePath, RepositoryPath},
    pattern::Pattern,
    percent::Percent,
    quarantine::Quarantine,
    replace_failed::ReplaceFailed,
    scalar::Scalar,
    selector::{Place, Selector, SelectorOf},
    share::Share,
    size::Size,
    source_url::SourceUrl,
    ssh_key::SshKey,
    template::{Placeholders, Template},
    time_zone::TimeZone,
    vlan_ref::VlanRef,
};
