//! Drives BMCs: one task and one queue a machine, deciding nothing; [`PowerLane`] does.

use crate::{
    clock,
    error_chain::Chain,
    rack::{Rack, Served, ToSync},
};
use rack_api::{
    config::BmcAccess,
    fact::{BmcFaultKind, PowerSeen},
    inventory::FirmwareKind,
    order::{Action, NextBoot, PowerWanted},
};
use rack_bmc::{Bmc, BmcFault, BmcQueue, BootDevice, BootOverride, Firmware, Lasting, Power, Secret, ipmi};
use rack_proto::power::{PowerEffect, PowerEvent, PowerFault, PowerLane};
use schema_ids::{MachineId, Timestamp};
use std::{collections::BTreeMap, pin::Pin, sync::Arc};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// Keeps one task for each machine with a BMC, until told to stop.
pub(crate) async fn run(rack: Arc<Rack>, stop: CancellationToken) {
    let mut served = rack.served.clone();
    let mut tasks = JoinSet::new();
    let mut running: BTreeMap<MachineId, CancellationToken> = BTreeMap::new();
    loop {
        let now = served.borrow_and_update().clone();
        let has_bmc = |id: &MachineId| {
            now.config
                .machines
                .get(id)
                .is_some_and(|machine| machine.bmc.is_some())
        };
        running.retain(|id, token| {
            let keep = has_bmc(id);
            if !keep {
                token.cancel();
            }
            keep
        });
        for id in now.config.machines.keys().filter(|id| has_bmc(id)) {
            running.entry(*id).or_insert_with(|| {
                let token = stop.child_token();
                tasks.spawn(drive(Arc::clone(&rack), *id, token.clone()));
                token
            });
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = served.changed() => if changed.is_err() { break },
            Some(_) = tasks.join_next() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

type Command = Pin<Box<dyn Future<Output = PowerEvent> + Send>>;

/// One machine's BMC.
struct Lane {
    rack: Arc<Rack>,
    machine: MachineId,
    lane: PowerLane,
    access: Option<BmcAccess>,
    queue: Option<Arc<BmcQueue>>,
    command: Option<Command>,
    wake: Option<Timestamp>,
}

async fn drive(rack: Arc<Rack>, machine: MachineId, stop: CancellationToken) {
    let mut served = rack.served.clone();
    let mut lane = Lane {
        rack,
        machine,
        lane: PowerLane::new(machine),
        access: None,
        queue: None,
        command: None,
        wake: None,
    };
    let word = served.borrow_and_update().clone();
    lane.word(&word);
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => break,
            changed = served.changed() => {
                if changed.is_err() {
                    break;
                }
                let word = served.borrow_and_update().clone();
                lane.word(&word);
                continue;
            }
            event = ended(&mut lane.command) => {
                lane.command = None;
                event
            }
            () = woken(lane.wake) => {
                lane.wake = None;
                PowerEvent::Timer
            }
        };
        lane.take(event);
    }
}

/// Cancel safety: the command goes on with the next call.
async fn ended(command: &mut Option<Command>) -> PowerEvent {
    match command {
        Some(command) => command.await,
        None => std::future::pending().await,
    }
}

/// Cancel safety: nothing is lost.
async fn woken(wake: Option<Timestamp>) {
    match wake {
        Some(then) => sleep_until(Instant::now() + clock::until(then)).await,
        None => std::future::pending().await,
    }
}

impl Lane {
    /// The daemon's word may be new.
    fn word(&mut self, served: &Served) {
        let machine = served.config.machines.get(&self.machine);
        // After a restart the word on disk has no password: the BMC waits for the first sync.
        let access = machine
            .and_then(|machine| machine.bmc.clone())
            .filter(|access| !access.password.is_empty());
        if access != self.access {
            self.queue = access
                .as_ref()
                .and_then(connect)
                .map(|bmc| Arc::new(BmcQueue::spawn(bmc)));
            self.access = access;
            self.command = None;
            self.lane = PowerLane::new(self.machine);
            self.take(PowerEvent::Access);
        }
        let boots_job = served
            .boot
            .get(&self.machine)
            .is_some_and(|order| matches!(order.action, Action::Boot(NextBoot::Job(_))));
        let order = served
            .power
            .get(&self.machine)
            .map(|order| (order.clone(), boots_job));
        self.take(PowerEvent::Order(order));
    }

    fn take(&mut self, event: PowerEvent) {
        let Some(queue) = self.queue.clone() else { return };
        for effect in self.lane.handle(event, clock::now()) {
            match effect {
                PowerEffect::Read => {
                    let queue = Arc::clone(&queue);
                    self.command = Some(Box::pin(async move {
                        PowerEvent::Read(queue.status().await.map(seen).map_err(|fault| told(&fault)))
                    }));
                }
                PowerEffect::Command(wanted) => {
                    tracing::info!(machine = %self.machine, ?wanted, "power command");
                    let queue = Arc::clone(&queue);
                    self.command = Some(Box::pin(async move {
                        PowerEvent::Commanded(queue.power(wish(wanted)).await.map_err(|fault| told(&fault)))
                    }));
                }
                PowerEffect::BootFromNetwork => self.boot_from_network(&queue),
                PowerEffect::Tell(body) => self.rack.tell(vec![body]),
                PowerEffect::Ended(order) => self.rack.send(ToSync::OrderEnded(order)),
                PowerEffect::WakeAt(then) => self.wake = Some(then),
            }
        }
    }

    /// Best effort: the boot order in the firmware is ours anyway, and some BMCs refuse the override.
    fn boot_from_network(&mut self, queue: &Arc<BmcQueue>) {
        let served = self.rack.served();
        let kind = served
            .config
            .machines
            .get(&self.machine)
            .map(|machine| machine.firmware);
        let firmware = match kind {
            Some(FirmwareKind::Uefi) => Firmware::Efi,
            Some(FirmwareKind::Bios) | None => Firmware::Bios,
        };
        let boot = BootOverride {
            device: BootDevice::Network,
            lasting: Lasting::Once,
            firmware,
        };
        let (queue, machine) = (Arc::clone(queue), self.machine);
        self.command = Some(Box::pin(async move {
            if let Err(fault) = queue.boot_device(boot).await {
                tracing::warn!(%machine, error = %Chain(&fault), "the boot device cannot be set");
            }
            PowerEvent::Commanded(Ok(()))
        }));
    }
}

fn connect(access: &BmcAccess) -> Option<Arc<dyn Bmc>> {
    if access.driver != "ipmi" {
        tracing::warn!(driver = access.driver, bmc = %access.address, "this agent has no such BMC driver");
        return None;
    }
    let password = Secret::new(access.password.as_bytes());
    ipmi::connect(
        access.address,
        &access.username,
        password,
        ipmi::Options::default(),
    )
    .inspect_err(
        |fault| tracing::warn!(bmc = %access.address, error = %Chain(fault), "the BMC cannot be used"),
    )
    .ok()
}

fn seen(power: Power) -> PowerSeen {
    match power {
        Power::On => PowerSeen::On,
        Power::Off => PowerSeen::Off,
    }
}

fn wish(wanted: PowerWanted) -> rack_bmc::PowerWanted {
    match wanted {
        PowerWanted::On => rack_bmc::PowerWanted::On,
        PowerWanted::SoftOff => rack_bmc::PowerWanted::SoftOff,
        PowerWanted::Off => rack_bmc::PowerWanted::Off,
    }
}

fn told(fault: &BmcFault) -> PowerFault {
    let kind = match fault {
        BmcFault::Unreachable { .. } | BmcFault::TimedOut { .. } => BmcFaultKind::Silent,
        BmcFault::BadCredentials { .. } => BmcFaultKind::Credentials,
        BmcFault::NoCommonCipher { .. } | BmcFault::Busy { .. } | BmcFault::Refused { .. } => {
            BmcFaultKind::Refused
        }
        BmcFault::BadReply { .. } => BmcFaultKind::Garbled,
    };
    PowerFault {
        kind,
        detail: Chain(fault).to_string(),
    }
}
