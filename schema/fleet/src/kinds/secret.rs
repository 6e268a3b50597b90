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
        /// For `file`: an absolute path on the daemon's host, of a TOML file of strings. For `age`: a
        /// file of the repository.
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
        /// A file of the repository, encrypted with age.
        Age = "age",
    }
}
