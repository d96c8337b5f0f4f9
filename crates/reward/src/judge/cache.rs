//! A judge that remembers.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cache_file::CacheFile;
use super::{Judge, JudgeError, JudgeRequest, Verdict};

/// What an entry takes besides its reason, roughly: the key twice, the verdict, and the tables' own part.
const ENTRY_BYTES: usize = 160;

/// Verdicts by the hash of all that they depend on ([`Judge::key`]), in memory and, if wanted, in a file.
/// Errors are not remembered.
#[derive(Debug, Default)]
pub struct VerdictCache {
    memory: Mutex<Memory>,
}

/// A judge that remembers its verdicts in a [`VerdictCache`].
#[derive(Debug)]
pub struct Cached<J> {
    inner: J,
    cache: VerdictCache,
}

/// What a cache did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounts {
    /// Requests answered from memory.
    pub hits: u64,
    /// Requests that were asked.
    pub misses: u64,
    /// Verdicts that had to go for others.
    pub evicted: u64,
    /// Verdicts read from the file.
    pub read: u64,
    /// Lines of the file that are no verdict.
    pub bad_lines: u64,
    /// Whether the file's last line was cut off; it is not counted as bad.
    pub torn: bool,
    /// Verdicts that could not be written to the file.
    pub unwritten: u64,
}

#[derive(Debug, Default)]
struct Memory {
    budget: usize,
    bytes: usize,
    verdicts: HashMap<[u8; 32], Verdict>,
    oldest_first: VecDeque<[u8; 32]>,
    file: Option<CacheFile>,
    counts: CacheCounts,
}

fn size(verdict: &Verdict) -> usize {
    ENTRY_BYTES + verdict.reason.as_ref().map_or(0, String::len)
}

impl Memory {
    /// The verdict under `key`, counted. The file may have been written by anybody: a verdict off the scale is
    /// none.
    fn known(&mut self, key: &[u8; 32], scale: (f64, f64)) -> Option<Verdict> {
        let known = self.verdicts.get(key).filter(|v| v.share(scale).is_some()).cloned();
        match known {
            Some(_) => self.counts.hits += 1,
            None => self.counts.misses += 1,
        }
        known
    }

    /// Writes `verdict` down and keeps it.
    fn add(&mut self, key: [u8; 32], verdict: Verdict) {
        if let Some(file) = &mut self.file
            && file.append(&key, &verdict).is_err()
        {
            self.counts.unwritten += 1;
        }
        self.keep(key, verdict);
    }

    /// Keeps `verdict` if it fits the budget; the oldest go first.
    fn keep(&mut self, key: [u8; 32], verdict: Verdict) {
        if size(&verdict) > self.budget {
            return;
        }
        self.bytes += size(&verdict);
        match self.verdicts.insert(key, verdict) {
            Some(old) => self.bytes -= size(&old),
            None => self.oldest_first.push_back(key),
        }
        while self.bytes > self.budget {
            let Some(oldest) = self.oldest_first.pop_front() else { break };
            if let Some(gone) = self.verdicts.remove(&oldest) {
                self.bytes -= size(&gone);
                self.counts.evicted += 1;
            }
        }
    }
}

impl VerdictCache {
    /// Room for verdicts that take about `budget` bytes together; the oldest goes first.
    pub fn new(budget: usize) -> Self {
        Self { memory: Mutex::new(Memory { budget, ..Memory::default() }) }
    }

    /// The same with the verdicts of the file at `path`, to which new ones are appended: one JSON object a
    /// line, `{"key": "64 digits", "score": N, "reason": …}`. Lines that cannot be read are counted and left
    /// alone. The file is made if it is not there.
    ///
    /// # Errors
    /// The system's, when the file cannot be opened or read.
    pub fn with_file(budget: usize, path: &Path) -> std::io::Result<Self> {
        let mut memory = Memory { budget, ..Memory::default() };
        let mut counts = CacheCounts::default();
        let file = CacheFile::open(path, &mut counts, |key, verdict| memory.keep(key, verdict))?;
        // What did not fit the memory is still in the file.
        memory.counts = counts;
        memory.file = Some(file);
        Ok(Self { memory: Mutex::new(memory) })
    }

    /// The same with the verdicts of the file at `path`, if it is there; new ones are not written.
    ///
    /// # Errors
    /// The system's, when the file cannot be opened or read.
    pub fn read(budget: usize, path: &Path) -> std::io::Result<Self> {
        if !path.is_file() {
            return Ok(Self::new(budget));
        }
        let read = Self::with_file(budget, path)?;
        read.memory().file = None;
        Ok(read)
    }

    /// What happened so far.
    pub fn counts(&self) -> CacheCounts {
        self.memory().counts
    }

    /// The verdicts on `requests`, in their order: the known ones, and what `judge` says of the others, which
    /// it is asked together. New verdicts are written in the order of the requests.
    pub fn ask(
        &self,
        judge: &(impl Judge + ?Sized),
        requests: &[JudgeRequest],
    ) -> Vec<Result<Verdict, JudgeError>> {
        let keys: Vec<_> = requests.iter().map(|request| judge.key(request)).collect();
        let mut answers: Vec<Option<Result<Verdict, JudgeError>>> = Vec::with_capacity(requests.len());
        let mut unknown = Vec::new();
        for (key, request) in keys.iter().zip(requests) {
            let answer = match key {
                Err(error) => Some(Err(error.clone())),
                Ok(key) => self.memory().known(key, request.scale).map(Ok),
            };
            if answer.is_none() {
                unknown.push(request.clone());
            }
            answers.push(answer);
        }
        // Asked without the lock, so that slow judges can be asked side by side.
        let mut new = if unknown.is_empty() { Vec::new() } else { judge.judge_all(&unknown) }.into_iter();
        let silence = || Err(JudgeError::Refused { detail: "it gave no answer".into() });
        let mut settled = Vec::with_capacity(requests.len());
        for (answer, key) in answers.into_iter().zip(keys) {
            settled.push(answer.unwrap_or_else(|| {
                let answer = new.next().unwrap_or_else(silence);
                if let (Ok(verdict), Ok(key)) = (&answer, key) {
                    self.memory().add(key, verdict.clone());
                }
                answer
            }));
        }
        settled
    }

    /// A thread that panicked while it held the lock left the memory whole: every step of it is.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J> Cached<J> {
    /// As [`VerdictCache::new`], for verdicts of `inner`.
    pub fn new(inner: J, budget: usize) -> Self {
        Self { inner, cache: VerdictCache::new(budget) }
    }

    /// As [`VerdictCache::with_file`], for verdicts of `inner`.
    ///
    /// # Errors
    /// The system's, when the file cannot be opened or read.
    pub fn with_file(inner: J, budget: usize, path: &Path) -> std::io::Result<Self> {
        Ok(Self { inner, cache: VerdictCache::with_file(budget, path)? })
    }

    /// What happened so far.
    pub fn counts(&self) -> CacheCounts {
        self.cache.counts()
    }
}

impl<J: Judge> Judge for Cached<J> {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        let answer = self.judge_all(std::slice::from_ref(request)).pop();
        answer.unwrap_or_else(|| Err(JudgeError::Refused { detail: "it gave no answer".into() }))
    }

    fn judge_all(&self, requests: &[JudgeRequest]) -> Vec<Result<Verdict, JudgeError>> {
        self.cache.ask(&self.inner, requests)
    }

    fn key(&self, request: &JudgeRequest) -> Result<[u8; 32], JudgeError> {
        self.inner.key(request)
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
