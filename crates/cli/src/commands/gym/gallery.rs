//! `eyas gym gallery` and `eyas gym references`: looking at all environments, measuring their anchors.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use eyas_core::{Image, Seed};
use eyas_eval::report::gallery;
use eyas_gym::draw::{Canvas, DARK, Font, WHITE};
use eyas_gym::{
    Difficulty, EnvEntry, Preset, StoredReferences, fast_forward_oracle, find, measure_reference, registry,
};
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
    /// Write one PNG with a small picture of each instead of the page
    #[arg(long)]
    sheet: bool,
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
    if args.sheet {
        return write_sheet(&entries, &args.file, out);
    }
    let bar = ProgressBar::new(entries.len() as u64);
    let page = gallery(&entries, || bar.inc(1))?;
    bar.finish_and_clear();
    std::fs::write(&args.file, &page).with_context(|| format!("cannot write {}", args.file.display()))?;
    let size = page.len() as f64 / f64::from(1 << 20);
    writeln!(out, "{}: {} environments, {size:.1} MiB", args.file.display(), entries.len())?;
    Ok(())
}

/// Side of a picture on the sheet, and the height of the name below it.
const THUMB: u32 = 136;
const NAME: u32 = 18;
const SHEET_COLUMNS: usize = 8;

/// Every environment at the medium preset, a few moves in, side by side.
fn write_sheet(entries: &[EnvEntry], file: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let mut cards = Vec::new();
    for entry in entries {
        let knobs = entry.knobs_at(&Difficulty::Preset(Preset::Medium), &BTreeMap::new())?;
        let mut game = entry.reset(Seed::new(0), &knobs)?;
        fast_forward_oracle(&mut game, 2);
        cards.push(card(entry.spec.id, &game.render())?);
    }
    let sheet = Canvas::sheet(&cards, SHEET_COLUMNS, 6, WHITE);
    let (width, height) = (sheet.width(), sheet.height());
    image::save_buffer(file, sheet.pixels(), width, height, image::ExtendedColorType::Rgb8)
        .with_context(|| format!("cannot write {}\nhint: name a file that ends in .png", file.display()))?;
    Ok(writeln!(out, "{}: {} environments, {width}x{height}", file.display(), entries.len())?)
}

/// A picture, made to fit, over its name.
fn card(name: &str, picture: &Image) -> anyhow::Result<Image> {
    let scale = f64::from(THUMB) / f64::from(picture.width().max(picture.height()));
    let side = |n: u32| ((f64::from(n) * scale).round() as u32).clamp(1, THUMB);
    let (width, height) = (side(picture.width()), side(picture.height()));
    let buffer = image::RgbImage::from_raw(picture.width(), picture.height(), picture.pixels().to_vec())
        .context("a picture is incomplete")?;
    let small = image::imageops::resize(&buffer, width, height, image::imageops::FilterType::Triangle);
    let mut canvas = Canvas::new(THUMB, THUMB + NAME, WHITE);
    let (x, y) = ((THUMB - width) / 2, (THUMB - height) / 2);
    canvas.paste(&Image::new(width, height, small.into_raw())?, x as i32, y as i32);
    let (middle, below) = (THUMB as f32 / 2.0, THUMB as f32 + NAME as f32 / 2.0);
    canvas.label_centred(name, middle, below, THUMB as f32, 13.0, Font::Sans, DARK);
    Ok(canvas.into_image())
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
