//! Ends the machine's boot. Only PID 1 does so: run by hand, the program itself ends instead.

use crate::program;
use rustix::system::RebootCommand;
use std::time::Duration;

/// udev may still be looking at a disk that was written last; it is not waited for longer.
const QUIET_LIMIT: Duration = Duration::from_secs(15);

/// Writes out what is buffered and starts the firmware again.
pub fn reboot() -> ! {
    end(RebootCommand::Restart)
}

/// Writes out what is buffered and turns the power off.
pub fn off() -> ! {
    end(RebootCommand::PowerOff)
}

fn end(command: RebootCommand) -> ! {
    if std::process::id() == 1 {
        // Whether or not there is an udev: the machine ends now.
        let _ = program::output("udevadm", &["settle", "--timeout=10"], "", QUIET_LIMIT);
        rustix::fs::sync();
        let error = rustix::system::reboot(command);
        crate::say!("the kernel refuses {command:?}: {error:?}");
    }
    // The end of PID 1 is a panic, and the initrd has made a panic a reboot.
    std::process::exit(1)
}
