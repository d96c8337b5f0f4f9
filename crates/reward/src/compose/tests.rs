use super::*;
use crate::{Around, Progress, Response, Sample};
use eyas_core::{Invalid, Score};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

fn read(value: Value) -> Composition {
    Composition::from_value(&value).unwrap_or_else(|e| panic!("{e}"))
}

fn evaluate(composition: &Composition, fields: &[Value], step: u64) -> Vec<Evaluation> {
    let response = Response::parse("<answer>1 2 3</answer>");
    let fields: Vec<Map<String, Value>> = fields.iter().map(|f| f.as_object().unwrap().clone()).collect();
    let gold = json!([1, 2, 3]);
    let progress = Progress { step, steps: 100 };
    let sample =
        |fields| Sample { response: &response, gold: &gold, fields, progress, around: Around::default() };
    let samples: Vec<Sample<'_>> = fields.iter().map(sample).collect();
    composition.evaluate(&samples)
}

fn total(tree: Value, fields: Value) -> Score {
    evaluate(&read(tree), &[fields], 0).remove(0).total
}

#[test]
fn every_operator() {
    let cases = [
        (json!(0.5), 0.5),
        (json!("permutation"), 1.0),
        (json!({"field": "a"}), 2.0),
        (json!({"sum": [{"field": "a", "weight": 0.5}, "permutation", 3]}), 5.0),
        (json!({"product": [{"field": "a"}, 3]}), 6.0),
        (json!({"min": [{"field": "a"}, 3]}), 2.0),
        (json!({"max": [{"field": "a"}, 3]}), 3.0),
        (json!({"gate": {"when": {"field": "a"}, "at_least": 2, "then": 7}}), 7.0),
        (json!({"gate": {"when": {"field": "a"}, "at_least": 2.5, "then": 7, "else": 4}}), 4.0),
        (json!({"gate": {"when": {"field": "a"}, "at_least": 2.5, "then": 7}}), 0.0),
        (json!({"gate": {"when": {"sum": [0.7, 0.1]}, "at_least": 0.8, "then": 7}}), 7.0),
        (json!({"clamp": {"of": {"field": "a"}, "max": 1}}), 1.0),
        (json!({"affine": {"of": {"field": "a"}, "scale": -1, "offset": 0.5}}), -1.5),
        (json!({"route": {"cases": {"x": 1, "t": 2}}}), 2.0),
        (json!({"route": {"cases": {"x": 1}, "default": 9}}), 9.0),
        (json!({"fallback": {"of": {"field": "none"}, "or": -1}}), -1.0),
        (json!({"fallback": {"of": {"field": "yes"}, "or": -1}}), 1.0),
        (json!({"reward": "permutation", "params": {"form": "places"}, "name": "order"}), 1.0),
    ];
    for (tree, want) in cases {
        assert_eq!(total(tree.clone(), json!({"a": 2, "task": "t", "yes": true})), Score::Ok(want), "{tree}");
    }
}

#[test]
fn a_part_without_a_score_is_named() {
    let tree = json!({"sum": [{"value": 1}, {"product": [1, {"field": "lost"}]}]});
    let Score::Invalid(Invalid::NotApplicable { detail }) = total(tree, json!({})) else { panic!() };
    assert!(detail.contains("sum[1].product[1]") && detail.contains("\"lost\""), "{detail}");
    let huge = json!({"sum": [0, {"product": [1e300, 1e300]}]});
    let Score::Invalid(Invalid::Crash { detail }) = total(huge, json!({})) else { panic!() };
    assert!(detail.contains("sum[1]") && detail.contains("not a finite"), "{detail}");
    // More than a score holds is no score, but may stand in between.
    let wide = |factor: f64| json!({"product": [{"field": "big"}, factor]});
    let Score::Invalid(Invalid::Crash { detail }) = total(wide(1.0), json!({"big": 1e60})) else { panic!() };
    assert!(detail.contains("\"compose\"") && detail.contains("not finite"), "{detail}");
    assert_eq!(total(wide(1e-60), json!({"big": 1e60})), Score::Ok(1.0));
    let route = json!({"route": {"cases": {"x": 1}}});
    assert!(matches!(total(route, json!({"task": "y"})), Score::Invalid(Invalid::NotApplicable { .. })));
}

#[test]
fn parts_that_are_not_used_are_not_asked() {
    let lost = json!({"field": "lost"});
    for tree in [
        json!({"sum": [1, {"field": "lost", "weight": 0}]}),
        json!({"gate": {"when": 1, "at_least": 0, "then": 1, "else": lost}}),
        json!({"route": {"cases": {"x": lost, "t": 1}}}),
        json!({"fallback": {"of": 1, "or": lost}}),
    ] {
        assert_eq!(total(tree.clone(), json!({"task": "t"})), Score::Ok(1.0), "{tree}");
    }
}

#[test]
fn weights_follow_the_training() {
    let tree = read(json!({"sum": [{"value": 1, "weight": [[0.2, 1.0], [0.6, 0.0]]}]}));
    let at = |step| evaluate(&tree, &[json!({})], step)[0].total.value().unwrap();
    assert_eq!((at(0), at(20), at(40), at(60), at(99)), (1.0, 1.0, 0.5, 0.0, 0.0));
}

#[test]
fn groups_are_seen_together() {
    let fields = [json!({"a": 1}), json!({"a": 3}), json!({}), json!({"a": 3})];
    let of = |how: &str| {
        let tree = read(json!({"group": {"of": {"field": "a"}, "as": how}}));
        evaluate(&tree, &fields, 0).into_iter().map(|e| e.total.value()).collect::<Vec<_>>()
    };
    assert_eq!(of("max"), [Some(3.0), Some(3.0), None, Some(3.0)]);
    assert_eq!(of("rank"), [Some(0.0), Some(0.75), None, Some(0.75)]);
    let centred: f32 = of("centred").into_iter().flatten().sum();
    assert!(centred.abs() < 1e-6);
    // A group's bonus inside a gate sees the whole group, also those that do not take it.
    let tree = read(json!({"gate": {"when": {"field": "correct"}, "at_least": 1,
        "then": {"reward": "consistency_bonus"}, "else": -1}}));
    let fields = [0.9f64, 0.2, 0.9].map(|p| json!({"correct": 1, "answer_logprob": p.ln()}));
    let fields = [fields.as_slice(), &[json!({"correct": 0, "answer_logprob": -0.1})]].concat();
    let totals: Vec<_> = evaluate(&tree, &fields, 0).into_iter().map(|e| e.total.value()).collect();
    assert_eq!(totals, [Some(0.5), Some(0.0), Some(0.5), Some(-1.0)]);
}

#[test]
fn explanations_list_every_term_that_was_asked() {
    let tree = read(json!({"sum": [
        {"name": "order", "reward": "permutation", "weight": 0.8},
        {"gate": {"when": {"field": "ok"}, "at_least": 1, "then": 2, "else": 0}, "weight": 0.2},
    ]}));
    let evaluation = evaluate(&tree, &[json!({"ok": true})], 0).remove(0);
    let shown: Vec<_> =
        evaluation.terms.iter().map(|t| (t.path.as_str(), t.name.as_str(), t.weight)).collect();
    assert_eq!(
        shown,
        [
            ("root", "sum", None),
            ("sum[0]", "order", Some(0.8)),
            ("sum[1]", "gate", Some(0.2)),
            ("sum[1].gate.when", "ok", None),
            ("sum[1].gate.then", "value", None),
        ]
    );
    assert_eq!(evaluation.total, Score::Ok(1.2));
}

#[test]
fn published_totals() {
    // DeepEyes: 0.8 accuracy + 0.2 format + 1.2 for a tool that helped.
    let deep_eyes = json!({"sum": [
        {"field": "correct", "weight": 0.8}, {"field": "format", "weight": 0.2}, "tool_bonus",
    ]});
    let fields = |correct: u8, calls: u8| json!({"correct": correct, "format": 1, "tool_calls": calls, "tool_ok": true});
    let of = |fields| total(deep_eyes.clone(), fields).value().unwrap();
    assert!((of(fields(1, 1)) - 2.2).abs() < 1e-6);
    assert!((of(fields(1, 0)) - 1.0).abs() < 1e-6);
    assert!((of(fields(0, 9)) - 0.2).abs() < 1e-6);
    // Mixed-R1: another reward for each task, here within one batch.
    let mixed = read(json!({"route": {"cases": {
        "order": "permutation", "rest": {"affine": {"of": {"field": "correct"}, "scale": 0.5}},
    }}}));
    let batch = [json!({"task": "order"}), json!({"task": "rest", "correct": 1}), json!({"task": "order"})];
    let totals: Vec<_> = evaluate(&mixed, &batch, 0).into_iter().map(|e| e.total).collect();
    assert_eq!(totals, [1.0, 0.5, 1.0].map(Score::Ok));
}

#[test]
fn needs_are_what_must_be_supplied() {
    let tree = read(json!({"route": {"cases": {
        "a": {"sum": ["thinking_trust", {"field": "masked_logprobs", "weight": 0.1}]},
        "b": {"reward": "permutation", "needs": ["tokens"]},
    }}}));
    let needs: Vec<_> = tree.needs().into_iter().collect();
    assert_eq!(needs, ["correct", "masked_logprobs", "task", "thinking_score", "tokens"]);
    assert_eq!(tree.rewards().into_iter().collect::<Vec<_>>(), ["permutation", "thinking_trust"]);
}

#[test]
fn mistakes_are_named_with_their_place() {
    let error = |tree: Value| Composition::from_value(&tree).unwrap_err().to_string();
    for (tree, place, what) in [
        (json!(null), "root", "a node is"),
        (json!({"sum": [1, {"sun": 2}]}), "sum[1]", "exactly one of"),
        (json!({"sum": [1], "min": [2]}), "root", "exactly one of"),
        (json!({"sum": []}), "sum", "at least one"),
        (json!({"sum": [{"reward": "permutaton"}]}), "sum[0].reward", "did you mean \"permutation\""),
        (json!({"reward": "permutation", "params": {"form": "x"}}), "reward", "exact|places"),
        (json!({"sum": [{"value": 1, "weight": [[0.5, 1], [0.2, 1]]}]}), "sum[0].weight", "ascend"),
        (json!({"sum": [{"value": 1, "weight": "x"}]}), "sum[0].weight", "finite number"),
        (json!({"product": [{"value": 1, "weight": 2}]}), "product[0].weight", "only parts of a sum"),
        (json!({"weight": 2, "value": 1}), "weight", "only parts of a sum"),
        (json!({"clamp": {"of": {"value": 1, "weight": 2}}}), "clamp.of.weight", "only parts of a sum"),
        (json!({"gate": {"when": 1, "then": 2}}), "gate.at_least", "finite number"),
        (
            json!({"gate": {"when": 1, "at_least": 1, "then": 2, "otherwise": 3}}),
            "gate.otherwise",
            "not known",
        ),
        (json!({"clamp": {"of": 1, "min": 2, "max": 1}}), "clamp", "above max"),
        (json!({"group": {"of": 1, "as": "median"}}), "group.as", "one of mean"),
        (json!({"route": {"cases": {}}}), "route.cases", "at least one"),
        (json!({"min": ["compose"]}), "min[0]", "holds no other"),
        (json!({"field": ""}), "field", "1 to 64"),
        (json!({"field": "a", "wieght": 1}), "wieght", "not known"),
    ] {
        let text = error(tree.clone());
        assert!(text.starts_with(&format!("{place}: ")) && text.contains(what), "{tree}: {text}");
    }
    let mut deep = json!(1);
    for _ in 0..MAX_DEPTH {
        deep = json!({"product": [deep]});
    }
    assert!(error(deep).contains("deeper"));
    assert!(error(json!({"sum": vec![1; MAX_NODES]})).contains("nodes"));
}

#[test]
fn toml_and_json_say_the_same() {
    let text = r#"
        [[sum]]
        name = "accuracy"
        reward = "permutation"
        params = { form = "places" }
        weight = 0.9

        [[sum]]
        weight = [[0.0, 0.1], [1.0, 0]]
        [sum.gate]
        when = { field = "format" }
        at_least = 1
        then = 1
    "#;
    let tree: Composition = toml::from_str(text).unwrap();
    let json = serde_json::to_string(&tree).unwrap();
    assert_eq!(serde_json::from_str::<Composition>(&json).unwrap(), tree);
    let error = toml::from_str::<Composition>("[[sum]]\nreward = 3").unwrap_err().to_string();
    assert!(error.contains("sum[0].reward: the name of a reward is a text"), "{error}");
    assert!(toml::from_str::<Composition>("value = nan").is_err());
}

fn trees() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        (-2.0f64..2.0).prop_map(|v| json!(v)),
        prop::sample::select(vec!["a", "b", "lost"]).prop_map(|f| json!({"field": f})),
        Just(json!("permutation")),
        Just(json!({"reward": "thinking_trust", "name": "trust"})),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let list = prop::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            (prop::sample::select(vec!["sum", "product", "min", "max"]), list)
                .prop_map(|(op, l)| json!({op: l})),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| json!({"fallback": {"of": a, "or": b}})),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| json!({"gate": {"when": a, "at_least": 0, "then": b}})),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| json!({"route": {"cases": {"t": a}, "default": b}})),
            inner.clone().prop_map(|a| json!({"clamp": {"of": a, "min": -1, "max": 1}})),
            inner.clone().prop_map(|a| json!({"group": {"of": a, "as": "centred"}})),
            inner.prop_map(|a| json!({"affine": {"of": a, "scale": 2}})),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_read_is_written_and_gives_one_total_each(tree in trees(), tasks in prop::collection::vec("[tu]", 0..5)) {
        let tree = read(tree);
        let again = Composition::from_value(&tree.to_value()).unwrap();
        prop_assert_eq!(&again, &tree);
        let fields: Vec<Value> = tasks.iter().map(|t| json!({"a": 1.5, "b": -0.5, "task": t})).collect();
        let evaluations = evaluate(&tree, &fields, 30);
        prop_assert_eq!(evaluations.len(), fields.len());
        for e in &evaluations {
            prop_assert_eq!(e.terms[0].value.value(), e.total.value());
            prop_assert!(e.total.value().is_none_or(f32::is_finite));
        }
    }
}

#[test]
fn a_reward_of_episodes_needs_one() {
    let score = total(json!({"sum": ["game", 1]}), json!({}));
    let Score::Invalid(Invalid::NotApplicable { detail }) = score else { panic!("{score:?}") };
    assert!(detail.starts_with("sum[0] (game): ") && detail.contains("whole episodes"), "{detail}");
}
