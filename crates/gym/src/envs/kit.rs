//! Small things that the environments of moving pictures, driving and handling share: plain numbers
//! in answers, frames on a sheet, angles in steps of 15 degrees.

use eyas_core::{Image, Outcome, Seed};

use serde_json::{Map, Value, json};

use crate::draw::{Canvas, WHITE};
use crate::{Env, Frame, Status};

/// A whole number has at most this many digits. Longer ones say nothing about a picture.
const MAX_DIGITS: usize = 6;

/// Steps of the circle in [`turned`].
pub(crate) const CIRCLE: usize = 24;

/// Reads ASCII digits with white space around them; no sign, no exponent.
pub(crate) fn whole(text: &str) -> Option<i32> {
    let text = text.trim();
    let plain = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

/// Reads a decimal number with up to two places, as hundredths.
pub(crate) fn hundredths(text: &str) -> Option<u32> {
    let text = text.trim();
    let (front, back) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits(front, MAX_DIGITS) || !digits(back, 2) {
        return None;
    }
    let places: u32 = back.parse().ok()?;
    let front: u32 = front.parse().ok()?;
    Some(front * 100 + if back.len() == 1 { places * 10 } else { places })
}

/// Hundredths as a decimal number: one place, or two where they are needed.
pub(crate) fn decimal(hundredths: u32) -> String {
    let (front, back) = (hundredths / 100, hundredths % 100);
    if back.is_multiple_of(10) { format!("{front}.{}", back / 10) } else { format!("{front}.{back:02}") }
}

/// Reads `open`, exactly `N` whole numbers with commas between them, `close`.
pub(crate) fn tuple<const N: usize>(text: &str, open: char, close: char) -> Option<[i32; N]> {
    let inner = text.trim().strip_prefix(open)?.strip_suffix(close)?;
    let mut numbers = [0; N];
    let mut parts = inner.split(',');
    for number in &mut numbers {
        *number = parts.next().and_then(whole)?;
    }
    parts.next().is_none().then_some(numbers)
}

/// The pictures of a clip on one sheet, as square as can be. There is no gap, so that what is aligned
/// to visual tokens stays aligned; frames draw their own edge.
pub(crate) fn sheet(images: &[Image]) -> Image {
    let columns = (1..=images.len()).find(|c| c * c >= images.len()).unwrap_or(1);
    Canvas::sheet(images, columns, 0, WHITE)
}

/// The pictures as frames of a clip, `fps` of them a second.
pub(crate) fn clip(images: Vec<Image>, fps: u32) -> Vec<Frame> {
    let at = |i: usize| Some(i as f32 / fps.max(1) as f32);
    images.into_iter().enumerate().map(|(i, image)| Frame { image, seconds: at(i) }).collect()
}

/// Sine and cosine of `steps` times 15 degrees. Written out, because the library's may differ in the
/// last bit from one platform to the next.
pub(crate) fn turned(steps: usize) -> (f32, f32) {
    const QUARTER: [f32; 7] =
        [0.0, 0.258_819, 0.5, std::f32::consts::FRAC_1_SQRT_2, 0.866_025, 0.965_926, 1.0];
    let sine = |n: usize| {
        let n = n % CIRCLE;
        let half = n % 12;
        let value = QUARTER[if half <= 6 { half } else { 12 - half }];
        if n < 12 { value } else { -value }
    };
    (sine(steps), sine(steps + 6))
}

/// Scattered points for things that mean nothing: `count` of them, in thousandths of the picture's
/// width and height, with a number to choose their looks by.
pub(crate) fn scatter(seed: Seed, index: u64, count: usize) -> Vec<(i32, i32, usize)> {
    let mut rng = seed.split("scatter", index).rng();
    (0..count).map(|_| (rng.below(1000) as i32, rng.below(1000) as i32, rng.below(1000))).collect()
}

/// How an episode ended that has no goal but its score, when its turns are over: a success where at least
/// three quarters of the turns scored. The share is ours; random play mostly stays below it, the oracle
/// mostly above.
pub(crate) fn outcome_of_turns(scored: u32, turns: u32) -> Outcome {
    let enough = 4 * u64::from(scored) >= 3 * u64::from(turns);
    if enough { Outcome::Success } else { Outcome::Truncated }
}

/// For counts that are left out of a snapshot while they are 0.
pub(crate) fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// The turns allowed for a way of `shortest` moves, when `turns` were allowed for one of `before`.
pub(crate) fn turns_from_here(turns: u32, before: u32, shortest: u32) -> u32 {
    let scaled = u64::from(turns) * u64::from(shortest) / u64::from(before.max(1));
    u32::try_from(scaled).unwrap_or(turns).max(shortest).max(1)
}

/// Forms of ground truth by their names.
pub(crate) fn truths<const N: usize>(forms: [(&str, Value); N]) -> Map<String, Value> {
    forms.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// The longest plan that is told.
const MAX_PLAN: usize = 64;

/// What the oracle does until the episode ends, for actions that are written `name(argument,...)`: a list
/// of `{action, target}`, the target's arguments separated by blanks.
pub(crate) fn plan(env: &impl Env) -> Value {
    let (mut env, mut steps) = (env.clone(), Vec::new());
    while env.status() == Status::Running && steps.len() < MAX_PLAN {
        let action = env.oracle();
        let text = action.to_string();
        let (name, arguments) = text.split_once('(').unwrap_or((&text, ""));
        let target = arguments.trim_end_matches(')').replace(',', " ");
        steps.push(json!({ "action": name, "target": target }));
        if !env.step(&action).legal {
            break;
        }
    }
    Value::from(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain() {
        assert_eq!((whole(" 12 "), whole("007"), whole("")), (Some(12), Some(7), None));
        for text in ["-1", "+1", "1.0", "1e3", "9999999", "１", "1 2", "nan"] {
            assert_eq!(whole(text), None, "{text}");
        }
        assert_eq!(
            (hundredths("1.5"), hundredths(" 12.54 "), hundredths("3")),
            (Some(150), Some(1254), Some(300))
        );
        for text in ["", ".", ".5", "1.", "1.234", "-1.0", "1.5.0", "inf", "1,5", "٣"] {
            assert_eq!(hundredths(text), None, "{text}");
        }
        assert_eq!(
            (decimal(150), decimal(1254), decimal(305), decimal(0)),
            ("1.5".into(), "12.54".into(), "3.05".into(), "0.0".into())
        );
        assert_eq!(tuple("( 1, 20 )", '(', ')'), Some([1, 20]));
        assert_eq!(tuple::<2>("(1,2,3)", '(', ')'), None);
        assert_eq!(tuple::<2>("(1)", '(', ')'), None);
        assert_eq!(tuple::<2>("1,2", '(', ')'), None);
    }

    #[test]
    fn three_quarters_of_the_turns_are_a_success() {
        let won = |scored, turns| outcome_of_turns(scored, turns) == Outcome::Success;
        assert!(won(1, 1) && won(6, 8) && won(3, 4) && won(5, 6));
        assert!(!won(0, 1) && !won(5, 8) && !won(2, 4) && !won(4, 6));
    }

    #[test]
    fn a_shorter_way_has_fewer_turns() {
        assert_eq!((turns_from_here(12, 6, 3), turns_from_here(12, 6, 9)), (6, 18));
        assert_eq!((turns_from_here(5, 5, 0), turns_from_here(7, 4, 1)), (1, 1));
    }

    #[test]
    fn angles_are_on_the_circle() {
        assert_eq!(
            (turned(0), turned(6), turned(12), turned(18)),
            ((0.0, 1.0), (1.0, 0.0), (0.0, -1.0), (-1.0, 0.0))
        );
        for steps in 0..48 {
            let (s, c) = turned(steps);
            assert!((s * s + c * c - 1.0).abs() < 1e-5, "{steps}");
            let angle = steps as f64 * std::f64::consts::PI / 12.0;
            assert!((f64::from(s) - angle.sin()).abs() < 1e-5 && (f64::from(c) - angle.cos()).abs() < 1e-5);
        }
    }
}
