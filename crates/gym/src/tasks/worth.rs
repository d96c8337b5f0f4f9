//! Which of two actions is worth more, where that is certain.

use std::cmp::Ordering;

use eyas_core::Rng;

use crate::{EnvSpec, Game, Knobs, Status};

/// Environments in which the picture shows all that decides what an action is worth, the oracle is exact, and
/// nothing is left to chance; where a knob is named, as long as it has its default.
const OPEN: &[(&str, Option<&str>)] = &[
    ("affordance", None),
    ("bouncing-ball", None),
    ("chart-qa", None),
    ("chart-table", None),
    ("counting", None),
    ("detection", None),
    ("frozen-lake", Some("slippery")),
    ("graph", None),
    ("gui-grounding", None),
    ("hanoi", None),
    ("jigsaw", None),
    ("lights-out", None),
    ("maze", Some("fog")),
    ("mental-rotation", None),
    ("number-line", Some("slip")),
    ("ocr", None),
    ("odd-one-out", None),
    ("pattern", None),
    ("plot", None),
    ("point-at", None),
    ("referring", None),
    ("route-map", None),
    ("rush-hour", None),
    ("shell-game", None),
    ("sliding-puzzle", None),
    ("sokoban", None),
    ("stack", None),
    ("sudoku", None),
    ("svg", None),
    ("temporal-grounding", None),
    ("transformation", None),
    ("video-unshuffle", None),
];

/// Longest way that is played out to see what an action is worth.
const LONGEST: usize = 500;

/// Scores that are nearer than this are the same.
const SAME: f32 = 1e-4;

/// Actions that are looked at in search of worse ones.
const LOOKED_AT: usize = 24;

/// Whether every action's worth is known and can be seen.
pub(crate) fn is_open(spec: &EnvSpec, knobs: &Knobs) -> bool {
    let at_default = |name: &str| knobs.values().get(name) == Knobs::defaults(spec.knobs).values().get(name);
    OPEN.iter().any(|(id, closes)| *id == spec.id && closes.is_none_or(at_default))
}

/// What an action brings: the score of it and all that the oracle does after it, and in how many turns.
fn worth(game: &dyn Game, action: &str) -> Option<(f32, usize)> {
    let mut game = game.fork();
    let mut score = game.step(action).ok()?.score;
    for turns in 1..=LONGEST {
        if game.status() != Status::Running {
            return Some((score, turns));
        }
        score += game.step(&game.oracle()).ok()?.score;
    }
    None
}

/// How `action` compares with `best` in an environment that [`is_open`]: less where its score is lower, or the
/// same after more turns. `None` when an episode does not end.
pub(crate) fn compare(game: &dyn Game, action: &str, best: &str) -> Option<Ordering> {
    let ((a, turns), (b, least)) = (worth(game, action)?, worth(game, best)?);
    Some(if (a - b).abs() > SAME { a.total_cmp(&b) } else { least.cmp(&turns) })
}

/// Up to `most` actions that are certainly worse than `best`: the rules refuse them, or, where the
/// environment `open`s its worth, they bring less.
pub(crate) fn worse(game: &dyn Game, best: &str, open: bool, most: usize, rng: &mut Rng) -> Vec<String> {
    let legal = |action: &str| game.fork().step(action).is_ok_and(|step| step.legal);
    if !legal(best) {
        return Vec::new();
    }
    // What a player guesses comes first: in some environments almost nothing else looks right.
    let mut looked_at: Vec<String> = (0..LOOKED_AT / 2).filter_map(|_| game.guess(rng)).collect();
    let mut others = game.legal_actions();
    rng.shuffle(&mut others);
    looked_at.extend(others.into_iter().take(LOOKED_AT / 2));
    let mut found: Vec<String> = Vec::new();
    for action in looked_at {
        if found.len() == most {
            break;
        }
        let new = action != best && !found.contains(&action);
        let less = || open && compare(game, &action, best) == Some(Ordering::Less);
        if new && (!legal(&action) || less()) {
            found.push(action);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_core::Seed;

    #[test]
    fn the_environments_exist_and_so_do_their_knobs() {
        for (id, knob) in OPEN {
            let entry = crate::find(id).unwrap();
            assert!(knob.is_none_or(|k| entry.spec.knobs.iter().any(|s| s.name == k)), "{id}");
            assert!(entry.spec.oracle.starts_with("exact") && entry.spec.players == 1, "{id}");
        }
        let lake = crate::find("frozen-lake").unwrap();
        let given = [("slippery".to_string(), crate::KnobValue::Float(0.2))].into();
        assert!(is_open(lake.spec, &lake.knobs(&Default::default()).unwrap()));
        assert!(!is_open(lake.spec, &lake.knobs(&given).unwrap()));
    }

    /// What an action brings must not hang on a number that is yet to be drawn.
    #[test]
    fn nothing_is_drawn_on_the_way() {
        fn sources(state: &serde_json::Value, found: &mut Vec<serde_json::Value>) {
            match state {
                serde_json::Value::Object(fields) => {
                    let rng = |(name, value): (&String, &serde_json::Value)| match name.as_str() {
                        "rng" => found.push(value.clone()),
                        _ => sources(value, found),
                    };
                    fields.iter().for_each(rng);
                }
                serde_json::Value::Array(items) => items.iter().for_each(|item| sources(item, found)),
                _ => {}
            }
        }
        let sources = |game: &dyn Game| {
            let mut found = Vec::new();
            sources(&game.snapshot().unwrap(), &mut found);
            found
        };
        for (id, _) in OPEN.iter().filter(|(_, closes)| closes.is_none()) {
            let entry = crate::find(id).unwrap();
            for i in 0..3 {
                let mut game = entry.reset(Seed::new(i), &entry.knobs(&Default::default()).unwrap()).unwrap();
                let before = sources(&*game);
                while game.status() == Status::Running {
                    game.step(&game.oracle()).unwrap();
                }
                assert_eq!(sources(&*game), before, "{id}");
            }
        }
    }

    #[test]
    fn worse_actions_by_hand() {
        let entry = crate::find("number-line").unwrap();
        let game = entry.reset(Seed::new(0), &entry.knobs(&Default::default()).unwrap()).unwrap();
        // Current 2, target 1 (see its perception): right leads away.
        assert_eq!(game.perception().text, "target 1\ncurrent 2");
        assert_eq!(compare(&*game, "right", "left"), Some(Ordering::Less));
        assert_eq!(compare(&*game, "left", "left"), Some(Ordering::Equal));
        assert_eq!(worse(&*game, "left", true, 3, &mut Seed::new(1).rng()), ["right"]);
        // Without certainty only what the rules refuse is worse.
        assert!(worse(&*game, "left", false, 3, &mut Seed::new(1).rng()).is_empty());
    }
}
