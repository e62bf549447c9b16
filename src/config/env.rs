//! Variables of the environment, on top of what a file says.

use super::{problem::Problem, read::join, tree::Node};

/// What the names of all variables begin with.
const PREFIX: &str = "TOWER_BREAKER__";

/// Lays variables over a tree. What they do not fit is told.
pub(super) fn overlay(
    tree: &mut Node,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (variable, value) in variables {
        let Some(rest) = variable.strip_prefix(PREFIX) else {
            continue;
        };
        if let Err(problem) = set(tree, &variable, rest, &value) {
            problems.push(problem);
        }
    }
    problems
}

/// As a name is written in a variable: capitals, and `_` for whatever is neither a letter nor a digit.
fn shouted(name: &str) -> String {
    let shout = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    name.chars().map(shout).collect()
}

fn set(tree: &mut Node, variable: &str, rest: &str, value: &str) -> Result<(), Problem> {
    let wrong = |found: &str, allowed: &str| Problem::new(variable, found, allowed);
    let parts: Vec<_> = rest.split("__").collect();
    let (place, key) = match parts[..] {
        ["MAX_CIRCUITS"] => {
            *entry(tree, "max_circuits") = Node::from_text(value);
            return Ok(());
        }
        [place, key] if !place.is_empty() && !key.is_empty() => (place, key.to_ascii_lowercase()),
        _ => {
            let allowed = "such as TOWER_BREAKER__PAYMENTS__FAILURE_RATE";
            return Err(wrong("the name of this variable", allowed));
        }
    };
    if place == "DEFAULTS" {
        *entry(entry(tree, "defaults"), &key) = Node::from_text(value);
        return Ok(());
    }
    let circuits = entry(tree, "circuits");
    let Node::Map(known) = &*circuits else {
        return Ok(());
    };
    let names = known.iter().map(|(name, _)| name.clone());
    let fitting: Vec<_> = names.filter(|name| shouted(name) == place).collect();
    match &fitting[..] {
        [name] => *entry(entry(circuits, name), &key) = Node::from_text(value),
        [] => {
            return Err(wrong(
                place,
                "the name of a circuit in `circuits`, or DEFAULTS",
            ));
        }
        [one, other, ..] => {
            let found = format!(
                "{place}, which is {} and {}",
                join("", one),
                join("", other)
            );
            return Err(wrong(&found, "the name of one circuit"));
        }
    }
    Ok(())
}

/// The value of a key, made where there is none. What is no table becomes one only if it is nothing.
fn entry<'a>(node: &'a mut Node, key: &str) -> &'a mut Node {
    if matches!(node, Node::Nothing) {
        *node = Node::Map(Vec::new());
    }
    let Node::Map(map) = node else {
        return node;
    };
    let at = map.iter().position(|(known, _)| known == key);
    let at = at.unwrap_or_else(|| {
        map.push((key.to_owned(), Node::Nothing));
        map.len() - 1
    });
    &mut map[at].1
}
