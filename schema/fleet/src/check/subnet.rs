//! Subnets do not overlap, and what is said of them lies in them: M0201 to M0203, M0205, M0206.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::{Applicability, Diagnostic},
    kinds::subnet::{Range, Subnet},
};
use ipnet::IpNet;
use schema_ids::Name;
use std::net::IpAddr;

/// Looks at every subnet alone, then at all together.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let subnets = &subject.draft.subnets;
    for (name, subnet) in subnets {
        let diagnostics = host_bits(subnet)
            .into_iter()
            .chain(gateway(name, subnet))
            .chain(ranges(name, subnet));
        let object = format!("subnet.{name}");
        found.extend(diagnostics.map(|diagnostic| diagnostic.in_object(&object)));
    }
    let mut sorted: Vec<(&Name, &Subnet)> = subnets.iter().collect();
    sorted.sort_by_key(|(_, subnet)| (subnet.cidr.network(), subnet.cidr.prefix_len()));
    // Networks either contain each other or are apart; in this order one that contains comes first.
    let mut outer: Option<(&Name, &Subnet)> = None;
    for (name, subnet) in sorted {
        match outer {
            Some((other, around)) if around.cidr.contains(&subnet.cidr.value) => {
                found.push(overlap((name, subnet), (other, around)));
            }
            Some(_) | None => outer = Some((name, subnet)),
        }
    }
}

fn overlap((name, inner): (&Name, &Subnet), (other, outer): (&Name, &Subnet)) -> Diagnostic {
    let title = format!("subnets \"{name}\" and \"{other}\" overlap");
    let cidr = outer.cidr.value;
    let label = if inner.cidr.trunc() == cidr.trunc() {
        "the same as"
    } else {
        "inside"
    };
    Diagnostic::error(
        Code::M0201,
        title,
        &inner.cidr.span,
        format!("{label} {}", cidr.trunc()),
    )
    .in_object(format!("subnet.{name}"))
    .also(
        &outer.cidr.span,
        format!("{} to {}", cidr.network(), cidr.broadcast()),
    )
    .help("all subnets are in one routing domain: an address means one place")
}

fn host_bits(subnet: &Subnet) -> Option<Diagnostic> {
    let cidr = &subnet.cidr;
    let network = cidr.trunc();
    (network != cidr.value).then(|| {
        let title = format!("{} is an address in a network, not a network", cidr.value);
        Diagnostic::error(Code::M0202, title, &cidr.span, "bits are set behind the prefix").fix(
            Applicability::Maybe,
            format!("replace with \"{network}\""),
            &cidr.span,
            format!("\"{network}\""),
        )
    })
}

fn gateway(name: &Name, subnet: &Subnet) -> Option<Diagnostic> {
    let gateway = subnet.gateway.as_ref()?;
    let cidr = subnet.cidr.value;
    let label = if !cidr.contains(&gateway.value) {
        "outside"
    } else if is_edge(&cidr, gateway.value) {
        "the first and the last address of an IPv4 network are no hosts"
    } else {
        return None;
    };
    let title = format!(
        "gateway {} is no host of subnet \"{name}\" ({cidr})",
        gateway.value
    );
    let edges = format!("{} to {}", cidr.network(), cidr.broadcast());
    Some(Diagnostic::error(Code::M0203, title, &gateway.span, label).also(&subnet.cidr.span, edges))
}

/// The network's own address or its broadcast address; a /31 has neither (RFC 3021).
pub(crate) fn is_edge(cidr: &IpNet, address: IpAddr) -> bool {
    let edges = address == cidr.network() || address == cidr.broadcast();
    address.is_ipv4() && cidr.prefix_len() < 31 && edges
}

fn ranges(name: &Name, subnet: &Subnet) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let cidr = subnet.cidr.value;
    let mut good: Vec<&Range> = Vec::new();
    for range in &subnet.range {
        let ends = [&range.from, &range.to];
        if let Some(end) = ends.into_iter().find(|end| !cidr.contains(&end.value)) {
            let title = format!("{} is not in subnet \"{name}\" ({cidr})", end.value);
            found.push(
                Diagnostic::error(Code::M0205, title, &end.span, "an end of the range").also(
                    &subnet.cidr.span,
                    format!("{} to {}", cidr.network(), cidr.broadcast()),
                ),
            );
        } else if range.from.value > range.to.value {
            let title = format!(
                "range {} - {} ends before it begins",
                range.from.value, range.to.value
            );
            found.push(
                Diagnostic::error(Code::M0205, title, &range.to.span, "the last address")
                    .also(&range.from.span, "the first address"),
            );
        } else {
            good.push(range);
        }
    }
    good.sort_by_key(|range| range.from.value);
    for pair in good.windows(2) {
        let [first, second] = pair else { continue };
        if second.from.value <= first.to.value {
            let title = format!("two ranges of subnet \"{name}\" overlap");
            let label = format!("range {} - {}", second.from.value, second.to.value);
            found.push(
                Diagnostic::error(Code::M0206, title, &second.from.span, label).also(
                    &first.to.span,
                    format!("range {} - {}", first.from.value, first.to.value),
                ),
            );
        }
    }
    found
}
