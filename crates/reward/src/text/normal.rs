//! What counts as the same text.

use std::borrow::Cow;

/// The longest answer that is read, in bytes. A longer one gets the lowest score: cutting it would
/// make what is written after the cut free.
pub const MAX_TEXT: usize = 32_768;

/// What two texts may differ in and still be equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normal {
    /// White space at both ends.
    Trim,
    /// Also case, the width of white space, and full stops at the end.
    Light,
    /// Also ASCII punctuation and the articles a, an, the (as SQuAD's evaluation).
    Squad,
    /// Only letters and digits count, in any case.
    Letters,
}

impl Normal {
    /// The names of the variants in recipes; the first is the usual one.
    pub const NAMES: &'static [&'static str] = &["light", "squad", "letters", "trim"];

    /// The variant called `name`; `Light` for a name that is none.
    pub fn named(name: &str) -> Self {
        match name {
            "trim" => Self::Trim,
            "squad" => Self::Squad,
            "letters" => Self::Letters,
            _ => Self::Light,
        }
    }

    /// `text` in the form in which it is compared.
    pub fn apply(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Trim => Cow::Borrowed(text.trim()),
            Self::Light => light(text),
            Self::Squad => Cow::Owned(squad(text)),
            Self::Letters => {
                Cow::Owned(text.to_lowercase().chars().filter(|c| c.is_alphanumeric()).collect())
            }
        }
    }
}

/// Lower case, single blanks, no full stop at the end.
pub fn light(text: &str) -> Cow<'_, str> {
    let text = text.trim_start().trim_end_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '。'));
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b.is_ascii_uppercase());
    if plain { Cow::Borrowed(text) } else { Cow::Owned(single_blanks(&text.to_lowercase())) }
}

/// Lower case, without ASCII punctuation, without the words a, an, the, single blanks.
///
/// A text that consists of articles alone keeps them, so that "The" and "A" stay different.
pub fn squad(text: &str) -> String {
    let mut kept = text.to_lowercase();
    kept.retain(|c| !c.is_ascii_punctuation());
    let article = |w: &&str| matches!(*w, "a" | "an" | "the");
    let words = join(kept.split_whitespace().filter(|w| !article(w)), kept.len());
    if words.is_empty() { single_blanks(&kept) } else { words }
}

/// White space of any width as one blank, none at the ends.
pub fn single_blanks(text: &str) -> String {
    join(text.split_whitespace(), text.len())
}

fn join<'a>(words: impl Iterator<Item = &'a str>, room: usize) -> String {
    let mut all = String::with_capacity(room);
    for word in words {
        if !all.is_empty() {
            all.push(' ');
        }
        all.push_str(word);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_form_forgives_what_it_says() {
        assert_eq!(Normal::Trim.apply(" A b.\n"), "A b.");
        assert_eq!(Normal::Light.apply(" A  b..\n"), "a b");
        assert_eq!(Normal::Light.apply("red"), "red");
        assert_eq!(Normal::Squad.apply("The cat's  hat!"), "cats hat");
        assert_eq!(Normal::Squad.apply("The"), "the");
        assert_eq!(Normal::Letters.apply("e-mail: No. 5"), "emailno5");
    }

    proptest! {
        #[test]
        fn twice_is_once(text in any::<String>()) {
            for normal in [Normal::Trim, Normal::Light, Normal::Squad, Normal::Letters] {
                let once = normal.apply(&text).into_owned();
                let twice = normal.apply(&once).into_owned();
                prop_assert_eq!(twice, once);
            }
        }
    }
}
