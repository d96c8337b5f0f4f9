//! Yes or no.
//!
//! Whole words only: "known" and "not" hold no "no". A text that begins with yes or no says that, unless
//! the other one follows at once ("yes and no"). Elsewhere the words count after "answer is" / "answer:",
//! or where they end a clause ("I would say no."); "there is no dog" says nothing. Both is neither.

use crate::text::words::words;

/// True for yes, false for no, `None` when the text says neither or both. "True" and "false" are the same
/// as yes and no.
pub fn yes_no(text: &str) -> Option<bool> {
    let lower = text.to_lowercase();
    let words = words(&lower);
    let polar = |word: &&str| match *word {
        "yes" | "true" => Some(true),
        "no" | "false" => Some(false),
        _ => None,
    };
    let first = words.first().and_then(polar);
    if let Some(first) = first {
        // "Yes, no", "yes or no", "no / yes": a hedge, not an answer.
        let hedge = words.iter().skip(1).take(2).filter_map(polar).any(|p| p != first);
        let later = standing(&lower, &words).into_iter().any(|p| p != first);
        return (!hedge && !later).then_some(first);
    }
    let mut found = None;
    for said in standing(&lower, &words) {
        if found.is_some_and(|f| f != said) {
            return None;
        }
        found = Some(said);
    }
    found
}

/// Every yes and no that is an answer by where it stands: after the cue, or at the end of a clause that
/// is not "… is no.".
fn standing(lower: &str, words: &[&str]) -> Vec<bool> {
    let (mut said, mut end) = (Vec::new(), 0);
    for (i, word) in words.iter().enumerate() {
        // Between one word and the next are no letters, so the first place is the right one.
        end += lower.get(end..).and_then(|rest| rest.find(word)).unwrap_or(0) + word.len();
        let value = match *word {
            "yes" | "true" => true,
            "no" | "false" => false,
            _ => continue,
        };
        let before = |n: usize| i.checked_sub(n).and_then(|at| words.get(at)).copied().unwrap_or("");
        // "Not yes", "it isn't true".
        if matches!(before(1), "not" | "never" | "t") {
            continue;
        }
        let cue = before(1) == "answer" || (before(1) == "is" && before(2) == "answer") || before(1) == "say";
        let rest = lower.get(end..).unwrap_or("").trim_start_matches(['*', '"', '\'', '}', ')', '$', ' ']);
        let ends = rest.is_empty() || rest.starts_with(['.', ',', ';', '!', '\n', ':']);
        if cue || ends {
            said.push(value);
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn whole_words_in_their_place() {
        for text in [
            "yes",
            "Yes.",
            "YES!",
            "**Yes**",
            "Yes, there is no dog.",
            "The answer is yes.",
            "Answer: Yes",
            "true",
            "I would say yes",
            "\\boxed{yes}",
            "Looking at it, yes.",
            "yes it is",
        ] {
            assert_eq!(yes_no(text), Some(true), "{text}");
        }
        for text in [
            "no",
            "No, it is not.",
            "No, that is not true.",
            "The answer is no",
            "I think no.",
            "False",
            "Answer: no",
        ] {
            assert_eq!(yes_no(text), Some(false), "{text}");
        }
        for text in [
            "",
            "not known",
            "unknown",
            "There is no dog in it",
            "yes or no",
            "yes and no",
            "Yes. No.",
            "no / yes",
            "yesterday",
            "nothing",
            "Answer: yes. Answer: no.",
            "Yes, I mean it. The answer is no.",
            "maybe",
            "not yes",
            "The answer is not yes.",
            "It isn't true.",
        ] {
            assert_eq!(yes_no(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            yes_no(&text);
        }
    }
}
