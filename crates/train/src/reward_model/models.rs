//! The reward models of a run: put down when their stage ends, opened when a reward asks them.
//!
//! ```text
//! RUN/reward-models/NAME/manifest.json       checksums
//!                        model/              a Hugging Face folder
//!                        head.safetensors    weight and bias of the head
//! ```

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use eyas_model::hf::WeightDtype;
use eyas_model::{PolicyError, Vlm, VlmError};
use eyas_store::{Array, Arrays, Disk, Part, SaveSettings, StoreError, commit, verify};
use serde_json::json;

use crate::recipe::{Recipe, SaveDtype, Stage};

const FOLDER: &str = "reward-models";
const MODEL: &str = "model";
const HEAD: &str = "head.safetensors";
const STAGE: &str = "stage:";

/// Why there is no reward model.
#[derive(Debug, thiserror::Error)]
pub enum RewardModelError {
    /// Its stage has not left one.
    #[error("there is no reward model of stage {stage:?}: {path} is missing")]
    Missing {
        /// The stage.
        stage: String,
        /// Where it would be.
        path: PathBuf,
    },
    /// The folder holds no head.
    #[error("{path}: no reward model: {HEAD} is missing, which holds the head that gives the score")]
    Headless {
        /// The folder.
        path: PathBuf,
    },
    /// It was made for other tokens or pictures than the policy's.
    #[error("{path}: the reward model has another {what} than the policy, so it cannot read its episodes")]
    Inputs {
        /// The folder.
        path: PathBuf,
        /// What differs.
        what: &'static str,
    },
    /// A run directory that nothing is written to.
    #[error("{path}: cannot be replaced: {source}")]
    Replace {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model in it.
    #[error("{path}: {source}")]
    Model {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: Box<VlmError>,
    },
    /// The head does not fit the model.
    #[error("{path}: {source}")]
    Head {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: Box<PolicyError>,
    },
}

/// A reward model that can be asked.
pub(crate) struct RewardModel {
    pub(super) model: Vlm,
    /// It was trained with the facts before each response.
    pub(super) facts: bool,
}

/// The reward models of a run.
#[derive(Default)]
pub struct RewardModels {
    /// The run directory.
    run: PathBuf,
    /// What models are written in; nothing is written without.
    dtype: Option<WeightDtype>,
    open: Mutex<BTreeMap<String, Arc<RewardModel>>>,
}

impl RewardModels {
    /// Those of a run in the directory `run`, which may not be there yet.
    pub fn new(run: &Path, recipe: &Recipe) -> Self {
        let dtype = match recipe.model.save_dtype {
            SaveDtype::F32 => WeightDtype::F32,
            SaveDtype::Bf16 => WeightDtype::Bf16,
        };
        Self { run: run.into(), dtype: Some(dtype), open: Mutex::default() }
    }

    /// Those that the run directory `run` holds; nothing is written.
    pub fn recall(run: &Path) -> Self {
        Self { run: run.into(), ..Self::default() }
    }

    /// Opens those that the rewards of `recipe` name by a folder, so that one that cannot be asked is known before
    /// anything is trained.
    ///
    /// # Errors
    /// [`RewardModelError`].
    pub fn check(&self, recipe: &Recipe, policy: &Vlm) -> Result<(), RewardModelError> {
        let rewards = recipe.stages.iter().flat_map(Stage::rewards);
        for name in rewards.filter_map(|reward| reward.reward_models().ok()).flatten() {
            if !name.starts_with(STAGE) {
                self.open(&name, policy)?;
            }
        }
        Ok(())
    }

    /// The reward model called `name`, a folder or `stage:NAME`. It computes as precisely and where `policy` does.
    ///
    /// # Errors
    /// [`RewardModelError`].
    pub(crate) fn open(&self, name: &str, policy: &Vlm) -> Result<Arc<RewardModel>, RewardModelError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = open.get(name) {
            return Ok(model.clone());
        }
        let path = match name.strip_prefix(STAGE) {
            None => PathBuf::from(name),
            Some(stage) => {
                let path = self.run.join(FOLDER).join(stage);
                if !path.is_dir() {
                    return Err(RewardModelError::Missing { stage: stage.into(), path });
                }
                path
            }
        };
        let RewardModel { mut model, facts } = read(&path)?;
        same_inputs(&path, &model, policy)?;
        model.policy.set_precision(policy.policy.precision());
        let moved = model.policy.set_device(policy.policy.device_kind());
        moved.map_err(|source| RewardModelError::Head { path, source: Box::new(source) })?;
        let model = Arc::new(RewardModel { model, facts });
        open.insert(name.into(), model.clone());
        Ok(model)
    }

    /// Puts down the model that the stage `name` has trained, with or without facts; one that an earlier visit left is replaced.
    ///
    /// # Errors
    /// [`RewardModelError`].
    pub(crate) fn keep(&self, name: &str, model: &Vlm, facts: bool) -> Result<(), RewardModelError> {
        let Some(dtype) = self.dtype else { return Ok(()) };
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&format!("{STAGE}{name}"));
        let parent = self.run.join(FOLDER);
        let path = parent.join(name);
        let failed = |source| RewardModelError::Replace { path: path.clone(), source };
        std::fs::create_dir_all(&parent).map_err(failed)?;
        // Killed in between, the run does the last step again, and comes back here.
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(failed)?;
        }
        let (weight, bias) =
            model.policy.value_head().ok_or_else(|| RewardModelError::Headless { path: path.clone() })?;
        let mut head = Arrays::new();
        head.insert("weight", Array::F32(weight.to_vec()))?;
        head.insert("bias", Array::F32(vec![bias]))?;
        let snapshot = model.snapshot();
        let bytes = snapshot.bytes();
        let fill =
            |_: &dyn eyas_store::Files, to: &Path| snapshot.save(to, dtype, true).map_err(io::Error::other);
        let parts = [head.into_part(HEAD), Part::folder(MODEL, bytes, fill)];
        let meta = json!({"score": "last token", "facts": facts});
        commit(&Disk, &parent, name, &meta, &parts, &SaveSettings::default())?;
        Ok(())
    }
}

/// Opens a folder.
fn read(path: &Path) -> Result<RewardModel, RewardModelError> {
    let head = path.join(HEAD);
    if !head.is_file() {
        return Err(RewardModelError::Headless { path: path.into() });
    }
    let manifest = verify(&Disk, path)?;
    let of_folder = |source| RewardModelError::Model { path: path.into(), source: Box::new(source) };
    let mut model = Vlm::open(&path.join(MODEL)).map_err(of_folder)?;
    let unreadable = |source| RewardModelError::Replace { path: head.clone(), source };
    let mut arrays = Arrays::read(&std::fs::read(&head).map_err(unreadable)?)?;
    let (weight, bias) = (arrays.take_f32("weight")?, arrays.take_f32("bias")?);
    let bias = bias.first().copied().unwrap_or(0.0);
    let of_head = |source| RewardModelError::Head { path: head.clone(), source: Box::new(source) };
    model.policy.set_value_head(&weight, bias).map_err(of_head)?;
    Ok(RewardModel { model, facts: manifest.meta["facts"] == true })
}

/// Token ids and patches of the policy's episodes are read as they are.
fn same_inputs(path: &Path, model: &Vlm, policy: &Vlm) -> Result<(), RewardModelError> {
    let differs = |what| Err(RewardModelError::Inputs { path: path.into(), what });
    if model.tokenizer.json() != policy.tokenizer.json() {
        return differs("tokenizer");
    }
    let sizes = |model: &Vlm| {
        let vision = &model.policy.config().vision;
        (vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size)
    };
    if model.policy.processor().config() != policy.policy.processor().config()
        || sizes(model) != sizes(policy)
    {
        return differs("image processor");
    }
    Ok(())
}
