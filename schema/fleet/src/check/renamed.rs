//! New names lead to something: M0101, M0108.
//!
//! Old entries may stay: one that leads to a name that has moved on, or was removed since, is in order.

use super::Subject;
use crate::{code::Code, diagnostic::Diagnostic, kinds::deployment::Deployment, kinds::machine::Machine};
use crate::{decode::Kind, span::Spanned};
use schema_ids::Name;
use std::collections::{BTreeMap, BTreeSet};

/// Looks at every rename.
pub(crate) fn check(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    let draft = subject.draft;
    let machines = draft.moved_machines.iter().map(|(old, moved)| (old, &moved.to));
    of_kind(subject, Machine::KIND, &machines.collect(), found);
    let deployments = draft
        .moved_deployments
        .iter()
        .map(|(old, moved)| (old, &moved.to));
    of_kind(subject, Deployment::KIND, &deployments.collect(), found);
}

type Moves<'a> = BTreeMap<&'a Name, &'a Spanned<Name>>;

fn of_kind(subject: &Subject<'_>, kind: &str, moves: &Moves<'_>, found: &mut Vec<Diagnostic>) {
    let (moved, removed) = (format!("moved.{kind}"), format!("removed.{kind}"));
    let mut known_ways = Ways::default();
    let mut takes: BTreeMap<&Name, (&Name, &Spanned<Name>)> = BTreeMap::new();
    for (old, to) in moves {
        let mut tell = |code, title, label: String| {
            let object = format!("{moved}.{old}");
            found.push(Diagnostic::error(code, title, &to.span, label).in_object(object));
        };
        let known = [kind, &moved, &removed]
            .iter()
            .any(|kind| subject.declares(kind, to.value.as_str()));
        if !known && subject.broken.is_empty() {
            let title = format!("{kind} \"{old}\" is moved to \"{}\", which is nowhere", to.value);
            tell(Code::M0101, title, format!("no {kind}.* object has this name"));
            if let Some(last) = found.pop() {
                let help = format!(
                    "declare it, or name what \"{old}\" is called now; one that is gone is  [removed.{kind}.{old}]"
                );
                found.push(last.help(help));
            }
        } else if let Some(circle) = known_ways.circle(moves, old) {
            let title = format!("{kind} \"{old}\" is moved in a circle");
            tell(Code::M0108, title, circle);
        } else if let Some((first, other)) = takes.insert(&to.value, (old, to)) {
            let title = format!("two {kind}s are moved to \"{}\"", to.value);
            tell(Code::M0108, title, format!("\"{old}\" is one"));
            if let Some(last) = found.pop() {
                found.push(last.also(&other.span, format!("\"{first}\" is the other")));
            }
        }
    }
}

/// Names of a circle that are shown.
const SHOWN_MAX: usize = 10;

/// What is known of names that were met, so that no way is walked twice.
#[derive(Default)]
struct Ways<'a> {
    /// They lead to an end.
    end: BTreeSet<&'a Name>,
    /// They lead into a circle that is told.
    turn: BTreeSet<&'a Name>,
}

impl<'a> Ways<'a> {
    /// The names that a rename leads through, if it comes back to one of them and nobody was told of it.
    fn circle(&mut self, moves: &Moves<'a>, start: &'a Name) -> Option<String> {
        let mut seen = BTreeSet::from([start]);
        let mut path = vec![start.as_str()];
        let mut at = start;
        loop {
            if self.turn.contains(at) {
                self.turn.extend(seen);
                return None;
            }
            let to = moves.get(at).filter(|_| !self.end.contains(at));
            let Some(to) = to else {
                self.end.extend(seen);
                return None;
            };
            at = &to.value;
            path.push(at.as_str());
            if !seen.insert(at) {
                break;
            }
        }
        self.turn.extend(seen);
        if path.len() <= SHOWN_MAX {
            return Some(path.join(" -> "));
        }
        Some(format!("{} -> … -> {at}", path[..SHOWN_MAX].join(" -> ")))
    }
}
