//! What a run was begun with, and with which recipe each of its steps was made: `origin.json`.
//!
//! `recipe.toml` says how a run goes on. This says how it came to be where it is, so that an earlier step can
//! be made again, or it can be said that it cannot.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// Its name in a run directory.
pub const ORIGIN: &str = "origin.json";

/// How a run was begun, and how its recipe changed on the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The version of the program that began it.
    pub version: String,
    /// [`weights_hash`](eyas_model::Policy::weights_hash) of the weights it was begun with.
    pub weights_hash: String,
    /// The resolved recipes, each with the first step it holds for; the first one from step 0.
    pub recipes: Vec<RecipeFrom>,
}

/// A recipe, and from where on it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecipeFrom {
    /// The first step, counted over all stages.
    pub step: u64,
    /// The resolved recipe.
    pub toml: String,
}

impl Origin {
    /// Of a run that begins now.
    pub fn new(weights_hash: String, recipe: &str) -> Self {
        let recipes = vec![RecipeFrom { step: 0, toml: recipe.into() }];
        Self { version: env!("CARGO_PKG_VERSION").into(), weights_hash, recipes }
    }

    /// Takes in that the run goes on at `step` with `recipe`. Steps from there on are made anew, so what was
    /// said of them before is dropped.
    pub fn go_on(&mut self, step: u64, recipe: &str) {
        self.recipes.retain(|r| r.step < step || r.step == 0);
        match self.recipes.last_mut() {
            Some(last) if last.toml == recipe => {}
            Some(last) if last.step == step => last.toml = recipe.into(),
            _ => self.recipes.push(RecipeFrom { step, toml: recipe.into() }),
        }
    }

    /// Reads it from a run directory; nothing where there is none.
    ///
    /// # Errors
    /// What the system or the JSON reader says.
    pub fn read(run: &Path) -> std::io::Result<Option<Self>> {
        match std::fs::read_to_string(run.join(ORIGIN)) {
            Ok(text) => Ok(Some(serde_json::from_str(&text).map_err(std::io::Error::other)?)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_the_recipe_it_was_made_with() {
        let steps = |o: &Origin| o.recipes.iter().map(|r| (r.step, r.toml.clone())).collect::<Vec<_>>();
        let pair = |step: u64, toml: &str| (step, toml.to_string());
        let mut origin = Origin::new("h".into(), "a");
        origin.go_on(4, "a");
        assert_eq!(steps(&origin), [pair(0, "a")], "nothing changed");
        origin.go_on(6, "b");
        origin.go_on(8, "c");
        assert_eq!(steps(&origin), [pair(0, "a"), pair(6, "b"), pair(8, "c")]);
        origin.go_on(7, "b");
        assert_eq!(steps(&origin), [pair(0, "a"), pair(6, "b")], "what came after is made anew");
        origin.go_on(6, "d");
        assert_eq!(steps(&origin), [pair(0, "a"), pair(6, "d")]);
        origin.go_on(0, "e");
        assert_eq!(steps(&origin), [pair(0, "e")]);
    }
}
