//! The `caps` of a configuration: of some circuits, only a share may be open at once.

use super::{
    keys::{CAP, names},
    problem::Problem,
    read::{Reader, SHARE, join},
    tree::Node,
};
use crate::{circuit::builder::check_name, registry::GroupCap};

/// Reads the list of caps.
pub(super) fn read(reader: &mut Reader, path: &str, node: &Node) -> Vec<GroupCap> {
    let Node::List(list) = node else {
        let problem = Problem::new(path, node, "a list of tables");
        reader.problems.push(problem);
        return Vec::new();
    };
    let mut caps = Vec::new();
    for (number, node) in list.iter().enumerate() {
        let path = format!("{path}.{number}");
        let problems = reader.problems.len();
        let cap = read_one(reader, &path, node);
        // Which circuits one is for that is half understood, nobody knows.
        let cap = cap.filter(|_| reader.problems.len() == problems);
        let Some(cap) = cap else {
            continue;
        };
        if caps.iter().any(|known| cap.is_of_same_group(known)) {
            let allowed = "of other circuits than those before it";
            let problem = Problem::new(&path, "a cap of the same circuits", allowed);
            reader.problems.push(problem);
        }
        caps.push(cap);
    }
    caps
}

fn read_one(reader: &mut Reader, path: &str, node: &Node) -> Option<GroupCap> {
    let entries = reader.table_of(path, node, &names(&CAP));
    let find = |key| entries.iter().find(|(known, _)| *known == key);
    let share = match find("at_most") {
        Some((_, value)) => reader.share(&join(path, "at_most"), value),
        None if matches!(node, Node::Map(_)) => {
            let problem = Problem::new(&join(path, "at_most"), "not there", SHARE);
            reader.problems.push(problem);
            None
        }
        None => None,
    };
    let mut cap = GroupCap::at_most(share.unwrap_or(1.0));
    for (key, value) in &entries {
        let path = join(path, key);
        cap = match *key {
            "names" => names_of(reader, &path, value).map(|names| cap.clone().names(names)),
            "tags" => Some(tags(reader, &path, value, cap.clone())),
            "at_least_one" => reader.switch(&path, value).map(|yes| match yes {
                true => cap.clone().at_least_one(),
                false => cap.clone(),
            }),
            _ => None,
        }
        .unwrap_or(cap);
    }
    share?;
    if let Err(error) = cap.limit() {
        let path = join(path, "at_most");
        let problem = Problem::new(&path, error.value(), error.allowed());
        reader.problems.push(problem);
    }
    Some(cap)
}

/// As of any pattern.
fn names_of<'a>(reader: &mut Reader, path: &str, node: &'a Node) -> Option<&'a str> {
    let names = reader.text(path, node)?;
    match check_name(names) {
        Ok(()) => Some(names),
        Err(error) => {
            let problem = Problem::new(path, error.value(), error.allowed());
            reader.problems.push(problem);
            None
        }
    }
}

fn tags(reader: &mut Reader, path: &str, node: &Node, mut cap: GroupCap) -> GroupCap {
    for (key, value) in reader.table(path, node) {
        if let Some(value) = reader.text(&join(path, key), value) {
            cap = cap.tag(key.to_owned(), value.to_owned());
        }
    }
    cap
}
