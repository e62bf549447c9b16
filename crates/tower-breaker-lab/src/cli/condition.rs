//! Conditions of `--fail-if`, such as `payments: lost > 1%`.

use std::{str::FromStr, time::Duration};

use super::{
    Failure,
    fields::{self, Field, Unit},
    text::{ColumnError, Text},
};
use crate::{
    report::{Report, words},
    settings::Candidate,
    summary::Summary,
};

/// Stands for every breaker but `none`.
const ALL: &str = "*";

#[derive(Clone, Copy, Debug)]
enum Operator {
    Above,
    AtLeast,
    Below,
    AtMost,
}

const OPERATORS: [(&str, Operator); 4] = [
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    (">", Operator::Above),
    ("<", Operator::Below),
];

#[derive(Clone, Debug)]
pub(super) struct Condition {
    /// As it was written.
    text: String,
    contender: String,
    field: Field,
    operator: Operator,
    limit: f64,
}

impl FromStr for Condition {
    type Err = ColumnError;

    fn from_str(all: &str) -> Result<Self, ColumnError> {
        let mut text = Text::new(all);
        // The last one: names of circuits may have colons.
        let Some(colon) = all.rfind(':') else {
            return Err(
                text.error("write CONTENDER: FIELD OPERATOR VALUE, such as `payments: lost > 1%`")
            );
        };
        let contender = all[..colon].trim();
        if contender.is_empty() {
            return Err(text.error("a name is missing, or `*` for every breaker but `none`"));
        }
        text = text.from(colon + 1);
        let field = field(&mut text)?;
        let Some(operator) = text.one_of(&OPERATORS) else {
            return Err(text.error("must be one of: >, >=, <, <="));
        };
        Ok(Self {
            text: all.trim().to_owned(),
            contender: contender.to_owned(),
            field,
            operator,
            limit: limit(&mut text, field.unit)?,
        })
    }
}

pub(super) fn field(text: &mut Text<'_>) -> Result<Field, ColumnError> {
    text.skip_spaces();
    let here = text.clone();
    let word = text.word();
    fields::find(word).ok_or_else(|| {
        let found = match word {
            "" => "a field is missing".to_owned(),
            word => format!("`{word}` is no field"),
        };
        here.error(format!("{found}; there are: {}", fields::names()))
    })
}

fn limit(text: &mut Text<'_>, unit: Unit) -> Result<f64, ColumnError> {
    text.skip_spaces();
    let here = text.clone();
    let written = text.rest().trim();
    let (limit, allowed) = match unit {
        // More than all would never hold, or always: most likely `10` is to be `10%`.
        Unit::Share => (
            share(written).filter(|share| *share <= 1.0),
            "a share of at most 100 %, such as `1%` or `0.01`",
        ),
        Unit::Time => (seconds(written), "a time, such as `500ms` or `1m 30s`"),
        Unit::Number => (number(written), "a number, such as `10` or `0.5`"),
    };
    limit.ok_or_else(|| here.error(format!("must be {allowed}")))
}

fn number(written: &str) -> Option<f64> {
    written
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
}

fn share(written: &str) -> Option<f64> {
    match written.strip_suffix('%') {
        Some(percent) => number(percent.trim_end()).map(|percent| percent / 100.0),
        None => number(written),
    }
}

fn seconds(written: &str) -> Option<f64> {
    let time = humantime::parse_duration(written).ok();
    time.map(|time| time.as_secs_f64())
}

impl Condition {
    /// Whether it speaks of something that will be there. `no_outage` says that there is none, and why.
    pub(super) fn check(
        &self,
        candidates: &[Candidate],
        no_outage: Option<&str>,
    ) -> Result<(), Failure> {
        let refused = |why: String| Failure::new(format!("--fail-if {:?}: {why}", self.text));
        if let (true, Some(why)) = (self.field.of_outage, no_outage) {
            let why = format!("{} says nothing here: {why}", self.field.name);
            return Err(refused(why));
        }
        if !candidates
            .iter()
            .any(|candidate| self.is_about(candidate.name()))
        {
            let names: Vec<_> = candidates
                .iter()
                .map(|one| words::name(one.name()))
                .collect();
            let why = format!(
                "there is no {:?}; there are: {}",
                self.contender,
                names.join(", ")
            );
            return Err(refused(why));
        }
        Ok(())
    }

    fn is_about(&self, name: &str) -> bool {
        self.contender == name || (self.contender == ALL && name != "none")
    }

    /// One line for each breaker for which it holds.
    pub(super) fn holds(&self, report: &Report) -> Vec<String> {
        let summaries = report.entries().iter().map(|entry| &entry.summary);
        let of_it = summaries.filter(|summary| self.is_about(&summary.breaker));
        of_it
            .filter_map(|summary| self.holds_for(summary, report.none()))
            .collect()
    }

    fn holds_for(&self, summary: &Summary, none: &Summary) -> Option<String> {
        let value = (self.field.value)(summary, none);
        let holds = match self.operator {
            Operator::Above => value > self.limit,
            Operator::AtLeast => value >= self.limit,
            Operator::Below => value < self.limit,
            Operator::AtMost => value <= self.limit,
        };
        let shown = shown(value, self.field.unit);
        let (breaker, field) = (words::name(&summary.breaker), self.field.name);
        holds.then(|| {
            format!(
                "condition holds: {}: {breaker}: {field} is {shown}",
                words::visible(&self.text)
            )
        })
    }
}

fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => words::percent(value),
        Unit::Time if value.is_infinite() => "never".to_owned(),
        Unit::Time => words::time(Duration::from_secs_f64(value.max(0.0))),
        Unit::Number => words::number(value),
    }
}
