//! Reading a judge's reply.

use serde::Deserialize;

use super::{JudgeError, Verdict};
use crate::structure::read;

/// Longest reply that is read, in bytes.
pub const MAX_REPLY: usize = 1 << 16;

/// A verdict in JSON. A key that is there twice, or unknown, is an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    score: f64,
    #[serde(default)]
    reason: Option<String>,
}

/// The verdict in `reply`: the whole reply is `{"score": N}`, with or without a `reason`, or exactly one of
/// its lines is `word: N`, and then the rest is the reason. Nothing else counts: not `8/10`, not a word
/// before or after, not two such lines, even with the same number. `word` is compared without case. JSON is
/// read only for the word `score`: where another was asked for, it must be there.
///
/// # Errors
/// [`JudgeError::NoVerdict`] when there is none, more than one, or one outside the scale.
pub fn parse_verdict(reply: &str, word: &str, scale: (f64, f64)) -> Result<Verdict, JudgeError> {
    let none = |detail: String| Err(JudgeError::NoVerdict { detail });
    if reply.len() > MAX_REPLY {
        return none(format!("a reply of {} bytes", reply.len()));
    }
    let whole = reply.trim();
    let verdict = if word == "score" && whole.starts_with('{') {
        match serde_json::from_str::<Written>(whole) {
            Ok(written) => Verdict { score: written.score, reason: written.reason },
            Err(error) => return none(error.to_string()),
        }
    } else {
        let number = |line: &str| {
            let (name, value) = line.split_once(':')?;
            name.trim().eq_ignore_ascii_case(word).then(|| read::number(value))
        };
        let mut found = whole.lines().filter_map(number);
        let score = match (found.next(), found.next()) {
            (Some(Some(score)), None) => score,
            (Some(None), None) => return none(format!("{word:?} is no number")),
            (Some(_), Some(_)) => return none(format!("more than one line {word:?}")),
            (None, _) => return none(format!("no line {word:?}")),
        };
        let rest: Vec<&str> = whole.lines().filter(|line| number(line).is_none()).collect();
        let reason = rest.join("\n").trim().to_string();
        Verdict { score, reason: (!reason.is_empty()).then_some(reason) }
    };
    if !(scale.0..=scale.1).contains(&verdict.score) {
        return none(format!("{} is not on the scale from {} to {}", verdict.score, scale.0, scale.1));
    }
    Ok(verdict)
}
