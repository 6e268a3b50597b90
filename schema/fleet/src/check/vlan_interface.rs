//! VLAN interfaces that the kernel would not make, or that carry nothing: M0231.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::network::{Network, VlanInterface},
};
use schema_ids::Name;
use std::collections::BTreeMap;

/// Looks at every network layout.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, network) in &subject.draft.networks {
        let object = format!("network.{name}");
        found.extend(
            of_layout(subject, network)
                .into_iter()
                .map(|one| one.in_object(&object)),
        );
    }
}

fn of_layout(subject: &Subject<'_>, network: &Network) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut tagged: BTreeMap<(&Name, u16), (&Name, &VlanInterface)> = BTreeMap::new();
    for (name, made) in &network.vlan {
        let fabric = subject.draft.fabrics.get(&made.vlan.fabric);
        let Some(vlan) = fabric.and_then(|fabric| fabric.vlan.get(&made.vlan.vlan)) else {
            continue;
        };
        let vid = vlan.vid.value;
        let link = &made.link.value;
        if vid == 0 {
            let title = format!(
                "\"{}\" is not tagged, so \"{name}\" would carry nothing",
                made.vlan.value
            );
            let told =
                Diagnostic::warning(Code::M0231, title, &made.vlan.span, "a VLAN with an id is wanted");
            let told = told.also(&vlan.vid.span, "0 is the untagged one");
            found.push(told.help(format!(
                "use \"{link}\" itself: what is not tagged is there already"
            )));
        } else if let Some((first, other)) = tagged.insert((link, vid), (name, made)) {
            let title = format!("\"{first}\" and \"{name}\" are VLAN {vid} of \"{link}\" both");
            let told = Diagnostic::warning(Code::M0231, title, &made.vlan.span, "second");
            let told = told.also(&other.vlan.span, "first");
            found.push(told.help("the kernel makes one of them: put both addresses on that"));
        }
    }
    found
}
