//! `/etc/mdadm/mdadm.conf` (mdadm.conf(5)): the arrays by UUID, each under the name that the layout gives it.
//!
//! The image's initial RAM disk has no such lines and assembles whatever is at home on any host, as ours are;
//! the next one, which the system makes with its next kernel, has them.

use super::Entry;
use crate::deploy::md_uuid;
use rack_api::job::Deploy;
use std::fmt::Write;

/// Renders the arrays; nothing if there are none.
pub(super) fn render(deploy: &Deploy) -> Option<Entry> {
    if deploy.arrays.is_empty() {
        return None;
    }
    let mut text = String::from("# Written by muster at installation.\nHOMEHOST <system>\nMAILADDR root\n");
    for array in &deploy.arrays {
        writeln!(
            text,
            "ARRAY /dev/md/{name} metadata=1.2 UUID={uuid} name=any:{name}",
            name = array.name,
            uuid = md_uuid(array)
        )
        .expect("a String takes all that is written");
    }
    Some(Entry::file("/etc/mdadm/mdadm.conf", 0o644, text))
}
