//! Which option of a multiple-choice question a text takes: by its letter, or by being its text.

use super::letters::chosen_letter;
use crate::text::normal::{Normal, light};

/// The index of the option that `text` chooses: by its letter, else by being the option's text, case,
/// blanks and punctuation aside. A label with another option's text after it ("B. red" where A is red) is
/// no choice.
pub fn chosen_option(text: &str, options: &[&str]) -> Option<usize> {
    let letter = chosen_letter(text, options.len().min(26)).map(|c| c as usize - 'A' as usize);
    let said = after_label(text);
    let by_text = match_option(text, options)
        .or_else(|| said.and_then(|t| match_option(t, options)))
        .or_else(|| after_cue(text).and_then(|t| match_option(t, options)));
    match (letter, by_text) {
        (Some(letter), Some(other)) if said.is_some() && letter != other => None,
        (Some(letter), _) => Some(letter),
        (None, by_text) => by_text,
    }
}

/// The only option that equals `text`.
fn match_option(text: &str, options: &[&str]) -> Option<usize> {
    let (plain, letters) = (light(text), Normal::Letters.apply(text));
    if plain.is_empty() {
        return None;
    }
    let mut found = None;
    for (index, option) in options.iter().enumerate() {
        let option = option_text(option);
        let equal = light(option) == plain
            || (!letters.is_empty()
                && Normal::Letters.apply(option) == letters
                && !option.contains(['-', '.']));
        if equal && found.replace(index).is_some() {
            return None;
        }
    }
    found
}

/// An option without its label: "B. red" is red.
pub fn option_text(option: &str) -> &str {
    after_label(option).unwrap_or(option)
}

/// What follows a label ("B.", "(B)", "B:") at the beginning; `None` when there is no label.
fn after_label(text: &str) -> Option<&str> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '*'));
    let rest = text.strip_prefix(|c: char| c.is_ascii_uppercase())?;
    let rest = rest.strip_prefix([')', ']', '.', ':', '*'])?;
    let rest =
        rest.trim_start_matches(|c: char| matches!(c, ')' | ']' | '.' | ':' | '*') || c.is_whitespace());
    (!rest.is_empty()).then_some(rest)
}

/// What follows the last "answer is" or "answer:".
fn after_cue(text: &str) -> Option<&str> {
    // ASCII case keeps byte positions.
    let lower = text.to_ascii_lowercase();
    let cues = ["answer is", "answer:"];
    let end = cues.iter().filter_map(|cue| lower.rfind(cue).map(|at| at + cue.len())).max()?;
    text.get(end..).map(|t| t.trim_start_matches([':', ' ', '*']))
}
