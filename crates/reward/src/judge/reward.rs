//! The verdict of a judge as a reward.

use eyas_core::{Invalid, Score};
use serde_json::Value;

use super::{JudgeRequest, Label, Question};
use crate::{ParamInfo, Params, RewardInfo, Sample, Scorer, bad_gold};

pub(crate) const REWARDS: &[RewardInfo] = &[RewardInfo {
    name: "judge",
    family: "judge",
    doc: "the verdict of a judge, a model that reads the response",
    source: "model-based rewards of HumanOmniV2, WeThink, ReWatch-R1 and others, with a guarded prompt",
    gold: "what the judge is shown as the right answer, a text or any JSON; nothing with reference = false",
    range: Some((0.0, 1.0)),
    params: &[
        ParamInfo::text("judge", "judge", "the `name` of a [[judge]] of the recipe"),
        ParamInfo::text("rubric", "The response is right and well founded.", "what a good response is"),
        ParamInfo::number("low", -1e6, 1e6, 0.0, "lowest score of the scale; the reward is 0 there"),
        ParamInfo::number("high", -1e6, 1e6, 10.0, "highest score of the scale; the reward is 1 there"),
        ParamInfo::text("labels", "", "verdicts to choose from, as in \"good = 10, fair = 5, bad = 0\""),
        ParamInfo::choice("of", &["response", "perception", "think", "answer"], "the part that is judged"),
        ParamInfo::flag("reference", true, "the judge sees the ground truth"),
        ParamInfo::flag("pictures", false, "the judge sees the pictures of the turn"),
    ],
    score: Scorer::Sample(score),
}];

/// The verdicts to choose from, none for a number.
///
/// # Errors
/// What is wrong with the text.
fn labels(text: &str) -> Result<Vec<Label>, String> {
    let label = |part: &str| {
        let (name, worth) = part.split_once('=').ok_or(format!("{part:?} is not \"name = score\""))?;
        let score = worth.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        let score = score.ok_or(format!("{:?} is no number", worth.trim()))?;
        Ok(Label { name: name.trim().into(), score })
    };
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(label).collect()
}

/// What the judge is asked, but for question, response and reference.
fn request(params: &Params) -> Result<JudgeRequest, String> {
    let request = JudgeRequest {
        question: String::new(),
        rubric: params.text("rubric").into(),
        reference: None,
        response: String::new(),
        images: Vec::new(),
        scale: (params.number("low"), params.number("high")),
        labels: labels(params.text("labels"))?,
    };
    if request.rubric.trim().is_empty() {
        return Err("the rubric is empty".into());
    }
    request.check().map_err(|error| error.to_string())?;
    Ok(request)
}

/// The judge that the reward asks.
///
/// # Errors
/// What is wrong with the parameters.
pub(crate) fn asked(params: &Params) -> Result<String, String> {
    request(params).map(|_| params.text("judge").to_string())
}

fn score(sample: &Sample<'_>, params: &Params) -> Score {
    let request = match request(params) {
        Ok(request) => request,
        Err(detail) => return Score::Invalid(Invalid::NotApplicable { detail }),
    };
    let judge = params.text("judge");
    let Some(docket) = sample.around.docket else {
        let detail = format!("the judge {judge:?} cannot be asked here");
        return Score::Invalid(Invalid::NotApplicable { detail });
    };
    let part = match params.text("of") {
        "response" => Some(sample.response.text()),
        "answer" => sample.answer(),
        block => sample.response.block(block).map(|b| b.text),
    };
    // Nothing written is nothing to judge, and no way out of being judged.
    let Some(part) = part.filter(|text| !text.trim().is_empty()) else { return Score::Ok(0.0) };
    let reference = match (params.flag("reference"), sample.gold) {
        (false, _) => None,
        (true, Value::Null) => return bad_gold("there is none to show to the judge"),
        (true, Value::String(text)) => Some(text.clone()),
        (true, other) => Some(other.to_string()),
    };
    let pictures = match (params.flag("pictures"), sample.around.episode) {
        (false, _) => Vec::new(),
        (true, Some(view)) => {
            let turn = view.episode.turns.get(sample.around.turn);
            let ids = turn.map_or(&[][..], |turn| &turn.images);
            ids.iter().filter_map(|id| view.episode.images.get(id)).cloned().collect()
        }
        (true, None) => {
            let detail = "there are no pictures to show to the judge".into();
            return Score::Invalid(Invalid::NotApplicable { detail });
        }
    };
    let question = sample.fields.get("prompt").and_then(Value::as_str).unwrap_or("").to_string();
    let request = JudgeRequest { question, reference, response: part.to_string(), ..request };
    docket.score(Question { judge: judge.to_string(), request, pictures })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::{Docket, JudgeError, Verdict};
    use crate::{Around, Progress, Response, RewardSpec, find};
    use serde_json::json;

    /// The score of `text`, and what the judge was asked.
    fn ask(text: &str, params: Value, said: Result<f64, JudgeError>) -> (Score, Vec<Question>) {
        let (response, gold) = (Response::parse(text), json!({"x": 1}));
        let fields = json!({"prompt": "What is x?"}).as_object().unwrap().clone();
        let params = serde_json::from_value(params).unwrap();
        let spec = RewardSpec::new("judge", 1.0, eyas_core::TokenSpan::All, &params).unwrap();
        let mut docket = Docket::default();
        let score = |docket: &Docket| {
            let around = Around { docket: Some(docket), ..Around::default() };
            let progress = Progress::default();
            spec.score_samples(&[Sample {
                response: &response,
                gold: &gold,
                fields: &fields,
                progress,
                around,
            }])
        };
        let first = score(&docket);
        let mut asked = Vec::new();
        let verdict = said.map(|score| Verdict { score, reason: None });
        docket.settle(|questions| {
            asked = questions.to_vec();
            vec![verdict; questions.len()]
        });
        let second = score(&docket);
        assert_eq!(docket.open(), 0, "nothing is asked twice");
        assert!(asked.is_empty() == (first == second), "{first:?} {second:?}");
        (second[0].clone(), asked)
    }

    #[test]
    fn the_verdict_is_the_score() {
        let (score, asked) = ask("<think>x is 1</think><answer>1</answer>", json!({"of": "think"}), Ok(7.5));
        assert_eq!(score, Score::Ok(0.75));
        let request = &asked[0].request;
        assert_eq!((asked[0].judge.as_str(), request.question.as_str()), ("judge", "What is x?"));
        assert_eq!((request.response.as_str(), request.reference.as_deref()), ("x is 1", Some(r#"{"x":1}"#)));
        let params = json!({"reference": false, "low": 1, "high": 5, "labels": "good = 5, bad = 1"});
        let (score, asked) = ask("some text", params, Ok(1.0));
        assert_eq!((score, asked[0].request.reference.clone()), (Score::Ok(0.0), None));
        assert_eq!(asked[0].request.labels.len(), 2);
    }

    #[test]
    fn no_verdict_is_no_score_and_nothing_written_is_0() {
        let late = JudgeError::Timeout { budget: "1 s".into() };
        let (score, _) = ask("text", json!({}), Err(late));
        assert!(matches!(score, Score::Invalid(Invalid::Timeout { .. })), "{score:?}");
        let (score, _) = ask("text", json!({}), Ok(11.0));
        assert!(matches!(score, Score::Invalid(Invalid::Crash { .. })), "{score:?}");
        let (score, asked) = ask("<answer>1</answer>", json!({"of": "think"}), Ok(5.0));
        assert_eq!((score, asked.len()), (Score::Ok(0.0), 0));
        let (score, asked) = ask("text", json!({"pictures": true}), Ok(5.0));
        assert!(matches!(score, Score::Invalid(Invalid::NotApplicable { .. })) && asked.is_empty());
    }

    #[test]
    fn parameters_are_checked() {
        let asked = |params: Value| {
            let params = serde_json::from_value(params).unwrap();
            asked(&Params::resolve("judge", find("judge").unwrap().params, &params).unwrap())
        };
        assert_eq!(asked(json!({"judge": "critic"})), Ok("critic".into()));
        for (params, says) in [
            (json!({"rubric": " "}), "rubric"),
            (json!({"low": 3, "high": 3}), "scale"),
            (json!({"labels": "good"}), "name = score"),
            (json!({"labels": "good = much"}), "no number"),
            (json!({"labels": "good = 11"}), "worth 11"),
            (json!({"labels": "a = 1, A = 2"}), "label"),
        ] {
            let error = asked(params).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
