//! The environments of a stage or of the evaluation: ids, levels and knobs become settings.

use eyas_core::Seed;
use eyas_gym::{Difficulty, GymError, KnobError, KnobValue};
use toml::Value;

use super::at::At;
use super::file::EnvFile;
use super::{EnvChoice, Problem, RecipeError};

/// Most environments of a mixture, those that `levels` stands for counted one by one. Each is tried, and compared
/// with all others.
const MAX_ENVS: usize = 2000;

pub(super) fn environments(files: Vec<EnvFile>, at: &At<'_>) -> Result<Vec<EnvChoice>, RecipeError> {
    let mut envs: Vec<EnvChoice> = Vec::new();
    for (index, file) in files.into_iter().enumerate() {
        let at = at.at(index);
        let count = envs.len() + file.levels.len().max(1);
        let place = if file.levels.is_empty() { &at } else { &at.at("levels") };
        place.range(count as f64, count <= MAX_ENVS, "at most 2000 environments in a mixture")?;
        for env in levels(file, &at)? {
            if envs.iter().any(|e| e.name == env.name) {
                return Err(at.fail(Problem::DuplicateEnv(env.name)));
            }
            envs.push(env);
        }
    }
    Ok(envs)
}

/// One environment, or one for each of its levels, which share its weight.
fn levels(file: EnvFile, at: &At<'_>) -> Result<Vec<EnvChoice>, RecipeError> {
    if file.levels.is_empty() {
        return Ok(vec![environment(file, at)?]);
    }
    if file.difficulty.is_some() || file.level.is_some() {
        return Err(at.at("levels").fail(Problem::TwoDifficulties));
    }
    let share = 1.0 / file.levels.len() as f64;
    let name = file.name.clone().or(file.id.clone()).unwrap_or_default();
    let one = |level: &f64| {
        environment(
            EnvFile {
                levels: Vec::new(),
                level: Some(*level),
                difficulty: Some(Difficulty::All(*level)),
                name: Some(format!("{name}@{level}")),
                weight: Some(file.weight.unwrap_or(1.0) * share),
                ..file.clone()
            },
            at,
        )
    };
    file.levels.iter().map(one).collect()
}

fn environment(file: EnvFile, at: &At<'_>) -> Result<EnvChoice, RecipeError> {
    let id = at.at("id").given(file.id, "write the id of an environment; `eyas gym list` shows all")?;
    let entry = eyas_gym::find(&id).map_err(|error| at.at("id").fail(error))?;
    let name = file.name.unwrap_or_else(|| id.clone());
    if name.is_empty() {
        return Err(at.at("name").fail(Problem::Empty));
    }
    let weight = at.at("weight").positive(file.weight.unwrap_or(1.0))?;
    let at_knobs = at.at("knobs");
    let value = |(name, value): (String, Value)| {
        let value = knob_value(value).map_err(|problem| at_knobs.at(&name).fail(problem))?;
        Ok((name, value))
    };
    let given = file.knobs.into_iter().map(value).collect::<Result<_, RecipeError>>()?;
    let refuse = |error: KnobError| {
        let at = match &error {
            KnobError::Unknown { knob, .. }
            | KnobError::Type { knob, .. }
            | KnobError::Range { knob, .. } => at_knobs.at(knob),
            KnobError::Conflict { .. } => at.at("knobs"),
        };
        at.fail(GymError::from(error))
    };
    let knobs = match file.difficulty {
        Some(difficulty) => {
            let at = at.at("difficulty");
            for position in difficulty.positions() {
                at.share(position)?;
            }
            entry.knobs_at(&difficulty, &given)
        }
        None => entry.knobs(&given),
    };
    let knobs = knobs.map_err(refuse)?;
    // Knobs that contradict each other are only seen when a board is made.
    entry.reset(Seed::new(0).split("check", 0), &knobs).map_err(refuse)?;
    let level = match file.level {
        Some(level) => Some(at.at("level").range(level, level.is_finite(), "a finite number")?),
        None => None,
    };
    Ok(EnvChoice { id, name, weight, level, knobs })
}

fn knob_value(value: Value) -> Result<KnobValue, Problem> {
    Ok(match value {
        Value::Boolean(v) => KnobValue::Bool(v),
        Value::Integer(v) => KnobValue::Int(v),
        Value::Float(v) => KnobValue::Float(v),
        Value::String(v) => KnobValue::Choice(v),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => {
            let got = value.type_str();
            return Err(Problem::Type(format!("invalid type: {got}, expected a boolean, number or string")));
        }
    })
}
