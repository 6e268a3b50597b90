//! Small fleets, plans, facts and orders to store.

use rack_api::fact::{Fact, FactBody};
use rack_api::inventory::{Cpu, Disk, DiskKind, Firmware, FirmwareKind, Inventory};
use rack_api::job::JobRef;
use rack_api::order::{Action, NextBoot, Order, PowerWanted};
use rack_api::sync::{Spooled, SyncRequest};
use reconciler_core::intent::{Intent, Wanted};
use reconciler_core::observed::{Binding, BindingState};
use reconciler_core::plan::{MachinePlan, Origin, Plan};
use reconciler_store::{Adoption, Basis, By, Store, StoreError};
use schema_ids::{BindingId, Generation, Incarnation, MachineId, Name, Timestamp, Uuid};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) fn uuid(n: u8) -> Uuid {
    Uuid::from_bytes([n; 16])
}

pub(crate) fn machine(n: u8) -> MachineId {
    MachineId(uuid(n))
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn by() -> By {
    By {
        who: "ada".to_owned(),
        why: "test".to_owned(),
    }
}

/// A plan for machines with their generations.
pub(crate) fn plan(id: &str, parent: Option<&str>, machines: &[(u8, u64)]) -> Plan {
    Plan {
        id: id.to_owned(),
        parent: parent.map(str::to_owned),
        commit: Some("c".repeat(40)),
        made: Timestamp::from_unix_ms(1_800_000_000_000),
        machines: machines
            .iter()
            .map(|(n, generation)| (machine(*n), planned(*n, *generation)))
            .collect(),
        ..Plan::empty(name("lab"))
    }
}

fn planned(n: u8, generation: u64) -> MachinePlan {
    MachinePlan {
        name: name(&format!("m{n}")),
        wanted: Wanted {
            generation: Generation(generation),
            intent: Intent::IDLE,
        },
        origin: Origin {
            file: "machines.toml".to_owned(),
            line: u32::from(n),
        },
        nics: Vec::new(),
        firmware: FirmwareKind::Uefi,
        bmc: None,
        bmc_agent: None,
        bmc_standby: Vec::new(),
        serial: None,
        uuid: None,
        boot_order: rack_api::boot_order::BootOrder::NetworkFirst,
        observe: false,
        mark: None,
        as_is: None,
        secure_boot: false,
        boot_timeout_seconds: 600,
        keep_on: false,
        may_be_off: false,
        inspect: 0,
        protect: None,
        was_protected: false,
        declared: true,
        rack: None,
        zone: None,
        pool: None,
        tags: BTreeSet::new(),
        inspected: None,
        blocked: None,
        outdated: BTreeSet::new(),
        kept: None,
        leaving_since: None,
        quarantine: None,
        taken_back: None,
        written: BTreeMap::new(),
    }
}

/// A binding of slot `slot` of `web`, owning one disk and one address named by `owns`.
pub(crate) fn binding(n: u8, slot: u32, owns: u8) -> Binding {
    Binding {
        deployment: name("web"),
        slot,
        machine: machine(n),
        disks: BTreeSet::from([format!("serial:disk{owns}").parse().unwrap()]),
        addresses: BTreeSet::from([format!("10.0.0.{owns}").parse().unwrap()]),
        state: BindingState::Active,
    }
}

pub(crate) fn binding_id(n: u8) -> BindingId {
    BindingId(uuid(n))
}

pub(crate) async fn adopt(store: &Store, plan: &Plan) {
    assert_eq!(adoption(store, plan).await.unwrap(), Adoption::Adopted);
}

/// Adopts what was planned for the world as it is.
pub(crate) async fn adoption(store: &Store, plan: &Plan) -> Result<Adoption, StoreError> {
    let parent = store.adopted().await?;
    let basis = Basis {
        parent: &parent.unwrap_or_else(|| Plan::empty(name("lab"))),
        observed: &store.observed().await?,
    };
    store.adopt(plan, basis, &by()).await
}

/// A sync of an agent that never got an answer before.
pub(crate) fn sync(agent: &str, facts: Vec<(u64, FactBody)>) -> SyncRequest {
    SyncRequest {
        agent: name(agent),
        boot: uuid(200),
        incarnation: None,
        generations: BTreeMap::new(),
        have: None,
        acknowledged: 0,
        watermark: facts.iter().map(|(sequence, _)| *sequence).max().unwrap_or(0),
        facts: facts
            .into_iter()
            .map(|(sequence, body)| Spooled {
                sequence,
                fact: Fact {
                    at: Timestamp::from_unix_ms(0),
                    body,
                },
            })
            .collect(),
        wait_ms: 0,
    }
}

pub(crate) fn job(n: u8, generation: u64, attempt: u32) -> JobRef {
    JobRef {
        machine: machine(n),
        generation: Generation(generation),
        attempt,
    }
}

/// Hardware that differs by its memory.
pub(crate) fn inventory(memory_bytes: u64) -> Inventory {
    Inventory {
        uuid: None,
        serial: Some("nul \0 from broken firmware".to_owned()),
        vendor: "QEMU".to_owned(),
        product: String::new(),
        firmware: Firmware {
            kind: FirmwareKind::Uefi,
            version: "1".to_owned(),
        },
        cpu: Cpu {
            arch: "amd64".to_owned(),
            model: "x".to_owned(),
            cores: 2,
            threads: 4,
        },
        memory_bytes,
        disks: Vec::new(),
        nics: Vec::new(),
        bmc: None,
        pci: None,
        mark: None,
    }
}

/// A disk with what it holds.
pub(crate) fn disk(id: &str, holds: &str) -> Disk {
    Disk {
        id: Some(id.parse().unwrap()),
        path: "/dev/vda".to_owned(),
        model: String::new(),
        serial: String::new(),
        size_bytes: 1 << 34,
        kind: DiskKind::Ssd,
        local: true,
        content: holds.parse().unwrap(),
        holds: String::new(),
    }
}

pub(crate) fn power_order(incarnation: Incarnation, n: u8, generation: u64, number: u32) -> Order {
    Order {
        machine: machine(n),
        incarnation,
        generation: Generation(generation),
        number,
        deadline: Timestamp::from_unix_ms(1_900_000_000_000),
        cause: "test".to_owned(),
        by_hand: None,
        action: Action::Power(PowerWanted::On),
    }
}

pub(crate) fn boot_order(incarnation: Incarnation, n: u8, generation: u64, number: u32) -> Order {
    Order {
        action: Action::Boot(NextBoot::Local),
        ..power_order(incarnation, n, generation, number)
    }
}
