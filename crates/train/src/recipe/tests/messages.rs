//! What is said where a recipe is wrong.

use super::super::*;
use super::{FULL, LEAST, error_of, least_with};

#[test]
fn unknown_keys_are_named_with_the_nearest_known_one() {
    let of = |from, to| error_of(&least_with(from, to));
    assert_eq!(
        of("[stage.rollout]", "[stage.loss]\naggregate = 0.3\n[stage.rollout]"),
        "r.toml:21:1: unknown key `stage.1.loss.aggregate`, did you mean `aggregation`?"
    );
    assert_eq!(
        of("[stage.rollout]", "[stage.loss]\nsurrogate = { kind = \"ppo\", clip_hi = 1 }\n[stage.rollout]"),
        "r.toml:21:1: unknown key `stage.1.loss.surrogate.clip_hi`, did you mean `clip_high`?"
    );
    assert_eq!(
        of("groups = 4", "  group = 4"),
        "r.toml:21:3: unknown key `stage.1.rollout.group`, did you mean `groups`?"
    );
    assert_eq!(of("[model]", "sede = 3\n[model]"), "r.toml:2:1: unknown key `sede`, did you mean `seed`?");
    assert_eq!(
        of("[model]", "extend = 3\n[model]"),
        "r.toml:2:1: unknown key `extend`, did you mean `extends`?"
    );
    assert_eq!(
        of("[model]", "[prompt]\ntemplate = 3\n[model]"),
        "r.toml:3:1: unknown key `prompt.template`; known here: style"
    );
    assert_eq!(
        of("name = \"game\"", "name = \"game\"\nwheight = 1"),
        "r.toml:24:1: unknown key `stage.1.reward.0.wheight`, did you mean `weight`?"
    );
    assert_eq!(
        of("[stage.rollout]", "[stage.advantage]\nestimators = 0.3\n[stage.rollout]"),
        "r.toml:21:1: unknown key `stage.1.advantage.estimators`, did you mean `estimator`?"
    );
}

#[test]
fn wrong_types_are_named() {
    let of = |from, to| error_of(&least_with(from, to));
    assert_eq!(
        of("groups = 4", "groups = \"four\""),
        "r.toml:21:1: `stage.1.rollout.groups`: invalid type: string \"four\", expected usize"
    );
    assert_eq!(
        of("[model]", "seed = -1\n[model]"),
        "r.toml:2:1: `seed`: invalid value: integer `-1`, expected u64"
    );
    assert_eq!(
        of("kind = \"rl\"", "kind = \"ppo\""),
        "r.toml:14:1: `stage.1.kind`: unknown variant `ppo`, expected one of `sft`, `rl`, `preference`, `reward_model`"
    );
    assert_eq!(
        of("preset = \"tiny\"", "preset = \"huge\""),
        "r.toml:3:1: `model.preset`: unknown variant `huge`, expected `tiny`"
    );
    assert_eq!(
        of("id = \"2048\"", "id = \"2048\"\nknobs = { size = [4] }"),
        "r.toml:10:11: `stage.0.env.0.knobs.size`: invalid type: array, expected a boolean, number or string"
    );
    assert_eq!(
        of("[model]", "[paper]\narxiv = \"1\"\n[model]"),
        "r.toml:2:2: `paper`: missing field `title`"
    );
    assert_eq!(
        of("[model]", "scale = 3\n[model]"),
        "r.toml:2:1: `scale`: invalid type: integer, expected a table"
    );
}

#[test]
fn syntax_errors_have_a_place() {
    assert_eq!(error_of("seed = 1\nsteps = = 2\n"), "r.toml:2:9: extra `=`, expected nothing");
    assert_eq!(error_of("seed = 1\nseed = 2\n"), "r.toml:2:1: duplicate key");
}

/// Replaces a text of the recipe, and gives the message after the place.
fn problem(from: &str, to: &str) -> String {
    let error = error_of(&least_with(from, to));
    let place = error.find(": ").unwrap();
    assert!(error.starts_with("r.toml:"), "{error} has no line");
    error[place + 2..].to_string()
}

#[test]
fn the_model_must_come_from_one_place() {
    assert_eq!(
        problem("preset = \"tiny\"", "preset = \"tiny\"\npath = \"p\""),
        "`model`: both `path` and `preset`; give only `path` (a folder with weights) or `preset` (fresh weights)"
    );
    assert_eq!(
        problem("preset = \"tiny\"", ""),
        "`model`: neither `path` nor `preset`; give `path` (a folder with weights) or `preset` (fresh weights)"
    );
    assert_eq!(
        problem("preset = \"tiny\"", "path = \"p\"\nvocab_size = 9"),
        "`model.vocab_size`: only a `preset` has a vocabulary to make; the one of a `path` is in its folder"
    );
    assert_eq!(problem("preset = \"tiny\"", "path = \"\""), "`model.path`: must not be empty");
    assert_eq!(
        problem("preset = \"tiny\"", "preset = \"tiny\"\nfreeze = [\"a\", \"\"]"),
        "`model.freeze.1`: must not be empty"
    );
    assert_eq!(
        problem("preset = \"tiny\"", "preset = \"tiny\"\nvocab_size = 0"),
        "`model.vocab_size`: 0 is out of range: at least 1"
    );
}

#[test]
fn stages_must_be_whole() {
    assert_eq!(
        error_of("[model]\npreset = \"tiny\""),
        "r.toml: `stage`: no stage; write at least one [[stage]]"
    );
    assert_eq!(
        problem("kind = \"rl\"", ""),
        "`stage.1.kind`: missing; write kind = \"sft\", kind = \"rl\", kind = \"preference\" or kind = \"reward_model\""
    );
    assert_eq!(problem("steps = 5", ""), "`stage.1.steps`: missing; write how many steps the stage takes");
    assert_eq!(problem("steps = 5", "steps = 0"), "`stage.1.steps`: 0 is out of range: at least 1");
    assert_eq!(
        problem("[[stage.env]]\nid = \"2048\"\n", ""),
        "`stage.0.env`: no environment; write at least one [[stage.env]] with an id"
    );
    assert_eq!(
        problem("[[stage.reward]]\nname = \"game\"", ""),
        "`stage.1.reward`: no reward, so there is nothing to learn from; write at least one [[stage.reward]] \
         with a name"
    );
    assert_eq!(
        problem("lr = 1e-4", ""),
        "`stage.1.optim.lr`: missing; write a learning rate; 1e-3 suits fresh weights, 1e-6 pretrained ones"
    );
    assert_eq!(
        problem("kind = \"rl\"", "kind = \"rl\"\nname = \"sft\""),
        "`stage.1`: two stages are called \"sft\"; give each a `name` of its own"
    );
    for name in ["", "3", "A", "a/b", "a.b", "../x", "a b"] {
        assert_eq!(
            problem("kind = \"rl\"", &format!("kind = \"rl\"\nname = \"{name}\"")),
            format!(
                "`stage.1.name`: {name:?} is no name for a stage; use a-z, 0-9, `-` and `_`, beginning with a \
                 letter"
            )
        );
    }
}

#[test]
fn keys_of_the_other_kind_of_stage_are_refused() {
    let rl = |key: &str| {
        format!("`stage.1.{key}`: belongs to \"sft\" stages, and stage \"rl\" is one of kind \"rl\"")
    };
    let sft = |key: &str| {
        format!("`stage.0.{key}`: belongs to \"rl\" stages, and stage \"sft\" is one of kind \"sft\"")
    };
    assert_eq!(problem("steps = 5", "steps = 5\nbatch_size = 3"), rl("batch_size"));
    assert_eq!(problem("steps = 5", "steps = 5\nteacher = { noise = 0.5 }"), rl("teacher"));
    assert_eq!(problem("steps = 10", "steps = 10\nrollout = {}"), sft("rollout"));
    assert_eq!(problem("steps = 10", "steps = 10\nreward = []"), sft("reward"));
    assert_eq!(problem("steps = 10", "steps = 10\nadvantage = {}"), sft("advantage"));
    assert_eq!(problem("steps = 10", "steps = 10\nloss = {}"), sft("loss"));
    assert_eq!(problem("lr = 1e-3", "lr = 1e-3\nminibatches = 2"), sft("optim.minibatches"));
}

#[test]
fn environments_and_knobs_are_checked_by_the_gym() {
    assert_eq!(
        problem("id = \"frozen-lake\"", "id = \"frozen-late\""),
        "`stage.1.env.1.id`: unknown environment \"frozen-late\", did you mean \"frozen-lake\"?; `eyas gym list` \
         shows all"
    );
    assert_eq!(
        problem("id = \"frozen-lake\"", "weight = 1"),
        "`stage.1.env.1.id`: missing; write the id of an environment; `eyas gym list` shows all"
    );
    let knob =
        |knob: &str| problem("id = \"frozen-lake\"", &format!("id = \"frozen-lake\"\nknobs = {{ {knob} }}"));
    assert_eq!(
        knob("sise = 3"),
        "`stage.1.env.1.knobs.sise`: environment \"frozen-lake\" has no knob \"sise\"; did you mean \"size\"?"
    );
    assert_eq!(knob("size = 99"), "`stage.1.env.1.knobs.size`: knob frozen-lake.size = 99 is outside 3..=8");
    assert!(
        knob("size = true").starts_with("`stage.1.env.1.knobs.size`: knob frozen-lake.size wants an integer")
    );
    // Corners of a lake of 8 are 14 moves apart.
    let conflict = knob("size = 8, max_turns = 2, random_start = false");
    assert!(conflict.starts_with("`stage.1.env.1.knobs`: knobs of frozen-lake: "), "{conflict}");
    assert_eq!(
        problem("id = \"frozen-lake\"", "id = \"2048\""),
        "`stage.1.env.1`: two environments are called \"2048\"; give each a `name` of its own"
    );
    for weight in ["0", "-1", "nan", "inf"] {
        let message = problem("id = \"frozen-lake\"", &format!("id = \"frozen-lake\"\nweight = {weight}"));
        let shown = weight.replace("nan", "NaN");
        assert_eq!(
            message,
            format!("`stage.1.env.1.weight`: {shown} is out of range: a finite number above 0")
        );
    }
    let message = error_of(&format!("{LEAST}\n[eval]\n[[eval.env]]\nid = \"chess\"\n"));
    assert!(message.starts_with("r.toml:29:1: `eval.env.0.id`: unknown environment \"chess\""), "{message}");
}

#[test]
fn rewards_are_checked() {
    let reward = |text: &str| problem("name = \"game\"", text);
    assert_eq!(
        reward("name = \"gane\""),
        "`stage.1.reward.0`: unknown reward \"gane\", did you mean \"game\"?"
    );
    assert_eq!(reward("weight = 1"), "`stage.1.reward.0.name`: missing; write the name of a reward");
    for weight in ["0", "-1", "nan", "inf"] {
        let shown = weight.replace("nan", "NaN");
        assert_eq!(
            reward(&format!("name = \"game\"\nweight = {weight}")),
            format!("`stage.1.reward.0.weight`: {shown} is out of range: a finite number above 0")
        );
    }
    assert!(reward("name = \"game\"\nparams = { form = \"sum\" }").contains("\"sum\" does not fit"));
    let think = |text: &str| {
        let text = least_with("name = \"game\"", text);
        error_of(&format!("{text}\n[prompt]\nstyle = \"think\"\n"))
    };
    let why = "speaks of <perception>, which responses of style \"think\" do not have; use prompt.style = \
               \"perception\" or another reward";
    assert_eq!(think("name = \"perception\""), format!("r.toml:23:1: `stage.1.reward.0.name`: {why}"));
    assert_eq!(think("name = \"perception_exact\""), format!("r.toml:23:1: `stage.1.reward.0.name`: {why}"));
    assert_eq!(
        think("name = \"game\"\nspan = \"perception\""),
        format!("r.toml:24:1: `stage.1.reward.0.span`: {why}")
    );
}

#[test]
fn numbers_are_checked() {
    let rollout = |text: &str| problem("groups = 4", text);
    let range =
        |key: &str, value: &str, range: &str| format!("`stage.1.{key}`: {value} is out of range: {range}");
    assert_eq!(rollout("groups = 0"), range("rollout.groups", "0", "at least 1"));
    assert_eq!(rollout("group_size = 0"), range("rollout.group_size", "0", "at least 1"));
    assert_eq!(
        rollout("group_size = 1"),
        "`stage.1.rollout.group_size`: a group of one has no baseline to be compared with; use at least 2"
    );
    for value in ["0", "-0.5", "inf"] {
        let message = rollout(&format!("temperature = {value}"));
        assert_eq!(message, range("rollout.temperature", value, "a finite number above 0"));
    }
    for value in ["0", "1.5"] {
        assert_eq!(rollout(&format!("top_p = {value}")), range("rollout.top_p", value, "above 0, at most 1"));
    }
    assert_eq!(rollout("top_p = nan"), range("rollout.top_p", "NaN", "above 0, at most 1"));
    assert_eq!(rollout("max_tokens = 0"), range("rollout.max_tokens", "0", "at least 1"));
    assert_eq!(
        rollout("max_tokens = 100\nmax_context = 100"),
        "`stage.1.rollout.max_tokens`: responses of 100 tokens leave no room for a prompt in a context of 100"
    );
    assert_eq!(rollout("stop = [\"a\", \"\"]"), "`stage.1.rollout.stop.1`: must not be empty");

    let optim = |text: &str| problem("lr = 1e-4", text);
    for value in ["nan", "inf", "-1"] {
        let shown = value.replace("nan", "NaN");
        assert_eq!(
            optim(&format!("lr = {value}")),
            range("optim.lr", &shown, "a finite number of at least 0")
        );
    }
    let optim = |text: &str| optim(&format!("lr = 1e-4\n{text}"));
    assert_eq!(
        optim("minibatches = 3"),
        "`stage.1.optim.minibatches`: 4 groups cannot be dealt evenly over 3 minibatches"
    );
    assert_eq!(optim("minibatches = 0"), range("optim.minibatches", "0", "at least 1"));
    assert_eq!(
        optim("warmup_steps = 6"),
        "`stage.1.optim.warmup_steps`: 6 warm-up steps do not fit into 5 steps"
    );
    assert_eq!(optim("min_lr_ratio = 1.1"), range("optim.min_lr_ratio", "1.1", "0 to 1"));
    assert_eq!(optim("beta2 = 1"), range("optim.beta2", "1", "0 to less than 1"));
    assert_eq!(
        optim("weight_decay = -1"),
        range("optim.weight_decay", "-1", "a finite number of at least 0")
    );
    assert_eq!(optim("max_grad_norm = 0"), range("optim.max_grad_norm", "0", "above 0, or inf"));
    assert_eq!(optim("micro_batch_tokens = 0"), range("optim.micro_batch_tokens", "0", "at least 1"));

    let loss = |text: &str| rollout(&format!("groups = 4\n[stage.loss]\n{text}"));
    let of_loss = |text: &str| format!("`stage.1.loss`: {text}");
    assert_eq!(
        loss("surrogate = { kind = \"ppo\", clip_low = 1.1 }"),
        of_loss("clip_low = 1.1 is out of range: 0 to 1")
    );
    assert_eq!(loss("kl = { coef = nan }"), of_loss("kl_coef = NaN is out of range: 0 or more"));
    assert_eq!(
        loss("aggregation = { constant = 0 }"),
        of_loss("aggregation.constant = 0 is out of range: more than 0")
    );
    assert_eq!(
        rollout("groups = 4\n[stage.advantage]\nestimator = { kind = \"group\", eps = -1 }"),
        "`stage.1.advantage`: eps -1 is not a number of at least 0"
    );
    let objective = |text: &str| rollout(&format!("groups = 4\n{text}"));
    assert_eq!(
        objective("[stage.off_policy]\ndemonstrations = 8"),
        range("off_policy.demonstrations", "8", "less than rollout.group_size")
    );
    assert_eq!(
        objective("[stage.reference]\nkind = \"ema\"\ndecay = 1.5\nevery = 1"),
        range("reference.decay", "1.5", "0 to 1")
    );
    assert_eq!(
        objective("[stage.corruption]\nkind = \"patches\"\nshare = 2"),
        "`stage.1.corruption`: share = 2 is out of range: 0 to 1"
    );

    let sft = |text: &str| problem("steps = 10", &format!("steps = 10\n{text}"));
    assert_eq!(sft("batch_size = 0"), "`stage.0.batch_size`: 0 is out of range: at least 1");
    assert_eq!(sft("teacher.noise = 1.5"), "`stage.0.teacher.noise`: 1.5 is out of range: 0 to 1");
    assert_eq!(
        sft("teacher.max_context = 0"),
        "`stage.0.teacher.max_context`: 0 is out of range: at least 1"
    );

    let eval = |text: &str| problem("[model]", &format!("[eval]\n{text}\n[model]"));
    assert_eq!(eval("episodes = 0"), "`eval.episodes`: 0 is out of range: at least 1");
    assert_eq!(eval("batch = 0"), "`eval.batch`: 0 is out of range: at least 1");
    assert_eq!(
        eval("temperature = -1"),
        "`eval.temperature`: -1 is out of range: a finite number of at least 0"
    );
    assert_eq!(eval("max_tokens = 0"), "`eval.max_tokens`: 0 is out of range: at least 1");
    assert!(eval("max_context = 9").starts_with("`eval.max_tokens`: responses of 256 tokens leave no room"));
}

/// Whatever is cut off or left out: an answer that names the file, or a recipe, never a panic.
#[test]
fn damaged_recipes_are_refused_with_the_file_named() {
    let lines: Vec<&str> = FULL.lines().collect();
    let cut = (0..lines.len()).map(|n| lines[..n].join("\n"));
    let without = (0..lines.len()).map(|n| [&lines[..n], &lines[n + 1..]].concat().join("\n"));
    let half = (0..FULL.len()).step_by(7).filter_map(|n| FULL.get(..n).map(str::to_string));
    let (mut read, mut refused) = (0, 0);
    for text in cut.chain(without).chain(half) {
        match Recipe::from_toml(&text, "r.toml") {
            Ok(_) => read += 1,
            Err(error) => {
                assert!(error.to_string().starts_with("r.toml"), "{error}");
                refused += 1;
            }
        }
    }
    assert!(read > 50 && refused > 100, "{read} read, {refused} refused");
}

#[test]
fn numbers_that_toml_cannot_hold_are_refused() {
    let error = error_of(&format!("seed = 9223372036854775808\n{LEAST}"));
    assert!(error.starts_with("r.toml:1:"), "{error}");
}

#[test]
fn the_guard_is_checked() {
    let guard = |text: &str| error_of(&format!("{LEAST}\n[guard]\n{text}\n"));
    let range = |key: &str, value: &str, range: &str| {
        format!("r.toml:28:1: `guard.{key}`: {value} is out of range: {range}")
    };
    assert_eq!(guard("max_z = 0"), range("max_z", "0", "above 0, or inf"));
    assert_eq!(guard("max_z = nan"), range("max_z", "NaN", "above 0, or inf"));
    assert_eq!(guard("window = 1"), range("window", "1", "2 to 4096"));
    assert_eq!(guard("window = 5000"), range("window", "5000", "2 to 4096"));
    assert_eq!(guard("min_count = 129"), range("min_count", "129", "2 to guard.window"));
    assert_eq!(guard("max_invalid = 1.5"), range("max_invalid", "1.5", "0 to 1"));
    assert_eq!(guard("env_seconds = inf"), range("env_seconds", "inf", "a finite number of at least 0"));
    let unknown = guard("max_zz = 3");
    assert!(unknown.contains("unknown key `guard.max_zz`, did you mean `max_z`?"), "{unknown}");
}

#[test]
fn what_a_flow_replaces_is_refused_beside_it() {
    let stage = |text: &str| problem("groups = 4", &format!("groups = 4\n[stage.flow]\n{text}"));
    let range = |key: &str, value: &str, range: &str| {
        format!("`stage.1.flow.{key}`: {value} is out of range: {range}")
    };
    assert_eq!(stage("beta = 0.0"), range("beta", "0", "a finite number above 0"));
    assert_eq!(stage("floor = -1.0"), range("floor", "-1", "a finite number above 0"));
    assert_eq!(
        stage("thought_weight = -1.0"),
        range("thought_weight", "-1", "a finite number of at least 0")
    );
    let lambda = stage("objective = \"sub_trajectory\"\nlambda = 0.0");
    assert!(lambda.starts_with("`stage.1.flow`: ") && lambda.contains("lambda"), "{lambda}");
    assert_eq!(
        stage("objective = \"detailed\"\nlambda = 0.5"),
        "`stage.1.flow.lambda`: weighs parts of episodes, which only flow.objective = \"sub_trajectory\" balances"
    );
    let of = |key: &str| {
        format!(
            "`stage.1.{key}`: has no place beside [stage.flow], which needs neither advantages nor a surrogate"
        )
    };
    for (key, text) in [
        ("advantage", "estimator = { kind = \"rloo\" }"),
        ("loss", "surrogate = { kind = \"reinforce\" }"),
        ("loss", "kl = { coef = 0.1 }"),
        ("value", "whiten = false"),
        ("dynamic_sampling", "kind = \"variance\""),
        ("resample", "low = 0.0\nhigh = 1.0\nratio = 1.0"),
        ("visual_dependency", "min = 0.1"),
    ] {
        assert_eq!(stage(&format!("[stage.{key}]\n{text}")), of(key), "{text}");
    }
    let entropy =
        "[[stage.control]]\nof = \"clip_high\"\nby = { kind = \"ramp\", from = 0.2, to = 0.3, steps = 2 }";
    assert_eq!(stage(entropy), of("control"));
    // Defaults that are written out say nothing; demonstrations may be learnt from.
    let text = least_with(
        "groups = 4",
        "groups = 4\n[stage.flow]\nobjective = \"sub_trajectory\"\n[stage.loss]\n[stage.off_policy]\ndemonstrations = 1",
    );
    let recipe = Recipe::from_toml(&text, "r.toml").unwrap();
    assert_eq!(super::rl(&recipe).flow.unwrap().lambda, Some(0.9));
    assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap(), "r.toml").unwrap(), recipe);
}
