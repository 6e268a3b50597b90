//! What the rack agent told this boot, on the kernel command line.

use rack_api::kernel_argument;
use schema_ids::{Mac, ParseError};

/// The arguments this agent needs; the initrd has used the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelArguments {
    /// The rack agent: `http://`, address and port, without a slash at the end.
    pub server: String,
    /// The boot's token.
    pub token: String,
    /// The interface that booted.
    pub mac: Mac,
}

/// Why the command line is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    /// One is not there.
    #[error("the kernel command line has no {0}=")]
    Missing(&'static str),
    /// The server is not what we can talk to.
    #[error("{:?} is not an http:// address", .0)]
    Server(String),
    /// The MAC is none.
    #[error("the kernel command line has a wrong {}", kernel_argument::MAC)]
    Mac(#[source] ParseError),
}

impl KernelArguments {
    /// Reads the text of `/proc/cmdline`; of an argument given twice the last counts, as with the
    /// kernel's own.
    pub fn parse(command_line: &str) -> Result<Self, ArgumentError> {
        let value = |key: &'static str| {
            command_line
                .split_whitespace()
                .filter_map(|word| word.strip_prefix(key)?.strip_prefix('='))
                .next_back()
                .ok_or(ArgumentError::Missing(key))
        };
        let server = value(kernel_argument::SERVER)?.trim_end_matches('/');
        if !server.starts_with("http://") {
            return Err(ArgumentError::Server(server.to_owned()));
        }
        Ok(Self {
            server: server.to_owned(),
            token: value(kernel_argument::TOKEN)?.to_owned(),
            mac: value(kernel_argument::MAC)?.parse().map_err(ArgumentError::Mac)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_one_counts() {
        let parsed = KernelArguments::parse(
            "console=ttyS0 muster.mac=52-54-00-77-00-01 muster.server=http://a:1 \
             muster.server=http://10.77.0.1:8080/ muster.token=t=1\n",
        )
        .unwrap();
        assert_eq!(parsed.server, "http://10.77.0.1:8080");
        assert_eq!(parsed.token, "t=1");
        assert_eq!(parsed.mac.to_string(), "52:54:00:77:00:01");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |line| KernelArguments::parse(line).unwrap_err().to_string();
        assert_eq!(error("quiet"), "the kernel command line has no muster.server=");
        assert_eq!(
            error("muster.server=ftp://a muster.token=t"),
            "\"ftp://a\" is not an http:// address"
        );
        assert_eq!(
            error("muster.server=http://a muster.tokens=t"),
            "the kernel command line has no muster.token="
        );
    }
}
