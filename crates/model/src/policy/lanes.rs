//! A batch in parts, each computed by one thread from end to end.
//!
//! Between two products of a small model there is work that no thread shares: bookkeeping of the tensor
//! library, copies, small sums. A batch that goes through the layers as a whole makes the other threads
//! wait for it each time; parts of the batch do it side by side. Results are put together in the order of
//! the parts, so they are the same on any number of threads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

/// Does `work` on every item, each on one thread with its share of the others; the results in the order of
/// the items. Item `i` of two calls with as many items is worked on by the same thread.
pub(super) fn side_by_side<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = rayon::current_num_threads();
    let count = threads.min(items.len());
    if count < 2 {
        return items.into_iter().map(work).collect();
    }
    let Some(pools) = pools(count, threads / count) else {
        return items.into_iter().map(work).collect();
    };
    let mut shares: Vec<Vec<(usize, T)>> = (0..count).map(|_| Vec::new()).collect();
    items.into_iter().enumerate().for_each(|(i, item)| shares[i % count].push((i, item)));
    let work = &work;
    let mut results: Vec<(usize, R)> = thread::scope(|scope| {
        let mut lanes = Vec::with_capacity(count);
        for (pool, share) in pools.iter().zip(shares) {
            let run = move || share.into_iter().map(|(i, item)| (i, work(item))).collect::<Vec<_>>();
            lanes.push(scope.spawn(move || pool.install(run)));
        }
        let joined = lanes.into_iter().map(|lane| lane.join());
        joined.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    results.sort_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Pools of `threads` threads each, kept for the next call; none where the system gives no more threads.
fn pools(count: usize, threads: usize) -> Option<Arc<[ThreadPool]>> {
    type Kept = BTreeMap<(usize, usize), Arc<[ThreadPool]>>;
    static POOLS: Mutex<Kept> = Mutex::new(BTreeMap::new());
    let mut kept = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(pools) = kept.get(&(count, threads)) {
        return Some(pools.clone());
    }
    let build = |_| ThreadPoolBuilder::new().num_threads(threads).build().ok();
    let pools: Arc<[ThreadPool]> = (0..count).map(build).collect::<Option<_>>()?;
    kept.insert((count, threads), pools.clone());
    Some(pools)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_in_its_place() {
        for threads in [1, 2, 5] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let work = |n: usize| (n * n, rayon::current_num_threads());
            let done = pool.install(|| side_by_side((0..7).collect(), work));
            assert!(done.iter().enumerate().all(|(i, (n, _))| *n == i * i));
            assert!(done.iter().all(|(_, inside)| *inside == 1), "{threads} threads");
            let done = pool.install(|| side_by_side((0..2).collect(), work));
            assert!(done.iter().all(|(_, inside)| *inside == (threads / 2).max(1)), "{threads} threads");
        }
    }
}
