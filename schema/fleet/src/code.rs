//! The codes of diagnostics: stable, each with its page in `docs/diagnostics/`.

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $code:ident,)*) => {
        /// What a diagnostic is about. A code never changes its meaning and is never used again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])* $code,)* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$code,)*];

            /// The code as printed: `M0101`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$code => stringify!($code),)* }
            }

            /// Its page: what it means, an example, what to do. Markdown.
            pub fn page(self) -> &'static str {
                match self {
                    $(Self::$code => include_str!(concat!(
                        "../../../docs/diagnostics/", stringify!($code), ".md"
                    )),)*
                }
            }
        }
    };
}

codes! {
    /// The file is not TOML or not KDL.
    M0001,
    /// Unknown key or kind.
    M0002,
    /// A value of the wrong type.
    M0003,
    /// A size or duration that cannot be read.
    M0004,
    /// A key that must be there is missing.
    M0005,
    /// KDL v1 where v2 is wanted.
    M0006,
    /// Part of the language, but not carried out by this version.
    M0007,
    /// A limit of the reader is exceeded.
    M0008,
    /// A value that cannot be read as what it should be.
    M0009,
    /// A schema version that this program does not know.
    M0010,
    /// A warning is allowed where there is none.
    M0011,
    /// A comment that allows a warning and cannot be read.
    M0012,
    /// The root marker in another file.
    M0013,
    /// A pattern of the root marker that covers no file.
    M0014,
    /// A link, a submodule or a device where a file is wanted.
    M0015,
    /// Two paths that are one on other systems.
    M0016,
    /// A name that is none on other systems.
    M0017,
    /// A file that looks like one of a fleet and is not read.
    M0018,
    /// Something that has no form in the other syntax.
    M0020,
    /// A reference to nothing.
    M0101,
    /// One object in two places.
    M0103,
    /// Machines that vanished without a word. Told of a change.
    M0104,
    /// Profiles that extend each other in a circle or too deeply.
    M0105,
    /// Not exactly one `fleet` object.
    M0106,
    /// An object that is declared and removed or moved at once.
    M0107,
    /// Renames that lead nowhere sensible: in a circle, or two to one name.
    M0108,
    /// A tag that nobody has.
    M0109,
    /// A tag that looks like a slip of a declared one.
    M0110,
    /// Two subnets overlap.
    M0201,
    /// A network with host bits.
    M0202,
    /// A gateway outside its subnet.
    M0203,
    /// An address that is in no subnet of its link.
    M0204,
    /// A range outside its subnet, or one that ends before it begins.
    M0205,
    /// Two ranges of a subnet overlap.
    M0206,
    /// A dynamic range covers a static address.
    M0207,
    /// Two interfaces have one address.
    M0208,
    /// DHCP on a VLAN that has nothing to give.
    M0209,
    /// Two VLANs of a fabric have one id.
    M0210,
    /// Frames too small for what is spoken on a VLAN.
    M0211,
    /// A device that lacks what DHCP needs of it.
    M0215,
    /// A router that is not in its subnet.
    M0216,
    /// An advertisement that cannot be.
    M0217,
    /// A record that says what its type cannot say.
    M0218,
    /// A name that stands for another and has records of its own.
    M0219,
    /// Records of one name and type in two objects.
    M0220,
    /// A bond with fewer than two members.
    M0221,
    /// A network layout names an interface that is not there.
    M0222,
    /// Frames larger than what carries them.
    M0223,
    /// An interface in two others.
    M0224,
    /// An address of a network layout that lacks what its mode needs.
    M0225,
    /// An installed system that cannot reach the rack agents.
    M0226,
    /// A parameter that does not go with the mode of its bond.
    M0227,
    /// Interfaces made of each other in a circle.
    M0228,
    /// A name that no interface can have, or two have.
    M0229,
    /// A router that no address reaches.
    M0230,
    /// A VLAN interface that cannot be, or carries nothing.
    M0231,
    /// An address or a route on a part of a bond or bridge.
    M0232,
    /// An address of a network that its interface is not on.
    M0233,
    /// More addresses to be chosen than a subnet has.
    M0234,
    /// An address or a route that a network layout gives twice.
    M0235,
    /// Two interfaces have one MAC address.
    M0301,
    /// Two machines have one BMC.
    M0302,
    /// Two machines have one serial number or UUID.
    M0303,
    /// A BMC that lacks what its driver needs.
    M0304,
    /// A BMC's address lies in a dynamic range.
    M0305,
    /// Two machines stand in one place.
    M0306,
    /// Something outside of its rack.
    M0307,
    /// A machine that cannot be recognised.
    M0308,
    /// A machine to be installed that cannot boot from the network.
    M0309,
    /// A port on a network of another zone.
    M0310,
    /// Secure Boot without UEFI.
    M0311,
    /// TLS for a BMC that does not speak it.
    M0312,
    /// A rack without agents for its BMCs.
    M0313,
    /// A serial number that is none.
    M0314,
    /// Fewer disks expected than are named.
    M0315,
    /// A machine in no rack, whose BMC nobody speaks to.
    M0316,
    /// Parts of a layout that are larger than what holds them.
    M0401,
    /// A layout that does not fit the declared disks of its machines.
    M0402,
    /// A name in a storage layout that names nothing in it.
    M0403,
    /// A selector that nothing uses.
    M0404,
    /// One mount point twice.
    M0405,
    /// UEFI boot without an EFI system partition.
    M0406,
    /// BIOS boot without a BIOS boot partition.
    M0407,
    /// No root filesystem.
    M0408,
    /// `rest` twice in one container.
    M0409,
    /// One id twice in a storage layout.
    M0410,
    /// A RAID level with too few members.
    M0411,
    /// A selector that contradicts itself.
    M0412,
    /// A selector for which an earlier one leaves nothing.
    M0413,
    /// A filesystem, partition and mount point that do not fit each other.
    M0414,
    /// A kept disk beneath what is written anew.
    M0415,
    /// One partition used for two things.
    M0416,
    /// Something in a layout that stands on itself.
    M0417,
    /// Members of one array on one disk.
    M0418,
    /// Something in a layout that is made and holds nothing.
    M0419,
    /// A chunk of an array that is none.
    M0420,
    /// A mount option that is not one option.
    M0423,
    /// A label that its filesystem cannot keep.
    M0424,
    /// A mount point that the running system uses itself.
    M0425,
    /// An EFI system partition that is small.
    M0426,
    /// Kept disks that are to be cut otherwise. Told of a change.
    M0427,
    /// An image that lacks what its format needs.
    M0501,
    /// An image of another architecture than the system that jobs run in.
    M0502,
    /// An image of another architecture than the machines.
    M0503,
    /// An image of the wrong format for its use.
    M0504,
    /// An image of a family that this version does not know.
    M0505,
    /// A root filesystem from which no system runs.
    M0506,
    /// An image that is larger than its root.
    M0507,
    /// A kernel argument that cannot be given.
    M0508,
    /// User-data that its reader cannot read.
    M0510,
    /// A user-data file that is not there.
    M0511,
    /// User-data for an image that takes none.
    M0512,
    /// A key of user-data that its reader does not know.
    M0513,
    /// User-data of no sort that its reader knows.
    M0514,
    /// A script's file that is not there.
    M0515,
    /// A script of which nothing says what runs it.
    M0516,
    /// A script in the wrong phase.
    M0517,
    /// Fewer machines in git than a deployment counts.
    M0601,
    /// One machine deployed twice.
    M0602,
    /// A hostname that is not one, or that two machines would share.
    M0603,
    /// A deployment that shrinks and does not say who goes. Told of a change.
    M0604,
    /// A deployment that names machines and counts them at once.
    M0605,
    /// A count that is nothing, or more than can be.
    M0606,
    /// A spread that cannot be.
    M0607,
    /// Requirements that no machine can meet.
    M0608,
    /// A budget that can never be met.
    M0609,
    /// A budget that is not about the deployment which names it.
    M0610,
    /// A wave that is counted twice or not at all.
    M0611,
    /// An adoption that cannot be.
    M0612,
    /// A machine that is only observed and shall be deployed.
    M0613,
    /// A machine that is taken over, and not marked.
    M0614,
    /// A secret's file is not there.
    M0702,
    /// A secret's file without one of its keys.
    M0703,
    /// A secret in clear.
    M0705,
    /// A selector that selects nothing.
    M0801,
    /// Something protected that is taken away. Told of a change.
    M0802,
    /// Something allowed twice.
    M0804,
    /// Approvals that make no sense.
    M0805,
    /// A role that is nobody's or allows nothing.
    M0806,
    /// Signatures that nobody could make.
    M0807,
    /// A commit without a signature. Said by musterd of a revision, not of its files.
    M0820,
    /// A commit with a signature that does not count. Said by musterd of a revision, not of its files.
    M0821,
    /// A branch that was rewritten. Said by musterd of a revision, not of its files.
    M0822,
    /// A list of signers that cannot be used. Said by musterd of a revision, not of its files.
    M0823,
    /// A plan of the past. Said by musterd.
    M0901,
}

impl Code {
    /// The code of this text.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
