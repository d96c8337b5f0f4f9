//! `eyas recipe`: the recipes there are, and what one of them says in full.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use eyas_train::recipe::Recipe;
use serde_json::Value;

use super::recipe_list::{self, RecipeListArgs};

/// Recipes: which there are, and what one of them says in full
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eyas recipe list\n  eyas recipe show recipes/quickstart.toml")]
pub(crate) struct RecipeArgs {
    #[command(subcommand)]
    command: RecipeCommand,
}

#[derive(Subcommand, Debug)]
enum RecipeCommand {
    List(RecipeListArgs),
    Show(RecipeShowArgs),
}

/// Show a recipe as it would run: layers merged, overrides applied, defaults filled in
///
/// Everything is checked that can be checked without weights. What is printed is itself a recipe.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  eyas recipe show recipes/quickstart.toml --set stage.rl.optim.lr=2e-4")]
struct RecipeShowArgs {
    /// The recipe file
    recipe: PathBuf,
    /// Change a key; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Apply the recipe's overrides for a size of machine: `[scale.NAME]`
    #[arg(long, value_name = "NAME")]
    scale: Option<String>,
    /// Print a JSON object instead of TOML
    #[arg(long)]
    json: bool,
}

/// Runs `eyas recipe`.
///
/// # Errors
/// When a folder or recipe cannot be read, or a recipe is refused.
pub(crate) fn run(args: &RecipeArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    match &args.command {
        RecipeCommand::List(args) => recipe_list::run(args, out),
        RecipeCommand::Show(args) => {
            let text = Recipe::load(&args.recipe, args.scale.as_deref(), &args.sets)?.to_toml()?;
            if args.json {
                writeln!(out, "{:#}", to_json(toml::from_str(&text)?))?;
            } else {
                write!(out, "{text}")?;
            }
            Ok(())
        }
    }
}

/// The same value in JSON, which has no infinity: that is the text "inf".
fn to_json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) if number.is_finite() => number.into(),
        toml::Value::Float(number) => number.to_string().into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(k, v)| (k, to_json(v))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_every_kind_of_value() {
        let value = toml::from_str("a = 1\nb = [0.5, inf]\nc = { d = true, e = \"x\" }\n").unwrap();
        let expected = serde_json::json!({"a": 1, "b": [0.5, "inf"], "c": {"d": true, "e": "x"}});
        assert_eq!(to_json(value), expected);
    }
}
