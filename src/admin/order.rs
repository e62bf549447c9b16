//! What a person asks for: the body of a request of control.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::answer::Json;
use crate::{
    config::{Problem, Problems, SaidSettings, read::Reader, tree::Node},
    machine::Mode,
};

/// How long who and why may be. They are kept with the event.
pub(super) const LONGEST_WHO: usize = 256;
const LONGEST_WHY: usize = 1024;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    ForceOpen,
    Release,
    Trip,
    Reset,
    Mode,
    Settings,
    Plan,
    Apply,
}

impl Action {
    /// All of them, by the end of their path.
    pub(super) const ALL: [(&'static str, Self); 8] = [
        ("force-open", Self::ForceOpen),
        ("release", Self::Release),
        ("trip", Self::Trip),
        ("reset", Self::Reset),
        ("mode", Self::Mode),
        ("settings", Self::Settings),
        ("plan", Self::Plan),
        ("apply", Self::Apply),
    ];

    /// What may be said, beside who and why.
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::ForceOpen => &["name", "for", "here"],
            Self::Trip => &["name", "for"],
            Self::Release | Self::Reset => &["name", "here"],
            Self::Mode => &["name", "mode"],
            Self::Settings => &["name", "settings", "version"],
            Self::Plan | Self::Apply => &["configuration", "version", "replacing"],
        }
    }

    /// Whether a shared circuit tells it to its fleet.
    pub(super) fn is_for_the_fleet(self, order: &Order) -> bool {
        match self {
            Self::ForceOpen | Self::Release | Self::Reset => !order.here,
            Self::Mode => order.mode == Some(Mode::ForcedOpen),
            _ => false,
        }
    }

    /// What must be said, and what it may be.
    fn needs(self) -> &'static [(&'static str, &'static str)] {
        const NAME: (&str, &str) = ("name", "the name of a circuit");
        const REASON: (&str, &str) = ("reason", "a few words: why");
        match self {
            Self::ForceOpen | Self::Release | Self::Reset => &[REASON, NAME],
            Self::Trip => &[REASON, NAME, ("for", "a time such as \"30s\"")],
            Self::Mode => &[REASON, NAME, ("mode", "a mode")],
            Self::Settings => &[REASON, NAME, ("settings", "a table of settings")],
            Self::Plan => &[("configuration", "a configuration")],
            Self::Apply => &[REASON, ("configuration", "a configuration")],
        }
    }
}

/// What is asked for, as far as it is said.
#[derive(Default)]
pub(super) struct Order {
    pub(super) name: String,
    pub(super) reason: Option<String>,
    pub(super) by: Option<String>,
    pub(super) time: Option<Duration>,
    pub(super) mode: Option<Mode>,
    pub(super) settings: Option<SaidSettings>,
    pub(super) version: Option<u64>,
    pub(super) configuration: Option<Node>,
    pub(super) replacing: bool,
    /// Of a shared circuit, this instance alone.
    pub(super) here: bool,
}

impl Order {
    pub(super) fn read(action: Action, body: &[u8]) -> Result<Self, Json> {
        let tree: Node = serde_json::from_slice(body).map_err(|error| {
            let why = format!("the body is no JSON: {error}");
            Json::error(StatusCode::BAD_REQUEST, why)
        })?;
        let mut reader = Reader::default();
        let order = Self::read_tree(action, &mut reader, &tree);
        reader.or_problems(order).map_err(|problems| {
            // Whoever does not say what is asked of everybody has asked for nothing that could be refused.
            let of_everybody = |it: &Problem| matches!(it.path(), "" | "name" | "reason" | "by");
            let status = match problems.iter().next().is_some_and(of_everybody) {
                true => StatusCode::BAD_REQUEST,
                false => StatusCode::UNPROCESSABLE_ENTITY,
            };
            all_that_is_wrong(status, &problems)
        })
    }

    fn read_tree(action: Action, reader: &mut Reader, tree: &Node) -> Self {
        let known = [&["reason", "by"], action.keys()].concat();
        let mut order = Self::default();
        let mut entries = reader.table_of("", tree, &known);
        entries.retain(|(_, value)| *value != &Node::Nothing);
        for (key, allowed) in action.needs() {
            if !entries.iter().any(|(said, _)| said == key) {
                reader.missing(key, allowed);
            }
        }
        for (key, value) in entries {
            order.take(reader, key, value);
        }
        order
    }

    fn take(&mut self, reader: &mut Reader, key: &str, value: &Node) {
        match key {
            "name" => self.name = reader.text(key, value).unwrap_or_default().to_owned(),
            "reason" => self.reason = reader.words(key, value, LONGEST_WHY),
            "by" => self.by = reader.words(key, value, LONGEST_WHO),
            "for" => self.time = reader.time_above_zero(key, value),
            "mode" => self.mode = reader.mode(key, value),
            "settings" => self.settings = Some(SaidSettings::read(reader, value)),
            "version" => self.version = reader.whole(key, value, 0..=u64::MAX),
            "here" => self.here = reader.switch(key, value).unwrap_or_default(),
            "replacing" => self.replacing = reader.switch(key, value).unwrap_or_default(),
            _ => self.configuration = Some(value.clone()),
        }
    }
}

/// All that is wrong, with the first field of it and what that may be.
pub(super) fn all_that_is_wrong(status: StatusCode, problems: &Problems) -> Json {
    let first = problems.iter().next();
    let told = json!({
        "error": problems.to_string(),
        "field": first.map(Problem::path),
        "allowed": first.map(Problem::allowed),
    });
    Json(status, told)
}
