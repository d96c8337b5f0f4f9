//! Judges around judges.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Judge, JudgeError, JudgeRequest, Verdict};

/// Asks again at once when there is no verdict, for judges that draw their replies. Waiting for an endpoint
/// is the client's business, see [`Backoff`](super::Backoff).
#[derive(Clone, Debug)]
pub struct Retrying<J> {
    inner: J,
    attempts: usize,
}

impl<J> Retrying<J> {
    /// Asks `inner` at most `attempts` times, at least once. What cannot change is not repeated, see
    /// [`JudgeError::may_change`].
    pub fn new(inner: J, attempts: usize) -> Self {
        Self { inner, attempts: attempts.max(1) }
    }
}

impl<J: Judge> Judge for Retrying<J> {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        let mut result = self.inner.judge(request);
        for _ in 1..self.attempts {
            match &result {
                Err(error) if error.may_change() => result = self.inner.judge(request),
                _ => break,
            }
        }
        result
    }

    fn key(&self, request: &JudgeRequest) -> Result<[u8; 32], JudgeError> {
        self.inner.key(request)
    }
}

/// Asks several questions at a time.
#[derive(Clone, Debug)]
pub struct Parallel<J> {
    inner: J,
    bound: usize,
}

impl<J> Parallel<J> {
    /// Asks `inner` from at most `bound` threads, at least one. The verdicts do not depend on it, unless the
    /// judge minds.
    pub fn new(inner: J, bound: usize) -> Self {
        Self { inner, bound: bound.max(1) }
    }
}

impl<J: Judge + Sync> Judge for Parallel<J> {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        self.inner.judge(request)
    }

    fn judge_all(&self, requests: &[JudgeRequest]) -> Vec<Result<Verdict, JudgeError>> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut answers = Vec::new();
            while let Some((n, request)) = Some(next.fetch_add(1, Ordering::Relaxed))
                .and_then(|n| requests.get(n).map(|request| (n, request)))
            {
                answers.push((n, self.inner.judge(request)));
            }
            answers
        };
        let mut answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.bound.min(requests.len())).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        });
        answers.sort_by_key(|(n, _)| *n);
        // A thread that panicked took its answers along.
        let lost = |n: usize| match answers.binary_search_by_key(&n, |(n, _)| *n) {
            Ok(at) => answers.get(at).map(|(_, answer)| answer.clone()),
            Err(_) => None,
        };
        let gone = || Err(JudgeError::Refused { detail: "its thread ended".into() });
        (0..requests.len()).map(|n| lost(n).unwrap_or_else(gone)).collect()
    }

    fn key(&self, request: &JudgeRequest) -> Result<[u8; 32], JudgeError> {
        self.inner.key(request)
    }
}

/// A judge that says what it was told to, in order, for tests; then it cannot be reached.
#[derive(Debug)]
pub struct Scripted {
    replies: Mutex<VecDeque<Result<Verdict, JudgeError>>>,
}

impl Scripted {
    /// Will give `replies`, first to last.
    pub fn new(replies: impl IntoIterator<Item = Result<Verdict, JudgeError>>) -> Self {
        Self { replies: Mutex::new(replies.into_iter().collect()) }
    }
}

impl Judge for Scripted {
    fn judge(&self, _: &JudgeRequest) -> Result<Verdict, JudgeError> {
        let next = self.replies.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        next.unwrap_or_else(|| Err(JudgeError::Refused { detail: "the script is over".into() }))
    }
}
