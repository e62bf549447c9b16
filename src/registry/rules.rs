//! What a circuit of a name is built by.

use std::{collections::BTreeMap, sync::Arc};

use super::pattern::Pattern;
use crate::circuit::{builder::CircuitBuilder, handle::Circuit};

/// A change of a circuit's builder, as a person gives it.
pub(super) type Change = Arc<dyn Fn(CircuitBuilder) -> CircuitBuilder + Send + Sync>;

/// Which names a rule is for; the later in this list hold over the earlier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Defaults,
    Pattern,
    Name,
}

/// Where a rule is from. Those of a configuration can be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Code,
    #[cfg(feature = "config")]
    Config,
}

#[derive(Clone)]
pub(super) struct Rule {
    #[cfg_attr(
        not(feature = "config"),
        expect(dead_code, reason = "all are from code")
    )]
    source: Source,
    rank: Rank,
    names: Pattern,
    change: Change,
}

impl Rule {
    fn is_for(&self, name: &str) -> bool {
        match self.rank {
            Rank::Defaults => true,
            Rank::Pattern => self.names.matches(name),
            // A star in a name is a star.
            Rank::Name => self.names.as_str() == name,
        }
    }
}

/// All rules, in the order in which they are applied.
#[derive(Clone, Default)]
pub(super) struct Rules {
    /// For all names, and for patterns.
    general: Vec<Rule>,
    by_name: BTreeMap<Box<str>, Vec<Rule>>,
}

impl Rules {
    pub(super) fn add(&mut self, source: Source, rank: Rank, names: &str, change: Change) {
        self.insert(Rule {
            source,
            rank,
            names: Pattern::new(names),
            change,
        });
    }

    fn insert(&mut self, rule: Rule) {
        if rule.rank == Rank::Name {
            let name = rule.names.as_str().into();
            self.by_name.entry(name).or_default().push(rule);
        } else {
            let after = self
                .general
                .partition_point(|other| other.rank <= rule.rank);
            self.general.insert(after, rule);
        }
    }

    /// The rules of a new configuration, then those of code as they are here.
    #[cfg(feature = "config")]
    pub(super) fn with_config(&self, mut config: Self) -> Self {
        let all = self.general.iter().chain(self.by_name.values().flatten());
        let code = all.filter(|rule| rule.source == Source::Code);
        code.cloned().for_each(|rule| config.insert(rule));
        config
    }

    /// The names that are given one by one.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|name| &**name)
    }

    pub(super) fn is_named(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The patterns, in order.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        let patterns = self
            .general
            .iter()
            .filter(|rule| rule.rank == Rank::Pattern);
        patterns.map(|rule| rule.names.as_str())
    }

    /// What a circuit is built by. A rule may answer with another builder than it was given, but not with another name.
    pub(super) fn builder(&self, name: &str) -> CircuitBuilder {
        let general = self.general.iter().filter(|rule| rule.is_for(name));
        let rules = general.chain(self.by_name.get(name).into_iter().flatten());
        let bare = Circuit::builder(name.to_owned());
        let built = rules.fold(bare, |builder, rule| (rule.change)(builder));
        built.named(name.to_owned().into())
    }
}
