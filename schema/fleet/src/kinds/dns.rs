//! Records of the domain name system beside those that machines get.

use crate::{
    kind::{kind, words},
    span::Spanned,
    value::{dns_name::DnsName, interval::Interval},
};

kind! {
    /// Records of one name and type (RFC 1035), beside those that machines and devices get by themselves.
    "dns" in dns (later): Dns {
        /// For people.
        live description: Option<String>,
        /// The name; without a dot at its end it is within the fleet's domain. The object's own name if it is not
        /// given.
        live name: Option<Spanned<DnsName>>,
        /// What they say.
        live record_type("type"): Spanned<RecordType>,
        /// What stands in them, one for each record: addresses for A and AAAA, a name for CNAME and PTR, and the
        /// text of a zone file (RFC 1035 §5.1) for the others.
        live value: Vec<Spanned<String>>,
        /// How long others may remember them.
        live ttl: Interval = Interval::seconds(300),
    }
}

words! {
    /// The type of a record (RFC 1035 §3.2.2).
    RecordType {
        /// An IPv4 address.
        A = "A",
        /// An IPv6 address (RFC 3596).
        Aaaa = "AAAA",
        /// The name that this one stands for.
        Cname = "CNAME",
        /// Where mail goes.
        Mx = "MX",
        /// A name server.
        Ns = "NS",
        /// The name of an address.
        Ptr = "PTR",
        /// Where a service is (RFC 2782).
        Srv = "SRV",
        /// Text.
        Txt = "TXT",
    }
}
