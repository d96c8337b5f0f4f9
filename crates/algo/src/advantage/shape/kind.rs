//! The shapes that a recipe can list.

use serde::{Deserialize, Serialize};

use super::{
    AccuracyBand, Dgrpo, Lead, MiouWeight, Odsw, PassRateWeight, SignWeights, Stcr, Uadt, dgrpo_weight,
    lead_advantages, max_variance_subset, miou_weight, odsw_weight, pass_rate, pass_rate_weight,
    sign_weighted, stcr, trainable, uadt_advantages, uncertainty, without_unfinished,
};
use crate::advantage::AdvantageError;

/// What is known of a member beside its scores.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Member {
    /// Whether it reached its goal; `None` when that cannot be said.
    pub correct: Option<bool>,
    /// How good it was, 0 to 1, where that can be said.
    pub quality: Option<f64>,
    /// Sampled tokens.
    pub length: usize,
    /// It was cut at a limit of tokens or turns.
    pub unfinished: bool,
    /// Another policy wrote it.
    pub off_policy: bool,
    /// The mean of `−log p` over its sampled tokens, in nats: what the entropy of the distributions that they were
    /// drawn from is on average. `None` when another policy wrote it.
    pub surprise: Option<f64>,
}

/// Means over a batch of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BatchMeans {
    /// The members' quality; 0 when none is known.
    pub quality: f64,
    /// The groups' [`uncertainty`]; `None` when none is known.
    pub uncertainty: Option<f64>,
}

impl BatchMeans {
    /// Of the members of each group.
    pub fn of<'a>(groups: impl Iterator<Item = &'a [Member]> + Clone) -> Self {
        let qualities = groups.clone().flatten().filter_map(|m| m.quality);
        let (sum, count) = qualities.fold((0.0, 0), |(sum, count), q| (sum + q, count + 1));
        let known: Vec<Option<f64>> = groups.map(unsure).collect();
        Self {
            quality: if count > 0 { sum / f64::from(count) } else { 0.0 },
            uncertainty: uncertainty(&known),
        }
    }
}

/// The uncertainty about what a group starts from.
fn unsure(members: &[Member]) -> Option<f64> {
    uncertainty(&members.iter().map(|m| m.surprise).collect::<Vec<_>>())
}

/// A change of advantages that are known already.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Shape {
    /// See [`odsw_weight`]; the accuracy is the share of members that reached their goal.
    Odsw(Odsw),
    /// See [`pass_rate_weight`].
    PassRate(PassRateWeight),
    /// See [`miou_weight`], of the members' mean quality.
    MeanQuality(MiouWeight),
    /// See [`dgrpo_weight`]: the mean quality of the batch is the task's, that of the group the sample's.
    Dgrpo(Dgrpo),
    /// See [`lead_advantages`].
    Lead(Lead),
    /// See [`stcr`].
    Stcr(Stcr),
    /// See [`uadt_advantages`]: the uncertainty is that of the group's sampled tokens, the usual one that of the batch.
    Uadt(Uadt),
    /// See [`sign_weighted`].
    Sign(SignWeights),
    /// Members that were cut at a limit take no part: see [`without_unfinished`].
    Finished,
    /// Groups whose mean quality lies outside take no part: see [`trainable`].
    AccuracyBand(AccuracyBand),
    /// Only the members whose rewards vary most take part: see [`max_variance_subset`].
    MaxVariance {
        /// How many of a group, at least 2.
        keep: usize,
    },
}

/// What a shape says of the members of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Shaped {
    /// What the advantages of each member are multiplied by.
    pub factors: Vec<f64>,
    /// Whether each member takes part at all.
    pub takes_part: Vec<bool>,
}

impl Shape {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`AdvantageError`] naming the setting.
    pub fn check(&self) -> Result<(), AdvantageError> {
        match self {
            Self::Odsw(cfg) => cfg.check(),
            Self::PassRate(cfg) => cfg.check(),
            Self::MeanQuality(cfg) => cfg.check(),
            Self::Dgrpo(cfg) => cfg.check(),
            Self::Lead(cfg) => cfg.check(),
            Self::Stcr(cfg) => cfg.check(),
            Self::Uadt(cfg) => cfg.check(),
            Self::Sign(cfg) => cfg.check(),
            Self::AccuracyBand(cfg) => cfg.check(),
            Self::MaxVariance { keep } if *keep < 2 => {
                Err(AdvantageError::Config { name: "keep", value: *keep as f64, range: "at least 2" })
            }
            Self::Finished | Self::MaxVariance { .. } => Ok(()),
        }
    }

    /// Applies the shape to a group.
    ///
    /// `advantages` and `rewards`: of each member's whole reward; `None` without a score. `batch`: means
    /// over all its groups.
    ///
    /// # Errors
    /// [`AdvantageError`] when slices differ in length or a setting is out of range.
    pub fn apply(
        &self,
        members: &[Member],
        rewards: &[Option<f64>],
        advantages: &[Option<f64>],
        batch: &BatchMeans,
    ) -> Result<Shaped, AdvantageError> {
        let n = members.len();
        let correct: Vec<Option<bool>> = members.iter().map(|m| m.correct).collect();
        let quality: Vec<Option<f64>> = members.iter().map(|m| m.quality).collect();
        let known = quality.iter().flatten().count();
        let mean_quality = quality.iter().flatten().sum::<f64>() / known.max(1) as f64;
        let each = |factors: Vec<f64>| Shaped { factors, takes_part: vec![true; n] };
        let all = |factor: f64| each(vec![factor; n]);
        let only = |takes_part: Vec<bool>| Shaped { factors: vec![1.0; n], takes_part };
        Ok(match (self, pass_rate(&correct)) {
            (Self::Odsw(cfg), Some(p)) => all(odsw_weight(p, cfg)?),
            (Self::PassRate(cfg), Some(p)) => all(pass_rate_weight(p, cfg)?),
            (Self::Lead(cfg), Some(p)) => each(factors(advantages, |a| lead_advantages(a, p, cfg))?),
            (Self::MeanQuality(cfg), _) if known > 0 => all(miou_weight(mean_quality, cfg)?),
            (Self::Dgrpo(cfg), _) if known > 0 => {
                all(dgrpo_weight(batch.quality.clamp(0.0, 1.0), mean_quality, cfg)?)
            }
            // Nothing is known that the weight could depend on.
            (Self::Odsw(_) | Self::PassRate(_) | Self::Lead(_), None)
            | (Self::MeanQuality(_) | Self::Dgrpo(_), _) => all(1.0),
            (Self::Stcr(cfg), _) => {
                let lengths: Vec<usize> = members.iter().map(|m| m.length).collect();
                each(factors(advantages, |a| stcr(a, &correct, &lengths, cfg))?)
            }
            (Self::Uadt(cfg), _) => match unsure(members).zip(batch.uncertainty) {
                Some((u, usual)) if usual > 0.0 => {
                    let lengths: Vec<usize> = members.iter().map(|m| m.length).collect();
                    each(factors(advantages, |a| uadt_advantages(a, &correct, &lengths, u, usual, cfg))?)
                }
                _ => all(1.0),
            },
            (Self::Sign(cfg), _) => each(factors(advantages, |a| sign_weighted(a, cfg))?),
            (Self::Finished, _) => {
                let unfinished: Vec<bool> = members.iter().map(|m| m.unfinished).collect();
                let kept = without_unfinished(advantages, &unfinished)?;
                only(kept.iter().map(Option::is_some).collect())
            }
            (Self::AccuracyBand(band), _) => only(vec![trainable(&quality, band)?; n]),
            (Self::MaxVariance { keep }, _) => {
                let kept = max_variance_subset(rewards, *keep);
                only((0..n).map(|i| kept.contains(&i)).collect())
            }
        })
    }
}

/// What a function that multiplies advantages multiplies each one by.
fn factors(
    advantages: &[Option<f64>],
    weigh: impl Fn(&[Option<f64>]) -> Result<Vec<Option<f64>>, AdvantageError>,
) -> Result<Vec<f64>, AdvantageError> {
    let signs: Vec<Option<f64>> = advantages.iter().map(|a| a.map(f64::signum)).collect();
    let weighed = weigh(&signs)?;
    Ok(signs.iter().zip(weighed).map(|(sign, w)| sign.zip(w).map_or(1.0, |(sign, w)| w / sign)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(correct: bool, length: usize) -> Member {
        let quality = Some(f64::from(u8::from(correct)));
        Member { correct: Some(correct), quality, length, ..Member::default() }
    }

    fn apply(shape: Shape, members: &[Member], advantages: &[f64]) -> Shaped {
        let some: Vec<Option<f64>> = advantages.iter().copied().map(Some).collect();
        shape.apply(members, &some, &some, &BatchMeans { quality: 0.5, uncertainty: Some(2.0) }).unwrap()
    }

    #[test]
    fn weights_by_hand() {
        // Two of four right: 4 · 1.8 · 0.25 = 1.8.
        let half = [member(true, 10), member(true, 10), member(false, 10), member(false, 1010)];
        let a = [1.0, 1.0, -1.0, -1.0];
        let pass_rate = apply(Shape::PassRate(PassRateWeight::default()), &half, &a);
        assert_eq!(pass_rate.factors, [1.8; 4]);
        let long = apply(Shape::Stcr(Stcr::default()), &half, &a);
        assert_eq!(long.factors[..3], [1.0; 3]);
        assert!((long.factors[3] - 1.00995).abs() < 1e-5);
        let sign = apply(Shape::Sign(SignWeights { positive: 2.0, negative: 0.5 }), &half, &a);
        assert_eq!(sign.factors, [2.0, 2.0, 0.5, 0.5]);
        assert_eq!(sign.takes_part, [true; 4]);
    }

    #[test]
    fn long_right_answers_of_uncertain_groups_gain() {
        let told = |correct, length, surprise| Member { surprise, ..member(correct, length) };
        // 3 nats where 2 are usual: right answers of 150 and 50 tokens, 100 on average.
        let group = [told(true, 150, Some(4.0)), told(true, 50, Some(2.0)), told(false, 900, None)];
        let a = [1.0, 1.0, -1.0];
        assert_eq!(apply(Shape::Uadt(Uadt::default()), &group, &a).factors, [1.125, 1.0, 1.0]);
        let means = BatchMeans::of([&group[..], &group[1..2], &group[2..]].into_iter());
        assert_eq!(means, BatchMeans { quality: 0.6, uncertainty: Some(2.5) });
        assert_eq!(BatchMeans::of([].into_iter()), BatchMeans::default());
    }

    #[test]
    fn who_takes_part() {
        let mut group = [member(true, 1), member(false, 1), member(false, 1)];
        group[1].unfinished = true;
        let finished = apply(Shape::Finished, &group, &[1.0, -1.0, 0.0]);
        assert_eq!(finished.takes_part, [true, false, true]);
        let two = apply(Shape::MaxVariance { keep: 2 }, &group, &[1.0, -1.0, 0.1]);
        assert_eq!(two.takes_part, [true, true, false]);
        let band = Shape::AccuracyBand(AccuracyBand { low: 0.5, high: 0.9, ..AccuracyBand::default() });
        assert_eq!(apply(band, &group, &[1.0, -1.0, 0.0]).takes_part, [false; 3], "1/3 lies outside");
    }

    #[test]
    fn without_facts_nothing_changes() {
        let nobody = [Member::default(); 2];
        for shape in [
            Shape::Odsw(Odsw::default()),
            Shape::PassRate(PassRateWeight::default()),
            Shape::MeanQuality(MiouWeight::default()),
            Shape::Lead(Lead::default()),
            Shape::Stcr(Stcr::default()),
            Shape::Uadt(Uadt::default()),
        ] {
            assert_eq!(apply(shape, &nobody, &[1.0, -1.0]).factors, [1.0; 2], "{shape:?}");
        }
        assert!(Shape::MaxVariance { keep: 1 }.check().is_err());
    }

    #[test]
    fn reads_what_it_writes() {
        for text in [
            r#"{"kind":"odsw","stage":"hard"}"#,
            r#"{"kind":"stcr"}"#,
            r#"{"kind":"finished"}"#,
            r#"{"kind":"max_variance","keep":4}"#,
        ] {
            let shape: Shape = serde_json::from_str(text).unwrap();
            let again = serde_json::from_str(&serde_json::to_string(&shape).unwrap()).unwrap();
            assert_eq!(shape, again);
        }
        assert!(serde_json::from_str::<Shape>(r#"{"kind":"stcr","rates":1}"#).is_err());
    }
}
