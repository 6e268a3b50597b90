//! One queue in front of each BMC: one command at a time, a pause after each, an end to each.
//!
//! BMCs are small. Two sessions at once, or commands without a breath between, bring boards down that are fine
//! otherwise. The queue never reorders and never invents a command; it repeats reads, never writes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::{Bmc, BmcFault, BmcFuture, BootOverride, Identity, Power, PowerWanted};

/// Commands that may wait. The agent asks one thing at a time for a machine; more waiting means that the BMC is
/// slower than its askers, and then they should hear it.
const WAITING_MAX: usize = 8;
/// From the end of one command to the start of the next. Boards need a moment to free a session.
const GAP: Duration = Duration::from_millis(250);
/// The end of any command, whatever its driver thinks: above the 32 s an IPMI operation may take by itself.
const COMMAND_MAX: Duration = Duration::from_secs(45);
/// A read that fails by silence, business or nonsense is done once more before it counts.
const READS_MAX: u8 = 2;

/// A BMC behind its queue.
///
/// Cancel safety of all its calls: a command dropped before its turn is not sent; one begun is carried to its end.
pub struct BmcQueue {
    bmc: Arc<dyn Bmc>,
    commands: mpsc::Sender<Command>,
    worker: JoinHandle<()>,
}

type Answer<T> = oneshot::Sender<Result<T, BmcFault>>;

enum Command {
    Status(Answer<Power>),
    Power(PowerWanted, Answer<()>),
    BootDevice(BootOverride, Answer<()>),
    Identify(Answer<Identity>),
}

impl BmcQueue {
    /// Starts the queue's task, which ends when the queue is stopped or dropped.
    pub fn spawn(bmc: Arc<dyn Bmc>) -> Self {
        let (commands, waiting) = mpsc::channel(WAITING_MAX);
        let worker = tokio::spawn(work(Arc::clone(&bmc), waiting));
        Self {
            bmc,
            commands,
            worker,
        }
    }

    /// Whether the machine has power; see [`Bmc::power`].
    pub async fn status(&self) -> Result<Power, BmcFault> {
        self.ask(Command::Status).await
    }

    /// Asks for a power state; see [`Bmc::set_power`].
    pub async fn power(&self, wanted: PowerWanted) -> Result<(), BmcFault> {
        self.ask(|answer| Command::Power(wanted, answer)).await
    }

    /// Sets what the machine boots next; see [`Bmc::set_boot_device`].
    pub async fn boot_device(&self, boot: BootOverride) -> Result<(), BmcFault> {
        self.ask(|answer| Command::BootDevice(boot, answer)).await
    }

    /// Says which BMC this is; see [`Bmc::identify`].
    pub async fn identify(&self) -> Result<Identity, BmcFault> {
        self.ask(Command::Identify).await
    }

    /// Ends the queue when the command under way has ended.
    pub async fn stop(self) {
        drop(self.commands);
        if let Err(error) = self.worker.await {
            tracing::error!(bmc = self.bmc.address(), %error, "BMC queue ended badly");
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, BmcFault> {
        let busy = |reason| BmcFault::Busy {
            bmc: self.bmc.address().to_owned(),
            reason,
        };
        let (answer, answered) = oneshot::channel();
        self.commands
            .try_send(command(answer))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => busy("its queue is full"),
                mpsc::error::TrySendError::Closed(_) => busy("its queue has stopped"),
            })?;
        answered
            .await
            .unwrap_or_else(|_| Err(busy("its queue has stopped")))
    }
}

async fn work(bmc: Arc<dyn Bmc>, mut waiting: mpsc::Receiver<Command>) {
    let bmc = &*bmc;
    let mut free = Instant::now();
    while let Some(command) = waiting.recv().await {
        sleep_until(free).await;
        match command {
            Command::Status(answer) => read(bmc, "power status", answer, || bmc.power()).await,
            Command::Power(wanted, answer) => {
                write(bmc, "power", answer, || bmc.set_power(wanted)).await;
            }
            Command::BootDevice(boot, answer) => {
                write(bmc, "boot device", answer, || bmc.set_boot_device(boot)).await;
            }
            Command::Identify(answer) => read(bmc, "identify", answer, || bmc.identify()).await,
        }
        free = Instant::now() + GAP;
    }
}

async fn read<'a, T>(
    bmc: &dyn Bmc,
    command: &'static str,
    answer: Answer<T>,
    call: impl Fn() -> BmcFuture<'a, T>,
) {
    if answer.is_closed() {
        return;
    }
    let deadline = Instant::now() + COMMAND_MAX;
    let mut result = ended(bmc, command, deadline, call()).await;
    for _ in 1..READS_MAX {
        match &result {
            Err(BmcFault::TimedOut { .. } | BmcFault::Busy { .. } | BmcFault::BadReply { .. })
                if Instant::now() + GAP < deadline => {}
            _ => break,
        }
        sleep(GAP).await;
        result = ended(bmc, command, deadline, call()).await;
    }
    told(answer, result);
}

async fn write<'a>(
    bmc: &dyn Bmc,
    command: &'static str,
    answer: Answer<()>,
    call: impl FnOnce() -> BmcFuture<'a, ()>,
) {
    if !answer.is_closed() {
        let result = ended(bmc, command, Instant::now() + COMMAND_MAX, call()).await;
        told(answer, result);
    }
}

/// The result of a call, or its end at `deadline`.
async fn ended<T>(
    bmc: &dyn Bmc,
    command: &'static str,
    deadline: Instant,
    call: BmcFuture<'_, T>,
) -> Result<T, BmcFault> {
    let started = Instant::now();
    timeout_at(deadline, call).await.unwrap_or_else(|_| {
        let bmc = bmc.address().to_owned();
        Err(BmcFault::TimedOut {
            bmc,
            command,
            after: started.elapsed(),
        })
    })
}

fn told<T>(answer: Answer<T>, result: Result<T, BmcFault>) {
    // Whoever asked may have gone meanwhile, and the next status tells what came of the command.
    if answer.send(result).is_err() {
        tracing::debug!("BMC answered after its asker had gone");
    }
}
