//! What a circuit of a name is built by.

use std::sync::Arc;

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

#[derive(Clone)]
pub(super) struct Rule {
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
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    pub(super) fn add(&mut self, rank: Rank, names: &str, change: Change) {
        let after = self.0.partition_point(|rule| rule.rank <= rank);
        let names = Pattern::new(names);
        self.0.insert(
            after,
            Rule {
                rank,
                names,
                change,
            },
        );
    }

    /// The names that are given one by one, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let named = self.0.iter().filter(|rule| rule.rank == Rank::Name);
        named.map(|rule| rule.names.as_str())
    }

    /// The patterns, in order.
    pub(super) fn patterns(&self) -> impl Iterator<Item = &str> {
        let patterns = self.0.iter().filter(|rule| rule.rank == Rank::Pattern);
        patterns.map(|rule| rule.names.as_str())
    }

    pub(super) fn builder(&self, name: &str) -> CircuitBuilder {
        let rules = self.0.iter().filter(|rule| rule.is_for(name));
        let bare = Circuit::builder(name.to_owned());
        rules.fold(bare, |builder, rule| (rule.change)(builder))
    }
}
