//! `eyas gym gallery` and `eyas gym references`: looking at all environments, measuring their anchors.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use eyas_core::Seed;
use eyas_eval::report::gallery;
use eyas_gym::{EnvEntry, Preset, StoredReferences, find, measure_reference, registry};
use indicatif::ProgressBar;

use super::super::columns::write_columns;

/// Arguments of `eyas gym gallery`.
#[derive(Args, Debug)]
pub(crate) struct GalleryArgs {
    /// Where to write the page
    #[arg(default_value = "gallery.html")]
    file: PathBuf,
    /// Only these environments; may be given several times
    #[arg(long)]
    env: Vec<String>,
}

/// Arguments of `eyas gym references`.
#[derive(Args, Debug)]
pub(crate) struct ReferencesArgs {
    /// Environments to measure; all when none is named
    env: Vec<String>,
    /// Episodes of each player
    #[arg(long, default_value_t = 200)]
    episodes: u32,
    /// Print the measurement as JSON, in the layout of crates/gym/data/references.json
    #[arg(long)]
    json: bool,
}

fn chosen(ids: &[String]) -> anyhow::Result<Vec<EnvEntry>> {
    Ok(if ids.is_empty() { registry() } else { ids.iter().map(|id| find(id)).collect::<Result<_, _>>()? })
}

pub(super) fn write(args: &GalleryArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    let entries = chosen(&args.env)?;
    let bar = ProgressBar::new(entries.len() as u64);
    let page = gallery(&entries, || bar.inc(1))?;
    bar.finish_and_clear();
    std::fs::write(&args.file, &page).with_context(|| format!("cannot write {}", args.file.display()))?;
    let size = page.len() as f64 / f64::from(1 << 20);
    writeln!(out, "{}: {} environments, {size:.1} MiB", args.file.display(), entries.len())?;
    Ok(())
}

pub(super) fn references(args: &ReferencesArgs, out: &mut dyn Write) -> anyhow::Result<()> {
    anyhow::ensure!(args.episodes > 1, "--episodes {}\nhint: a mean needs two or more", args.episodes);
    let entries = chosen(&args.env)?;
    let bar = ProgressBar::new(3 * entries.len() as u64);
    let mut all = StoredReferences::new();
    for entry in &entries {
        for preset in Preset::ALL {
            let measured = measure_reference(entry, preset, args.episodes, Seed::new(0))?;
            all.entry(entry.spec.id.to_string()).or_default().insert(preset, measured);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        return Ok(());
    }
    let mut rows = vec![["env", "preset", "random", "± sd", "oracle", "± sd"].map(String::from)];
    for (env, presets) in &all {
        for (preset, r) in presets {
            let number = |v: f64| format!("{v:.3}");
            rows.push([
                env.clone(),
                preset.name().to_string(),
                number(r.random),
                number(r.random_sd),
                number(r.oracle),
                number(r.oracle_sd),
            ]);
        }
    }
    Ok(write_columns(&rows, "", out)?)
}
