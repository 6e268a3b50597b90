//! The queue's promises, in virtual time, in front of a BMC that takes as long and fails as often as told.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rack_bmc::{
    Bmc, BmcFault, BmcFuture, BmcQueue, BootDevice, BootOverride, Firmware, Identity, Lasting, Power,
    PowerWanted,
};
use tokio::time::{Instant, sleep};

/// The queue's own promises.
const GAP: Duration = Duration::from_millis(250);
const COMMAND_MAX: Duration = Duration::from_secs(45);
const WAITING_MAX: usize = 8;

/// When each call began and ended, if it did.
#[derive(Debug, Clone)]
struct Call {
    what: String,
    began: Instant,
    ended: Option<Instant>,
}

struct Told {
    takes: Duration,
    faults: Mutex<Vec<BmcFault>>,
    calls: Mutex<Vec<Call>>,
}

impl Told {
    fn new(takes: Duration, faults: Vec<BmcFault>) -> Arc<Self> {
        Arc::new(Self {
            takes,
            faults: Mutex::new(faults),
            calls: Mutex::default(),
        })
    }

    fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    fn names(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.what).collect()
    }

    fn call<T: Send + 'static>(&self, what: String, answer: T) -> BmcFuture<'_, T> {
        Box::pin(async move {
            let at = {
                let mut calls = self.calls.lock().unwrap();
                calls.push(Call {
                    what,
                    began: Instant::now(),
                    ended: None,
                });
                calls.len() - 1
            };
            sleep(self.takes).await;
            self.calls.lock().unwrap()[at].ended = Some(Instant::now());
            self.faults.lock().unwrap().pop().map_or(Ok(answer), Err)
        })
    }
}

impl Bmc for Told {
    fn address(&self) -> &str {
        "told"
    }

    fn power(&self) -> BmcFuture<'_, Power> {
        self.call("status".to_owned(), Power::On)
    }

    fn set_power(&self, wanted: PowerWanted) -> BmcFuture<'_, ()> {
        self.call(format!("{wanted:?}"), ())
    }

    fn set_boot_device(&self, boot: BootOverride) -> BmcFuture<'_, ()> {
        self.call(format!("{:?}", boot.device), ())
    }

    fn identify(&self) -> BmcFuture<'_, Identity> {
        let identity = Identity {
            guid: None,
            manufacturer: 1,
            product: 2,
            firmware: "3".to_owned(),
        };
        self.call("identify".to_owned(), identity)
    }
}

fn timed_out() -> BmcFault {
    BmcFault::TimedOut {
        bmc: "told".to_owned(),
        command: "x",
        after: Duration::ZERO,
    }
}

fn refused() -> BmcFault {
    BmcFault::Refused {
        bmc: "told".to_owned(),
        command: "x",
        completion_code: 0xc1,
    }
}

#[tokio::test(start_paused = true)]
async fn commands_run_in_order_one_at_a_time_with_a_gap() {
    let told = Told::new(Duration::from_secs(1), vec![]);
    let queue = BmcQueue::spawn(told.clone());
    let boot = BootOverride {
        device: BootDevice::Network,
        lasting: Lasting::Once,
        firmware: Firmware::Efi,
    };
    let (boot, on, status, identity) = tokio::join!(
        queue.boot_device(boot),
        queue.power(PowerWanted::On),
        queue.status(),
        queue.identify()
    );
    boot.unwrap();
    on.unwrap();
    assert_eq!((status.unwrap(), identity.unwrap().product), (Power::On, 2));
    let calls = told.calls();
    assert_eq!(told.names(), ["Network", "On", "status", "identify"]);
    for pair in calls.windows(2) {
        let gap = pair[1].began - pair[0].ended.unwrap();
        assert!(gap >= GAP && gap < 2 * GAP, "{gap:?}");
    }
    queue.stop().await;
}

#[tokio::test(start_paused = true)]
async fn more_than_may_wait_is_told_so_at_once() {
    let told = Told::new(Duration::from_secs(1), vec![]);
    let queue = Arc::new(BmcQueue::spawn(told.clone()));
    let first = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.status().await }
    });
    while told.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    let asked = Instant::now();
    let waiting: Vec<_> = (0..=WAITING_MAX)
        .map(|_| {
            let queue = Arc::clone(&queue);
            tokio::spawn(async move { (queue.status().await, Instant::now()) })
        })
        .collect();
    let mut results = Vec::new();
    for waiter in waiting {
        results.push(waiter.await.unwrap());
    }
    first.await.unwrap().unwrap();
    let (last, told_at) = results.pop().unwrap();
    assert!(matches!(last, Err(BmcFault::Busy { .. })));
    assert_eq!(told_at, asked);
    assert!(results.iter().all(|(result, _)| result.is_ok()));
    assert_eq!(told.calls().len(), 1 + WAITING_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_command_without_end_ends_at_its_limit_and_the_next_one_runs() {
    let told = Told::new(Duration::MAX, vec![]);
    let queue = BmcQueue::spawn(told.clone());
    let started = Instant::now();
    let (first, second) = tokio::join!(queue.power(PowerWanted::Off), queue.power(PowerWanted::On));
    for fault in [first.unwrap_err(), second.unwrap_err()] {
        assert!(
            matches!(fault, BmcFault::TimedOut { after, .. } if after == COMMAND_MAX),
            "{fault:?}"
        );
    }
    assert_eq!(told.names(), ["Off", "On"]);
    assert!(started.elapsed() < 2 * COMMAND_MAX + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_read_is_done_once_more_and_a_write_is_not() {
    let told = Told::new(Duration::from_secs(1), vec![timed_out()]);
    let queue = BmcQueue::spawn(told.clone());
    assert_eq!(queue.status().await.unwrap(), Power::On);
    assert_eq!(told.names(), ["status", "status"]);

    let told = Told::new(
        Duration::from_secs(1),
        vec![timed_out(), timed_out(), timed_out()],
    );
    let queue = BmcQueue::spawn(told.clone());
    assert!(matches!(queue.status().await, Err(BmcFault::TimedOut { .. })));
    assert_eq!(told.names(), ["status", "status"]);

    let told = Told::new(Duration::from_secs(1), vec![timed_out()]);
    let queue = BmcQueue::spawn(told.clone());
    assert!(matches!(
        queue.power(PowerWanted::On).await,
        Err(BmcFault::TimedOut { .. })
    ));
    assert_eq!(told.names(), ["On"]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_read_is_not_done_again() {
    let told = Told::new(Duration::from_secs(1), vec![refused()]);
    let queue = BmcQueue::spawn(told.clone());
    assert!(matches!(queue.status().await, Err(BmcFault::Refused { .. })));
    assert_eq!(told.names(), ["status"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_withdrawn_before_its_turn_is_not_sent() {
    let told = Told::new(Duration::from_secs(1), vec![]);
    let queue = BmcQueue::spawn(told.clone());
    let withdrawn = async {
        let withdrawn = tokio::time::timeout(Duration::from_millis(500), queue.power(PowerWanted::Off)).await;
        assert!(withdrawn.is_err());
    };
    let (status, ()) = tokio::join!(queue.status(), withdrawn);
    status.unwrap();
    queue.power(PowerWanted::On).await.unwrap();
    assert_eq!(told.names(), ["status", "On"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_begun_is_carried_to_its_end_though_its_asker_is_gone() {
    let told = Told::new(Duration::from_secs(1), vec![]);
    let queue = BmcQueue::spawn(told.clone());
    let begun = tokio::time::timeout(Duration::from_millis(500), queue.power(PowerWanted::Off)).await;
    assert!(begun.is_err());
    queue.stop().await;
    assert!(told.calls()[0].ended.is_some());
}
