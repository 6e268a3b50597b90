//! New names of machines: the machine stays what it is.

use crate::{decode::Ref, kind::kind, kinds::machine::Machine};

kind! {
    /// A machine that has another name now.
    "moved.machine" in moved_machines: MovedMachine {
        /// Its new name.
        live to: Ref<Machine>,
    }
}
