//! Tags: words on machines, given by people or by what was found in them.

use crate::{kind::kind, span::Spanned, value::expression::Expression};

kind! {
    /// A word that machines have. One that is only given to machines needs no object of its own; with one, a
    /// misspelt tag is noticed.
    "tag" in tags: Tag {
        /// For people.
        live description: Option<String>,
    }
    later {
        /// Machines have it by what their inspection found: `gpu.count >= 1 and memory >= 256GiB`.
        live matches("match"): Option<Spanned<Expression>>,
    }
}
