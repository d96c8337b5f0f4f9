//! Work of environments, which may panic or hang: what fails loses its own result and nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use eyas_core::{Interrupt, isolate};
use rayon::prelude::*;

use crate::RolloutError;

/// How often a wait looks at the interrupt.
const LOOK: Duration = Duration::from_millis(100);

/// What environments are watched for.
#[derive(Clone, Copy)]
pub(crate) struct Watch<'a> {
    /// Longest time for one piece of work; `None`: for ever.
    pub(crate) limit: Option<Duration>,
    pub(crate) interrupt: &'a Interrupt,
}

/// Does `work` on every item, on as many threads as the pool has; gives the results in the order of the items,
/// or why there is none. Without a limit the threads are those of the pool. With one they are threads of
/// their own: one that takes longer is left alone, with what it works on, and another takes its place.
///
/// # Errors
/// [`RolloutError::Interrupted`] and [`RolloutError::Threads`].
pub(crate) fn each<T, R, F>(
    items: Vec<T>,
    watch: Watch<'_>,
    work: F,
) -> Result<Vec<Result<R, String>>, RolloutError>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
{
    match watch.limit {
        None => Ok(items.into_par_iter().map(|item| isolate(|| work(item))).collect()),
        Some(limit) => watched(items, limit, watch.interrupt, work),
    }
}

/// What a thread tells: which item it takes, and what came of it.
enum Told<R> {
    Begun(usize, Instant),
    Ended(usize, Result<R, String>),
}

fn watched<T, R, F>(
    items: Vec<T>,
    limit: Duration,
    interrupt: &Interrupt,
    work: F,
) -> Result<Vec<Result<R, String>>, RolloutError>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
{
    let mut results: Vec<Option<Result<R, String>>> = items.iter().map(|_| None).collect();
    let mut left = results.len();
    let work = Arc::new(work);
    let queue = Arc::new(Mutex::new(items.into_iter().enumerate().collect::<VecDeque<_>>()));
    let (tell, told) = channel();
    let hire = || {
        let (queue, work, tell) = (queue.clone(), work.clone(), tell.clone());
        let thread = Builder::new().name("environment".into());
        thread.spawn(move || serve(&queue, work.as_ref(), &tell)).map_err(RolloutError::Threads)
    };
    for _ in 0..left.min(rayon::current_num_threads()) {
        hire()?;
    }
    let mut running: BTreeMap<usize, Instant> = BTreeMap::new();
    while left > 0 {
        let next = running.values().map(|begun| limit.saturating_sub(begun.elapsed())).min();
        match told.recv_timeout(next.map_or(LOOK, |next| next.min(LOOK))) {
            Ok(Told::Begun(item, at)) => {
                running.insert(item, at);
            }
            // An item that was given up is no longer running; its result comes too late.
            Ok(Told::Ended(item, result)) if running.remove(&item).is_some() => {
                results[item] = Some(result);
                left -= 1;
            }
            Ok(Told::Ended(..)) | Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if interrupt.is_raised() {
            return Err(RolloutError::Interrupted);
        }
        for (item, _) in running.extract_if(.., |_, begun| begun.elapsed() > limit) {
            results[item] = Some(Err(format!("gave no answer within {} s", limit.as_secs_f64())));
            left -= 1;
            hire()?;
        }
    }
    // None is missing: the loop ends when each has a result.
    Ok(results.into_iter().flatten().collect())
}

/// Takes items until there are none, or nobody listens any more.
fn serve<T, R>(queue: &Mutex<VecDeque<(usize, T)>>, work: &impl Fn(T) -> R, tell: &Sender<Told<R>>) {
    loop {
        // Nothing panics while the lock is held.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((index, item)) = next else { return };
        if tell.send(Told::Begun(index, Instant::now())).is_err() {
            return;
        }
        let result = isolate(|| work(item));
        if tell.send(Told::Ended(index, result)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(limit: Option<u64>, interrupt: &Interrupt) -> Result<Vec<Result<u64, String>>, RolloutError> {
        let limit = limit.map(Duration::from_millis);
        each((0..40).collect(), Watch { limit, interrupt }, |n: u64| match n {
            7 | 31 => panic!("number {n}"),
            _ => n * n,
        })
    }

    #[test]
    fn a_panic_loses_its_own_result() {
        let quiet = Interrupt::default();
        for limit in [None, Some(60_000)] {
            for (n, result) in run(limit, &quiet).unwrap().into_iter().enumerate() {
                match n {
                    7 | 31 => assert!(result.unwrap_err().ends_with(&format!("number {n}"))),
                    _ => assert_eq!(result, Ok((n * n) as u64)),
                }
            }
        }
    }

    #[test]
    fn what_hangs_is_left_alone_and_the_others_are_served() {
        let quiet = Interrupt::default();
        let watch = Watch { limit: Some(Duration::from_millis(200)), interrupt: &quiet };
        // More that hang than there are threads.
        let hangs = rayon::current_num_threads() as u64 + 1;
        let begun = Instant::now();
        let results = each((0..40).collect(), watch, move |n: u64| match n < hangs {
            true => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            false => n + 1,
        })
        .unwrap();
        assert!(begun.elapsed() < Duration::from_secs(30));
        for (n, result) in results.into_iter().enumerate() {
            match n as u64 {
                n if n < hangs => assert_eq!(result, Err("gave no answer within 0.2 s".into())),
                n => assert_eq!(result, Ok(n + 1)),
            }
        }
    }

    #[test]
    fn an_interrupt_ends_a_wait() {
        let interrupt = Interrupt::default();
        let raised = interrupt.clone();
        let watch = Watch { limit: Some(Duration::from_secs(3600)), interrupt: &interrupt };
        let begun = Instant::now();
        let ended = each(vec![()], watch, move |()| {
            raised.raise();
            std::thread::sleep(Duration::from_secs(3600));
        });
        assert!(matches!(ended, Err(RolloutError::Interrupted)));
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}
