//! What is said for one name, for a pattern, for all, or to be extended.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    keys::{self, ALLOW, Assignment, EXTENDS},
    lint::Allowed,
    problem::Problem,
    read::{Reader, join},
    tree::Node,
};
use crate::{
    circuit::{
        builder::CircuitBuilder,
        handle::Circuit,
        settings::{ConfigError, MAX_PROBES},
    },
    machine::MAX_SPAN,
};

/// How many bases may extend one another in a row.
const MOST_BASES: usize = 32;

/// A block of settings, in the order in which they hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Block {
    /// Where it is.
    pub(super) path: String,
    pub(super) extends: Option<String>,
    pub(super) own: Vec<Assignment>,
}

impl Block {
    /// Reads a block, whose keys are those of a circuit and `more`.
    pub(super) fn read(reader: &mut Reader, path: &str, node: &Node, more: &[&str]) -> Self {
        let known = [
            &keys::names_of_circuit()[..],
            &[EXTENDS.name, ALLOW.name],
            more,
        ]
        .concat();
        let mut block = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        for (key, value) in reader.table_of(path, node, &known) {
            if key == EXTENDS.name {
                let base = reader.text(&join(path, key), value);
                block.extends = base.map(str::to_owned);
            } else if key == ALLOW.name {
                let path = join(path, key);
                let allowed = Allowed::read(reader, &path, value);
                block.own.push(Assignment::allow(path, allowed));
            } else {
                block.own.extend(keys::read(reader, path, key, value));
            }
        }
        block
    }

    /// All that holds: what is extended first. A base that is not there, or that extends itself, is told.
    pub(super) fn flatten(
        &self,
        reader: &mut Reader,
        bases: &BTreeMap<String, Block>,
    ) -> Vec<Assignment> {
        let mut chain = vec![self];
        let mut of_code = None;
        while let Some(name) = &chain[chain.len() - 1].extends {
            let path = join(&chain[chain.len() - 1].path, "extends");
            let Some(base) = bases.get(name) else {
                if let Some(change) = reader.bases.get(name) {
                    of_code = Some(Assignment::of_code(path, change.clone()));
                    break;
                }
                let known = bases.keys().chain(reader.bases.keys()).map(String::as_str);
                let problem = Problem::unknown(&path, name, "one of the `bases`", known);
                reader.problems.push(problem);
                break;
            };
            if chain.len() > MOST_BASES {
                let allowed = format!("a chain of at most {MOST_BASES} bases");
                reader
                    .problems
                    .push(Problem::new(&path, format!("`{name}`"), allowed));
                break;
            }
            if chain.iter().any(|block| std::ptr::eq(*block, base)) {
                let found = format!("`{name}`, which extends itself");
                let problem = Problem::new(&path, found, "a base that ends somewhere");
                // Each block of a circle meets it, and so does whatever extends one of them.
                if !reader.problems.contains(&problem) {
                    reader.problems.push(problem);
                }
                break;
            }
            chain.push(base);
        }
        let own = chain.iter().rev().flat_map(|block| &block.own).cloned();
        of_code.into_iter().chain(own).collect()
    }
}

/// Tells all that makes no sense together, not only the first of it. What is refused, or what is to blame for it, is
/// left out or mended, and the rest is tried again.
pub(super) fn check(
    reader: &mut Reader,
    path: &str,
    mut all: Vec<Assignment>,
    mut bare: CircuitBuilder,
) {
    let tables = tables_of(path, &all);
    let mut mended: Vec<String> = Vec::new();
    loop {
        let Err(error) = apply(&all, bare.clone()).check() else {
            return;
        };
        let field = whole(error.field());
        if field == "name" {
            tell(reader, Problem::new(path, error.value(), error.allowed()));
            bare = Circuit::builder("*");
            continue;
        }
        let own = last_of(&all, field);
        let blamed = error
            .because_of()
            .and_then(|field| last_of(&all, whole(field)));
        let is_gone = |key: &str| {
            let is_mended = mended.iter().any(|field| whole(field.as_str()) == key);
            is_mended || last_of(&all, key).is_none()
        };
        let is_told = |key: &&str| {
            tables
                .iter()
                .any(|table| reader.has_told(&join(table, key)))
        };
        if !others_of(&error).any(|key| is_gone(key) && is_told(&key)) {
            tell(reader, problem_of(path, &all, &error, own.or(blamed)));
        }
        let Some(at) = own.or(blamed) else {
            return;
        };
        match own.and_then(|at| all[at].with_part_mended(error.field())) {
            Some(change) if !mended.iter().any(|field| field == error.field()) => {
                mended.push(error.field().to_owned());
                all[at].change = change;
            }
            _ => drop(all.remove(at)),
        }
    }
}

/// At the place of what is there and refused. If it is not there, of what is to blame for it.
fn problem_of(path: &str, all: &[Assignment], error: &ConfigError, at: Option<usize>) -> Problem {
    let problem = |path: &str| Problem::new(path, error.value(), error.allowed());
    let field = whole(error.field());
    match at.map(|at| &all[at]) {
        Some(own) if is_of(own, field) => problem(&error.field().replacen(field, &own.path, 1)),
        Some(blamed) => {
            let table = table_of(&blamed.path);
            problem(&join(table, error.field())).missing_in(table)
        }
        None => problem(&join(path, error.field())).missing_in(path),
    }
}

/// The tables that say something here.
fn tables_of(path: &str, all: &[Assignment]) -> BTreeSet<String> {
    let tables = all.iter().map(|assignment| table_of(&assignment.path));
    tables
        .chain([path, "defaults"])
        .map(str::to_owned)
        .collect()
}

/// The settings that this is wrong because of. If one of them was refused or not understood, nobody knows what would be
/// wrong with the right one.
fn others_of(error: &ConfigError) -> impl Iterator<Item = &str> {
    // The words of an error have settings in backquotes, and nothing else.
    let named = error.allowed().split('`').skip(1).step_by(2);
    let others = named.chain(error.because_of()).map(whole);
    others.filter(|other| *other != whole(error.field()))
}

fn tell(reader: &mut Reader, problem: Problem) {
    if !reader.problems.contains(&problem) {
        reader.problems.push(problem);
    }
}

/// The setting that this is a part of, if it is one.
fn whole(field: &str) -> &str {
    field.split('.').next().unwrap_or_default()
}

fn last_of(all: &[Assignment], field: &str) -> Option<usize> {
    all.iter().rposition(|assignment| is_of(assignment, field))
}

fn is_of(assignment: &Assignment, field: &str) -> bool {
    let key = match field {
        "success_threshold" => "probes",
        field => field,
    };
    assignment.key == key
}

/// The path of the table that a key is in.
fn table_of(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(table, _)| table)
}

pub(super) fn apply(all: &[Assignment], builder: CircuitBuilder) -> CircuitBuilder {
    all.iter()
        .fold(builder, |builder, assignment| (assignment.change)(builder))
}

/// Tells values that are allowed nowhere, whatever is said beside them, unless something has been told of them.
pub(super) fn check_alone(reader: &mut Reader, all: &[Assignment]) {
    for assignment in all {
        if !reader.has_told(&assignment.path) {
            check_parts_alone(reader, assignment.clone());
        }
    }
}

fn check_parts_alone(reader: &mut Reader, mut assignment: Assignment) {
    let mut told = String::new();
    loop {
        let bare = refused_alone(&assignment, Circuit::builder("*"));
        let bare = bare.filter(|error| error.because_of().is_none());
        let refused = bare.or_else(|| refused_alone(&assignment, with_what_others_need()));
        let Some(error) = refused.filter(|error| error.field() != told) else {
            return;
        };
        let path = error.field().replacen(assignment.key, &assignment.path, 1);
        tell(reader, Problem::new(&path, error.value(), error.allowed()));
        told = error.field().to_owned();
        match assignment.with_part_mended(error.field()) {
            Some(change) => assignment.change = change,
            None => return,
        }
    }
}

fn refused_alone(assignment: &Assignment, builder: CircuitBuilder) -> Option<ConfigError> {
    let error = (assignment.change)(builder).check().err()?;
    let field = error.field().split('.').next();
    (field == Some(assignment.key)).then_some(error)
}

/// What makes no sense here is out of its range everywhere.
fn with_what_others_need() -> CircuitBuilder {
    Circuit::builder("*")
        .time_window(MAX_SPAN)
        .consecutive_failures(1)
        .slow_call_duration(MAX_SPAN)
        .probes(MAX_PROBES, MAX_PROBES)
}
