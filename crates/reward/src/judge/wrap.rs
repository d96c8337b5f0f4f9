//! Judges around judges.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Judge, JudgeError, JudgeRequest, Verdict};

/// Asks again when there is no verdict.
#[derive(Clone, Debug)]
pub struct Retrying<J> {
    inner: J,
    attempts: usize,
}

impl<J> Retrying<J> {
    /// Asks `inner` at most `attempts` times, at least once. Bad requests are not repeated.
    pub fn new(inner: J, attempts: usize) -> Self {
        Self { inner, attempts: attempts.max(1) }
    }
}

impl<J: Judge> Judge for Retrying<J> {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        let mut result = self.inner.judge(request);
        for _ in 1..self.attempts {
            match result {
                Ok(_) | Err(JudgeError::BadRequest { .. }) => break,
                Err(_) => result = self.inner.judge(request),
            }
        }
        result
    }
}

/// Remembers verdicts by the hash of their request. Errors are not remembered.
#[derive(Debug)]
pub struct Cached<J> {
    inner: J,
    capacity: usize,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    verdicts: HashMap<[u8; 32], Verdict>,
    oldest_first: VecDeque<[u8; 32]>,
    hits: u64,
}

impl<J> Cached<J> {
    /// Remembers at most `capacity` verdicts of `inner`; the oldest goes first.
    pub fn new(inner: J, capacity: usize) -> Self {
        Self { inner, capacity, memory: Mutex::default() }
    }

    /// How many requests were answered from memory.
    pub fn hits(&self) -> u64 {
        self.memory().hits
    }

    /// A thread that panicked while it held the lock left the memory whole: every step of it is.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Judge> Judge for Cached<J> {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        let key = request.key();
        {
            let mut memory = self.memory();
            if let Some(verdict) = memory.verdicts.get(&key).cloned() {
                memory.hits += 1;
                return Ok(verdict);
            }
        }
        // Asked without the lock, so that slow judges can be asked side by side.
        let verdict = self.inner.judge(request)?;
        let mut memory = self.memory();
        if self.capacity > 0 && memory.verdicts.insert(key, verdict.clone()).is_none() {
            memory.oldest_first.push_back(key);
            if memory.oldest_first.len() > self.capacity
                && let Some(oldest) = memory.oldest_first.pop_front()
            {
                memory.verdicts.remove(&oldest);
            }
        }
        Ok(verdict)
    }
}

/// A judge that says what it was told to, in order, for tests; then it is unavailable.
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
        next.unwrap_or_else(|| Err(JudgeError::Unavailable { detail: "the script is over".into() }))
    }
}
