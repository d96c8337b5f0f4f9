//! Which item next.
//!
//! A [`Curriculum`] is a [`Pool`] of items, a [`Rule`], and how far it has come; all of it can be saved and
//! goes on exactly where it was. [`Dial`] and [`ContextStages`] stand by themselves: they set how hard an
//! environment is and how long a response may be.

mod context;
mod dial;
mod pool;
mod rlcs;
mod staged;
mod target;
mod weights;

pub use context::{ContextStage, ContextStages};
pub use dial::{Dial, DialConfig};
pub use pool::{Entry, GroupResult, Item, Pool, PoolConfig, Stats};
pub use rlcs::{Expansion, Tiers, select_middle};
pub use staged::{Gate, StageState, Staged};
pub use target::TargetDifficulty;
pub use weights::{DifficultyStage, DifficultyStages, PassVariance, Progress, TargetRate};

use std::collections::BTreeMap;

use eyas_core::Seed;
use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::pick::draw_distinct;

/// How items are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Rule {
    /// All items in a random order, then all again in another one.
    Uniform {},
    /// From the easiest to the hardest, then again (Observe-R1: difficulty-ordered data). Ties: by id.
    Ordered {},
    /// The items of one stage, uniformly.
    Staged(Staged),
    /// By tier of difficulty.
    Tiers(Tiers),
    /// By the variance of success.
    PassVariance(PassVariance),
    /// By nearness of the pass rate to a target.
    TargetRate(TargetRate),
    /// By the slope of the learning curve.
    Progress(Progress),
    /// By nearness of the difficulty to a target that follows the reward.
    TargetDifficulty(TargetDifficulty),
    /// By three stages of preferred pass rates.
    DifficultyStages(DifficultyStages),
    /// One difficulty at a time in each environment, which follows success: [`Dial`].
    Dial(DialConfig),
}

impl Default for Rule {
    fn default() -> Self {
        Self::Uniform {}
    }
}

impl Rule {
    /// Whether items are taken in an order, each one once before any comes again, rather than by weight.
    pub fn is_ordered(&self) -> bool {
        matches!(self, Self::Uniform {} | Self::Ordered {} | Self::TargetDifficulty(_))
    }

    /// Checks the settings that do not depend on the pool.
    ///
    /// # Errors
    /// [`DataError::Config`].
    pub fn check(&self) -> Result<(), DataError> {
        match self {
            Self::Uniform {} | Self::Ordered {} => Ok(()),
            Self::Staged(cfg) => cfg.check(),
            Self::Tiers(cfg) => cfg.check(),
            Self::PassVariance(cfg) => cfg.check(),
            Self::TargetRate(cfg) => cfg.check(),
            Self::Progress(cfg) => cfg.check(),
            Self::TargetDifficulty(cfg) => cfg.check(),
            Self::DifficultyStages(cfg) => cfg.check(),
            Self::Dial(cfg) => cfg.check(),
        }
    }
}

/// A pool, a rule, and how far it has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curriculum {
    rule: Rule,
    pool: Pool,
    seed: Seed,
    /// Calls of [`Curriculum::draw`]: names the random stream of the next.
    draws: u64,
    /// Items handed out: the position in the orders of [`Rule::Uniform`] and [`Rule::Ordered`].
    handed: u64,
    /// The stage of [`Rule::Staged`].
    stage: StageState,
    /// The target of [`Rule::TargetDifficulty`].
    target: f64,
    /// The dials of [`Rule::Dial`], by environment.
    #[serde(default)]
    dials: BTreeMap<u32, Dial>,
}

impl Curriculum {
    /// A curriculum at its start.
    ///
    /// # Errors
    /// [`DataError`] when the rule's settings are out of range or do not fit the pool.
    pub fn new(rule: Rule, pool: Pool, seed: Seed) -> Result<Self, DataError> {
        rule.check()?;
        let mut target = 0.0;
        let mut dials = BTreeMap::new();
        match &rule {
            Rule::Staged(cfg) => cfg.check_pool(&pool)?,
            Rule::TargetDifficulty(cfg) => target = cfg.start,
            Rule::Dial(cfg) => {
                for entry in pool.entries() {
                    dials.insert(entry.item.environment, Dial::new(cfg)?);
                }
            }
            _ => {}
        }
        Ok(Self { rule, pool, seed, draws: 0, handed: 0, stage: StageState::default(), target, dials })
    }

    /// How items are chosen.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The items and what is known of them.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The seed it was made with: saved with it, so it names random streams that are to last as long as it does.
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// The stage of [`Rule::Staged`].
    pub fn stage(&self) -> StageState {
        self.stage
    }

    /// The target of [`Rule::TargetDifficulty`].
    pub fn target(&self) -> f64 {
        self.target
    }

    /// The dial of an environment, with [`Rule::Dial`].
    pub fn dial(&self, environment: u32) -> Option<&Dial> {
        self.dials.get(&environment)
    }

    /// The ids of the next `n` items, each at most once as long as there are others to draw. When no item
    /// has a positive weight all have the same.
    pub fn draw(&mut self, n: usize, step: u64) -> Vec<u64> {
        let indices = match &self.rule {
            Rule::Uniform {} => self.walk(n, |epoch| {
                let mut order: Vec<usize> = (0..self.pool.entries().len()).collect();
                self.seed.split("epoch", epoch).rng().shuffle(&mut order);
                order
            }),
            Rule::Ordered {} => self.walk(n, |_| self.by_difficulty()),
            Rule::TargetDifficulty(_) => self.near_target(n),
            _ => {
                let mut weights = self.weights(step);
                if !weights.iter().any(|w| *w > 0.0) {
                    weights.fill(1.0);
                }
                draw_distinct(&weights, n, &mut self.seed.split("draw", self.draws).rng())
            }
        };
        self.draws += 1;
        self.handed += indices.len() as u64;
        indices.into_iter().map(|i| self.pool.entries()[i].item.id).collect()
    }

    /// The weights of all entries, in the order of [`Pool::entries`]; 1 for rules that go by order.
    pub fn weights(&self, step: u64) -> Vec<f64> {
        let weight = |e: &Entry| match &self.rule {
            Rule::Uniform {} | Rule::Ordered {} | Rule::TargetDifficulty(_) => 1.0,
            Rule::Staged(cfg) => cfg.weight(&self.stage, e),
            Rule::Tiers(cfg) => cfg.weight(e),
            Rule::PassVariance(cfg) => cfg.weight(&e.stats),
            Rule::TargetRate(cfg) => cfg.weight(&e.stats),
            Rule::Progress(cfg) => cfg.weight(&e.stats),
            Rule::DifficultyStages(cfg) => cfg.weight(&e.stats, step),
            Rule::Dial(_) => f64::from(u8::from(self.is_at_dial(e))),
        };
        self.pool.entries().iter().map(weight).collect()
    }

    /// Takes in the results of a batch: the statistics of its items, the gate, the target.
    ///
    /// # Errors
    /// As [`Pool::observe`]; nothing is changed then.
    pub fn observe(&mut self, groups: &[GroupResult], step: u64) -> Result<(), DataError> {
        self.pool.observe(groups, step)?;
        let rates: Vec<f64> = groups.iter().filter_map(GroupResult::rate).collect();
        match &self.rule {
            Rule::Staged(cfg) => self.stage = cfg.next(self.stage, &rates),
            Rule::Dial(cfg) => {
                for group in groups {
                    let environment = self.pool.entry(group.id)?.item.environment;
                    if let Some(dial) = self.dials.get_mut(&environment) {
                        *dial = group.scores.iter().fold(*dial, |dial, score| dial.next(cfg, *score));
                    }
                }
            }
            Rule::TargetDifficulty(cfg) if !rates.is_empty() => {
                self.target = cfg.next(self.target, rates.iter().sum::<f64>() / rates.len() as f64);
            }
            _ => {}
        }
        Ok(())
    }

    /// The next `n` of an order that may differ from epoch to epoch.
    fn walk(&self, n: usize, order: impl Fn(u64) -> Vec<usize>) -> Vec<usize> {
        let len = self.pool.entries().len() as u64;
        let mut out = Vec::with_capacity(n);
        let mut at = self.handed;
        while out.len() < n {
            let rest = order(at / len).split_off((at % len) as usize);
            out.extend(rest.into_iter().take(n - out.len()));
            at = self.handed + out.len() as u64;
        }
        out
    }

    /// Whether no item of the same environment is nearer to its dial; of two as near, both are.
    fn is_at_dial(&self, entry: &Entry) -> bool {
        let Some(dial) = self.dials.get(&entry.item.environment) else { return false };
        let distance = |e: &Entry| (e.item.difficulty - dial.value).abs();
        let siblings = self.pool.entries().iter().filter(|e| e.item.environment == entry.item.environment);
        siblings.map(distance).all(|other| distance(entry) <= other)
    }

    fn by_difficulty(&self) -> Vec<usize> {
        let entries = self.pool.entries();
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].item.difficulty.total_cmp(&entries[*b].item.difficulty));
        order
    }

    fn near_target(&self, n: usize) -> Vec<usize> {
        let entries = self.pool.entries();
        let difficulties: Vec<f64> = entries.iter().map(|e| e.item.difficulty).collect();
        let seen: Vec<Option<u64>> = entries.iter().map(|e| e.stats.last_step).collect();
        let nearest = TargetDifficulty::nearest(self.target, &difficulties, &seen, n);
        nearest.iter().copied().cycle().take(n).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool(n: u64) -> Pool {
        let item = |id| Item { id, environment: 0, difficulty: ((id * 7) % n) as f64, tag: (id % 3) as u32 };
        Pool::new((0..n).map(item).collect(), PoolConfig::default()).unwrap()
    }

    fn rules() -> Vec<Rule> {
        vec![
            Rule::Uniform {},
            Rule::Ordered {},
            Rule::Staged(Staged {
                gates: vec![Gate { min_groups: 30, threshold: Some(0.3), ..Gate::default() }; 2],
            }),
            Rule::Tiers(Tiers::default()),
            Rule::PassVariance(PassVariance::default()),
            Rule::TargetRate(TargetRate::default()),
            Rule::Progress(Progress::default()),
            Rule::TargetDifficulty(TargetDifficulty { high: 12.0, step: 2.0, ..TargetDifficulty::default() }),
            Rule::DifficultyStages(DifficultyStages {
                medium_from: 20,
                hard_from: 60,
                ..DifficultyStages::default()
            }),
            Rule::Dial(DialConfig { window: 8, ..DialConfig::default() }),
        ]
    }

    /// One step of a run: draw, try, observe. The harder, the less likely to succeed.
    fn step(c: &mut Curriculum, step: u64) -> Vec<u64> {
        let ids = c.draw(4, step);
        let groups: Vec<GroupResult> = ids
            .iter()
            .enumerate()
            .map(|(k, id)| {
                let mut rng = Seed::new(99).split("try", step * 10 + k as u64).rng();
                let p = 1.0 - c.pool().entry(*id).unwrap().item.difficulty / 13.0;
                let scores = (0..4).map(|_| Some(f64::from(u8::from(rng.chance(p))))).collect();
                GroupResult { id: *id, scores }
            })
            .collect();
        c.observe(&groups, step).unwrap();
        ids
    }

    #[test]
    fn a_saved_curriculum_goes_on() {
        for rule in rules() {
            let mut whole = Curriculum::new(rule.clone(), pool(13), Seed::new(5)).unwrap();
            let mut half = whole.clone();
            let want: Vec<_> = (0..100).map(|s| step(&mut whole, s)).collect();
            let mut got: Vec<_> = (0..50).map(|s| step(&mut half, s)).collect();
            let mut back: Curriculum = serde_json::from_str(&serde_json::to_string(&half).unwrap()).unwrap();
            got.extend((50..100).map(|s| step(&mut back, s)));
            assert_eq!(got, want, "{rule:?}");
            assert_eq!(back, whole, "{rule:?}");
        }
    }

    #[test]
    fn uniform_is_a_permutation_in_every_epoch() {
        let mut c = Curriculum::new(Rule::Uniform {}, pool(13), Seed::new(5)).unwrap();
        let drawn: Vec<u64> = (0..26).flat_map(|s| c.draw(3, s)).collect();
        let epochs: Vec<Vec<u64>> = drawn.chunks(13).map(<[u64]>::to_vec).collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..13).collect::<Vec<_>>());
        }
        assert_ne!(epochs[0], epochs[1]);
    }

    #[test]
    fn ordered_goes_from_easy_to_hard_and_again() {
        let mut c = Curriculum::new(Rule::Ordered {}, pool(13), Seed::new(5)).unwrap();
        // Difficulty 7·id mod 13: 0 for 0, 1 for 2 (14 mod 13), 2 for 4, ...
        assert_eq!(c.draw(3, 0), [0, 2, 4]);
        c.draw(9, 0);
        assert_eq!(c.draw(3, 0), [11, 0, 2]);
    }

    #[test]
    fn yes_no_then_choice_then_open() {
        let gates = vec![Gate { threshold: Some(0.9), rate: 1.0, ..Gate::default() }; 2];
        let mut c = Curriculum::new(Rule::Staged(Staged { gates }), pool(12), Seed::new(1)).unwrap();
        for stage in 0..3u64 {
            let ids = c.draw(4, stage);
            assert!(ids.iter().all(|id| id % 3 == stage), "{ids:?}");
            let of = |score| {
                ids.iter().map(|id| GroupResult { id: *id, scores: vec![Some(score)] }).collect::<Vec<_>>()
            };
            c.observe(&of(0.8), stage).unwrap();
            assert_eq!(c.stage().stage as u64, stage);
            c.observe(&of(0.9), stage).unwrap();
        }
        assert_eq!(c.stage().stage, 2);
    }

    #[test]
    fn most_draws_have_a_success_rate_near_one_half() {
        // Item k succeeds with probability k / 12, known exactly.
        let mut c =
            Curriculum::new(Rule::PassVariance(PassVariance::default()), pool(13), Seed::new(1)).unwrap();
        let groups: Vec<_> =
            (0..13).map(|k| GroupResult { id: k, scores: vec![Some(k as f64 / 12.0)] }).collect();
        c.observe(&groups, 0).unwrap();
        let mut counts = [0usize; 13];
        (0..4_000).for_each(|s| counts[c.draw(1, s)[0] as usize] += 1);
        assert!(
            counts[6] > 3 * counts[1] && counts[6] > 10 * counts[0] && counts[6] > 10 * counts[12],
            "{counts:?}"
        );
        assert!(counts.iter().all(|n| *n > 0), "the floor keeps every item reachable: {counts:?}");
    }

    #[test]
    fn the_target_rises_with_success() {
        let cfg = TargetDifficulty { high: 12.0, step: 4.0, ..TargetDifficulty::default() };
        let mut c = Curriculum::new(Rule::TargetDifficulty(cfg), pool(13), Seed::new(1)).unwrap();
        assert_eq!(c.draw(1, 0), [0]);
        c.observe(&[GroupResult { id: 0, scores: vec![Some(1.0)] }], 0).unwrap();
        // 4 · 0.7616 = 3.05: the item of difficulty 3 is 6 (42 mod 13).
        assert_eq!(c.draw(1, 1), [6]);
        c.observe(&[], 1).unwrap();
        assert!((c.target() - 3.0464).abs() < 1e-4);
        assert_eq!(c.draw(15, 2).len(), 15);
    }

    #[test]
    fn a_dial_for_each_environment() {
        // Two environments with difficulties 0, 0.5 and 1 each.
        let item = |id| Item { id, environment: (id / 3) as u32, difficulty: 0.5 * (id % 3) as f64, tag: 0 };
        let pool = Pool::new((0..6).map(item).collect(), PoolConfig::default()).unwrap();
        let cfg = DialConfig { step: 0.3, window: 2, ..DialConfig::default() };
        let mut c = Curriculum::new(Rule::Dial(cfg), pool, Seed::new(1)).unwrap();
        assert_eq!(c.weights(0), [1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        let won = GroupResult { id: 3, scores: vec![Some(1.0), Some(1.0)] };
        c.observe(&[won], 0).unwrap();
        // The second dial is at 0.3 now: 0.5 is nearest.
        assert_eq!(c.weights(1), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
        assert_eq!((c.dial(0).unwrap().value, c.dial(1).unwrap().value), (0.0, 0.3));
    }

    #[test]
    fn rules_are_checked_and_read() {
        let new = |rule| Curriculum::new(rule, pool(2), Seed::new(1));
        assert!(new(Rule::Staged(Staged { gates: vec![Gate::default(); 2] })).is_err(), "no item of tag 2");
        assert!(new(Rule::Progress(Progress { floor: -1.0, unseen: 0.0 })).is_err());
        let read: Rule = serde_json::from_str(r#"{"kind": "pass_variance", "floor": 0.1}"#).unwrap();
        assert_eq!(read, Rule::PassVariance(PassVariance { floor: 0.1, ..PassVariance::default() }));
        assert_eq!(serde_json::from_str::<Rule>(r#"{"kind": "uniform"}"#).unwrap(), Rule::default());
        for text in [r#"{"kind": "uniform", "floor": 1}"#, r#"{"kind": "tiers", "soft": 1}"#] {
            assert!(serde_json::from_str::<Rule>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn draws_are_members_and_distinct(k in 0usize..10, n in 0usize..30, seed in any::<u64>(), at in 0u64..100) {
            let mut c = Curriculum::new(rules()[k].clone(), pool(13), Seed::new(seed)).unwrap();
            let ids = c.draw(n, at);
            prop_assert_eq!(ids.len(), n);
            prop_assert!(ids.iter().all(|id| *id < 13));
            // Four items have tag 1 or 2, five have tag 0; one is nearest to the dial; all other rules can draw
            // 13 different ones.
            let distinct = match c.rule {
                Rule::Staged(_) => 5,
                Rule::Dial(_) => 1,
                _ => 13,
            };
            let mut first: Vec<_> = ids.iter().take(distinct).collect();
            first.sort_unstable();
            first.dedup();
            prop_assert_eq!(first.len(), n.min(distinct));
        }
    }
}
