//! The key `allow`: which lints are silenced.

use super::{
    super::{
        problem::Problem,
        read::{Reader, join},
        tree::Node,
    },
    LintName,
    name::LINTS,
};

/// The lints that are silenced somewhere.
#[derive(Clone, Debug, Default)]
pub(in crate::config) struct Allowed(Vec<LintName>);

impl Allowed {
    /// A list of names. One that is not known is told, so that nobody trusts in a silence that is none.
    pub(in crate::config) fn read(reader: &mut Reader, path: &str, node: &Node) -> Self {
        let Node::List(list) = node else {
            let allowed = "a list of names of lints";
            reader.problems.push(Problem::new(path, node, allowed));
            return Self::default();
        };
        let names = list.iter().enumerate().filter_map(|(number, node)| {
            let path = join(path, &number.to_string());
            let label = reader.text(&path, node)?;
            let name = LintName::from_label(label);
            if name.is_none() {
                let all = LINTS.iter().copied();
                let problem = Problem::unknown(&path, label, "one of these lints", all);
                reader.problems.push(problem);
            }
            name
        });
        Self(names.collect())
    }

    pub(super) fn has(&self, name: LintName) -> bool {
        self.0.contains(&name)
    }
}
