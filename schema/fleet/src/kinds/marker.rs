//! The root marker of a repository: `[muster]` in `muster.toml`.

use crate::{kind::table, span::Spanned, value::pattern::Pattern};

table! {
    /// What holds for the repository as a whole: `[muster]`, in `muster.toml` or `muster.kdl` at its root.
    Marker {
        /// Version of the language; 1.
        live schema: Spanned<u32>,
        /// The fleet files that are read, by their paths: `site/*` is everything below `site`. All if none is given.
        live include: Vec<Spanned<Pattern>>,
    }
}
