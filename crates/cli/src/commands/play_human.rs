//! A person at the keyboard.

use std::io::{BufRead, Write};

use eyas_gym::{Game, Status};

/// What a person decided on a turn.
#[derive(Debug, PartialEq)]
pub(crate) enum Choice {
    /// Play this action, in canonical form.
    Play(String),
    /// Take the last turn back.
    Undo,
    /// Stop. Also the end of the input.
    Quit,
}

const HELP: &str = "words: legal (what can be done), hint (the oracle's move), undo, quit, help";

/// Asks until there is a choice. Questions about the state are answered here and cost no turn; so do
/// answers that cannot be parsed, because a person's slip of the finger is nothing to be scored.
///
/// # Errors
/// When input or output fails.
pub(crate) fn ask(game: &dyn Game, input: &mut dyn BufRead, out: &mut dyn Write) -> anyhow::Result<Choice> {
    debug_assert_eq!(game.status(), Status::Running);
    loop {
        write!(out, "> ")?;
        out.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            writeln!(out)?;
            return Ok(Choice::Quit);
        }
        match line.trim() {
            "" => {}
            "quit" | "exit" => return Ok(Choice::Quit),
            "undo" => return Ok(Choice::Undo),
            "help" | "?" => writeln!(out, "answer: {}\n{HELP}", game.spec().grammar)?,
            "legal" => writeln!(out, "{}", game.legal_actions().join("  "))?,
            "hint" => {
                let action = game.oracle();
                writeln!(out, "{action}: {}", game.reason(&action)?)?;
            }
            answer => match game.parse(answer) {
                Ok(action) => return Ok(Choice::Play(action)),
                Err(error) => {
                    writeln!(out, "{error}\nhint: type `legal` to see what can be done, `help` for more")?
                }
            },
        }
    }
}

/// The lines shown before the first turn.
///
/// # Errors
/// When output fails.
pub(crate) fn greet(game: &dyn Game, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "{}\n{}\nanswer: {}\n{HELP}", game.spec().title, game.rules(), game.spec().grammar)?;
    Ok(())
}
