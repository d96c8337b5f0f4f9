//! The words around an environment: the message that shows a state, and the response an expert gives.

use serde::{Deserialize, Serialize};

use crate::Game;

/// Which parts a response has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseStyle {
    /// `<perception>`, `<think>`, `<answer>` (G1).
    Perception,
    /// `<think>`, `<answer>` (G0).
    Think,
}

impl ResponseStyle {
    /// The tags of a well-formed response, in order.
    pub fn tags(self) -> &'static [&'static str] {
        match self {
            Self::Perception => &["perception", "think", "answer"],
            Self::Think => &["think", "answer"],
        }
    }
}

/// The text of the first user turn: rules, grammar, response format.
pub fn first_message(game: &dyn Game, style: ResponseStyle) -> String {
    let format: String = style.tags().iter().map(|t| format!("<{t}></{t}>")).collect();
    let (rules, grammar, note) = (game.rules(), game.spec().grammar, game.note());
    format!("{rules} Answer: {grammar}. Respond with {format}{note}")
}

/// The text of a later user turn.
pub fn later_message(game: &dyn Game) -> String {
    format!("Next.{}", game.note())
}

/// The response that shows `action`: ground-truth perception, the reason, the action.
///
/// # Errors
/// When `action` is not an action of the present state.
pub fn response(game: &dyn Game, action: &str, style: ResponseStyle) -> Result<String, crate::ParseError> {
    let reason = game.reason(action)?;
    Ok(match style {
        ResponseStyle::Perception => format!(
            "<perception>{}</perception><think>{reason}</think><answer>{action}</answer>",
            game.perception().text
        ),
        ResponseStyle::Think => format!("<think>{reason}</think><answer>{action}</answer>"),
    })
}
