//! Reading files of lines that nobody vouches for.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::StoreError;
use crate::error::failed;
use crate::layer::{self, Files};
use crate::manifest::plain_file;

/// The lines of a file, each without its line break, none longer than a limit: a file of one endless line
/// takes no more memory than the limit. Ends after the first error, unless [`Lines::going_on`] was asked for.
///
/// A last line without a line break is given too; [`Lines::torn`] tells it apart.
pub struct Lines {
    input: BufReader<Box<dyn Read + Send>>,
    path: PathBuf,
    limit: usize,
    line: u64,
    torn: bool,
    done: bool,
    going_on: bool,
}

impl Lines {
    /// Opens a file. `limit`: bytes of a line without its line break.
    ///
    /// # Errors
    /// [`StoreError::Missing`], [`StoreError::Kind`], [`StoreError::Io`].
    pub fn open(files: &dyn Files, path: &Path, limit: usize) -> Result<Self, StoreError> {
        plain_file(files, path)?;
        Ok(Self::of(layer::open(files, path).map_err(failed("open", path))?, path, limit))
    }

    /// The lines of any input; `path` is for messages.
    pub fn of(input: Box<dyn Read + Send>, path: &Path, limit: usize) -> Self {
        let input = BufReader::new(input);
        Self { input, path: path.into(), limit, line: 0, torn: false, done: false, going_on: false }
    }

    /// After a line that is too long or not UTF-8, goes on with the next one. For files of lines that have
    /// nothing to do with each other.
    pub fn going_on(self) -> Self {
        Self { going_on: true, ..self }
    }

    /// The number of the line given last, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Whether the line given last had no line break: in a log, it was cut short.
    pub fn torn(&self) -> bool {
        self.torn
    }

    /// The next line as JSON.
    ///
    /// # Errors
    /// As the iterator, and [`StoreError::Json`]; after that one the next line can be read.
    pub fn next_json<T: DeserializeOwned>(&mut self) -> Option<Result<T, StoreError>> {
        let text = match self.next()? {
            Ok(text) => text,
            Err(e) => return Some(Err(e)),
        };
        let (path, line) = (self.path.clone(), self.line);
        Some(serde_json::from_str(&text).map_err(|source| StoreError::Json { path, line, source }))
    }

    fn read(&mut self) -> Result<Option<String>, StoreError> {
        let mut bytes = Vec::new();
        let most = (self.limit as u64).saturating_add(1);
        self.input.by_ref().take(most).read_until(b'\n', &mut bytes).map_err(failed("read", &self.path))?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.line += 1;
        self.torn = bytes.pop_if(|b| *b == b'\n').is_none();
        let (path, line) = (self.path.clone(), self.line);
        if bytes.len() > self.limit {
            if self.going_on {
                self.input.skip_until(b'\n').map_err(failed("read", &self.path))?;
            }
            return Err(StoreError::LineTooLong { path, line, limit: self.limit });
        }
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|e| StoreError::NotUtf8 { path, line, at: e.utf8_error().valid_up_to() })
    }
}

impl Iterator for Lines {
    type Item = Result<String, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.read();
        self.done = match &read {
            Ok(line) => line.is_none(),
            Err(StoreError::LineTooLong { .. } | StoreError::NotUtf8 { .. }) => !self.going_on,
            Err(_) => true,
        };
        read.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Disk;
    use crate::fault::Faulty;
    use serde_json::Value;
    use std::fs::File;

    fn lines(text: &[u8], limit: usize) -> Lines {
        let files = Faulty::new();
        files.set_bytes(Path::new("data.jsonl"), text.to_vec()).unwrap();
        Lines::open(&files, Path::new("data.jsonl"), limit).unwrap()
    }

    #[test]
    fn lines_and_the_last_one() {
        let mut read = lines(b"one\n\nthree", 10);
        assert_eq!(read.next().unwrap().unwrap(), "one");
        assert_eq!(read.next().unwrap().unwrap(), "");
        assert!(!read.torn());
        assert_eq!(read.next().unwrap().unwrap(), "three");
        assert!(read.torn());
        assert!(read.next().is_none());
        assert!(lines(b"", 10).next().is_none());
    }

    #[test]
    fn the_limit_is_exact() {
        assert_eq!(lines(b"1234\n", 4).next().unwrap().unwrap(), "1234");
        assert_eq!(lines(b"1234", 4).next().unwrap().unwrap(), "1234");
        let mut read = lines(b"a\n12345\nb\n", 4);
        assert_eq!(read.next().unwrap().unwrap(), "a");
        assert!(matches!(read.next(), Some(Err(StoreError::LineTooLong { line: 2, limit: 4, .. }))));
        assert!(read.next().is_none(), "where the next line begins is not looked for");
    }

    #[test]
    fn lines_that_have_nothing_to_do_with_each_other_are_read_past_a_bad_one() {
        let mut read = lines(b"12345678\n1\n\xFF\n2\n123456", 4).going_on();
        assert!(matches!(read.next(), Some(Err(StoreError::LineTooLong { line: 1, .. }))));
        assert_eq!((read.next().unwrap().unwrap().as_str(), read.line()), ("1", 2));
        assert!(matches!(read.next(), Some(Err(StoreError::NotUtf8 { line: 3, at: 0, .. }))));
        assert_eq!(read.next().unwrap().unwrap(), "2");
        assert!(matches!(read.next(), Some(Err(StoreError::LineTooLong { line: 5, .. }))));
        assert!(read.next().is_none());
    }

    #[test]
    fn a_line_of_a_gigabyte_costs_the_limit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("huge.jsonl");
        // A hole: takes no space, reads as zeros.
        File::create(&path).unwrap().set_len(1 << 30).unwrap();
        let mut read = Lines::open(&Disk, &path, 1 << 20).unwrap();
        assert!(matches!(read.next(), Some(Err(StoreError::LineTooLong { line: 1, .. }))));
    }

    #[test]
    fn what_is_no_text_or_no_json_is_named() {
        let mut read = lines(b"ok\nab\xff\n", 10);
        read.next().unwrap().unwrap();
        let error = read.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "data.jsonl, line 2: not UTF-8 at byte 2 of the line");
        let mut read = lines(b"{\n{\"a\":1}\n", 10);
        let error = read.next_json::<Value>().unwrap().unwrap_err();
        assert!(error.to_string().starts_with("data.jsonl, line 1: EOF"), "{error}");
        assert_eq!(read.next_json::<Value>().unwrap().unwrap()["a"], 1);
        assert!(read.next_json::<Value>().is_none());
    }
}
