//! TFTP transfers against a client that loses, doubles and aborts.

use proptest::prelude::*;
use rack_proto::tftp::{Outcome, ReadRequest, Step, Transfer};
use schema_ids::Timestamp;
use std::sync::Arc;

fn request(file: &str, options: &[(&str, &str)]) -> Vec<u8> {
    let mut packet = vec![0, 1];
    let mut word = |text: &str| {
        packet.extend(text.bytes());
        packet.push(0);
    };
    word(file);
    word("octet");
    for (name, value) in options {
        word(name);
        word(value);
    }
    packet
}

fn start(content: &[u8], options: &[(&str, &str)]) -> (Transfer, Step) {
    let request = ReadRequest::parse(&request("/snponly.efi", options)).unwrap();
    assert_eq!(request.file, "snponly.efi");
    Transfer::start(&request, Arc::from(content), at(0))
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn ack(block: u16) -> Vec<u8> {
    let mut packet = vec![0, 4];
    packet.extend(block.to_be_bytes());
    packet
}

fn due(step: &Step) -> Timestamp {
    match step.outcome {
        Outcome::Running(due) => due,
        ref other => panic!("not running: {other:?}"),
    }
}

/// Block numbers of the DATA packets in a step.
fn blocks(step: &Step) -> Vec<u16> {
    step.send
        .iter()
        .map(|packet| {
            assert_eq!(packet[..2], [0, 3]);
            u16::from_be_bytes([packet[2], packet[3]])
        })
        .collect()
}

#[test]
fn a_plain_read_goes_block_by_block() {
    let content: Vec<u8> = (0..1024_u32).map(|byte| byte as u8).collect();
    let (mut transfer, step) = start(&content, &[]);
    assert_eq!(blocks(&step), [1]);
    assert_eq!(step.send[0][4..], content[..512]);
    let step = transfer.packet(&ack(1), at(1));
    assert_eq!(blocks(&step), [2]);
    // The length is a multiple of the block: an empty block ends it.
    let step = transfer.packet(&ack(2), at(2));
    assert_eq!((blocks(&step), step.send[0].len()), (vec![3], 4));
    // An echo of an old acknowledgement is not answered.
    assert!(transfer.packet(&ack(2), at(3)).send.is_empty());
    assert_eq!(transfer.packet(&ack(3), at(4)).outcome, Outcome::Complete);
}

#[test]
fn options_are_answered_capped_and_wait_for_their_acknowledgement() {
    let (mut transfer, step) = start(
        &[7; 5000],
        &[
            ("BLKSIZE", "65464"),
            ("tsize", "0"),
            ("windowsize", "4"),
            ("timeout", "0"),
            ("utimeout", "5"),
        ],
    );
    assert_eq!(
        step.send[0][..],
        *b"\0\x06blksize\x001468\0tsize\x005000\0windowsize\x004\0"
    );
    assert_eq!(transfer.packet(&ack(1), at(1)).send.len(), 0);
    let step = transfer.packet(&ack(0), at(2));
    assert_eq!(blocks(&step), [1, 2, 3, 4]);
    assert_eq!(step.send[3].len(), 4 + 5000 - 3 * 1468);
    // The third was lost: the client acknowledges the second, and gets the rest again.
    assert_eq!(blocks(&transfer.packet(&ack(2), at(3))), [3, 4]);
    assert_eq!(transfer.packet(&ack(4), at(4)).outcome, Outcome::Complete);
}

#[test]
fn a_timeout_is_granted_as_asked_or_not_at_all() {
    // RFC 2349: the value of the acknowledgement must be the client's.
    for (asked, granted, pauses) in [
        ("3", true, [3, 6, 8, 8, 8, 8]),
        ("8", true, [8, 8, 8, 8, 8, 8]),
        ("9", false, [1, 2, 4, 8, 8, 8]),
        ("255", false, [1, 2, 4, 8, 8, 8]),
    ] {
        let (mut transfer, step) = start(&[7; 100], &[("tsize", "0"), ("timeout", asked)]);
        let mut options = b"\0\x06tsize\x00100\0".to_vec();
        if granted {
            options.extend(format!("timeout\0{asked}\0").bytes());
        }
        assert_eq!(step.send[0], options[..], "{asked}");
        assert_eq!(self::pauses(&mut transfer, &step), pauses, "{asked}");
    }
}

#[test]
fn a_size_probe_is_ended_by_its_error() {
    let (mut transfer, step) = start(&[7; 5000], &[("tsize", "0"), ("blksize", "1468")]);
    assert_eq!(step.send.len(), 1);
    let step = transfer.packet(b"\0\x05\0\x08User aborted the transfer\0", at(1));
    assert_eq!(
        step.outcome,
        Outcome::Aborted(8, "User aborted the transfer".to_owned())
    );
}

#[test]
fn a_silent_client_is_given_up() {
    let (mut transfer, step) = start(&[7; 100], &[]);
    assert_eq!(blocks(&step), [1]);
    assert_eq!(pauses(&mut transfer, &step), [1, 2, 4, 8, 8, 8]);
}

/// Seconds that a silent client is waited for after each sending, to its end; each sends the same.
fn pauses(transfer: &mut Transfer, first: &Step) -> Vec<u64> {
    let (mut due, mut last) = (due(first), at(0));
    let mut pauses = Vec::new();
    loop {
        pauses.push(due.since(last).as_secs());
        last = due;
        let step = transfer.timer(due);
        match step.outcome {
            Outcome::Running(next) => {
                assert_eq!(step.send, first.send);
                due = next;
            }
            Outcome::Lost => return pauses,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_timer_that_comes_early_sends_nothing() {
    let (mut transfer, _) = start(&[7; 100], &[]);
    assert_eq!(transfer.timer(at(999)).send.len(), 0);
    assert_eq!(transfer.timer(at(1000)).send.len(), 1);
}

#[test]
fn a_repeated_acknowledgement_resends_a_window_once() {
    let (mut transfer, _) = start(&[7; 9000], &[("windowsize", "4")]);
    transfer.packet(&ack(0), at(1));
    assert_eq!(blocks(&transfer.packet(&ack(4), at(2))), [5, 6, 7, 8]);
    assert_eq!(blocks(&transfer.packet(&ack(4), at(3))), [5, 6, 7, 8]);
    assert_eq!(transfer.packet(&ack(4), at(4)).send.len(), 0);
    // Numbers that were never sent are nobody's.
    assert_eq!(transfer.packet(&ack(9), at(5)).send.len(), 0);
}

#[test]
fn requests_that_are_none() {
    for (packet, refusal) in [
        (&b"\0\x02file\0octet\0"[..], Some(2)),
        (b"\0\x01file\0mail\0", Some(4)),
        (b"\0\x01file", Some(4)),
        (b"\0\x01\0", Some(4)),
        (b"\0\x04\0\0", None),
        (b"\0\x05\0\0\0", None),
        (b"\0", None),
    ] {
        let got = ReadRequest::parse(packet).unwrap_err();
        assert_eq!(got.map(|packet| packet[3]), refusal, "{packet:?}");
    }
}

proptest! {
    /// Whatever is lost or doubled, the client ends with the same bytes, block numbers wrapping.
    #[test]
    fn a_lossy_link_still_gives_the_file(
        length in 0..3000_usize,
        block in 8..40_u16,
        window in 1..9_u16,
        luck in prop::collection::vec(0..10_u8, 1..40),
    ) {
        let content: Vec<u8> = (0..length).map(|at| (at * 31 % 251) as u8).collect();
        let (block_text, window_text) = (block.to_string(), window.to_string());
        let (mut transfer, mut step) = start(&content, &[("blksize", &block_text), ("windowsize", &window_text)]);
        let mut luck = luck.iter().cycle();
        let mut got = Vec::new();
        let mut expected = 1_u16;
        let mut now = at(0);
        let mut steps = 0;
        loop {
            steps += 1;
            prop_assert!(steps < 200_000, "it goes on for ever");
            let mut answer = None;
            for packet in step.send.iter() {
                if *luck.next().unwrap() == 0 {
                    continue;
                }
                if packet[1] == 6 {
                    answer = Some(0);
                } else if packet[2..4] == expected.to_be_bytes() {
                    got.extend_from_slice(&packet[4..]);
                    answer = Some(expected);
                    expected = expected.wrapping_add(1);
                } else {
                    // RFC 7440 §4: the last block in order.
                    answer = Some(expected.wrapping_sub(1));
                }
            }
            let lost = *luck.next().unwrap() == 1;
            step = match answer.filter(|_| !lost) {
                Some(block) => transfer.packet(&ack(block), now),
                None => {
                    now = due(&step);
                    transfer.timer(now)
                }
            };
            match step.outcome {
                Outcome::Running(_) => {}
                Outcome::Complete => break,
                // Only a link that loses nearly all may end so.
                Outcome::Lost => return Ok(()),
                Outcome::Aborted(..) => prop_assert!(false, "nobody aborted"),
            }
        }
        prop_assert_eq!(got, content);
    }

    #[test]
    fn no_bytes_bring_it_down(opening in prop::collection::vec(any::<u8>(), 0..64), later in prop::collection::vec(any::<u8>(), 0..16)) {
        let _ = ReadRequest::parse(&opening);
        let (mut transfer, _) = start(&[1; 2000], &[("windowsize", "3")]);
        let _ = transfer.packet(&later, at(1));
    }
}

/// 70,000 blocks: the number on the wire wraps to 0 and the bytes stay in order.
#[test]
fn block_numbers_wrap() {
    let content: Vec<u8> = (0..70_000 * 8_u32).map(|at| (at % 253) as u8).collect();
    let (mut transfer, mut step) = start(&content, &[("blksize", "8"), ("windowsize", "64")]);
    let mut got = Vec::new();
    loop {
        let last = match step.send.iter().last() {
            Some(packet) if packet[1] == 3 => {
                got.extend(step.send.iter().flat_map(|packet| packet[4..].to_vec()));
                u16::from_be_bytes([packet[2], packet[3]])
            }
            _ => 0,
        };
        step = transfer.packet(&ack(last), at(0));
        if step.outcome == Outcome::Complete {
            break;
        }
    }
    assert_eq!(got, content);
    assert_eq!(transfer.acknowledged_bytes(), content.len());
}
