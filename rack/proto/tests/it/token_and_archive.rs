//! Tokens, the initrd archive and the router advertisement.

use proptest::prelude::*;
use rack_proto::{
    cpio::{Executable, archive},
    router_advertisement::{advertisement, is_solicitation},
    token::{BootToken, Subject, TokenKey},
};
use schema_ids::{BindingId, Generation, Mac, MachineId, Uuid};
use std::{
    io::Write,
    process::{Command, Stdio},
};

fn key(digits: &str) -> TokenKey {
    TokenKey::from_hex(digits).unwrap()
}

const KEY: &str = "00112233445566778899aabbccddeeff";

fn subject() -> impl Strategy<Value = Subject> {
    prop_oneof![
        Just(Subject::Enlist),
        (any::<[u8; 16]>(), any::<u64>(), any::<u32>()).prop_map(|(machine, generation, attempt)| {
            Subject::Job {
                machine: MachineId(Uuid::from_bytes(machine)),
                generation: Generation(generation),
                attempt,
            }
        }),
    ]
}

proptest! {
    #[test]
    fn a_token_is_read_back_and_every_change_of_it_is_refused(
        subject in subject(),
        nonce in any::<[u8; 16]>(),
        at in any::<prop::sample::Index>(),
        to in "[0-9a-f:]",
    ) {
        let token = BootToken {
            subject,
            mac: Mac::new([2, 0, 0, 0, 0, 1]).unwrap(),
            link: "lab/pxe".to_owned(),
            nonce: Uuid::from_bytes(nonce),
        };
        let text = key(KEY).mint(&token);
        prop_assert!(text.is_ascii() && !text.contains(char::is_whitespace));
        prop_assert_eq!(key(KEY).verify(&text), Some(token));
        prop_assert_eq!(key("ff112233445566778899aabbccddeeff").verify(&text), None);
        let at = at.index(text.len());
        let mut forged = text.clone();
        forged.replace_range(at..=at, &to);
        prop_assert_eq!(key(KEY).verify(&forged).is_some(), forged == text);
    }

    #[test]
    fn no_text_is_a_token(text in "\\PC{0,300}") {
        prop_assert_eq!(key(KEY).verify(&text), None);
    }
}

#[test]
fn a_phone_home_token_is_for_one_machine_and_binding() {
    let (machine, binding) = (
        MachineId(Uuid::from_bytes([1; 16])),
        BindingId(Uuid::from_bytes([2; 16])),
    );
    let other = BindingId(Uuid::from_bytes([3; 16]));
    let token = key(KEY).phone_home(machine, binding);
    assert!(key(KEY).is_phone_home(&token, machine, binding));
    assert!(!key(KEY).is_phone_home(&token, machine, other));
    assert!(!key("ff112233445566778899aabbccddeeff").is_phone_home(&token, machine, binding));
    assert_eq!(
        key(KEY).verify(&format!("phone-home:{machine}:{binding}:{token}")),
        None
    );
}

#[test]
fn a_short_key_is_none() {
    for digits in [
        "",
        "00",
        "0011223344556677",
        "0g112233445566778899aabbccddeeff",
        "00112233445566778899aabbccddeeff0",
    ] {
        assert!(TokenKey::from_hex(digits).is_none(), "{digits:?}");
    }
}

/// Read by busybox's cpio, which the ephemeral system's kernel agrees with.
#[test]
fn the_archive_is_one_that_others_read() {
    let contents = b"#!/bin/sh\nexit 7\n";
    let file = Executable {
        name: "muster-inmachine",
        contents,
    };
    let bytes = archive(&[file]).unwrap();
    assert_eq!(bytes.len() % 512, 0);
    let mut list = Command::new("busybox")
        .args(["cpio", "-tv"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    list.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = list.wait_with_output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    assert!(
        listed.starts_with("-rwxr-xr-x") && listed.trim_end().ends_with("muster-inmachine"),
        "{listed}"
    );
    assert!(listed.contains(&format!(" {} ", contents.len())), "{listed}");
}

#[test]
fn the_advertisement_says_that_this_is_no_router() {
    let message = advertisement(Mac::new([0x52, 0x54, 0, 0, 0, 1]));
    // RFC 4861 §4.2: type, code, checksum, hop limit, flags, router lifetime, two timers; then the
    // source link-layer address.
    assert_eq!(
        message,
        [
            134, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0x52, 0x54, 0, 0, 0, 1
        ]
    );
    assert!(is_solicitation(&[133, 0, 0, 0, 0, 0, 0, 0]));
    assert!(!is_solicitation(&message));
    assert!(!is_solicitation(&[133, 0, 0]));
}
