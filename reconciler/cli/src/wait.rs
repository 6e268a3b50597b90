//! `muster apply --wait`: stays until the machines that a commit changes are as wanted, or cannot be
//! without a person. Machines that it does not change are only told of.

use crate::client::Client;
use crate::events::Events;
use crate::exit::Failure;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::say::tell;
use crate::silence::{LOOK_MAX, Silence};
use reconciler_core::people::{self, Standing, Status, standing};
use reconciler_core::status::MachineStatus;
use schema_ids::{MachineId, Name};
use std::collections::BTreeSet;
use std::time::Duration;

/// How often it looks: progress of a step comes every two seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);

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
    /// Another commit is carried out since.
    Superseded,
}

/// Why nobody waits any more.
pub(crate) enum Left {
    /// It is over.
    Over(Waited),
    /// The person went: Ctrl-C.
    Detached,
    /// Whoever read the progress is gone.
    Unheard,
}

/// Waits, and shows how far the machines are, if it is to be shown beside the events.
pub(crate) fn until_settled(
    client: &Client,
    events: &mut Events,
    mut progress: Option<Progress>,
    interrupt: &Interrupt,
) -> Result<Left, Failure> {
    client.answer_within(LOOK_MAX);
    let mut silence = Silence::begin();
    loop {
        match look(client, events, progress.as_mut()) {
            Ok(Look::Unheard) => return Ok(Left::Unheard),
            Ok(Look::Over(waited)) => {
                for name in &waited.others {
                    tell(format_args!(
                        "not of this plan: {name} waits for a person; see `muster why {name}`"
                    ));
                }
                return Ok(Left::Over(waited));
            }
            Ok(Look::GoesOn) => {
                if silence.heard() {
                    tell("musterd answers again");
                }
            }
            Err(failure) => {
                if let (notice, true) = silence.unheard(failure, None)? {
                    tell(format_args!("{notice}; what is shown is of before"));
                }
            }
        }
        if interrupt.heard_within(LOOK_EVERY) {
            return Ok(Left::Detached);
        }
    }
}

/// What one look brings.
enum Look {
    GoesOn,
    Over(Waited),
    Unheard,
}

fn look(client: &Client, events: &mut Events, progress: Option<&mut Progress>) -> Result<Look, Failure> {
    let Some(page) = events.read(client)? else {
        return Ok(Look::Unheard);
    };
    let status: Status = client.get(people::STATUS)?;
    if let Some(progress) = progress {
        let ours = status
            .machines
            .iter()
            .filter(|machine| page.machines.contains(&machine.id));
        // A reader that is gone has seen enough.
        if progress.show(&ours.collect::<Vec<_>>(), status.now).is_err() {
            return Ok(Look::Unheard);
        }
    }
    let waited = settled(&status, &page.machines);
    Ok(match waited {
        Some(waited) => Look::Over(waited),
        None if page.superseded => Look::Over(Waited {
            end: End::Superseded,
            waiting: Vec::new(),
            others: Vec::new(),
        }),
        None => Look::GoesOn,
    })
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
            steps: Vec::new(),
            expected: None,
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
            slow: None,
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
