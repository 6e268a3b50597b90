//! New names of machines: the machine stays what it is.

use crate::{kind::kind, span::Spanned};
use schema_ids::Name;

kind! {
    /// A machine that has another name now. It keeps its slot, its addresses and what is on its disks.
    "moved.machine" in moved_machines: MovedMachine {
        /// Its new name: of a machine that is declared, has moved on, or was removed since.
        live to: Spanned<Name>,
    }
}
