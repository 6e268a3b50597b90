//! Profiles: what machines of one sort have in common.

use crate::{
    decode::{Decode, Decoder, Ref},
    kind::{Shape, kind},
    kinds::{
        expect::Expect,
        machine::{Bmc, Boot, Manage, Power, Protect},
        pool::Pool,
        rack::Rack,
        script::Script,
    },
    span::{Span, Spanned},
    tree::Node,
};
use schema_ids::{MarkOwner, Name};
use std::collections::BTreeSet;

kind! {
    /// What machines of one sort have in common; a machine's own fields come on top.
    "profile" in profiles: Profile {
        /// For people.
        live description: Option<String>,
        /// Another profile that this one builds on; at most three in a row.
        live extends: Option<Ref<Profile>>,
        /// Tags its machines have.
        live tags: Tags,
        /// Tags of the extended profile that its machines do not have.
        live tags_remove: Tags,
        /// Where its machines stand.
        live rack: Option<Ref<Rack>>,
        /// The pool its machines belong to.
        live pool: Option<Ref<Pool>>,
        /// How its machines' BMCs are spoken to.
        live bmc: Option<Bmc>,
        /// How its machines boot.
        live boot: Option<Boot>,
        /// Whether they are wanted on when nothing else decides.
        live power: Option<Power>,
        /// How much is done with them.
        live manage: Option<Manage>,
        /// Whether inspections leave a mark of ownership in their firmware.
        live mark: Option<bool>,
        /// The control plane that they are taken over from, by the id in its marks.
        live taken_from: Option<Spanned<MarkOwner>>,
        /// What may not be done to them.
        live protect: Option<Protect>,
        /// How many rack units they fill.
        live height: Option<Spanned<u8>>,
        /// What their inspections must find.
        live expect: Option<Expect>,
        /// Why they are kept for somebody: no deployment that counts takes them.
        live reserve: Option<String>,
    }
    later {
        /// Why nothing disruptive may be done to its machines now.
        live maintenance: Option<String>,
        /// Scripts that inspections of its machines run beside their own tests, in this order.
        live commissioning: Vec<Ref<Script>>,
    }
}

/// A set of tags.
pub type Tags = BTreeSet<Spanned<Name>>;

impl Decode for Tags {
    const SHAPE: &'static Shape = &Shape::List(Name::SHAPE);
    const REQUIRED: bool = false;

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        decoder
            .value::<Vec<Spanned<Name>>>(node)
            .map(|tags| tags.into_iter().collect())
    }

    fn absent(_: &Span, _: &mut Decoder) -> Option<Self> {
        Some(Self::new())
    }
}
