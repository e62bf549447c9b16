//! What is said for one name, for a pattern, for all, or to be extended.

use std::collections::BTreeMap;

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
/// left out, and the rest is tried again.
pub(super) fn check(
    reader: &mut Reader,
    path: &str,
    mut all: Vec<Assignment>,
    mut bare: CircuitBuilder,
) {
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
        let Some(at) = own.or(blamed) else {
            let problem = Problem::new(&join(path, error.field()), error.value(), error.allowed());
            tell(reader, problem.missing_in(path));
            return;
        };
        let problem = |path: &str| Problem::new(path, error.value(), error.allowed());
        let problem = match own {
            Some(at) => problem(&error.field().replacen(field, &all[at].path, 1)),
            None => {
                let table = table_of(&all[at].path);
                problem(&join(table, error.field())).missing_in(table)
            }
        };
        tell(reader, problem);
        all.remove(at);
    }
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
    let key = if field == "success_threshold" {
        "probes"
    } else {
        field
    };
    all.iter().rposition(|assignment| assignment.key == key)
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
        let is_told = |problem: &Problem| problem.is_within(&assignment.path);
        if reader.problems.iter().any(is_told) {
            continue;
        }
        let bare = refused_alone(assignment, Circuit::builder("*"));
        let bare = bare.filter(|error| error.because_of().is_none());
        if let Some(error) = bare.or_else(|| refused_alone(assignment, with_what_others_need())) {
            let path = error.field().replacen(assignment.key, &assignment.path, 1);
            let problem = Problem::new(&path, error.value(), error.allowed());
            reader.problems.push(problem);
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
