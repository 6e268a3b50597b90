//! Reading few facts gives what folding all of them gives.

use crate::bed::Bed;
use crate::fleet::{adopt, inventory, job, machine, name, plan, power_order, sync, uuid};
use rack_api::fact::{BmcFaultKind, BootEvidence, FactBody, PowerSeen, StepState};
use reconciler_core::admit::Leave;
use reconciler_core::facts::{MachineFacts, StoredFact};
use reconciler_store::{Intended, Issue, Scope};
use schema_ids::{Digest, Generation, Incarnation, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Knuth's MMIX generator: the same facts in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn small(&mut self, limit: u8) -> u8 {
        u8::try_from(self.below(u64::from(limit))).unwrap()
    }
}

const DISKS: [&str; 2] = ["serial:d1", "serial:d2"];

/// Any fact of machine 1, with few different values, so that they repeat, alternate and overlap.
fn any(dice: &mut Dice, incarnation: Incarnation) -> FactBody {
    let job = job(1, 1 + dice.below(3), 1 + u32::from(dice.small(2)));
    let boot_id = uuid(100 + dice.small(2));
    let mut order = power_order(incarnation, 1, 1 + dice.below(3), 1 + u32::from(dice.small(3))).reference();
    order.incarnation += dice.below(2);
    match dice.below(20) {
        0 => FactBody::Power {
            machine: machine(1),
            power: [PowerSeen::On, PowerSeen::Off, PowerSeen::Unknown][usize::from(dice.small(3))],
        },
        1 => FactBody::BmcFault {
            machine: machine(1),
            fault: [BmcFaultKind::Silent, BmcFaultKind::Refused][usize::from(dice.small(2))],
            detail: format!("try {}", dice.below(9)),
        },
        2 => FactBody::OrderTaken { order },
        3 => FactBody::OrderRefused {
            order,
            why: format!("why {}", dice.below(9)),
            until: None,
        },
        4 => FactBody::OrderDone { order },
        5 => FactBody::OrderFailed {
            order,
            step: "step".to_owned(),
            error: format!("error {}", dice.below(9)),
        },
        6 => FactBody::JobStarted { job, boot_id },
        7 => FactBody::JobDone { job, boot_id },
        8 => FactBody::Inventory {
            job,
            inventory: Box::new(inventory(dice.below(2))),
        },
        9 => FactBody::Installed {
            job,
            binding: schema_ids::BindingId(uuid(dice.small(2))),
            spec: Digest([0; 32]),
            disks: vec![DISKS[usize::from(dice.small(2))].parse().unwrap()],
        },
        12 => FactBody::Erased {
            job,
            binding: schema_ids::BindingId(uuid(dice.small(2))),
            disk: DISKS[usize::from(dice.small(2))].parse().unwrap(),
            method: "quick".to_owned(),
            sample: format!("sample {}", dice.below(9)),
        },
        10 => FactBody::PhonedHome {
            machine: machine(1),
            binding: schema_ids::BindingId(uuid(dice.small(2))),
            boot_id,
            root_disk: None,
            root_device: String::new(),
        },
        11 => FactBody::Boot {
            machine: Some(machine(1)),
            boot: boot(dice),
        },
        _ => FactBody::Step {
            job,
            boot_id,
            step: format!("step-{}", dice.below(2)),
            state: match dice.below(6) {
                0 => StepState::Started,
                1 => StepState::Done,
                2 => StepState::Failed {
                    code: "STEP_FAILED".to_owned(),
                    error: format!("{}", dice.below(9)),
                },
                _ => StepState::Progress {
                    done: dice.below(99),
                    total: 99,
                },
            },
        },
    }
}

/// What a machine did on its way up.
fn boot(dice: &mut Dice) -> BootEvidence {
    BootEvidence {
        mac: "52:54:00:00:00:01".parse().unwrap(),
        link: "lab/boot".to_owned(),
        began: Timestamp::from_unix_ms(0),
        client: format!("client {}", dice.below(9)),
        uuid: None,
        address: None,
        tftp: None,
        answer: None,
        http: None,
        last: Timestamp::from_unix_ms(0),
    }
}

/// More of the step that spoke last, as steps do.
fn progressed(last: Option<&FactBody>, dice: &mut Dice) -> Option<FactBody> {
    let FactBody::Step {
        job,
        boot_id,
        step,
        state: StepState::Progress { .. },
    } = last?
    else {
        return None;
    };
    let state = StepState::Progress {
        done: dice.below(99),
        total: 99,
    };
    (dice.below(4) > 0).then(|| FactBody::Step {
        job: *job,
        boot_id: *boot_id,
        step: step.clone(),
        state,
    })
}

#[tokio::test]
async fn what_is_read_folds_to_what_was_said() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 3)])).await;
    let incarnation = bed.identity().await.unwrap().incarnation;
    let orders: Vec<_> = (1..=3)
        .flat_map(|generation| (1..=2).map(move |number| (generation, number)))
        .map(|(generation, number)| Intended {
            order: power_order(incarnation, 1, generation, number),
            leave: Leave::Unneeded,
        })
        .collect();
    let issue = Issue {
        plan: "p-1",
        permits_epoch: 0,
        decided: Timestamp::from_unix_ms(i64::MAX),
        restraints_epoch: 0,
        orders: &orders,
        goes: None,
        beyond: None,
        who: "musterd",
    };
    bed.issue(&issue).await.unwrap();

    let mut dice = Dice(2026);
    let mut said: Vec<StoredFact> = Vec::new();
    let mut sequence = BTreeMap::from([("r1", 0), ("r2", 0)]);
    for round in 0..120 {
        let agent = ["r1", "r2"][usize::from(dice.small(2))];
        let next = sequence.get_mut(agent).unwrap();
        let mut facts: Vec<(u64, FactBody)> = Vec::new();
        for _ in 0..=dice.below(6) {
            *next += 1;
            let last = facts
                .last()
                .map(|(_, body)| body)
                .or(said.last().map(|stored| &stored.fact.body));
            let body = progressed(last, &mut dice).unwrap_or_else(|| any(&mut dice, incarnation));
            facts.push((*next, body));
        }
        let spool = sync(agent, facts);
        let received = bed.append_facts(&spool).await.unwrap().now;
        said.extend(spool.facts.into_iter().map(|spooled| StoredFact {
            agent: name(agent),
            sequence: spooled.sequence,
            received,
            fact: spooled.fact,
        }));
        if round % 5 == 0 {
            for generation in 1..=4 {
                agrees(&bed, &said, Generation(generation)).await;
            }
        }
    }
}

async fn agrees(bed: &Bed, said: &[StoredFact], generation: Generation) {
    let scope = Scope {
        generation,
        agents: BTreeSet::from([name("r1")]),
    };
    let read = bed
        .facts_of(&BTreeMap::from([(machine(1), scope)]))
        .await
        .unwrap()
        .remove(&machine(1))
        .unwrap();
    let issued = read
        .orders
        .iter()
        .map(|seen| seen.issued.clone())
        .collect::<Vec<_>>();
    assert_eq!(issued.len(), if generation.0 <= 3 { 2 } else { 0 });
    let expected = MachineFacts::fold(generation, issued, Vec::new(), said, read.agents.clone());
    assert!(
        read == expected,
        "generation {generation} after {} facts:\n{read:#?}\n{expected:#?}",
        said.len()
    );

    // Planning sees the same inventory and installation, of the same age.
    let observed = bed
        .observed()
        .await
        .unwrap()
        .machines
        .remove(&machine(1))
        .unwrap();
    assert_eq!(
        observed.inspected,
        expected.inventory.as_ref().map(|seen| seen.since)
    );
    assert_eq!(observed.inventory, expected.inventory.map(|seen| seen.value));
    assert_eq!(
        observed.installed.map(|installed| installed.at),
        expected.installed.map(|seen| seen.since)
    );
}

#[tokio::test]
async fn a_machine_without_facts_is_in_the_answer() {
    let bed = Bed::new().await;
    let scope = Scope {
        generation: Generation(1),
        agents: BTreeSet::new(),
    };
    let facts = bed
        .facts_of(&BTreeMap::from([(machine(9), scope)]))
        .await
        .unwrap();
    assert_eq!(facts, BTreeMap::from([(machine(9), MachineFacts::default())]));
}
