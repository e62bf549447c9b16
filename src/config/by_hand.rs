//! What a person asks for over HTTP, in the words of a configuration: one value, or the settings of a circuit that
//! lives.

use std::time::Duration;

use super::{
    Config, ConfigReader, Problem, Problems,
    block::apply,
    keys::{self, Assignment, names_of_circuit},
    read::{Reader, join},
    tree::Node,
    values::MODES,
};
use crate::{
    circuit::{handle::Circuit, settings::Settings},
    machine::Mode,
};

/// Of a circuit, but no settings: they cannot be changed so.
const NO_SETTINGS: [&str; 2] = ["mode", "tags"];

/// Where they are said.
const PATH: &str = "settings";

impl Reader {
    /// A mode by its label.
    pub(crate) fn mode(&mut self, path: &str, node: &Node) -> Option<Mode> {
        self.word(path, node, &MODES)
    }

    /// A time in which something can happen.
    pub(crate) fn time_above_zero(&mut self, path: &str, node: &Node) -> Option<Duration> {
        let time = self.duration(path, node)?;
        match time.is_zero() {
            true => self.refuse(path, node, "a time above zero"),
            false => Some(time),
        }
    }

    /// A text that says something, in so many bytes at most.
    pub(crate) fn words(&mut self, path: &str, node: &Node, most: usize) -> Option<String> {
        let is_blank = |c: char| c.is_whitespace() || c == '\u{feff}';
        let words = self.text(path, node)?.trim_matches(is_blank);
        let found = match words.len() {
            0 => "blank".to_owned(),
            length if length > most => format!("{length} bytes"),
            _ => return Some(words.to_owned()),
        };
        let allowed = format!("a few words, in at most {most} bytes");
        self.problems.push(Problem::new(path, found, allowed));
        None
    }

    /// Tells that a key is not there.
    pub(crate) fn missing(&mut self, key: &str, allowed: &str) {
        self.problems.push(Problem::missing("", key, allowed));
    }

    /// What is wrong in what was read, or else what was read.
    pub(crate) fn or_problems<T>(self, read: T) -> Result<T, Problems> {
        Problems::or(self.problems, read)
    }
}

impl ConfigReader {
    /// The same as [`read`](Self::read), of what has been read already.
    pub(crate) fn read_node(self, mut tree: Node) -> Result<Config, Problems> {
        self.read_tree(&mut tree)
    }
}

/// What is said of the settings of a circuit that lives.
#[derive(Debug)]
pub(crate) struct SaidSettings(Vec<Assignment>);

impl SaidSettings {
    /// Reads a table with keys of a circuit.
    pub(crate) fn read(reader: &mut Reader, table: &Node) -> Self {
        let known = names_of_circuit();
        let mut said = Vec::new();
        for (key, value) in reader.table_of(PATH, table, &known) {
            if NO_SETTINGS.contains(&key) {
                let path = join(PATH, key);
                let problem = Problem::new(&path, value, "left out: it is no setting");
                reader.problems.push(problem);
            } else {
                said.extend(keys::read(reader, PATH, key, value));
            }
        }
        Self(said)
    }

    /// Says it of these settings. Whether they make sense so, and whether a circuit that lives can be changed so, it
    /// says itself.
    pub(crate) fn lay_over<'a>(&self, settings: &'a mut Settings) -> &'a mut Settings {
        let before = Circuit::builder("*").settings(settings);
        settings.set_to(apply(&self.0, before).settings_mut())
    }
}
