//! What can only be checked with the model at hand, and should be before anything is trained.

use eyas_core::Seed;
use eyas_gym::{ResponseStyle, first_message, response};
use eyas_model::{PolicyError, Vlm};
use eyas_rollout::{Agent, RolloutConfig, RolloutError, Start};

use crate::TrainError;
use crate::recipe::{EnvChoice, PreferenceStage, Recipe, RewardModelStage, RolloutSettings, Stage};

/// Checks that the first prompt of every environment leaves room for a response, in the context that its
/// stage or the evaluation allows and the model has, and that the key-value budget holds an episode of that
/// length. One state of each environment is tried: within an environment prompts differ by a few tokens at most.
///
/// # Errors
/// [`RolloutError::Prompt`] and [`RolloutError::KvBudget`] for what is played, [`PolicyError::Context`] for what
/// is demonstrated.
pub fn check_prompts(model: &Vlm, recipe: &Recipe) -> Result<(), TrainError> {
    let style = recipe.prompt.style;
    let positions = model.policy.config().text.max_position_embeddings;
    let played = |env: &EnvChoice, max_context: usize, kv_bytes: usize| {
        let (prompt, _) = lengths(model, env, style)?;
        let context = max_context.min(positions);
        if prompt + 1 > context {
            return Err(RolloutError::Prompt { env: env.id.clone(), prompt, context }.into());
        }
        let budget = kv_bytes / model.policy.kv_bytes_per_token().max(1);
        if context > budget {
            return Err(RolloutError::KvBudget { env: env.id.clone(), needed: context, budget }.into());
        }
        Ok(())
    };
    let in_stage = |envs: &[EnvChoice], rollout: &RolloutSettings| {
        envs.iter().try_for_each(|env| played(env, rollout.max_context, rollout.kv_budget_mib << 20))
    };
    for stage in &recipe.stages {
        match stage {
            Stage::Preference(PreferenceStage { env, rollout, .. })
            | Stage::RewardModel(RewardModelStage { env, rollout, .. }) => in_stage(env, rollout)?,
            Stage::Rl(stage) => in_stage(&stage.env, &stage.rollout)?,
            // A demonstration is cut between turns only, so its first turn has to fit.
            Stage::Sft(stage) => stage.env.iter().try_for_each(|env| {
                let (prompt, response) = lengths(model, env, style)?;
                match prompt + response {
                    length if length > positions => {
                        Err(TrainError::from(PolicyError::Context { length, context: positions }))
                    }
                    _ => Ok(()),
                }
            })?,
        }
    }
    let max_context = recipe.eval.max_context;
    recipe.eval.env.iter().try_for_each(|env| played(env, max_context, RolloutConfig::KV_BYTES))
}

/// Tokens of the first prompt and of the oracle's response to it.
fn lengths(model: &Vlm, env: &EnvChoice, style: ResponseStyle) -> Result<(usize, usize), TrainError> {
    let agent = Agent::of(model);
    let game = Start::reset(&env.id, Seed::new(0).split("check", 0), &env.knobs)?.game;
    let frames = game.frames();
    let mut trajectory = agent.trajectory();
    let prompt = agent.opening(&frames, &first_message(game.as_ref(), style))?;
    prompt.push(agent.policy, &mut trajectory, &frames, 0)?;
    let text = response(game.as_ref(), &game.oracle(), style)
        .map_err(|source| RolloutError::Oracle { env: env.id.clone(), source })?;
    let ids = agent.tokenizer.encode_plain(&text).map_err(RolloutError::from)?;
    Ok((trajectory.len(), ids.len() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(stage: &str, max_context: usize) -> Recipe {
        let text = format!(
            "[model]\npreset = \"tiny\"\n[[stage]]\nsteps = 1\n{stage}\n[[stage.env]]\nid = \"2048\"\n\
             [stage.optim]\nlr = 1e-3\n[eval]\nmax_tokens = 8\nmax_context = {max_context}\n"
        );
        Recipe::from_toml(&text, "r.toml").unwrap_or_else(|e| panic!("{e}"))
    }

    fn model() -> Vlm {
        Vlm::tiny(["a".to_string()].into_iter(), 300, &[], Seed::new(1)).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn contexts_are_compared_with_the_real_prompt() {
        let model = model();
        let (prompt, response) =
            lengths(&model, &recipe("kind = \"sft\"", 100).eval.env[0], ResponseStyle::Perception)
                .unwrap_or_else(|e| panic!("{e}"));
        assert!(prompt > 100 && response > 50, "a token a byte: {prompt}, {response}");
        let check = |stage: &str, context| check_prompts(&model, &recipe(stage, context));
        assert!(check("kind = \"sft\"", prompt + 1).is_ok());
        let error = check("kind = \"sft\"", prompt).err().map(|e| e.to_string()).unwrap_or_default();
        let expected =
            format!("the prompt of {prompt} tokens leaves no room for a response in a context of {prompt}");
        assert!(error.contains(&expected), "{error}");
        let rl = |context: usize| {
            format!(
                "kind = \"rl\"\nrollout = {{ max_tokens = 4, max_context = {context} }}\n\
                 reward = [{{ name = \"game\" }}]"
            )
        };
        assert!(check(&rl(prompt + 1), 2048).is_ok());
        assert!(check(&rl(prompt), 2048).is_err());
    }

    #[test]
    fn an_episode_that_the_key_value_budget_cannot_hold_is_found_before_the_training() {
        let model = model();
        let held = (1 << 20) / model.policy.kv_bytes_per_token();
        let check = |mib: usize| {
            let stage = format!(
                "kind = \"rl\"\nreward = [{{ name = \"game\" }}]\n\
                 rollout = {{ max_tokens = 4, max_context = 2000, kv_budget_mib = {mib} }}"
            );
            check_prompts(&model, &recipe(&stage, 2048)).err().map(|error| error.to_string())
        };
        assert_eq!(check(2000 / held + 1), None);
        let error = check(1).unwrap_or_default();
        let expected = format!("an episode may take 2000 tokens, but the key-value budget holds {held}");
        assert!(error.ends_with(&expected), "{error}");
    }
}
