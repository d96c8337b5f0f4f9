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
pub struct Watch<'a> {
    /// Longest time for one piece of work; `None`: for ever.
    pub limit: Option<Duration>,
    /// Ends the wait for work that has a limit.
    pub interrupt: &'a Interrupt,
}

/// Tells that a piece of work has come further: from then on its time counts anew.
pub(crate) type Further<'a> = &'a dyn Fn();

/// Does `work` on every item, on as many threads as the pool has; gives the results in the order of the items,
/// or why there is none. Without a limit the threads are those of the pool. With one they are threads of
/// their own: one that takes longer is left alone, with what it works on, and another takes its place.
///
/// # Errors
/// [`RolloutError::Interrupted`] and [`RolloutError::Threads`].
pub fn each<T, R, F>(items: Vec<T>, watch: Watch<'_>, work: F) -> Result<Vec<Result<R, String>>, RolloutError>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
{
    each_by_steps(items, watch, move |item, _| work(item))
}

/// The same for work of many steps, each of which has the time of the limit: it tells when it has taken one.
pub(crate) fn each_by_steps<T, R, F>(
    items: Vec<T>,
    watch: Watch<'_>,
    work: F,
) -> Result<Vec<Result<R, String>>, RolloutError>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T, Further<'_>) -> R + Send + Sync + 'static,
{
    match watch.limit {
        None => Ok(items.into_par_iter().map(|item| isolate(|| work(item, &|| {}))).collect()),
        // None is missing where the wait goes on to the end.
        Some(limit) => {
            Ok(watched(items, limit, watch.interrupt, false, work)?.into_iter().flatten().collect())
        }
    }
}

/// Does `work` on every item as [`each`] does, where no result can be done without: the first failure that is seen
/// ends the wait, and comes back as the item's position and why.
///
/// # Errors
/// Those of [`each`].
pub fn all<T, R, F>(
    items: Vec<T>,
    watch: Watch<'_>,
    work: F,
) -> Result<Result<Vec<R>, (usize, String)>, RolloutError>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T) -> R + Send + Sync + 'static,
{
    let results = match watch.limit {
        None => each(items, watch, work)?.into_iter().map(Some).collect(),
        Some(limit) => watched(items, limit, watch.interrupt, true, move |item, _: Further<'_>| work(item))?,
    };
    let failed = |(i, result): (usize, &Option<Result<R, String>>)| {
        Some((i, result.as_ref()?.as_ref().err()?.clone()))
    };
    Ok(match results.iter().enumerate().find_map(failed) {
        Some(failed) => Err(failed),
        None => Ok(results.into_iter().flatten().flatten().collect()),
    })
}

/// What a thread tells: which item it takes, or has come further with, and what came of it.
enum Told<R> {
    Begun(usize, Instant),
    Ended(usize, Result<R, String>),
}

/// The results, all of them unless `first` says that the first failure ends the wait.
fn watched<T, R, F>(
    items: Vec<T>,
    limit: Duration,
    interrupt: &Interrupt,
    first: bool,
    work: F,
) -> Result<Vec<Option<Result<R, String>>>, RolloutError>
where
    T: Send + 'static,
    R: Send + 'static,
    F: Fn(T, Further<'_>) -> R + Send + Sync + 'static,
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
            // What was given up may still come further, and stays given up.
            Ok(Told::Begun(item, at)) => {
                if results[item].is_none() {
                    running.insert(item, at);
                }
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
        if first && results.iter().flatten().any(Result::is_err) {
            queue.lock().unwrap_or_else(PoisonError::into_inner).clear();
            break;
        }
    }
    Ok(results)
}

/// Takes items until there are none, or nobody listens any more.
fn serve<T, R>(
    queue: &Mutex<VecDeque<(usize, T)>>,
    work: &impl Fn(T, Further<'_>) -> R,
    tell: &Sender<Told<R>>,
) {
    loop {
        // Nothing panics while the lock is held.
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let Some((index, item)) = next else { return };
        if tell.send(Told::Begun(index, Instant::now())).is_err() {
            return;
        }
        let further = || {
            // Nobody listens any more: nobody minds.
            let _ = tell.send(Told::Begun(index, Instant::now()));
        };
        let result = isolate(|| work(item, &further));
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
    fn each_step_has_the_time_of_the_limit() {
        let quiet = Interrupt::default();
        let watch = Watch { limit: Some(Duration::from_millis(400)), interrupt: &quiet };
        // Ten steps of 100 ms; the second one loses its way after the third.
        let results = each_by_steps(vec![10, 3], watch, |steps: u64, further| {
            for _ in 0..steps {
                std::thread::sleep(Duration::from_millis(100));
                further();
            }
            if steps == 3 {
                std::thread::sleep(Duration::from_secs(3600));
            }
            steps
        });
        assert_eq!(results.unwrap(), [Ok(10), Err("gave no answer within 0.4 s".into())]);
    }

    #[test]
    fn what_comes_back_too_late_stays_given_up() {
        let quiet = Interrupt::default();
        let watch = Watch { limit: Some(Duration::from_millis(100)), interrupt: &quiet };
        let results = each_by_steps(vec![300, 0, 0, 0], watch, |ms: u64, further| {
            std::thread::sleep(Duration::from_millis(ms));
            further();
            std::thread::sleep(Duration::from_millis(80));
            further();
            std::thread::sleep(Duration::from_millis(80));
            ms
        });
        assert_eq!(results.unwrap()[..2], [Err("gave no answer within 0.1 s".into()), Ok(0)]);
    }

    #[test]
    fn where_all_are_needed_the_first_failure_ends_the_wait() {
        let quiet = Interrupt::default();
        for limit in [None, Some(Duration::from_millis(300))] {
            let watch = Watch { limit, interrupt: &quiet };
            assert_eq!(all((0..40).collect(), watch, |n: u64| n + 1).unwrap(), Ok((1..41).collect()));
            let (at, why) =
                all((0..40).collect(), watch, |n: u64| assert_ne!(n, 7, "seven")).unwrap().unwrap_err();
            assert!(at == 7 && why.contains("seven"), "{at} {why}");
        }
        let watch = Watch { limit: Some(Duration::from_millis(300)), interrupt: &quiet };
        let begun = Instant::now();
        let hangs = |_: u64| -> u64 {
            loop {
                std::thread::sleep(Duration::from_secs(3600));
            }
        };
        let (_, why) = all((0..1000).collect(), watch, hangs).unwrap().unwrap_err();
        assert_eq!(why, "gave no answer within 0.3 s");
        assert!(begun.elapsed() < Duration::from_secs(20), "not one after the other");
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
