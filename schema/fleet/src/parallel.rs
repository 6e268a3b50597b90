//! Work on many things at once, in the order in which they were given.

use std::{
    num::NonZero,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// More threads than this gain nothing: what is read is read from memory, and the rest of a check is one thread's.
const THREADS_MAX: usize = 16;

/// Does the same with each item, on as many threads as the machine has processors. `is_worth_it` says whether there is
/// so much to do that threads pay for themselves.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], is_worth_it: bool, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = processors.min(THREADS_MAX).min(items.len());
    if threads < 2 || !is_worth_it {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                return done;
            };
            done.push((index, work(item)));
        }
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads)
            // Where no thread is to be had, this one does the work.
            .filter_map(|_| thread::Builder::new().spawn_scoped(scope, take).ok())
            .collect();
        let mut done = take();
        for helper in helpers {
            done.extend(helper.join().expect("what is done with an item does not panic"));
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::map;

    #[test]
    fn the_order_is_kept() {
        let items: Vec<u32> = (0..1000).collect();
        let doubled: Vec<u32> = items.iter().map(|item| item * 2).collect();
        assert_eq!(map(&items, true, |item| item * 2), doubled);
        assert_eq!(map(&items, false, |item| item * 2), doubled);
    }
}
