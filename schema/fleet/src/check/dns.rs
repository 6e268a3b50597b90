//! Records say what their type can say, once: M0218, M0219, M0220.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::dns::{Dns, RecordType},
    span::Span,
    value::dns_name::DnsName,
};
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr},
};

/// A string of a TXT record (RFC 1035 §3.3.14).
const TXT_MAX: usize = 255;

/// Looks at every record.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<(String, RecordType), Span> = BTreeMap::new();
    let mut names: BTreeMap<String, (RecordType, Span)> = BTreeMap::new();
    for (name, dns) in &subject.draft.dns {
        let object = format!("dns.{name}");
        let span = dns
            .name
            .as_ref()
            .map_or_else(|| place(&dns.origin), |name| name.span.clone());
        let owner = dns
            .name
            .as_ref()
            .map_or_else(|| name.to_string(), |name| name.to_string());
        let kind = dns.record_type.value;
        let mut told = values(dns);
        if let Some(first) = seen.insert((owner.clone(), kind), span.clone()) {
            let title = format!("two objects have records of type {kind} for \"{owner}\"");
            told.push(Diagnostic::error(Code::M0220, title, &span, "second").also(&first, "first"));
        }
        if let Some((other, first)) = names.insert(owner.clone(), (kind, span.clone()))
            && other != kind
            && [other, kind].contains(&RecordType::Cname)
        {
            let title = format!("\"{owner}\" stands for another name and has records of its own");
            told.push(
                Diagnostic::error(Code::M0219, title, &span, format!("a record of type {kind}"))
                    .also(&first, format!("a record of type {other}"))
                    .help("a CNAME is the only record of its name (RFC 1034 §3.6.2)"),
            );
        }
        found.extend(told.into_iter().map(|one| one.in_object(&object)));
    }
}

fn values(dns: &Dns) -> Vec<Diagnostic> {
    let kind = dns.record_type.value;
    let mut found = Vec::new();
    if dns.value.is_empty() {
        let title = format!("a record of type {kind} says nothing");
        found.push(Diagnostic::error(
            Code::M0218,
            title,
            &dns.record_type.span,
            "`value` is missing or empty",
        ));
    }
    if let (RecordType::Cname, [first, second, ..]) = (kind, dns.value.as_slice()) {
        found.push(
            Diagnostic::error(
                Code::M0219,
                "a name stands for one other name",
                &second.span,
                "a second one",
            )
            .also(&first.span, "the first one"),
        );
    }
    for value in &dns.value {
        if let Some(why) = misfit(kind, &value.value) {
            let title = format!("\"{}\" is no value of a record of type {kind}", value.value);
            found.push(
                Diagnostic::error(Code::M0218, title, &value.span, why)
                    .also(&dns.record_type.span, "the type"),
            );
        }
    }
    found
}

/// Why a text cannot stand in a record of this type.
fn misfit(kind: RecordType, value: &str) -> Option<&'static str> {
    let is_name = |text: &str| text.parse::<DnsName>().is_ok();
    let numbers = |text: &str, count: usize| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (head, name) = words.split_at(count.min(words.len()));
        let whole = |word: &&str| word.parse::<u16>().is_ok();
        head.len() == count && head.iter().all(whole) && matches!(name, [name] if is_name(name))
    };
    let fits = match kind {
        RecordType::A => value.parse::<Ipv4Addr>().is_ok(),
        RecordType::Aaaa => value.parse::<Ipv6Addr>().is_ok(),
        RecordType::Cname | RecordType::Ns | RecordType::Ptr => is_name(value),
        RecordType::Mx => numbers(value, 1),
        RecordType::Srv => numbers(value, 3),
        RecordType::Txt => value.len() <= TXT_MAX,
    };
    let why = match kind {
        RecordType::A => "an IPv4 address is wanted",
        RecordType::Aaaa => "an IPv6 address is wanted",
        RecordType::Cname | RecordType::Ns | RecordType::Ptr => "a domain name is wanted",
        RecordType::Mx => "a preference and a name are wanted: 10 mail.example.",
        RecordType::Srv => "priority, weight, port and a name are wanted: 0 5 5060 sip.example.",
        RecordType::Txt => "one string of a record has at most 255 bytes",
    };
    (!fits).then_some(why)
}
