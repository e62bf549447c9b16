//! The best of many, by a sum of what was counted.

use clap::Args;

use super::{Failure, expression::Expression};
use crate::{
    report::{Table, words},
    settings::Candidate,
    summary::Summary,
};

#[derive(Args, Debug)]
pub(super) struct Ranking {
    /// By what they are ranked, the lowest first
    #[arg(long, value_name = "EXPRESSION", allow_hyphen_values = true)]
    by: Expression,

    /// How many are shown
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
}

impl Ranking {
    pub(super) fn new(by: Expression, top: usize) -> Self {
        Self { by, top }
    }

    /// The table of the best of them, and which is the best of all. `no_outage` says that there is no outage, and why.
    ///
    /// Only summaries are kept: the series of ten thousand runs would fill the memory.
    pub(super) fn rank(
        &self,
        candidates: &mut [Candidate],
        no_outage: Option<&str>,
        markdown: bool,
        mut summary: impl FnMut(&mut Candidate) -> Result<Summary, Failure>,
    ) -> Result<String, Failure> {
        self.check(no_outage)?;
        let none = summary(&mut Candidate::none())?;
        let all: Result<_, _> = candidates.iter_mut().map(summary).collect();
        Ok(self.table(&none, all?, markdown))
    }

    /// Whether there is what it speaks of.
    fn check(&self, no_outage: Option<&str>) -> Result<(), Failure> {
        match (self.by.of_outage(), no_outage) {
            (Some(field), Some(why)) => {
                let text = format!("--by: {field} says nothing here: {why}");
                Err(Failure::new(text))
            }
            _ => Ok(()),
        }
    }

    fn table(&self, none: &Summary, summaries: Vec<Summary>, markdown: bool) -> String {
        let ranked = ranked(&self.by, none, summaries);
        let shown: Vec<_> = ranked.iter().take(self.top).collect();
        let rows: Vec<_> = shown.iter().map(|(_, summary)| summary).collect();
        let table = Table::of(&rows, none);
        let table = match markdown {
            true => table.markdown(),
            false => table.text(),
        };
        let best = shown.first().map_or(String::new(), |(value, best)| {
            let (name, value) = (words::name(&best.breaker), words::number(*value));
            let many = words::count(ranked.len() as u64);
            format!("\n{name} is the best of {many}, with {value}.\n")
        });
        format!("{table}{best}")
    }
}

/// Of those that are equally good, the first one first.
fn ranked(by: &Expression, none: &Summary, summaries: Vec<Summary>) -> Vec<(f64, Summary)> {
    let value = |summary: Summary| (by.value(&summary, none), summary);
    let mut ranked: Vec<_> = summaries.into_iter().map(value).collect();
    ranked.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    ranked
}
