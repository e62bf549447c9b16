//! [`By`]: who has changed something, and why.

use std::fmt;

use super::name::Name;

/// Who changes something by hand, and why, if that was said. Listeners are told it with the change.
///
/// ```
/// use tower_breaker::{By, Circuit};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let circuit = Circuit::builder("payments").build()?;
/// let change = circuit.reconfigure_as(
///     By::who("ops@example.org").because("INC-123"),
///     |settings| settings.set_failure_rate(0.25),
/// )?;
/// assert_eq!(change.by().get_who(), Some("ops@example.org"));
/// assert_eq!(
///     change.to_string(),
///     "circuit `payments`: `failure_rate` 0.5 -> 0.25 (by ops@example.org: INC-123)",
/// );
/// # Ok(())
/// # }
/// ```
///
/// Nothing is checked: callers say themselves who they are. When it is printed, control characters are escaped, so that
/// a log has one line for each change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct By {
    who: Option<Name>,
    why: Option<Name>,
}

impl By {
    /// Somebody: a person, a team, a program. `who` is the name.
    #[must_use]
    pub fn who(who: impl Into<Name>) -> Self {
        Self {
            who: Some(who.into()),
            why: None,
        }
    }

    /// Nobody in particular. To say only why: `By::unknown().because("INC-123")`.
    #[must_use]
    pub fn unknown() -> Self {
        Self::default()
    }

    /// Adds why: a ticket, a few words.
    #[must_use]
    pub fn because(self, why: impl Into<Name>) -> Self {
        Self {
            why: Some(why.into()),
            ..self
        }
    }

    /// Who it is, if that was said.
    #[must_use]
    pub fn get_who(&self) -> Option<&str> {
        self.who.as_deref()
    }

    /// Why, if that was said.
    #[must_use]
    pub fn get_why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// Whether neither was said.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.who.is_none() && self.why.is_none()
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "by {}", escaped(self.get_who().unwrap_or("somebody")))?;
        match self.get_why() {
            Some(why) => write!(f, ": {}", escaped(why)),
            None => Ok(()),
        }
    }
}

fn escaped(text: &str) -> String {
    let escape = |c: char| match c.is_control() {
        true => c.escape_default().collect(),
        false => String::from(c),
    };
    text.chars().map(escape).collect()
}

/// Where a change of settings comes from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Origin {
    pub(crate) by: By,
    /// The version of a registry's configuration that these settings are of.
    pub(crate) configuration: Option<u64>,
}

impl From<By> for Origin {
    fn from(by: By) -> Self {
        let configuration = None;
        Self { by, configuration }
    }
}

impl Origin {
    fn is_told(&self) -> bool {
        self.configuration.is_some() || !self.by.is_unknown()
    }
}

/// In brackets, after what was changed; nothing where nothing is known.
impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_told() {
            return Ok(());
        }
        let configuration = self.configuration.map(|it| format!("configuration {it}"));
        let by = (!self.by.is_unknown()).then(|| self.by.to_string());
        let parts: Vec<_> = configuration.into_iter().chain(by).collect();
        write!(f, " ({})", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_printed_on_one_line() {
        let by = By::who("ops").because("INC\n1");
        for (by, printed) in [
            (by, "by ops: INC\\n1"),
            (By::who("ops"), "by ops"),
            (By::unknown().because("a drill"), "by somebody: a drill"),
        ] {
            assert_eq!(by.to_string(), printed);
        }
        let mut origin = Origin::default();
        assert_eq!(origin.to_string(), "");
        origin.configuration = Some(3);
        assert_eq!(origin.to_string(), " (configuration 3)");
        origin.by = By::who("ops");
        assert_eq!(origin.to_string(), " (configuration 3, by ops)");
    }
}
