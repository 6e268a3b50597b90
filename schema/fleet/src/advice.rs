//! What to do, by code, where a check knows nothing nearer to say.
//!
//! A message without a word about the way out sends people to a page; each of these is the first line of what that page
//! says.

use crate::{code::Code, diagnostic::Diagnostic};

/// Gives a help to a message that has neither help nor fix.
pub(crate) fn advise(diagnostic: &mut Diagnostic) {
    if diagnostic.help.is_none() && diagnostic.fixes.is_empty() {
        let advice = ADVICE.iter().find(|(code, _)| *code == diagnostic.code);
        diagnostic.help = advice.map(|(_, text)| (*text).to_owned());
    }
}

/// One line each, in the order of the codes.
const ADVICE: &[(Code, &str)] = &[
    (
        Code::M0010,
        "take a newer program, or the schema that this one reads",
    ),
    (
        Code::M0106,
        "keep one; what is deployed belongs to the fleet by its name",
    ),
    (
        Code::M0108,
        "leave out the entry that is not meant; each name is moved once, to a machine that is there",
    ),
    (
        Code::M0203,
        "take an address of the subnet that is neither its first nor its last, or correct `cidr`",
    ),
    (
        Code::M0204,
        "take an address of a subnet on that VLAN, or correct the port's `link`",
    ),
    (
        Code::M0205,
        "both ends lie in the subnet, the first before the last",
    ),
    (Code::M0206, "let one end before the other begins"),
    (
        Code::M0209,
        "correct the VLAN's `dhcp`, or leave the other key out",
    ),
    (
        Code::M0210,
        "give one of them another `vid`; it is the id that the switches have",
    ),
    (
        Code::M0211,
        "raise the VLAN's `mtu`, or leave it out: it is 1500 then",
    ),
    (
        Code::M0215,
        "add it, or leave `dhcp` out and set the address on the device itself",
    ),
    (
        Code::M0216,
        "a router is a neighbour: take its address in this subnet",
    ),
    (Code::M0217, "leave it out, or correct the subnet's `cidr`"),
    (Code::M0218, "one value for each record, as its type wants it"),
    (Code::M0219, "leave the CNAME or the other records out"),
    (Code::M0220, "put the values into one of them"),
    (
        Code::M0222,
        "correct the name, or add the port to the machine:  nic.NAME = { mac = \"...\" }",
    ),
    (Code::M0223, "lower this `mtu`, or raise the one that is less"),
    (Code::M0224, "take it out of one of them"),
    (
        Code::M0225,
        "say it here or on the machine, or take another `mode`",
    ),
    (
        Code::M0228,
        "something must stand on a port of the machine in the end",
    ),
    (Code::M0229, "take another name, of 15 letters at most"),
    (
        Code::M0230,
        "take a router in a network that an address of this interface is in",
    ),
    (
        Code::M0301,
        "one was copied: write the address that is printed on the port, or that `muster machine discovered` shows",
    ),
    (
        Code::M0303,
        "one was copied: write what `muster machine discovered` shows of each",
    ),
    (
        Code::M0304,
        "add it to the machine, its profile or the `defaults` of its file",
    ),
    (Code::M0306, "correct one `position`, or its `height`"),
    (
        Code::M0307,
        "correct `position` or `height`, or the rack's `units`",
    ),
    (
        Code::M0310,
        "correct the rack's or the fabric's `zone`, or the port's `link`",
    ),
    (Code::M0312, "leave it out"),
    (
        Code::M0315,
        "correct `expect.disks`, or leave it out: the sorts say enough",
    ),
    (
        Code::M0401,
        "take smaller sizes, `rest` for one of them, or larger disks",
    ),
    (Code::M0404, "put a partition on it, or leave it out"),
    (Code::M0405, "keep one, or mount the other somewhere else"),
    (Code::M0409, "give one of them a size"),
    (Code::M0410, "give one of them another name"),
    (Code::M0412, "take one of both out"),
    (Code::M0414, "put something else there, or change what it is on"),
    (
        Code::M0416,
        "keep one use, and make another partition or volume for the other",
    ),
    (
        Code::M0418,
        "take partitions on different selectors, or one that is on several disks",
    ),
    (Code::M0420, "leave it out: md chooses 512KiB"),
    (Code::M0424, "take a shorter label, or leave it out"),
    (Code::M0425, "mount it elsewhere: /srv and /var are yours"),
    (
        Code::M0501,
        "add it; `muster image build` prints all that an image needs",
    ),
    (
        Code::M0502,
        "take an image of the architecture that the ephemeral system runs on",
    ),
    (
        Code::M0503,
        "take an image of the machines' architecture, or require another",
    ),
    (
        Code::M0504,
        "take an image of the right format: netboot for jobs, tar.zst to install",
    ),
    (
        Code::M0507,
        "make the root larger, or correct the image's `min-disk`",
    ),
    (Code::M0508, "leave it out"),
    (
        Code::M0510,
        "put it right: nothing of the file would be carried out",
    ),
    (
        Code::M0511,
        "write its path from the root of the repository, or add the file",
    ),
    (
        Code::M0512,
        "leave `user-data` out, or say in the image what reads it:  user-data = \"cloud-init\"",
    ),
    (
        Code::M0515,
        "write its path from the root of the repository, or add the file",
    ),
    (
        Code::M0517,
        "take a script of that phase, or correct the script's `phase`",
    ),
    (Code::M0602, "name it once"),
    (
        Code::M0603,
        "correct the hostname, or what the machine lacks for it",
    ),
    (
        Code::M0605,
        "leave it out, or count machines with `count` instead of naming them",
    ),
    (
        Code::M0606,
        "count at least 1 and at most 10000; a deployment ends by a `removed` entry",
    ),
    (
        Code::M0607,
        "lower the count, raise `max-skew`, or add machines where there are few",
    ),
    (Code::M0608, "take one of both out"),
    (Code::M0609, "name each day once"),
    (
        Code::M0611,
        "give each wave either `machines` or `percent`, more than 0",
    ),
    (
        Code::M0702,
        "write its path from the root of the repository, or add the file",
    ),
    (Code::M0804, "leave the second out"),
    (Code::M0805, "what needs more care wants at least as many people"),
    (
        Code::M0806,
        "name what it allows, and groups or users; or leave the role out",
    ),
];
