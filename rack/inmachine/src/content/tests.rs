//! Evidence to identity, on values and on sparse files that stand for disks.

use super::*;
use schema_ids::{BindingId, Generation, Incarnation, MachineId, Uuid};
use std::fs::OpenOptions;

const DISK_BYTES: u64 = 16 << 20;

fn blank_ends() -> Ends {
    Ends {
        head: vec![0; 1 << 20],
        marker: vec![0; marker::BLOCK_BYTES],
        tail: vec![0; 1 << 20],
    }
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
    let file = tempfile::NamedTempFile::new().unwrap();
    let disk = OpenOptions::new().write(true).open(file.path()).unwrap();
    disk.set_len(DISK_BYTES).unwrap();
    let read = || read_ends(file.path(), DISK_BYTES).unwrap();
    assert_eq!(read(), blank_ends());
    disk.write_all_at(&[1], 0).unwrap();
    disk.write_all_at(&[2], DISK_BYTES - 1).unwrap();
    marker(State::Writing).write_to(&disk).unwrap();
    let ends = read();
    assert_eq!((ends.head[0], ends.tail[(1 << 20) - 1]), (1, 2));
    assert_eq!(Marker::decode(&ends.marker), Some(marker(State::Writing)));
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
