use super::*;
use proptest::prelude::*;

const CLIP: PolicyConfig =
    PolicyConfig { clip_low: 0.2, clip_high: 0.3, kl_coef: 0.0, aggregation: Aggregation::TokenMean };
const KL: PolicyConfig = PolicyConfig { kl_coef: 0.5, ..CLIP };

/// Owned inputs, so that tests can change them.
#[derive(Clone, Debug)]
struct Batch {
    logprob: Vec<f32>,
    behaviour: Vec<f32>,
    reference: Vec<f32>,
    advantage: Vec<f32>,
    weight: Vec<f32>,
    offsets: Vec<usize>,
}

impl Batch {
    /// One sequence whose tokens have these ratios and advantages; the reference is the policy.
    fn of(tokens: &[(f32, f32)]) -> Self {
        let logprob: Vec<f32> = tokens.iter().map(|(ratio, _)| ratio.ln() - 3.0).collect();
        Self {
            behaviour: vec![-3.0; tokens.len()],
            reference: logprob.clone(),
            advantage: tokens.iter().map(|t| t.1).collect(),
            weight: vec![1.0; tokens.len()],
            offsets: vec![0, tokens.len()],
            logprob,
        }
    }

    fn inputs(&self) -> PolicyInputs<'_> {
        PolicyInputs {
            logprob: &self.logprob,
            behaviour_logprob: &self.behaviour,
            reference_logprob: Some(&self.reference),
            advantage: &self.advantage,
            weight: &self.weight,
            entropy: None,
            offsets: &self.offsets,
        }
    }

    fn denominator(&self, aggregation: Aggregation) -> f64 {
        aggregation.denominator(&self.weight, &self.offsets).unwrap()
    }

    fn loss(&self, cfg: &PolicyConfig) -> PolicyLoss {
        policy_loss(&self.inputs(), cfg, self.denominator(cfg.aggregation)).unwrap()
    }

    /// The sequences `from..to` as a batch of their own.
    fn sequences(&self, from: usize, to: usize) -> Self {
        let (start, end) = (self.offsets[from], self.offsets[to]);
        let cut = |v: &[f32]| v[start..end].to_vec();
        Self {
            logprob: cut(&self.logprob),
            behaviour: cut(&self.behaviour),
            reference: cut(&self.reference),
            advantage: cut(&self.advantage),
            weight: cut(&self.weight),
            offsets: self.offsets[from..=to].iter().map(|o| o - start).collect(),
        }
    }
}

fn near(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-6, "{got} is not {want}");
}

#[test]
fn the_clip_has_four_sides() {
    // ratio, advantage, loss, derivative by the log-prob
    let cases = [
        (1.1, 2.0, -2.2, -2.2), // inside: −A·r
        (1.5, 2.0, -2.6, 0.0),  // too likely already: −A·1.3, no gradient
        (0.5, 2.0, -1.0, -1.0), // good and unlikely: never clipped
        (0.5, -2.0, 1.6, 0.0),  // bad and unlikely already: −A·0.8, no gradient
        (1.5, -2.0, 3.0, 3.0),  // bad and likely: never clipped
        (1.0, 0.0, 0.0, 0.0),
    ];
    for (ratio, advantage, value, slope) in cases {
        let loss = Batch::of(&[(ratio, advantage)]).loss(&CLIP);
        near(loss.value, value);
        near(f64::from(loss.d_logprob[0]), slope);
    }
    let all: Vec<_> = cases.iter().map(|c| (c.0, c.1)).collect();
    let loss = Batch::of(&all).loss(&CLIP);
    near(loss.value, (-2.2 - 2.6 - 1.0 + 1.6 + 3.0) / 6.0);
    let m = loss.metrics;
    assert_eq!(m.tokens, 6);
    near(m.ratio_mean, 6.1 / 6.0);
    near(m.ratio_max, 1.5);
    near(m.ratio_min, 0.5);
    near(m.clip_fraction_low, 1.0 / 6.0);
    near(m.clip_fraction_high, 1.0 / 6.0);
    near(m.clip_fraction, 2.0 / 6.0);
    // −(ln 1.1 + 2 ln 1.5 + 2 ln 0.5) / 6
    near(m.ppo_kl, -(0.0953101798 + 2.0 * 0.4054651081 - 2.0 * std::f64::consts::LN_2) / 6.0);
    near(m.kl.unwrap(), 0.0);
}

#[test]
fn the_gradient_passes_on_the_edge_of_the_clip() {
    // With clips of 0 and equal log-probs the ratio 1 is the edge itself, on both sides.
    let cfg = PolicyConfig { clip_low: 0.0, clip_high: 0.0, ..CLIP };
    for advantage in [2.0, -2.0] {
        let loss = Batch::of(&[(1.0, advantage)]).loss(&cfg);
        assert_eq!(loss.d_logprob[0], -advantage);
        assert_eq!(loss.metrics.clip_fraction, 0.0);
    }
}

#[test]
fn k3_by_hand() {
    // d = ln 2: 2 − ln 2 − 1 = 0.306852819, slope 1 − 2. d = −ln 2: 0.5 + ln 2 − 1 = 0.193147181, slope 0.5.
    let ln2 = std::f64::consts::LN_2;
    let up = k3(-1.0, -1.0 + ln2);
    near(up.value, 0.306852819);
    near(up.derivative, -1.0);
    let down = k3(-1.0, -1.0 - ln2);
    near(down.value, 0.193147181);
    near(down.derivative, 0.5);
    assert_eq!(k3(-1.0, -1.0), TokenLoss { value: 0.0, derivative: 0.0 });
    // e³ − 4 = 16.09 and, the other way, 20 + e⁻²⁰ − 1: both cut.
    assert_eq!(k3(-4.0, -1.0), TokenLoss { value: 10.0, derivative: 0.0 });
    assert_eq!(k3(0.0, -20.0), TokenLoss { value: 10.0, derivative: 0.0 });
    assert_eq!(k3(-3e38, 0.0), TokenLoss { value: 10.0, derivative: 0.0 });

    let mut b = Batch::of(&[(1.0, 1.0), (1.0, 1.0)]);
    b.reference[0] += std::f32::consts::LN_2;
    let loss = b.loss(&KL);
    near(loss.value, -1.0 + 0.5 * 0.306852819 / 2.0);
    near(f64::from(loss.d_logprob[0]), (-1.0 - 0.5) / 2.0);
    near(f64::from(loss.d_logprob[1]), -0.5);
    near(loss.metrics.kl.unwrap(), 0.306852819 / 2.0);
}

#[test]
fn aggregations_by_hand() {
    // Two sequences of 1 and 3 tokens, ratio 1: token losses −1 | −2 −2 −5.
    let mut b = Batch::of(&[(1.0, 1.0), (1.0, 2.0), (1.0, 2.0), (1.0, 5.0)]);
    b.offsets = vec![0, 1, 4];
    let loss = |aggregation| b.loss(&PolicyConfig { aggregation, ..CLIP });
    let (token, sequence) = (loss(Aggregation::TokenMean), loss(Aggregation::SequenceMean));
    near(token.value, -10.0 / 4.0);
    near(sequence.value, (-1.0 - 9.0 / 3.0) / 2.0);
    near(f64::from(sequence.d_logprob[0]), -0.5);
    near(f64::from(sequence.d_logprob[3]), -5.0 / 6.0);
    near(loss(Aggregation::Constant(8.0)).value, -10.0 / 16.0);
}

#[test]
fn an_empty_response_and_an_empty_batch_are_fine() {
    let mut b = Batch::of(&[(1.0, 1.0), (1.0, 3.0)]);
    b.offsets = vec![0, 0, 2, 2];
    for aggregation in [Aggregation::TokenMean, Aggregation::SequenceMean, Aggregation::Constant(2.0)] {
        near(b.loss(&PolicyConfig { aggregation, ..CLIP }).value, -2.0);
    }
    let empty = b.sequences(0, 1);
    let loss = policy_loss(&empty.inputs(), &CLIP, 7.0).unwrap();
    assert_eq!((loss.value, loss.d_logprob.len(), loss.metrics), (0.0, 0, PolicyMetrics::default()));
    let share = empty.denominator(CLIP.aggregation);
    assert_eq!(policy_loss(&empty.inputs(), &CLIP, share), Err(LossError::Denominator { value: 0.0 }));
}

#[test]
fn identical_policies_have_ratio_one() {
    let m = Batch::of(&[(1.0, 1.0), (1.0, -2.0)]).loss(&KL).metrics;
    assert_eq!((m.ratio_min, m.ratio_mean, m.ratio_max), (1.0, 1.0, 1.0));
    assert_eq!((m.clip_fraction, m.ppo_kl, m.kl), (0.0, 0.0, Some(0.0)));
}

#[test]
fn far_policies_stay_finite() {
    for (logprob, behaviour) in [(0.0, -1e4), (-1e4, 0.0), (-3e38, 3e38)] {
        for advantage in [1.0, -1.0] {
            let mut b = Batch::of(&[(1.0, advantage)]);
            (b.logprob[0], b.behaviour[0], b.reference[0]) = (logprob, behaviour, behaviour);
            let loss = b.loss(&KL);
            assert!(loss.value.is_finite() && loss.metrics.ratio_max.is_finite());
            assert_eq!(loss.d_logprob[0], 0.0, "constant out there");
        }
    }
}

#[test]
fn entropy_is_passed_on() {
    let b = Batch::of(&[(1.0, 1.0), (1.0, 1.0), (1.0, 1.0)]);
    let entropy = [0.5, 1.5, f32::NAN];
    let weight = [1.0, 1.0, 0.0];
    let inputs = PolicyInputs { entropy: Some(&entropy), weight: &weight, ..b.inputs() };
    assert_eq!(policy_loss(&inputs, &CLIP, 2.0).unwrap().metrics.entropy, Some(1.0));
    assert_eq!(policy_loss(&b.inputs(), &CLIP, 2.0).unwrap().metrics.entropy, None);
}

#[test]
fn what_is_not_finite_is_named() {
    type Field = fn(&mut Batch) -> &mut Vec<f32>;
    let fields: [(&str, Field); 4] = [
        ("logprob", |b| &mut b.logprob),
        ("behaviour_logprob", |b| &mut b.behaviour),
        ("reference_logprob", |b| &mut b.reference),
        ("advantage", |b| &mut b.advantage),
    ];
    for (field, slice) in fields {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut b = Batch::of(&[(1.0, 1.0); 3]);
            slice(&mut b)[1] = bad;
            match policy_loss(&b.inputs(), &CLIP, 3.0) {
                Err(LossError::NonFinite { name, index: 1, .. }) => assert_eq!(name, field),
                other => panic!("{field}: {other:?}"),
            }
            b.weight[1] = 0.0;
            assert!(policy_loss(&b.inputs(), &CLIP, 3.0).is_ok(), "masked tokens are not looked at");
        }
    }
    let mut b = Batch::of(&[(1.0, 1.0); 3]);
    b.weight[2] = f32::NAN;
    assert!(matches!(policy_loss(&b.inputs(), &CLIP, 3.0), Err(LossError::Weight { index: 2, .. })));
    let mut b = Batch::of(&[(1.0, f32::MAX); 2]);
    b.logprob[1] += 0.2;
    assert_eq!(policy_loss(&b.inputs(), &CLIP, 1.0), Err(LossError::Overflow { index: 1 }));
}

#[test]
fn bad_arguments_are_named() {
    let b = Batch::of(&[(1.0, 1.0); 2]);
    let err = |cfg: &PolicyConfig, d| policy_loss(&b.inputs(), cfg, d).unwrap_err();
    for (cfg, setting) in [
        (PolicyConfig { clip_low: 1.5, ..CLIP }, "clip_low"),
        (PolicyConfig { clip_low: f64::NAN, ..CLIP }, "clip_low"),
        (PolicyConfig { clip_high: -0.1, ..CLIP }, "clip_high"),
        (PolicyConfig { kl_coef: f64::INFINITY, ..CLIP }, "kl_coef"),
        (PolicyConfig { aggregation: Aggregation::Constant(0.0), ..CLIP }, "aggregation.constant"),
    ] {
        assert!(matches!(err(&cfg, 1.0), LossError::Config { name, .. } if name == setting), "{setting}");
    }
    assert_eq!(err(&CLIP, -1.0), LossError::Denominator { value: -1.0 });
    let no_reference = PolicyInputs { reference_logprob: None, ..b.inputs() };
    assert_eq!(policy_loss(&no_reference, &KL, 1.0), Err(LossError::MissingReference { kl_coef: 0.5 }));
    assert_eq!(policy_loss(&no_reference, &CLIP, 1.0).unwrap().metrics.kl, None);
    let short = PolicyInputs { advantage: &[1.0], ..b.inputs() };
    assert_eq!(
        policy_loss(&short, &CLIP, 1.0),
        Err(LossError::Length { name: "advantage", got: 1, expected: 2 })
    );
    let offsets = PolicyInputs { offsets: &[0, 1], ..b.inputs() };
    assert_eq!(policy_loss(&offsets, &CLIP, 1.0), Err(LossError::Offsets { tokens: 2 }));
}

#[test]
fn reads_its_config() {
    let cfg: PolicyConfig =
        serde_json::from_str(r#"{"clip_high": 0.28, "aggregation": "sequence_mean"}"#).unwrap();
    let want =
        PolicyConfig { clip_high: 0.28, aggregation: Aggregation::SequenceMean, ..PolicyConfig::default() };
    assert_eq!(cfg, want);
    assert!(serde_json::from_str::<PolicyConfig>(r#"{"clip": 0.2}"#).is_err());
}

fn aggregations() -> impl Strategy<Value = Aggregation> {
    prop::sample::select(vec![Aggregation::TokenMean, Aggregation::SequenceMean, Aggregation::Constant(5.0)])
}

/// Up to five sequences, empty ones among them; the first token of the batch always counts.
fn batches() -> impl Strategy<Value = Batch> {
    let token = (
        -5.0f32..0.0,
        -0.8f32..0.8,
        -1.5f32..1.5,
        -2.0f32..2.0,
        prop::sample::select(vec![0.0f32, 0.5, 1.0]),
    );
    prop::collection::vec(prop::collection::vec(token, 0..6), 1..6).prop_map(|sequences| {
        let mut b = Batch::of(&[(1.0, 1.0)]);
        b.offsets = vec![0, 1];
        for (logprob, behaviour, reference, advantage, weight) in sequences.iter().flatten().copied() {
            b.logprob.push(logprob);
            b.behaviour.push(logprob + behaviour);
            b.reference.push(logprob + reference);
            b.advantage.push(advantage);
            b.weight.push(weight);
        }
        let ends = sequences.iter().scan(1, |end, s| {
            *end += s.len();
            Some(*end)
        });
        b.offsets.extend(ends);
        b
    })
}

proptest! {
    #[test]
    fn derivative_is_the_difference_quotient(b in batches(), aggregation in aggregations()) {
        let cfg = PolicyConfig { aggregation, ..KL };
        let loss = b.loss(&cfg);
        let step = 1.0 / 1024.0;
        for t in 0..b.logprob.len() {
            // The loss has a kink on the edges of the clip.
            let ratio = f64::from(b.logprob[t] - b.behaviour[t]).exp();
            if (ratio - 0.8).abs() < 0.01 || (ratio - 1.3).abs() < 0.01 {
                continue;
            }
            let at = |step: f32| {
                let mut moved = b.clone();
                moved.logprob[t] += step;
                (moved.loss(&cfg).value, f64::from(moved.logprob[t]))
            };
            let ((up, x1), (down, x0)) = (at(step), at(-step));
            let slope = (up - down) / (x1 - x0);
            prop_assert!((slope - f64::from(loss.d_logprob[t])).abs() < 1e-5, "token {}: {} {}", t, slope, loss.d_logprob[t]);
        }
    }

    #[test]
    fn micro_batches_add_up_to_the_batch(b in batches(), aggregation in aggregations(), cut in 0usize..6) {
        let cfg = PolicyConfig { aggregation, ..KL };
        let whole = b.loss(&cfg);
        let last = b.offsets.len() - 1;
        let cut = cut.min(last);
        let parts = [b.sequences(0, cut), b.sequences(cut, last)];
        let denominator: f64 = parts.iter().map(|p| p.denominator(aggregation)).sum();
        prop_assert!((denominator - b.denominator(aggregation)).abs() < 1e-12);
        let [x, y] = parts.map(|p| policy_loss(&p.inputs(), &cfg, denominator).unwrap());
        prop_assert!((x.value + y.value - whole.value).abs() < 1e-12);
        prop_assert_eq!([x.d_logprob, y.d_logprob].concat(), whole.d_logprob);
        let (merged, want) = (x.metrics.merge(&y.metrics), whole.metrics);
        prop_assert_eq!((merged.tokens, merged.ratio_max, merged.ratio_min), (want.tokens, want.ratio_max, want.ratio_min));
        for (a, b) in [
            (merged.ratio_mean, want.ratio_mean),
            (merged.clip_fraction, want.clip_fraction),
            (merged.clip_fraction_low, want.clip_fraction_low),
            (merged.clip_fraction_high, want.clip_fraction_high),
            (merged.ppo_kl, want.ppo_kl),
            (merged.kl.unwrap(), want.kl.unwrap()),
        ] {
            prop_assert!((a - b).abs() < 1e-9);
        }
    }

    #[test]
    fn no_advantage_no_gradient(mut b in batches(), aggregation in aggregations()) {
        b.advantage.fill(0.0);
        let loss = b.loss(&PolicyConfig { aggregation, ..CLIP });
        prop_assert_eq!(loss.value, 0.0);
        prop_assert!(loss.d_logprob.iter().all(|d| *d == 0.0));
    }

    #[test]
    fn masked_tokens_have_no_influence(b in batches(), aggregation in aggregations()) {
        let cfg = PolicyConfig { aggregation, ..KL };
        let mut other = b.clone();
        for t in (0..b.weight.len()).filter(|&t| b.weight[t] == 0.0) {
            for slice in [&mut other.logprob, &mut other.behaviour, &mut other.reference, &mut other.advantage] {
                slice[t] = f32::NAN;
            }
        }
        let (a, b) = (b.loss(&cfg), other.loss(&cfg));
        prop_assert_eq!(&a, &b);
        prop_assert!(other.weight.iter().zip(&a.d_logprob).all(|(w, d)| *w > 0.0 || *d == 0.0));
    }

    #[test]
    fn any_finite_input_gives_finite_output(
        lp in any::<f32>(), behaviour in any::<f32>(), reference in any::<f32>(), advantage in any::<f32>(),
    ) {
        let mut b = Batch::of(&[(1.0, advantage)]);
        (b.logprob[0], b.behaviour[0], b.reference[0]) = (lp, behaviour, reference);
        if let Ok(loss) = policy_loss(&b.inputs(), &KL, 1.0) {
            prop_assert!(loss.value.is_finite() && loss.d_logprob[0].is_finite());
            prop_assert!(loss.metrics.ratio_mean.is_finite() && loss.metrics.ppo_kl.is_finite());
        }
    }
}
