//! Variables of the environment, on top of what a file says.

use std::ffi::OsString;

use super::{
    keys::{self, Shape},
    problem::{Problem, nearest},
    read::join,
    tree::Node,
};

/// What the names of all variables begin with.
const PREFIX: &str = "TOWER_BREAKER__";

/// What was forgotten in the name of a variable that begins so, and is meant for us all the same.
const NEARLY: &str = "TOWER_BREAKER_";

/// What variables have set, by its path.
pub(super) struct Overlay {
    pub(super) problems: Vec<Problem>,
    set: Vec<(String, String)>,
}

impl Overlay {
    /// Lays variables over a tree. What they do not fit is told.
    pub(super) fn lay<K: Into<OsString>, V: Into<OsString>>(
        tree: &mut Node,
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let (mut problems, mut set) = (Vec::new(), Vec::new());
        for (variable, value) in variables {
            match lay_one(tree, &variable.into(), value.into()) {
                Ok(laid) => set.extend(laid),
                Err(problem) => problems.push(problem),
            }
        }
        Self { problems, set }
    }

    /// What is wrong with a value from a variable is told with the variable's name.
    pub(super) fn name_variables(&self, problems: &mut [Problem]) {
        for problem in problems {
            let found = self.set.iter().find(|(path, _)| problem.is_within(path));
            if let Some((_, variable)) = found {
                problem.set_variable(variable);
            }
        }
    }
}

/// The path that was set, and by which variable. `None` for somebody else's.
fn lay_one(
    tree: &mut Node,
    variable: &OsString,
    value: OsString,
) -> Result<Option<(String, String)>, Problem> {
    let name = variable.to_string_lossy();
    let Some(rest) = name.strip_prefix(PREFIX) else {
        let rest = name.strip_prefix(NEARLY).unwrap_or_default();
        if rest.contains("__") {
            let allowed = "`TOWER_BREAKER__`, with two underscores";
            return Err(Problem::of_variable(&name, "`TOWER_BREAKER_`", allowed));
        }
        return Ok(None);
    };
    let Ok(value) = value.into_string() else {
        return Err(Problem::of_variable(&name, "not Unicode", "a text"));
    };
    let path = set(tree, &name, rest, &value)?;
    Ok(Some((path, name.into_owned())))
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

/// The path that was set.
fn set(tree: &mut Node, variable: &str, rest: &str, value: &str) -> Result<String, Problem> {
    if rest == "MAX_CIRCUITS" {
        put(tree, &["max_circuits"], Node::from_text(value));
        return Ok("max_circuits".to_owned());
    }
    // From the right: a name may have two in a row, and no key has.
    let parts = rest
        .rsplit_once("__")
        .filter(|(place, key)| !place.is_empty() && !key.is_empty());
    let Some((place, key)) = parts else {
        return Err(without_place(variable, rest));
    };
    let key = key.to_ascii_lowercase();
    let value = match place == FLEET_PLACE && is_text(&key) {
        // A zone may be called `01`.
        true => Node::Text(value.to_owned()),
        false => Node::from_text(value),
    };
    match named(tree, variable, place)? {
        Place::Part(part) => {
            put(tree, &[part, &key], value);
            Ok(join(part, &key))
        }
        Place::Circuit(name) => {
            put(tree, &["circuits", &name, &key], value);
            Ok(join(&join("circuits", &name), &key))
        }
    }
}

/// Whether it is a key of the fleet whose value is text, whatever that looks like.
fn is_text(key: &str) -> bool {
    let of_fleet = keys::FLEET.iter().find(|known| known.name == key);
    of_fleet.is_some_and(|it| matches!(it.shapes, [Shape::Part(_) | Shape::Text]))
}

/// What is wrong with a name that has no two underscores between a place and a key.
fn without_place(variable: &str, rest: &str) -> Problem {
    let of_circuit = keys::names_of_circuit();
    let place_before = |key: &str| rest.strip_suffix(&shouted(key))?.strip_suffix('_');
    let places = of_circuit
        .into_iter()
        .filter_map(|key| Some((place_before(key)?, key)));
    let of_fleet = keys::names(&keys::FLEET).into_iter();
    let of_fleet = of_fleet.filter_map(|key| Some((place_before(key)?, key)));
    let places = places.chain(of_fleet.filter(|(place, _)| *place == FLEET_PLACE));
    // Of the keys that it may end in, the longest.
    match places.min_by_key(|(place, _)| place.len()) {
        Some((place, key)) if !place.is_empty() => {
            let allowed = format!("two: {PREFIX}{place}__{}", shouted(key));
            Problem::of_variable(variable, "one underscore before the key", allowed)
        }
        _ => {
            let allowed = "such as TOWER_BREAKER__PAYMENTS__FAILURE_RATE";
            Problem::of_variable(variable, "the name of this variable", allowed)
        }
    }
}

/// Where a variable puts its value.
enum Place {
    Part(&'static str),
    Circuit(String),
}

const FLEET_PLACE: &str = "FLEET";

/// The parts that a variable can name.
const PLACES: [(&str, &str); 2] = [("DEFAULTS", "defaults"), (FLEET_PLACE, "fleet")];

/// What is meant: a part of the file, or a circuit.
fn named(tree: &Node, variable: &str, place: &str) -> Result<Place, Problem> {
    let names = tree.names_in("circuits");
    let mut fitting: Vec<_> = names.filter(|name| shouted(name) == place).collect();
    if let Some((_, part)) = PLACES.iter().find(|(shout, _)| *shout == place) {
        if fitting.is_empty() {
            return Ok(Place::Part(part));
        }
        fitting.push(part);
    }
    match fitting[..] {
        [name] => Ok(Place::Circuit(name.to_owned())),
        [] => Err(unknown(tree, variable, place)),
        [one, other, ..] => {
            let (one, other) = (join("", one), join("", other));
            let found = format!("{place}, which is {one} and {other}");
            Err(Problem::of_variable(
                variable,
                found,
                "the name of one circuit",
            ))
        }
    }
}

fn unknown(tree: &Node, variable: &str, place: &str) -> Problem {
    let allowed = "the name of a circuit in `circuits`, or DEFAULTS, or FLEET";
    let problem = Problem::of_variable(variable, place, allowed);
    let known = tree.names_in("circuits").map(shouted);
    let known = known.chain(PLACES.map(|(place, _)| place.to_owned()));
    let known: Vec<_> = known.collect();
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    match nearest(place, &known) {
        Some(nearest) => problem.with_nearest(nearest),
        None => problem,
    }
}

/// Puts a value where the keys lead. Where the file has something else than a table, that is what is wrong.
fn put(node: &mut Node, keys: &[&str], value: Node) {
    let [key, rest @ ..] = keys else {
        *node = value;
        return;
    };
    if let Node::Nothing = node {
        *node = Node::Map(Vec::new());
    }
    let Node::Map(map) = node else {
        return;
    };
    let at = map.iter().position(|(known, _)| known == key);
    let at = at.unwrap_or_else(|| {
        map.push(((*key).to_owned(), Node::Nothing));
        map.len() - 1
    });
    put(&mut map[at].1, rest, value);
}
