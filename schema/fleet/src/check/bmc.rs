//! BMCs: each of one machine, with what its driver needs: M0302, M0304.

use super::{Subject, place};
use crate::{
    code::Code,
    diagnostic::Diagnostic,
    kinds::machine::{Bmc, BmcDriver},
    span::Span,
};
use schema_ids::Name;
use std::{collections::BTreeMap, net::IpAddr};

/// Looks at the BMC of every machine.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let mut seen: BTreeMap<(IpAddr, Option<u16>), (&Name, &Span)> = BTreeMap::new();
    for (name, machine) in &subject.draft.machines {
        let Some(bmc) = &machine.bmc else { continue };
        let object = || format!("machine.{name}");
        found.extend(
            incomplete(name, bmc)
                .into_iter()
                .map(|diagnostic| diagnostic.in_object(object())),
        );
        let Some(address) = &bmc.address else { continue };
        if let Some((other, first)) = seen.get(&(address.value, bmc.port)) {
            found.push(
                Diagnostic::error(
                    Code::M0302,
                    format!("two machines have the BMC {}", address.value),
                    &address.span,
                    format!("BMC of {name}"),
                )
                .in_object(object())
                .also(first, format!("BMC of {other}"))
                .help("an order to switch one off would switch the other"),
            );
        } else {
            seen.insert((address.value, bmc.port), (name, &address.span));
        }
    }
}

fn incomplete(name: &Name, bmc: &Bmc) -> Vec<Diagnostic> {
    let wanted = match bmc.driver {
        BmcDriver::Ipmi | BmcDriver::Redfish => [
            ("address", bmc.address.is_none()),
            ("secret", bmc.secret.is_none()),
        ],
        BmcDriver::Manual => [("address", false), ("secret", false)],
    };
    let missing = wanted.into_iter().filter(|(_, missing)| *missing);
    let tell = |(key, _): (&str, bool)| {
        let title = format!("the BMC of {name} has no `{key}`");
        let label = format!("driver {} needs `{key}`", bmc.driver);
        Diagnostic::error(Code::M0304, title, &place(&bmc.origin), label)
    };
    missing.map(tell).collect()
}
