//! The score of a reward model as a reward.

use eyas_core::{Invalid, Score};
use serde_json::Value;

use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer};

/// The field that holds the scores of the episode, by the parameter `model`: a number, or a text that says why
/// there is none.
pub(crate) const FIELD: &str = "reward_model";

pub(crate) const REWARDS: &[RewardInfo] = &[RewardInfo {
    name: "reward_model",
    family: "judge",
    doc: "the score of a reward model that has read the whole episode, pictures included",
    source: "Ouyang et al., arXiv 2203.02155; for pictures IXC-2.5-Reward, arXiv 2501.12368: the score at the last \
             token. Estimators that compare a group normalise it there",
    gold: "",
    range: None,
    params: &[
        ParamInfo::text(
            "model",
            "stage:reward_model",
            "a folder that a stage of kind \"reward_model\" left, or stage:NAME, that stage of this recipe",
        ),
        ParamInfo::choice(
            "squash",
            &["none", "sigmoid"],
            "the score as it is, or its logistic function, 0 to 1",
        ),
    ],
    score: Scorer::Sample(score),
}];

/// The reward model that the reward asks.
pub(crate) fn asked(params: &Params) -> &str {
    params.text("model")
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let model = asked(params);
    let said = sample.fields.get(FIELD).and_then(|said| said.get(model));
    let value = match said {
        Some(Value::String(why)) => {
            return Score::Invalid(Invalid::Crash { detail: format!("the reward model {model:?}: {why}") });
        }
        Some(said) => said.as_f64(),
        None => None,
    };
    let Some(value) = value else {
        let detail = format!("the reward model {model:?} was not asked");
        return Score::Invalid(Invalid::NotApplicable { detail });
    };
    Score::from_value(match params.text("squash") {
        "sigmoid" => (1.0 / (1.0 + (-value).exp())) as f32,
        _ => value as f32,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Around, Progress, Response, RewardSpec};
    use serde_json::json;

    fn run(fields: Value, params: Value) -> Score {
        let params = serde_json::from_value(params).unwrap();
        let spec = RewardSpec::new("reward_model", 1.0, eyas_core::TokenSpan::All, &params).unwrap();
        let (response, gold) = (Response::parse("text"), Value::Null);
        let fields = fields.as_object().unwrap().clone();
        let (progress, around) = (Progress::default(), Around::default());
        let sample = Sample { response: &response, gold: &gold, fields: &fields, progress, around };
        spec.score_samples(&[sample]).remove(0)
    }

    #[test]
    fn the_score_is_that_of_the_model_that_is_named() {
        let fields = json!({"reward_model": {"stage:reward_model": -1.5, "a": 0.0}});
        assert_eq!(run(fields.clone(), json!({})), Score::Ok(-1.5));
        assert_eq!(run(fields, json!({"model": "a", "squash": "sigmoid"})), Score::Ok(0.5));
        let far = json!({"reward_model": {"stage:reward_model": -1e4}});
        assert_eq!(run(far, json!({"squash": "sigmoid"})), Score::Ok(0.0));
    }

    #[test]
    fn no_score_is_never_0() {
        for fields in [json!({}), json!({"reward_model": {"a": 1}}), json!({"reward_model": 1})] {
            let said = run(fields, json!({}));
            assert!(matches!(said, Score::Invalid(Invalid::NotApplicable { .. })), "{said:?}");
        }
        let said = run(json!({"reward_model": {"a": "its score is NaN"}}), json!({"model": "a"}));
        let Score::Invalid(Invalid::Crash { detail }) = said else { panic!("{said:?}") };
        assert_eq!(detail, "the reward model \"a\": its score is NaN");
        let large = json!({"reward_model": {"stage:reward_model": 1e300}});
        assert!(matches!(run(large, json!({})), Score::Invalid(_)));
    }

    #[test]
    fn specs_say_which_models_they_ask() {
        let spec = |json: Value| serde_json::from_value::<RewardSpec>(json).unwrap();
        let tree = r#"{"sum": ["game", {"reward": "reward_model", "params": {"model": "m"}}]}"#;
        let names = |spec: RewardSpec| spec.reward_models().unwrap().into_iter().collect::<Vec<_>>();
        assert_eq!(names(spec(json!({"name": "reward_model"}))), ["stage:reward_model"]);
        assert_eq!(names(spec(json!({"name": "compose", "params": {"tree": tree}}))), ["m"]);
        assert!(names(spec(json!({"name": "game"}))).is_empty());
    }
}
