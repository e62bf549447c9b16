//! What a circuit of a name is built by.

use std::{collections::BTreeMap, sync::Arc};

#[cfg(feature = "config")]
use super::caps::{CapChange, Group};
use super::{
    caps::{Cap, GroupCap},
    pattern::Pattern,
};
use crate::circuit::{
    builder::CircuitBuilder, ejection::EjectionCap, handle::Circuit, name::Name,
    settings::ConfigError, tags::Tags,
};

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
    /// A star in the name of a single circuit is a star: its rules are found by it.
    names: Pattern,
    change: Change,
}

/// All rules, in the order in which they are applied.
#[derive(Clone, Default)]
pub(super) struct Rules {
    /// For all names, and for patterns.
    general: Vec<Rule>,
    by_name: BTreeMap<Box<str>, Vec<Rule>>,
    /// The later holds.
    caps: Vec<Cap>,
    /// Those that are no more, as long as circuits that live are members.
    #[cfg(feature = "config")]
    former_caps: Vec<Cap>,
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

    pub(super) fn add_cap(&mut self, source: Source, cap: GroupCap) {
        self.caps.push(Cap::new(source, cap));
    }

    /// Gives each cap a set of its own.
    pub(super) fn begin_caps(&mut self) -> Result<(), ConfigError> {
        for cap in &mut self.caps {
            let limit = cap.said.limit()?;
            *cap = Cap::new(cap.source, cap.said.clone());
            cap.set.set_limit(limit);
        }
        Ok(())
    }

    pub(super) fn caps(&self) -> &[Cap] {
        &self.caps
    }

    #[cfg(feature = "config")]
    pub(super) fn former_caps(&self) -> &[Cap] {
        &self.former_caps
    }

    /// The set that a circuit belongs to.
    pub(super) fn cap_for(&self, name: &str, tags: &Tags) -> Option<&EjectionCap> {
        self.find_cap(name, tags).map(|cap| &cap.set)
    }

    #[cfg(feature = "config")]
    pub(super) fn group_of(&self, name: &str, tags: &Tags) -> Option<&Group> {
        self.find_cap(name, tags).map(|cap| &cap.said.group)
    }

    fn find_cap(&self, name: &str, tags: &Tags) -> Option<&Cap> {
        self.caps.iter().rfind(|cap| cap.said.group.has(name, tags))
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
        config.take_sets_of(self);
        config
    }

    /// Caps of the same circuits go on with the sets that they have. Nothing is limited otherwise yet.
    #[cfg(feature = "config")]
    fn take_sets_of(&mut self, before: &Self) {
        let (mut known, code): (Vec<_>, Vec<_>) = before
            .caps
            .iter()
            .chain(&before.former_caps)
            .cloned()
            .partition(|cap| cap.source == Source::Config);
        for cap in &mut self.caps {
            let at = known
                .iter()
                .position(|it| it.said.is_of_same_group(&cap.said));
            cap.set = at.map_or_else(EjectionCap::without_limit, |at| known.remove(at).set);
        }
        known.retain(|cap| cap.set.members() > 0);
        self.former_caps = known;
        self.caps.extend(code);
    }

    /// What is different of the caps of a newer configuration.
    #[cfg(feature = "config")]
    pub(super) fn cap_changes(&self, newer: &Self) -> Vec<CapChange> {
        let of_config = |caps: &[Cap]| -> Vec<Cap> {
            let of_config = caps.iter().filter(|cap| cap.source == Source::Config);
            of_config.cloned().collect()
        };
        let (before, after) = (of_config(&self.caps), of_config(&newer.caps));
        let same = |caps: &[Cap], cap: &Cap| {
            let same = |other: &&Cap| other.said.is_of_same_group(&cap.said);
            caps.iter().find(same).cloned()
        };
        let gone = before.iter().filter(|cap| same(&after, cap).is_none());
        let gone = gone.map(|cap| CapChange::of(Some(cap), None));
        let there = after.iter();
        let there = there.map(|cap| CapChange::of(same(&before, cap).as_ref(), Some(cap)));
        gone.chain(there).flatten().collect()
    }

    /// Remembers the sets of caps that were not there before, which circuits may have joined by now.
    #[cfg(feature = "config")]
    pub(super) fn remember_caps_of(&self, newer: &Self) -> Self {
        let mut this = self.clone();
        let is_known = |cap: &Cap| {
            let mut all = self.caps.iter().chain(&self.former_caps);
            all.any(|known| known.said.is_of_same_group(&cap.said))
        };
        let new = newer.caps.iter().filter(|cap| !is_known(cap));
        this.former_caps.extend(new.cloned());
        this
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
        let general = self.general.iter().filter(|rule| rule.names.matches(name));
        let rules = general.chain(self.by_name.get(name).into_iter().flatten());
        let bare = Circuit::builder(name);
        let built = rules.fold(bare, |builder, rule| (rule.change)(builder));
        let built = built.named(Name::shared(name));
        let tags = built.tags_unless_capped();
        match tags.and_then(|tags| self.cap_for(name, tags)) {
            Some(cap) => built.ejection_cap(cap),
            None => built,
        }
    }
}

#[cfg(all(test, feature = "config"))]
mod tests {
    use super::*;

    // K1: what each configuration has said is not kept for ever.
    #[test]
    fn a_cap_that_is_no_more_is_known_for_as_long_as_it_has_members() {
        let mut rules = Rules::default();
        rules.add_cap(Source::Config, GroupCap::at_most(0.5));
        let former = || rules.with_config(Rules::default()).former_caps().len();
        assert_eq!(former(), 0, "it never had any");
        let member = rules.builder("a").build().expect("valid");
        assert_eq!(former(), 1);
        drop(member);
        assert_eq!(former(), 0);
    }
}
