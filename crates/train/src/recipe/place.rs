//! Where a key of a recipe was written.

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
