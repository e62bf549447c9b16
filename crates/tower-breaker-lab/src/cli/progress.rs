//! How far a long run is, for whoever looks at a terminal.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use crate::report::words;

const FIRST_AFTER: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Progress {
    /// When to say more. None where nobody looks.
    next: Option<Instant>,
    length: Duration,
    /// Which run it is, of how many. None if that is not to be told.
    run: Option<(usize, usize)>,
    has_said: bool,
}

impl Progress {
    pub(super) fn of(length: Duration) -> Self {
        let next = io::stderr()
            .is_terminal()
            .then(|| Instant::now() + FIRST_AFTER);
        Self {
            next,
            length,
            run: None,
            has_said: false,
        }
    }

    /// Of so many runs, one after the other.
    pub(super) fn of_many(length: Duration, runs: usize) -> Self {
        let mut progress = Self::of(length);
        progress.run = Some((1, runs));
        progress
    }

    /// One of them is over.
    pub(super) fn next_one(&mut self) {
        if let Some((run, _)) = &mut self.run {
            *run += 1;
        }
    }

    pub(super) fn is(&mut self, what: &str, now: Duration) {
        let is_time = self.next.is_some_and(|next| next <= Instant::now());
        if !is_time {
            return;
        }
        self.next = Some(Instant::now() + EVERY);
        self.has_said = true;
        let share = now.as_secs_f64() / self.length.as_secs_f64();
        let of = self
            .run
            .map_or(String::new(), |(run, runs)| format!("{run} of {runs}: "));
        let line = format!(
            "\r\u{1b}[2K{of}{}: {:.0} %",
            words::name(what),
            share * 100.0
        );
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_said {
            let _ = io::stderr().write_all(b"\r\x1b[2K");
        }
    }
}
