//! A configuration for a registry that lives.

use std::{
    collections::BTreeSet,
    error::Error,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use super::{Apply, CapDiff, CircuitDiff, Config, Diff};
use crate::{
    circuit::{
        builder::Checked,
        by::Origin,
        ejection::EjectionCap,
        handle::{Circuit, WeakCircuit},
        settings::{ChangedSetting, ConfigError, Settings},
    },
    machine::Limit,
    registry::{Named, Prepared, Registry, Replacement},
    util::panic::catch_panic,
};

impl Registry {
    /// The version of the configuration. It is 0 for the one that the registry was built from, and grows by one with
    /// each that was [applied](Self::apply) since, also if that has changed nothing.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.configuration_version()
    }

    /// Says what [`apply`](Self::apply) would change. Nothing changes.
    ///
    /// # Errors
    ///
    /// [`ApplyError::Busy`] while another configuration is planned or applied.
    pub fn plan(&self, config: &Config) -> Result<Diff, ApplyError> {
        self.plan_as(config, Apply::new())
    }

    /// Says what [`apply_as`](Self::apply_as) would change. Nothing changes.
    ///
    /// # Errors
    ///
    /// As for [`plan`](Self::plan), and [`ApplyError::OtherVersion`] if the registry has another version than the
    /// expected one.
    pub fn plan_as(&self, config: &Config, how: impl Into<Apply>) -> Result<Diff, ApplyError> {
        let how = how.into();
        let replacement = self.begin(config, &how)?;
        Ok(self.diff(&replacement, &Names::of(&replacement), how.replacing))
    }

    fn begin(&self, config: &Config, how: &Apply) -> Result<Replacement<'_>, ApplyError> {
        let replacement = Replacement::begin(self, config.registry()).ok_or(ApplyError::Busy)?;
        let found = replacement.version;
        match how.expected.filter(|expected| *expected != found) {
            Some(expected) => Err(ApplyError::OtherVersion { expected, found }),
            None => Ok(replacement),
        }
    }

    /// Replaces the configuration of a live registry: all of it, or nothing. State, eras (generations), windows and
    /// attempts are kept (rule E5).
    ///
    /// * Circuits that are there get the settings that they would be built with now, whether the configuration names
    ///   them or not. What was changed by hand since is changed back.
    /// * Circuits that are named for the first time are made.
    /// * A circuit that is no longer named keeps its settings until it is named again or [removed](Self::remove). Every
    ///   diff lists it.
    /// * What was set [in code](Config::registry) stays, and holds over the configuration as before.
    /// * `mode` and `tags` are for circuits that are made from now on. What a person has forced open stays so. A live
    ///   circuit does not become a member of a cap by tags that it would have now. If it keeps other tags, the diff
    ///   says so: [`CircuitDiff::Kept`].
    /// * All circuits that a new cap is for join it. If one cannot, none does, and the configuration is refused.
    ///
    /// The result is one [version](Self::version) of the configuration. Each change is told to listeners with that
    /// version, as any change of settings is. To say who applies it, see [`apply_as`](Self::apply_as).
    ///
    /// ```
    /// # use tower_breaker::config::Config;
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let read = |file| Config::read(&mut serde_json::Deserializer::from_str(file));
    /// let registry = read(r#"{ "circuits": { "payments": { "minimum_calls": 20 } } }"#)?.registry().build()?;
    ///
    /// let newer = read(r#"{ "circuits": { "payments": { "minimum_calls": 40 }, "search": {} } }"#)?;
    /// assert_eq!(registry.plan(&newer)?.to_string(), "payments: `minimum_calls` 20 -> 40\nsearch: is made");
    /// registry.apply(&newer)?;
    /// assert_eq!(registry.try_get("payments")?.settings().minimum_calls(), Some(40));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ApplyError::Refused`] if a live circuit cannot be changed so: another window, closures, totals. Then nothing
    /// has changed. [`Apply::replacing`] makes such circuits anew. [`ApplyError::Busy`] while another configuration is
    /// planned or applied.
    ///
    /// # Panics
    ///
    /// If a rule or a [base](super::ConfigReader::base) of code panics. Then nothing has changed, either.
    pub fn apply(&self, config: &Config) -> Result<Diff, ApplyError> {
        self.apply_as(config, Apply::new())
    }

    /// [Applies](Self::apply) a configuration, and says who does so, why, and on top of which version. Listeners are
    /// told that with each change.
    ///
    /// # Errors
    ///
    /// As for [`apply`](Self::apply), and [`ApplyError::OtherVersion`] if the registry has another version than the
    /// expected one.
    ///
    /// # Panics
    ///
    /// As for [`apply`](Self::apply).
    pub fn apply_as(&self, config: &Config, how: impl Into<Apply>) -> Result<Diff, ApplyError> {
        let how = how.into();
        let replacement = self.begin(config, &how)?;
        let names = Names::of(&replacement);
        let diff = self.diff(&replacement, &names, how.replacing);
        if diff.is_refused() {
            return Err(ApplyError::Refused(diff));
        }
        // Not held, or none of them could make room.
        let before: Vec<_> = self.circuits().iter().map(Circuit::downgrade).collect();
        // From here on circuits are made by the new rules; those that were made by the old ones are all there.
        replacement.take_rules();
        let names = Names::of(&replacement);
        let mut done = Done::of(how, diff.version());
        // Rules are somebody else's code.
        let all = catch_unwind(AssertUnwindSafe(|| done.all(self, &replacement, &names)));
        if let Ok(Ok(())) = all {
            replacement.set_version(diff.version());
            return Ok(diff);
        }
        done.undo(&replacement, diff.based_on());
        replacement.give_rules_back();
        done.undo_made(self, &replacement, (diff.based_on(), &before));
        let refused = all.unwrap_or_else(|panic| resume_unwind(panic));
        Err(ApplyError::Refused(Diff {
            circuits: refused.err().into_iter().map(|refused| *refused).collect(),
            based_on: diff.based_on(),
            ..Diff::default()
        }))
    }

    fn diff(&self, replacement: &Replacement<'_>, names: &Names, replacing: bool) -> Diff {
        let circuits = self.circuits();
        let there: BTreeSet<_> = circuits.iter().map(Circuit::name).collect();
        let live = circuits.iter().flat_map(|circuit| {
            let name = circuit.name().to_owned();
            if names.left.contains(&name) {
                return [Some(CircuitDiff::Left { name }), None];
            }
            let checked = match replacement.builder(&name).check() {
                Ok(checked) => checked,
                Err(error) => return [Some(*refused(name, error)), None],
            };
            let diff = match target(replacement, circuit, &checked, replacing) {
                Ok(target) if target.changes.is_empty() => None,
                Ok(Target { changes, .. }) => Some(CircuitDiff::Changed { name, changes }),
                Err((error, changes)) if replacing => Some(CircuitDiff::Replaced {
                    name,
                    error: *error,
                    changes,
                }),
                Err((error, _)) => Some(CircuitDiff::Refused {
                    name,
                    error: *error,
                    replaceable: true,
                }),
            };
            [diff, kept(replacement, circuit, &checked, replacing)]
        });
        let live = live.flatten();
        let new = names
            .named
            .iter()
            .filter(|name| !there.contains(name.as_str()));
        let added = new.map(|name| match replacement.builder(name).check() {
            Ok(_) => CircuitDiff::Added { name: name.clone() },
            Err(error) => *refused(name.clone(), error),
        });
        let mut all: Vec<_> = live.chain(added).collect();
        all.sort_by(|one, other| one.name().cmp(other.name()));
        let most = (replacement.old_max_circuits(), replacement.max_circuits);
        Diff {
            circuits: all,
            caps: replacement
                .cap_changes()
                .into_iter()
                .map(CapDiff::from)
                .collect(),
            max_circuits: (most.0 != most.1).then_some(most),
            based_on: replacement.version,
        }
    }
}

/// What the new rules make of a live circuit.
struct Target {
    settings: Settings,
    changes: Vec<ChangedSetting>,
    /// The set that it becomes a member of.
    joins: Option<EjectionCap>,
}

/// What a live circuit keeps although the new rules say something else.
fn kept(
    replacement: &Replacement<'_>,
    circuit: &Circuit,
    checked: &Checked,
    replacing: bool,
) -> Option<CircuitDiff> {
    let mode = (circuit.mode(), checked.mode());
    // What a person has changed is no news.
    let says_another = checked.mode() != circuit.first_mode();
    let mode = (says_another && mode.0 != mode.1).then_some(mode);
    // Where circuits are replaced, so is one with other tags.
    let tags = (!replacing && circuit.tags() != checked.tags())
        .then(|| (circuit.tags().clone(), checked.tags().clone()));
    if mode.is_none() && tags.is_none() {
        return None;
    }
    let cap = tags
        .as_ref()
        .and_then(|(_, said)| replacement.missed_cap(circuit, said));
    Some(CircuitDiff::Kept {
        name: circuit.name().to_owned(),
        mode,
        tags,
        cap,
    })
}

fn target(
    replacement: &Replacement<'_>,
    circuit: &Circuit,
    checked: &Checked,
    replacing: bool,
) -> Result<Target, Cannot> {
    let settings = checked.settings();
    let cannot = |error: ConfigError| (error.into(), circuit.differences(settings));
    if replacing && circuit.tags() != checked.tags() {
        let allowed = "those that it has for as long as it lives";
        let error = ConfigError::new("tags", checked.tags(), allowed);
        return Err(cannot(error.of(circuit.full_name())));
    }
    let cap = replacement.cap_for(circuit, checked.cap());
    let joins = cap.filter(|cap| !circuit.is_member_of(cap));
    if joins.is_some() && circuit.is_capped() {
        let another = format_args!("another than its own");
        let error = ConfigError::new(
            "cap",
            another,
            "the one that it has for as long as it lives",
        );
        return Err(cannot(error.of(circuit.full_name())));
    }
    let (new, changes) = circuit.plan(settings).map_err(cannot)?;
    Ok(Target {
        settings: new,
        changes,
        joins: joins.cloned(),
    })
}

/// Why a live circuit cannot become what the new rules say, and what differs.
type Cannot = (Box<ConfigError>, Vec<ChangedSetting>);

/// What no circuit can be, made anew or not.
fn refused(name: String, error: ConfigError) -> Box<CircuitDiff> {
    Box::new(CircuitDiff::Refused {
        name,
        error,
        replaceable: false,
    })
}

/// The names in a configuration.
struct Names {
    named: BTreeSet<String>,
    /// Those that were there once, and are no more: their circuits stay as they are until somebody removes them.
    left: BTreeSet<String>,
}

impl Names {
    fn of(replacement: &Replacement<'_>) -> Self {
        let (named, residents) = replacement.names();
        let named: BTreeSet<_> = named.into_iter().collect();
        let left = residents.into_iter().filter(|name| !named.contains(name));
        Self {
            left: left.collect(),
            named,
        }
    }
}

/// What was done so far, so that it can be undone.
struct Done {
    how: Apply,
    version: u64,
    named: Vec<(String, Named)>,
    /// Those that others take the place of in the end, when nothing can fail any more.
    to_replace: Vec<(Circuit, Prepared)>,
    changed: Vec<(Circuit, Settings)>,
    caps: Vec<(EjectionCap, Limit)>,
    max_circuits: Option<u32>,
}

impl Done {
    /// Nothing yet.
    fn of(how: Apply, version: u64) -> Self {
        Self {
            how,
            version,
            named: Vec::new(),
            to_replace: Vec::new(),
            changed: Vec::new(),
            caps: Vec::new(),
            max_circuits: None,
        }
    }

    /// Where the changes come from that make, or that bring back, this version.
    fn origin(&self, version: u64) -> Origin {
        Origin {
            by: self.how.by.clone(),
            configuration: Some(version),
        }
    }

    fn all(
        &mut self,
        registry: &Registry,
        replacement: &Replacement<'_>,
        names: &Names,
    ) -> Result<(), Box<CircuitDiff>> {
        self.max_circuits = Some(replacement.take_max_circuits());
        self.caps = replacement.take_caps();
        for name in &names.named {
            self.make(replacement, name)?;
        }
        for circuit in registry.circuits() {
            if !names.left.contains(circuit.name()) {
                self.change(replacement, circuit)?;
            }
        }
        for (old, new) in self.to_replace.drain(..) {
            replacement.replace(&old, new);
        }
        Ok(())
    }

    fn make(&mut self, replacement: &Replacement<'_>, name: &str) -> Result<(), Box<CircuitDiff>> {
        let named = replacement.create(name);
        let named = named.map_err(|error| refused(name.to_owned(), error))?;
        self.named.push((name.to_owned(), named));
        Ok(())
    }

    fn change(
        &mut self,
        replacement: &Replacement<'_>,
        circuit: Circuit,
    ) -> Result<(), Box<CircuitDiff>> {
        let name = circuit.name().to_owned();
        let checked = match replacement.builder(&name).check() {
            Ok(checked) => checked,
            Err(error) => return Err(refused(name, error)),
        };
        let replacing = self.how.replacing;
        let target = match target(replacement, &circuit, &checked, replacing) {
            Ok(target) => target,
            Err(_) if replacing => return self.prepare_another(replacement, circuit),
            Err((error, _)) => {
                return Err(Box::new(CircuitDiff::Refused {
                    name,
                    error: *error,
                    replaceable: true,
                }));
            }
        };
        // It is of no other, and nobody else has it join one.
        if let Some(cap) = &target.joins {
            circuit.join(cap);
        }
        if target.changes.is_empty() {
            return Ok(());
        }
        let origin = self.origin(self.version);
        let new = &target.settings;
        let changed = circuit.reconfigure_from(origin, |settings| settings.set_to(new));
        let change = changed.map_err(|error| refused(name, error))?;
        replacement.note_version(circuit.name(), change.version());
        self.changed.push((circuit, change.before().clone()));
        Ok(())
    }

    fn prepare_another(
        &mut self,
        replacement: &Replacement<'_>,
        circuit: Circuit,
    ) -> Result<(), Box<CircuitDiff>> {
        let name = circuit.name().to_owned();
        let prepared = replacement.prepare(&name);
        let prepared = prepared.map_err(|error| refused(name, error))?;
        self.to_replace.push((circuit, prepared));
        Ok(())
    }

    /// What held before is never refused.
    fn undo(&mut self, replacement: &Replacement<'_>, version: u64) {
        let origin = self.origin(version);
        for (circuit, before) in self.changed.drain(..).rev() {
            let undone =
                circuit.reconfigure_from(origin.clone(), |settings| settings.set_to(&before));
            if let Ok(change) = undone {
                replacement.note_version(circuit.name(), change.version());
            }
        }
        for (name, named) in self.named.drain(..) {
            replacement.take_back(&name, named);
        }
        for (cap, before) in self.caps.drain(..) {
            cap.set_limit(before);
        }
        if let Some(most) = self.max_circuits.take() {
            replacement.set_max_circuits(most);
        }
    }
}

impl Done {
    /// What others have made meanwhile by the new rules gets what the old ones say; what cannot, goes. After the old
    /// ones hold again.
    fn undo_made(
        &self,
        registry: &Registry,
        replacement: &Replacement<'_>,
        (version, before): (u64, &[WeakCircuit]),
    ) {
        let is_new = |circuit: &Circuit| {
            let mut before = before.iter();
            before.all(|known| known.identity() != circuit.identity())
        };
        for circuit in registry.circuits().into_iter().filter(is_new) {
            let old = catch_panic(|| replacement.old_builder(circuit.name()).check());
            let old = old.and_then(Result::ok);
            let planned = old.and_then(|old| circuit.plan(old.settings()).ok());
            let Some((settings, changes)) = planned else {
                registry.remove(circuit.name());
                continue;
            };
            if changes.is_empty() {
                continue;
            }
            let origin = self.origin(version);
            let undone = circuit.reconfigure_from(origin, |it| it.set_to(&settings));
            if let Ok(change) = undone {
                replacement.note_version(circuit.name(), change.version());
            }
        }
    }
}

/// A configuration that was not applied.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ApplyError {
    /// A change is not possible while the registry lives: [`CircuitDiff::Refused`]. Nothing has changed.
    Refused(Diff),
    /// Another configuration is being planned or applied at this moment.
    Busy,
    /// Somebody has applied another configuration since the [version](Registry::version) that was
    /// [expected](Apply::expecting). Nothing has changed.
    OtherVersion {
        /// The one to put this on top of.
        expected: u64,
        /// The one that is there.
        found: u64,
    },
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(diff) => {
                let refused = |it: &&CircuitDiff| matches!(it, CircuitDiff::Refused { .. });
                let lines = diff.circuits().filter(refused).map(ToString::to_string);
                f.write_str(&lines.collect::<Vec<_>>().join("\n"))
            }
            Self::OtherVersion { expected, found } => write!(
                f,
                "version {expected} of the configuration was expected, but there is version {found}"
            ),
            Self::Busy => f.write_str("another configuration is applied at this moment"),
        }
    }
}

impl Error for ApplyError {}
