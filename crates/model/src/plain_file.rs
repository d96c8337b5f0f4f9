//! Files that nobody vouches for: opened without waiting, read up to a bound.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

/// Opens a plain file. Links are followed, because the caches of hubs are made of them; a folder, a pipe (which
/// would be waited for) or a device (which may never end) is an error.
pub(crate) fn open_plain(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    match kind.is_file() {
        true => File::open(path),
        false => Err(io::Error::new(ErrorKind::InvalidInput, format!("{}, not a file", name(kind)))),
    }
}

fn name(kind: fs::FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
    }
    if kind.is_dir() { "a folder" } else { "a device" }
}

/// The text of a plain file; `None` when it is longer than `most` bytes.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too long from one that just fits.
    open_plain(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Ok(None);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(ErrorKind::InvalidData, format!("not UTF-8 at byte {at}"))
    })?;
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_exact_and_bytes_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        fs::write(&path, "1234").unwrap();
        assert_eq!(read_text(&path, 4).unwrap().as_deref(), Some("1234"));
        assert_eq!(read_text(&path, 3).unwrap(), None);
        fs::write(&path, b"ab\xFFc").unwrap();
        assert_eq!(read_text(&path, 4).unwrap_err().to_string(), "not UTF-8 at byte 2");
        assert_eq!(read_text(dir.path(), 4).unwrap_err().to_string(), "a folder, not a file");
        assert_eq!(read_text(&dir.path().join("b"), 4).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
