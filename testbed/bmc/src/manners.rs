//! How a BMC behaves: what it is, and what it does wrong.

use std::time::Duration;

/// What a BMC is and does wrong; may be changed while it runs.
#[derive(Debug, Clone)]
pub struct Manners {
    /// The account: at most sixteen bytes of name, twenty of password.
    pub user: String,
    /// Its password; change it to have the right one refused.
    pub password: String,
    /// The BMC's own key, K_g; without one the password takes its place (IPMI 2.0 §13.31).
    pub kg: Option<Vec<u8>>,
    /// Suites it takes, of 3 and 17.
    pub suites: Vec<u8>,
    /// What it lists, in records; `None` leaves the question unanswered.
    pub listed: Option<Vec<u8>>,
    /// Says nothing to a proposal it does not take, instead of refusing it.
    pub sulks: bool,
    /// The highest privilege level of its user (4 administrator, 3 operator, 2 user), and the RMCP+ status for more.
    pub level_max: (u8, u8),
    /// Sessions at a time, half open ones too.
    pub sessions_max: usize,
    /// So many chassis commands are answered "node busy" (0xC0) first.
    pub busy: usize,
    /// Commands answered with a completion code instead of being carried out: function, number, code.
    pub refuses: Vec<(u8, u8, u8)>,
    /// Chassis commands are answered with the success code alone.
    pub curt: bool,
    /// So many answers to chassis commands are lost, after the command was carried out.
    pub loses: usize,
    /// Answers to chassis commands come so late; nothing else is heard meanwhile.
    pub late: Duration,
    /// Power commands are accepted and change nothing.
    pub stuck: bool,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            user: "admin".to_owned(),
            password: "secret".to_owned(),
            kg: None,
            suites: vec![3, 17],
            listed: Some(records(&[3, 17])),
            sulks: false,
            level_max: (4, 0x0a),
            sessions_max: 4,
            busy: 0,
            refuses: vec![],
            curt: false,
            loses: 0,
            late: Duration::ZERO,
            stuck: false,
        }
    }
}

/// The records of these suites (IPMI 2.0 table 22-18).
pub fn records(suites: &[u8]) -> Vec<u8> {
    let record = |suite: &u8| match suite {
        3 => [0xc0, 3, 0x01, 0x41, 0x81],
        17 => [0xc0, 17, 0x03, 0x44, 0x81],
        other => [0xc0, *other, 0x00, 0x40, 0x80],
    };
    suites.iter().flat_map(record).collect()
}
