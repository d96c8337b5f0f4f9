//! What games of two in turn have in common: how they end, and what that pays.

use eyas_core::Outcome;
use serde::{Deserialize, Serialize};

use crate::{Status, Step};

/// Turns beyond a full game that invalid answers may use up; after that the game is cut off.
pub(super) const SPARE_TURNS: u32 = 4;

/// How a game ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ending {
    /// The player who moved first won.
    First,
    /// The other player won.
    Second,
    /// Nobody won.
    Draw,
    /// Too many invalid answers. It pays both nothing, so stalling is never better than losing.
    Stalled,
}

impl Ending {
    /// `player` has won.
    pub(super) fn win(player: usize) -> Self {
        if player == 0 { Self::First } else { Self::Second }
    }

    /// What `player` gets: 1 for a win, a half for a draw, nothing for a loss.
    pub(super) fn pay(self, player: usize) -> f32 {
        match self {
            Self::Draw => 0.5,
            ending if ending == Self::win(player) => 1.0,
            _ => 0.0,
        }
    }

    /// How the game ended for `player`.
    pub(super) fn outcome(self, player: usize) -> Outcome {
        match self {
            Self::Stalled => Outcome::Truncated,
            ending if ending == Self::win(player) => Outcome::Success,
            _ => Outcome::Failure,
        }
    }
}

/// The status of a game for `player`.
pub(super) fn status(outcome: Option<Ending>, player: usize) -> Status {
    outcome.map_or(Status::Running, |ending| Status::Done(ending.outcome(player)))
}

/// One step for each player after a move of `player`; a refused one pays nothing.
pub(super) fn steps(outcome: Option<Ending>, player: usize, legal: bool) -> Vec<Step> {
    let pay = |who| if legal { outcome.map_or(0.0, |ending| ending.pay(who)) } else { 0.0 };
    let step = |who| Step {
        reward: pay(who),
        score: pay(who),
        legal: legal || who != player,
        status: status(outcome, who),
    };
    vec![step(0), step(1)]
}

/// What a player is told who gave no action.
pub(super) fn passed(outcome: Option<Ending>, player: usize) -> Step {
    Step { reward: 0.0, score: 0.0, legal: false, status: status(outcome, player) }
}
