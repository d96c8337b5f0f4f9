//! Progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// The progress of one phase.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    name: String,
    total: u64,
    begun: Instant,
    printed: Instant,
}

/// Lines are at least this far apart where there is no terminal.
const QUIET: Duration = Duration::from_secs(10);

impl Progress {
    /// A phase of `total` steps.
    pub(crate) fn new(name: &str, total: u64) -> Self {
        let terminal = std::io::stderr().is_terminal() && std::env::var_os("NO_PROGRESS").is_none();
        let bar = terminal.then(|| {
            let bar = ProgressBar::new(total);
            let style =
                ProgressStyle::with_template("{prefix:>10} {wide_bar} {pos}/{len} {eta}\n           {msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(name.to_string());
            bar
        });
        let now = Instant::now();
        Self { bar, name: name.into(), total, begun: now, printed: now - QUIET }
    }

    /// `done` steps are behind us.
    pub(crate) fn update(&mut self, done: u64, message: &str) {
        match &self.bar {
            Some(bar) => {
                bar.set_position(done);
                bar.set_message(message.to_string());
            }
            None if self.printed.elapsed() >= QUIET || done == self.total => {
                self.printed = Instant::now();
                let spent = self.begun.elapsed().as_secs_f64();
                let left = spent / done.max(1) as f64 * self.total.saturating_sub(done) as f64;
                eprintln!("{} {done}/{} {message} | {spent:.0} s, {left:.0} s left", self.name, self.total);
            }
            None => {}
        }
    }

    /// Says something that should not be overlooked, above the bar if there is one.
    pub(crate) fn warn(&self, message: &str) {
        match &self.bar {
            Some(bar) => bar.println(format!("warning: {message}")),
            None => eprintln!("warning: {message}"),
        }
    }

    /// The phase is over.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
