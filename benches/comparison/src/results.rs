//! Everything that is measured, in one place: for the table, the chart and the check.

use std::{collections::HashMap, fs, io, path::Path as FilePath};

use crate::{
    forms::{BARE, Form, Row},
    measure::{Cost, Effort, measure},
    work::Path,
};

/// On how many threads.
pub const THREADS: [usize; 2] = [1, 2];

/// What a call allocates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Allocated {
    /// How often.
    pub times: f64,
    /// How much.
    pub bytes: f64,
}

/// A contender in one form, on one path.
#[derive(Clone, Copy, Debug)]
pub struct OnPath {
    /// On each of [`THREADS`].
    pub cost: [Cost; 2],
    /// By one call.
    pub allocated: Allocated,
}

/// A contender in one form.
#[derive(Clone, Debug)]
pub struct Line {
    /// Who.
    pub contender: &'static str,
    /// How.
    pub form: Form,
    /// Bytes of the service and of its response future.
    pub sizes: Option<(usize, usize)>,
    /// On each of [`Path::ALL`].
    pub paths: [OnPath; 3],
}

/// What `allocations` has counted.
#[derive(Debug)]
pub struct Ledger(HashMap<String, Allocated>);

impl Ledger {
    /// Reads what `allocations` has written.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn read(file: &FilePath) -> io::Result<Self> {
        let text = fs::read_to_string(file)?;
        Ok(Self(text.lines().filter_map(entry).collect()))
    }

    fn of(&self, row: &Row, path: Path) -> Allocated {
        let missing = Allocated {
            times: f64::NAN,
            bytes: f64::NAN,
        };
        self.0.get(&key(row, path)).copied().unwrap_or(missing)
    }
}

/// One line of the ledger, without its figures.
#[must_use]
pub fn key(row: &Row, path: Path) -> String {
    format!("{}\t{}\t{}", row.contender, row.form.name(), path.name())
}

fn entry(line: &str) -> Option<(String, Allocated)> {
    let (rest, bytes) = line.rsplit_once('\t')?;
    let (key, times) = rest.rsplit_once('\t')?;
    let allocated = Allocated {
        times: times.parse().ok()?,
        bytes: bytes.parse().ok()?,
    };
    Some((key.to_owned(), allocated))
}

/// Measures every row.
#[must_use]
pub fn gather(rows: &[Row], ledger: &Ledger, effort: Effort) -> Vec<Line> {
    rows.iter()
        .map(|row| {
            eprintln!("{row:?}");
            line(row, bare_of(rows, row.form), ledger, effort)
        })
        .collect()
}

fn bare_of(rows: &[Row], form: Form) -> &Row {
    rows.iter()
        .find(|row| row.contender == BARE && row.form == form)
        .expect("the bare work has every form")
}

fn line(row: &Row, bare: &Row, ledger: &Ledger, effort: Effort) -> Line {
    Line {
        contender: row.contender,
        form: row.form,
        sizes: row.sizes,
        paths: Path::ALL.map(|path| OnPath {
            cost: costs(row, bare, path, effort),
            allocated: ledger.of(row, path),
        }),
    }
}

fn costs(row: &Row, bare: &Row, path: Path, effort: Effort) -> [Cost; 2] {
    let (bare, path) = (bare.maker(path), row.maker(path));
    THREADS.map(|threads| measure(&bare, &path, threads, effort))
}
