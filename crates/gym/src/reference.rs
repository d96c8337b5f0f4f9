//! The two policies that anchor the normalised score.

use eyas_core::Seed;

use crate::{Game, Status};

/// Plays guesses (see [`Env::guess`](crate::Env::guess)) to the end; gives the total score.
pub fn play_random(game: Box<dyn Game>, seed: Seed) -> f32 {
    play_random_with(game, seed, || {})
}

/// The same; `moved` is called after every move.
pub fn play_random_with(mut game: Box<dyn Game>, seed: Seed, moved: impl Fn()) -> f32 {
    let mut rng = seed.rng();
    let mut total = 0.0;
    while game.status() == Status::Running {
        total += match game.guess(&mut rng).map(|action| game.step(&action)) {
            Some(Ok(step)) => step.score,
            _ => game.pass().score,
        };
        moved();
    }
    total
}

/// Plays the oracle to the end; gives the total score.
pub fn play_oracle(game: Box<dyn Game>) -> f32 {
    play_oracle_with(game, || {})
}

/// The same; `moved` is called after every move.
pub fn play_oracle_with(mut game: Box<dyn Game>, moved: impl Fn()) -> f32 {
    let mut total = 0.0;
    while game.status() == Status::Running {
        let action = game.oracle();
        total += match game.step(&action) {
            Ok(step) => step.score,
            Err(_) => game.pass().score,
        };
        moved();
    }
    total
}

/// `(score − random) / (oracle − random)`; `None` when the two references coincide.
pub fn normalised(score: f64, random: f64, oracle: f64) -> Option<f64> {
    let span = oracle - random;
    (span.abs() > 1e-9).then(|| (score - random) / span)
}
