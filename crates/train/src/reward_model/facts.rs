//! What a reward model is shown that the policy was not.

use std::borrow::Cow;

use eyas_core::{Episode, Trajectory};
use eyas_model::Vlm;
use eyas_rollout::RolloutError;

use crate::TrainError;

/// What a reward model reads of an episode: its trajectory, and with `facts` also what there truly was to be seen in
/// each turn, in words, right before the response to it (the factually augmented reward model of LLaVA-RLHF, Sun et
/// al., arXiv 2309.14525, with the environment's exact perception in the place of captions).
///
/// # Errors
/// When the words cannot be made tokens, or the trajectory refuses them.
pub(super) fn reading<'e>(
    model: &Vlm,
    episode: &'e Episode,
    facts: bool,
) -> Result<Cow<'e, Trajectory>, TrainError> {
    if !facts {
        return Ok(Cow::Borrowed(&episode.trajectory));
    }
    let from = &episode.trajectory;
    let (kinds, turns) = (from.kinds(), from.turns());
    let mut to = Trajectory::new(model.policy.config().image_token_id);
    let mut images = from.images().iter().peekable();
    let (mut at, mut told) = (0, None);
    while at < from.len() {
        let turn = turns[at];
        if let Some(span) = images.next_if(|span| span.start == at) {
            to.push_image(span.id, span.len, turn)?;
            at += span.len;
            continue;
        }
        let sampled = kinds[at].is_sampled();
        let other = |i: &usize| {
            kinds[*i].is_sampled() != sampled
                || turns[*i] != turn
                || images.peek().is_some_and(|span| span.start == *i)
        };
        let end = (at..from.len()).find(other).unwrap_or(from.len());
        if sampled {
            if told != Some(turn) {
                let seen = episode.turns.get(usize::from(turn)).map_or("", |turn| turn.perception.as_str());
                let words = model.tokenizer.encode_plain(&format!("{seen}\n")).map_err(RolloutError::from)?;
                to.push_text(&words, turn)?;
                told = Some(turn);
            }
            to.push_sampled(&from.ids()[at..end], &kinds[at..end], &from.logprobs()[at..end], turn)?;
        } else {
            to.push_text(&from.ids()[at..end], turn)?;
        }
        at = end;
    }
    Ok(Cow::Owned(to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::{EPISODE_VERSION, Image, Outcome, Seed, TokenKind, Turn};

    #[test]
    fn facts_stand_before_each_response_and_nothing_else_changes() {
        let model = Vlm::tiny(["abc".to_string()].into_iter(), 300, &[], Seed::new(1));
        let model = model.unwrap_or_else(|e| panic!("{e}"));
        let mut trajectory = Trajectory::new(model.policy.config().image_token_id);
        let image = Image::new(1, 1, vec![7; 3]).unwrap_or_else(|e| panic!("{e}")).id();
        let pushed = (0..2u16).try_for_each(|turn| {
            trajectory.push_text(&[60, 61], turn)?;
            trajectory.push_image(image, 4, turn)?;
            trajectory.push_text(&[62], turn)?;
            trajectory.push_sampled(&[70, 71], &[TokenKind::Think, TokenKind::Answer], &[-1.0, -2.0], turn)
        });
        assert!(pushed.is_ok(), "{pushed:?}");
        let turn = |seen: &str| Turn { perception: seen.into(), ..Turn::default() };
        let episode = Episode {
            version: EPISODE_VERSION,
            env: "2048".into(),
            seed: Seed::new(1),
            knobs: serde_json::Value::Null,
            turns: vec![turn("8 -"), turn("2 4")],
            trajectory,
            scores: Vec::new(),
            env_return: 0.0,
            env_score: 0.0,
            outcome: Outcome::Failure,
            images: std::collections::BTreeMap::new(),
        };
        let read = |facts| reading(&model, &episode, facts).unwrap_or_else(|e| panic!("{e}")).into_owned();
        assert_eq!(read(false), episode.trajectory);
        let informed = read(true);
        let words = |text: &str| model.tokenizer.encode_plain(text).unwrap_or_else(|e| panic!("{e}"));
        let (first, second) = (words("8 -\n"), words("2 4\n"));
        let (n, m) = (first.len(), second.len());
        assert_eq!(informed.len(), 2 * 9 + n + m);
        assert_eq!(&informed.ids()[7..7 + n], first.as_slice());
        assert_eq!(&informed.ids()[9 + n + 7..9 + n + 7 + m], second.as_slice());
        assert_eq!(informed.sampled_len(), episode.trajectory.sampled_len());
        assert_eq!(informed.images().iter().map(|i| i.start).collect::<Vec<_>>(), [2, 9 + n + 2]);
        assert_eq!((informed.logprobs()[7 + n], informed.logprobs()[8 + n]), (-1.0, -2.0));
        assert!(!informed.kinds()[7].is_sampled() && informed.turns()[9 + n + 7] == 1);
    }
}
