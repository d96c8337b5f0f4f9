//! What may be answered to a question: reading, listing and guessing it.

use eyas_core::Rng;
use serde::{Deserialize, Serialize};

use crate::{Game, ParseError};

/// Most answers that are listed where all of them would be too many.
const LISTED: usize = 256;

/// Most things to put in order, questions of a checklist.
pub(crate) const MOST: usize = 6;

/// Longest word of an answer, in characters.
const LONGEST: usize = 64;

/// The answers that follow the grammar of a question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Answers {
    /// An action of the environment.
    Action {
        /// An action that is worth as much as the oracle's is right too.
        open: bool,
    },
    /// Row, column and word of a caption.
    Place {
        /// The caption.
        caption: String,
    },
    /// The numbers from 1 to this one, each once.
    Order(usize),
    /// A word for each of several questions.
    Each {
        /// The words that are known, by question.
        words: Vec<Vec<String>>,
        /// Other words are answers too, though wrong ones.
        any: bool,
    },
}

impl Answers {
    /// One of `words`.
    pub(crate) fn one_of(words: impl IntoIterator<Item = String>) -> Self {
        Self::Each { words: vec![words.into_iter().collect()], any: false }
    }

    /// Why they cannot have been written by a question, if so: files can hold anything.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match self {
            Self::Order(n) if !(2..=MOST).contains(n) => Some("too few or too many things to put in order"),
            Self::Each { words, .. } if !(1..=MOST).contains(&words.len()) => {
                Some("too few or too many questions")
            }
            Self::Each { words, .. } if words.iter().any(Vec::is_empty) => Some("a question without words"),
            _ => None,
        }
    }

    /// Reads an answer; gives its canonical text.
    pub(crate) fn parse(
        &self,
        game: &dyn Game,
        grammar: &'static str,
        answer: &str,
    ) -> Result<String, ParseError> {
        let wrong = || ParseError::grammar(answer, grammar);
        let parts: Vec<&str> = answer.split_whitespace().take(MOST + 1).collect();
        match self {
            Self::Action { .. } => return game.parse(answer),
            Self::Place { caption } => {
                let [row, column, word] = parts[..] else { return Err(wrong()) };
                let (Some(r), Some(c)) = (number(row), number(column)) else { return Err(wrong()) };
                let there = caption.split('\n').nth(r).and_then(|line| line.split(' ').nth(c));
                if there != Some(word) {
                    let detail = format!("row {r}, column {c} of the caption is no such word");
                    return Err(ParseError::range(answer, detail));
                }
            }
            Self::Order(n) => {
                let numbers: Option<Vec<usize>> = parts.iter().map(|part| number(part)).collect();
                let mut numbers = numbers.filter(|all| !all.is_empty()).ok_or_else(wrong)?;
                numbers.sort_unstable();
                if !numbers.iter().copied().eq(1..=*n) {
                    return Err(ParseError::range(answer, format!("each number from 1 to {n} once")));
                }
            }
            Self::Each { words, any } => {
                if parts.len() != words.len() {
                    return Err(wrong());
                }
                let plain =
                    |word: &&str| word.chars().count() <= LONGEST && !word.chars().any(char::is_control);
                let known = |(word, known): (&&str, &Vec<String>)| known.iter().any(|k| k == word);
                let all = if *any { parts.iter().all(plain) } else { parts.iter().zip(words).all(known) };
                if !all {
                    return Err(wrong());
                }
            }
        }
        Ok(parts.join(" "))
    }

    /// All answers in a fixed order; a sample where there are too many.
    pub(crate) fn listed(&self, game: &dyn Game) -> Vec<String> {
        match self {
            Self::Action { .. } => game.legal_actions(),
            Self::Place { caption } => {
                let line = |(r, line): (usize, &str)| -> Vec<String> {
                    line.split(' ').enumerate().map(|(c, word)| format!("{r} {c} {word}")).collect()
                };
                caption.split('\n').enumerate().flat_map(line).collect()
            }
            Self::Order(n) => orders(*n),
            Self::Each { words, .. } => {
                let all = words.iter().fold(1usize, |all, w| all.saturating_mul(w.len()));
                let some = all.min(LISTED);
                // Evenly over all of them, the first question's word changing slowest.
                (0..some).map(|i| nth(words, (i as u128 * all as u128 / some as u128) as usize)).collect()
            }
        }
    }

    /// What a player answers who knows the grammar and the words, and sees nothing.
    pub(crate) fn guess(&self, game: &dyn Game, rng: &mut Rng) -> Option<String> {
        match self {
            Self::Action { .. } => game.guess(rng),
            Self::Place { .. } => rng.choose(&self.listed(game)).cloned(),
            Self::Order(n) => {
                let mut numbers: Vec<usize> = (1..=*n).collect();
                rng.shuffle(&mut numbers);
                Some(joined(&numbers))
            }
            Self::Each { words, .. } => {
                let chosen: Option<Vec<&str>> =
                    words.iter().map(|known| rng.choose(known).map(String::as_str)).collect();
                Some(chosen?.join(" "))
            }
        }
    }
}

/// Reads a number of one or two ASCII digits, without a leading 0.
fn number(text: &str) -> Option<usize> {
    let plain = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let plain = plain && !(text.len() > 1 && text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

/// The `index`-th of all ways to take one word of each list.
fn nth(words: &[Vec<String>], mut index: usize) -> String {
    let mut chosen: Vec<&str> = words
        .iter()
        .rev()
        .filter_map(|known| {
            let word = known.get(index % known.len().max(1))?;
            index /= known.len().max(1);
            Some(word.as_str())
        })
        .collect();
    chosen.reverse();
    chosen.join(" ")
}

/// All orders of the numbers from 1 to `n`, as text, the smallest first.
fn orders(n: usize) -> Vec<String> {
    let mut all = vec![Vec::new()];
    for _ in 0..n {
        let longer = |order: &Vec<usize>| -> Vec<Vec<usize>> {
            let left = (1..=n).filter(|i| !order.contains(i));
            left.map(|i| order.iter().copied().chain([i]).collect()).collect()
        };
        all = all.iter().flat_map(longer).collect();
    }
    all.iter().map(|order| joined(order)).collect()
}

pub(crate) fn joined(numbers: &[usize]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn game() -> Box<dyn Game> {
        let entry = crate::find("2048").unwrap();
        entry.reset(eyas_core::Seed::new(1), &entry.knobs(&Default::default()).unwrap()).unwrap()
    }

    fn words(lists: &[&[&str]], any: bool) -> Answers {
        let words = lists.iter().map(|l| l.iter().map(ToString::to_string).collect()).collect();
        Answers::Each { words, any }
    }

    #[test]
    fn answers_are_listed_in_order() {
        let game = game();
        assert_eq!(Answers::Order(3).listed(&*game), ["1 2 3", "1 3 2", "2 1 3", "2 3 1", "3 1 2", "3 2 1"]);
        let two = words(&[&["A", "B"], &["x", "y", "z"]], false);
        assert_eq!(two.listed(&*game), ["A x", "A y", "A z", "B x", "B y", "B z"]);
        let place = Answers::Place { caption: "a b\nc".into() };
        assert_eq!(place.listed(&*game), ["0 0 a", "0 1 b", "1 0 c"]);
        let digits: &[&str] = &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
        let many = words(&[digits; 6], true).listed(&*game);
        assert_eq!((many.len(), many[0].as_str(), many[255].as_str()), (256, "0 0 0 0 0 0", "9 9 6 0 9 3"));
    }

    #[test]
    fn answers_are_read_strictly() {
        let game = game();
        let read = |answers: &Answers, text: &str| answers.parse(&*game, "grammar", text);
        let order = Answers::Order(3);
        assert_eq!(read(&order, " 2  1\n3 "), Ok("2 1 3".into()));
        for text in ["2 1", "2 1 2", "1 2 4", "1 2 3 4", "0 1 2", "01 2 3", "1,2,3", "１ 2 3", "a b c", ""] {
            assert!(read(&order, text).is_err(), "{text}");
        }
        let place = Answers::Place { caption: "a b\nc 7".into() };
        assert_eq!(read(&place, "1 1 7"), Ok("1 1 7".into()));
        for text in ["1 1 c", "2 0 a", "0 2 b", "a", "0 0", "0 0 a b", "999999999999999999999 0 a"] {
            assert!(read(&place, text).is_err(), "{text}");
        }
        let closed = words(&[&["yes", "no"]], false);
        assert_eq!(read(&closed, " no\t"), Ok("no".into()));
        assert!(read(&closed, "No").is_err() && read(&closed, "yes no").is_err());
        let open = words(&[&["a"], &["b"]], true);
        assert_eq!(read(&open, "x y"), Ok("x y".into()));
        let long = format!("x {}", "9".repeat(65));
        assert!(read(&open, &long).is_err() && read(&open, "x \u{7}").is_err());
    }
}
