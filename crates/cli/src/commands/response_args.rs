//! What the command line says about a model's responses.

use anyhow::bail;
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use eyas_gym::ResponseStyle;
use eyas_model::Sampling;
use eyas_rollout::RolloutConfig;

/// How a response is sampled.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct ResponseArgs {
    /// Temperature of sampling; 0 takes the likeliest token
    #[arg(long, default_value_t = 1.0, value_name = "T")]
    pub(crate) temperature: f32,
    /// Most tokens of a response
    #[arg(long, default_value_t = 256, value_name = "N",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) max_tokens: usize,
}

impl ResponseArgs {
    /// The settings of the sampler.
    ///
    /// # Errors
    /// When the temperature is negative or no number.
    pub(crate) fn sampling(&self) -> anyhow::Result<Sampling> {
        let sampling = Sampling { temperature: self.temperature, ..Sampling::default() };
        sampling.validate()?;
        Ok(sampling)
    }
}

/// How a model plays.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct EpisodeArgs {
    #[command(flatten)]
    pub(crate) response: ResponseArgs,
    /// Most tokens of an episode: prompts, pictures and responses of all turns
    #[arg(long, default_value_t = 2048, value_name = "N",
          value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) max_context: usize,
    /// Which parts a response has
    #[arg(long, value_enum, default_value_t = Style::Perception)]
    pub(crate) style: Style,
}

/// The words for [`ResponseStyle`].
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub(crate) enum Style {
    /// perception, think and answer blocks
    Perception,
    /// think and answer blocks
    Think,
}

impl From<Style> for ResponseStyle {
    fn from(style: Style) -> Self {
        match style {
            Style::Perception => Self::Perception,
            Style::Think => Self::Think,
        }
    }
}

impl EpisodeArgs {
    /// The settings of the rollout engine.
    ///
    /// # Errors
    /// When the temperature is out of range, or a response leaves no room for a prompt.
    pub(crate) fn config(&self) -> anyhow::Result<RolloutConfig> {
        let (max_tokens, max_context) = (self.response.max_tokens, self.max_context);
        if max_tokens >= max_context {
            bail!(
                "responses of {max_tokens} tokens leave no room for a prompt in a context of {max_context}\n\
                 hint: lower --max-tokens or raise --max-context"
            );
        }
        Ok(RolloutConfig {
            style: self.style.into(),
            sampling: self.response.sampling()?,
            max_tokens,
            max_context,
            stop: Vec::new(),
            record_truth: false,
            kv_bytes: RolloutConfig::KV_BYTES,
            env_limit: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        episode: EpisodeArgs,
    }

    fn config(line: &str) -> anyhow::Result<RolloutConfig> {
        Command::try_parse_from(std::iter::once("x").chain(line.split_whitespace()))?.episode.config()
    }

    #[test]
    fn defaults_are_those_of_recipes() {
        let c = config("").unwrap();
        assert_eq!((c.max_tokens, c.max_context, c.sampling.temperature), (256, 2048, 1.0));
        assert_eq!(c.style, ResponseStyle::Perception);
        assert_eq!(config("--style think").unwrap().style, ResponseStyle::Think);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let text = |line: &str| format!("{:#}", config(line).err().unwrap());
        assert!(text("--temperature=-1").contains("temperature = -1 is out of range"));
        assert!(text("--temperature nan").contains("temperature = NaN is out of range"));
        assert!(text("--max-tokens 9 --max-context 9").contains("no room for a prompt in a context of 9"));
        assert!(text("--max-tokens 0").contains("0 is not in 1"));
    }
}
