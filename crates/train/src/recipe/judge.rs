//! Judges: models that rewards ask.

use std::path::PathBuf;

use eyas_reward::judge::Rule;
use eyas_rollout::Reading;
use serde::{Deserialize, Serialize};

use super::at::At;
use super::{Problem, RecipeError};

const DEFAULT_PARALLEL: usize = 8;
const DEFAULT_MAX_TOKENS: usize = 512;
const DEFAULT_TIMEOUT_MS: u64 = 60_000;
const DEFAULT_ATTEMPTS: u32 = 4;

/// A judge that rewards may ask, `[[judge]]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgeSettings {
    /// Its name, unique: letters, digits, `-` and `_`. The reward `judge` asks it by its parameter `judge`.
    pub name: String,
    /// The file of remembered verdicts. Default `judges/NAME.jsonl` in the run directory. With a file of its
    /// own, relative to the working directory, runs share their verdicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// Who it is.
    #[serde(flatten)]
    pub who: JudgeKind,
}

/// Who judges.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JudgeKind {
    /// A model behind an endpoint of OpenAI's chat protocol, at temperature 0; a build with the feature `http`
    /// only.
    Endpoint {
        /// The address up to `/chat/completions`, such as `http://localhost:8000/v1`.
        url: String,
        /// The model's name there.
        model: String,
        /// The environment variable that holds the key. Default: no key is sent.
        #[serde(skip_serializing_if = "Option::is_none")]
        key_env: Option<String>,
        /// The seed that is sent along. Default 0.
        seed: u64,
        /// Most tokens of a reply. Default 512.
        max_tokens: usize,
        /// The time for one attempt, in milliseconds. Default 60000.
        timeout_ms: u64,
        /// Attempts in all, with growing waits between them. Default 4.
        attempts: u32,
        /// Questions that are asked at a time. Default 8.
        parallel: usize,
    },
    /// Another model folder, in this process.
    Local {
        /// The folder, relative to the working directory.
        path: PathBuf,
        /// How its verdict is got. Default `text`.
        reading: Reading,
        /// Most tokens of a reply. Default 512.
        max_tokens: usize,
    },
    /// The policy as it was at the start of the stage.
    Policy {
        /// How its verdict is got. Default `text`.
        reading: Reading,
        /// Most tokens of a reply. Default 512.
        max_tokens: usize,
    },
    /// Rules on the text, for tests and dry runs.
    Scripted {
        /// What is said of responses that no rule fits.
        otherwise: String,
        /// What is said of responses that hold some text; the first that fits counts. Default none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        rules: Vec<Rule>,
    },
}

/// The word in recipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Endpoint,
    Local,
    Policy,
    Scripted,
}

/// What a recipe says of a judge.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct JudgeFile {
    name: Option<String>,
    kind: Option<Word>,
    cache: Option<PathBuf>,
    url: Option<String>,
    model: Option<String>,
    key_env: Option<String>,
    seed: Option<u64>,
    max_tokens: Option<usize>,
    timeout_ms: Option<u64>,
    attempts: Option<u32>,
    parallel: Option<usize>,
    path: Option<PathBuf>,
    reading: Option<Reading>,
    rules: Option<Vec<Rule>>,
    otherwise: Option<String>,
}

impl JudgeFile {
    /// The keys that belong to some kinds only.
    fn given(&self) -> [(&'static str, bool, &'static [Word]); 11] {
        const E: &[Word] = &[Word::Endpoint];
        const M: &[Word] = &[Word::Local, Word::Policy];
        [
            ("url", self.url.is_some(), E),
            ("model", self.model.is_some(), E),
            ("key_env", self.key_env.is_some(), E),
            ("seed", self.seed.is_some(), E),
            ("timeout_ms", self.timeout_ms.is_some(), E),
            ("attempts", self.attempts.is_some(), E),
            ("parallel", self.parallel.is_some(), E),
            ("path", self.path.is_some(), &[Word::Local]),
            ("reading", self.reading.is_some(), M),
            ("max_tokens", self.max_tokens.is_some(), &[Word::Endpoint, Word::Local, Word::Policy]),
            ("rules", self.rules.is_some() || self.otherwise.is_some(), &[Word::Scripted]),
        ]
    }
}

/// Completes and checks the judges of a recipe.
pub(super) fn judges(files: Vec<JudgeFile>, at: &At<'_>) -> Result<Vec<JudgeSettings>, RecipeError> {
    let mut judges: Vec<JudgeSettings> = Vec::new();
    for (index, file) in files.into_iter().enumerate() {
        let at = at.at(index);
        let judge = judge(file, &at)?;
        if judges.iter().any(|j| j.name == judge.name) {
            return Err(at.fail(Problem::DuplicateJudge(judge.name)));
        }
        judges.push(judge);
    }
    Ok(judges)
}

fn judge(file: JudgeFile, at: &At<'_>) -> Result<JudgeSettings, RecipeError> {
    let kinds = "write kind = \"endpoint\", \"local\", \"policy\" or \"scripted\"";
    let word = at.at("kind").given(file.kind, kinds)?;
    if let Some((key, ..)) = file.given().into_iter().find(|(_, given, of)| *given && !of.contains(&word)) {
        let kind = format!("{word:?}").to_lowercase();
        return Err(at.at(key).fail(Problem::JudgeKey { kind }));
    }
    let name = at.at("name").given(file.name, "write a name, by which rewards ask the judge")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(at.at("name").fail(Problem::JudgeName(name)));
    }
    let max_tokens = at.at("max_tokens").count(file.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS))?;
    let reading = file.reading.unwrap_or_default();
    let text = |key: &str, value: Option<String>, hint| {
        let value = at.at(key).given(value, hint)?;
        if value.is_empty() { Err(at.at(key).fail(Problem::Empty)) } else { Ok(value) }
    };
    let who = match word {
        Word::Endpoint => JudgeKind::Endpoint {
            url: text("url", file.url, "write the address of the endpoint, as in http://localhost:8000/v1")?,
            model: text("model", file.model, "write the name of the model behind the endpoint")?,
            key_env: file.key_env,
            seed: file.seed.unwrap_or(0),
            max_tokens,
            timeout_ms: {
                let timeout = file.timeout_ms.unwrap_or(DEFAULT_TIMEOUT_MS);
                at.at("timeout_ms").range(timeout as f64, timeout >= 1, "at least 1")?;
                timeout
            },
            attempts: {
                let attempts = file.attempts.unwrap_or(DEFAULT_ATTEMPTS);
                at.at("attempts").range(f64::from(attempts), attempts >= 1, "at least 1")?;
                attempts
            },
            parallel: at.at("parallel").count(file.parallel.unwrap_or(DEFAULT_PARALLEL))?,
        },
        Word::Local => JudgeKind::Local {
            path: at.at("path").given(file.path, "write a model folder")?,
            reading,
            max_tokens,
        },
        Word::Policy => JudgeKind::Policy { reading, max_tokens },
        Word::Scripted => JudgeKind::Scripted {
            rules: file.rules.unwrap_or_default(),
            otherwise: text("otherwise", file.otherwise, "write what is said where no rule fits")?,
        },
    };
    Ok(JudgeSettings { name, who, cache: file.cache })
}
