use super::*;
use crate::loss::preference::Pair;
use crate::loss::preference::testing::{Case, cases, near};
use proptest::prelude::*;

#[test]
fn mpo_is_the_sum_of_its_parts_and_becomes_dpo() {
    let case = Case::pair(0.7, -0.2);
    let batch = case.batch();
    let counts = batch.counts().unwrap();
    let value = |cfg: &PreferenceConfig| preference_loss(&batch, cfg, counts).unwrap().value;
    let one = |term| value(&PreferenceConfig::of(&[(1.0, term)]));
    let mpo = PreferenceConfig::mpo(0.1);
    let parts: Vec<f64> = mpo.terms.iter().map(|t| one(t.loss)).collect();
    near(value(&mpo), 0.8 * parts[0] + 0.2 * parts[1] + parts[2]);
    let mut only = mpo;
    for (term, weight) in only.terms.iter_mut().zip([1.0, 0.0, 0.0]) {
        term.weight = weight;
    }
    near(value(&only), value(&PreferenceConfig::default()));
}

/// What a term says of itself is what it does.
#[test]
fn pairs_weigh_and_scale_the_terms_that_say_so() {
    let mut case = Case::pair(0.8, -0.3);
    (case.masked, case.masked_reference) = (Some(vec![-5.0, 0.0]), Some(vec![-4.0, 0.0]));
    (case.labels, case.kl) = (Some(vec![Some(true), Some(false)]), Some(0.1));
    let image = PreferenceTerm::Image(ImagePreference::default());
    let terms = crate::loss::preference::testing::all_terms().into_iter().map(|(term, _)| term);
    for term in terms.chain([image]) {
        let mut value = |weight, beta_scale| {
            case.pairs[0] = Pair { weight, beta_scale, ..Pair::new(0, 1) };
            case.term(term).value
        };
        let (plain, weighed, scaled) = (value(1.0, 1.0), value(2.0, 1.0), value(1.0, 2.0));
        assert_eq!(plain != weighed, term.weighs_pairs(), "{term:?}");
        assert_eq!(plain != scaled, term.pair_beta().is_some(), "{term:?}");
    }
    let dpo = |beta| PreferenceTerm::Dpo(Dpo { beta, ..Dpo::default() });
    let nll = PreferenceTerm::Nll(Nll::default());
    let least = |terms: &[(f64, PreferenceTerm)]| PreferenceConfig::of(terms).least_beta();
    assert_eq!(least(&[(1.0, dpo(0.5)), (1.0, dpo(0.2)), (0.0, dpo(0.1)), (1.0, nll)]), Some(0.2));
    assert_eq!(least(&[(1.0, nll)]), None);
}

#[test]
fn two_ln_2_where_policy_and_reference_agree() {
    let mut case = Case::pair(0.0, 0.0);
    (case.masked, case.masked_reference) = (Some(vec![-5.0, 0.0]), Some(vec![-5.0, 0.0]));
    let batch = case.batch();
    let counts = batch.counts().unwrap();
    let rdpo = preference_loss(&batch, &PreferenceConfig::rdpo(0.1), counts).unwrap();
    near(rdpo.value, 2.0 * 2f64.ln());
    assert!(rdpo.d_masked[0] > 0.0 && rdpo.d_logprob[0] < 0.0);
    near(preference_loss(&batch, &PreferenceConfig::mdpo(0.1), counts).unwrap().value, 3.0 * 2f64.ln());
}

#[test]
fn metrics_by_hand() {
    // Log-ratios 2 and −1 with β = 0.5: rewards 1 and −0.5.
    let case = Case::pair(2.0, -1.0);
    let cfg = PreferenceConfig::of(&[(1.0, PreferenceTerm::Dpo(Dpo { beta: 0.5, ..Dpo::default() }))]);
    let loss = preference_loss(&case.batch(), &cfg, case.batch().counts().unwrap()).unwrap();
    for (name, want) in [
        ("rewards/chosen", 1.0),
        ("rewards/rejected", -0.5),
        ("rewards/margins", 1.5),
        ("rewards/accuracies", 1.0),
        ("logps/chosen", -1.0),
        ("logps/rejected", -4.0),
    ] {
        near(loss.metrics[name].value(), want);
    }
}

#[test]
fn is_read_from_a_recipe() {
    let text = r#"{"terms": [{"weight": 0.8, "loss": {"kind": "dpo", "beta": 0.2}},
                             {"weight": 1, "loss": {"kind": "nll", "mean": "sequence"}}]}"#;
    let cfg: PreferenceConfig = serde_json::from_str(text).unwrap();
    assert_eq!(cfg.terms[0].loss, PreferenceTerm::Dpo(Dpo { beta: 0.2, ..Dpo::default() }));
    assert!(cfg.check().is_ok());
    let bad = r#"{"terms": [{"weight": 1, "loss": {"kind": "dpo", "betta": 0.2}}]}"#;
    assert!(serde_json::from_str::<PreferenceConfig>(bad).is_err());
    assert!(PreferenceConfig { terms: vec![] }.check().is_err());
    assert!(PreferenceConfig::of(&[(-1.0, PreferenceTerm::Nll(Nll::default()))]).check().is_err());
    assert!(PreferenceConfig::mpo(0.0).check().is_err());
}

#[test]
fn counts_are_checked_and_nothing_is_fine() {
    let case = Case::pair(1.0, 0.0);
    let run = |counts| preference_loss(&case.batch(), &PreferenceConfig::default(), counts);
    assert!(matches!(
        run(Counts::default()),
        Err(PreferenceError::Loss(LossError::Denominator { value: 0.0 }))
    ));
    let empty = PreferenceBatch { offsets: &[0], ..PreferenceBatch::default() };
    let cfg = PreferenceConfig::orpo(0.1);
    assert_eq!(preference_loss(&empty, &cfg, empty.counts().unwrap()).unwrap().value, 0.0);
}

#[test]
fn extremes_stay_finite_or_are_refused() {
    for far in [1e30f32, -1e30] {
        let mut case = Case::pair(0.0, 0.0);
        case.logprob = vec![far, -far];
        (case.labels, case.kl) = (Some(vec![Some(true), Some(false)]), Some(1.0));
        for (term, bounded) in crate::loss::preference::testing::all_terms() {
            let cfg = PreferenceConfig::of(&[(1.0, term)]);
            match preference_loss(&case.batch(), &cfg, case.batch().counts().unwrap()) {
                Ok(loss) => assert!(loss.value.is_finite(), "{term:?}"),
                Err(e) => assert!(!bounded, "{term:?}: {e}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn micro_batches_add_up(case in cases(), order in any::<bool>()) {
        let batch = case.batch();
        let counts = batch.counts().unwrap();
        let (first, second): (Vec<Pair>, Vec<Pair>) =
            case.pairs.iter().enumerate().fold((vec![], vec![]), |(mut a, mut b), (i, p)| {
                if (i % 2 == 0) == order { a.push(*p) } else { b.push(*p) }
                (a, b)
            });
        for (term, _) in crate::loss::preference::testing::all_terms() {
            if matches!(term, PreferenceTerm::Kto(_)) {
                continue;
            }
            let cfg = PreferenceConfig::of(&[(0.5, term)]);
            let run = |pairs: &[Pair]| {
                preference_loss(&PreferenceBatch { pairs, ..batch }, &cfg, counts).unwrap()
            };
            let (whole, a, b) = (run(&case.pairs), run(&first), run(&second));
            prop_assert!((whole.value - a.value - b.value).abs() < 1e-9 * (1.0 + whole.value.abs()));
            for t in 0..case.logprob.len() {
                let sum = a.d_logprob[t] + b.d_logprob[t];
                prop_assert!((whole.d_logprob[t] - sum).abs() < 1e-4 * (1.0 + sum.abs()), "{:?}", term);
            }
        }
    }
}
