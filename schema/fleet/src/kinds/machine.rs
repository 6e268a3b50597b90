//! Machines: what a person knows of the hardware, and what is allowed to happen to it.
//!
//! The fields are read after profile and file defaults were laid beneath them, so this is what holds.

use crate::{
    decode::Ref,
    kind::{kind, table, words},
    kinds::{
        expect::Expect,
        pool::Pool,
        profile::{Profile, Tags},
        rack::Rack,
        script::Script,
        secret::Secret,
    },
    span::Spanned,
    value::{boot_timeout::BootTimeout, vlan_ref::VlanRef},
};
use schema_ids::{ContentId, DiskId, Mac, MarkOwner, Name, Uuid};
use std::{collections::BTreeMap, net::IpAddr};

kind! {
    /// One physical machine, with its profile and its file's defaults already applied.
    "machine" in machines: Machine {
        /// For people.
        live description: Option<String>,
        /// The maker's serial number, as the firmware says it (SMBIOS type 1).
        live serial: Option<Spanned<String>>,
        /// The system UUID, as the firmware says it (SMBIOS type 1).
        live uuid: Option<Spanned<Uuid>>,
        /// The lowest rack unit it fills, from 1.
        live position: Option<Spanned<u8>>,
        /// What it has in common with others.
        live profile: Option<Ref<Profile>>,
        /// Where it stands.
        live rack: Option<Ref<Rack>>,
        /// The pool it belongs to.
        live pool: Option<Ref<Pool>>,
        /// Tags, with those of its profile.
        live tags: Tags,
        /// Tags of its profile that it does not have; already taken away here.
        live tags_remove: Tags,
        /// Its management controller.
        live bmc: Option<Bmc>,
        /// Its network interfaces by the names that layouts use.
        live nic: BTreeMap<Name, Nic>,
        /// How it boots.
        live boot: Boot,
        /// What may not be done to it. The last value that was in force counts.
        live protect: Option<Protect>,
        /// Whether it is wanted on when nothing else decides.
        live power: Option<Power>,
        /// How much is done with it.
        live manage: Manage = Manage::Full,
        /// Whether its inspections leave a mark of ownership in its firmware (an EFI variable), so that no other control plane
        /// takes it for its own. Where this is not said any more, the next inspection takes the mark away.
        live mark: bool = false,
        /// The control plane that it is taken over from, by the id in the mark which that left: the next inspection replaces
        /// it. With `mark = true`.
        live taken_from: Option<Spanned<MarkOwner>>,
        /// Raise it to have an idle machine inspected again, after its hardware changed. What runs is left alone. A machine
        /// that is only observed, or adopted, is inspected when it next boots from the network: muster does not restart it
        /// for that.
        live inspect: u64 = 0,
        /// Contents of disks that a person agrees to erase.
        wipe consent: Vec<Consent>,
        /// How many rack units it fills, upwards from `position`; 1 if it is not given.
        live height: Option<Spanned<u8>>,
        /// What its inspection must find. A machine that is less is not deployed.
        live expect: Option<Expect>,
        /// Why it is kept for somebody: while this is given, no deployment that counts takes it.
        live reserve: Option<String>,
    }
    later {
        /// Why nothing disruptive may be done to it now, while somebody works on it.
        live maintenance: Option<String>,
        /// Scripts that its inspection runs beside its own tests, in this order.
        live commissioning: Vec<Ref<Script>>,
    }
}

words! {
    /// How a BMC's certificate is verified.
    BmcTls {
        /// The first one that is seen is remembered, and no other is taken.
        PinOnFirstUse = "pin-on-first-use",
        /// By the authorities that the rack agent's host trusts.
        System = "system",
        /// Not at all.
        Insecure = "insecure",
    }
}

table! {
    /// A machine's management controller.
    Bmc {
        /// How it is spoken to.
        live driver: BmcDriver,
        /// Its address.
        live address: Option<Spanned<IpAddr>>,
        /// Its port, where it is not the driver's own (623 for IPMI, 443 for Redfish).
        live port: Option<u16>,
        /// User name and password.
        live secret: Option<Ref<Secret>>,
    }
    later {
        /// How the BMC's certificate is verified; for Redfish.
        live tls: Option<BmcTls>,
    }
}

words! {
    /// How a BMC is spoken to.
    BmcDriver {
        /// IPMI 2.0 over RMCP+.
        Ipmi = "ipmi",
        /// Not at all: a person presses the button and is told when.
        Manual = "manual",
    }
    later {
        /// Redfish (DSP0266).
        Redfish = "redfish",
    }
}

table! {
    /// A network interface.
    Nic {
        /// Its MAC address.
        live mac: Spanned<Mac>,
        /// The VLAN its port carries untagged; the machine may boot from it.
        live link: Option<Spanned<VlanRef>>,
        /// Its address, fixed by a person; otherwise the planner chooses one.
        live address: Option<Spanned<IpAddr>>,
    }
}

table! {
    /// How a machine boots.
    Boot {
        /// Its firmware.
        live mode: BootMode = BootMode::Uefi,
        /// What it tries first.
        live order: BootOrder = BootOrder::NetworkFirst,
        /// The longest time without news from power-on to its first packet, and from there to the first
        /// word of the agent within it; an installed system gets twice as long to phone home.
        live timeout: BootTimeout = BootTimeout::DEFAULT,
        /// Whether its firmware starts signed loaders only. It then boots its jobs by PXE through shim and GRUB.
        live secure_boot: bool = false,
    }
}

words! {
    /// How a machine's firmware boots.
    BootMode {
        /// PC BIOS, or UEFI's emulation of it.
        Bios = "bios",
        /// UEFI.
        Uefi = "uefi",
    }
}

words! {
    /// What a machine tries first.
    BootOrder {
        /// The network, so that we decide at each boot.
        NetworkFirst = "network-first",
        /// The disk; jobs then need a one-shot order to the BMC.
        DiskFirst = "disk-first",
    }
}

words! {
    /// What may not be done to a machine.
    Protect {
        /// It may not be released from its deployment.
        Release = "release",
        /// It may be neither released nor erased.
        Wipe = "wipe",
    }
}

words! {
    /// How much is done with a machine.
    Manage {
        /// All that git says of it: it is inspected, switched, installed.
        Full = "full",
        /// It is served (DHCP, DNS, its own disk at boot) and its power is read. It is never switched, and gets no job but an
        /// inspection that `inspect` asks for.
        Observe = "observe",
    }
}

words! {
    /// Whether a machine is wanted on.
    Power {
        /// On.
        On = "on",
        /// Off.
        Off = "off",
    }
}

table! {
    /// A person agrees that a disk loses what is on it now, and nothing else.
    Consent {
        /// The disk.
        wipe disk: Spanned<DiskId>,
        /// What is on it, as a plan names it.
        wipe contents: ContentId,
    }
}
