//! What `mdadm` and `lvm` are told to make arrays and volume groups: mdadm(8), lvm(8). Pure.
//!
//! Each call names its devices. LVM neither sees another device nor leaves its nodes to udev, whose rules for
//! storage are switched off here.

use rack_api::volume::{Array, VolumeGroup};

/// A program and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Which.
    pub program: &'static str,
    /// What.
    pub arguments: Vec<String>,
}

/// No udev, no daemon that watches volumes, no copies of metadata in the ephemeral system's `/etc`.
pub(super) const LVM_CONFIG: &str =
    "activation { udev_sync=0 udev_rules=0 monitoring=0 } backup { backup=0 archive=0 }";

impl CommandLine {
    pub(super) fn new(program: &'static str, arguments: &[&str]) -> Self {
        Self {
            program,
            arguments: arguments.iter().map(|&word| word.to_owned()).collect(),
        }
    }
}

/// Makes an array at a node of the kernel, `/dev/md0`, of these partitions.
///
/// Members are brought in step by md itself, which the installed system goes on with: an array that is
/// only said to be in step reports differences at its first check, and one with parity would lose data.
pub fn array(array: &Array, node: &str, members: &[String]) -> CommandLine {
    let kibibytes = |bytes: u64| format!("{}K", bytes >> 10);
    let mut command = CommandLine::new(
        "mdadm",
        &[
            "--create",
            node,
            // Asks nothing.
            "--run",
            "--quiet",
            "--metadata=1.2",
            // This name is at home on any host, so the array keeps its name wherever it is assembled.
            "--homehost=any",
        ],
    );
    command.arguments.extend([
        format!("--name={}", array.name),
        format!("--uuid={}", md_uuid(array)),
        format!("--level={}", array.level),
        format!("--raid-devices={}", array.members.len()),
        format!("--data-offset={}", kibibytes(array.data_offset_bytes)),
    ]);
    if array.level == 0 {
        // A stripe takes all of each member, and has nothing to bring in step.
    } else {
        command.arguments.extend([
            format!("--size={}", kibibytes(array.member_bytes)),
            "--bitmap=internal".to_owned(),
        ]);
    }
    command.arguments.extend_from_slice(members);
    command
}

/// Makes a volume group of these devices, and its volumes.
pub fn group(group: &VolumeGroup, members: &[String]) -> Vec<CommandLine> {
    let devices = members.join(",");
    let lvm = |verb: &str, arguments: &[&str]| {
        let common = [
            verb,
            "--config",
            LVM_CONFIG,
            "--devices",
            &devices,
            "--quiet",
            "--yes",
        ];
        CommandLine::new("lvm", &[&common, arguments].concat())
    };
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let unit = format!("{}b", group.extent_bytes);
    let name = group.name.as_str();
    let mut commands = vec![
        lvm(
            "pvcreate",
            &[&["-ff", "--dataalignment", &unit], members.as_slice()].concat(),
        ),
        lvm(
            "vgcreate",
            &[&["--physicalextentsize", &unit, name], members.as_slice()].concat(),
        ),
    ];
    for volume in &group.volumes {
        let size = volume.size_bytes.map(|size| format!("{size}b"));
        let size = match &size {
            Some(size) => ["--size", size],
            None => ["--extents", "100%FREE"],
        };
        // What lay there before is cleared when the volume's node is known.
        let bare = [
            "--wipesignatures",
            "n",
            "--zero",
            "n",
            "--name",
            volume.name.as_str(),
        ];
        commands.push(lvm("lvcreate", &[&bare[..], &size, &[name]].concat()));
    }
    commands
}

/// The name that device-mapper gives a volume: hyphens of either part are doubled (lvm(8)).
pub fn mapper_name(group: &str, volume: &str) -> String {
    format!("{}-{}", group.replace('-', "--"), volume.replace('-', "--"))
}

/// A UUID as md writes it: four words of 8 digits.
pub(crate) fn md_uuid(array: &Array) -> String {
    let digits = array.uuid.to_string().replace('-', "");
    [&digits[..8], &digits[8..16], &digits[16..24], &digits[24..]].join(":")
}
