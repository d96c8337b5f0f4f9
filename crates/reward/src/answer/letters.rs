//! Which letter of a multiple-choice question a text chooses.
//!
//! Candidates are letters that stand alone: no part of a word, of a hyphenated word, of an abbreviation.
//! "A" before a noun is an article and "I" before a verb a pronoun. A negated letter ("not B", "B is
//! wrong") is none. The rest is ranked by how clearly it is meant:
//!
//! 1. it stands with a word for the decision ("the answer is B", "B is correct", "I choose B"), or is all
//!    of the text or of its last line;
//! 2. the text begins with it as a label ("B. a red car", "(B) a red car");
//! 3. it is marked or set off ("option B", "(B)", "**B**", "…, B").
//!
//! The best rank that occurs decides. Two different letters of that rank, or a letter joined to one of
//! that rank by "or", "and", a comma or a slash, make no single choice.

/// A word of the text, or a letter that stands alone.
struct Word<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

/// How clearly a letter is meant; more is clearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Denied,
    Bare,
    Marked,
    Label,
    Decided,
}

/// The letter that `text` chooses among `letters` options (A, B, …; at most 26), `None` when there is no
/// single one. Upper-case letters count; lower-case ones where they can hardly be anything else.
pub fn chosen_letter(text: &str, letters: usize) -> Option<char> {
    let text = text.trim();
    let words = split(text);
    let ranked: Vec<(usize, char, Rank)> =
        (0..words.len()).filter_map(|i| rank(text, &words, i, letters)).collect();
    let top = ranked.iter().map(|r| r.2).max().filter(|r| *r > Rank::Bare)?;
    let mut choice = None;
    for (n, (at, letter, rank)) in ranked.iter().enumerate() {
        let joined = |other: Option<&(usize, char, Rank)>| {
            other.is_some_and(|(i, _, r)| *r == top && connected(text, &words, (*i).min(*at), (*i).max(*at)))
        };
        let before = n.checked_sub(1).and_then(|b| ranked.get(b));
        let counts = *rank == top || (*rank > Rank::Denied && (joined(before) || joined(ranked.get(n + 1))));
        if counts && choice.is_some_and(|c| c != *letter) {
            return None;
        }
        if counts {
            choice = Some(*letter);
        }
    }
    choice
}

fn split(text: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        let inside = c.is_alphanumeric() || (matches!(c, '\'' | '’') && start.is_some());
        // Scripts without blanks between words touch the letter that stands alone in them.
        let inside = inside && !('\u{3000}'..='\u{9fff}').contains(&c);
        match (inside, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                let word = text.get(from..at).unwrap_or("").trim_end_matches(['\'', '’']);
                words.push(Word { text: word, start: from, end: from + word.len() });
                start = None;
            }
            _ => {}
        }
    }
    words
}

fn rank(text: &str, words: &[Word<'_>], i: usize, letters: usize) -> Option<(usize, char, Rank)> {
    let word = words.get(i)?;
    let letter = word.text.chars().next().filter(|c| c.is_ascii_alphabetic() && word.text.len() == 1)?;
    let upper = letter.to_ascii_uppercase();
    if usize::from(upper as u8 - b'A') >= letters {
        return None;
    }
    let (before, after) = (text.get(..word.start)?, text.get(word.end..)?);
    if glued(before, after, letters) {
        return None;
    }
    let next = words.get(i + 1);
    let spaced = after.starts_with(' ') && next.is_some_and(|n| n.start == word.end + 1);
    let bracketed = before.ends_with(['(', '[', '{', '*', '"', '\'', '`', '“', '_'])
        && after.starts_with([')', ']', '}', '*', '"', '\'', '`', '”', '_']);
    if !bracketed && spaced && reads_on(upper, next.map_or("", |n| n.text), before) {
        return None;
    }
    let ends = after.trim_start_matches(['*', '"', ')', ']', '}', '$', '`', '\'']).trim_start_matches(' ');
    let ends = ends.is_empty() || ends.starts_with(['.', ',', ';', '!', '?', '\n', ')', ':']);
    let alone = stands_alone(before, after);
    let decided = alone || decided_before(text, words, i) || decided_after(text, words, i);
    let option = i.checked_sub(1).and_then(|b| words.get(b)).is_some_and(|w| {
        (is(w.text, "option") || is(w.text, "choice") || is(w.text, "letter"))
            && gap(text, w.end, word.start).trim().is_empty()
    });
    let label = i == 0 && labelled(before, after);
    if letter.is_ascii_lowercase() && !(alone || bracketed || option || label || (decided && ends)) {
        return None;
    }
    let rank = if denied(text, words, i) {
        Rank::Denied
    } else if decided {
        Rank::Decided
    } else if labelled(before, after) && first_label(words, i) {
        Rank::Label
    } else if bracketed || option || i == 0 || labelled(before, after) || set_off(text, words, i) {
        Rank::Marked
    } else {
        Rank::Bare
    };
    Some((i, upper, rank))
}

/// True for a letter that belongs to a longer thing: A-frame, U.S.A., N/A, @B.
fn glued(before: &str, after: &str, letters: usize) -> bool {
    let (b, a) = (before.chars().next_back(), after.chars().next());
    let beyond_b = before.chars().rev().nth(1);
    let beyond_a = after.chars().nth(1);
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    // Another option may follow a slash; any other letter makes one thing of both.
    let other = |c: Option<char>| {
        c.is_some_and(|c| c.is_alphanumeric())
            && !c.is_some_and(|c| c.is_ascii_uppercase() && usize::from(c as u8 - b'A') < letters)
    };
    match (b, a) {
        (Some('-' | '&' | '.' | '@' | '#' | '+'), _) if word(beyond_b) => true,
        (Some('@' | '#'), _) => true,
        (_, Some('-' | '&' | '+')) if word(beyond_a) => true,
        (_, Some('.')) if word(beyond_a) && !after.chars().nth(2).is_some_and(char::is_alphanumeric) => true,
        (Some('/'), _) if other(beyond_b) => true,
        (_, Some('/')) if other(beyond_a) => true,
        _ => false,
    }
}

/// True when the letter is the article or pronoun of the word after it.
fn reads_on(letter: char, next: &str, before: &str) -> bool {
    const AFTER_A_CHOICE: [&str; 24] = [
        "is", "was", "or", "and", "because", "since", "as", "seems", "would", "must", "should", "looks",
        "appears", "fits", "matches", "isn't", "cannot", "can", "may", "might", "could", "but", "correct",
        "not",
    ];
    let on =
        !AFTER_A_CHOICE.iter().any(|w| is(next, w)) && next.chars().next().is_some_and(char::is_lowercase);
    let begins =
        before.trim_end().is_empty() || before.trim_end().ends_with(['.', '!', '?', ':', '\n', ',', ';']);
    match letter {
        // In the middle of a sentence the article is not written with a capital.
        'A' => on && begins,
        'I' => {
            next.chars().next().is_some_and(char::is_lowercase)
                && !["is", "or", "because"].iter().any(|w| is(next, w))
        }
        _ => false,
    }
}

/// True when nothing but marks stands with the letter in the whole text or in its last line.
fn stands_alone(before: &str, after: &str) -> bool {
    let mark = |c: char| c.is_whitespace() || c.is_ascii_punctuation();
    if !after.chars().all(mark) {
        return false;
    }
    let line = before.rsplit('\n').next().unwrap_or("");
    let boxed = line.trim_start_matches(mark).trim_end_matches(mark);
    boxed.is_empty() || matches!(boxed, "boxed" | "boxed{\\text" | "text")
}

fn is(word: &str, other: &str) -> bool {
    word.eq_ignore_ascii_case(other)
}

fn gap(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or("")
}

/// True when the words on both sides of this gap belong to one sentence.
fn same_sentence(gap: &str) -> bool {
    !gap.contains(['.', '!', '?', ';']) && (!gap.contains('\n') || gap.contains(':'))
}

/// True when the words before the letter say that it is the decision.
fn decided_before(text: &str, words: &[Word<'_>], i: usize) -> bool {
    const CUES: [&str; 17] = [
        "answer",
        "answers",
        "ans",
        "correct",
        "solution",
        "choose",
        "chose",
        "select",
        "selected",
        "pick",
        "picked",
        "go",
        "going",
        "opt",
        "final",
        "conclude",
        "therefore",
    ];
    walk_back(text, words, i, &CUES)
}

/// True when "not" and its like stand before or after the letter.
fn denied(text: &str, words: &[Word<'_>], i: usize) -> bool {
    const NOT: [&str; 14] = [
        "not",
        "isn't",
        "aren't",
        "wasn't",
        "never",
        "neither",
        "nor",
        "than",
        "cannot",
        "can't",
        "eliminate",
        "exclude",
        "excluding",
        "except",
    ];
    const WRONG: [&str; 7] = ["not", "isn't", "incorrect", "wrong", "false", "cannot", "can't"];
    walk_back(text, words, i, &NOT)
        || walk_back(text, words, i, &["instead", "without"])
        || walk_on(text, words, i, &WRONG, true)
}

/// True when the words after the letter say that it is the decision.
fn decided_after(text: &str, words: &[Word<'_>], i: usize) -> bool {
    const CUES: [&str; 7] = ["correct", "right", "best", "answer", "true", "accurate", "appropriate"];
    walk_on(text, words, i, &CUES, false) || walk_on(text, words, i, &["correct"], true)
}

/// True when one of `targets` stands before word `i`, with nothing but small words between.
fn walk_back(text: &str, words: &[Word<'_>], i: usize, targets: &[&str]) -> bool {
    const SMALL: [&str; 31] = [
        "is",
        "are",
        "was",
        "be",
        "the",
        "option",
        "options",
        "choice",
        "letter",
        "thus",
        "therefore",
        "most",
        "likely",
        "probably",
        "clearly",
        "definitely",
        "would",
        "should",
        "must",
        "to",
        "with",
        "for",
        "as",
        "of",
        "that",
        "here",
        "either",
        "both",
        "indeed",
        "boxed",
        "text",
    ];
    let mut right = i;
    for _ in 0..8 {
        let (Some(word), Some(next)) = (right.checked_sub(1).and_then(|w| words.get(w)), words.get(right))
        else {
            return false;
        };
        if !same_sentence(gap(text, word.end, next.start)) {
            return false;
        }
        if targets.iter().any(|t| is(word.text, t)) {
            return true;
        }
        if !SMALL.iter().any(|s| is(word.text, s)) {
            return false;
        }
        right -= 1;
    }
    false
}

/// True when one of `targets` stands after word `i`, with nothing but small words between; with at least
/// one of them unless `at_once`.
fn walk_on(text: &str, words: &[Word<'_>], i: usize, targets: &[&str], at_once: bool) -> bool {
    const SMALL: [&str; 22] = [
        "is",
        "was",
        "seems",
        "appears",
        "looks",
        "must",
        "would",
        "should",
        "be",
        "to",
        "the",
        "most",
        "clearly",
        "definitely",
        "probably",
        "likely",
        "option",
        "choice",
        "also",
        "one",
        "my",
        "final",
    ];
    for left in i..i + 8 {
        let (Some(word), Some(next)) = (words.get(left), words.get(left + 1)) else { return false };
        // A label's point is no end of a sentence, but what follows it says nothing about the label.
        if !same_sentence(gap(text, word.end, next.start)) || gap(text, word.end, next.start).contains(',') {
            return false;
        }
        if targets.iter().any(|t| is(next.text, t)) {
            return left > i || at_once;
        }
        if !SMALL.iter().any(|s| is(next.text, s)) {
            return false;
        }
    }
    false
}

/// True when the letter is written as a label: "B.", "B)", "B:", "(B)", "[B]".
fn labelled(before: &str, after: &str) -> bool {
    after.starts_with([')', ']', ':', '.', '、', '．'])
        || (before.ends_with('*') && after.starts_with("**"))
        || (before.ends_with(['(', '[']) && after.starts_with([')', ']']))
}

/// True when the text begins with a label, this one or an earlier one: then all labels are a list.
fn first_label(words: &[Word<'_>], i: usize) -> bool {
    i == 0
        || words.first().is_some_and(|w| w.text.len() == 1 && w.text.chars().all(|c| c.is_ascii_uppercase()))
}

/// True when the letter is set off from what stands before it, by punctuation or a word that leads to
/// a conclusion; "vitamin C" is not.
fn set_off(text: &str, words: &[Word<'_>], i: usize) -> bool {
    const LEADS: [&str; 14] = [
        "is",
        "are",
        "be",
        "so",
        "thus",
        "hence",
        "therefore",
        "say",
        "to",
        "but",
        "or",
        "and",
        "with",
        "it's",
    ];
    let (Some(word), Some(before)) = (words.get(i), i.checked_sub(1).and_then(|b| words.get(b))) else {
        return true;
    };
    let between = gap(text, before.end, word.start);
    between
        .chars()
        .any(|c| matches!(c, '.' | ',' | ':' | ';' | '!' | '?' | '\n' | '=' | '>' | '→' | '—' | '-'))
        || !between.is_ascii()
        || LEADS.iter().any(|l| is(before.text, l))
}

/// True when only connecting words and signs stand between words `i < j`.
fn connected(text: &str, words: &[Word<'_>], i: usize, j: usize) -> bool {
    const JOIN: [&str; 10] =
        ["or", "and", "option", "choice", "maybe", "possibly", "perhaps", "then", "either", "both"];
    let (Some(first), Some(last)) = (words.get(i), words.get(j)) else { return false };
    let joins = |w: &Word<'_>| JOIN.iter().any(|t| is(w.text, t));
    // A full stop joins letters only where the second says nothing of its own: "B. C." but not
    // "B. C shows a dog".
    let silent = text.get(last.end..).unwrap_or("").trim_start_matches([' ', '*', ')', ']']);
    let silent = silent.is_empty() || silent.starts_with(['.', ',', ';', ':', '!', '?', '\n', '|', '/']);
    let sign = |c: char| {
        matches!(c, ' ' | '\t' | '/' | ',' | '&' | '(' | ')' | '*' | '+' | '|')
            || (silent && (c.is_whitespace() || matches!(c, '.' | ';' | ':' | ']' | '[')))
    };
    j - i <= 4
        && words.get(i + 1..j).is_some_and(|between| between.iter().all(joins))
        && gap(text, first.end, last.start).chars().all(|c| c.is_alphanumeric() || sign(c))
}
