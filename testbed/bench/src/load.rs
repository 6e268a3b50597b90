//! The load: many clients at once on the clients' side, the same for every server.
//!
//! One thread in the clients' namespace runs them all, so that the load generator takes one core at most.

use crate::bed::Bed;
use crate::error::{BenchError, Result, failed};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// A round that takes longer has hung: the slowest takes some ten seconds on a loaded host.
const ROUND_MAX: Duration = Duration::from_secs(120);

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) rounds: usize,
    /// A sixteenth of each load.
    pub(crate) is_small: bool,
}

impl Size {
    /// So many bytes, or their share.
    pub(crate) fn bytes(self, whole: u64) -> u64 {
        if self.is_small { whole >> 4 } else { whole }
    }

    /// So many seconds, or times; one where it is small.
    pub(crate) fn count<T: From<u8>>(self, whole: T) -> T {
        if self.is_small { T::from(1) } else { whole }
    }
}

/// Bytes for a table's heading.
pub(crate) fn mib(bytes: u64) -> String {
    let mib = bytes as f64 / f64::from(1 << 20);
    format!("{mib} MiB")
}

/// Runs clients to their end and gives the bytes that they got, and how long it took.
pub(crate) fn run<F>(
    bed: &Arc<Bed>,
    clients: usize,
    client: impl Fn(usize) -> F + Send + 'static,
) -> Result<(u64, Duration)>
where
    F: Future<Output = Result<u64>> + Send + 'static,
{
    let bed = Arc::clone(bed);
    let thread = std::thread::spawn(move || {
        bed.enter_client()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed("make a runtime"))?;
        runtime.block_on(async {
            let began = Instant::now();
            let mut all = JoinSet::new();
            for number in 0..clients {
                all.spawn(client(number));
            }
            let bytes = tokio::time::timeout(ROUND_MAX, async {
                let mut bytes = 0;
                while let Some(ended) = all.join_next().await {
                    bytes += ended.map_err(|error| failed("run a client")(error.into()))??;
                }
                Ok(bytes)
            });
            let bytes = bytes.await.map_err(|_| BenchError::TooLong {
                what: "a round".to_owned(),
                seconds: ROUND_MAX.as_secs(),
                log: String::new(),
            })??;
            Ok((bytes, began.elapsed()))
        })
    });
    thread.join().map_err(|_| BenchError::Wrong {
        server: "the load generator".to_owned(),
        what: "it panicked".to_owned(),
    })?
}
