//! Frames are no larger than what carries them: M0211, M0223.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::{fabric::Vlan, network::Network},
    span::Spanned,
    value::vlan_ref::VlanRef,
};
use schema_ids::Name;

/// Every host takes datagrams of so many bytes (RFC 791 §3.1); smaller frames carry no whole one.
const MTU_MIN: u16 = 576;

/// Every link of IPv6 carries so many bytes (RFC 8200 §5).
const MTU_MIN_V6: u16 = 1280;

/// Looks at VLANs and at network layouts.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (fabric_name, fabric) in &subject.draft.fabrics {
        for (name, vlan) in &fabric.vlan {
            let object = format!("fabric.{fabric_name}");
            found.extend(too_small(subject, fabric_name, name, vlan).map(|one| one.in_object(object)));
        }
    }
    for (name, network) in &subject.draft.networks {
        let object = format!("network.{name}");
        found.extend(
            too_large(subject, network)
                .into_iter()
                .map(|one| one.in_object(&object)),
        );
    }
}

fn too_small(subject: &Subject<'_>, fabric: &Name, name: &Name, vlan: &Vlan) -> Option<Diagnostic> {
    let v6 = subject
        .subnets_on(fabric, name)
        .iter()
        .find(|(_, subnet)| subnet.cidr.addr().is_ipv6());
    let (least, why) = match v6 {
        Some(_) => (MTU_MIN_V6, "IPv6 needs 1280 bytes (RFC 8200)"),
        None => (MTU_MIN, "IPv4 needs 576 bytes (RFC 791)"),
    };
    (vlan.mtu < least).then(|| {
        let title = format!(
            "frames of {} bytes are too small for VLAN \"{fabric}/{name}\"",
            vlan.mtu
        );
        let diagnostic = Diagnostic::error(Code::M0211, title, &place(&vlan.origin), why);
        match v6 {
            Some((_, subnet)) => diagnostic.also(&subnet.cidr.span, "a network of IPv6 on it"),
            None => diagnostic,
        }
    })
}

/// What is made on a VLAN sends frames that it does not carry.
fn too_large(subject: &Subject<'_>, network: &Network) -> Vec<Diagnostic> {
    let vlan_of = |name: &VlanRef| subject.draft.fabrics.get(&name.fabric)?.vlan.get(&name.vlan);
    let of_vlans = network
        .vlan
        .iter()
        .filter_map(|(name, made)| Some((name, made.mtu.as_ref()?, vlan_of(&made.vlan)?, &made.vlan)));
    let tell = |(name, mtu, vlan, named): (&Name, &Spanned<u16>, &Vlan, &Spanned<VlanRef>)| {
        (mtu.value > vlan.mtu).then(|| {
            let title = format!(
                "\"{name}\" sends frames of {} bytes, its VLAN carries {}",
                mtu.value, vlan.mtu
            );
            Diagnostic::error(Code::M0223, title, &mtu.span, "larger than the VLAN's")
                .also(&named.span, "the VLAN")
                .also(&place(&vlan.origin), format!("its `mtu` is {}", vlan.mtu))
        })
    };
    let mut found: Vec<Diagnostic> = of_vlans.filter_map(tell).collect();
    // A VLAN's frames go through what is beneath it.
    for (name, made) in &network.vlan {
        let beneath = network
            .bond
            .get(&made.link.value)
            .and_then(|bond| bond.mtu.as_ref());
        if let Some((beneath, vlan)) = beneath.zip(vlan_of(&made.vlan))
            && made.mtu.as_ref().map_or(vlan.mtu, |mtu| mtu.value) > beneath.value
        {
            let title = format!(
                "the frames of \"{name}\" do not fit through \"{}\"",
                made.link.value
            );
            found.push(
                Diagnostic::error(
                    Code::M0223,
                    title,
                    &beneath.span,
                    format!("{} bytes", beneath.value),
                )
                .also(&made.vlan.span, "the VLAN on it")
                .also(&place(&vlan.origin), format!("its `mtu` is {}", vlan.mtu)),
            );
        }
    }
    found
}
