//! The rewards of a stage: names and parameters become specs that fit its environments and judges.

use eyas_core::TokenSpan;
use eyas_gym::ResponseStyle;
use eyas_reward::RewardSpec;

use super::at::At;
use super::file::RewardFile;
use super::{EnvChoice, JudgeKind, JudgeSettings, Problem, RecipeError, Stage};

pub(super) fn rewards(
    files: Vec<RewardFile>,
    style: ResponseStyle,
    envs: &[EnvChoice],
    at: &At<'_>,
) -> Result<Vec<RewardSpec>, RecipeError> {
    if files.is_empty() {
        return Err(at.fail(Problem::NoReward));
    }
    let each = |(index, file): (usize, RewardFile)| reward(file, style, envs, &at.at(index));
    let specs: Vec<RewardSpec> = files.into_iter().enumerate().map(each).collect::<Result<_, _>>()?;
    match envs.iter().find(|env| !specs.iter().any(|spec| spec.applies(&env.name))) {
        Some(env) => Err(at.fail(Problem::Unrewarded(env.name.clone()))),
        None => Ok(specs),
    }
}

fn reward(
    file: RewardFile,
    style: ResponseStyle,
    envs: &[EnvChoice],
    at: &At<'_>,
) -> Result<RewardSpec, RecipeError> {
    const NAME: &str = "write the name of a reward";
    let name = at.at("name").given(file.name, NAME)?;
    let weight = file.weight.unwrap_or(1.0);
    at.at("weight").positive(f64::from(weight))?;
    for (n, name) in file.envs.iter().enumerate() {
        if !envs.iter().any(|env| env.name == *name) {
            let known = envs.iter().map(|env| env.name.clone()).collect();
            return Err(at.at("envs").at(n).fail(Problem::UnknownEnv { name: name.clone(), known }));
        }
    }
    let mut spec = RewardSpec::new(&name, weight, file.span, &file.params)
        .map_err(|error| at.fail(error))?
        .with_gold(file.gold)
        .with_turns(file.turns)
        .with_envs(file.envs);
    if let Some(label) = file.label {
        if label.is_empty() {
            return Err(at.at("label").fail(Problem::Empty));
        }
        spec = spec.with_label(label);
    }
    for (field, input) in file.inputs {
        let at = at.at("inputs").at(&field);
        let name = at.at("name").given(input.name, NAME)?;
        let given = RewardSpec::new(&name, 1.0, TokenSpan::All, &input.params);
        let given = given.map_err(|error| at.fail(error))?.with_gold(input.gold);
        spec = spec.with_input(&field, given).map_err(|error| at.fail(error))?;
    }
    if let Some(field) = spec.unsupplied().map_err(|error| at.fail(error))?.pop_first() {
        return Err(at.fail(Problem::Unsupplied { field }));
    }
    let reads = matches!(spec.name(), "perception" | "perception_exact");
    let sees = style == ResponseStyle::Perception;
    match spec.span() {
        _ if reads && !sees => Err(at.at("name").fail(Problem::NoPerception)),
        TokenSpan::Perception if !sees => Err(at.at("span").fail(Problem::NoPerception)),
        _ => Ok(spec),
    }
}

/// Checks that the judges that rewards ask are there. `moves`: the policy at the start of the stage is not kept.
pub(super) fn check_judges(
    rewards: &[RewardSpec],
    judges: &[JudgeSettings],
    moves: bool,
    at: &At<'_>,
) -> Result<(), RecipeError> {
    for (index, reward) in rewards.iter().enumerate() {
        let at = at.at(index);
        for name in reward.judges().map_err(|error| at.fail(error))? {
            match judges.iter().find(|judge| judge.name == name) {
                None => {
                    let known = judges.iter().map(|judge| judge.name.clone()).collect();
                    return Err(at.fail(Problem::UnknownJudge { name, known }));
                }
                Some(JudgeSettings { who: JudgeKind::Policy { .. }, .. }) if moves => {
                    return Err(at.fail(Problem::MovingJudge));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// Checks that the reward models that rewards ask of stages are trained by one of the stages `before`.
pub(super) fn check_reward_models(
    rewards: &[RewardSpec],
    before: &[Stage],
    at: &At<'_>,
) -> Result<(), RecipeError> {
    for (index, reward) in rewards.iter().enumerate() {
        let at = at.at(index);
        for model in reward.reward_models().map_err(|error| at.fail(error))? {
            let Some(name) = model.strip_prefix("stage:") else {
                if model.is_empty() {
                    return Err(at.at("params.model").fail(Problem::Empty));
                }
                continue;
            };
            let trainers = before.iter().filter(|stage| matches!(stage, Stage::RewardModel(_)));
            let known: Vec<String> = trainers.map(|stage| stage.name().to_string()).collect();
            if !known.iter().any(|known| known == name) {
                return Err(at.fail(Problem::NoRewardModel { name: name.into(), known }));
            }
        }
    }
    Ok(())
}
