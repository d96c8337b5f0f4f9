//! The episodes of one file of a run, with what follows from them.

use std::path::PathBuf;

use anyhow::{anyhow, bail, ensure};
use eyas_core::{Episode, Group};
use eyas_model::hf::Tokenizer;
use eyas_store::{Checkpoints, Disk};
use eyas_train::recipe::{ModelSource, Stage};
use eyas_train::stored::{StoredRun, add_pictures, episodes, episodes_path, step_file};
use eyas_train::{advantages, open_model};

/// A file of episodes.
pub(super) struct Stored {
    /// The name of the file without its ending.
    pub(super) name: String,
    pub(super) episodes: Vec<Episode>,
    /// Episodes of a group; 1 where there are no groups.
    pub(super) group_size: usize,
    /// Per episode, per token; `None` where they are not known, and for an episode that was not trained on.
    pub(super) advantages: Option<Vec<Option<Vec<f32>>>>,
    /// Where advantages come from, or why there are none.
    pub(super) about_advantages: String,
}

impl Stored {
    /// Loads the episodes of a step, or of a file by name.
    pub(super) fn load(run: &StoredRun, wanted: &str) -> anyhow::Result<Self> {
        let step: Option<u64> = wanted.parse().ok();
        let name = step.map_or_else(|| wanted.to_string(), step_file);
        let path = episodes_path(&run.path, &name);
        let known = run.episode_files()?;
        let Some(file) = known.iter().find(|f| f.name == name) else {
            let run_path = run.path.display();
            match step {
                Some(step) if step >= run.metrics.len() as u64 => bail!(
                    "step {step} was not run: metrics.jsonl of {run_path} holds {} steps, counted from 0\n\
                     hint: `eyas inspect {run_path}` lists what is stored",
                    run.metrics.len()
                ),
                _ => bail!(
                    "no episodes of {wanted:?} are stored: there is no {}\nhint: `eyas inspect {run_path}` lists what \
                     is stored",
                    path.display()
                ),
            }
        };
        let mut stored = Self {
            episodes: episodes(&run.path, &name, usize::MAX)?,
            name,
            group_size: 1,
            advantages: None,
            about_advantages: "Episodes that were not trained on have no advantages.".into(),
        };
        if let Some(step) = file.step {
            stored.add_advantages(run, step);
        }
        Ok(stored)
    }

    /// What groups there are and what advantages they gave, as far as the recipe can be read and says so.
    fn add_advantages(&mut self, run: &StoredRun, step: u64) {
        let of = run.stage_of(step);
        let recipes = match run.recipes() {
            Ok(recipes) => recipes,
            Err(error) => {
                // What starts from one state was one group, all the same.
                let start = self.episodes.first().map(|e| (&e.env, e.seed));
                let alike = self.episodes.iter().take_while(|e| Some((&e.env, e.seed)) == start).count();
                self.group_size = alike.max(1);
                self.about_advantages = format!("No advantages: the recipe cannot be read ({error}).");
                return;
            }
        };
        let stages = recipes.of(step).map(|r| r.stages.as_slice()).unwrap_or_default();
        let Some(stage) = stages.iter().find(|s| Some(s.name()) == of) else {
            self.about_advantages = "No advantages: the recipe does not name the stage of this step.".into();
            return;
        };
        self.group_size = stage.group_size(run.step_in_stage(step)).max(1);
        self.about_advantages = match stage {
            Stage::Rl(rl) => {
                let groups: Vec<Group> = self
                    .episodes
                    .chunks(self.group_size)
                    .map(|episodes| Group { episodes: episodes.to_vec() })
                    .collect();
                match advantages(&groups, rl) {
                    Ok(Some(by_group)) => {
                        let (all, trained) = (by_group.len(), by_group.iter().flatten().count());
                        let by_member = by_group.into_iter().zip(&groups).flat_map(|(values, group)| {
                            let members = group.episodes.len();
                            values.map_or(vec![None; members], |v| v.into_iter().map(Some).collect())
                        });
                        self.advantages = Some(by_member.collect());
                        let mut about =
                            "Advantages are worked out again from the stored scores, as the recipe says."
                                .to_string();
                        if trained < all {
                            about += &format!(
                                " Dynamic sampling chose {trained} of {all} groups; the others took no part and have \
                                 none."
                            );
                        }
                        about
                    }
                    Ok(None) if rl.flow.is_some() => "A flow has no advantages.".into(),
                    Ok(None) => "Advantages depended on the weights (a value head, critics, or `visual_dependency`), and are not stored.".into(),
                    Err(error) => format!("No advantages: {error}."),
                }
            }
            Stage::Sft(_) => "Demonstrations have no advantages.".into(),
            Stage::Preference(_) => "Preferences have no advantages.".into(),
            Stage::RewardModel(_) => "Pairs for a reward model have no advantages.".into(),
        };
    }

    /// Reads the pictures of an episode.
    pub(super) fn add_pictures(&mut self, run: &StoredRun, n: usize) -> anyhow::Result<()> {
        Ok(add_pictures(&run.path, &mut self.episodes[n])?)
    }

    /// The group of an episode, and its place in it.
    pub(super) fn place(&self, n: usize) -> (usize, usize) {
        (n / self.group_size, n % self.group_size)
    }

    /// `episode 4 (group 1, member 0)`.
    pub(super) fn title(&self, n: usize) -> String {
        let (group, member) = self.place(n);
        match self.group_size {
            1 => format!("episode {n}"),
            _ => format!("episode {n} (group {group}, member {member})"),
        }
    }

    /// The advantage of each token of an episode, where it has them.
    pub(super) fn advantages(&self, n: usize) -> Option<&[f32]> {
        self.advantages.as_ref()?.get(n)?.as_deref()
    }

    /// The mean advantage of the tokens that the policy wrote.
    pub(super) fn mean_advantage(&self, n: usize) -> Option<f64> {
        let (values, trajectory) = (self.advantages(n)?, &self.episodes[n].trajectory);
        let sampled = || values.iter().zip(trajectory.kinds()).filter(|(_, kind)| kind.is_sampled());
        let sum: f64 = sampled().map(|(a, _)| f64::from(*a)).sum();
        (trajectory.sampled_len() > 0).then(|| sum / trajectory.sampled_len() as f64)
    }

    /// The text of each token.
    pub(super) fn texts(&self, n: usize, tokenizer: &Tokenizer) -> anyhow::Result<Vec<String>> {
        let trajectory = &self.episodes[n].trajectory;
        let decoded = tokenizer.decode_spans(trajectory.ids())?;
        // A character that several tokens make up is shown with the first of them.
        let mut shown = 0;
        let texts = decoded.spans.iter().map(|span| {
            let text = decoded.text[span.start.max(shown)..span.end.max(shown)].to_string();
            shown = shown.max(span.end);
            text
        });
        let texts: Vec<String> = texts.collect();
        let written = |turn: usize| -> String {
            let of = |i: &usize| {
                usize::from(trajectory.turns()[*i]) == turn && trajectory.kinds()[*i].is_sampled()
            };
            (0..texts.len()).filter(of).map(|i| texts[i].as_str()).collect()
        };
        for (turn, stored) in self.episodes[n].turns.iter().enumerate() {
            ensure!(
                written(turn).starts_with(&stored.response),
                "{}, episode {n}: the tokens of turn {turn} are not its text: another tokenizer wrote them\nhint: put \
                 back the run's own model into checkpoints/final",
                self.name
            );
        }
        Ok(texts)
    }
}

/// The run's tokenizer: of its trained model, of a checkpoint, or of the model that the recipe starts from.
pub(super) fn tokenizer(run: &StoredRun) -> anyhow::Result<Tokenizer> {
    let dir = run.path.join("checkpoints");
    let mut folders: Vec<PathBuf> = vec![dir.join("final")];
    if dir.is_dir() {
        let checkpoints = Checkpoints::read(std::sync::Arc::new(Disk), &dir);
        folders.extend(checkpoints.steps()?.into_iter().rev().map(|s| checkpoints.path(s).join("model")));
    }
    if let Some(folder) = folders.iter().find(|f| f.join("tokenizer.json").is_file()) {
        return Ok(Tokenizer::from_folder(folder)?);
    }
    let recipes = run.recipes()?;
    let recipe = recipes.of(0).ok_or_else(|| anyhow!("the run has no recipe for its first step"))?;
    match &recipe.model.source {
        ModelSource::Folder { path } => Ok(Tokenizer::from_folder(path)?),
        ModelSource::Preset { .. } => Ok(open_model(recipe)?.tokenizer),
    }
}
