//! Where pairs come from and how much they count, and what contradicts itself there.

use super::super::*;

/// A recipe of one stage with further keys.
fn of_kind(kind: &str, keys: &str) -> Result<Recipe, String> {
    let text = format!(
        "[model]\npreset = \"tiny\"\n[[stage]]\nkind = \"{kind}\"\nsteps = 1\nenv = [{{ id = \"2048\" }}]\n\
         optim = {{ lr = 1e-3 }}\n{keys}\n"
    );
    Recipe::from_toml(&text, "r.toml").map_err(|error| error.to_string())
}

fn preference(keys: &str) -> Result<Recipe, String> {
    of_kind("preference", keys)
}

const GAME: &str = "reward = [{ name = \"game\" }]";

#[test]
fn every_source_and_selection_is_read_back_the_same() {
    for keys in [
        "pairs = { source = \"blind\", count = 3 }\ncorruption = { kind = \"blank\" }".to_string(),
        "pairs = { source = \"corrected\", states = 4 }\npair_weights = { changed_tokens = 3.0 }".into(),
        format!(
            "pairs = {{ source = \"policy\", margin = 0.1, select = {{ kind = \"all\", balanced = true }} }}\n{GAME}"
        ),
        format!("pairs = {{ source = \"policy\", select = {{ kind = \"hard_samples\" }} }}\n{GAME}"),
        format!(
            "pairs = {{ source = \"policy\" }}\npair_weights = {{ margin_beta = {{ form = \"exponential\" }} }}\n{GAME}"
        ),
    ] {
        let recipe = preference(&keys).unwrap_or_else(|error| panic!("{keys}: {error}"));
        let written = recipe.to_toml().unwrap();
        let again = Recipe::from_toml(&written, "copy.toml").unwrap_or_else(|e| panic!("{e}\n{written}"));
        assert_eq!(again, recipe, "{written}");
    }
    let recipe = preference("pairs = { source = \"corrected\", states = 4 }").unwrap();
    let Stage::Preference(stage) = &recipe.stages[0] else { panic!("{:?}", recipe.stages) };
    assert_eq!((stage.pairs.states, stage.pairs.count), (4, 16));
    assert_eq!(stage.pair_weights, PairWeights { changed_tokens: 1.0, margin_beta: None });
    assert_eq!(recipe.stages[0].group_size(0), 2, "two by two, as they are stored");
}

#[test]
fn contradictions_are_named() {
    let policy = |select: &str| format!("pairs = {{ source = \"policy\", {select} }}\n{GAME}");
    let kto = "preference = { terms = [{ weight = 1.0, loss = { kind = \"kto\" } }] }";
    let nll = "preference = { terms = [{ weight = 1.0, loss = { kind = \"nll\" } }] }";
    let scaled = "pair_weights = { margin_beta = {} }";
    for (keys, at, why) in [
        (
            "pairs = { source = \"blind\", states = 2 }".to_string(),
            "pairs.states",
            "only pairs.source = \"corrected\"",
        ),
        ("pairs = { states = 0 }".into(), "pairs.states", "at least 1"),
        ("pairs = { source = \"corrected\", margin = 0.1 }".into(), "pairs.margin", "reads the rewards"),
        (
            format!("pairs = {{ source = \"blind\" }}\n{GAME}"),
            "reward",
            "pairs of this source are not judged",
        ),
        (
            "pairs = { source = \"corrected\", select = { kind = \"all\" } }".into(),
            "pairs.select",
            "only pairs.source = \"policy\" plays groups",
        ),
        (policy("select = { kind = \"all\", most = 0 }"), "pairs.select.most", "at least 1"),
        (policy("select = { kind = \"hard_samples\", gamma = 1.0 }"), "pairs.select", "gamma"),
        (
            policy("margin = 0.1, select = { kind = \"hard_samples\" }"),
            "pairs.margin",
            "leave the margin out",
        ),
        (
            format!("{}\n{kto}", policy("select = { kind = \"hard_samples\" }")),
            "pairs.select",
            "counts all pairs alike",
        ),
        (
            "pairs = { source = \"blind\" }\ncorruption = { kind = \"patches\", share = 0.0 }".into(),
            "corruption",
            "nobody plays blindly",
        ),
        ("pair_weights = { changed_tokens = -1.0 }".into(), "pair_weights.changed_tokens", "at least 0"),
        (scaled.into(), "pair_weights.margin_beta", "reads the rewards"),
        (
            format!("{}\n{scaled}\n{nll}", policy("count = 1")),
            "pair_weights.margin_beta",
            "no term of the loss has one",
        ),
        (
            format!("{}\npair_weights = {{ margin_beta = {{ min_beta = 0.0 }} }}", policy("count = 1")),
            "pair_weights.margin_beta",
            "min_beta",
        ),
        (
            "pairs = { source = \"policy\" }\n\
             reward = [{ name = \"reward_model\", params = { model = \"stage:none\" } }]"
                .into(),
            "reward.0",
            "no stage before this one trains one",
        ),
    ] {
        let error = preference(&keys).err().unwrap_or_else(|| panic!("{keys} was taken"));
        assert!(error.contains(&format!("`stage.0.{at}`")) && error.contains(why), "{keys}: {error}");
    }
    let of_model = |keys: &str| of_kind("reward_model", keys).unwrap_err();
    assert!(of_model("pairs = { source = \"blind\" }").contains("spoil pictures; use another source"));
    assert!(
        of_model(&policy("select = { kind = \"hard_samples\" }")).contains("the loss of this stage has none")
    );
    assert!(of_model("pair_weights = {}").contains("belongs to \"preference\" stages"));
    assert!(of_kind("reward_model", "pairs = { source = \"corrected\" }").is_ok());
}
