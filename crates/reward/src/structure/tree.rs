//! Ordered trees, compared by their edit distance.

use eyas_core::Score;
use serde_json::Value;

use super::read;
use super::sequence::Pattern;
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

/// Most nodes of a tree.
pub const MAX_NODES: usize = 512;

/// Most steps of one comparison; some tenths of a second.
const BUDGET: u64 = 40_000_000;

/// The reward as recipes name it.
pub(crate) const INFO: RewardInfo = RewardInfo {
    name: "tree",
    family: "structure",
    doc: "1 - edit distance of two ordered trees over the nodes of the larger, at least 0",
    source: "Zhang and Shasha 1989; normalised as TEDS (PubTabNet)",
    gold: "a tree {label, children}, or [label, child, ...]; label may be called name, tag, type or text",
    range: Some((0.0, 1.0)),
    params: &[ParamInfo::choice(
        "labels",
        &["exact", "edit"],
        "price of another label: 1, or its edit distance",
    )],
    score: Scorer::Sample(score),
};

/// A tree in post-order: children before parents.
#[derive(Clone, Debug)]
pub struct Tree {
    labels: Vec<String>,
    patterns: Vec<Pattern>,
    /// The first node, in post-order, of each node's own subtree.
    first: Vec<usize>,
    /// The last node for each value of `first`: where sub-problems begin.
    roots: Vec<usize>,
}

impl Tree {
    /// The tree written in `value`; `None` for what is no tree or has more than [`MAX_NODES`] nodes. A
    /// text or number is a leaf.
    pub fn parse(value: &Value) -> Option<Self> {
        enum Visit<'a> {
            Enter(&'a Value),
            Leave(String, usize),
        }
        let mut stack = vec![Visit::Enter(value)];
        let mut tree = Self { labels: vec![], patterns: vec![], first: vec![], roots: vec![] };
        let mut entered = 0;
        while let Some(visit) = stack.pop() {
            match visit {
                Visit::Enter(value) => {
                    entered += 1;
                    let (label, children) = node(value)?;
                    if entered > MAX_NODES || children.len() > MAX_NODES {
                        return None;
                    }
                    stack.push(Visit::Leave(label, tree.labels.len()));
                    stack.extend(children.iter().rev().map(Visit::Enter));
                }
                Visit::Leave(label, first) => {
                    tree.patterns.push(Pattern::new(&label));
                    tree.labels.push(label);
                    tree.first.push(first);
                }
            }
        }
        let mut seen = vec![false; tree.labels.len()];
        for (i, first) in tree.first.iter().enumerate().rev() {
            if let Some(seen @ false) = seen.get_mut(*first) {
                *seen = true;
                tree.roots.push(i);
            }
        }
        tree.roots.reverse();
        Some(tree)
    }

    /// How many nodes it has, at least 1.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Never: a tree has a root.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// The sizes of the sub-problems together; the work of a comparison is the product of two of these.
    fn work(&self) -> u64 {
        self.roots.iter().map(|r| (r - self.first[*r] + 1) as u64).sum()
    }
}

/// The label of a node, and its children.
fn node(value: &Value) -> Option<(String, &[Value])> {
    if let Some(leaf) = read::scalar(value) {
        return Some((leaf, &[]));
    }
    if let Some((label, children)) = value.as_array().and_then(|a| a.split_first()) {
        return Some((read::scalar(label)?, children));
    }
    let map = value.as_object()?;
    let label = ["label", "name", "tag", "type", "text"].iter().find_map(|key| map.get(*key))?;
    let children = ["children", "items"].iter().find_map(|key| map.get(*key));
    let children = match children {
        None | Some(Value::Null) => &[],
        Some(children) => children.as_array()?.as_slice(),
    };
    Some((read::scalar(label)?, children))
}

/// The least price of turning `a` into `b` by adding, removing (1 each) and relabelling nodes. `None` when
/// it would take more than the budget.
pub fn distance(a: &Tree, b: &Tree, relabel: impl Fn(usize, usize) -> f64) -> Option<f64> {
    if a.work().saturating_mul(b.work()) > BUDGET {
        return None;
    }
    let (n, m) = (a.len(), b.len());
    let mut between = vec![0.0; n * m];
    let mut forest = vec![0.0; (n + 1) * (m + 1)];
    let width = m + 1;
    for &ra in &a.roots {
        for &rb in &b.roots {
            let (fa, fb) = (a.first[ra], b.first[rb]);
            let (rows, columns) = (ra - fa + 1, rb - fb + 1);
            for i in 0..=rows {
                forest[i * width] = i as f64;
            }
            for (j, cell) in forest[..=columns].iter_mut().enumerate() {
                *cell = j as f64;
            }
            for i in 1..=rows {
                let x = fa + i - 1;
                for j in 1..=columns {
                    let y = fb + j - 1;
                    let drop = forest[(i - 1) * width + j].min(forest[i * width + j - 1]) + 1.0;
                    let whole = a.first[x] == fa && b.first[y] == fb;
                    let keep = if whole {
                        forest[(i - 1) * width + j - 1] + relabel(x, y)
                    } else {
                        forest[(a.first[x] - fa) * width + b.first[y] - fb] + between[x * m + y]
                    };
                    let least = drop.min(keep);
                    forest[i * width + j] = least;
                    if whole {
                        between[x * m + y] = least;
                    }
                }
            }
        }
    }
    between.last().copied()
}

/// 1 - distance over the nodes of the larger tree, at least 0. `None` over budget.
pub fn similarity(a: &Tree, b: &Tree, edit_labels: bool) -> Option<f64> {
    let relabel = |x: usize, y: usize| match edit_labels {
        true => a.patterns[x].normalised(&b.patterns[y]),
        false => f64::from(a.labels[x] != b.labels[y]),
    };
    let larger = a.len().max(b.len()) as f64;
    Some((1.0 - distance(a, b, relabel)? / larger).clamp(0.0, 1.0))
}

/// A prediction that is no tree, is too large, or needs more than the budget beside a ground truth that
/// fits it earns 0.
fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let Some(gold) = Tree::parse(sample.gold).filter(|g| g.work().pow(2) <= BUDGET / 4) else {
        return bad_gold("the ground truth is no tree, or a too large one");
    };
    let said = sample.answer().and_then(read::json).and_then(|v| Tree::parse(&v));
    let value = said.and_then(|s| similarity(&s, &gold, params.text("labels") == "edit")).unwrap_or(0.0);
    Score::from_value(value as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn exact(a: &Value, b: &Value) -> f64 {
        let (a, b) = (Tree::parse(a).unwrap(), Tree::parse(b).unwrap());
        distance(&a, &b, |x, y| f64::from(a.labels[x] != b.labels[y])).unwrap()
    }

    #[test]
    fn known_distances() {
        // The example of Zhang and Shasha's paper.
        let a = json!(["f", ["d", "a", ["c", "b"]], "e"]);
        let b = json!(["f", ["c", ["d", "a", "b"]], "e"]);
        assert_eq!(exact(&a, &b), 2.0);
        assert_eq!(exact(&a, &a), 0.0);
        assert_eq!(exact(&json!("a"), &json!(["b", "a"])), 1.0);
        assert_eq!(exact(&json!(["a", "b", "c"]), &json!(["a", "c", "b"])), 2.0);
        let object = json!({"label": "F", "children": [{"name": "d", "children": ["a", {"tag": "c", "children": ["b"]}]}, "e"]});
        assert_eq!(exact(&a, &object), 0.0, "two ways to write a tree");
    }

    #[test]
    fn large_trees_are_refused_or_bounded() {
        let wide = Value::Array(vec![json!("a"); MAX_NODES + 1]);
        assert!(Tree::parse(&wide).is_none());
        let mut deep = json!("x");
        for _ in 0..MAX_NODES {
            deep = json!(["x", deep]);
        }
        assert!(Tree::parse(&deep).is_none());
        // Every node has a leaf before it: the costliest shape.
        let mut comb = json!("x");
        for _ in 0..250 {
            comb = json!(["x", "y", comb]);
        }
        let comb = Tree::parse(&comb).unwrap();
        assert!(comb.work() > 10_000 && similarity(&comb, &comb, false).is_none());
    }

    fn trees() -> impl Strategy<Value = Value> {
        let leaf = "[ab]".prop_map(Value::String);
        leaf.prop_recursive(3, 12, 3, |inner| {
            ("[ab]", prop::collection::vec(inner, 0..3))
                .prop_map(|(label, c)| Value::Array([vec![Value::String(label)], c].concat()))
        })
    }

    proptest! {
        #[test]
        fn a_metric(a in trees(), b in trees(), c in trees()) {
            prop_assert_eq!(exact(&a, &a), 0.0);
            prop_assert_eq!(exact(&a, &b), exact(&b, &a));
            prop_assert!(exact(&a, &c) <= exact(&a, &b) + exact(&b, &c));
            let (ta, tb) = (Tree::parse(&a).unwrap(), Tree::parse(&b).unwrap());
            prop_assert!(exact(&a, &b) >= ta.len().abs_diff(tb.len()) as f64);
            prop_assert!((0.0..=1.0).contains(&similarity(&ta, &tb, true).unwrap()));
        }
    }
}
