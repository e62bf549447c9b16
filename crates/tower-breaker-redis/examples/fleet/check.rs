//! What should have happened, and whether it did.

use std::fmt;

/// Each thing, and whether it was so.
#[derive(Debug, Default)]
pub(crate) struct Check(Vec<(String, bool)>);

impl Check {
    pub(crate) fn that(&mut self, what: &str, is_so: bool) {
        self.0.push((what.into(), is_so));
    }

    pub(crate) fn passed(&self) -> bool {
        self.0.iter().all(|(_, is_so)| *is_so)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, is_so) in &self.0 {
            let mark = if *is_so { "yes" } else { "NO " };
            writeln!(f, "{mark}  {what}")?;
        }
        Ok(())
    }
}
