//! A judge that follows rules, for tests and dry runs.

use serde::{Deserialize, Serialize};

use super::model::read;
use super::{Judge, JudgeError, JudgeRequest, Verdict};

/// What is said of a response that holds some text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The text, compared with upper and lower case.
    pub contains: String,
    /// What is said: a number, a label, or anything else, which is no verdict.
    pub say: String,
}

/// Says of a response what the first rule that fits it says. What it says is read like any judge's reply, so
/// it can also play one that talks nonsense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The rules, first to last.
    pub rules: Vec<Rule>,
    /// What is said where none fits.
    pub otherwise: String,
}

impl Judge for Rules {
    fn judge(&self, request: &JudgeRequest) -> Result<Verdict, JudgeError> {
        request.check()?;
        let fits = |rule: &&Rule| request.response.contains(&rule.contains);
        let said = self.rules.iter().find(fits).map_or(&self.otherwise, |rule| &rule.say);
        read(&format!("score: {said}"), "score", request)
    }

    fn key(&self, request: &JudgeRequest) -> Result<[u8; 32], JudgeError> {
        let mut hasher = blake3::Hasher::new();
        let rules = self.rules.iter().flat_map(|rule| [&rule.contains, &rule.say]);
        for text in rules.chain([&self.otherwise]) {
            hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
        }
        Ok(*hasher.update(&request.key()).finalize().as_bytes())
    }
}
