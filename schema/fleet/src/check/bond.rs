//! Parameters of a bond belong to its mode and its members: M0227.

use super::Subject;
use crate::{
    code::Code,
    count::count,
    diagnostic::Diagnostic,
    kinds::network::{Bond, BondMode},
    span::Span,
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
    let mode = bond.mode.value;
    let one_works = matches!(
        mode,
        BondMode::ActiveBackup | BondMode::BalanceTlb | BondMode::BalanceAlb
    );
    let hashes = matches!(mode, BondMode::Lacp | BondMode::BalanceXor | BondMode::BalanceTlb);
    let mut found = Vec::new();
    let mut tell = |key: &str, span: Option<&Span>, why: &str| {
        // What nobody wrote is nobody's mistake.
        let Some(span) = span else { return };
        let title = format!("`{key}` does not go with mode {mode} of bond \"{name}\"");
        found.push(
            Diagnostic::error(Code::M0227, title, span, why)
                .also(&bond.mode.span, "the mode")
                .help(format!("leave `{key}` out, or take another mode")),
        );
    };
    if mode != BondMode::Lacp {
        tell(
            "lacp-rate",
            bond.lacp_rate.span.as_ref(),
            "only 802.3ad speaks LACP",
        );
        tell(
            "min-links",
            bond.min_links.span.as_ref(),
            "only 802.3ad counts links",
        );
    }
    if !hashes {
        let why = "only 802.3ad, balance-xor and balance-tlb choose by a hash";
        tell("hash", bond.hash.span.as_ref(), why);
    }
    if !one_works {
        let primary = bond.primary.as_ref().map(|primary| &primary.span);
        tell(
            "primary",
            primary,
            "only where one member works more than the others",
        );
    }
    let interval = bond.arp_interval.as_ref().map(|interval| &interval.span);
    if matches!(mode, BondMode::Lacp | BondMode::BalanceTlb | BondMode::BalanceAlb) {
        tell("arp-interval", interval, "this mode looks at links by miimon");
    } else if let Some(interval) = interval
        && bond.arp_targets.is_empty()
    {
        let title = format!("bond \"{name}\" asks nobody");
        found.push(
            Diagnostic::error(Code::M0227, title, interval, "`arp-targets` is missing or empty")
                .help("name addresses that answer while a link works:  arp-targets = [\"10.0.0.1\"]"),
        );
    }
    found.extend(no_member(name, bond));
    found.extend(never_up(name, bond));
    found
}

fn no_member(name: &Name, bond: &Bond) -> Option<Diagnostic> {
    let primary = bond.primary.as_ref()?;
    let is_member = bond.members.iter().any(|member| member.value == primary.value);
    let title = format!("\"{primary}\" is no member of bond \"{name}\"");
    let members: Vec<&str> = bond.members.iter().map(|member| member.as_str()).collect();
    (!is_member).then(|| {
        Diagnostic::error(
            Code::M0227,
            title,
            &primary.span,
            "the primary is one of the members",
        )
        .help(format!("its members: {}", members.join(", ")))
    })
}

/// A bond that wants more working members than it has.
fn never_up(name: &Name, bond: &Bond) -> Option<Diagnostic> {
    let span = bond.min_links.span.as_ref()?;
    let members = bond.members.len();
    let is_too_many = usize::try_from(*bond.min_links).is_ok_and(|least| least > members) && members > 0;
    is_too_many.then(|| {
        let title = format!("bond \"{name}\" is never up");
        let label = format!("it has {}", count(members, "member"));
        let diagnostic = Diagnostic::error(Code::M0227, title, span, label);
        diagnostic.help("as many links as this must work at once; take fewer")
    })
}
