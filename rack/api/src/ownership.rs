//! The mark of ownership that a control plane leaves on a machine, where git asks for one: an EFI variable, so that
//! another control plane sees it however little it finds on the disks.
//!
//! It is text of four lines, which a person reads with `efivar --print` or `cat`:
//!
//! ```text
//! muster 1
//! plane 00000000-0000-4000-8000-00000000f1ee
//! fleet lab
//! machine 11111111-2222-4333-8444-555555555501
//! ```
//!
//! Nothing else is a mark: what is not this to the byte is somebody's whom nobody knows. What an inspection does about
//! what it finds is decided here, by values alone; reading and writing are the in-machine agent's.

use schema_ids::{MachineId, MarkOwner, Name, Uuid};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The variable's name: a word, and muster's own vendor GUID (UEFI 2.10 §8.2), as efivarfs names its file.
pub const VARIABLE: &str = "MusterMark-a3f6c1d2-5b0e-4c7a-9d84-6e21b7f09c35";

/// `EFI_VARIABLE_NON_VOLATILE`, `_BOOTSERVICE_ACCESS` and `_RUNTIME_ACCESS` (UEFI 2.10 §8.2): it stays, and an operating
/// system can read it.
pub const ATTRIBUTES: u32 = 0x1 | 0x2 | 0x4;

/// No mark is longer: 4 words, 2 UUIDs, and a name of 63 characters at most.
pub const BYTES_MAX: usize = 256;

/// The only format that there is.
const FORMAT: &str = "muster 1";

/// A mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnershipMark {
    /// The control plane's id: the fleet's uid, which its database has for good.
    pub plane: Uuid,
    /// What it calls its fleet, for people.
    pub fleet: Name,
    /// What it knows the machine as.
    pub machine: MachineId,
}

impl OwnershipMark {
    /// Reads the text of a variable; `None` where it is not exactly a mark's.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let mut word = |key: &str| lines.next()?.strip_prefix(key);
        word(FORMAT)?;
        let mark = Self {
            plane: word("plane ")?.parse().ok()?,
            fleet: word("fleet ")?.parse().ok()?,
            machine: word("machine ")?.parse().ok()?,
        };
        (mark.to_string() == text).then_some(mark)
    }

    /// Whose it is.
    pub fn owner(&self) -> MarkOwner {
        MarkOwner::Plane(self.plane)
    }
}

impl fmt::Display for OwnershipMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            plane,
            fleet,
            machine,
        } = self;
        write!(f, "{FORMAT}\nplane {plane}\nfleet {fleet}\nmachine {machine}\n")
    }
}

/// What stands on a machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkFound {
    /// There is no place for a mark: the machine booted by BIOS, or its firmware shows no variables.
    NoPlace,
    /// None.
    Absent,
    /// This one, whosever it is.
    Mark(OwnershipMark),
    /// The variable is there, and is no mark that can be read.
    Unreadable {
        /// What git calls whoever wrote it.
        owner: MarkOwner,
        /// Why, or what it holds, for people.
        why: String,
    },
}

impl MarkFound {
    /// Whose it is, if somebody's.
    pub fn owner(&self) -> Option<MarkOwner> {
        match self {
            Self::NoPlace | Self::Absent => None,
            Self::Mark(mark) => Some(mark.owner()),
            Self::Unreadable { owner, .. } => Some(owner.clone()),
        }
    }

    /// What an inspection does about it.
    pub fn act<'a>(&self, wish: &'a MarkWish) -> MarkAct<'a> {
        let stands = wish.stands.as_ref();
        match self {
            Self::NoPlace => MarkAct::Leave,
            Self::Absent => stands.map_or(MarkAct::Leave, MarkAct::Write),
            Self::Mark(mark) if mark.plane == wish.plane => match stands {
                Some(stands) if stands == mark => MarkAct::Leave,
                Some(stands) => MarkAct::Write(stands),
                None => MarkAct::Remove,
            },
            Self::Mark(_) | Self::Unreadable { .. } => match stands {
                Some(stands) if wish.over.is_some() && wish.over == self.owner() => MarkAct::Write(stands),
                _ => MarkAct::Leave,
            },
        }
    }
}

/// What a job that takes an inventory found, and did about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkSeen {
    /// What stands there now, read back where it was written.
    pub found: MarkFound,
    /// Why what git asks for was not done, where it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl MarkSeen {
    /// Only looked at.
    pub fn of(found: MarkFound) -> Self {
        Self { found, failed: None }
    }

    /// Whether it keeps the machine from being changed: it is another's. One that git takes over is so until that was
    /// tried; firmware that does not take the new mark must not lose the machine. Without a wish nobody knows whose it is.
    pub fn is_anothers(&self, wish: Option<&MarkWish>) -> bool {
        let Some(owner) = self.found.owner() else {
            return false;
        };
        wish.is_none_or(|wish| {
            let was_tried = wish.over.as_ref() == Some(&owner) && self.failed.is_some();
            owner != MarkOwner::Plane(wish.plane) && !was_tried
        })
    }
}

/// What git asks of a machine's mark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkWish {
    /// The control plane that asks: a mark of its own it may change and remove.
    pub plane: Uuid,
    /// The mark that shall stand; none shall where it is absent, of this control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands: Option<OwnershipMark>,
    /// Whose mark it may replace beside its own: exactly this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<MarkOwner>,
}

/// What an inspection does about a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkAct<'a> {
    /// Nothing: firmware wears out by writing.
    Leave,
    /// This one is written.
    Write(&'a OwnershipMark),
    /// It is taken away.
    Remove,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(plane: u8, machine: u8) -> OwnershipMark {
        OwnershipMark {
            plane: Uuid::from_bytes([plane; 16]),
            fleet: "lab".parse().expect("a name"),
            machine: MachineId(Uuid::from_bytes([machine; 16])),
        }
    }

    #[test]
    fn a_mark_is_its_text_and_nothing_else() {
        let text = mark(1, 2).to_string();
        assert!(text.len() <= BYTES_MAX);
        assert_eq!(OwnershipMark::parse(text.as_bytes()), Some(mark(1, 2)));
        for at in 0..text.len() {
            assert_eq!(OwnershipMark::parse(&text.as_bytes()[..at]), None, "cut at {at}");
        }
        let others = [
            text.replace("muster 1", "muster 2"),
            text.replace("muster 1", "muster 11"),
            text.to_uppercase(),
            format!("{text}\n"),
            format!("{text}fleet lab\n"),
            text.replace('\n', "\r\n"),
        ];
        for other in others {
            assert_eq!(OwnershipMark::parse(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(OwnershipMark::parse(&[0xff; 8]), None);
    }

    #[test]
    fn what_is_found_is_left_unless_git_and_its_owner_say_otherwise() {
        let (ours, theirs) = (mark(1, 2), mark(9, 2));
        let unreadable = MarkFound::Unreadable {
            owner: MarkOwner::Unreadable("0123456789abcdef".to_owned()),
            why: String::new(),
        };
        let wish = |stands: bool, over: Option<MarkOwner>| MarkWish {
            plane: ours.plane,
            stands: stands.then(|| ours.clone()),
            over,
        };
        let none = || wish(false, None);
        let asked = || wish(true, None);
        let write = MarkAct::Write(&ours);
        let found = |mark: &OwnershipMark| MarkFound::Mark(mark.clone());
        let copy = || Some(mark(8, 2).owner());
        let table = [
            (MarkFound::NoPlace, asked(), MarkAct::Leave),
            (MarkFound::Absent, none(), MarkAct::Leave),
            (MarkFound::Absent, asked(), write),
            (found(&ours), asked(), MarkAct::Leave),
            (found(&ours), none(), MarkAct::Remove),
            (found(&mark(1, 7)), asked(), write),
            (found(&theirs), asked(), MarkAct::Leave),
            (found(&theirs), none(), MarkAct::Leave),
            (found(&theirs), wish(true, copy()), MarkAct::Leave),
            (found(&theirs), wish(true, Some(theirs.owner())), write),
            (found(&theirs), wish(false, Some(theirs.owner())), MarkAct::Leave),
            (unreadable.clone(), asked(), MarkAct::Leave),
            (unreadable.clone(), none(), MarkAct::Leave),
            (
                unreadable.clone(),
                wish(true, Some(theirs.owner())),
                MarkAct::Leave,
            ),
            (unreadable.clone(), wish(true, unreadable.owner()), write),
        ];
        for (found, wish, expected) in &table {
            assert_eq!(found.act(wish), *expected, "{found:?} under {wish:?}");
        }
    }

    #[test]
    fn whose_it_is_decides_whether_the_machine_may_be_changed() {
        let (ours, theirs) = (mark(1, 2), mark(9, 2));
        let wish = |over: Option<&OwnershipMark>| {
            Some(MarkWish {
                plane: ours.plane,
                stands: Some(ours.clone()),
                over: over.map(OwnershipMark::owner),
            })
        };
        let seen = |mark: &OwnershipMark, failed: bool| MarkSeen {
            found: MarkFound::Mark(mark.clone()),
            failed: failed.then(|| "it is full".to_owned()),
        };
        let table = [
            (MarkSeen::of(MarkFound::NoPlace), None, false),
            (MarkSeen::of(MarkFound::Absent), None, false),
            (MarkSeen::of(MarkFound::Absent), wish(None), false),
            (seen(&ours, false), wish(None), false),
            (seen(&ours, true), wish(None), false),
            (seen(&ours, false), None, true),
            (seen(&theirs, false), None, true),
            (seen(&theirs, false), wish(None), true),
            (seen(&theirs, true), wish(Some(&mark(8, 2))), true),
            (seen(&theirs, false), wish(Some(&theirs)), true),
            (seen(&theirs, true), wish(Some(&theirs)), false),
        ];
        for (seen, wish, expected) in &table {
            assert_eq!(
                seen.is_anothers(wish.as_ref()),
                *expected,
                "{seen:?} under {wish:?}"
            );
        }
    }
}
