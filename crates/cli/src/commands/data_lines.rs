//! Files of JSON lines from elsewhere: one row or conversation a line.

use std::fs::File;
use std::path::Path;

use anyhow::anyhow;
use eyas_store::{Lines, StoreError};

/// Longest line, in bytes.
const LINE: usize = 64 << 20;

/// The lines of a file that are not blank, each with its number, from 1, or why it is no text. One that is too long
/// or not UTF-8 does not end them. A mark of the byte order, which some editors put first, is left out.
///
/// # Errors
/// When the file cannot be opened; a line is an error of its own when reading breaks off.
pub(crate) fn data_lines(path: &Path) -> anyhow::Result<DataLines> {
    let input = File::open(path).map_err(|error| anyhow!("cannot read {}: {error}", path.display()))?;
    Ok(DataLines(Lines::of(Box::new(input), path, LINE).going_on()))
}

/// See [`data_lines`].
pub(crate) struct DataLines(Lines);

/// A line, or what is wrong with it.
pub(crate) type DataLine = Result<String, String>;

impl Iterator for DataLines {
    type Item = anyhow::Result<(u64, DataLine)>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = match self.0.next()? {
                Ok(line) => Ok(line),
                Err(StoreError::LineTooLong { limit, .. }) => Err(format!("longer than {limit} bytes")),
                Err(StoreError::NotUtf8 { at, .. }) => Err(format!("not UTF-8 at byte {at}")),
                Err(error) => return Some(Err(error.into())),
            };
            let number = self.0.line();
            let line = match (number, line) {
                (1, Ok(line)) => Ok(line.strip_prefix('\u{FEFF}').map(str::to_string).unwrap_or(line)),
                (_, line) => line,
            };
            if line.as_ref().is_ok_and(|line| line.trim().is_empty()) {
                continue;
            }
            return Some(Ok((number, line)));
        }
    }
}
