//! The unit by which the installed system says, once per boot, that it runs.

use super::Entry;
use crate::phone_home::{CONFIG, PROGRAM, PhoneHomeConfig};

const UNIT: &str = "/etc/systemd/system/muster-phone-home.service";

/// Renders unit and configuration; the program itself is copied by the step.
///
/// Not a oneshot: that would hold back everything that waits for the system to be up while the rack
/// agent is away.
pub(super) fn render(home: &PhoneHomeConfig) -> [Entry; 3] {
    let config = serde_json::to_string_pretty(home).expect("the configuration has only text in it");
    let unit = format!(
        "[Unit]\n\
         Description=Tells the rack that this system runs\n\
         Wants=network-online.target\n\
         After=network-online.target\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={PROGRAM} phone-home\n\
         Restart=on-failure\n\
         RestartSec=5\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    );
    [
        Entry::file(CONFIG, 0o600, config + "\n"),
        Entry::file(UNIT, 0o644, unit),
        Entry::link(
            "/etc/systemd/system/multi-user.target.wants/muster-phone-home.service",
            UNIT,
        ),
    ]
}
