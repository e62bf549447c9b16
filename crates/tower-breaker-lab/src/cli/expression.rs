//! By what a grid is ranked: a sum of fields with weights, such as `failed + 2 * lost`.

use std::str::FromStr;

use super::{
    condition::field,
    fields::Field,
    text::{ColumnError, Text},
};
use crate::summary::Summary;

/// So many terms are enough for any sum.
const MOST_TERMS: usize = 50;

#[derive(Clone, Debug)]
pub(super) struct Expression(Vec<(f64, Field)>);

impl FromStr for Expression {
    type Err = ColumnError;

    fn from_str(all: &str) -> Result<Self, ColumnError> {
        let mut text = Text::new(all);
        let first_sign = text.one_of(&[("-", -1.0)]).unwrap_or(1.0);
        let mut terms = vec![term(&mut text, first_sign)?];
        loop {
            text.skip_spaces();
            if text.rest().is_empty() {
                return Ok(Self(terms));
            }
            let Some(sign) = text.one_of(&[("+", 1.0), ("-", -1.0)]) else {
                return Err(text.error("must be `+`, `-` or the end"));
            };
            if terms.len() >= MOST_TERMS {
                return Err(text.error(format!("there may be at most {MOST_TERMS} terms")));
            }
            terms.push(term(&mut text, sign)?);
        }
    }
}

/// A field, and maybe a number times a field.
fn term(text: &mut Text<'_>, sign: f64) -> Result<(f64, Field), ColumnError> {
    text.skip_spaces();
    let here = text.clone();
    let digits = text.take_while(|c| c.is_ascii_digit() || c == '.');
    if digits.is_empty() {
        return Ok((sign, field(text)?));
    }
    let weight: f64 = digits
        .parse()
        .map_err(|_| here.error("must be a number, such as `2` or `0.5`"))?;
    if text.one_of(&[("*", ())]).is_none() {
        return Err(text.error("must be `*` and a field"));
    }
    Ok((sign * weight, field(text)?))
}

impl Expression {
    /// The lower, the better.
    pub(super) fn value(&self, summary: &Summary, none: &Summary) -> f64 {
        let term = |(weight, field): &(f64, Field)| weight * (field.value)(summary, none);
        let sum: f64 = self.0.iter().map(term).sum();
        // Such as none of what takes for ever.
        if sum.is_nan() { f64::INFINITY } else { sum }
    }

    /// The first field that says nothing in a scenario without an outage.
    pub(super) fn of_outage(&self) -> Option<&'static str> {
        let fields = self.0.iter().map(|(_, field)| field);
        fields
            .filter(|field| field.of_outage)
            .map(|field| field.name)
            .next()
    }
}
