//! `muster apply --wait`: stays until the machines that a commit changes are as wanted, or cannot be
//! without a person. Machines that it does not change are only told of.

use crate::client::Client;
use crate::exit::Failure;
use crate::say::tell;
use crate::watch::{self, View};
use reconciler_core::people::{self, Standing, Status, standing};
use reconciler_core::plan::Plan;
use reconciler_core::status::MachineStatus;
use schema_ids::{MachineId, Name};
use std::collections::BTreeSet;

/// Plans of one commit that are looked through: it is planned again with each inventory, and a fleet of
/// thousands is inspected in batches.
const PLANS_MAX: usize = 1000;

/// How the waiting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waited {
    /// In a word.
    pub(crate) end: End,
    /// Machines that the commit changes and that are not as wanted.
    pub(crate) waiting: Vec<MachineStatus>,
    /// Others that wait for a person: they were not waited for.
    pub(crate) others: Vec<Name>,
}

/// How the waiting ended, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// All are as wanted.
    Converged,
    /// Some are held, and nothing else is under way.
    Held,
    /// Some are seen by no rack agent, and nothing else is under way.
    Unseen,
    /// Some need a person, and nothing else is under way.
    NeedsPerson,
}

/// Waits; `None` if whoever read the progress is gone.
pub(crate) fn until_settled(client: &Client, commit: &str, json: bool) -> Result<Option<Waited>, Failure> {
    let ours = changed(client, commit)?;
    let view = if json { View::told() } else { View::shown() };
    let waited = watch::until(client, view, |status| settled(status, &ours))?;
    for name in waited.iter().flat_map(|waited| &waited.others) {
        tell(format_args!(
            "not of this plan: {name} waits for a person; see `muster why {name}`"
        ));
    }
    Ok(waited)
}

/// The machines that this commit changes, by all plans that were adopted for it.
fn changed(client: &Client, commit: &str) -> Result<BTreeSet<MachineId>, Failure> {
    let status: Status = client.get(people::STATUS)?;
    let mut next = status.adopted.map(|adopted| adopted.plan);
    let mut machines = BTreeSet::new();
    for _ in 0..PLANS_MAX {
        let Some(id) = next else { break };
        let plan: Plan = client.get(&format!("{}{id}", people::PLANS))?;
        if plan.commit.as_deref() != Some(commit) {
            break;
        }
        machines.extend(plan.changes.iter().filter_map(|change| change.machine));
        next = plan.parent;
    }
    Ok(machines)
}

/// Whether the waiting is over, and how.
fn settled(status: &Status, ours: &BTreeSet<MachineId>) -> Option<Waited> {
    let stand = |is: Standing| move |machine: &&MachineStatus| standing(machine) == is;
    let (mine, others): (Vec<_>, Vec<_>) = status
        .machines
        .iter()
        .filter(|machine| standing(machine) != Standing::AsWanted)
        .partition(|machine| ours.contains(&machine.id));
    let has = |wanted: Standing| mine.iter().any(|machine| standing(machine) == wanted);
    let others_move = others
        .iter()
        .any(|machine| standing(machine) == Standing::UnderWay);
    // A queue moves as long as anyone does.
    if has(Standing::UnderWay) || (has(Standing::Queued) && others_move) {
        return None;
    }
    let end = if mine.is_empty() {
        End::Converged
    } else if has(Standing::NeedsPerson) {
        End::NeedsPerson
    } else if has(Standing::Held) {
        End::Held
    } else if has(Standing::Unseen) {
        End::Unseen
    } else {
        // A queue behind machines that stand, none of them ours.
        End::NeedsPerson
    };
    Some(Waited {
        end,
        waiting: mine.into_iter().cloned().collect(),
        others: others
            .into_iter()
            .filter(stand(Standing::NeedsPerson))
            .map(|machine| machine.name.clone())
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::{End, settled};
    use reconciler_core::condition::{Condition, Wait};
    use reconciler_core::people::Status;
    use reconciler_core::phase::{Mark, Phase};
    use reconciler_core::status::MachineStatus;
    use schema_ids::{Generation, Incarnation, MachineId, Timestamp, Uuid};
    use std::collections::{BTreeMap, BTreeSet};

    fn id(number: u8) -> MachineId {
        MachineId(Uuid::from_bytes([number; 16]))
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_ms(0)
    }

    /// A fleet of machines that wait on this, numbered from 1.
    fn fleet(waits: &[Option<Condition>]) -> Status {
        let machine = |(number, condition): (u8, &Option<Condition>)| MachineStatus {
            name: format!("m{number}").parse().unwrap(),
            id: id(number),
            phase: Phase::Deployed,
            marks: match condition {
                Some(Condition::StepFailed) => BTreeSet::from([Mark::Stalled]),
                _ => BTreeSet::new(),
            },
            wanted: "ready".to_owned(),
            generation: Generation(1),
            wait: condition.map(|condition| Wait::new(condition, now(), "evidence")),
            proposed: None,
            power: None,
            power_as_of: None,
            power_order: None,
            bmc_fault: None,
            percent: None,
            addresses: Vec::new(),
            denials: Vec::new(),
            origin: "fleet.toml:1".to_owned(),
        };
        Status {
            now: now(),
            fleet: None,
            incarnation: Incarnation {
                number: 1,
                uuid: Uuid::from_bytes([0; 16]),
            },
            adopted: None,
            revision: None,
            source: None,
            stops: Vec::new(),
            budgets: Vec::new(),
            holds: Vec::new(),
            restored: None,
            machines: (1..).zip(waits).map(machine).collect(),
            deployments: Vec::new(),
            agents: BTreeMap::new(),
        }
    }

    /// How it ends, with how many of ours waiting and how many others told of.
    type Ended = Option<(End, usize, usize)>;
    /// What machines wait on, which of them are ours, how it ends.
    type Case<'a> = (&'a [Option<Condition>], &'a [u8], Ended);

    fn end(waits: &[Option<Condition>], ours: &[u8]) -> Ended {
        let ours = ours.iter().map(|number| id(*number)).collect();
        settled(&fleet(waits), &ours).map(|waited| (waited.end, waited.waiting.len(), waited.others.len()))
    }

    #[test]
    fn it_ends_where_nothing_goes_on_by_itself() {
        use Condition::{Booting, Budget, Held, Orphaned, PowerDrift, RackSilent, StepFailed};
        let cases: [Case<'_>; 14] = [
            (&[None], &[1], Some((End::Converged, 0, 0))),
            (&[Some(Booting)], &[1], None),
            // Shown and left alone.
            (
                &[Some(Orphaned), Some(PowerDrift)],
                &[1, 2],
                Some((End::Converged, 0, 0)),
            ),
            (&[Some(Held)], &[1], Some((End::Held, 1, 0))),
            (&[Some(Held), Some(Booting)], &[1, 2], None),
            (&[Some(RackSilent)], &[1], Some((End::Unseen, 1, 0))),
            (&[Some(RackSilent), Some(Held)], &[1, 2], Some((End::Held, 2, 0))),
            (&[Some(StepFailed)], &[1], Some((End::NeedsPerson, 1, 0))),
            (
                &[Some(StepFailed), Some(Held)],
                &[1, 2],
                Some((End::NeedsPerson, 2, 0)),
            ),
            (&[Some(StepFailed), Some(Booting)], &[1, 2], None),
            // Others are told of and not waited for.
            (&[None, Some(StepFailed)], &[1], Some((End::Converged, 0, 1))),
            (&[None, Some(Booting)], &[1], Some((End::Converged, 0, 0))),
            // A queue behind a machine that stands.
            (
                &[Some(StepFailed), Some(Budget)],
                &[1, 2],
                Some((End::NeedsPerson, 2, 0)),
            ),
            (&[Some(Booting), Some(Budget)], &[2], None),
        ];
        for (waits, ours, wanted) in cases {
            assert_eq!(end(waits, ours), wanted, "{waits:?} {ours:?}");
        }
    }
}
