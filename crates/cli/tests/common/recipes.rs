//! Recipes that several tests run.

/// Both kinds of stage, products in bfloat16, a reference that is a running mean, two updates a step, a mixture; and all that a stage
/// remembers: a curriculum, dynamic sampling, a coefficient that follows a metric.
pub const REMEMBERING: &str = r#"
seed = 3

[model]
preset = "tiny"
vocab_size = 500
compute_dtype = "bf16"

[[stage]]
kind = "sft"
steps = 4
batch_size = 4
[[stage.env]]
id = "2048"
[[stage.env]]
id = "frozen-lake"
[stage.optim]
lr = 1e-3
schedule = "cosine"

[[stage]]
kind = "rl"
steps = 5
[[stage.env]]
id = "2048"
[[stage.env]]
id = "frozen-lake"
[stage.rollout]
groups = 2
group_size = 3
max_tokens = 24
max_context = 400
[[stage.reward]]
name = "format"
[[stage.reward]]
name = "game"
[stage.loss]
kl = { coef = 0.1 }
[stage.reference]
kind = "ema"
decay = 0.5
every = 2
[stage.off_policy]
demonstrations = 1
[stage.curriculum]
rule = { kind = "pass_variance" }
starts = 3
score = "score"
[stage.dynamic_sampling]
kind = "refill"
max_rounds = 2
[[stage.control]]
of = "kl"
by = { kind = "adaptive_kl", initial = 0.1, target = 1e-4, horizon = 10 }
[stage.optim]
lr = 1e-3
minibatches = 2

[eval]
episodes = 2

[checkpoint]
every = 2
"#;

/// Two stages that lead to each other as long as the second gets nothing right.
pub const ROUTED: &str = r#"
max_steps = 7

[model]
preset = "tiny"
vocab_size = 500

[[stage]]
kind = "sft"
steps = 3
batch_size = 2
[[stage.env]]
id = "counting"
[stage.optim]
lr = 1e-3

[[stage]]
kind = "rl"
steps = 2
[[stage.env]]
id = "counting"
[stage.rollout]
groups = 2
group_size = 2
max_tokens = 8
max_context = 300
[[stage.reward]]
name = "format"
[stage.loss]
kl = { coef = 0.1 }
[stage.optim]
lr = 1e-3

[eval]
episodes = 1

[checkpoint]
every = 1

[[route]]
from = "sft"
to = "rl"
when = { at_least = { metric = "loss", value = 0.0, evaluations = 2 } }

[[route]]
from = "rl"
to = "sft"
when = { at_most = { metric = "reward", value = 0.5, evaluations = 1 } }
"#;
