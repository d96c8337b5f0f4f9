//! Reading text files that nobody vouches for.

use std::fs::{self, File};
use std::io::{self, Error, ErrorKind, Read};
use std::path::Path;

/// The text of a file of at most `most` bytes. Links are followed; a folder, a pipe (which would be waited for) or
/// a device (which may never end) is refused.
///
/// # Errors
/// The system's; [`ErrorKind::InvalidInput`] for what is no plain file, [`ErrorKind::FileTooLarge`], and
/// [`ErrorKind::InvalidData`] naming the line and the byte that is no UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !found.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is a pipe or a device, not a file"));
    }
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too long from one that just fits.
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileTooLarge, format!("it is longer than {most} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let at = good.iter().rev().take_while(|byte| **byte != b'\n').count();
        Error::new(ErrorKind::InvalidData, format!("line {line} is not UTF-8 at byte {at}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_exact_and_the_place_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.toml");
        fs::write(&path, "1234").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "1234");
        assert_eq!(read_text(&path, 3).unwrap_err().to_string(), "it is longer than 3 bytes");
        fs::write(&path, b"a = 1\nbc\xFF = 2").unwrap();
        assert_eq!(read_text(&path, 99).unwrap_err().to_string(), "line 2 is not UTF-8 at byte 2");
        assert_eq!(read_text(dir.path(), 99).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert_eq!(read_text(&dir.path().join("b"), 99).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    #[cfg(unix)]
    fn pipes_are_not_waited_for_and_links_are_followed() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(read_text(&pipe, 99).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(read_text(Path::new("/dev/zero"), 99).unwrap_err().kind(), ErrorKind::InvalidInput);
        fs::write(dir.path().join("a"), "text").unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("link")).unwrap();
        assert_eq!(read_text(&dir.path().join("link"), 99).unwrap(), "text");
    }
}
