//! A file of lines that only grows, and whose beginning a checkpoint can count on.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::commit::exists;
use crate::error::failed;
use crate::layer::{self, Files, Out, patient};
use crate::manifest::{PIECE, plain_file};

/// How far a log had come: put it into a checkpoint's `meta`, and the log can be cut back to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Length.
    pub bytes: u64,
    /// Whole lines.
    pub lines: u64,
    /// BLAKE3 of these bytes, in hex.
    pub blake3: String,
}

impl Position {
    /// That of a log with nothing in it.
    pub fn start() -> Self {
        Prefix::default().position()
    }
}

/// A log that is written to. Every line is handed to the system at once; it is durable after [`Log::sync`].
pub struct Log {
    files: Arc<dyn Files>,
    path: PathBuf,
    out: Box<dyn Out>,
    prefix: Prefix,
    /// The file may be longer than `prefix`: a line was written in part.
    torn: bool,
    /// A sync failed, so what is in the file may never reach the device.
    unsure: bool,
}

#[derive(Clone, Default)]
struct Prefix {
    bytes: u64,
    lines: u64,
    hasher: blake3::Hasher,
}

impl Prefix {
    fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.lines += bytes.iter().filter(|b| **b == b'\n').count() as u64;
    }

    fn position(&self) -> Position {
        let blake3 = self.hasher.finalize().to_hex().to_string();
        Position { bytes: self.bytes, lines: self.lines, blake3 }
    }
}

impl Log {
    /// Opens a log to go on at its end, or makes it. A last line that was cut short is removed.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Kind`].
    pub fn open(files: Arc<dyn Files>, path: &Path) -> Result<Self, StoreError> {
        if !exists(&*files, path)? {
            return Self::at(files, path, Prefix::default(), false);
        }
        let bytes = plain_file(&*files, path)?.bytes;
        let (mut prefix, whole) = (Prefix::default(), whole_lines(&*files, path)?);
        read_prefix(&*files, path, whole, |piece| {
            prefix.add(piece);
            Ok(())
        })?;
        Self::at(files, path, prefix, whole < bytes)
    }

    /// Opens a log to go on where it was at `position`: its beginning is compared, what follows is cut off.
    ///
    /// # Errors
    /// [`StoreError::LogShort`], [`StoreError::LogChanged`], [`StoreError::Missing`], [`StoreError::Io`]; the
    /// log is untouched then.
    pub fn resume(files: Arc<dyn Files>, path: &Path, position: &Position) -> Result<Self, StoreError> {
        let found = plain_file(&*files, path)?.bytes;
        let expected = position.bytes;
        if found < expected {
            return Err(StoreError::LogShort { path: path.into(), expected, found });
        }
        let mut prefix = Prefix::default();
        read_prefix(&*files, path, expected, |piece| {
            prefix.add(piece);
            Ok(())
        })?;
        if prefix.position() != *position {
            return Err(StoreError::LogChanged { path: path.into(), bytes: expected });
        }
        Self::at(files, path, prefix, found > expected)
    }

    fn at(files: Arc<dyn Files>, path: &Path, prefix: Prefix, torn: bool) -> Result<Self, StoreError> {
        let out = patient(|| files.append(path)).map_err(failed("open", path))?;
        sync_parent(&*files, path)?;
        let mut log = Self { files, path: path.into(), out, prefix, torn, unsure: false };
        log.mend()?;
        Ok(log)
    }

    /// Appends a line, without its line break.
    ///
    /// # Errors
    /// [`StoreError::LineBreak`] when it holds one; [`StoreError::Io`]: then it is not in the log, or will be
    /// removed again before the next one.
    pub fn append(&mut self, line: &str) -> Result<(), StoreError> {
        if let Some(at) = line.find('\n') {
            return Err(StoreError::LineBreak { path: self.path.clone(), at });
        }
        self.mend()?;
        let bytes = [line.as_bytes(), b"\n"].concat();
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            match patient(|| self.out.write(rest)) {
                Ok(n) => rest = &rest[n..],
                Err(e) => {
                    self.torn = true;
                    // If that fails too, the next line tries again.
                    let _ = self.mend();
                    return Err(failed("append to", &self.path)(e));
                }
            }
        }
        self.prefix.add(&bytes);
        Ok(())
    }

    /// Appends a value as a line of JSON.
    ///
    /// # Errors
    /// [`StoreError::Json`] for a value that has none; as [`Log::append`].
    pub fn append_json(&mut self, value: &impl Serialize) -> Result<(), StoreError> {
        let line = serde_json::to_string(value).map_err(|source| StoreError::Json {
            path: self.path.clone(),
            line: self.prefix.lines + 1,
            source,
        })?;
        self.append(&line)
    }

    /// Returns once every line is on the device; gives the position to put into a checkpoint.
    ///
    /// After an error the next sync writes the log anew from what the system still has of it, because syncing
    /// the same file again may report success for bytes that were dropped.
    ///
    /// # Errors
    /// [`StoreError::Io`]; [`StoreError::LogChanged`] when the lines are lost already.
    pub fn sync(&mut self) -> Result<Position, StoreError> {
        self.mend()?;
        if self.unsure {
            self.rewrite()?;
        } else if let Err(e) = patient(|| self.out.sync()) {
            self.unsure = true;
            return Err(failed("sync", &self.path)(e));
        }
        Ok(self.prefix.position())
    }

    /// How many whole lines it has.
    pub fn lines(&self) -> u64 {
        self.prefix.lines
    }

    fn mend(&mut self) -> Result<(), StoreError> {
        if self.torn {
            let bytes = self.prefix.bytes;
            patient(|| self.files.truncate(&self.path, bytes)).map_err(failed("cut", &self.path))?;
            self.torn = false;
        }
        Ok(())
    }

    fn rewrite(&mut self) -> Result<(), StoreError> {
        let beside = beside(&self.path);
        if exists(&*self.files, &beside)? {
            patient(|| self.files.remove_file(&beside)).map_err(failed("remove", &beside))?;
        }
        let mut out = patient(|| self.files.create(&beside)).map_err(failed("make", &beside))?;
        let mut prefix = Prefix::default();
        read_prefix(&*self.files, &self.path, self.prefix.bytes, |piece| {
            prefix.add(piece);
            let mut rest = piece;
            while !rest.is_empty() {
                let n = patient(|| out.write(rest)).map_err(failed("write", &beside))?;
                rest = &rest[n..];
            }
            Ok(())
        })?;
        if prefix.position() != self.prefix.position() {
            return Err(StoreError::LogChanged { path: self.path.clone(), bytes: self.prefix.bytes });
        }
        patient(|| out.sync()).map_err(failed("sync", &beside))?;
        patient(|| self.files.rename(&beside, &self.path)).map_err(failed("rename to", &self.path))?;
        self.out = patient(|| self.files.append(&self.path)).map_err(failed("open", &self.path))?;
        sync_parent(&*self.files, &self.path)?;
        self.unsure = false;
        Ok(())
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("path", &self.path)
            .field("bytes", &self.prefix.bytes)
            .finish_non_exhaustive()
    }
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.new"))
}

fn sync_parent(files: &dyn Files, path: &Path) -> Result<(), StoreError> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    patient(|| files.sync_dir(parent)).map_err(failed("sync", parent))
}

/// Length of a file up to and with its last line break.
fn whole_lines(files: &dyn Files, path: &Path) -> Result<u64, StoreError> {
    let (mut seen, mut whole) = (0, 0);
    read_prefix(files, path, u64::MAX, |piece| {
        if let Some(at) = piece.iter().rposition(|b| *b == b'\n') {
            whole = seen + at as u64 + 1;
        }
        seen += piece.len() as u64;
        Ok(())
    })?;
    Ok(whole)
}

/// Gives the first `bytes` bytes of a file, or fewer if it is shorter, in pieces.
fn read_prefix(
    files: &dyn Files,
    path: &Path,
    bytes: u64,
    mut take: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut input = layer::open(files, path).map_err(failed("open", path))?.take(bytes);
    let mut piece = vec![0; PIECE];
    loop {
        match input.read(&mut piece).map_err(failed("read", path))? {
            0 => return Ok(()),
            n => take(&piece[..n])?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Failure, Fault, Faulty, Plan};
    use eyas_core::Seed;
    use proptest::prelude::*;

    fn path() -> PathBuf {
        PathBuf::from("log.jsonl")
    }

    fn open(files: &Faulty) -> Log {
        Log::open(Arc::new(files.clone()), &path()).unwrap()
    }

    fn text(files: &Faulty) -> String {
        String::from_utf8(files.bytes(&path()).unwrap()).unwrap()
    }

    #[test]
    fn it_is_cut_back_to_the_position() {
        let files = Faulty::new();
        let mut log = open(&files);
        log.append("one").unwrap();
        log.append_json(&serde_json::json!({"step": 2})).unwrap();
        let position = log.sync().unwrap();
        let hash = blake3::hash(b"one\n{\"step\":2}\n").to_hex().to_string();
        assert_eq!(position, Position { bytes: 15, lines: 2, blake3: hash });
        log.append("three").unwrap();
        drop(log);
        let mut log = Log::resume(Arc::new(files.clone()), &path(), &position).unwrap();
        assert_eq!(text(&files), "one\n{\"step\":2}\n");
        log.append("other").unwrap();
        assert_eq!(text(&files), "one\n{\"step\":2}\nother\n");
        assert_eq!(log.lines(), 3);
    }

    #[test]
    fn a_beginning_that_changed_is_refused_and_left_alone() {
        let files = Faulty::new();
        let mut log = open(&files);
        log.append("one").unwrap();
        let position = log.sync().unwrap();
        drop(log);
        let resume = |text: &[u8]| {
            files.set_bytes(&path(), text.to_vec()).unwrap();
            let error = Log::resume(Arc::new(files.clone()), &path(), &position).unwrap_err();
            assert_eq!(files.bytes(&path()).unwrap(), text);
            error
        };
        assert!(matches!(resume(b"on"), StoreError::LogShort { expected: 4, found: 2, .. }));
        assert!(matches!(resume(b"two\n"), StoreError::LogChanged { bytes: 4, .. }));
        assert!(matches!(resume(b"onex\nmore\n"), StoreError::LogChanged { bytes: 4, .. }));
        files.remove_file(&path()).unwrap();
        let missing = Log::resume(Arc::new(files.clone()), &path(), &position);
        assert!(matches!(missing, Err(StoreError::Missing { .. })));
    }

    #[test]
    fn a_torn_last_line_is_removed() {
        for (before, after) in [("a\nb\nhalf", "a\nb\n"), ("half", ""), ("a\n", "a\n"), ("", "")] {
            let files = Faulty::new();
            files.set_bytes(&path(), before.into()).unwrap();
            open(&files).append("x").unwrap();
            assert_eq!(text(&files), format!("{after}x\n"));
        }
        // Longer than one piece, so that the break is not in the last one.
        let files = Faulty::new();
        let long = ["a\n".to_string(), "x".repeat(3 * PIECE)].concat();
        files.set_bytes(&path(), long.into()).unwrap();
        open(&files);
        assert_eq!(text(&files), "a\n");
    }

    #[test]
    fn a_line_holds_no_line_break() {
        let files = Faulty::new();
        let mut log = open(&files);
        assert!(matches!(log.append("a\nb"), Err(StoreError::LineBreak { at: 1, .. })));
        assert_eq!(text(&files), "");
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_room_lets_it_go_on() {
        let files = Faulty::new();
        let mut log = open(&files);
        log.append("one").unwrap();
        files.set_capacity(Some(8));
        let error = log.append("too long").unwrap_err();
        assert!(error.to_string().contains("free some space"), "{error}");
        assert_eq!(text(&files), "one\n", "the half line is gone");
        files.set_capacity(None);
        log.append("two").unwrap();
        assert_eq!(text(&files), "one\ntwo\n");
    }

    #[test]
    fn after_a_failed_sync_the_log_is_written_anew() {
        let files = Faulty::new();
        let mut log = open(&files);
        log.append("one").unwrap();
        files.plan(Plan { fault: Fault::Fails(Failure::Io), at: 0, times: 1 });
        assert!(log.sync().is_err());
        log.append("two").unwrap();
        let position = log.sync().unwrap();
        log.append("three").unwrap();
        for seed in 0..100 {
            // Without writing it anew, the kernel that dropped the lines would report success here.
            let found = files.restart(Seed::new(seed));
            let log = Log::resume(Arc::new(found.clone()), &path(), &position).unwrap();
            assert_eq!((text(&found).as_str(), log.lines()), ("one\ntwo\n", 2));
        }
    }

    #[test]
    fn killed_anywhere_the_log_has_every_synced_line() {
        let scenario = |files: &Faulty| -> Result<Option<Position>, StoreError> {
            let mut log = Log::open(Arc::new(files.clone()), &path())?;
            let mut synced = None;
            for i in 0..6 {
                if log.append(&format!("line {i}")).is_ok() && i % 2 == 1 {
                    synced = log.sync().ok().or(synced);
                }
            }
            Ok(synced)
        };
        let clean = Faulty::new();
        scenario(&clean).unwrap();
        let mut cases = 0;
        for at in 0..clean.operations() {
            for seed in 0..40 {
                let files = Faulty::new();
                files.plan(Plan { fault: Fault::Kill, at, times: 1 });
                let synced = scenario(&files).ok().flatten();
                let found = files.restart(Seed::new(seed));
                if let Some(position) = synced {
                    let log = Log::resume(Arc::new(found.clone()), &path(), &position).unwrap();
                    assert_eq!(log.lines(), position.lines);
                }
                drop(Log::open(Arc::new(found), &path()).unwrap());
                cases += 1;
            }
        }
        assert!(cases >= 400, "{cases}");
    }

    proptest! {
        #[test]
        fn any_single_failure_leaves_a_prefix_of_the_lines(
            at in 0u64..30, times in 1u64..4, which in 0usize..6, seed: u64,
        ) {
            let files = Faulty::new();
            let mut log = open(&files);
            let fault = Failure::ALL.get(which).map_or(Fault::Short, |f| Fault::Fails(*f));
            files.plan(Plan { fault, at, times });
            let mut written = Vec::new();
            let mut synced = None;
            for i in 0..8 {
                let line = format!("line {i} {}", "x".repeat(i));
                if log.append(&line).is_ok() {
                    written.push(line);
                }
                if let Ok(position) = log.sync() {
                    synced = Some(position);
                }
            }
            files.plan(Plan { fault: Fault::Short, at: 0, times: 0 });
            log.append("end").unwrap();
            written.push("end".into());
            prop_assert_eq!(text(&files), written.join("\n") + "\n");
            if let Some(position) = synced {
                let found = Arc::new(files.restart(Seed::new(seed)));
                Log::resume(found, &path(), &position).unwrap();
            }
        }
    }
}
