//! From rewards of spans to advantages of tokens.

use eyas_core::{ScoreSheet, TokenKind, TokenSpan};

use super::estimator::{
    batch_norm, gdpo, group_norm, mixed_group, opo, pass_at_k, reinforce_plus_plus_baseline, rloo,
    sigma_filter,
};
use super::shape::{BatchMeans, Member, Shape};
use super::{AdvantageConfig, AdvantageError, Estimator, to_finite_f32};

/// The advantages of a group's tokens.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenAdvantages {
    /// Per episode, per token; 0 where the mask is false. Always finite.
    pub values: Vec<Vec<f32>>,
    /// Per episode, per token: true for the sampled tokens of graded episodes.
    pub mask: Vec<Vec<bool>>,
    /// True when every part of the reward is dead. Such a group should be dropped, and counted.
    pub dead: bool,
    /// Number of episodes left out because a score is invalid.
    pub invalid: usize,
}

/// A group as advantages see it.
#[derive(Clone, Debug)]
pub struct GroupInput<'a> {
    /// Per episode its score sheet, the same rewards in the same order in each.
    pub scores: Vec<&'a [ScoreSheet]>,
    /// Per episode the kind of each token.
    pub kinds: Vec<&'a [TokenKind]>,
    /// Per episode what else is known of it; empty: nothing is.
    pub members: Vec<Member>,
}

/// Credits each sampled token of a batch of groups with the rewards that speak of it.
///
/// The rewards of each [`TokenSpan`] are summed with their weights, and the [`Estimator`] makes advantages of
/// the sums, each span on its own. A token gets the advantage of `All`, plus that of `Perception` if it lies
/// in a perception block, else that of `Action`. A part that is dead adds 0. With no other span than `All`
/// and the estimator of groups this is GRPO.
///
/// Each [`Shape`] of the settings then multiplies the advantages of whole episodes, or takes episodes out.
///
/// An episode with an invalid score has no total, so it takes part in nothing and its mask is false
/// throughout.
///
/// # Errors
/// [`AdvantageError`] when the numbers of episodes differ, the score sheets of a group name different rewards,
/// or a setting is out of range.
pub fn token_advantages(
    groups: &[GroupInput<'_>],
    cfg: &AdvantageConfig,
) -> Result<Vec<TokenAdvantages>, AdvantageError> {
    cfg.check()?;
    let graded = groups.iter().map(graded).collect::<Result<Vec<_>, _>>()?;
    let part = |span| estimate(groups, &graded, span, cfg.estimator);
    let (all, perception, action) =
        (part(TokenSpan::All)?, part(TokenSpan::Perception)?, part(TokenSpan::Action)?);
    let lay = |i: usize| lay(&groups[i], &graded[i], [&all[i], &perception[i], &action[i]]);
    let mut laid: Vec<TokenAdvantages> = (0..groups.len()).map(lay).collect();
    let batch = BatchMeans::of(groups.iter().map(|g| g.members.as_slice()));
    for (i, (group, laid)) in groups.iter().zip(&mut laid).enumerate() {
        let whole = Whole::of(group, &graded[i], [&all[i], &perception[i], &action[i]]);
        for shape in &cfg.shape {
            reshape(laid, group, &whole, shape, &batch)?;
        }
    }
    Ok(laid)
}

/// The whole reward of each episode and its advantage.
struct Whole {
    rewards: Vec<Option<f64>>,
    advantages: Vec<Option<f64>>,
}

impl Whole {
    fn of(group: &GroupInput<'_>, graded: &[bool], parts: [&Part; 3]) -> Self {
        const SPANS: [TokenSpan; 3] = [TokenSpan::All, TokenSpan::Perception, TokenSpan::Action];
        let episodes = graded.iter().enumerate();
        let reward = |(i, graded): (usize, &bool)| {
            graded.then(|| SPANS.iter().map(|span| span_sum(group.scores[i], *span)).sum())
        };
        let advantage = |(i, graded): (usize, &bool)| {
            graded.then(|| parts.iter().map(|p| p.values[i].unwrap_or(0.0)).sum())
        };
        Self {
            rewards: episodes.clone().map(reward).collect(),
            advantages: episodes.map(advantage).collect(),
        }
    }
}

/// Applies one shape. A group that nobody is left of is dead.
fn reshape(
    laid: &mut TokenAdvantages,
    group: &GroupInput<'_>,
    whole: &Whole,
    shape: &Shape,
    batch: &BatchMeans,
) -> Result<(), AdvantageError> {
    let unknown = vec![Member::default(); group.kinds.len()];
    let members = if group.members.is_empty() { &unknown } else { &group.members };
    if members.len() != group.kinds.len() {
        let (got, expected) = (members.len(), group.kinds.len());
        return Err(AdvantageError::Entries { name: "members", got, expected });
    }
    let shaped = shape.apply(members, &whole.rewards, &whole.advantages, batch)?;
    let episodes = laid.values.iter_mut().zip(&mut laid.mask).zip(shaped.factors).zip(shaped.takes_part);
    for (((values, mask), factor), takes_part) in episodes {
        values.iter_mut().for_each(|v| *v = to_finite_f32(f64::from(*v) * factor));
        if !takes_part {
            values.fill(0.0);
            mask.fill(false);
        }
    }
    let moves = laid.values.iter().flatten().any(|v| *v != 0.0);
    laid.dead = laid.dead || !moves;
    Ok(())
}

/// The advantages of a group's members by the rewards of one span.
struct Part {
    values: Vec<Option<f64>>,
}

impl Part {
    /// Nobody is told apart from anybody.
    fn dead(&self) -> bool {
        self.values.iter().flatten().all(|v| *v == 0.0)
    }
}

/// The advantages of each group of the batch by the rewards of `span`.
fn estimate(
    groups: &[GroupInput<'_>],
    graded: &[Vec<bool>],
    span: TokenSpan,
    estimator: Estimator,
) -> Result<Vec<Part>, AdvantageError> {
    let of = |value: &dyn Fn(&[ScoreSheet]) -> f64| -> Vec<Vec<Option<f64>>> {
        let group = |(group, graded): (&GroupInput<'_>, &Vec<bool>)| {
            group.scores.iter().zip(graded).map(|(sheet, graded)| graded.then(|| value(sheet))).collect()
        };
        groups.iter().zip(graded).map(group).collect()
    };
    let sums = of(&|sheet| span_sum(sheet, span));
    let refs: Vec<&[Option<f64>]> = sums.iter().map(Vec::as_slice).collect();
    let lengths: Vec<Vec<usize>> = groups.iter().map(sampled_lengths).collect();
    let each = |estimate: &dyn Fn(usize) -> Result<Vec<Option<f64>>, AdvantageError>| {
        (0..groups.len()).map(estimate).collect::<Result<Vec<_>, _>>()
    };
    let values = match estimator {
        Estimator::Group(cfg) => each(&|i| group_norm(refs[i], &cfg))?,
        Estimator::Rloo => each(&|i| Ok(rloo(refs[i])))?,
        Estimator::Opo => each(&|i| opo(refs[i], &lengths[i]))?,
        Estimator::PassAtK(cfg) => each(&|i| pass_at_k(refs[i], &cfg))?,
        Estimator::Mixed(cfg) => each(&|i| mixed_group(refs[i], &off_policy(&groups[i]), &cfg))?,
        Estimator::Batch(cfg) => batch_norm(&refs, &cfg)?,
        Estimator::SigmaFilter(cfg) => sigma_filter(&refs, &cfg)?,
        Estimator::ReinforcePlusPlusBaseline(cfg) => {
            let lengths: Vec<&[usize]> = lengths.iter().map(Vec::as_slice).collect();
            reinforce_plus_plus_baseline(&refs, &lengths, &cfg)?
        }
        Estimator::Gdpo(cfg) => {
            // The same rewards in every group, as was checked.
            let sheet = groups.iter().find_map(|g| g.scores.first()).copied().unwrap_or_default();
            let rows: Vec<usize> = (0..sheet.len()).filter(|k| sheet[*k].span == span).collect();
            let weights: Vec<f64> = rows.iter().map(|k| f64::from(sheet[*k].weight)).collect();
            let score = |k: usize| of(&|s: &[ScoreSheet]| s[k].score.value().map_or(0.0, f64::from));
            let apart: Vec<Vec<Vec<Option<f64>>>> = rows.into_iter().map(score).collect();
            let apart: Vec<Vec<&[Option<f64>]>> =
                apart.iter().map(|r| r.iter().map(Vec::as_slice).collect()).collect();
            let apart: Vec<&[&[Option<f64>]]> = apart.iter().map(Vec::as_slice).collect();
            if apart.is_empty() { of(&|_| 0.0) } else { gdpo(&apart, &weights, &cfg)? }
        }
    };
    Ok(values.into_iter().map(|values| Part { values }).collect())
}

fn sampled_lengths(group: &GroupInput<'_>) -> Vec<usize> {
    group.kinds.iter().map(|kinds| kinds.iter().filter(|k| k.is_sampled()).count()).collect()
}

fn off_policy(group: &GroupInput<'_>) -> Vec<bool> {
    (0..group.kinds.len()).map(|i| group.members.get(i).is_some_and(|m| m.off_policy)).collect()
}

/// Which episodes of the group have all their scores.
fn graded(group: &GroupInput<'_>) -> Result<Vec<bool>, AdvantageError> {
    let (scores, kinds) = (group.scores.len(), group.kinds.len());
    if scores != kinds {
        return Err(AdvantageError::Length { scores, kinds });
    }
    let rewards = group.scores.first().copied().unwrap_or_default();
    match group.scores.iter().position(|sheet| !same_rewards(rewards, sheet)) {
        Some(episode) => Err(AdvantageError::Rewards { episode }),
        None => Ok(group.scores.iter().map(|sheet| is_graded(sheet)).collect()),
    }
}

/// Lays the advantages of the spans on the tokens they speak of.
fn lay(group: &GroupInput<'_>, graded: &[bool], [all, perception, action]: [&Part; 3]) -> TokenAdvantages {
    let mut values = Vec::with_capacity(group.kinds.len());
    let mut mask = Vec::with_capacity(group.kinds.len());
    for (episode, kinds) in group.kinds.iter().enumerate() {
        let of = |part: &Part| part.values[episode].unwrap_or(0.0);
        let token = |kind: &TokenKind| match kind {
            kind if !graded[episode] || !kind.is_sampled() => 0.0,
            TokenKind::Perception => to_finite_f32(of(all) + of(perception)),
            _ => to_finite_f32(of(all) + of(action)),
        };
        values.push(kinds.iter().map(token).collect());
        mask.push(kinds.iter().map(|kind| graded[episode] && kind.is_sampled()).collect());
    }
    // A span that no reward speaks of sums to 0 for everyone, which is dead as well.
    let dead = all.dead() && perception.dead() && action.dead();
    TokenAdvantages { values, mask, dead, invalid: graded.iter().filter(|g| !**g).count() }
}

fn same_rewards(a: &[ScoreSheet], b: &[ScoreSheet]) -> bool {
    let same = |a: &ScoreSheet, b: &ScoreSheet| {
        a.name == b.name && a.span == b.span && a.weight.to_bits() == b.weight.to_bits()
    };
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}

/// True when every score and every weight is a number.
fn is_graded(sheet: &[ScoreSheet]) -> bool {
    sheet.iter().all(|s| s.weight.is_finite() && s.score.value().is_some_and(f32::is_finite))
}

/// Weighted sum of the rewards of one span; 0 when there are none.
fn span_sum(sheet: &[ScoreSheet], span: TokenSpan) -> f64 {
    let weighted = |s: &ScoreSheet| f64::from(s.weight) * f64::from(s.score.value().unwrap_or(0.0));
    sheet.iter().filter(|s| s.span == span).map(weighted).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advantage::estimator::{GroupNorm, Spread};
    use eyas_core::{Invalid, Score};

    const STD: AdvantageConfig = AdvantageConfig {
        estimator: Estimator::Group(GroupNorm { spread: Spread::Sample, eps: 0.0 }),
        shape: Vec::new(),
    };
    const NONE: AdvantageConfig = AdvantageConfig {
        estimator: Estimator::Group(GroupNorm { spread: Spread::None, eps: 0.0 }),
        shape: Vec::new(),
    };

    /// One group.
    fn token_advantages(
        scores: &[&[ScoreSheet]],
        kinds: &[&[TokenKind]],
        cfg: AdvantageConfig,
    ) -> Result<TokenAdvantages, AdvantageError> {
        let group = GroupInput { scores: scores.to_vec(), kinds: kinds.to_vec(), members: Vec::new() };
        super::token_advantages(&[group], &cfg).map(|mut groups| groups.remove(0))
    }

    fn row(span: TokenSpan, weight: f32, score: f32) -> ScoreSheet {
        ScoreSheet { name: format!("{span:?}"), weight, span, score: Score::from_value(score) }
    }

    use TokenKind::{Answer, Image, Observation, Other, Perception, Prompt, Think};

    #[test]
    fn one_advantage_for_all_sampled_tokens_is_grpo() {
        // Two rewards of span All: totals 1 + 2·1 = 3 and 1 + 2·0 = 1; mean 2, std √2.
        let a = [row(TokenSpan::All, 1.0, 1.0), row(TokenSpan::All, 2.0, 1.0)];
        let b = [row(TokenSpan::All, 1.0, 1.0), row(TokenSpan::All, 2.0, 0.0)];
        let t =
            token_advantages(&[&a, &b], &[&[Prompt, Image, Think, Observation, Answer], &[]], STD).unwrap();
        let h = std::f32::consts::FRAC_1_SQRT_2;
        assert_eq!(t.mask[0], [false, false, true, false, true]);
        for (got, want) in t.values[0].iter().zip([0.0, 0.0, h, 0.0, h]) {
            assert!((got - want).abs() < 1e-6, "{:?}", t.values);
        }
        assert_eq!(t.values[0].len(), 5);
        assert!(t.values[1].is_empty() && t.mask[1].is_empty(), "an empty response");
        assert!(!t.dead);
    }

    #[test]
    fn spans_are_normalised_apart() {
        // All: 0 or 2, Perception: 1 or 0, Action: 0 or 4. Differences from the mean, unscaled.
        let a = [
            row(TokenSpan::All, 1.0, 0.0),
            row(TokenSpan::Perception, 1.0, 1.0),
            row(TokenSpan::Action, 0.5, 0.0),
        ];
        let b = [
            row(TokenSpan::All, 1.0, 2.0),
            row(TokenSpan::Perception, 1.0, 0.0),
            row(TokenSpan::Action, 0.5, 8.0),
        ];
        let kinds: &[TokenKind] = &[Prompt, Perception, Think, Answer, Other];
        let t = token_advantages(&[&a, &b], &[kinds, kinds], NONE).unwrap();
        assert_eq!(t.values[0], [0.0, -0.5, -3.0, -3.0, -3.0]);
        assert_eq!(t.values[1], [0.0, 0.5, 3.0, 3.0, 3.0]);
    }

    #[test]
    fn a_group_is_dead_when_all_its_parts_are() {
        let sheet = |perception| [row(TokenSpan::All, 1.0, 1.0), row(TokenSpan::Perception, 1.0, perception)];
        let (zero, one) = (sheet(0.0), sheet(1.0));
        let kinds: &[TokenKind] = &[Perception, Answer];
        let alive = token_advantages(&[&zero, &one], &[kinds, kinds], NONE).unwrap();
        assert!(!alive.dead);
        assert_eq!(alive.values, [[-0.5, 0.0], [0.5, 0.0]]);
        let dead = token_advantages(&[&one, &one], &[kinds, kinds], NONE).unwrap();
        assert!(dead.dead && dead.values == [[0.0; 2]; 2]);
        assert!(token_advantages(&[&[], &[]], &[kinds, kinds], STD).unwrap().dead, "no rewards");
        assert!(token_advantages(&[], &[], STD).unwrap().dead);
    }

    #[test]
    fn an_ungraded_episode_takes_part_in_nothing() {
        let sheet = |all| [row(TokenSpan::All, 1.0, all), row(TokenSpan::Perception, 1.0, all)];
        let mut ungraded = sheet(100.0);
        ungraded[1].score = Score::Invalid(Invalid::NonFinite);
        let (zero, one) = (sheet(0.0), sheet(1.0));
        let kinds: &[TokenKind] = &[Answer, Perception];
        let t = token_advantages(&[&zero, &ungraded, &one], &[kinds; 3], NONE).unwrap();
        assert_eq!(t.values, [[-0.5, -1.0], [0.0, 0.0], [0.5, 1.0]]);
        assert_eq!(t.mask, [[true; 2], [false; 2], [true; 2]]);
        assert_eq!((t.invalid, t.dead), (1, false));

        let t = token_advantages(&[&ungraded, &ungraded], &[kinds; 2], STD).unwrap();
        assert_eq!((t.invalid, t.dead), (2, true));
    }

    #[test]
    fn mismatched_input_is_refused() {
        let a = [row(TokenSpan::All, 1.0, 1.0)];
        let heavier = [row(TokenSpan::All, 2.0, 1.0)];
        let kinds: &[TokenKind] = &[Answer];
        let cfg = AdvantageConfig::default;
        assert_eq!(token_advantages(&[&a], &[], cfg()), Err(AdvantageError::Length { scores: 1, kinds: 0 }));
        assert_eq!(
            token_advantages(&[&a, &heavier], &[kinds; 2], cfg()),
            Err(AdvantageError::Rewards { episode: 1 })
        );
        assert_eq!(
            token_advantages(&[&a, &[]], &[kinds; 2], cfg()),
            Err(AdvantageError::Rewards { episode: 1 })
        );
    }

    #[test]
    fn eps_is_checked() {
        for eps in [f64::NAN, f64::INFINITY, -0.5] {
            let cfg = AdvantageConfig {
                estimator: Estimator::Group(GroupNorm { spread: Spread::Sample, eps }),
                ..AdvantageConfig::default()
            };
            assert!(matches!(token_advantages(&[], &[], cfg), Err(AdvantageError::Eps(_))));
        }
    }

    #[test]
    fn shapes_multiply_whole_episodes_or_take_them_out() {
        let (zero, one) = ([row(TokenSpan::All, 1.0, 0.0)], [row(TokenSpan::All, 1.0, 1.0)]);
        let kinds: &[TokenKind] = &[Prompt, Answer];
        let member = |unfinished| Member { unfinished, ..Member::default() };
        let group = |members| GroupInput { scores: vec![&zero, &one, &one], kinds: vec![kinds; 3], members };
        let with = |shape, members| {
            let cfg = AdvantageConfig { shape, ..NONE };
            super::token_advantages(&[group(members)], &cfg).map(|mut groups| groups.remove(0))
        };
        let sign = Shape::Sign(super::super::shape::SignWeights { positive: 0.5, negative: 2.0 });
        let third = 1.0 / 3.0;
        let t = with(vec![sign], vec![]).unwrap();
        let answers: Vec<f32> = t.values.iter().map(|v| v[1]).collect();
        for (got, want) in answers.iter().zip([-4.0 * third, 0.5 * third, 0.5 * third]) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{answers:?}");
        }
        let members = vec![member(true), member(false), member(false)];
        let t = with(vec![Shape::Finished], members).unwrap();
        assert_eq!((t.values[0][1], t.mask[0][1], t.dead), (0.0, false, false));
        assert!(with(vec![Shape::Finished], vec![member(true); 3]).unwrap().dead, "nobody is left");
        assert!(matches!(
            with(vec![Shape::Finished], vec![member(true); 2]),
            Err(AdvantageError::Entries { name: "members", got: 2, expected: 3 })
        ));
    }
}
