//! What a machine gets that boots from the network: the decision, the script, and what was seen of it.
//!
//! [`decide`] picks job, local boot, enlistment or refusal; [`script`] has the one table of client ×
//! answer; [`BootLog`] keeps one growing summary per boot. Every script ends in the next boot device on
//! error, with the reason and a short code on the console: no machine is left at a prompt.

mod decide;
mod evidence;
mod grub;
mod script;

pub use decide::{Decision, Hardware, LiveGo, Question, decide};
pub use evidence::{BootLog, Sign};
pub use grub::{GRUB_SCRIPT, TFTP_ARTEFACT, grub_script};
pub use script::{Answer, Client, System, first_script, script};

/// `GET` a loader over HTTP: this and its file name.
pub const LOADER_PATH: &str = "/loader/";
