//! The values of a composition.

use eyas_core::{Invalid, Score};
use serde::Serialize;
use serde_json::Value;

use super::{Composition, How, Node, Op};
use crate::judge::Docket;
use crate::{Sample, missing};

/// One term of a total.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TermValue {
    /// Where it stands in the tree, such as `sum[1].gate.then`; `root` for the whole.
    pub path: String,
    /// Its name, else the reward, field or operator.
    pub name: String,
    /// What it is worth, before the weight.
    pub value: Score,
    /// Its weight, where it is a part of a sum.
    pub weight: Option<f64>,
}

/// The total of one sample, and the terms that it is made of, parents before their parts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The score.
    pub total: Score,
    /// Every term that was asked.
    pub terms: Vec<TermValue>,
}

/// A part without a score.
#[derive(Clone, Debug)]
struct Failure {
    path: String,
    reason: Invalid,
}

impl Failure {
    /// The reason, with the part that gave it.
    fn named(self) -> Invalid {
        crate::located(self.reason, &self.path)
    }
}

type Values = Vec<Result<f64, Failure>>;
type Terms = Vec<Vec<TermValue>>;

impl Composition {
    /// The totals of the responses to one prompt, each with its terms.
    pub fn evaluate(&self, samples: &[Sample<'_>]) -> Vec<Evaluation> {
        let mut terms: Terms = vec![Vec::new(); samples.len()];
        let values = self.root.evaluate("", None, samples, &mut terms);
        let total = |value: Result<f64, Failure>| match value {
            Ok(value) => crate::named(Score::from_value(value as f32), "compose"),
            Err(failure) => Score::Invalid(failure.named()),
        };
        values
            .into_iter()
            .zip(terms)
            .map(|(value, terms)| Evaluation { total: total(value), terms })
            .collect()
    }

    /// The totals alone.
    pub fn score(&self, samples: &[Sample<'_>]) -> Vec<Score> {
        self.evaluate(samples).into_iter().map(|e| e.total).collect()
    }
}

impl Node {
    fn label(&self) -> String {
        let operator = match &self.op {
            Op::Constant(_) => "value",
            Op::Reward { spec, .. } => spec.name(),
            Op::Field(field) => field,
            Op::Sum(_) => "sum",
            Op::Product(_) => "product",
            Op::Min(_) => "min",
            Op::Max(_) => "max",
            Op::Gate { .. } => "gate",
            Op::Clamp { .. } => "clamp",
            Op::Affine { .. } => "affine",
            Op::Route { .. } => "route",
            Op::Fallback { .. } => "fallback",
            Op::Group { .. } => "group",
        };
        self.name.clone().unwrap_or_else(|| operator.to_string())
    }

    /// One value for each sample; what is asked on the way is added to `terms`.
    fn evaluate(
        &self,
        path: &str,
        weights: Option<&[f64]>,
        samples: &[Sample<'_>],
        terms: &mut Terms,
    ) -> Values {
        let starts: Vec<usize> = terms.iter().map(Vec::len).collect();
        let mut values = self.values(path, samples, terms);
        for (i, value) in values.iter_mut().enumerate() {
            if matches!(value, Ok(v) if !v.is_finite()) {
                *value = Err(Failure { path: place(path), reason: Invalid::NonFinite });
            }
            let shown = match &*value {
                Ok(v) => crate::named(Score::from_value(*v as f32), &self.label()),
                Err(failure) => Score::Invalid(failure.reason.clone()),
            };
            let weight = weights.and_then(|w| w.get(i)).copied();
            let term = TermValue { path: place(path), name: self.label(), value: shown, weight };
            if let (Some(terms), Some(start)) = (terms.get_mut(i), starts.get(i)) {
                terms.insert((*start).min(terms.len()), term);
            }
        }
        values
    }

    fn values(&self, path: &str, samples: &[Sample<'_>], terms: &mut Terms) -> Values {
        let under = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
        let fail = |score: Score| match score {
            Score::Ok(value) => Ok(f64::from(value)),
            Score::Invalid(reason) => {
                Err(Failure { path: format!("{} ({})", place(path), self.label()), reason })
            }
        };
        match &self.op {
            Op::Constant(value) => vec![Ok(*value); samples.len()],
            Op::Reward { spec, .. } => spec.score_samples(samples).into_iter().map(fail).collect(),
            Op::Field(field) => samples.iter().map(|s| read(s, field).or_else(fail)).collect(),
            Op::Sum(parts) => {
                let mut sums: Values = vec![Ok(0.0); samples.len()];
                for (i, (weight, part)) in parts.iter().enumerate() {
                    let weights: Vec<f64> = samples.iter().map(|s| weight.at(s.progress.share())).collect();
                    if weights.iter().all(|w| *w == 0.0) {
                        continue;
                    }
                    let path = under(&format!("sum[{i}]"));
                    let values = part.evaluate(&path, Some(&weights), samples, terms);
                    for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
                        if weight != 0.0 {
                            *sum = join(sum.clone(), value, |a, b| a + weight * b);
                        }
                    }
                }
                sums
            }
            Op::Product(parts) => fold(parts, &under("product"), samples, terms, |a, b| a * b),
            Op::Min(parts) => fold(parts, &under("min"), samples, terms, f64::min),
            Op::Max(parts) => fold(parts, &under("max"), samples, terms, f64::max),
            Op::Gate { when, at_least, then, otherwise } => {
                let conditions = when.evaluate(&under("gate.when"), None, samples, terms);
                // Scores have 32 bits: 0.7 of a reward is a little less than the 0.7 of a file.
                let open =
                    |value: &Result<f64, Failure>| value.as_ref().ok().map(|v| *v as f32 >= *at_least as f32);
                let taken: Vec<Option<bool>> = conditions.iter().map(open).collect();
                let mut values = conditions;
                for (branch, wanted, key) in [(then, true, "gate.then"), (otherwise, false, "gate.else")] {
                    let takes: Vec<bool> = taken.iter().map(|t| *t == Some(wanted)).collect();
                    branch.fill(&under(key), samples, &takes, &mut values, terms);
                }
                values
            }
            Op::Clamp { of, min, max } => {
                let values = of.evaluate(&under("clamp.of"), None, samples, terms);
                values.into_iter().map(|v| v.map(|v| v.clamp(*min, *max))).collect()
            }
            Op::Affine { of, scale, offset } => {
                let values = of.evaluate(&under("affine.of"), None, samples, terms);
                values.into_iter().map(|v| v.map(|v| scale * v + offset)).collect()
            }
            Op::Route { field, cases, default } => {
                self.route(path, (field, cases, default.as_deref()), samples, terms)
            }
            Op::Fallback { of, or } => {
                let open = || samples.first().and_then(|s| s.around.docket).map_or(0, Docket::open);
                let before = open();
                let mut values = of.evaluate(&under("fallback.of"), None, samples, terms);
                // What waits for a judge has not failed.
                if open() > before {
                    return values;
                }
                let failed: Vec<bool> = values.iter().map(Result::is_err).collect();
                or.fill(&under("fallback.or"), samples, &failed, &mut values, terms);
                values
            }
            Op::Group { of, how } => over_group(of.evaluate(&under("group.of"), None, samples, terms), *how),
        }
    }

    /// Puts this node's values where `takes` says so. It sees all samples, so that rewards of groups keep
    /// their group, and is not asked when none takes it.
    fn fill(
        &self,
        path: &str,
        samples: &[Sample<'_>],
        takes: &[bool],
        values: &mut Values,
        terms: &mut Terms,
    ) {
        if !takes.contains(&true) {
            return;
        }
        let mut own: Terms = vec![Vec::new(); samples.len()];
        let new = self.evaluate(path, None, samples, &mut own);
        let slots = values.iter_mut().zip(terms).zip(new.into_iter().zip(own)).zip(takes);
        for (((value, terms), (new, own)), _) in slots.filter(|(_, takes)| **takes) {
            *value = new;
            terms.extend(own);
        }
    }

    fn route(
        &self,
        path: &str,
        (field, cases, default): (&str, &[(String, Node)], Option<&Node>),
        samples: &[Sample<'_>],
        terms: &mut Terms,
    ) -> Values {
        let at = |reason: Score| match reason {
            Score::Invalid(reason) => {
                Err(Failure { path: format!("{} ({})", place(path), self.label()), reason })
            }
            Score::Ok(value) => Ok(f64::from(value)),
        };
        let task_of =
            |s: &Sample<'_>| s.text(field).map(|task| cases.iter().position(|(name, _)| name == task));
        let tasks: Vec<Result<Option<usize>, Score>> = samples.iter().map(task_of).collect();
        let unknown =
            || Score::Invalid(Invalid::NotApplicable { detail: format!("no case for this {field:?}") });
        let mut values: Values = tasks
            .iter()
            .map(|task| match task {
                Err(reason) => at(reason.clone()),
                Ok(None) if default.is_none() => at(unknown()),
                Ok(_) => Ok(0.0),
            })
            .collect();
        let named =
            cases.iter().enumerate().map(|(i, (name, node))| (Some(i), format!("cases.{name}"), node));
        for (case, key, node) in named.chain(default.map(|node| (None, "default".to_string(), node))) {
            let key = if path.is_empty() { format!("route.{key}") } else { format!("{path}.route.{key}") };
            let own = tasks.iter().enumerate().filter(|(_, t)| t.as_ref().is_ok_and(|t| *t == case));
            let (places, members): (Vec<usize>, Vec<Sample<'_>>) =
                own.filter_map(|(i, _)| samples.get(i).map(|s| (i, *s))).unzip();
            if members.is_empty() {
                continue;
            }
            let mut found: Terms = vec![Vec::new(); members.len()];
            let new = node.evaluate(&key, None, &members, &mut found);
            for ((place, new), found) in places.into_iter().zip(new).zip(found) {
                if let (Some(value), Some(terms)) = (values.get_mut(place), terms.get_mut(place)) {
                    *value = new;
                    terms.extend(found);
                }
            }
        }
        values
    }
}

fn place(path: &str) -> String {
    if path.is_empty() { "root".into() } else { path.into() }
}

/// The field as a number; yes and no count 1 and 0.
fn read(sample: &Sample<'_>, field: &str) -> Result<f64, Score> {
    match sample.fields.get(field) {
        Some(Value::Bool(flag)) => Ok(f64::from(*flag)),
        Some(value) => value.as_f64().filter(|v| v.is_finite()).ok_or_else(|| missing(field)),
        None => Err(missing(field)),
    }
}

/// The first failure of two, else `with` of both.
fn join(
    a: Result<f64, Failure>,
    b: Result<f64, Failure>,
    with: impl Fn(f64, f64) -> f64,
) -> Result<f64, Failure> {
    Ok(with(a?, b?))
}

fn fold(
    parts: &[Node],
    path: &str,
    samples: &[Sample<'_>],
    terms: &mut Terms,
    with: impl Fn(f64, f64) -> f64,
) -> Values {
    let all =
        parts.iter().enumerate().map(|(i, p)| p.evaluate(&format!("{path}[{i}]"), None, samples, terms));
    let both = |a: Values, b: Values| a.into_iter().zip(b).map(|(a, b)| join(a, b, &with)).collect();
    all.reduce(both).unwrap_or_default()
}

/// Members without a value keep their reason and take no part in the others'.
fn over_group(values: Values, how: How) -> Values {
    let known: Vec<f64> = values.iter().filter_map(|v| v.as_ref().ok().copied()).collect();
    let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
    let of = |value: f64| match how {
        How::Mean => mean,
        How::Min => known.iter().copied().fold(f64::INFINITY, f64::min),
        How::Max => known.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        How::Centred => value - mean,
        // The share of the others that are below, equals counting half; 1/2 for one alone.
        How::Rank if known.len() < 2 => 0.5,
        How::Rank => {
            let below = known.iter().filter(|v| **v < value).count() as f64;
            let equal = known.iter().filter(|v| **v == value).count() as f64 - 1.0;
            (below + equal / 2.0) / (known.len() - 1) as f64
        }
    };
    values.into_iter().map(|v| v.map(of)).collect()
}
