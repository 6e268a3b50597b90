//! The name of a VLAN: its fabric and its own.

use crate::{
    code::Code,
    decode::{Decode, Decoder},
    kind::Shape,
    tree::Node,
    value::BadValue,
};
use schema_ids::Name;
use std::{fmt, str::FromStr};

/// `fabric/vlan`; checked to exist once all files are read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VlanRef {
    /// The fabric.
    pub fabric: Name,
    /// The VLAN in it.
    pub vlan: Name,
}

impl FromStr for VlanRef {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let both = text.split_once('/').and_then(|(fabric, vlan)| {
            Some(Self {
                fabric: fabric.parse().ok()?,
                vlan: vlan.parse().ok()?,
            })
        });
        both.ok_or(BadValue("it is two names with a slash between"))
    }
}

impl fmt::Display for VlanRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.fabric, self.vlan)
    }
}

/// What references to VLANs are called among the other references.
pub(crate) const VLAN: &str = "vlan";

impl Decode for VlanRef {
    const SHAPE: &'static Shape = &Shape::Text {
        what: "a VLAN as fabric/vlan",
        example: "lab/pxe",
        pattern: Some(r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?/[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"),
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let fits = |text: &str| text.parse::<Self>().is_ok();
        let text = decoder.text_that(node, "a VLAN as fabric/vlan", fits)?;
        let value: Self = decoder.parsed(
            text,
            &node.span,
            Code::M0009,
            "a VLAN as fabric/vlan",
            Some("lab/pxe"),
        )?;
        decoder.refer(VLAN, text, &node.span);
        Some(value)
    }
}
