//! The host's own name.

use super::Entry;

/// `/etc/hostname` has the first label (hostname(5)); the full name resolves to the loopback address
/// that Debian keeps for it, with or without a network.
pub(super) fn render(hostname: &str) -> [Entry; 2] {
    let short = hostname.split('.').next().unwrap_or(hostname);
    let names = if short == hostname {
        short.to_owned()
    } else {
        format!("{hostname} {short}")
    };
    [
        Entry::file("/etc/hostname", 0o644, format!("{short}\n")),
        Entry::file(
            "/etc/hosts",
            0o644,
            format!(
                "127.0.0.1 localhost\n127.0.1.1 {names}\n\n\
                 ::1 localhost ip6-localhost ip6-loopback\nff02::1 ip6-allnodes\nff02::2 ip6-allrouters\n"
            ),
        ),
    ]
}
