//! A page that shows every environment at three difficulties.

use std::collections::BTreeMap;

use eyas_core::Seed;
use eyas_gym::{
    Difficulty, EnvEntry, EnvGroup, Game, GymError, KnobKind, KnobSpec, Preset, Status, stored_reference,
};
use rayon::prelude::*;

use super::ReportError;
use super::html::escape;
use super::picture::data_uri;

const STYLE: &str = include_str!("gallery.css");
const SCRIPT: &str = include_str!("gallery.js");
/// States of each environment and difficulty: the first picture, and one after the oracle's first move.
const SEEDS: u64 = 2;

/// Why the gallery could not be made.
#[derive(Debug, thiserror::Error)]
pub enum GalleryError {
    /// An environment refused its own presets.
    #[error(transparent)]
    Gym(#[from] GymError),
    /// A picture could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
}

/// The page, complete in itself. `done` is told after each environment.
///
/// # Errors
/// [`GalleryError`] when a picture cannot be made.
pub fn gallery(entries: &[EnvEntry], done: impl Fn() + Sync) -> Result<String, GalleryError> {
    let cards = entries
        .par_iter()
        .map(|entry| {
            let card = card(entry);
            done();
            Ok((entry.spec.group, card?))
        })
        .collect::<Result<Vec<_>, GalleryError>>()?;
    let groups: Vec<EnvGroup> =
        EnvGroup::ALL.into_iter().filter(|g| cards.iter().any(|(group, _)| group == g)).collect();
    let links: String = groups
        .iter()
        .map(|g| {
            let count = cards.iter().filter(|(group, _)| group == g).count();
            format!("<a href=\"#{0}\">{0} <small>{count}</small></a>", g.name())
        })
        .collect();
    let sections: String = groups
        .iter()
        .map(|g| {
            let own: String =
                cards.iter().filter(|(group, _)| group == g).map(|(_, card)| card.as_str()).collect();
            format!("<section id=\"{0}\"><h2>{0}</h2>{own}</section>", g.name())
        })
        .collect();
    Ok(format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Eyas gym: {count} environments</title>\
         <style>{STYLE}</style></head><body><header><h1>Eyas gym <small>{count} environments</small></h1>\
         <nav>{links}</nav><input id=\"filter\" type=\"search\" placeholder=\"filter by name, knob, axis …\" \
         aria-label=\"filter\"></header><main>{sections}</main><script>{SCRIPT}</script></body></html>",
        count = entries.len(),
    ))
}

fn card(entry: &EnvEntry) -> Result<String, GalleryError> {
    let spec = entry.spec;
    let levels: String = Preset::ALL.into_iter().map(|p| level(entry, p)).collect::<Result<_, _>>()?;
    let knobs: String = spec.knobs.iter().map(knob_row).collect();
    let axes: Vec<String> = spec.knobs.iter().map(|k| format!("{:?}", k.axis).to_lowercase()).collect();
    let players = if spec.players > 1 { format!(" · {} players", spec.players) } else { String::new() };
    Ok(format!(
        "<article data-text=\"{search}\"><h3>{title} <code>{id}</code></h3>\
         <p>{summary}</p><p class=\"facts\">answer <code>{grammar}</code>{players}</p>\
         <div class=\"levels\">{levels}</div>\
         <details><summary>{n} knobs, oracle, score</summary><p>Oracle: {oracle}.<br>Score: {score}.<br>\
         After: {source}.</p><table><tr><th>knob</th><th>axis</th><th>values</th><th>easy → hard</th>\
         <th></th></tr>{knobs}</table></details></article>",
        search = escape(
            &format!(
                "{} {} {} {} {} {}",
                spec.id,
                spec.title,
                spec.summary,
                spec.group.name(),
                axes.join(" "),
                spec.knobs.iter().map(|k| k.name).collect::<Vec<_>>().join(" ")
            )
            .to_lowercase()
        ),
        title = escape(spec.title),
        id = escape(spec.id),
        summary = escape(spec.summary),
        grammar = escape(spec.grammar),
        n = spec.knobs.len(),
        oracle = escape(spec.oracle),
        score = escape(spec.score),
        source = escape(spec.source),
    ))
}

/// Two states at one difficulty, with what the oracle would do.
fn level(entry: &EnvEntry, preset: Preset) -> Result<String, GalleryError> {
    let difficulty = Difficulty::Preset(preset);
    let knobs = entry.knobs_at(&difficulty, &BTreeMap::new()).map_err(GymError::from)?;
    let mut figures = String::new();
    for seed in 0..SEEDS {
        let mut game = entry.reset(Seed::new(seed), &knobs).map_err(GymError::from)?;
        if seed > 0 {
            step_on(&mut game);
        }
        let action = if game.status() == Status::Running { game.oracle() } else { "–".into() };
        figures += &format!(
            "<figure><img src=\"{}\" alt=\"{} {}\" loading=\"lazy\"><figcaption>{}</figcaption>\
             <details><summary>text</summary><pre>{}</pre><pre>{}</pre></details></figure>",
            data_uri(&game.render())?,
            escape(entry.spec.id),
            preset.name(),
            escape(&super::html::shorten(&action, 60)),
            escape(&game.rules()),
            escape(&game.perception().text),
        );
    }
    let reference = stored_reference(entry.spec.id, preset)
        .map(|r| format!("<small>random {:.2}, oracle {:.2}</small>", r.random, r.oracle))
        .unwrap_or_default();
    Ok(format!("<div><h4>{} {reference}</h4>{figures}</div>", preset.name()))
}

/// One move of the oracle, unless it ends the episode.
fn step_on(game: &mut Box<dyn Game>) {
    let mut next = game.fork();
    if next.step(&next.oracle()).is_ok() && next.status() == Status::Running {
        *game = next;
    }
}

fn knob_row(knob: &KnobSpec) -> String {
    let values = match knob.kind {
        KnobKind::Int { min, max, .. } => format!("{min}..={max}"),
        KnobKind::Float { min, max, .. } => format!("{min}..={max}"),
        KnobKind::Bool { .. } => "true, false".into(),
        KnobKind::Choice { options, .. } => options.join(", "),
    };
    let at = |difficulty| knob.at(difficulty).map(|v| v.to_string()).unwrap_or_default();
    let dial = if knob.dial.is_some() { format!("{} → {}", at(0.0), at(1.0)) } else { String::new() };
    format!(
        "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        escape(knob.name),
        format!("{:?}", knob.axis).to_lowercase(),
        escape(&values),
        escape(&dial),
        escape(knob.doc)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use eyas_gym::registry;

    #[test]
    fn every_environment_is_there_and_nothing_is_loaded_from_elsewhere() {
        let entries: Vec<EnvEntry> = registry().into_iter().take(4).collect();
        let count = std::sync::atomic::AtomicUsize::new(0);
        let page = gallery(&entries, || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        })
        .unwrap();
        assert_eq!(count.into_inner(), 4);
        for entry in &entries {
            assert!(page.contains(&format!("<code>{}</code>", entry.spec.id)), "{}", entry.spec.id);
        }
        assert_eq!(page.matches("<figure>").count(), 4 * 3 * SEEDS as usize);
        assert!(!page.contains("http://") && !page.contains("https://"));
        assert!(page.ends_with("</html>"));
    }
}
