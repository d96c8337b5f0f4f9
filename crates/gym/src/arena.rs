//! Games of several players behind one interface, and [`Seated`]: one player's chair as an [`Env`].
//!
//! An [`Arena`] knows all players and nobody's policy. Turn-based games have one acting player at a
//! time, simultaneous ones all of them. Self-play drives the arena itself; single-agent training
//! takes a chair, and built-in opponents sit in the others.

use std::fmt::{Debug, Display};

use eyas_core::{Image, Rng, Seed};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Axis, Env, EnvSpec, KnobError, KnobKind, KnobSpec, Knobs, ParseError, Perception, Status, Step};

/// Which chair the policy takes; every arena lists this knob.
pub const SEAT: KnobSpec = KnobSpec::choice(
    "seat",
    Axis::Stochasticity,
    &["random", "first", "second"],
    "random",
    "which player the policy is; random: drawn from the seed",
);

/// A game of two or more players: plain data, random source included.
///
/// The laws of [`Env`] hold for every player's view.
pub trait Arena: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// A parsed action. `Display` gives its canonical text.
    type Action: Clone + Debug + Display + PartialEq + Send;

    /// What this game says of itself. Its knobs hold [`SEAT`] and a choice called `opponent`, whose
    /// words [`Arena::opponent`] understands.
    fn spec() -> &'static EnvSpec;

    /// A fresh game.
    ///
    /// # Errors
    /// [`KnobError::Conflict`] when knobs contradict each other.
    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError>;

    /// The players who have to act now, in rising order; empty when the game is over.
    fn acting(&self) -> Vec<usize>;

    /// The rules as `player` has to know them.
    fn rules(&self, player: usize) -> String;

    /// What `player` sees.
    fn render(&self, player: usize) -> Image;

    /// Reads an answer of `player`.
    ///
    /// # Errors
    /// [`ParseError`] when it is not an action.
    fn parse(&self, player: usize, answer: &str) -> Result<Self::Action, ParseError>;

    /// Plays one action of each acting player (all of [`Arena::acting`], in that order). Gives one
    /// step for every player at the table; `legal` speaks of that player's own action. A refused action
    /// (turn-based only) leaves the board and the acting player as they are and counts a turn.
    fn step(&mut self, actions: &[(usize, Self::Action)]) -> Vec<Step>;

    /// `player`'s answer was invalid: the board stays, the turn counts. Nobody else moves either, so
    /// that a pass can be seen in the turn counter only; enough passes end the game.
    fn pass(&mut self, player: usize) -> Step;

    /// The move of a built-in opponent of the named kind (a word of the knob `opponent`).
    fn opponent(&self, player: usize, kind: &str, rng: &mut Rng) -> Self::Action;

    /// An expert move for `player` against the opponent kind that is named.
    fn oracle(&self, player: usize, opponent: &str) -> Self::Action;

    /// A short reason for `action` against the opponent kind that is named.
    fn reason(&self, player: usize, opponent: &str, action: &Self::Action) -> String;

    /// Ground truth of what `player` sees.
    fn perception(&self, player: usize) -> Perception;

    /// Every action the rules accept from `player` now; empty unless it acts.
    fn legal_actions(&self, player: usize) -> Vec<Self::Action>;

    /// Whether the game goes on, and how it ended for `player`.
    fn status(&self, player: usize) -> Status;
}

/// One chair at the table, the others taken by a built-in opponent.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(bound = "", try_from = "UncheckedSeat<A>")]
pub struct Seated<A: Arena> {
    arena: A,
    seat: usize,
    opponent: String,
    rng: Rng,
}

/// A chair as read from a file, not yet checked.
#[derive(Deserialize)]
#[serde(bound = "")]
struct UncheckedSeat<A: Arena> {
    arena: A,
    seat: usize,
    opponent: String,
    rng: Rng,
}

impl<A: Arena> TryFrom<UncheckedSeat<A>> for Seated<A> {
    type Error = String;

    fn try_from(raw: UncheckedSeat<A>) -> Result<Self, String> {
        let UncheckedSeat { arena, seat, opponent, rng } = raw;
        if seat >= A::spec().players {
            return Err(format!("no player {seat} at a table of {}", A::spec().players));
        }
        let kinds = A::spec().knobs.iter().find(|knob| knob.name == "opponent").map(|knob| knob.kind);
        let known = matches!(kinds, Some(KnobKind::Choice { options, .. })
            if options.contains(&opponent.as_str()));
        if !known {
            return Err(format!("no opponent is called {opponent:?}"));
        }
        // The others have moved already whenever a state can be seen.
        if arena.status(seat) == Status::Running && !arena.acting().contains(&seat) {
            return Err(format!("it is not the turn of player {seat}"));
        }
        Ok(Self { arena, seat, opponent, rng })
    }
}

impl<A: Arena> Seated<A> {
    /// The game.
    pub fn arena(&self) -> &A {
        &self.arena
    }

    /// The player that the policy is.
    pub fn seat(&self) -> usize {
        self.seat
    }

    /// Plays `mine` (if the policy acts) together with everyone else's moves, and goes on until the
    /// policy has to act again. Gives the policy's rewards, summed.
    fn play(&mut self, mut mine: Option<A::Action>) -> Step {
        let mut total = Step { reward: 0.0, score: 0.0, legal: true, status: Status::Running };
        loop {
            let acting = self.arena.acting();
            if acting.is_empty() || (acting.contains(&self.seat) && mine.is_none()) {
                break;
            }
            let actions: Vec<(usize, A::Action)> = acting
                .into_iter()
                .map(|player| match mine.take_if(|_| player == self.seat) {
                    Some(action) => (player, action),
                    None => (player, self.arena.opponent(player, &self.opponent, &mut self.rng)),
                })
                .collect();
            let steps = self.arena.step(&actions);
            if let Some(step) = steps.get(self.seat) {
                total.reward += step.reward;
                total.score += step.score;
                if !step.legal {
                    total.legal = false;
                    break;
                }
            }
        }
        total.status = self.arena.status(self.seat);
        total
    }
}

impl<A: Arena> Env for Seated<A> {
    type Action = A::Action;

    fn spec() -> &'static EnvSpec {
        A::spec()
    }

    fn reset(seed: Seed, knobs: &Knobs) -> Result<Self, KnobError> {
        let arena = A::reset(seed, knobs)?;
        let mut rng = seed.split("opponent", 0).rng();
        let seat = match knobs.choice("seat") {
            "first" => 0,
            "second" => 1,
            _ => rng.below(A::spec().players),
        };
        let mut seated = Self { arena, seat, opponent: knobs.choice("opponent").to_string(), rng };
        seated.play(None);
        Ok(seated)
    }

    fn rules(&self) -> String {
        self.arena.rules(self.seat)
    }

    fn render(&self) -> Image {
        self.arena.render(self.seat)
    }

    fn parse(&self, answer: &str) -> Result<A::Action, ParseError> {
        self.arena.parse(self.seat, answer)
    }

    fn step(&mut self, action: &A::Action) -> Step {
        if self.status() != Status::Running {
            return Step { reward: 0.0, score: 0.0, legal: false, status: self.status() };
        }
        self.play(Some(action.clone()))
    }

    fn pass(&mut self) -> Step {
        if self.status() != Status::Running {
            return Step { reward: 0.0, score: 0.0, legal: false, status: self.status() };
        }
        self.arena.pass(self.seat)
    }

    fn oracle(&self) -> A::Action {
        self.arena.oracle(self.seat, &self.opponent)
    }

    fn reason(&self, action: &A::Action) -> String {
        self.arena.reason(self.seat, &self.opponent, action)
    }

    fn perception(&self) -> Perception {
        self.arena.perception(self.seat)
    }

    fn legal_actions(&self) -> Vec<A::Action> {
        self.arena.legal_actions(self.seat)
    }

    fn status(&self) -> Status {
        self.arena.status(self.seat)
    }
}
