//! The recipes that come with the project, and lists of recipes.

use std::fs;
use std::path::{Path, PathBuf};

use eyas_core::Seed;
use eyas_gym::ResponseStyle;

use super::super::*;
use super::{LEAST, folder, rl};

fn recipes_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recipes")
}

#[test]
fn every_recipe_loads_at_every_scale_and_reads_back() {
    let recipes = list_recipes(&recipes_dir()).unwrap_or_else(|e| panic!("{e}"));
    let names: Vec<&str> = recipes.iter().map(|r| r.name.as_str()).collect();
    for name in ["g0", "g1", "quickstart", "tiny-coldstart"] {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    for info in &recipes {
        assert!(!info.title.is_empty(), "{} says nothing of itself", info.name);
        for scale in info.scales.iter().map(|s| Some(s.as_str())).chain([None]) {
            let recipe = Recipe::load(&info.path, scale, &[]).unwrap_or_else(|e| panic!("{e}"));
            let again =
                Recipe::from_toml(&recipe.to_toml().unwrap(), "copy.toml").unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(again, recipe, "{} {scale:?}", info.name);
        }
    }
}

#[test]
fn the_list_shows_stages_and_scales() {
    let dir = folder(&[
        ("b.toml", &format!("{LEAST}\n[scale.cpu]\n")),
        ("notes.txt", "="),
        ("c.toml", "extends = \"b.toml\"\nabout = \"C\""),
    ]);
    fs::create_dir(dir.path().join("a")).unwrap();
    fs::write(dir.path().join("a/x.toml"), LEAST).unwrap();
    let list = list_recipes(dir.path()).unwrap();
    let names: Vec<&str> = list.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["x", "b", "c"]);
    let stage = |name: &str, kind, steps| StageInfo { name: name.into(), kind, steps };
    assert_eq!(list[1].stages, [stage("sft", StageKind::Sft, 10), stage("rl", StageKind::Rl, 5)]);
    assert_eq!((list[2].title.as_str(), &list[2].scales[..]), ("C", &["cpu".to_string()][..]));
    fs::write(dir.path().join("broken.toml"), "x = 1").unwrap();
    assert!(list_recipes(dir.path()).unwrap_err().to_string().contains("broken.toml:1:1: unknown key `x`"));
    assert!(list_recipes(&dir.path().join("none")).unwrap_err().to_string().starts_with("cannot read "));
}

/// The tiny model is made for pictures of few visual tokens.
#[test]
fn pictures_of_the_tiny_recipes_are_small() {
    for name in ["tiny-coldstart.toml", "quickstart.toml", "papers/g1.toml", "papers/g0.toml"] {
        let recipe = Recipe::load(&recipes_dir().join(name), None, &[]).unwrap();
        for env in recipe.stages.iter().flat_map(Stage::envs).chain(&recipe.eval.env) {
            let game = eyas_gym::find(&env.id).unwrap().reset(Seed::new(3), &env.knobs).unwrap();
            let image = game.render();
            assert!(
                image.width() <= 140 && image.height() <= 140,
                "{name}: {}: {}x{}",
                env.id,
                image.width(),
                image.height()
            );
        }
    }
}

#[test]
fn g0_is_g1_without_perception() {
    let load = |name: &str| Recipe::load(&recipes_dir().join(name), None, &[]).unwrap();
    let (g1, g0) = (load("papers/g1.toml"), load("papers/g0.toml"));
    assert_eq!((g1.prompt.style, g0.prompt.style), (ResponseStyle::Perception, ResponseStyle::Think));
    let names = |r: &Recipe| rl(r).reward.iter().map(|r| r.name()).collect::<Vec<_>>();
    assert_eq!(names(&g1), ["game", "format", "perception_exact"]);
    assert_eq!(names(&g0), ["game", "format"]);
    assert_eq!(g0.stages[0], g1.stages[0]);
    let reward = rl(&g0).reward.clone();
    assert_eq!(rl(&g0), &RlStage { reward, ..rl(&g1).clone() });
}
