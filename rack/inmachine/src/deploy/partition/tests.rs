//! A loop device that had another life: what the kernel still knows of it must go, whatever its numbers and places.
//! Needs root. The tools and the kernel are the real ones; only the disk's name and identity are a tree of files.

use super::*;
use crate::deploy::owned_disk::claim;
use crate::sysfs::Sysfs;
use rack_api::job::{Deploy, JobRef};
use schema_ids::{Generation, MachineId, Uuid};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use testbed_scratch::Scratch;

const DISK_BYTES: u64 = 16 << 20;

/// What was on it: more partitions than the plan has, and one of them over two of the plan's.
const BEFORE: &str = "label: gpt\nunit: sectors\n\n\
    start=2048, size=2048\nstart=4096, size=1024\nstart=5120, size=8192\nstart=14336, size=2048\nstart=16384, size=2048\n";
const PARTITIONS_BEFORE: usize = 5;

/// A loop device below a scratch directory; it goes when this does.
struct Loop(String);

impl Loop {
    fn attach(file: &Path) -> Self {
        let file = file.display().to_string();
        let node = program::run("losetup", &["--find", "--show", &file], "", TOOL_LIMIT).unwrap();
        Self(node.trim().to_owned())
    }

    fn name(&self) -> &str {
        self.0.trim_start_matches("/dev/")
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = program::run("partx", &["--delete", &self.0], "", TOOL_LIMIT);
        program::run("losetup", &["--detach", &self.0], "", TOOL_LIMIT).unwrap();
    }
}

/// A tree in which the loop device is the plan's disk; its partitions are there as long as the kernel has them.
fn tree(root: &Path, device: &Loop) -> Sysfs {
    let plant = |inner: &str, text: &str| {
        let path = root.join(inner);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let name = device.name();
    let number = fs::read_to_string(format!("/sys/block/{name}/dev")).unwrap();
    plant(&format!("sys/block/{name}/device/modalias"), "");
    plant(&format!("sys/block/{name}/serial"), "muster-disk-0");
    plant(&format!("sys/block/{name}/size"), &(DISK_BYTES / 512).to_string());
    plant(&format!("sys/block/{name}/dev"), &number);
    fs::create_dir(root.join("dev")).unwrap();
    symlink(&device.0, root.join("dev").join(name)).unwrap();
    for number in 1..=PARTITIONS_BEFORE {
        let partition = format!("{name}p{number}");
        let inner = Path::new("sys/block").join(name).join(&partition);
        symlink(Path::new("/").join(&inner), root.join(&inner)).unwrap();
        symlink(
            Path::new("/dev").join(&partition),
            root.join("dev").join(&partition),
        )
        .unwrap();
    }
    Sysfs::below(root)
}

#[test]
fn the_kernel_has_the_written_table_and_nothing_of_the_one_before() {
    testbed_scratch::assert_root("loop devices");
    let scratch = Scratch::new();
    let image = scratch.path().join("disk");
    fs::File::create(&image).unwrap().set_len(DISK_BYTES).unwrap();
    let device = Loop::attach(&image);
    program::run(
        "sfdisk",
        &["--quiet", "--no-reread", "--no-tell-kernel", &device.0],
        BEFORE,
        TOOL_LIMIT,
    )
    .unwrap();
    program::run("partx", &["--add", &device.0], "", TOOL_LIMIT).unwrap();
    // Blank to whoever reads it, as after a quick erasure; the kernel remembers.
    let whole = usize::try_from(DISK_BYTES).unwrap();
    fs::write(&device.0, vec![0; whole]).unwrap();

    let mut deploy: Deploy =
        serde_json::from_str(include_str!("../../../tests/cases/deploy/bios_one_disk.json")).unwrap();
    let plan = &mut deploy.disks[0];
    plan.size_bytes = DISK_BYTES;
    let root = plan.partitions.last_mut().unwrap();
    root.size_bytes = DISK_BYTES - root.start_bytes - END_BYTES;
    let sysfs = tree(&scratch.path().join("tree"), &device);
    let job = JobRef {
        machine: MachineId(Uuid::from_bytes([1; 16])),
        generation: Generation(7),
        attempt: 1,
    };
    let known = crate::disk::partitions(&sysfs, device.name());
    assert_eq!(
        known.len(),
        PARTITIONS_BEFORE,
        "the kernel knows what was: {known:?}"
    );
    let disks = claim(&sysfs, &job, &deploy.writes()).unwrap();
    partition(&disks[0]).unwrap();
    let nodes = disks[0].partitions().unwrap();
    let numbered = |number| {
        scratch
            .path()
            .join(format!("tree/dev/{}p{number}", device.name()))
    };
    assert_eq!(
        nodes,
        [1, 2, 3].map(|number| numbered(number).display().to_string())
    );
    partition(&disks[0]).unwrap();
    assert_eq!(disks[0].partitions().unwrap(), nodes, "and again, over its own");
}
