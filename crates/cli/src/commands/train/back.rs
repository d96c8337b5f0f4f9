//! Going back to a checkpoint after updates that went wrong.

use anyhow::bail;
use eyas_model::{Policy, Vlm};
use eyas_train::checkpoint::Progress as Position;
use eyas_train::{RunDir, StageState};

use super::begin::{at_start, first_model};
use super::session::Session;

impl Session<'_> {
    /// Takes the run back to its last good checkpoint, or to its beginning. The steps behind that are made again
    /// with other data; their lines move from metrics.jsonl to a file of their own.
    pub(super) fn go_back(&mut self, model: &mut Vlm, reference: &mut Option<Policy>) -> anyhow::Result<()> {
        let rollbacks = self.position.guard.rollbacks + 1;
        let (limit, skips) = (self.recipe.guard.max_rollbacks, self.position.guard.skips);
        if rollbacks > limit {
            bail!(
                "{skips} updates in a row were skipped, and the run had gone back {limit} times; \
                 the last: {}\nhint: go on with a smaller learning rate, `eyas train --resume {} --set \
                 stage.NAME.optim.lr=... --allow lr`, or change [guard] of the recipe: max_z, max_skips, max_rollbacks",
                self.trouble,
                self.run.path().display()
            );
        }
        let found = self.saving.go_back()?;
        let (restored, state, mut position) = match found {
            Some((checkpoint, position)) => {
                let state = eyas_train::checkpoint::state_of_stage(&checkpoint)?;
                (eyas_train::checkpoint::restore(&checkpoint, &self.recipe.model)?, state, position)
            }
            None => ((first_model(self.recipe)?, None), StageState::default(), at_start(&self.graph)),
        };
        self.state = state;
        self.moved = false;
        (*model, *reference) = restored;
        let from = self.position.done;
        eprintln!(
            "warning: {skips} updates in a row were skipped; going back from step {from} to step {}, and on with \
             other data",
            position.done
        );
        let dropped = self.lines.split_off((position.metrics.lines as usize).min(self.lines.len()));
        let text: Vec<String> = dropped.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
        self.run.write(&format!("rollback-{rollbacks}.jsonl"), &(text.join("\n") + "\n"))?;
        self.run.sync()?;
        self.run = RunDir::reopen(self.run.path(), &position.metrics)?;
        position.guard.rollbacks = rollbacks;
        // What was spent was spent.
        let Position { tokens_sampled, tokens_trained, .. } = self.position;
        self.position = Position { tokens_sampled, tokens_trained, ..position };
        Ok(())
    }
}
