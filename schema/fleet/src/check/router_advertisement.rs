//! Advertisements say what can be: M0217.

use super::{Subject, place};
use crate::{code::Code, diagnostic::Diagnostic};

/// Machines make themselves addresses in networks of this length only (RFC 4862 §5.5.3, RFC 4291 §2.5.1).
const AUTONOMOUS_PREFIX: u8 = 64;

/// Looks at every subnet.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for (name, subnet) in &subject.draft.subnets {
        let Some(ra) = &subnet.ra else { continue };
        let span = place(&ra.origin);
        let object = format!("subnet.{name}");
        let told = if subnet.cidr.addr().is_ipv4() {
            let title = format!("subnet \"{name}\" is of IPv4 and is not advertised by routers");
            Some((title, "only IPv6 has router advertisements"))
        } else if ra.autonomous && subnet.cidr.prefix_len() != AUTONOMOUS_PREFIX {
            let title = format!("no machine makes itself an address in {}", subnet.cidr.value);
            Some((title, "`autonomous` needs a network of /64"))
        } else {
            None
        };
        if let Some((title, label)) = told {
            found.push(
                Diagnostic::error(Code::M0217, title, &span, label)
                    .also(&subnet.cidr.span, "the network")
                    .in_object(object),
            );
        }
    }
}
