//! What is printed is read back as the same value, and near misses are refused.

use crate::{ContentId, Digest, DiskId, Mac, MarkOwner, Name, PciId, Timestamp, Uuid};
use proptest::prelude::*;

fn refused<T: std::str::FromStr>(texts: &[&str]) {
    for text in texts {
        assert!(text.parse::<T>().is_err(), "{text:?} was taken");
    }
}

proptest! {
    #[test]
    fn pci_id_round_trips(number: u16) {
        let id = PciId(number);
        prop_assert_eq!(id.to_string().parse(), Ok(id));
        prop_assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
    }

    #[test]
    fn mac_round_trips(octets: [u8; 6]) {
        if let Some(mac) = Mac::new(octets) {
            prop_assert_eq!(mac.to_string().parse(), Ok(mac));
            prop_assert_eq!(mac.hyphenated().parse(), Ok(mac));
        }
    }

    #[test]
    fn uuid_and_digest_round_trip(bytes: [u8; 32]) {
        let uuid = Uuid::from_digest(bytes);
        prop_assert_eq!(uuid.to_string().parse(), Ok(uuid));
        prop_assert_eq!(uuid.swapped().swapped(), uuid);
        prop_assert_eq!(Digest(bytes).to_string().parse(), Ok(Digest(bytes)));
    }

    #[test]
    fn time_round_trips(ms in 0_i64..=253_402_300_799_999) {
        let time = Timestamp::from_unix_ms(ms);
        prop_assert_eq!(time.to_string().parse(), Ok(time));
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,60}") {
        let _ = text.parse::<Mac>();
        let _ = text.parse::<Uuid>();
        let _ = text.parse::<Timestamp>();
        let _ = text.parse::<ContentId>();
        let _ = text.parse::<MarkOwner>();
        let _ = text.parse::<Name>();
        let _ = text.parse::<DiskId>();
    }
}

#[test]
fn known_times() {
    let leap: Timestamp = "2024-02-29T12:00:00Z".parse().unwrap();
    assert_eq!(leap.unix_ms(), 1_709_208_000_000);
    assert_eq!(
        "2026-11-21T01:02:03.5Z".parse::<Timestamp>().unwrap().to_string(),
        "2026-11-21T01:02:03.500Z"
    );
    refused::<Timestamp>(&[
        "2023-02-29T00:00:00Z",
        "2026-11-21 01:02:03Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T01:02:03+01:00",
        "",
    ]);
}

#[test]
fn near_misses_are_refused() {
    refused::<Mac>(&[
        "52:54:00:77:00",
        "52:54:00:77:00:0g",
        "01:00:5e:00:00:01",
        "00:00:00:00:00:00",
        "52:54-00:77:00:01",
    ]);
    refused::<Name>(&["", "-a", "a-", "A", "a b", "a/b", &"a".repeat(64)]);
    refused::<DiskId>(&["", "wwn:", "sn:1", "wwn:a b"]);
    refused::<MarkOwner>(&[
        "",
        "unreadable:",
        "unreadable:0123456789ABCDEF",
        "unreadable:0123456789abcde",
        "4c4c4544",
    ]);
    refused::<ContentId>(&["", "data:", "data:A", "muster:writing:1", "muster:done:1:x:1"]);
}

#[test]
fn content_ids_round_trip() {
    for text in [
        "blank",
        "data:gpt+0123abcd",
        "muster:installed:3:00000000-0000-8000-8000-000000000001:7",
    ] {
        assert_eq!(text.parse::<ContentId>().unwrap().to_string(), text);
    }
}

#[test]
fn owners_of_marks_round_trip() {
    let texts = [
        "4c4c4544-0042-4510-8052-b4c04f4e3732",
        "unreadable:0123456789abcdef",
    ];
    for text in texts {
        assert_eq!(text.parse::<MarkOwner>().unwrap().to_string(), text);
    }
    assert_eq!(
        MarkOwner::unreadable(Digest([0xab; 32])).to_string(),
        "unreadable:abababababababab"
    );
}

#[test]
fn junk_evidence_names_no_disk() {
    assert_eq!(DiskId::from_evidence("wwn", "0x0000000000000000"), None);
    assert_eq!(DiskId::from_evidence("serial", "  "), None);
    assert_eq!(
        DiskId::from_evidence("serial", "QEMU HARDDISK_S1")
            .unwrap()
            .as_str(),
        "serial:QEMU_HARDDISK_S1"
    );
}
