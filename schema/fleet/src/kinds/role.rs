//! Roles: who may do what.

use crate::{
    decode::Ref,
    kind::{kind, words},
    kinds::{pool::Pool, zone::Zone},
    span::Spanned,
};

kind! {
    /// People, and what they may do to which machines. What no role allows, only the daemon's own user may.
    "role" in roles: Role {
        /// For people.
        live description: Option<String>,
        /// What they may do.
        live allow: Vec<Spanned<Permission>>,
        /// People, as musterd's socket and their commits name them: `uid 1000 <ada@example.org>`. Who has no address
        /// here agrees to no plan: nobody could tell whether it is their own.
        live users: Vec<String>,
    }
    later {
        /// The pools it is about; all if none is given.
        live pools: Vec<Ref<Pool>>,
        /// The zones it is about; all if none is given.
        live zones: Vec<Ref<Zone>>,
        /// Groups of people, as their sign-on names them.
        live groups: Vec<String>,
    }
}

words! {
    /// What somebody may do.
    Permission {
        /// Agree to what a plan erases.
        Approve = "approve",
    }
    later {
        /// See everything.
        Read = "read",
        /// Ask for plans.
        Plan = "plan",
        /// Hold machines, and let them go.
        Hold = "hold",
        /// Switch machines on and off.
        Power = "power",
        /// Boot machines into the rescue system.
        Rescue = "rescue",
        /// Read consoles.
        Console = "console",
        /// Open a guard for one plan.
        Override = "override",
        /// Stop everything.
        Stop = "stop",
        /// Enrol and revoke rack agents.
        Agents = "agents",
    }
}
