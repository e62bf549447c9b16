//! What comes out of a report: text, files, and whether a condition holds.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{Failure, Verdict, condition::Condition, output};
use crate::{
    report::{Report, words},
    settings::Candidate,
};

/// Nobody reads a longer table, and each has a picture.
const MOST_IN_A_REPORT: usize = 100;
/// A report keeps each step of each breaker: some 140 bytes, and twice that as JSON.
const MOST_STEPS: u64 = 10_000_000;

#[derive(Args, Debug)]
pub(super) struct Outputs {
    /// Print the table as Markdown
    #[arg(long)]
    pub(super) markdown: bool,

    /// Write table, pictures, advice and all that it takes to run it again into one file of HTML
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write the pictures into one file of SVG
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Write all numbers and series as JSON. `-` is the standard output, which then has nothing else
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Exit with 1 if this holds, such as `payments: lost > 1%`. May be there several times
    #[arg(long, value_name = "CONDITION")]
    fail_if: Vec<Condition>,
}

impl Outputs {
    /// Whether the conditions speak of what will be there. `no_outage` says that there is none, and why.
    pub(super) fn check(
        &self,
        candidates: &[Candidate],
        no_outage: Option<&str>,
    ) -> Result<(), Failure> {
        self.check_files()?;
        let mut conditions = self.fail_if.iter();
        conditions.try_for_each(|condition| condition.check(candidates, no_outage))
    }

    /// The last one would be all that is left.
    fn check_files(&self) -> Result<(), Failure> {
        let files = self.files();
        let is_same = |one: &Path, other: &Path| {
            one == other || place(one).is_some_and(|one| place(other) == Some(one))
        };
        for (number, (option, file)) in files.iter().enumerate() {
            let mut before = files[..number].iter();
            if let Some((other, _)) = before.find(|(_, other)| is_same(other, file)) {
                let text = format!("--{other} and --{option}: both are {file:?}");
                return Err(Failure::new(text));
            }
        }
        Ok(())
    }

    /// What is written in the place of a file that is read would be all that is left of it.
    pub(super) fn check_inputs<'a>(
        &self,
        inputs: impl Iterator<Item = &'a Path>,
    ) -> Result<(), Failure> {
        let inputs: Vec<_> = inputs.filter_map(on_disk).collect();
        for (option, file) in self.files() {
            if on_disk(file).is_some_and(|file| inputs.contains(&file)) {
                let text = format!("--{option}: {file:?} is what is read");
                return Err(Failure::new(text));
            }
        }
        Ok(())
    }

    /// Those that are said, with their option.
    fn files(&self) -> Vec<(&'static str, &Path)> {
        let all = [
            ("html", &self.html),
            ("svg", &self.svg),
            ("json", &self.json),
        ];
        let said = all.into_iter();
        said.filter_map(|(option, file)| Some((option, file.as_deref()?)))
            .collect()
    }

    pub(super) fn write(&self, report: &Report) -> Result<(), Failure> {
        if let Some(path) = &self.html {
            output::write(path, &report.html())?;
        }
        if let Some(path) = &self.svg {
            output::write(path, &report.svg())?;
        }
        match &self.json {
            Some(path) if path == Path::new("-") => return output::print(&report.json()),
            Some(path) => output::write(path, &report.json())?,
            None => {}
        }
        let table = match self.markdown {
            true => report.markdown(),
            false => report.table(),
        };
        let said = [report.notes(), report.advice()];
        let said = said
            .map(|sentences| list(&sentences, self.markdown))
            .concat();
        output::print(&format!("{table}{said}"))
    }

    /// Says which conditions hold.
    pub(super) fn verdict(&self, report: &Report) -> Verdict {
        let conditions = self.fail_if.iter();
        let holding: Vec<_> = conditions
            .flat_map(|condition| condition.holds(report))
            .collect();
        for line in &holding {
            output::tell(line);
        }
        match holding.is_empty() {
            true => Verdict::Fine,
            false => Verdict::ConditionHolds,
        }
    }
}

/// Which file it is, by whatever way it is named. `None` for what is no file, such as a device.
fn on_disk(file: &Path) -> Option<PathBuf> {
    file.canonicalize().ok().filter(|file| file.is_file())
}

/// The same of one that need not be there yet. An error is told where it is written.
fn place(file: &Path) -> Option<PathBuf> {
    let directory = match file.parent()? {
        here if here.as_os_str().is_empty() => Path::new("."),
        directory => directory,
    };
    Some(directory.canonicalize().ok()?.join(file.file_name()?))
}

/// A report has no more breakers than somebody looks at, and no more steps than fit into memory.
pub(super) fn check_many(
    candidates: &[Candidate],
    (length, step): (Duration, Duration),
    instead: &str,
) -> Result<(), Failure> {
    let many = candidates.len();
    if many > MOST_IN_A_REPORT {
        let text = format!(
            "{many} breakers are more than {MOST_IN_A_REPORT} in one report; {instead} ranks them"
        );
        return Err(Failure::new(text));
    }
    let steps = length.as_nanos() / step.as_nanos().max(1);
    if steps * many as u128 > MOST_STEPS.into() {
        let most = words::count(MOST_STEPS);
        let steps = words::count(u64::try_from(steps).unwrap_or(u64::MAX));
        let text = format!(
            "{many} breakers with {steps} steps each are more than {most} steps in one report; let a step be longer"
        );
        return Err(Failure::new(text));
    }
    Ok(())
}

/// Sentences after a table. Nothing if there are none.
pub(super) fn list(sentences: &[String], markdown: bool) -> String {
    let line = |sentence: &String| match markdown {
        true => format!("- {}\n", words::markdown(sentence)),
        false => format!("* {sentence}\n"),
    };
    let lines: String = sentences.iter().map(line).collect();
    match lines.as_str() {
        "" => lines,
        _ => format!("\n{lines}"),
    }
}
