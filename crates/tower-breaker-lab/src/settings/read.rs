//! Candidates from a file: each block of `circuits` in a configuration of `tower-breaker` is one.

use toml::de::{DeTable, DeValue};
use tower_breaker::{
    Settings,
    config::{Config, ReadError},
    registry::Registry,
};

use super::{Axis, Candidate, SettingsError, grid};

/// What a grid is put on if there is no file.
const NO_FILE: &str = "[circuits.ours]\n";

impl Candidate {
    /// The candidates of a configuration of `tower-breaker` in TOML, in the order of the file: each block of `circuits`
    /// is one. Patterns, defaults and bases hold as in production. Variables of the environment do not.
    ///
    /// # Errors
    ///
    /// Everything that the configuration's own reader refuses, each with its line and column; and a file without
    /// `circuits`.
    pub fn from_toml(text: &str) -> Result<Vec<Self>, SettingsError> {
        let config = read(text)?;
        let names = names(text);
        if names.is_empty() {
            let text =
                "there are no `circuits`, and each of them is one candidate; add `[circuits.NAME]`";
            return Err(SettingsError::new(text));
        }
        let registry = registry(&config)?;
        let candidate = |name: &String| Self::ours(name, settings(&registry, name)?);
        names.iter().map(candidate).collect()
    }

    /// All combinations of the axes, each put on each candidate of the file. Without a file they are put on the
    /// defaults, and called `ours`.
    ///
    /// # Errors
    ///
    /// As [`from_toml`](Self::from_toml); a combination that the reader refuses, with the values; and more than
    /// [`MOST_COMBINATIONS`](super::MOST_COMBINATIONS).
    pub fn from_grid(text: Option<&str>, axes: &[Axis]) -> Result<Vec<Self>, SettingsError> {
        let text = text.unwrap_or(NO_FILE);
        let blocks = Self::from_toml(text)?;
        if axes.is_empty() {
            return Ok(blocks);
        }
        grid::check(axes, blocks.len())?;
        let file: toml::Table =
            toml::from_str(text).map_err(|error| SettingsError::new(error.to_string()))?;
        let of_block = |block: &Self| {
            let name = block.name().to_owned();
            let combined = grid::combinations(axes).map(|combination| {
                let settings = settings_with(&file, &name, &combination)?;
                Self::ours(format!("{name} {}", combination.written()), settings)
            });
            combined.collect::<Result<Vec<_>, _>>()
        };
        let all: Result<Vec<_>, _> = blocks.iter().map(of_block).collect();
        Ok(all?.into_iter().flatten().collect())
    }
}

fn read(text: &str) -> Result<Config, SettingsError> {
    let parsed = toml::Deserializer::parse(text);
    let parsed = parsed.map_err(|error| SettingsError::in_file(&ReadError::Format(error), text))?;
    Config::read(parsed).map_err(|error| SettingsError::in_file(&error, text))
}

/// All of the file, however few it says there may be: nothing is served here. It has all circuits of the file, so that
/// one is enough for all of them.
fn registry(config: &Config) -> Result<Registry, SettingsError> {
    let registry = config.registry().max_circuits(u32::MAX).build();
    registry.map_err(|error| SettingsError::new(error.to_string()))
}

fn settings(registry: &Registry, name: &str) -> Result<Settings, SettingsError> {
    let circuit = registry.try_get(name);
    let circuit = circuit.map_err(|error| SettingsError::new(format!("{name}: {error}")))?;
    Ok(circuit.settings())
}

/// The names of the circuits, in the order of the file.
fn names(text: &str) -> Vec<String> {
    let Ok(file) = DeTable::parse(text) else {
        return Vec::new();
    };
    let Some(DeValue::Table(circuits)) = file.get_ref().get("circuits").map(|all| all.get_ref())
    else {
        return Vec::new();
    };
    let mut names: Vec<_> = circuits.keys().collect();
    names.sort_by_key(|name| name.span().start);
    let name = |name: &toml::Spanned<toml::de::DeString<'_>>| name.get_ref().to_string();
    names.into_iter().map(name).collect()
}

/// The values are written into the block, so that the crate's own reader checks them.
fn settings_with(
    file: &toml::Table,
    name: &str,
    combination: &grid::Combination<'_>,
) -> Result<Settings, SettingsError> {
    let mut file = file.clone();
    if let Some(circuits) = file.get_mut("circuits").and_then(toml::Value::as_table_mut) {
        circuits.retain(|other, _| other == name);
        if let Some(block) = circuits.get_mut(name).and_then(toml::Value::as_table_mut) {
            combination.write_to(block);
        }
    }
    let config = Config::read(toml::Value::Table(file));
    let config = config.map_err(|error| {
        SettingsError::new(format!("--grid {}: {error}", combination.written()))
    })?;
    settings(&registry(&config)?, name)
}
