//! The patterns of the table: every text that its type reads matches, and, of most, the other way round.

use ipnet::IpNet;
use proptest::{prelude::*, sample, string::string_regex, test_runner::TestRunner};
use schema_fleet::{
    AbsolutePath, BootTimeout, DnsName, Extent, HardwareMatch, Hours, Interval, LeastNumber, LeastSize,
    Pattern, Quarantine, ReplaceFailed, RepositoryPath, Selector, Shape, Size, SourceUrl, SshKey, Template,
    TimeZone, VlanRef, kinds,
};
use schema_ids::{ContentId, Digest, DiskId, Mac, MarkOwner, Name, PciId, Timestamp, Uuid};
use std::{collections::BTreeMap, net::IpAddr, str::FromStr};

/// Every text of the table, with its pattern and example.
fn texts() -> BTreeMap<&'static str, (&'static str, Option<&'static str>)> {
    fn collect(shape: &Shape, texts: &mut BTreeMap<&'static str, (&'static str, Option<&'static str>)>) {
        match shape {
            Shape::Text {
                what,
                example,
                pattern,
            } => {
                texts.insert(what, (example, *pattern));
            }
            Shape::List(inner) | Shape::Map(inner) => collect(inner, texts),
            Shape::Table(fields) => fields.iter().for_each(|field| collect(field.shape, texts)),
            Shape::Bool
            | Shape::Integer { .. }
            | Shape::Words(_)
            | Shape::Reference(_)
            | Shape::Scalar
            | Shape::Share(_) => {}
        }
    }
    let mut texts = BTreeMap::new();
    for kind in kinds() {
        kind.fields
            .iter()
            .for_each(|field| collect(field.shape, &mut texts));
    }
    texts
}

type Reads = fn(&str) -> bool;

fn reads<T: FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// How each text with a pattern is read, and whether everything that the pattern takes is right.
const READERS: [(&str, Reads, bool); 31] = [
    ("a name", reads::<Name>, true),
    ("a MAC address", reads::<Mac>, true),
    ("a PCI id", reads::<PciId>, true),
    ("a UUID", reads::<Uuid>, true),
    ("the owner of a mark", reads::<MarkOwner>, true),
    ("a SHA-256 digest", reads::<Digest>, true),
    ("a disk id", reads::<DiskId>, true),
    ("a VLAN as fabric/vlan", reads::<VlanRef>, true),
    ("a path in the repository", reads::<RepositoryPath>, true),
    ("an absolute path", reads::<AbsolutePath>, true),
    ("an image source", reads::<SourceUrl>, true),
    ("an SSH public key", reads::<SshKey>, true),
    ("a text with placeholders", reads::<Template>, true),
    ("a least number", reads::<LeastNumber>, true),
    // Numbers may be too large, addresses may have too many parts.
    ("a content id", reads::<ContentId>, false),
    ("an IP address", reads::<IpAddr>, false),
    ("a network", reads::<IpNet>, false),
    ("a size", reads::<Size>, false),
    ("a size or \"rest\"", reads::<Extent>, false),
    ("a least size", reads::<LeastSize>, false),
    ("hours of a day", reads::<Hours>, false),
    ("a time to wait", reads::<ReplaceFailed>, false),
    ("a time", reads::<Timestamp>, false),
    ("a time zone", reads::<TimeZone>, false),
    ("a domain name", reads::<DnsName>, false),
    // What stands behind the colon has a length.
    ("a selector", reads::<Selector>, false),
    ("a piece of hardware", reads::<HardwareMatch>, false),
    ("a pattern", reads::<Pattern>, false),
    ("a duration", reads::<Interval>, false),
    ("a boot timeout", reads::<BootTimeout>, false),
    ("a quarantine", reads::<Quarantine>, false),
];

#[test]
fn each_example_is_right() {
    for (what, (example, pattern)) in texts() {
        let reader = READERS.iter().find(|(known, ..)| *known == what);
        assert_eq!(reader.is_some(), pattern.is_some(), "{what}");
        if let Some((_, reads, _)) = reader {
            assert!(reads(example), "{what}: {example}");
        }
    }
    assert!(READERS.iter().all(|(what, ..)| texts().contains_key(what)));
}

/// Letters that mean something to one type or another, put where they may not belong.
const LETTERS: &str = "[-+.:/ 0-9A-Fa-fgxKMiBsmhd{}@=>_~\\n\u{7f}\u{e9}%*]";

#[test]
fn patterns_are_what_the_types_read() {
    for (what, (example, pattern)) in texts() {
        let Some((_, reads, exact)) = READERS.iter().find(|(known, ..)| *known == what) else {
            continue;
        };
        let pattern = pattern.unwrap();
        let matches = jsonschema::draft202012::new(&serde_json::json!({ "pattern": pattern })).unwrap();
        let matches = |text: &str| matches.is_valid(&serde_json::Value::from(text));
        let inner = pattern.trim_start_matches('^').trim_end_matches('$');
        let from_pattern = string_regex(inner).unwrap().boxed();
        // One letter put in, taken out, or put in the place of another.
        let near = (
            from_pattern.clone(),
            any::<sample::Index>(),
            0..3_u8,
            string_regex(LETTERS).unwrap(),
        );
        let near = near.prop_map(|(text, at, what, letter)| {
            let mut letters: Vec<char> = text.chars().collect();
            let at = at.index(letters.len().max(1));
            let end = if what == 0 {
                at
            } else {
                (at + 1).min(letters.len())
            };
            letters.splice(at..end, letter.chars().filter(|_| what != 1));
            letters.into_iter().collect::<String>()
        });
        let texts = prop_oneof![from_pattern, near, Just(example.to_owned())];
        TestRunner::default()
            .run(&texts, |text: String| {
                let (matched, read) = (matches(&text), reads(&text));
                prop_assert!(
                    matched || !read,
                    "{} reads {:?}, the pattern does not match",
                    what,
                    text
                );
                prop_assert!(
                    read || !matched || !exact,
                    "{} does not read {:?}, the pattern matches",
                    what,
                    text
                );
                Ok(())
            })
            .unwrap();
    }
}
