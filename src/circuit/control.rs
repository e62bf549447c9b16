//! What a person or a program does to a circuit (rules E2, E5). Each operation can also say who does it, and why.

use std::time::Duration;

use super::{
    by::{By, Origin},
    error::ControlError,
    followed::Act,
    handle::{Circuit, Label},
    settings::{ConfigError, ReconfigureError, Settings, SettingsChange},
};
use crate::machine::{Mode, Transition};

impl Circuit {
    /// Opens the circuit for `open_for`, as a health check or an overload detector would. It recovers like from any
    /// other open. If the circuit is open already, a new break begins.
    ///
    /// # Errors
    ///
    /// [`ControlError`] if the circuit is forced open or disabled (rule E2).
    #[doc(alias = "open")]
    pub fn trip(&self, open_for: Duration) -> Result<(), ControlError> {
        self.trip_as(By::default(), open_for)
    }

    /// Like [`trip`](Self::trip), and says who trips it, and why.
    ///
    /// # Errors
    ///
    /// As for [`trip`](Self::trip).
    pub fn trip_as(&self, by: By, open_for: Duration) -> Result<(), ControlError> {
        match self.core().trip(open_for, self.now()) {
            Ok(transition) => {
                self.tell_by(&transition, Some(&by));
                Ok(())
            }
            Err(refused) => Err(ControlError { mode: refused.0 }),
        }
    }

    /// Rejects every call until the circuit is [released](Self::release). Returns whether that was a change. To let it
    /// end by itself, use [`force_open_for`](Self::force_open_for).
    ///
    /// If the circuit is [shared](crate::CircuitBuilder::shared), the whole fleet is told of this, of
    /// [`release`](Self::release) and of [`reset`](Self::reset). [`heard`](Self::heard) says how far that went;
    /// [`here`](Self::here) acts on this instance alone. What could not be told within a few seconds holds here alone,
    /// and is not told later.
    #[doc(alias = "isolate")]
    #[doc(alias = "FORCED_OPEN")]
    #[doc(alias = "IsolateAsync")]
    #[doc(alias = "circuitBreaker.forceOpen")]
    pub fn force_open(&self) -> bool {
        self.force_open_as(By::default())
    }

    /// Like [`force_open`](Self::force_open), and says who forces it open, and why. That is told with
    /// [events](crate::observe::Event), and shown by [`Snapshot::by`](crate::Snapshot::by) for as long as it holds.
    ///
    /// ```
    /// # use tower_breaker::{By, Circuit};
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("payments").build()?;
    /// circuit.force_open_as(By::who("ops@example.org").because("INC-123"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn force_open_as(&self, by: By) -> bool {
        let forced = self.force_here(&by, None);
        self.act(Act::Force(None), &by);
        forced
    }

    pub(super) fn force_here(&self, by: &By, at_most: Option<Duration>) -> bool {
        self.tell_if_any_by(self.core().force_open(at_most, self.now()), by)
    }

    /// Rejects every call for at most so long: until the circuit is [released](Self::release), or the time is over. The
    /// next call after that time finds the circuit closed and cleared, in the mode that it had before. Returns whether
    /// that was a change.
    ///
    /// Then nobody has to remember to release it:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_breaker::{By, Circuit};
    ///
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("payments").build()?;
    /// let by = By::who("ops@example.org").because("INC-123");
    /// circuit.force_open_for(by, Duration::from_secs(600))?;
    /// let rejected = circuit.try_acquire().unwrap_err();
    /// assert!(rejected.remaining() > Some(Duration::from_secs(599)));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// * The time begins now, whatever was said before. To force a circuit open that is forced open already begins a
    ///   new time: longer, shorter, or without an end ([`force_open`](Self::force_open)).
    /// * There is no timer. A call notices that the time is over. So does a [driver](Self::probe_with), and a caller
    ///   that waits for readiness ([`pending_while_open`](crate::CircuitBreakerLayer::pending_while_open)). Until one
    ///   of them comes, the circuit reads forced open, with nothing [remaining](crate::Snapshot::remaining).
    /// * The transition has the cause [`Cause::ForceExpired`](crate::Cause::ForceExpired).
    /// * Up to five decimal digits the time is exact. A time with more digits is rounded up by at most 40 parts per
    ///   million.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the time is zero, or longer than 584 years. Then nothing has changed.
    pub fn force_open_for(&self, by: By, at_most: Duration) -> Result<bool, ConfigError> {
        self.check_forced(at_most)?;
        let forced = self.force_here(&by, Some(at_most));
        self.act(Act::Force(Some(at_most)), &by);
        Ok(forced)
    }

    pub(super) fn check_forced(&self, at_most: Duration) -> Result<(), ConfigError> {
        let allowed = "a time above zero, of at most 584 years";
        let valid = !at_most.is_zero() && u64::try_from(at_most.as_nanos()).is_ok();
        ConfigError::unless(valid, "force_open_for", &at_most, allowed)
            .map_err(|error| error.of(&self.label().name))
    }

    /// Ends forced open: the circuit is closed and cleared, in the mode that it had before. Returns whether it was
    /// forced open.
    pub fn release(&self) -> bool {
        self.release_as(By::default())
    }

    /// Like [`release`](Self::release), and says who releases it, and why.
    pub fn release_as(&self, by: By) -> bool {
        let released = self.release_here(&by);
        if released || self.is_fleet_forced() {
            self.act(Act::Release, &by);
        }
        released
    }

    pub(super) fn release_here(&self, by: &By) -> bool {
        self.tell_if_any_by(self.core().release(self.now()), by)
    }

    /// Closes the circuit and clears it: windows, failures in a row, attempts. It also releases forced open, but leaves
    /// shadow and disabled as they are. Totals go on.
    #[doc(alias = "CloseAsync")]
    #[doc(alias = "close")]
    pub fn reset(&self) {
        self.reset_as(By::default());
    }

    /// Like [`reset`](Self::reset), and says who resets it, and why.
    pub fn reset_as(&self, by: By) {
        self.reset_here(&by);
        self.act(Act::Reset, &by);
    }

    pub(super) fn reset_here(&self, by: &By) {
        self.tell_by(&self.core().reset(self.now()), Some(by));
    }

    /// Changes who decides (rule E1). Returns whether that was a change.
    ///
    /// Between [`Mode::Normal`] and [`Mode::Shadow`] the state goes on. To and from
    /// [`Mode::Disabled`], and out of [`Mode::ForcedOpen`], the circuit is closed and cleared.
    ///
    /// Of a [shared](crate::CircuitBuilder::shared) circuit, only this instance changes its mode. [`Mode::ForcedOpen`]
    /// is the exception: it is [`force_open`](Self::force_open), and the whole fleet is told.
    pub fn set_mode(&self, mode: Mode) -> bool {
        self.set_mode_as(By::default(), mode)
    }

    /// Like [`set_mode`](Self::set_mode), and says who changes it, and why.
    pub fn set_mode_as(&self, by: By, mode: Mode) -> bool {
        if mode == Mode::ForcedOpen {
            return self.force_open_as(by);
        }
        self.tell_if_any_by(self.core().set_mode(mode, self.now()), &by)
    }

    fn tell_if_any_by(&self, transition: Option<Transition>, by: &By) -> bool {
        if let Some(transition) = transition {
            self.tell_by(&transition, Some(by));
        }
        transition.is_some()
    }

    /// All settings of this circuit as they hold now: with defaults filled in, and with what
    /// [`reconfigure`](Self::reconfigure) has changed. Printed, they read as one would write them.
    ///
    /// ```
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("payments").build()?;
    /// println!("{}", circuit.settings());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.label().settings.with_numbers(&self.core().numbers())
    }

    /// Changes the settings of the live circuit: those that `change` sets, together, from the next call on (rule E5).
    /// `change` gets the settings that hold now. So a change can be relative, and a setting can be taken back with
    /// `None`. State and window are kept.
    ///
    /// What is under way stays as it is. A break that has begun keeps its end. A half-open circuit keeps its `permits`,
    /// `probes` and `half_open_timeout`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::Circuit;
    /// # fn main() -> Result<(), tower_breaker::ConfigError> {
    /// # let circuit = Circuit::builder("payments").build()?;
    /// let change = circuit.reconfigure(|settings| {
    ///     settings.set_failure_rate(0.25).set_open_for(Duration::from_secs(60))
    /// })?;
    /// assert_eq!(
    ///     change.to_string(),
    ///     "circuit `payments`: `failure_rate` 0.5 -> 0.25, `open_for` 30s -> 60s",
    /// );
    ///
    /// // Back to what it was.
    /// circuit.reconfigure(|settings| settings.set_to(change.before()))?;
    ///
    /// // Relative to what holds, where that is set.
    /// circuit.reconfigure(|settings| {
    ///     let half = settings.failure_rate().map(|rate| rate / 2.0);
    ///     settings.set_failure_rate(half)
    /// })?;
    /// # assert_eq!(circuit.settings().failure_rate(), Some(0.25));
    ///
    /// let error = circuit.reconfigure(|settings| settings.set_count_window(500)).unwrap_err();
    /// assert_eq!(error.field(), "count_window");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// **Watch out:** a plain `Duration` given to [`set_open_for`](Settings::set_open_for) replaces growth and jitter,
    /// too. To keep them, take them over:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tower_breaker::{Circuit, ConfigError, Jitter, OpenFor};
    /// # fn main() -> Result<(), ConfigError> {
    /// # let [first, max] = [8, 60].map(Duration::from_secs);
    /// # let growing = OpenFor::exponential(first, 2.0, max).jitter(Jitter::Equal);
    /// # let circuit = Circuit::builder("payments").open_for(growing.clone()).build()?;
    /// // Wrong: from now on, each break has four seconds, the tenth in a row, too.
    /// circuit.reconfigure(|settings| settings.set_open_for(Duration::from_secs(4)))?;
    /// # circuit.reconfigure(|settings| settings.set_open_for(growing.clone()))?;
    ///
    /// // Right: the first has four seconds.
    /// circuit.reconfigure(|settings| {
    ///     let old = settings.open_for();
    ///     let new = OpenFor::exponential(Duration::from_secs(4), old.factor(), old.max());
    ///     let new = new.jitter(old.get_jitter());
    ///     settings.set_open_for(new)
    /// })?;
    /// # let right = OpenFor::exponential(first / 2, 2.0, max).jitter(Jitter::Equal);
    /// # assert_eq!(circuit.settings().open_for(), &right);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// If there are two changes at once, both hold. No lock is held while `change` runs. If another change comes
    /// between, `change` is called again, with the settings that the other one has made. So it should do nothing but
    /// set.
    ///
    /// If anything has changed, the listeners of [`on_settings_change`](crate::CircuitBuilder::on_settings_change) are
    /// told.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for whatever the builder would refuse, and for what cannot change on a live circuit. Then
    /// nothing has changed. What cannot change on a live circuit:
    ///
    /// * the window and its size, closures, totals, the log of events, and the seed of the jitter;
    /// * a rate or `shed`, if the circuit was built without a window;
    /// * a `slow_call_rate`, if the circuit was built without a `slow_call_duration`.
    ///
    /// To set one of these to the value that it has is no change, and no error.
    #[doc(alias = "hot_reload")]
    #[doc(alias = "update_config")]
    pub fn reconfigure(
        &self,
        change: impl FnMut(&mut Settings) -> &mut Settings,
    ) -> Result<SettingsChange, ConfigError> {
        self.reconfigure_from(Origin::default(), change)
    }

    /// Like [`reconfigure`](Self::reconfigure), and says who changes the settings, and why. The listeners are told, and
    /// it stands in what this returns.
    ///
    /// # Errors
    ///
    /// As for [`reconfigure`](Self::reconfigure).
    pub fn reconfigure_as(
        &self,
        by: By,
        change: impl FnMut(&mut Settings) -> &mut Settings,
    ) -> Result<SettingsChange, ConfigError> {
        self.reconfigure_from(Origin::from(by), change)
    }

    /// How often the settings were changed. 0 for a circuit as it was built. A change to values that hold already does
    /// not count.
    ///
    /// To change what you have looked at, ask for this first, then for the [`settings`](Self::settings), and give it to
    /// [`reconfigure_expecting`](Self::reconfigure_expecting). In the other order, a change between the two is lost.
    #[must_use]
    pub fn settings_version(&self) -> u64 {
        self.core().settings_version()
    }

    /// [Changes the settings](Self::reconfigure_as) if they are still of this [version](Self::settings_version). So two
    /// people do not undo what the other has just done: of all who expect the same version, one gets through.
    ///
    /// ```
    /// # use tower_breaker::{By, Circuit, ReconfigureError};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let circuit = Circuit::builder("payments").build()?;
    /// // Two people look at the same settings …
    /// let version = circuit.settings_version();
    ///
    /// // … and the second comes too late.
    /// let ops = By::who("ops").because("INC-123");
    /// circuit.reconfigure_expecting(ops, version, |settings| settings.set_failure_rate(0.25))?;
    /// let dev = By::who("dev").because("a test");
    /// let late = circuit.reconfigure_expecting(dev, version, |settings| settings.set_failure_rate(0.75));
    /// assert_eq!(late, Err(ReconfigureError::OtherVersion { expected: 0, found: 1 }));
    /// assert_eq!(circuit.settings().failure_rate(), Some(0.25));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ReconfigureError::OtherVersion`] if the settings are of another version, also if `change` would change
    /// nothing. [`ReconfigureError::Refused`] if [`reconfigure`](Self::reconfigure) refuses the change. In both cases
    /// nothing has changed.
    #[doc(alias = "compare_and_set")]
    pub fn reconfigure_expecting(
        &self,
        by: By,
        version: u64,
        change: impl FnMut(&mut Settings) -> &mut Settings,
    ) -> Result<SettingsChange, ReconfigureError> {
        let is_expected = |found| match found == version {
            true => Ok(()),
            false => Err(ReconfigureError::OtherVersion {
                expected: version,
                found,
            }),
        };
        self.reconfigure_if(is_expected, Origin::from(by), change)
    }

    pub(crate) fn reconfigure_from(
        &self,
        origin: Origin,
        change: impl FnMut(&mut Settings) -> &mut Settings,
    ) -> Result<SettingsChange, ConfigError> {
        self.reconfigure_if(|_| Ok(()), origin, change)
    }

    /// `may_change` is asked of the version that each try begins from.
    fn reconfigure_if<E: From<ConfigError>>(
        &self,
        may_change: impl Fn(u64) -> Result<(), E>,
        origin: Origin,
        mut change: impl FnMut(&mut Settings) -> &mut Settings,
    ) -> Result<SettingsChange, E> {
        let Label {
            name,
            settings: built,
            ..
        } = self.label();
        let changed = self.core().reconfigure(|numbers, version| {
            may_change(version)?;
            let old = built.with_numbers(&numbers);
            let mut new = old.clone();
            change(&mut new);
            let numbers = new.numbers_in_place(&old, built);
            numbers.map_err(|error| E::from(error.of(name)))
        })?;
        let old_and_new = (
            built.with_numbers(&changed.old),
            built.with_numbers(&changed.new),
        );
        let change = SettingsChange::new(name.clone(), old_and_new, changed.version, origin);
        if !change.is_empty() {
            self.resize_bulkhead();
            self.observers().tell_settings(self, &change);
        }
        Ok(change)
    }
}
