//! Secrets, by the place where they are kept: never their contents.

use crate::{
    kind::{kind, table, words},
    span::Spanned,
};

kind! {
    /// A user name and password kept outside of git, or in it only as ciphertext.
    "secret" in secrets: Secret {
        /// How it is kept.
        live store: Spanned<SecretStore>,
        /// For `file`: an absolute path on the daemon's host, of a TOML file of strings. For `age` and `sops`: a
        /// file of the repository. For `vault`: the path there. For `systemd` and `env`: the credential's name,
        /// and what the variables begin with.
        live file: Spanned<String>,
        /// The names under which the file has them.
        live keys: SecretKeys,
    }
}

table! {
    /// The names under which a secret's file has its parts.
    SecretKeys {
        /// The user name.
        live username: String = "username".to_owned(),
        /// The password.
        live password: String = "password".to_owned(),
    }
}

words! {
    /// How a secret is kept.
    SecretStore {
        /// A file on the daemon's host, readable by the daemon alone.
        File = "file",
    }
    later {
        /// A file of the repository, encrypted with age.
        Age = "age",
        /// A file of the repository, encrypted with SOPS.
        Sops = "sops",
        /// A path in HashiCorp Vault or OpenBao.
        Vault = "vault",
        /// A credential that systemd hands to the daemon.
        Systemd = "systemd",
        /// Variables of the daemon's environment; for a lab.
        Env = "env",
        /// Made by the daemon, and set in the BMC by it.
        Generated = "generated",
    }
}
