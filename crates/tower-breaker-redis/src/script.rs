//! The two scripts: what a store does in one step, by the clock of Redis.

use std::sync::LazyLock;

use redis::Cmd;

/// A script, and what Redis calls it by.
pub(crate) struct Script {
    text: &'static str,
    hash: String,
}

/// What instances see, what the fleet makes of it, and what has changed.
pub(crate) static EXCHANGE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("shared.lua"),
        include_str!("exchange.lua")
    ))
});

/// One decision.
pub(crate) static DECIDE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("shared.lua"),
        include_str!("decide.lua")
    ))
});

impl Script {
    pub(crate) fn new(text: &'static str) -> Self {
        let hash = redis::Script::new(text).get_hash().to_owned();
        Self { text, hash }
    }

    pub(crate) fn text(&self) -> &'static str {
        self.text
    }
}

/// A script with what it is given.
pub(crate) struct Call {
    pub(crate) script: &'static Script,
    /// The channel on which changes of these keys are told.
    pub(crate) channel: String,
    pub(crate) keys: Vec<String>,
    pub(crate) args: Vec<String>,
}

impl Call {
    /// By the name that a script has once it was seen.
    pub(crate) fn by_hash(&self) -> Cmd {
        self.command("EVALSHA", &self.script.hash)
    }

    /// With its text: where Redis does not know it. It needs no right to load scripts, and goes where the keys are.
    pub(crate) fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script.text())
    }

    fn command(&self, verb: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(verb);
        command.arg(script).arg(self.keys.len());
        command.arg(&self.keys).arg(&self.args);
        command
    }
}
