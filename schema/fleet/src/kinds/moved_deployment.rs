//! New names of deployments: the machines stay in their slots.

use crate::{kind::kind, span::Spanned};
use schema_ids::Name;

kind! {
    /// A deployment that has another name now. Its machines keep their slots, and nothing is done to them.
    "moved.deployment" in moved_deployments: MovedDeployment {
        /// Its new name: of a deployment that is declared, has moved on, or was removed since.
        live to: Spanned<Name>,
    }
}
