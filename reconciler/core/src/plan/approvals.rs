//! How many people must agree to what a plan destroys, who of them counts, and how many are missing.
//!
//! What counts is the revision before the commit, the one that is carried out: its `approvals` and its roles. Who wrote one
//! of the new commits does not agree with themselves. A word is for a wipe-set: it holds for any plan that destroys no
//! more, whatever else its commit says, and it is used up when one of its machines is destroyed.

use crate::condition::Condition;
use crate::plan::Plan;
use schema_fleet::{Approvals, Fleet, Permission, Role};
use schema_ids::{ContentId, MachineId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What the plan is measured by.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'g> {
    /// The fleet as it is carried out.
    pub base: &'g Fleet,
    /// The adopted plan.
    pub parent: &'g Plan,
    /// Addresses of those who wrote what is new.
    pub authors: &'g BTreeSet<String>,
    /// People who agreed to this wipe-set, as the door knows them.
    pub agreed: &'g BTreeSet<String>,
}

/// The machines that a plan newly releases, or newly erases of what is not blank.
pub fn destroyed(plan: &Plan, parent: &Plan) -> BTreeSet<MachineId> {
    let mut machines = plan.destroys.clone();
    for (id, disks) in &plan.wipe_set.entries {
        let known = parent.wipe_set.entries.get(id);
        let is_new = |disk| known.is_none_or(|known| !known.contains(disk));
        if disks
            .iter()
            .any(|disk| disk.content != ContentId::Blank && is_new(disk))
        {
            machines.insert(*id);
        }
    }
    machines
}

impl Plan {
    /// Whether who agreed to this plan agreed to what the other destroys as well: it erases the very same, and this one destroys
    /// no less. The names of their wipe-sets do not say that: they have twelve digits, for people to read.
    #[must_use]
    pub fn speaks_for(&self, other: &Self) -> bool {
        self.wipe_set == other.wipe_set && self.destroys.is_superset(&other.destroys)
    }
}

/// The addresses under which a fleet's roles know people.
pub fn addresses(fleet: &Fleet) -> impl Iterator<Item = &str> {
    let users = fleet.roles.values().flat_map(|role| &role.users);
    users.filter_map(|user| User::of(user).address)
}

/// Who must agree to what a plan destroys, and who has, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Agreement {
    /// So many people.
    pub needed: usize,
    /// Those who have and whose word counts; absent where nobody can tell, as without the daemon.
    pub given: Option<BTreeSet<String>>,
    /// The roles whose users may; with none, whoever reaches musterd's socket.
    pub eligible: BTreeSet<String>,
    /// Whether it destroys more than the fleet's limits allow.
    pub mass: bool,
}

impl Agreement {
    /// What a plan needs; `None` if it destroys nothing, or its fleet asks for nobody. `agreed` is absent where nobody can
    /// tell.
    pub fn of(
        plan: &Plan,
        base: &Fleet,
        parent: &Plan,
        authors: &BTreeSet<String>,
        agreed: Option<&BTreeSet<String>>,
    ) -> Option<Self> {
        let approvals = base.settings.approvals.as_ref()?;
        let needed = needed(plan, destroyed(plan, parent).len(), approvals);
        if needed == 0 || plan.commit == parent.commit {
            return None;
        }
        let who = Who::of(base, approvals);
        let counts = |person: &&String| who.objection(person, authors).is_none();
        let eligible = match &who {
            Who::Anyone => BTreeSet::new(),
            Who::Users { roles, .. } => roles.split(" or ").map(str::to_owned).collect(),
        };
        Some(Self {
            needed,
            given: agreed.map(|agreed| agreed.iter().filter(counts).cloned().collect()),
            eligible,
            mass: is_mass(plan),
        })
    }

    /// Whether enough have.
    pub fn is_given(&self) -> bool {
        self.given
            .as_ref()
            .is_some_and(|given| given.len() >= self.needed)
    }

    /// In a line: `1 (destructive), by team-platform, not the author; nobody has yet`.
    pub fn line(&self) -> String {
        let kind = if self.mass {
            "mass-destructive"
        } else {
            "destructive"
        };
        let list = |names: &BTreeSet<String>, word: &str| {
            names.iter().map(String::as_str).collect::<Vec<_>>().join(word)
        };
        let by = match self.eligible.is_empty() {
            true => "by whoever reaches musterd's socket".to_owned(),
            false => format!("by {}, not the author", list(&self.eligible, " or ")),
        };
        let so_far = match &self.given {
            None => String::new(),
            Some(given) if given.is_empty() => "; nobody has yet".to_owned(),
            Some(given) => format!("; given by {}", list(given, ", ")),
        };
        format!("{} ({kind}), {by}{so_far}", self.needed)
    }
}

/// Whether enough people agreed.
///
/// # Errors
/// The condition and the reason, when somebody is missing.
pub fn approved(plan: &Plan, ground: &Ground<'_>) -> Result<(), (Condition, String)> {
    let Some(approvals) = &ground.base.settings.approvals else {
        return Ok(());
    };
    let destroyed = destroyed(plan, ground.parent).len();
    let needed = needed(plan, destroyed, approvals);
    let who = Who::of(ground.base, approvals);
    let counted: BTreeSet<&str> = ground
        .agreed
        .iter()
        .map(String::as_str)
        .filter(|person| who.objection(person, ground.authors).is_none())
        .collect();
    if counted.len() >= needed {
        return Ok(());
    }
    let so_far = match counted.len() {
        0 => "nobody has".to_owned(),
        _ => format!(
            "{} has",
            counted.iter().copied().collect::<Vec<_>>().join(" and ")
        ),
    };
    let mut reason = format!(
        "it destroys what {} and {} must agree to wipe-set {}: {so_far}, {} more must. {}",
        match destroyed {
            1 => "1 machine holds".to_owned(),
            count => format!("{count} machines hold"),
        },
        match needed {
            1 => "1 person".to_owned(),
            count => format!("{count} people"),
        },
        plan.wipe_set.digest,
        needed - counted.len(),
        who.told(ground.authors)
    );
    let objections = ground.agreed.iter().filter_map(|person| {
        let why = who.objection(person, ground.authors)?;
        Some(format!(". {person} does not count: {why}"))
    });
    reason.extend(objections);
    Err((Condition::ApprovalsMissing, reason))
}

fn needed(plan: &Plan, destroyed: usize, approvals: &Approvals) -> usize {
    match (destroyed, is_mass(plan)) {
        (0, _) => 0,
        (_, false) => approvals.destructive as usize,
        (_, true) => approvals.mass_destructive.max(approvals.destructive) as usize,
    }
}

fn is_mass(plan: &Plan) -> bool {
    plan.guards
        .iter()
        .any(|guard| guard.guard == "limits" && guard.blocked.is_some())
}

/// Those who may agree.
enum Who<'f> {
    /// Whoever reaches the door: no role says otherwise.
    Anyone,
    /// The users of these roles.
    Users { roles: String, users: Vec<User<'f>> },
}

/// A user of a role: `uid 1000 <ada@example.org>`.
struct User<'f> {
    /// As the door knows them.
    name: &'f str,
    /// As commits know them.
    address: Option<&'f str>,
}

impl<'f> User<'f> {
    fn of(text: &'f str) -> Self {
        let parts = text.strip_suffix('>').and_then(|text| text.rsplit_once('<'));
        match parts {
            Some((name, address)) => Self {
                name: name.trim(),
                address: Some(address.trim()),
            },
            None => Self {
                name: text.trim(),
                address: None,
            },
        }
    }

    fn wrote(&self, authors: &BTreeSet<String>) -> bool {
        let is_one = |address: &str| authors.iter().any(|author| author.eq_ignore_ascii_case(address));
        self.address.is_some_and(is_one)
    }
}

impl<'f> Who<'f> {
    fn of(base: &'f Fleet, approvals: &Approvals) -> Self {
        let named = approvals.role.as_ref().map(|role| &role.name);
        let counts = |name: &schema_ids::Name, role: &Role| match named {
            Some(named) => name == named,
            None => role.allow.iter().any(|allow| allow.value == Permission::Approve),
        };
        let roles: Vec<_> = base
            .roles
            .iter()
            .filter(|(name, role)| counts(name, role))
            .collect();
        if roles.is_empty() && named.is_none() {
            return Self::Anyone;
        }
        Self::Users {
            roles: roles
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>()
                .join(" or "),
            users: roles
                .iter()
                .flat_map(|(_, role)| role.users.iter().map(|user| User::of(user)))
                .collect(),
        }
    }

    /// Why this person's word does not count, if it does not.
    fn objection(&self, person: &str, authors: &BTreeSet<String>) -> Option<&'static str> {
        let Self::Users { users, .. } = self else {
            return None;
        };
        let entries: Vec<_> = users.iter().filter(|user| user.name == person).collect();
        if entries.is_empty() {
            Some("they are not in that role")
        } else if entries.iter().any(|user| user.wrote(authors)) {
            Some("they wrote a part of it")
        } else if entries.iter().all(|user| user.address.is_none()) {
            Some("their role names no address of theirs, so that nobody knows whether they wrote it")
        } else {
            None
        }
    }

    /// Who may, in a sentence without its end.
    fn told(&self, authors: &BTreeSet<String>) -> String {
        let Self::Users { roles, users } = self else {
            return "Whoever reaches musterd's socket may".to_owned();
        };
        let may: BTreeSet<&str> = users
            .iter()
            .map(|user| user.name)
            .filter(|name| self.objection(name, authors).is_none())
            .collect();
        match may.is_empty() {
            true => format!("Nobody of role {roles} may"),
            false => format!(
                "Of role {roles} may: {}",
                may.into_iter().collect::<Vec<_>>().join(", ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{User, Who};
    use std::collections::BTreeSet;

    #[test]
    fn whose_word_counts() {
        let users = [
            "root <root@example.org>",
            "uid 1000 <ada@example.org>",
            "uid 1000 <ada@home.example>",
            "uid 1001",
        ];
        let who = Who::Users {
            roles: "ops".to_owned(),
            users: users.into_iter().map(User::of).collect(),
        };
        let authors = |addresses: &[&str]| -> BTreeSet<String> {
            addresses.iter().map(|address| (*address).to_owned()).collect()
        };
        let (bob, ada) = (
            authors(&["bob@example.org"]),
            authors(&["x@y", "Ada@Home.example"]),
        );
        assert_eq!(who.objection("root", &bob), None);
        assert_eq!(who.objection("uid 1000", &bob), None);
        assert_eq!(who.objection("uid 1000", &ada), Some("they wrote a part of it"));
        assert_eq!(who.objection("uid 1002", &bob), Some("they are not in that role"));
        assert!(
            who.objection("uid 1001", &bob)
                .is_some_and(|why| why.contains("no address"))
        );
        assert_eq!(who.told(&ada), "Of role ops may: root");
        assert_eq!(Who::Anyone.objection("uid 7", &ada), None);
    }
}
