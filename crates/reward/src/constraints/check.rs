//! Does a text keep a constraint? Each check takes time linear in the text.

use super::language::written_in;
use super::parse::{Constraint, Relation};
use crate::text::normal::light;
use crate::text::words::words;

/// True when `text` keeps `constraint`; a blank text keeps none. With `whole_words` a keyword inside a
/// longer word does not count. `None` for a language that cannot be told by its script.
pub fn keeps(text: &str, constraint: &Constraint, whole_words: bool) -> Option<bool> {
    let text = text.trim();
    if let Constraint::Language(code) = constraint {
        return written_in(text, code).map(|right| right && !text.is_empty());
    }
    let holds = |relation: &Relation, count: usize, bound: &usize| relation.holds(count, *bound);
    let kept = match constraint {
        Constraint::Language(_) => false,
        Constraint::Keywords(all) => {
            let lower = text.to_lowercase();
            all.iter().all(|word| occurrences(&lower, word, whole_words) > 0)
        }
        Constraint::KeywordFrequency(word, relation, bound) => {
            holds(relation, occurrences(&text.to_lowercase(), word, whole_words), bound)
        }
        Constraint::Forbidden(all) => {
            let lower = text.to_lowercase();
            all.iter().all(|word| occurrences(&lower, word, true) == 0)
        }
        Constraint::LetterFrequency(letter, relation, bound) => {
            let letter: Vec<char> = letter.to_lowercase().collect();
            let same = |c: &char| c.to_lowercase().eq(letter.iter().copied());
            holds(relation, text.chars().filter(same).count(), bound)
        }
        Constraint::Sentences(relation, bound) => holds(relation, sentences(text), bound),
        Constraint::Words(relation, bound) => holds(relation, words(text).len(), bound),
        Constraint::Paragraphs(wanted) => paragraphs(text) == Some(*wanted),
        Constraint::FirstWord(all, nth, word) => first_word(text, *all, *nth, word),
        Constraint::Placeholders(bound) => placeholders(text) >= *bound,
        Constraint::Postscript(mark) => postscript(text, mark),
        Constraint::Bullets(wanted) => text.lines().filter(|line| is_bullet(line)).count() == *wanted,
        Constraint::ConstrainedResponse => {
            let options = ["My answer is yes.", "My answer is no.", "My answer is maybe."];
            options.iter().filter(|option| text.contains(**option)).count() == 1
        }
        Constraint::Highlights(bound) => text.lines().map(highlights).sum::<usize>() >= *bound,
        Constraint::Sections(word, bound) => sections(text, word) >= *bound,
        Constraint::Json => {
            let value = serde_json::from_str::<serde_json::Value>(crate::answer::list::unfence(text));
            value.is_ok_and(|v| v.is_object() || v.is_array())
        }
        Constraint::Title => text.lines().any(has_title),
        Constraint::TwoResponses => two_responses(text),
        Constraint::RepeatPrompt(prompt) => {
            let (text, prompt) = (text.to_lowercase(), prompt.to_lowercase());
            text.strip_prefix(prompt.as_str()).is_some_and(|rest| !rest.trim().is_empty())
        }
        Constraint::EndPhrase(phrase) => {
            text.trim_matches('"').trim_end().to_lowercase().ends_with(&phrase.to_lowercase())
        }
        Constraint::Quotation => {
            text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).is_some_and(|t| !t.trim().is_empty())
        }
        Constraint::CapitalWords(relation, bound) => {
            let capital = |w: &&str| in_case(w, char::is_uppercase, char::is_lowercase);
            holds(relation, text.split_whitespace().filter(capital).count(), bound)
        }
        Constraint::Capitals => mostly_latin(text) && in_case(text, char::is_uppercase, char::is_lowercase),
        Constraint::Lowercase => mostly_latin(text) && in_case(text, char::is_lowercase, char::is_uppercase),
        Constraint::NoComma => !text.contains([',', '，', '،', '、']),
    };
    Some(kept && !text.is_empty())
}

/// How often `word` occurs in `lower`, which is in lower case; occurrences do not overlap.
fn occurrences(lower: &str, word: &str, whole: bool) -> usize {
    let word = word.to_lowercase();
    if word.is_empty() {
        return 0;
    }
    // Where letters touch, a word of a script with blanks goes on.
    let joins = |inside: Option<char>, outside: Option<char>| {
        let letter = |c: char| (c.is_alphanumeric() || c == '_') && !('\u{3040}'..='\u{9fff}').contains(&c);
        inside.is_some_and(letter) && outside.is_some_and(letter)
    };
    let (first, last) = (word.chars().next(), word.chars().next_back());
    let stands = |(at, found): &(usize, &str)| {
        let before = lower.get(..*at).and_then(|t| t.chars().next_back());
        let after = lower.get(at + found.len()..).and_then(|t| t.chars().next());
        !whole || !(joins(first, before) || joins(last, after))
    };
    lower.match_indices(word.as_str()).filter(stands).count()
}

/// Sentences: what ends with `.`, `!`, `?` or their full-width forms before white space or the end, or at
/// a blank line. Points of abbreviations, initials and list numbers end none.
pub fn sentences(text: &str) -> usize {
    let mut count = 0;
    for paragraph in text.split("\n\n") {
        let mut open = false;
        for token in paragraph.split_whitespace() {
            let bare = token.trim_end_matches(['"', '\'', ')', ']', '*', '”', '’', '_']);
            let wide = bare.matches(['。', '！', '？']).count();
            let end = bare.ends_with(['!', '?', '…', '。', '！', '？'])
                || (bare.ends_with('.') && !abbreviated(bare, open));
            let says = bare.chars().any(char::is_alphanumeric);
            count += if wide > 0 { wide } else { usize::from(end && (open || says)) };
            open = !end && (open || says);
        }
        count += usize::from(open);
    }
    count
}

/// True for a token whose last point ends no sentence; a number only where no sentence is `open`, as the
/// mark of a list item.
fn abbreviated(token: &str, open: bool) -> bool {
    const SHORT: [&str; 19] = [
        "mr", "mrs", "ms", "dr", "prof", "st", "vs", "e.g", "i.e", "etc", "fig", "eq", "jr", "sr", "inc",
        "ltd", "co", "u.s", "a.m",
    ];
    let word = token.trim_start_matches(['(', '"', '\'', '*']).trim_end_matches('.').to_lowercase();
    let number = !open && word.bytes().all(|b| b.is_ascii_digit()) && (1..3).contains(&word.len());
    let initial = word.chars().count() == 1 && word != "i" && token.starts_with(char::is_uppercase);
    SHORT.contains(&word.as_str()) || (number && token.len() == word.len() + 1) || initial
}

/// Paragraphs divided by `***`; `None` when one between two dividers is blank.
fn paragraphs(text: &str) -> Option<usize> {
    let parts: Vec<&str> = text.split("***").collect();
    let inner = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
    if inner.iter().any(|part| part.trim().is_empty()) {
        return None;
    }
    Some(parts.iter().filter(|part| !part.trim().is_empty()).count())
}

/// True when there are `all` paragraphs between blank lines and the `nth` begins with `word`. Blank
/// paragraphs are not counted.
fn first_word(text: &str, all: usize, nth: usize, word: &str) -> bool {
    let parts: Vec<&str> = text.split("\n\n").filter(|part| !part.trim().is_empty()).collect();
    let first = nth.checked_sub(1).and_then(|i| parts.get(i)).and_then(|part| part.split_whitespace().next());
    let Some(first) = first.filter(|_| parts.len() == all) else { return false };
    let first = first.trim_start_matches(['"', '\'', '“', '*', '_']);
    let end = first.find(['.', ',', '?', '!', '\'', '"', ':', ';', '”', '*', '_']).unwrap_or(first.len());
    first.get(..end).unwrap_or("").to_lowercase() == word.to_lowercase()
}

/// `[…]` on one line with something in it.
fn placeholders(text: &str) -> usize {
    let mut count = 0;
    for line in text.lines() {
        let mut open: Option<usize> = None;
        for (at, byte) in line.bytes().enumerate() {
            match byte {
                b'[' => open = Some(at + 1),
                b']' => {
                    let content = open.take().and_then(|from| line.get(from..at)).unwrap_or("");
                    count += usize::from(!content.trim().is_empty());
                }
                _ => {}
            }
        }
    }
    count
}

/// True when a line begins with the mark and goes on. Blanks inside the mark and a final point do not
/// matter, so that `P. S. Bye` has the mark `P.S.`.
fn postscript(text: &str, mark: &str) -> bool {
    let mark: Vec<char> = mark.to_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let point = mark.strip_suffix(&['.']).unwrap_or(&mark);
    text.lines().any(|line| {
        let line = line.trim_start_matches([' ', '\t', '*', '_']).to_lowercase();
        let mut rest = line.chars();
        for wanted in point {
            if rest.by_ref().find(|c| !c.is_whitespace()) != Some(*wanted) {
                return false;
            }
        }
        let rest = rest.as_str();
        !rest.starts_with(char::is_alphanumeric) && rest.chars().any(char::is_alphanumeric)
    })
}

/// A line with a bullet (`*`, `-`, `+`), a blank and something to say.
fn is_bullet(line: &str) -> bool {
    let rest = line.trim_start().strip_prefix(['*', '-', '+']).unwrap_or("");
    rest.starts_with([' ', '\t']) && rest.chars().any(char::is_alphanumeric)
}

/// Pieces of a line between two equal runs of one to three asterisks, with no blank inside the runs'
/// edges.
fn highlights(line: &str) -> usize {
    let bytes = line.as_bytes();
    let (mut count, mut open, mut at) = (0, None::<(usize, usize)>, 0);
    while at < bytes.len() {
        if bytes.get(at) != Some(&b'*') {
            at += 1;
            continue;
        }
        let run = bytes.get(at..).unwrap_or_default().iter().take_while(|b| **b == b'*').count();
        let closes = open.filter(|(_, length)| *length == run).and_then(|(from, _)| line.get(from..at));
        let content = closes.is_some_and(|c| {
            c.chars().any(char::is_alphanumeric)
                && !c.starts_with(char::is_whitespace)
                && !c.ends_with(char::is_whitespace)
        });
        if content {
            count += 1;
            open = None;
        } else {
            open = (run <= 3).then_some((at + run, run));
        }
        at += run;
    }
    count
}

/// Different numbers after the word at the beginnings of lines.
fn sections(text: &str, word: &str) -> usize {
    let number = |line: &str| {
        let line = line.trim_start_matches([' ', '\t', '#', '*', '_', '<']);
        let rest = line.strip_prefix(word)?.trim_start();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest.get(..digits).filter(|d| !d.is_empty())?.trim_start_matches('0');
        Some(number.to_string())
    };
    text.lines().filter_map(number).collect::<std::collections::BTreeSet<_>>().len()
}

/// `<<…>>` with something in it.
fn has_title(line: &str) -> bool {
    line.split("<<")
        .skip(1)
        .any(|part| part.split_once(">>").is_some_and(|(title, _)| title.chars().any(char::is_alphanumeric)))
}

/// Two different texts divided by six asterisks and nothing more.
fn two_responses(text: &str) -> bool {
    let parts: Vec<&str> = text.split("******").collect();
    let inner = parts.get(1..parts.len().saturating_sub(1)).unwrap_or_default();
    let full: Vec<&&str> = parts.iter().filter(|part| !part.trim().is_empty()).collect();
    let blank_inside = inner.iter().any(|part| part.trim().is_empty());
    match full.as_slice() {
        [first, second] => !blank_inside && light(first) != light(second),
        _ => false,
    }
}

fn in_case(text: &str, wanted: fn(char) -> bool, refused: fn(char) -> bool) -> bool {
    text.chars().any(wanted) && !text.chars().any(refused)
}

/// True when nine of ten letters are ASCII: as near to "in English" as letters alone tell.
fn mostly_latin(text: &str) -> bool {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let ascii = text.chars().filter(char::is_ascii_alphabetic).count();
    ascii * 10 >= letters * 9
}
