//! What the reference policy has to say before rewards are given.

use eyas_core::{Group, TokenKind, Trajectory};
use eyas_model::{ImageStore, Policy, ScoreOptions};
use serde_json::{Map, Value};

use crate::TrainError;
use crate::optim::micro_batches;
use crate::recipe::{ReferencePolicy, RlStage};

/// The field of rewards for the mean log-probability of the answer's tokens.
const FIELD: &str = "answer_logprob";

/// A log-probability of tokens that are not there: an answer that was not written is as unlikely as can be.
const NEVER: f64 = -1e4;

/// Further fields of every episode that rewards of `stage` read: `answer_logprob`, the mean log-probability of
/// the tokens of its answers under the reference, given everything before them, at temperature 1. Empty when no
/// reward reads it.
///
/// # Errors
/// When the reference cannot score an episode.
pub(super) fn known_fields(
    stage: &RlStage,
    groups: &[Group],
    reference: Option<&Policy>,
    images: &ImageStore,
) -> Result<Vec<Vec<Map<String, Value>>>, TrainError> {
    let Some(reference) = reference.filter(|_| reads_likelihood(stage)) else {
        return Ok(Vec::new());
    };
    let trajectories: Vec<Vec<&Trajectory>> =
        groups.iter().map(|g| g.episodes.iter().map(|e| &e.trajectory).collect()).collect();
    let mut known = Vec::with_capacity(groups.len());
    for micro in micro_batches(&trajectories, stage.optim.micro_batch_tokens) {
        let scored = reference.score(micro, images, &ScoreOptions::default())?;
        let mut sums: Vec<Vec<(f64, usize)>> = micro.iter().map(|g| vec![(0.0, 0); g.len()]).collect();
        for (origin, logprob) in scored.origins.iter().zip(&scored.logprobs) {
            if micro[origin.group][origin.member].kinds()[origin.token] == TokenKind::Answer {
                let (sum, tokens) = &mut sums[origin.group][origin.member];
                *sum += f64::from(*logprob);
                *tokens += 1;
            }
        }
        let field = |(sum, tokens): &(f64, usize)| {
            let mean = if *tokens > 0 { (sum / *tokens as f64).min(0.0) } else { NEVER };
            Map::from_iter([(FIELD.to_string(), Value::from(mean))])
        };
        known.extend(sums.iter().map(|group| group.iter().map(field).collect::<Vec<_>>()));
    }
    Ok(known)
}

/// Whether a reward reads `answer_logprob`.
pub(super) fn reads_likelihood(stage: &RlStage) -> bool {
    stage.reward.iter().any(|reward| reward.reads_field(FIELD))
}

/// What a reference that judges is called: its weights. `None` for one that moves, which never judges.
pub(super) fn reference_name(stage: &RlStage, reference: Option<&Policy>) -> Option<String> {
    let asks = stage.reward.iter().any(|reward| reward.judges().is_ok_and(|judges| !judges.is_empty()));
    let stays = stage.reference == ReferencePolicy::Start;
    reference.filter(|_| asks && stays).map(|policy| format!("policy {}", policy.weights_hash()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Recipe, Stage};
    use eyas_core::{EPISODE_VERSION, Episode, Outcome, Seed};
    use eyas_model::Vlm;

    const RECIPE: &str = "[model]\npreset = \"tiny\"\n[[stage]]\nkind = \"rl\"\nsteps = 1\n\
        env = [{ id = \"2048\" }]\nreward = [{ name = \"consistency_bonus\" }]\noptim = { lr = 1e-3 }\n";

    /// An episode in which the policy wrote `ids`, of these kinds.
    fn episode(model: &Vlm, ids: &[u32], kinds: &[TokenKind]) -> Episode {
        let mut trajectory = Trajectory::new(model.policy.config().image_token_id);
        let pushed = trajectory
            .push_text(&[103, 104, 105], 0)
            .and_then(|()| trajectory.push_sampled(ids, kinds, &vec![-1.0; ids.len()], 0));
        assert!(pushed.is_ok(), "{pushed:?}");
        Episode {
            version: EPISODE_VERSION,
            env: "2048".into(),
            seed: Seed::new(1),
            knobs: Value::Null,
            turns: Vec::new(),
            trajectory,
            scores: Vec::new(),
            env_return: 0.0,
            env_score: 0.0,
            outcome: Outcome::Failure,
            images: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn the_answers_tokens_are_averaged_under_the_reference() {
        let recipe = Recipe::from_toml(RECIPE, "r.toml").unwrap_or_else(|e| panic!("{e}"));
        let Some(Stage::Rl(stage)) = recipe.stages.first() else { panic!("no RL stage") };
        let model = Vlm::tiny(["abc".to_string()].into_iter(), 300, &[], Seed::new(1));
        let model = model.unwrap_or_else(|e| panic!("{e}"));
        let (think, answer) = (TokenKind::Think, TokenKind::Answer);
        let episodes = vec![
            episode(&model, &[106, 107, 108, 109], &[think, answer, answer, TokenKind::Other]),
            episode(&model, &[106, 107], &[think, think]),
        ];
        let images = ImageStore::default();
        let scored = model.policy.score(&[vec![&episodes[0].trajectory]], &images, &ScoreOptions::default());
        let logprobs = scored.map(|s| s.logprobs).unwrap_or_else(|e| panic!("{e}"));
        let groups = [Group { episodes }];
        let known = known_fields(stage, &groups, Some(&model.policy), &images);
        let known = known.unwrap_or_else(|e| panic!("{e}"));
        let field = |member: usize| known[0][member][FIELD].as_f64().unwrap_or(f64::NAN);
        let mean = f64::from(logprobs[1] + logprobs[2]) / 2.0;
        assert!((field(0) - mean).abs() < 1e-5 && mean < 0.0, "{} {mean}", field(0));
        assert_eq!(field(1), NEVER, "no answer is as unlikely as can be");

        let other = RECIPE.replace("consistency_bonus", "game");
        let other = Recipe::from_toml(&other, "r.toml").unwrap_or_else(|e| panic!("{e}"));
        let Some(Stage::Rl(other)) = other.stages.first() else { panic!("no RL stage") };
        assert!(known_fields(other, &groups, Some(&model.policy), &images).is_ok_and(|k| k.is_empty()));
    }
}
