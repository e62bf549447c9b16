//! The breakers that are compared: those of a file, those of a grid, and those that are there by name.

mod built_in;
mod error;
mod grid;
mod read;

use tower_breaker::Settings;

pub use self::{
    built_in::{BUILT_IN, BuiltIn},
    error::SettingsError,
    grid::{Axis, MOST_COMBINATIONS},
};
use crate::breaker::{Contender, NoBreaker, Ours};

/// A breaker that is compared with others, and what a report tells of it.
///
/// ```
/// use tower_breaker_lab::Candidate;
///
/// let candidates = Candidate::from_toml(r#"
///     [circuits.rate]
///     failure_rate = "30%"
///
///     [circuits.three-in-a-row]
///     consecutive_failures = 3
/// "#)?;
/// let names: Vec<_> = candidates.iter().map(Candidate::name).collect();
/// assert_eq!(names, ["rate", "three-in-a-row"]);
/// # Ok::<(), tower_breaker_lab::SettingsError>(())
/// ```
#[derive(Debug)]
pub struct Candidate {
    contender: Box<dyn Contender>,
    settings: Option<Settings>,
    about: String,
    is_none: bool,
}

impl Candidate {
    /// Any breaker, and what there is to say about its settings.
    #[must_use]
    pub fn new(contender: impl Contender + 'static, about: impl Into<String>) -> Self {
        Self {
            contender: Box::new(contender),
            settings: None,
            about: about.into(),
            is_none: false,
        }
    }

    /// No breaker: what the others are compared with.
    #[must_use]
    pub fn none() -> Self {
        Self {
            is_none: true,
            ..Self::new(NoBreaker::new(), "No breaker: every call goes through.")
        }
    }

    /// This crate's own circuit.
    ///
    /// # Errors
    ///
    /// If the settings make no sense together.
    pub fn ours(name: impl Into<String>, settings: Settings) -> Result<Self, SettingsError> {
        let (name, about) = (name.into(), settings.to_string());
        let ours = Ours::new(name.clone(), settings.clone());
        let ours = ours.map_err(|error| SettingsError::new(format!("{name}: {error}")))?;
        Ok(Self {
            settings: Some(settings),
            ..Self::new(ours, about)
        })
    }

    /// Its name in reports.
    #[must_use]
    pub fn name(&self) -> &str {
        self.contender.name()
    }

    /// The settings, if it is this crate's own circuit.
    #[must_use]
    pub fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    /// Its settings as a report shows them.
    #[must_use]
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Whether it is [`none`](Self::none), and not one that is only called so.
    pub(crate) fn is_none(&self) -> bool {
        self.is_none
    }

    /// What runs.
    pub fn contender(&mut self) -> &mut dyn Contender {
        &mut *self.contender
    }
}
