//! Directories that are there as a whole or not at all: checksummed, synced, renamed, verified when they
//! are read, locked while a process uses them.
//!
//! # On the disk
//!
//! ```text
//! RUN/.lock                         held while a process uses the run; says which      RunLock
//!     metrics.jsonl                 whole lines; a checkpoint knows how far they go    Log
//!     checkpoints/                                                                     Checkpoints
//!         step-00000100/            a checkpoint: complete, whatever happened
//!             manifest.json         path, length and BLAKE3 of each file, written last
//!             state.safetensors     arrays of the trainer                              Arrays
//!             model/...             whatever else is to be kept
//!         .tmp-step-00000200-0/     a save that runs, or was cut short
//!         .trash-step-00000050-0/   a removal, likewise
//! ```
//!
//! # What is promised
//!
//! - **Killed at any point**, by a signal or a loss of power, a run finds the last checkpoint whose save
//!   returned, or a newer one; never half a one. (As far as the device keeps what it says it has synced.)
//! - **Nothing wrong is accepted**: a checkpoint counts only if it holds exactly the bytes that were written,
//!   the manifest's included. A broken one is passed over and reported, and an older one taken.
//! - **A save that fails harms nothing**: older checkpoints stay, temporaries are removed, training can go
//!   on. Errors of a device or network are tried again, each time with new files.
//! - **Two whole checkpoints stay**, whatever is removed.
//! - **One process writes**; a lock ends with its process, so there is none to remove by hand.
//! - **Hostile files are errors**: nothing here panics on them, follows a link in a directory that is stored,
//!   leaves it, or allocates more than a file's real length or a limit.
//!
//! Not promised: that no bit rots between two reads (it is found out, and the checkpoint before is taken), and
//! anything about who wrote a checkpoint: checksums find damage, they are no signature.
//!
//! # Use
//!
//! ```
//! # use std::sync::Arc;
//! use eyas_store::{Array, Arrays, Checkpoints, Disk, Keep, Log, Part, Position, RunLock, SaveSettings};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let run = folder.path();
//! let files = Arc::new(Disk);
//! let lock = RunLock::take(&Disk, run, "eyas train recipe.toml")?;
//! let checkpoints = Checkpoints::open(files.clone(), &run.join("checkpoints"), SaveSettings::default())?;
//! let metrics = run.join("metrics.jsonl");
//!
//! // Go on from the newest checkpoint that is whole, or begin.
//! let newest = checkpoints.newest()?;
//! for refused in &newest.refused {
//!     eprintln!("step {} is not used: {}", refused.step, refused.error);
//! }
//! let (mut step, mut log, mut weights) = match &newest.checkpoint {
//!     Some(found) => {
//!         checkpoints.discard_after(found.step)?;
//!         let position: Position = serde_json::from_value(found.manifest.meta["metrics"].clone())?;
//!         let mut state = Arrays::read(&found.bytes("state.safetensors")?)?;
//!         (found.step, Log::resume(files, &metrics, &position)?, state.take_f32("weights")?)
//!     }
//!     None => (0, Log::open(files, &metrics)?, vec![0.0; 4]),
//! };
//! for _ in 0..3 {
//!     step += 1;
//!     weights[0] += 1.0;
//!     log.append_json(&serde_json::json!({"step": step}))?;
//!     let mut state = Arrays::new();
//!     state.insert("weights", Array::F32(weights.clone()))?;
//!     let meta = serde_json::json!({"metrics": log.sync()?});
//!     let notes = Part::bytes("notes.txt", "any bytes");
//!     checkpoints.save(step, &meta, &[state.into_part("state.safetensors"), notes])?;
//!     checkpoints.prune(&Keep::default())?;
//! }
//! assert_eq!(checkpoints.steps()?, [2, 3]);
//! # Ok(())
//! # }
//! ```
//!
//! [`Background`] does the same on a thread of its own.
#![forbid(unsafe_code)]

mod arrays;
mod background;
mod commit;
mod error;
pub mod fault;
mod keep;
mod layer;
mod lines;
mod lock;
mod log;
mod manifest;
mod open;
mod part;
mod text;

pub use arrays::{Array, Arrays};
pub use background::{Background, Outcome, Snapshot};
pub use commit::{SaveSettings, commit};
pub use error::StoreError;
pub use keep::{Better, Candidate, Keep};
pub use layer::{Disk, Files, Held, Kind, Out, Stat};
pub use lines::Lines;
pub use lock::{Holder, LOCK, RunLock};
pub use log::{Log, Position};
pub use manifest::{FileEntry, MANIFEST, MAX_MANIFEST, Manifest, VERSION, check_path, verify};
pub use open::{Checkpoint, Checkpoints, Newest, Refused, name_of, step_of};
pub use part::Part;
pub use text::read_text;
