//! Key facts: does a description say what the picture shows?
//!
//! Made for languages that part words by blanks; denials are known in English.

use std::collections::HashMap;

use eyas_core::Score;
use serde_json::Value;

use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// Longest text that is looked at, in bytes; what stands beyond is not read.
const MAX_TEXT: usize = 1 << 18;

/// Most facts, and most names of all of them together.
const MAX_NAMES: usize = 1024;

/// How many words before a name may deny it.
const REACH: usize = 3;

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "key_facts",
    family: "process",
    doc: "share of the key facts that the text affirms, less the share of wrong ones it affirms",
    source: "Perception-R1's visual key information, without its judge: by whole words, and \"no dog\" is no dog",
    gold: "list of facts, each a text or a list of its names; or {facts, wrong}",
    range: Some((0.0, 1.0)),
    params: &[ParamInfo::choice(
        "of",
        &["all", "think", "perception", "answer"],
        "which part of the response is read",
    )],
    score: Scorer::Sample(score),
};

/// A text as words; `None` stands for the end of a clause.
fn words(text: &str) -> Vec<Option<String>> {
    let (mut words, mut word) = (Vec::new(), String::new());
    for c in text.chars() {
        match c {
            c if c.is_alphanumeric() => word.extend(c.to_lowercase()),
            // Typographic apostrophes as plain ones, so that "isn’t" is one word.
            '\'' | '\u{2019}' if !word.is_empty() => word.push('\''),
            c => {
                if !word.is_empty() {
                    words.push(Some(std::mem::take(&mut word)));
                }
                if ".,;:!?\n".contains(c) {
                    words.push(None);
                }
            }
        }
    }
    if !word.is_empty() {
        words.push(Some(word));
    }
    words
}

/// A text made ready for questions about it.
#[derive(Clone, Debug)]
pub struct Description {
    words: Vec<Option<String>>,
    places: HashMap<String, Vec<usize>>,
}

impl Description {
    /// Reads `text`, at most its first 256 KiB.
    pub fn new(text: &str) -> Self {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let words = words(text.get(..end).unwrap_or(""));
        let mut places: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, word) in words.iter().enumerate().filter_map(|(at, w)| w.as_ref().map(|w| (at, w))) {
            places.entry(word.clone()).or_default().push(at);
        }
        Self { words, places }
    }

    /// What the text says last of `name`, found as whole words in order: affirmed, denied, or nothing.
    pub fn says(&self, name: &str) -> Option<bool> {
        self.last_mention(name).map(|(_, affirmed)| affirmed)
    }

    fn last_mention(&self, name: &str) -> Option<(usize, bool)> {
        let name: Vec<String> = words(name).into_iter().flatten().take(16).collect();
        let starts = self.places.get(name.first()?)?;
        let here = |at: usize| name.iter().enumerate().all(|(i, w)| self.word(at + i) == Some(w));
        let at = starts.iter().rev().copied().find(|at| here(*at))?;
        Some((at, !self.denied(at, at + name.len())))
    }

    fn word(&self, at: usize) -> Option<&str> {
        self.words.get(at).and_then(Option::as_deref)
    }

    /// Is what stands in `start..end` denied before ("no", "without a", "don't see any") or after ("is
    /// not visible", "is absent")? Only within its clause and not across "but" or "and".
    fn denied(&self, start: usize, end: usize) -> bool {
        let first = start.saturating_sub(REACH);
        for at in (first..start).rev() {
            match self.word(at) {
                None | Some("but" | "and" | "yet" | "though" | "while" | "only") => break,
                Some("no") if self.word(at + 1) == Some("doubt") => break,
                Some(word) if DENIES.contains(&word) || word.ends_with("n't") => return true,
                Some(_) => {}
            }
        }
        match (self.word(end), self.word(end + 1), self.word(end + 2)) {
            (Some("is" | "are" | "was" | "were"), Some("not"), Some(word)) => SEEN.contains(&word),
            (Some("isn't" | "aren't" | "wasn't" | "weren't"), Some(word), _) => SEEN.contains(&word),
            (Some("is" | "are" | "was" | "were"), Some("absent" | "missing"), _) => true,
            _ => false,
        }
    }
}

const DENIES: &[&str] = &[
    "no", "not", "never", "without", "neither", "nor", "none", "cannot", "lacks", "lacking", "absent", "zero",
];

const SEEN: &[&str] = &["present", "visible", "there", "here", "seen", "found", "shown", "depicted", "in"];

/// A fact with all its names: it is affirmed when the last mention of any name is.
fn affirmed(text: &Description, names: &[String]) -> bool {
    let last = names.iter().filter_map(|name| text.last_mention(name)).max();
    last.is_some_and(|(_, affirmed)| affirmed)
}

/// The share of `facts` that `text` affirms, less the share of `wrong` ones that it affirms, at least 0.
/// The last mention counts, so that saying both earns nothing. 0 without facts.
pub fn coverage(text: &Description, facts: &[Vec<String>], wrong: &[Vec<String>]) -> f64 {
    let share = |facts: &[Vec<String>]| match facts.len() {
        0 => 0.0,
        n => facts.iter().filter(|f| affirmed(text, f)).count() as f64 / n as f64,
    };
    (share(facts) - share(wrong)).max(0.0)
}

fn facts(value: &Value) -> Option<Vec<Vec<String>>> {
    let named = |v: &Value| v.as_str().map(str::to_string).filter(|s| s.chars().any(char::is_alphanumeric));
    let fact = |v: &Value| match v {
        Value::Array(names) if !names.is_empty() => names.iter().map(named).collect::<Option<Vec<_>>>(),
        v => named(v).map(|name| vec![name]),
    };
    let facts: Vec<Vec<String>> = value.as_array()?.iter().map(fact).collect::<Option<_>>()?;
    (facts.iter().map(Vec::len).sum::<usize>() <= MAX_NAMES).then_some(facts)
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let (right, wrong) = match sample.gold {
        Value::Object(map) => {
            (map.get("facts").and_then(facts), map.get("wrong").map_or(Some(vec![]), facts))
        }
        list => (facts(list), Some(vec![])),
    };
    let (Some(right), Some(wrong)) = (right.filter(|r| !r.is_empty()), wrong) else {
        return bad_gold("the ground truth is no list of facts");
    };
    let text = match params.text("of") {
        "all" => sample.response.text(),
        "answer" => sample.answer().unwrap_or(""),
        tag => sample.response.block(tag).map_or("", |b| b.text),
    };
    Score::from_value(coverage(&Description::new(text), &right, &wrong) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn says(text: &str, name: &str) -> Option<bool> {
        Description::new(text).says(name)
    }

    #[test]
    fn whole_words_only() {
        assert_eq!(says("A hotdog stand.", "dog"), None);
        assert_eq!(says("A Red-Dog barks", "red dog"), Some(true));
        assert_eq!(says("red. dog", "red dog"), None, "not across sentences");
    }

    #[test]
    fn denials() {
        for text in [
            "There is no dog.",
            "I don't see any dog",
            "without a dog",
            "The dog is not visible.",
            "The dog isn’t there",
            "a dog; no, there's no dog",
            "neither cat nor dog",
        ] {
            assert_eq!(says(text, "dog"), Some(false), "{text}");
        }
        for text in [
            "There is no cat, but a dog.",
            "no cat but a dog",
            "not only a dog",
            "No doubt: a dog",
            "the dog is not brown",
            "No. A dog.",
            "no dog? wait, there is a dog",
            "no doubt a dog",
        ] {
            assert_eq!(says(text, "dog"), Some(true), "{text}");
        }
    }

    #[test]
    fn coverage_counts_names_and_wrong_facts() {
        let f = |list: &[&[&str]]| {
            list.iter().map(|n| n.iter().map(ToString::to_string).collect()).collect::<Vec<_>>()
        };
        let text = Description::new("A bike leans on a wall; no people.");
        let facts = f(&[&["bicycle", "bike"], &["wall"], &["people", "person"], &["no people"]]);
        assert_eq!(coverage(&text, &facts, &[]), 0.75);
        assert_eq!(coverage(&text, &facts[..2], &f(&[&["wall"], &["door"]])), 0.5);
        assert_eq!(coverage(&text, &[], &[]), 0.0);
    }

    proptest! {
        #[test]
        fn saying_it_again_changes_nothing(text in "(no |a |dog |cat |\\. |but |is not there ){0,12}") {
            let facts = vec![vec!["dog".to_string()], vec!["cat".to_string()]];
            let once = coverage(&Description::new(&text), &facts, &[]);
            let twice = coverage(&Description::new(&format!("{text}. {text}")), &facts, &[]);
            prop_assert_eq!(once, twice);
            prop_assert!((0.0..=1.0).contains(&once));
        }
    }
}
