//! What an environment says of itself while it asks a question instead of being played.

use std::sync::OnceLock;

use super::{Form, Quiz};
use crate::{EnvSpec, registry};

/// The description for one environment and question; `None` for an environment that is not registered.
pub(crate) fn spec_of(env: &str, quiz: Quiz, form: Form) -> Option<&'static EnvSpec> {
    static SPECS: OnceLock<Vec<(Quiz, Form, EnvSpec)>> = OnceLock::new();
    let specs = SPECS.get_or_init(|| registry().iter().flat_map(|entry| all_of(entry.spec)).collect());
    specs.iter().find(|(q, f, spec)| (*q, *f, spec.id) == (quiz, form, env)).map(|(.., spec)| spec)
}

fn all_of(env: &'static EnvSpec) -> impl Iterator<Item = (Quiz, Form, EnvSpec)> {
    let kinds = Quiz::ALL.into_iter().flat_map(|quiz| Form::ALL.map(|form| (quiz, form)));
    kinds.map(|(quiz, form)| {
        let spec = EnvSpec {
            summary: quiz.summary(),
            grammar: grammar(env, quiz, form),
            oracle: if quiz == Quiz::BestAction { env.oracle } else { "exact" },
            score: if quiz == Quiz::Checklist {
                "share of right answers"
            } else {
                "1 for the right answer, 0 otherwise"
            },
            players: 1,
            source: quiz.source(),
            ..*env
        };
        (quiz, form, spec)
    })
}

fn grammar(env: &EnvSpec, quiz: Quiz, form: Form) -> &'static str {
    match (quiz, form) {
        (Quiz::Judge, _) => "A | B",
        (Quiz::ForwardOrder | Quiz::InverseOrder, _) => "2 1 3 (each number once, the earliest first)",
        (Quiz::Checklist, Form::Open) => "a word for each number, in their order, as in red 4 blue",
        (Quiz::Checklist, Form::Choice) => "a letter for each number, in their order, as in B A D",
        (Quiz::Checklist, Form::Boolean) => "yes or no for each number, in their order, as in yes no no",
        (_, Form::Choice) => "the letter of an option, as in B",
        (_, Form::Boolean) => "yes | no",
        (Quiz::Caption, Form::Open) => "row, column and the wrong word, as in 0 2 red",
        (Quiz::BestAction, Form::Open) => env.grammar,
    }
}
