//! What is said to the scripts, and what they answer.
//!
//! An answer is believed only as far as it is what a script of ours writes: each field has its place and its range. One
//! circuit that makes no sense is [`Odd`]; what is none of the script's answers is no answer.

use std::fmt;

use redis::Value;
use tower_breaker::fleet::wire::{
    Changed, Decide, Decided, Done, Exchange, Exchanged, How, Key, LAST_ERA, LAST_MILLIS, Lease,
    Look, MOST_LOOKS, Odd, Proposal, Report, Stamp, Standing, Stored, StoredMode, Sums, Text, Told,
};

use crate::{
    keys::Keys,
    script::{Call, DECIDE, EXCHANGE},
};

/// The greatest number of seats, and what else is told of probes.
const MOST_PROBES: u64 = 63;

/// The greatest sum: what a number of Lua can hold exactly.
const LAST_SUM: u64 = 1 << 53;

// ---- what is asked ------------------------------------------------------------------------------

/// How an exchange is asked of [`EXCHANGE`]. What is out of range is not said.
pub(crate) fn exchange(ask: &Exchange) -> Result<Call, Odd> {
    if ask.circuits.len() > MOST_LOOKS {
        return Err(odd("too many circuits in one exchange"));
    }
    let keys = Keys::of(&ask.place);
    let mut call = Call {
        script: &EXCHANGE,
        channel: keys.tag().to_owned(),
        keys: vec![keys.log()],
        args: vec![
            keys.tag().to_owned(),
            format!("{:016x}", ask.instance.0),
            ask.seen.min(LAST_SUM).to_string(),
        ],
    };
    for look in ask.circuits.iter().filter(|look| look.check().is_ok()) {
        call.keys.push(keys.state(&look.name));
        call.keys.push(keys.registers(&look.name));
        push_look(&mut call.args, look);
    }
    Ok(call)
}

fn push_look(args: &mut Vec<String>, look: &Look) {
    args.push(look.name.as_str().to_owned());
    args.extend([look.stamp.era, look.stamp.nonce.into()].map(|number| number.to_string()));
    args.push(u64::from(look.report.is_some()).to_string());
    args.extend(
        look.report
            .iter()
            .flat_map(numbers_of)
            .map(|it| it.to_string()),
    );
}

fn numbers_of(report: &Report) -> [u64; 10] {
    let register = &report.register;
    [
        report.seq,
        report.keep_for,
        register.calls,
        register.failed,
        register.slow,
        register.streak,
        register.ok.into(),
        register.bad.into(),
        report.settings,
        report.revision,
    ]
}

/// How a decision is asked of [`DECIDE`].
pub(crate) fn decide(ask: &Decide) -> Result<Call, Odd> {
    ask.check()?;
    let keys = Keys::of(&ask.place);
    // A restored decision has the stamp that it had.
    let stamp = match &ask.what {
        Proposal::Restore(standing) => standing.stamp,
        _ => ask.seen,
    };
    let mut args = vec![
        keys.tag().to_owned(),
        ask.name.as_str().to_owned(),
        format!("{:016x}", ask.instance.0),
        stamp.era.to_string(),
        stamp.nonce.to_string(),
        ask.nonce.to_string(),
    ];
    args.extend(proposed(&ask.what));
    Ok(Call {
        script: &DECIDE,
        channel: keys.tag().to_owned(),
        keys: vec![keys.log(), keys.state(&ask.name), keys.registers(&ask.name)],
        args,
    })
}

/// Which, and what it needs.
fn proposed(what: &Proposal) -> Vec<String> {
    match what {
        Proposal::Open {
            length,
            attempt,
            cause,
        } => words([&"open", length, attempt, cause]),
        Proposal::Lease {
            permits,
            need,
            of,
            life,
            want,
        } => words([&"lease", permits, need, of, life, want]),
        Proposal::Results {
            ok,
            failed,
            unused,
            length,
        } => words([&"result", ok, failed, unused, length]),
        Proposal::Force { at_most, who } => words([&"force", &OrNever(*at_most), who]),
        Proposal::Release { who } => words([&"release", who]),
        Proposal::Reset { who } => words([&"reset", who]),
        Proposal::Restore(standing) => restored(standing),
    }
}

fn words<const N: usize>(words: [&dyn fmt::Display; N]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// -1 is none.
struct OrNever(Option<u64>);

impl fmt::Display for OrNever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("-1"),
        }
    }
}

/// Seats are not given back, so what was half-open is a break that is over.
fn restored(standing: &Standing) -> Vec<String> {
    let (state, mode, left) = match (standing.mode, standing.state) {
        (StoredMode::Forced { left }, _) => ("o", "f", left),
        (StoredMode::Normal, Stored::Closed { .. }) => ("c", "n", None),
        (StoredMode::Normal, Stored::Open { left }) => ("o", "n", Some(left)),
        (StoredMode::Normal, Stored::HalfOpen { .. }) => ("o", "n", Some(0)),
    };
    let Standing {
        length,
        attempt,
        cause,
        who,
        ..
    } = standing;
    let (left, closed_for) = (OrNever(left), OrNever(standing.closed_for));
    words([
        &"restore",
        &state,
        &mode,
        &left,
        length,
        attempt,
        &closed_for,
        cause,
        who,
    ])
}

// ---- what is answered ---------------------------------------------------------------------------

/// The answer of [`EXCHANGE`] to what was asked, or nothing if it is none.
pub(crate) fn exchanged(answer: &Value, ask: &Exchange) -> Option<Exchanged> {
    let [now, newest, all, changed, told] = items(answer)? else {
        return None;
    };
    Some(Exchanged {
        now: number(now, LAST_SUM)?,
        newest: number(newest, LAST_SUM)?,
        changed: match number(all, 1)? {
            1 => Changed::All,
            _ => names(changed)?,
        },
        circuits: all_told(items(told)?, &ask.circuits)?,
    })
}

fn odd(text: &str) -> Odd {
    let text = Text::of(text);
    Odd { text }
}

/// As many as were asked for; of those that were not said, why.
fn all_told(told: &[Value], asked: &[Look]) -> Option<Vec<Result<Told, Odd>>> {
    let mut told = told.chunks(3);
    let mut next = |look: &Look| match look.check() {
        Ok(()) => told.next().map(one),
        Err(odd) => Some(Err(odd)),
    };
    let circuits = asked.iter().map(&mut next).collect::<Option<_>>();
    circuits.filter(|_| told.next().is_none())
}

/// A name that is none of ours is left out: no circuit here has it.
fn names(changed: &Value) -> Option<Changed> {
    let names = items(changed)?;
    if names.len() > MOST_LOOKS {
        return None;
    }
    let ours = names.iter().filter_map(|name| Key::read(text(name)?));
    Some(Changed::Names(ours.collect()))
}

fn one(fields: &[Value]) -> Result<Told, Odd> {
    let [line, cause, who] = fields else {
        return Err(odd("an answer with other fields"));
    };
    if text(line) == Some("odd") {
        return Err(odd(text(cause).unwrap_or_default()));
    }
    told(line, cause, who).ok_or_else(|| odd("an answer with other numbers"))
}

fn told(line: &Value, cause: &Value, who: &Value) -> Option<Told> {
    let mut line = Line::of(line)?;
    let told = Told {
        how: match line.word()? {
            "0" => How::Counted,
            "1" => How::Looked,
            "-1" => How::Late,
            "-2" => How::Behind,
            _ => return None,
        },
        standing: line.standing(cause, who)?,
        window: line.sums()?,
        my_seq: line.number(LAST_MILLIS)?,
        settings: line.number(u64::MAX)?,
        revision: line.number(LAST_MILLIS)?,
        lease: line.lease()?,
    };
    line.is_over().then_some(told)
}

/// The answer of [`DECIDE`], or nothing if it is none.
pub(crate) fn decided(answer: &Value) -> Option<Decided> {
    let [line, cause, who] = items(answer)? else {
        return None;
    };
    let mut line = Line::of(line)?;
    let done = line.word()?;
    let now = line.number(LAST_SUM)?;
    let standing = line.standing(cause, who)?;
    let lease = line.lease()?;
    let next = line.number(LAST_MILLIS)?;
    let decided = Decided {
        done: match done {
            "1" => Done::Yes,
            "0" => Done::No,
            "-1" => Done::Late,
            "-2" => Done::Behind,
            "2" => Done::Full { next },
            _ => return None,
        },
        now,
        standing,
        lease,
        heard: line.optional(LAST_MILLIS)?,
    };
    line.is_over().then_some(decided)
}

/// The words of a line, one after the other.
struct Line<'a>(std::str::Split<'a, char>);

impl<'a> Line<'a> {
    fn of(value: &'a Value) -> Option<Self> {
        text(value).map(|text| Self(text.split(' ')))
    }

    fn word(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    fn number(&mut self, most: u64) -> Option<u64> {
        digits(self.word()?, most)
    }

    fn small(&mut self, most: u64) -> Option<u32> {
        self.number(most)?.try_into().ok()
    }

    /// -1 is none.
    fn optional(&mut self, most: u64) -> Option<Option<u64>> {
        match self.word()? {
            "-1" => Some(None),
            word => digits(word, most).map(Some),
        }
    }

    fn standing(&mut self, cause: &Value, who: &Value) -> Option<Standing> {
        let stamp = Stamp {
            era: self.number(LAST_ERA)?,
            nonce: self.small(u32::MAX.into())?,
        };
        let (state, mode) = (self.word()?, self.word()?);
        let left = self.optional(LAST_MILLIS)?;
        let (length, attempt) = (self.number(LAST_MILLIS)?, self.small(u32::MAX.into())?);
        let closed_for = self.optional(LAST_MILLIS)?;
        let mut probes = || self.small(MOST_PROBES);
        let (permits, need, spare, budget) = (probes()?, probes()?, probes()?, probes()?);
        let cause = line_of_text(cause)?;
        Some(Standing {
            stamp,
            state: match state {
                "c" => Stored::Closed {
                    reset: cause.as_str() == "reset",
                },
                "o" => Stored::Open {
                    left: left.unwrap_or(0),
                },
                "h" => Stored::HalfOpen {
                    permits,
                    need,
                    spare,
                    budget,
                },
                _ => return None,
            },
            mode: match mode {
                "n" => StoredMode::Normal,
                "f" => StoredMode::Forced { left },
                _ => return None,
            },
            attempt,
            closed_for,
            length,
            cause,
            who: line_of_text(who)?,
        })
    }

    fn sums(&mut self) -> Option<Sums> {
        Some(Sums {
            calls: self.number(2 * LAST_SUM)?,
            failed: self.number(2 * LAST_SUM)?,
            slow: self.number(2 * LAST_SUM)?,
            streak: self.number(LAST_SUM)?,
            streak_for: self.number(LAST_MILLIS)?,
            contributors: self.number(2 * LAST_SUM)?,
            agreeing: self.number(2 * LAST_SUM)?,
        })
    }

    fn lease(&mut self) -> Option<Option<Lease>> {
        let (seats, left) = (self.small(MOST_PROBES)?, self.number(LAST_MILLIS)?);
        Some((seats > 0).then_some(Lease { seats, left }))
    }

    fn is_over(&mut self) -> bool {
        self.0.next().is_none()
    }
}

/// Digits and nothing else, no sign: a number of at most so much.
fn digits(word: &str, most: u64) -> Option<u64> {
    let plain = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let number = word.parse().ok()?;
    (plain && number <= most).then_some(number)
}

fn items(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn number(value: &Value, most: u64) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok().filter(|&number| number <= most),
        value => digits(text(value)?, most),
    }
}

/// Longer than it may be, it is nothing that was written by us.
fn line_of_text<const N: usize>(value: &Value) -> Option<Text<N>> {
    text(value).filter(|text| text.len() <= N).map(Text::of)
}
