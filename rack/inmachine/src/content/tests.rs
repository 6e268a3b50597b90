//! Evidence to identity, on values and on sparse files that stand for disks.

use super::*;
use schema_ids::{BindingId, Generation, Incarnation, MachineId, Uuid};

const DISK_BYTES: u64 = 16 << 20;

fn blank_ends() -> Ends {
    Ends {
        head: vec![0; 1 << 20],
        marker: vec![0; marker::BLOCK_BYTES],
        tail: vec![0; 1 << 20],
        between: Vec::new(),
    }
}

/// A disk of zeros, with bytes at places.
fn disk_with(writes: &[(u64, &[u8])]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(DISK_BYTES).unwrap();
    for (offset, bytes) in writes {
        file.as_file().write_all_at(bytes, *offset).unwrap();
    }
    file
}

fn identity(disk: &tempfile::NamedTempFile) -> ContentId {
    let ends = read_ends(disk.path(), DISK_BYTES).unwrap();
    identify(&ends, &Signature::default())
}

fn marker(state: State) -> Marker {
    Marker {
        state,
        incarnation: Incarnation {
            number: 2,
            uuid: Uuid::from_bytes([1; 16]),
        },
        binding: BindingId(Uuid::from_bytes([2; 16])),
        generation: Generation(3),
        spec: Digest([4; 32]),
        epoch: 0,
        machine: MachineId(Uuid::from_bytes([5; 16])),
    }
}

fn signature(text: &str) -> Signature {
    parse_signature(text)
}

#[test]
fn zeros_are_blank_and_a_single_bit_is_not() {
    assert_eq!(identify(&blank_ends(), &Signature::default()), ContentId::Blank);
    for at in [0, (1 << 20) - 1] {
        let mut ends = blank_ends();
        ends.head[at] = 1;
        let id = identify(&ends, &Signature::default());
        assert!(id.to_string().starts_with("data:unknown+"), "{id}");
        let mut other = blank_ends();
        other.tail[at] = 1;
        assert_ne!(identify(&other, &Signature::default()), id);
    }
}

#[test]
fn a_signature_alone_is_data() {
    let id = identify(&blank_ends(), &signature("DEVNAME=/dev/sda\nTYPE=LVM2_member\n"));
    assert!(id.to_string().starts_with("data:lvm2_member+"), "{id}");
    let id = identify(&blank_ends(), &signature("PTTYPE=gpt\nTYPE=vfat\n"));
    assert!(id.to_string().starts_with("data:gpt+"), "{id}");
}

#[test]
fn the_same_contents_have_the_same_name_in_the_vocabulary() {
    let id = identify(&blank_ends(), &signature("TYPE=weird kind\u{e4}!\n"));
    assert_eq!(id.to_string().parse::<ContentId>().unwrap(), id);
    assert_eq!(
        id,
        identify(&blank_ends(), &signature("TYPE=weird kind\u{e4}!\n"))
    );
}

#[test]
fn a_writing_marker_counts_over_anything() {
    let mut ends = blank_ends();
    ends.head[510] = 0x55;
    ends.marker = marker(State::Writing).encode().to_vec();
    assert_eq!(
        identify(&ends, &signature("PTTYPE=dos\n")),
        marker(State::Writing).content()
    );
}

#[test]
fn an_installed_marker_under_a_foreign_table_is_data() {
    let mut ends = blank_ends();
    ends.marker = marker(State::Installed).encode().to_vec();
    let id = identify(&ends, &signature("PTTYPE=gpt\n"));
    assert!(matches!(id, ContentId::Foreign(_)), "{id}");
}

#[test]
fn words_are_for_people() {
    let foreign = ContentId::Foreign("gpt+0".to_owned());
    let table = signature("PTTYPE=gpt\n");
    let root = signature("LABEL=my\\ root\nTYPE=ext4\n");
    assert_eq!(
        in_words(&foreign, &table, &[root.clone(), Signature::default()]),
        "gpt, ext4 \"my root\""
    );
    assert_eq!(
        in_words(&marker(State::Installed).content(), &table, &[root]),
        "muster, installed, gpt, ext4 \"my root\""
    );
    assert_eq!(in_words(&foreign, &Signature::default(), &[]), "unknown data");
    assert_eq!(in_words(&ContentId::Blank, &Signature::default(), &[]), "");
}

#[test]
fn a_file_is_read_at_the_right_places() {
    let disk = disk_with(&[(0, &[1]), (DISK_BYTES - 1, &[2])]);
    marker(State::Writing).write_to(disk.as_file()).unwrap();
    let ends = read_ends(disk.path(), DISK_BYTES).unwrap();
    assert_eq!((ends.head[0], ends.tail[(1 << 20) - 1]), (1, 2));
    assert_eq!(Marker::decode(&ends.marker), Some(marker(State::Writing)));
    assert_eq!(identity(&disk_with(&[])), ContentId::Blank);
}

#[test]
fn what_a_zapped_table_described_is_not_blank() {
    let places = [
        ("an ext4 superblock at 1 MiB", (1 << 20) + 1024),
        ("the label of an md array at 1 MiB", (1 << 20) + 4096),
        ("a btrfs superblock at 1 MiB", (1 << 20) + (64 << 10)),
    ];
    // A prime number of them apart, since each disk takes a while to be read.
    let samples = sample_offsets(DISK_BYTES).skip(12).step_by(7);
    let mut ids = std::collections::BTreeSet::new();
    for (what, place) in places
        .into_iter()
        .chain(samples.map(|offset| ("a sample", offset + SAMPLE_BYTES - 1)))
    {
        let disk = disk_with(&[(place, &[1])]);
        let id = identity(&disk);
        assert!(
            id.to_string().starts_with("data:unknown+"),
            "{what} at {place}: {id}"
        );
        assert_eq!(identity(&disk), id, "looking twice gives one answer");
        ids.insert(id);
    }
    assert_eq!(ids.len(), 11, "and each its own");
}

#[test]
fn our_system_without_its_table_is_not_blank() {
    let disk = disk_with(&[]);
    marker(State::Installed).write_to(disk.as_file()).unwrap();
    let id = identity(&disk);
    assert!(matches!(id, ContentId::Foreign(_)), "{id}");
}

#[test]
fn what_a_running_system_writes_is_no_other_content() {
    let table: (u64, &[u8]) = (512, b"EFI PART");
    let id = identity(&disk_with(&[table]));
    assert_eq!(identity(&disk_with(&[table, (5 << 20, &[7; 1 << 20])])), id);
}

#[test]
fn samples_are_spread_over_disks_of_any_size() {
    for size in [0, 512, DISK_BYTES, 960_197_124_096, u64::MAX] {
        let offsets: Vec<u64> = sample_offsets(size).collect();
        assert_eq!(offsets.len(), 64);
        assert!(offsets.is_sorted());
        assert!(offsets.iter().all(|offset| *offset <= size && offset % 4096 == 0));
    }
    let offsets: Vec<u64> = sample_offsets(65 << 30).collect();
    assert_eq!((offsets[0], offsets[63]), (1 << 30, 64 << 30));
}

#[test]
fn a_tiny_disk_is_read_without_failing() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(512).unwrap();
    let ends = read_ends(file.path(), 512).unwrap();
    assert_eq!(
        (ends.head.len(), ends.marker.len(), ends.tail.len()),
        (512, 0, 512)
    );
    assert_eq!(identify(&ends, &Signature::default()), ContentId::Blank);
}

#[test]
fn a_disk_shorter_than_it_says_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(4096).unwrap();
    assert!(read_ends(file.path(), DISK_BYTES).is_err());
}
