//! Parameters of a bond belong to its mode: M0227.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::network::{Bond, BondHash, BondMode, LacpRate},
};
use schema_ids::Name;

/// Looks at every bond of every layout.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (layout, network) in &subject.draft.networks {
        for (name, bond) in &network.bond {
            let object = format!("network.{layout}");
            found.extend(misfits(name, bond).into_iter().map(|one| one.in_object(&object)));
        }
    }
}

fn misfits(name: &Name, bond: &Bond) -> Vec<Diagnostic> {
    let mode = bond.mode;
    let one_works = matches!(
        mode,
        BondMode::ActiveBackup | BondMode::BalanceTlb | BondMode::BalanceAlb
    );
    let hashes = matches!(mode, BondMode::Lacp | BondMode::BalanceXor | BondMode::BalanceTlb);
    let mut found = Vec::new();
    let mut tell = |key: &str, span, why: &str| {
        let title = format!("`{key}` does not go with mode {mode} of bond \"{name}\"");
        found.push(Diagnostic::error(Code::M0227, title, span, why));
    };
    let whole = place(&bond.origin);
    if bond.lacp_rate != LacpRate::Slow && mode != BondMode::Lacp {
        tell("lacp-rate", &whole, "only 802.3ad speaks LACP");
    }
    if bond.hash != BondHash::Layer2 && !hashes {
        tell(
            "hash",
            &whole,
            "only 802.3ad, balance-xor and balance-tlb choose by a hash",
        );
    }
    if bond.min_links > 0 && mode != BondMode::Lacp {
        tell("min-links", &whole, "only 802.3ad counts links");
    }
    if let Some(primary) = bond.primary.as_ref().filter(|_| !one_works) {
        tell(
            "primary",
            &primary.span,
            "only where one member works more than the others",
        );
    }
    if let Some(interval) = &bond.arp_interval {
        if matches!(mode, BondMode::Lacp | BondMode::BalanceTlb | BondMode::BalanceAlb) {
            tell(
                "arp-interval",
                &interval.span,
                "this mode looks at links by miimon",
            );
        } else if bond.arp_targets.is_empty() {
            let title = format!("bond \"{name}\" asks nobody");
            let label = "which addresses answer while a link works? `arp-targets`";
            found.push(Diagnostic::error(Code::M0227, title, &interval.span, label));
        }
    }
    if let Some(primary) = &bond.primary
        && bond.members.iter().all(|member| member.value != primary.value)
    {
        let title = format!("\"{}\" is no member of bond \"{name}\"", primary.value);
        found.push(Diagnostic::error(
            Code::M0227,
            title,
            &primary.span,
            "the primary is one of the members",
        ));
    }
    found
}
