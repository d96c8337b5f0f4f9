//! Where a key of a recipe was written.

use std::collections::BTreeMap;
use std::fmt;

/// Where a key was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file, at this line and column, both counted from 1.
    Line {
        /// The file.
        file: String,
        /// The line.
        line: usize,
        /// The column, in characters.
        column: usize,
    },
    /// Somewhere in a file: what is spoken of is missing from it.
    File {
        /// The file.
        file: String,
    },
    /// In an override from the command line.
    Set {
        /// The override.
        text: String,
    },
}

impl Place {
    /// The place of byte `offset` of `text`.
    pub(super) fn of(file: &str, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Self::Line { file: file.into(), line, column }
    }

    /// The places of many keys, each with the byte where it stands in `text`, in one pass over the text.
    pub(super) fn all(file: &str, text: &str, mut keys: Vec<(usize, String)>) -> BTreeMap<String, Self> {
        keys.sort();
        let mut chars = text.char_indices().peekable();
        let (mut line, mut column) = (1, 1);
        let mut places = BTreeMap::new();
        for (offset, key) in keys {
            while let Some((_, c)) = chars.next_if(|(at, _)| *at < offset) {
                (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
            }
            places.insert(key, Self::Line { file: file.into(), line, column });
        }
        places
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::File { file } => write!(f, "{file}"),
            Self::Set { text } => write!(f, "--set {text}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_found_together_are_those_found_alone() {
        let text = "a = 1\n\nb = \"é漢\"; c = [2,\r\n 3]\n";
        let offsets: Vec<usize> = (0..=text.len()).rev().filter(|at| text.is_char_boundary(*at)).collect();
        let all = Place::all("r", text, offsets.iter().map(|at| (*at, at.to_string())).collect());
        assert_eq!(all.len(), offsets.len());
        for at in offsets {
            assert_eq!(all[&at.to_string()], Place::of("r", text, at), "{at}");
        }
    }
}
