//! BMC accounts, sealed: encrypted to the age key of the one agent that is to open them (age v1, X25519).
//!
//! An agent's word carries the result, its disk keeps it, and neither this daemon's disk nor its database
//! ever has either form. Two sealings of one account differ, so nothing may be compared by them.

use rack_api::enrol::Account;

/// An account that cannot be sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealError {
    /// The recipient is none; enrolment takes only good ones.
    #[error("the agent's recipient is no age key: {0}")]
    Recipient(&'static str),
    /// age failed.
    #[error("cannot encrypt")]
    Encrypt(#[source] age::EncryptError),
}

/// An account as it is before it is sealed.
pub(crate) fn clear(account: &Account) -> String {
    serde_json::to_string(account).expect("messages are plain data and always serialise")
}

/// Seals a text to a recipient, in age's armour.
pub(crate) fn seal(clear: &str, recipient: &str) -> Result<String, SealError> {
    let recipient: age::x25519::Recipient = recipient.parse().map_err(SealError::Recipient)?;
    age::encrypt_and_armor(&recipient, clear.as_bytes()).map_err(SealError::Encrypt)
}

#[cfg(test)]
mod tests {
    use rack_api::enrol::Account;

    #[test]
    fn a_sealed_account_is_opened_by_its_agent_and_by_no_other() {
        let (mine, other) = (
            age::x25519::Identity::generate(),
            age::x25519::Identity::generate(),
        );
        let account = Account {
            username: "admin".to_owned(),
            password: "hunter2".to_owned(),
        };
        let sealed = super::seal(&super::clear(&account), &mine.to_public().to_string()).unwrap();
        assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
        let opened = age::decrypt(&mine, sealed.as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<Account>(&opened).unwrap(), account);
        assert!(age::decrypt(&other, sealed.as_bytes()).is_err());
        assert!(super::seal("x", "age1none").is_err());
    }
}
