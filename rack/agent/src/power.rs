//! The BMCs of the rack: one task per machine, each performing the effects of its [`PowerLane`].
//!
//! Commands go through the machine's queue, one at a time. The lane decides what and when; this file
//! only translates between it, the queue and the daemon's word.

use crate::{
    clock,
    error_chain::Chain,
    rack::{Rack, Served},
};
use rack_api::{
    config::BmcAccess,
    fact::{BmcFaultKind, FactBody, PowerSeen},
    inventory::FirmwareKind,
    order::{Action, NextBoot, Order, OrderRef},
};
use rack_bmc::{
    BmcFault, BmcQueue, BootDevice, BootOverride, Firmware, Lasting, Power, PowerWanted, Secret, ipmi,
};
use rack_proto::power::{PowerEffect, PowerEvent, PowerFault, PowerLane};
use schema_ids::{MachineId, Timestamp};
use std::{collections::BTreeMap, pin::Pin, sync::Arc};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// What one machine's task is to do.
#[derive(Debug, Clone, PartialEq)]
struct Wish {
    access: BmcAccess,
    firmware: FirmwareKind,
    /// The order, and whether the machine will boot a job.
    order: Option<(Order, bool)>,
}

/// BMCs read at once on the schedule: after a start all of them are due, and an agent with a thousand machines
/// shall neither fill its network nor its table of sockets. What an order needs does not wait for it.
const READS_MAX: usize = 64;

struct Worker {
    wish: watch::Sender<Wish>,
    stop: CancellationToken,
}

/// Drives all BMCs until told to stop.
pub(crate) async fn run(rack: Arc<Rack>, stop: CancellationToken) {
    let mut served = rack.served.clone();
    let mut workers: BTreeMap<MachineId, Worker> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    let places = Arc::new(Semaphore::new(READS_MAX));
    loop {
        let word = Arc::clone(&served.borrow_and_update());
        refuse_without_bmc(&rack, &word);
        let wishes = wishes(&word);
        workers.retain(|machine, worker| {
            let wanted = wishes.contains_key(machine);
            if !wanted {
                worker.stop.cancel();
            }
            wanted
        });
        for (machine, wish) in wishes {
            match workers.get(&machine) {
                Some(worker) => {
                    worker.wish.send_if_modified(|now| {
                        let differs = *now != wish;
                        *now = wish;
                        differs
                    });
                }
                None => {
                    let (sender, receiver) = watch::channel(wish);
                    let stop = stop.child_token();
                    let (rack, places) = (Arc::clone(&rack), Arc::clone(&places));
                    tasks.spawn(drive(rack, places, machine, receiver, stop.clone()));
                    workers.insert(machine, Worker { wish: sender, stop });
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            changed = served.changed() => if changed.is_err() {
                break;
            },
            Some(_) = tasks.join_next() => {}
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// Nobody could carry these out.
fn refuse_without_bmc(rack: &Rack, served: &Served) {
    for order in served.power.values() {
        let machine = served.config.machines.get(&order.machine);
        if machine.is_some_and(|machine| machine.bmc.is_none()) {
            let refused = FactBody::OrderRefused {
                order: order.reference(),
                why: "this machine has no BMC that this agent knows".to_owned(),
                until: None,
            };
            rack.tell_end(order.reference(), vec![refused]);
        }
    }
}

/// Machines with a BMC whose password is known: after a restart that is with the first sync, and not while the
/// lease on the rack's BMCs has run out.
fn wishes(served: &Served) -> BTreeMap<MachineId, Wish> {
    let wish = |(id, machine): (&MachineId, &rack_api::config::RackMachine)| {
        let mut access = machine.bmc.clone().filter(|access| !access.password.is_empty())?;
        // Each word seals the account anew and may give another lease: neither is a reason to connect again.
        access.sealed.clear();
        access.lease_ms = 0;
        let boots_job = matches!(
            served.boot.get(id).map(|order| &order.action),
            Some(Action::Boot(NextBoot::Job(_)))
        );
        let order = served.power.get(id).map(|order| (order.clone(), boots_job));
        let firmware = machine.firmware;
        Some((
            *id,
            Wish {
                access,
                firmware,
                order,
            },
        ))
    };
    served.config.machines.iter().filter_map(wish).collect()
}

/// One machine's BMC.
async fn drive(
    rack: Arc<Rack>,
    places: Arc<Semaphore>,
    machine: MachineId,
    mut wish: watch::Receiver<Wish>,
    stop: CancellationToken,
) {
    let mut lane = PowerLane::new(machine, rack.settings.power_every);
    let mut queue: Option<Arc<BmcQueue>> = None;
    let mut access: Option<BmcAccess> = None;
    let mut command: Option<Command> = None;
    let mut wake: Option<Timestamp> = None;
    let mut events = Vec::new();
    let mut refused: Option<OrderRef> = None;
    loop {
        let mut now = wish.borrow_and_update().clone();
        now.order = now
            .order
            .filter(|(order, _)| is_taken(&rack, order, &mut refused));
        if access.as_ref() != Some(&now.access) {
            // A command under way speaks with the former account; what came of it, the next status tells.
            if command.take().is_some() {
                events.push(PowerEvent::Commanded(Ok(())));
            }
            let connected = connect(&now.access);
            access = Some(now.access);
            events.push(PowerEvent::Access);
            queue = match connected {
                Ok(connected) => Some(connected),
                Err(fault) => {
                    events.push(PowerEvent::Read(Err(fault)));
                    None
                }
            };
        }
        let ordered = now.order.is_some();
        events.push(PowerEvent::Order(now.order));
        for event in events.drain(..) {
            let mut facts = Vec::new();
            for effect in lane.handle(event, clock::now()) {
                match effect {
                    PowerEffect::WakeAt(then) => wake = Some(then),
                    PowerEffect::Tell(fact) => facts.push(fact),
                    PowerEffect::Ended(order) => rack.tell_end(order, std::mem::take(&mut facts)),
                    // The order is refused before anything else happens.
                    PowerEffect::Command(_) | PowerEffect::BootFromNetwork
                        if rack.stopped(machine).is_some() =>
                    {
                        command = Some(Box::pin(async { PowerEvent::Commanded(Ok(())) }));
                    }
                    PowerEffect::Read | PowerEffect::Command(_) | PowerEffect::BootFromNetwork => {
                        let doing = perform(machine, queue.clone(), effect, now.firmware);
                        command = Some(match ordered {
                            true => doing,
                            false => in_place(Arc::clone(&places), doing),
                        });
                    }
                }
            }
            rack.tell(facts);
        }
        let event = tokio::select! {
            () = stop.cancelled() => break,
            changed = wish.changed() => match changed {
                Ok(()) => continue,
                Err(_) => break,
            },
            event = ended(&mut command) => {
                command = None;
                event
            }
            () = woken(wake) => {
                wake = None;
                PowerEvent::Timer
            }
        };
        events.push(event);
    }
    // The command under way is heard to its end by the queue's own task.
    drop(command);
    if let Some(queue) = queue.and_then(Arc::into_inner) {
        queue.stop().await;
    }
}

/// Whether an order may be carried out. One that may not, since a person has stopped the machine, is refused once.
fn is_taken(rack: &Rack, order: &Order, refused: &mut Option<OrderRef>) -> bool {
    let Some(why) = rack.stopped(order.machine) else {
        return true;
    };
    let order = order.reference();
    if refused.replace(order) != Some(order) {
        tracing::warn!(machine = %order.machine, why, "a power order is refused");
        rack.tell_end(
            order,
            vec![FactBody::OrderRefused {
                order,
                why,
                until: None,
            }],
        );
    }
    false
}

type Command = Pin<Box<dyn Future<Output = PowerEvent> + Send>>;

fn perform(
    machine: MachineId,
    queue: Option<Arc<BmcQueue>>,
    effect: PowerEffect,
    firmware: FirmwareKind,
) -> Command {
    Box::pin(async move {
        let Some(queue) = queue else {
            return PowerEvent::Read(Err(no_driver()));
        };
        match effect {
            PowerEffect::Command(wanted) => {
                let wanted = match wanted {
                    rack_api::order::PowerWanted::On => PowerWanted::On,
                    rack_api::order::PowerWanted::SoftOff => PowerWanted::SoftOff,
                    rack_api::order::PowerWanted::Off => PowerWanted::Off,
                };
                tracing::info!(%machine, ?wanted, "power command");
                PowerEvent::Commanded(queue.power(wanted).await.map_err(|fault| told(&fault)))
            }
            PowerEffect::BootFromNetwork => {
                let wish = BootOverride {
                    device: BootDevice::Network,
                    lasting: Lasting::Once,
                    firmware: match firmware {
                        FirmwareKind::Bios => Firmware::Bios,
                        FirmwareKind::Uefi => Firmware::Efi,
                    },
                };
                if let Err(fault) = queue.boot_device(wish).await {
                    // Only a help: the machine's own boot order has the network first.
                    tracing::info!(%machine, error = %Chain(&fault), "boot device not set");
                }
                PowerEvent::Commanded(Ok(()))
            }
            PowerEffect::Read | PowerEffect::Tell(_) | PowerEffect::Ended(_) | PowerEffect::WakeAt(_) => {
                let seen = queue.status().await.map(|power| match power {
                    Power::On => PowerSeen::On,
                    Power::Off => PowerSeen::Off,
                });
                PowerEvent::Read(seen.map_err(|fault| told(&fault)))
            }
        }
    })
}

/// The command, once there is a place for it.
fn in_place(places: Arc<Semaphore>, command: Command) -> Command {
    Box::pin(async move {
        // It is never closed; if it were, the limit would be gone and nothing else.
        let _place = places.acquire().await;
        command.await
    })
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
        Some(then) => tokio::time::sleep(clock::until(then)).await,
        None => std::future::pending().await,
    }
}

fn connect(access: &BmcAccess) -> Result<Arc<BmcQueue>, PowerFault> {
    if access.driver != "ipmi" {
        return Err(no_driver());
    }
    let bmc = ipmi::connect(
        access.address,
        &access.username,
        Secret::new(access.password.as_bytes()),
        ipmi::Options::default(),
    );
    match bmc {
        Ok(bmc) => Ok(Arc::new(BmcQueue::spawn(bmc))),
        Err(fault) => Err(told(&fault)),
    }
}

fn no_driver() -> PowerFault {
    PowerFault {
        kind: BmcFaultKind::Refused,
        detail: "this rack agent has no such BMC driver; it has ipmi".to_owned(),
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
