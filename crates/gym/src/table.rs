//! [`Table`]: an [`Arena`] with its type erased, for self-play and for policies against each other.

use eyas_core::{Image, Rng, Seed};

use crate::{Arena, EnvSpec, KnobError, Knobs, ParseError, Perception, Status, Step};

/// A running game of several players. Actions travel as canonical text.
pub trait Table: Send + Sync {
    /// See [`Arena::spec`].
    fn spec(&self) -> &'static EnvSpec;
    /// See [`Arena::acting`].
    fn acting(&self) -> Vec<usize>;
    /// See [`Arena::rules`].
    fn rules(&self, player: usize) -> String;
    /// See [`Arena::render`].
    fn render(&self, player: usize) -> Image;
    /// See [`Arena::parse`]; gives the canonical text.
    ///
    /// # Errors
    /// [`ParseError`] as the game says.
    fn parse(&self, player: usize, answer: &str) -> Result<String, ParseError>;
    /// Plays one answer of each acting player, in the order of [`Table::acting`]; one step a player at the
    /// table comes back.
    ///
    /// # Errors
    /// [`ParseError`] of the first answer that is no action, or when there are not as many answers as acting
    /// players; [`ParseError::Over`] after the end. The state is unchanged then.
    fn step(&mut self, answers: &[&str]) -> Result<Vec<Step>, ParseError>;
    /// See [`Arena::pass`].
    fn pass(&mut self, player: usize) -> Step;
    /// See [`Arena::opponent`].
    fn opponent(&self, player: usize, kind: &str, rng: &mut Rng) -> String;
    /// See [`Arena::oracle`].
    fn oracle(&self, player: usize, opponent: &str) -> String;
    /// See [`Arena::perception`].
    fn perception(&self, player: usize) -> Perception;
    /// See [`Arena::legal_actions`].
    fn legal_actions(&self, player: usize) -> Vec<String>;
    /// See [`Arena::status`].
    fn status(&self, player: usize) -> Status;
    /// An independent copy.
    fn fork(&self) -> Box<dyn Table>;
    /// The whole state as JSON.
    ///
    /// # Errors
    /// When the state cannot be expressed in JSON.
    fn snapshot(&self) -> Result<serde_json::Value, serde_json::Error>;
}

struct Erased<A: Arena>(A);

/// A fresh game behind the erased interface.
///
/// # Errors
/// [`KnobError::Conflict`] when knobs contradict each other.
pub fn open_table<A: Arena>(seed: Seed, knobs: &Knobs) -> Result<Box<dyn Table>, KnobError> {
    Ok(Box::new(Erased(A::reset(seed, knobs)?)))
}

impl<A: Arena> Table for Erased<A> {
    fn spec(&self) -> &'static EnvSpec {
        A::spec()
    }
    fn acting(&self) -> Vec<usize> {
        self.0.acting()
    }
    fn rules(&self, player: usize) -> String {
        self.0.rules(player)
    }
    fn render(&self, player: usize) -> Image {
        self.0.render(player)
    }
    fn parse(&self, player: usize, answer: &str) -> Result<String, ParseError> {
        self.0.parse(player, answer).map(|action| action.to_string())
    }
    fn step(&mut self, answers: &[&str]) -> Result<Vec<Step>, ParseError> {
        let acting = self.0.acting();
        if acting.is_empty() {
            return Err(ParseError::Over);
        }
        if acting.len() != answers.len() {
            let detail = format!("{} answers for {} acting players", answers.len(), acting.len());
            return Err(ParseError::range(&answers.join(" "), detail));
        }
        let parse = |(player, answer): (usize, &&str)| Ok((player, self.0.parse(player, answer)?));
        let actions = acting.into_iter().zip(answers).map(parse).collect::<Result<Vec<_>, ParseError>>()?;
        Ok(self.0.step(&actions))
    }
    fn pass(&mut self, player: usize) -> Step {
        self.0.pass(player)
    }
    fn opponent(&self, player: usize, kind: &str, rng: &mut Rng) -> String {
        self.0.opponent(player, kind, rng).to_string()
    }
    fn oracle(&self, player: usize, opponent: &str) -> String {
        self.0.oracle(player, opponent).to_string()
    }
    fn perception(&self, player: usize) -> Perception {
        self.0.perception(player)
    }
    fn legal_actions(&self, player: usize) -> Vec<String> {
        self.0.legal_actions(player).iter().map(ToString::to_string).collect()
    }
    fn status(&self, player: usize) -> Status {
        self.0.status(player)
    }
    fn fork(&self) -> Box<dyn Table> {
        Box::new(Self(self.0.clone()))
    }
    fn snapshot(&self) -> Result<serde_json::Value, serde_json::Error> {
        serde_json::to_value(&self.0)
    }
}

/// One decision of a self-played game.
#[derive(Clone, Debug, PartialEq)]
pub struct Move {
    /// Who decided.
    pub player: usize,
    /// The action, or the invalid answer that passed the turn.
    pub answer: String,
    /// Why the answer was no action.
    pub error: Option<ParseError>,
    /// What came of it for this player.
    pub step: Step,
}

/// Lets `answer(table, player)` decide for every player until the game is over: self-play when all
/// players share a policy. An answer that cannot be parsed passes that player's turn; in a simultaneous
/// round the others' answers then wait with it.
pub fn play_table(table: &mut dyn Table, mut answer: impl FnMut(&dyn Table, usize) -> String) -> Vec<Move> {
    let mut moves = Vec::new();
    loop {
        let acting = table.acting();
        if acting.is_empty() {
            return moves;
        }
        let answers: Vec<String> = acting.iter().map(|&player| answer(table, player)).collect();
        let errors: Vec<Option<ParseError>> =
            acting.iter().zip(&answers).map(|(&player, a)| table.parse(player, a).err()).collect();
        if errors.iter().any(Option::is_some) {
            for ((player, answer), error) in acting.into_iter().zip(answers).zip(errors) {
                if error.is_some() && table.acting().contains(&player) {
                    let step = table.pass(player);
                    moves.push(Move { player, answer, error, step });
                }
            }
            continue;
        }
        let texts: Vec<&str> = answers.iter().map(String::as_str).collect();
        // Every answer has just been parsed.
        let Ok(steps) = table.step(&texts) else { return moves };
        for (player, answer) in acting.into_iter().zip(answers) {
            if let Some(&step) = steps.get(player) {
                moves.push(Move { player, answer, error: None, step });
            }
        }
    }
}
