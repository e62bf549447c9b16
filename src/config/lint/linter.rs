//! How a configuration is gone through, circuit by circuit.

use std::collections::BTreeSet;

use super::{
    super::{Config, apply, keys::Assignment, matches, read::join},
    Calls, Lint, LintName, Subject, Traffic,
    checks::{self, Finding},
    words::{count, percent},
};
use crate::{
    circuit::{handle::Circuit, settings::Settings},
    registry::DEFAULT_MAX_CIRCUITS,
    util::size::size,
};

const SHARED: &str = "shared";

/// Of the circuits that there may be, at least this share is to be free.
const LEAST_FREE: f64 = 0.1;

/// Of what a caller can have in flight, so much at most may be probes if everything is down.
const MOST_CAPACITY: f64 = 0.5;

/// What sums of shares are off by.
const ROUNDING: f64 = 1e-9;

pub(super) struct Linter<'a> {
    config: &'a Config,
    traffic: &'a Traffic,
    /// The circuits of the file in its order, then others that are known.
    circuits: Vec<&'a str>,
    /// The same may be found of several circuits.
    told: BTreeSet<(LintName, String, String)>,
    lints: Vec<Lint>,
}

impl<'a> Linter<'a> {
    pub(super) fn new(config: &'a Config, traffic: &'a Traffic) -> Self {
        let named = config.circuits.iter().map(|(name, _)| name.as_str());
        let mut others = traffic.all_names();
        for name in named.clone() {
            others.remove(name);
        }
        Self {
            config,
            traffic,
            circuits: named.chain(others).collect(),
            told: BTreeSet::new(),
            lints: Vec::new(),
        }
    }

    pub(super) fn lints(mut self) -> Vec<Lint> {
        let config = self.config;
        let every = self.traffic.of_every();
        self.look_at(&Subject::Defaults, "*", &config.defaults, &every);
        self.strangers_shared(&Subject::Defaults, "*", &config.defaults);
        for (number, (names, own)) in config.matching.iter().enumerate() {
            let all = config.said_for(names);
            self.pattern_matches_nothing(number, names, &all);
            let subject = Subject::Pattern(names.clone());
            self.look_at(&subject, names, &all, &every);
            if names.contains('*') && own.iter().any(|it| it.key == SHARED) {
                self.strangers_shared(&subject, names, &all);
            }
        }
        let mut shares = Vec::new();
        for name in self.circuits.clone() {
            let all = config.said_for(name);
            let subject = Subject::Circuit(name.to_owned());
            self.look_at_name(&subject, name, &all);
            shares.extend(self.look_at(&subject, name, &all, &self.traffic.calls(name)));
        }
        self.caps_match_nothing();
        self.probes_of_all_cost_capacity(&shares);
        self.max_circuits_nearly_reached();
        self.lints
    }

    /// Tells what is the matter with a circuit. How much of the capacity its probes hold, if that is known.
    fn look_at(
        &mut self,
        subject: &Subject,
        name: &str,
        all: &[Assignment],
        calls: &Calls,
    ) -> Option<f64> {
        // Two patterns together may make no sense, which is told where such a circuit is made.
        let checked = apply(all, Circuit::builder(name.to_owned())).check().ok()?;
        let settings = checked.settings();
        let found = checks::check(settings, calls).into_iter();
        for finding in found.chain(self.no_fleet(settings)) {
            if !is_allowed(all, finding.name) {
                let own = all.iter().rfind(|it| it.key == finding.key);
                let path = own.map_or_else(|| join("defaults", finding.key), |it| it.path.clone());
                self.tell(Lint::of(finding, subject.clone(), path));
            }
        }
        let counts = !is_allowed(all, LintName::ProbesCostCapacity);
        checks::share_of_capacity(settings, calls).filter(|_| counts)
    }

    fn no_fleet(&self, settings: &Settings) -> Option<Finding> {
        let is_missing = settings.shared().is_some() && self.config.fleet.is_none();
        is_missing.then(|| Finding {
            name: LintName::NoFleet,
            key: SHARED,
            message: "it is shared, and there is no `fleet`".to_owned(),
            hint: "say in `fleet` with whom, or allow this where code does".to_owned(),
        })
    }

    /// Of a part that is also for circuits that are made when they are first used.
    fn strangers_shared(&mut self, subject: &Subject, names: &str, all: &[Assignment]) {
        let checked = apply(all, Circuit::builder(names.to_owned())).check();
        let is_shared = checked.is_ok_and(|it| it.settings().shared().is_some());
        let own = all.iter().rfind(|it| it.key == SHARED);
        let Some(own) = own.filter(|_| is_shared) else {
            return;
        };
        let finding = Finding {
            name: LintName::StrangersShared,
            key: SHARED,
            message: "circuits that are made by use are shared, too, and their names become keys of the store"
                .to_owned(),
            hint: "share those that are named in `circuits`".to_owned(),
        };
        if !is_allowed(all, finding.name) {
            self.tell(Lint::of(finding, subject.clone(), own.path.clone()));
        }
    }

    fn tell(&mut self, lint: Lint) {
        let key = (lint.name, lint.path.clone(), lint.message.clone());
        if !self.config.allow.has(lint.name) && self.told.insert(key) {
            self.lints.push(lint);
        }
    }

    fn pattern_matches_nothing(&mut self, number: usize, names: &str, all: &[Assignment]) {
        let is_met = self.circuits.iter().any(|name| matches(names, name));
        let name = LintName::PatternMatchesNothing;
        if !self.knows_circuits() || is_met || is_allowed(all, name) {
            return;
        }
        let finding = Finding {
            name,
            key: "names",
            message: format!(
                "`{}` matches none of {}",
                names.escape_debug(),
                self.all_in_words(),
            ),
            hint: "correct it, or leave it out".to_owned(),
        };
        let path = format!("matching.{number}.names");
        self.tell(Lint::of(finding, Subject::Pattern(names.to_owned()), path));
    }

    /// Where there is none yet, nobody knows how those will be called that come.
    fn knows_circuits(&self) -> bool {
        self.traffic.has_names() && !self.circuits.is_empty()
    }

    fn all_in_words(&self) -> String {
        match self.circuits.len() {
            1 => "1 circuit".to_owned(),
            circuits => format!("{circuits} circuits"),
        }
    }

    fn caps_match_nothing(&mut self) {
        if self.config.caps.is_empty() || !self.knows_circuits() {
            return;
        }
        let made = self.circuits.iter().filter_map(|name| {
            let all = self.config.said_for(name);
            let checked = apply(&all, Circuit::builder((*name).to_owned())).check();
            Some((*name, checked.ok()?.tags().clone()))
        });
        let made: Vec<_> = made.collect();
        for (number, cap) in self.config.caps.iter().enumerate() {
            if made.iter().any(|(name, tags)| cap.is_for(name, tags)) {
                continue;
            }
            let finding = Finding {
                name: LintName::CapMatchesNothing,
                key: "caps",
                message: format!(
                    "the cap of {} is for none of {}",
                    cap.group_in_words().escape_debug(),
                    self.all_in_words(),
                ),
                hint: "correct it, or leave it out".to_owned(),
            };
            self.tell(Lint::of(
                finding,
                Subject::Registry,
                format!("caps.{number}"),
            ));
        }
    }

    /// What is the matter with the name that a circuit has in the file.
    fn look_at_name(&mut self, subject: &Subject, name: &str, all: &[Assignment]) {
        if !self.config.circuits.iter().any(|(named, _)| named == name) {
            return;
        }
        let is_never_called = self.traffic.is_never_called(name);
        let mut tell = |lint, message: &str, hint: &str| {
            let finding = Finding {
                name: lint,
                key: "circuits",
                message: message.to_owned(),
                hint: hint.to_owned(),
            };
            if !is_allowed(all, lint) {
                self.tell(Lint::of(finding, subject.clone(), join("circuits", name)));
            }
        };
        if name.contains('*') {
            tell(
                LintName::StarInName,
                "a star in the name of a circuit is a star, and matches no other name",
                "a pattern belongs in `matching`",
            );
        }
        if is_never_called {
            tell(
                LintName::NeverCalled,
                "it never had a call, and other circuits had",
                "spell it as the key of the layer spells it, or leave it out",
            );
        }
    }

    /// Of those that share a capacity.
    fn probes_of_all_cost_capacity(&mut self, shares: &[f64]) {
        let all: f64 = shares.iter().sum();
        if shares.len() < 2 || all <= MOST_CAPACITY + ROUNDING {
            return;
        }
        let finding = Finding {
            name: LintName::ProbesCostCapacity,
            key: "circuits",
            message: format!(
                "while what is behind all {} circuits is down, probes hold {} of the capacity",
                shares.len(),
                percent(all),
            ),
            hint: "take a longer `open_for`, or a shorter `probe_timeout`".to_owned(),
        };
        self.tell(Lint::of(finding, Subject::Registry, "circuits".to_owned()));
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody has so many circuits")]
    fn max_circuits_nearly_reached(&mut self) {
        let most = size(self.config.max_circuits.unwrap_or(DEFAULT_MAX_CIRCUITS));
        let there = self.circuits.len();
        let free = most.saturating_sub(there);
        if free as f64 >= LEAST_FREE * most as f64 {
            return;
        }
        let finding = Finding {
            name: LintName::MaxCircuitsNearlyReached,
            key: "max_circuits",
            message: format!(
                "{} circuits may be there, and {} are named or known: there is room for {}",
                count(most as f64),
                count(there as f64),
                count(free as f64),
            ),
            hint: "take more, if others come with use".to_owned(),
        };
        let path = finding.key.to_owned();
        self.tell(Lint::of(finding, Subject::Registry, path));
    }
}

fn is_allowed(all: &[Assignment], name: LintName) -> bool {
    all.iter().any(|it| it.allow.has(name))
}
