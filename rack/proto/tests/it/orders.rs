//! Which orders are obeyed.

use rack_api::{
    config::{Desired, RackConfig, RackMachine},
    fact::FactBody,
    inventory::FirmwareKind,
    job::{DiskErase, Erase, EraseMethod, Job, JobKind, JobRef},
    order::{Action, NextBoot, Order, PowerWanted},
};
use rack_proto::orders::{Foreign, Orders};
use schema_ids::{BindingId, Digest, Generation, Incarnation, MachineId, Timestamp, Uuid};

pub(crate) fn machine() -> MachineId {
    MachineId(Uuid::from_bytes([1; 16]))
}

pub(crate) fn life(number: u64) -> Incarnation {
    Incarnation {
        number,
        uuid: Uuid::from_bytes([0xaa; 16]),
    }
}

pub(crate) fn order(generation: u64, number: u32, action: Action) -> Order {
    Order {
        machine: machine(),
        incarnation: life(1),
        generation: Generation(generation),
        number,
        deadline: Timestamp::from_unix_ms(60_000),
        cause: String::new(),
        by_hand: None,
        action,
    }
}

pub(crate) fn boot(generation: u64, number: u32) -> Order {
    order(generation, number, Action::Boot(NextBoot::Local))
}

pub(crate) fn power(generation: u64, number: u32) -> Order {
    order(generation, number, Action::Power(PowerWanted::On))
}

pub(crate) fn desired(orders: Vec<Order>) -> Desired {
    let known = RackMachine {
        name: "node-01".parse().unwrap(),
        nics: Vec::new(),
        hostname: None,
        installed: false,
        firmware: FirmwareKind::Bios,
        secure_boot: false,
        bmc: None,
        refuse: None,
        stopped: None,
    };
    Desired {
        incarnation: life(1),
        config: RackConfig {
            machines: [(machine(), known)].into(),
            ..RackConfig::default()
        },
        orders,
    }
}

/// What became of each order, in a word each.
fn words(facts: &[FactBody]) -> Vec<String> {
    facts
        .iter()
        .map(|fact| match fact {
            FactBody::OrderTaken { order } => format!("taken {}/{}", order.generation, order.number),
            FactBody::OrderRefused { order, why, .. } => {
                format!("refused {}/{}: {why}", order.generation, order.number)
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn a_boot_order_is_taken_once_and_stands_until_replaced() {
    let mut orders = Orders::default();
    assert_eq!(
        words(&orders.accept(&desired(vec![boot(1, 1)]), NOW()).unwrap()),
        ["taken 1/1"]
    );
    assert_eq!(orders.accept(&desired(vec![boot(1, 1)]), NOW()).unwrap(), []);
    assert_eq!(orders.accept(&desired(vec![]), NOW()).unwrap(), []);
    assert_eq!(orders.boot(machine()), Some(&boot(1, 1)));
    assert_eq!(
        words(&orders.accept(&desired(vec![boot(1, 3)]), NOW()).unwrap()),
        ["taken 1/3"]
    );
    assert_eq!(orders.boot(machine()), Some(&boot(1, 3)));
}

#[test]
fn an_older_order_is_refused_across_lanes() {
    let mut orders = Orders::default();
    orders
        .accept(&desired(vec![boot(2, 5), power(2, 4)]), NOW())
        .unwrap();
    assert_eq!(
        words(
            &orders
                .accept(&desired(vec![boot(1, 9), power(2, 3)]), NOW())
                .unwrap()
        ),
        [
            "refused 1/9: generation 2 was seen, this is 1",
            "refused 2/3: number 4 of generation 2 was seen, this is 3"
        ]
    );
    assert_eq!(orders.boot(machine()), Some(&boot(2, 5)));
    assert_eq!(
        words(&orders.accept(&desired(vec![boot(3, 1)]), NOW()).unwrap()),
        ["taken 3/1"]
    );
    assert_eq!(
        words(&orders.accept(&desired(vec![power(2, 9)]), NOW()).unwrap()),
        ["refused 2/9: generation 3 was seen, this is 2"]
    );
}

#[test]
fn a_power_order_ends_and_is_not_begun_again() {
    let mut orders = Orders::default();
    assert_eq!(orders.accept(&desired(vec![power(1, 1)]), NOW()).unwrap(), []);
    assert_eq!(orders.power().collect::<Vec<_>>(), [&power(1, 1)]);
    orders.ended(power(1, 1).reference());
    assert_eq!(orders.power().count(), 0);
    // Also after a restart, which goes through the serde form.
    let kept = serde_json::to_string(&orders).unwrap();
    let mut orders: Orders = serde_json::from_str(&kept).unwrap();
    orders.accept(&desired(vec![power(1, 1)]), NOW()).unwrap();
    assert_eq!(orders.power().count(), 0);
    orders.accept(&desired(vec![power(1, 2)]), NOW()).unwrap();
    assert_eq!(orders.power().count(), 1);
    // Withdrawn: no longer listed.
    orders.accept(&desired(vec![]), NOW()).unwrap();
    assert_eq!(orders.power().count(), 0);
    orders.ended(power(1, 1).reference());
}

#[test]
fn a_foreign_word_is_refused_whole() {
    let mut orders = Orders::default();
    let mut wanted = desired(vec![boot(1, 1)]);
    wanted.incarnation = life(2);
    wanted.orders[0].incarnation = life(2);
    orders.accept(&wanted, NOW()).unwrap();
    assert_eq!(
        orders.accept(&desired(vec![boot(9, 9)]), NOW()),
        Err(Foreign::Incarnation { theirs: 1, ours: 2 })
    );
    let mut twin = wanted.clone();
    twin.incarnation.uuid = Uuid::from_bytes([0xbb; 16]);
    assert_eq!(orders.accept(&twin, NOW()), Err(Foreign::Twin { number: 2 }));
    assert_eq!(orders.boot(machine()), Some(&wanted.orders[0]));
    // A recovered control plane counts its generations anew.
    let mut next = desired(vec![boot(1, 1)]);
    next.incarnation = life(3);
    next.orders[0].incarnation = life(3);
    assert_eq!(words(&orders.accept(&next, NOW()).unwrap()), ["taken 1/1"]);
}

#[test]
fn an_order_that_fits_nothing_is_refused_alone() {
    let mut orders = Orders::default();
    let mut stranger = boot(1, 1);
    stranger.machine = MachineId(Uuid::from_bytes([2; 16]));
    let mut stale = boot(1, 2);
    stale.incarnation = life(7);
    let facts = orders
        .accept(&desired(vec![stranger, stale, boot(1, 3)]), NOW())
        .unwrap();
    assert_eq!(
        words(&facts),
        [
            "refused 1/1: this agent's configuration does not have the machine",
            "refused 1/2: it is of incarnation 7, the control plane's is 1",
            "taken 1/3"
        ]
    );
}

#[test]
fn a_machine_that_left_keeps_its_fence_and_loses_its_orders() {
    let mut orders = Orders::default();
    orders.accept(&desired(vec![boot(5, 1)]), NOW()).unwrap();
    let mut gone = desired(vec![]);
    gone.config.machines.clear();
    orders.accept(&gone, NOW()).unwrap();
    assert_eq!(orders.boot(machine()), None);
    assert_eq!(
        words(&orders.accept(&desired(vec![boot(4, 1)]), NOW()).unwrap()),
        ["refused 4/1: generation 5 was seen, this is 4"]
    );
}

/// Any time will do where nothing is limited.
const NOW: fn() -> Timestamp = || Timestamp::from_unix_ms(1_000_000);

/// An order to erase what a release leaves, which is in use.
fn erase(generation: u64, number: u32) -> Order {
    let incarnation = life(1);
    let job = Job {
        job: JobRef {
            machine: machine(),
            generation: Generation(generation),
            attempt: number,
        },
        name: "node-01".parse().unwrap(),
        boot_order: rack_api::boot_order::BootOrder::default(),
        leaves: false,
        mark: None,
        kind: JobKind::Erase(Box::new(Erase {
            binding: BindingId(Uuid::from_bytes([1; 16])),
            incarnation,
            spec: Digest([0; 32]),
            method: EraseMethod::Quick,
            disks: vec![DiskErase {
                disk: "serial:d1".parse().unwrap(),
                agreed: "data:theirs".parse().unwrap(),
                size_bytes: 1 << 30,
            }],
        })),
    };
    order(generation, number, Action::Boot(NextBoot::Job(Box::new(job))))
}

#[test]
fn what_erases_too_much_within_an_hour_is_refused_and_leaves_no_trace() {
    let minutes = |minutes: i64| Timestamp::from_unix_ms((1000 + minutes) * 60_000);
    let mut orders = Orders::default();
    let up = |minutes: u64| std::time::Duration::from_secs(60 * minutes);
    orders.limit(1, false, minutes(0), up(0));
    let taken = orders.accept(&desired(vec![erase(2, 1)]), minutes(0)).unwrap();
    assert_eq!(words(&taken), ["taken 2/1"]);
    let again = orders.accept(&desired(vec![erase(2, 2)]), minutes(1)).unwrap();
    assert_eq!(words(&again), ["taken 2/2"], "another try of the same intent");
    orders.passed(up(2));
    let refused = orders.accept(&desired(vec![erase(3, 1)]), minutes(2)).unwrap();
    let [FactBody::OrderRefused { until, why, .. }] = &refused[..] else {
        panic!("{refused:?}");
    };
    assert_eq!(*until, Some(minutes(60)));
    assert!(why.contains("--wipes-per-hour"), "{why}");
    assert_eq!(
        orders.boot(machine()).unwrap().generation,
        Generation(2),
        "what stood stands"
    );
    let local = orders.accept(&desired(vec![boot(3, 2)]), minutes(3)).unwrap();
    assert_eq!(words(&local), ["taken 3/2"], "nothing is erased by it");
    // The wall clock alone opens nothing.
    let set = orders.accept(&desired(vec![erase(4, 1)]), minutes(600)).unwrap();
    assert!(matches!(set[..], [FactBody::OrderRefused { .. }]), "{set:?}");
    orders.passed(up(60));
    let later = orders.accept(&desired(vec![erase(4, 1)]), minutes(60)).unwrap();
    assert_eq!(words(&later), ["taken 4/1"]);
}
