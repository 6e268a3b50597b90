//! What is installed can reach the rack agents, to whom it shall say that it runs: M0226.

use super::Subject;
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::{
        deployment::Deployment,
        fabric::DhcpMode,
        image::Proof,
        network::{AddressMode, Network},
    },
    value::vlan_ref::VlanRef,
};
use std::collections::BTreeSet;

/// Looks at every deployment whose image calls home.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    for (name, deployment) in &draft.deployments {
        let image = draft.images.get(&deployment.image.name);
        let network = draft.networks.get(&deployment.network.name);
        let Some((image, network)) = image.zip(network) else {
            continue;
        };
        if image.proof != Proof::PhoneHome || may_reach(subject, deployment, network) {
            continue;
        }
        let title = format!("what deployment \"{name}\" installs cannot call the rack agents");
        let label = "none of its addresses is in a network that machines boot from, and no route leads there";
        let diagnostic = Diagnostic::warning(Code::M0226, title, &deployment.network.span, label)
            .also(
                &deployment.image.span,
                "this image proves by phone-home that it runs",
            )
            .help("give a port an address of the network that it boots from, or a default route");
        found.push(diagnostic.in_object(format!("deployment.{name}")));
    }
}

/// Whether the layout leads to where machines boot, or may: of an address that is asked for or filled in nobody knows
/// the network here.
fn may_reach(subject: &Subject<'_>, deployment: &Deployment, network: &Network) -> bool {
    if network.route.iter().any(|route| route.to.prefix_len() == 0) {
        return true;
    }
    let draft = subject.draft;
    let links = boot_links(subject, deployment);
    links.is_empty()
        || network.address.iter().any(|address| match address.mode.value {
            AddressMode::Dhcp | AddressMode::Static => true,
            AddressMode::LinkUp => false,
            // A subnet that is nowhere is told already.
            AddressMode::Auto => address.subnet.as_ref().is_none_or(|subnet| {
                draft
                    .subnets
                    .get(&subnet.name)
                    .is_none_or(|subnet| subnet.gateway.is_some() || links.contains(&subnet.vlan.value))
            }),
        })
}

/// The VLANs that machines of a deployment boot from: those it names, or all where it counts.
fn boot_links<'d>(subject: &Subject<'d>, deployment: &Deployment) -> BTreeSet<&'d VlanRef> {
    let draft = subject.draft;
    let named = deployment
        .machines
        .iter()
        .filter_map(|machine| Some(&**draft.machines.get(&machine.name)?));
    let counted = match deployment.count {
        Some(_) => subject.candidates(deployment.require.as_ref()),
        None => &[],
    };
    let machines = named.chain(counted.iter().map(|one| one.machine));
    let links = machines.flat_map(|machine| machine.nic.values().filter_map(|nic| nic.link.as_ref()));
    let serves = |link: &&VlanRef| {
        let vlan = draft
            .fabrics
            .get(&link.fabric)
            .and_then(|fabric| fabric.vlan.get(&link.vlan));
        vlan.is_some_and(|vlan| vlan.dhcp.value != DhcpMode::Off)
    };
    links.map(|link| &link.value).filter(serves).collect()
}
