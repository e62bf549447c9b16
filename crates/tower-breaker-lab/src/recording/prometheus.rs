//! The answer of a Prometheus server to a range query: how many calls there were of each status, step by step.

use std::{collections::BTreeMap, fmt, io::Read, time::Duration};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};

use super::{
    Recording,
    call::{Fate, Kept},
    error::{RecordingError, shown},
    gather::Gathered,
    reading::{Reading, STATUS},
    time::nanos,
};
use crate::chance::{Chance, Of, whole};

/// The answer of a Prometheus server to a range query (`/api/v1/query_range`, JSON): how many calls there were of each
/// status in each step, maybe by duration.
///
/// ```text
/// sum by (status) (increase(http_requests_total[15s]))                        step=15
/// sum by (status, le) (increase(http_request_duration_seconds_bucket[15s]))   step=15
/// ```
///
/// The time in brackets must be the step. The server does not know single calls, so they are made up from the counts,
/// by the seed:
///
/// * A value is of the step that ends at its time. Its calls begin at random times within: as those of a Poisson
///   process of which the count is known. So bursts that are shorter than a step are gone.
/// * A fraction of a call, which `increase` has, is a call as often.
/// * With the label `le`, a call takes any time between the bound of its bucket and the one below. What is above the
///   highest bound takes as long as that bound. Without `le`, each call takes the same time.
/// * Buckets that shrink with a higher bound, as `increase` lets them, are empty.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prometheus {
    /// The label of the status. It has values such as `503` or `5xx`. Default: `status`.
    pub status_label: String,
    /// How long a step is. Default: the shortest time between two values.
    pub step: Option<Duration>,
    /// How long a call takes, if there is no label `le`. Default: 100 ms.
    pub took: Duration,
    /// The same seed makes up the same calls. Default: 1.
    pub seed: u64,
    /// An answer that is longer is refused, in bytes. Default: 256 MiB.
    pub longest: u64,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self {
            status_label: "status".to_owned(),
            step: None,
            took: Duration::from_millis(100),
            seed: 1,
            longest: 256 << 20,
        }
    }
}

impl Prometheus {
    /// With the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the label of the status.
    #[must_use]
    pub fn status_label(mut self, label: impl Into<String>) -> Self {
        self.status_label = label.into();
        self
    }

    /// Sets how long a step is.
    #[must_use]
    pub fn step(mut self, step: Duration) -> Self {
        self.step = Some(step);
        self
    }

    /// Sets how long a call takes, if there is no label `le`.
    #[must_use]
    pub fn took(mut self, took: Duration) -> Self {
        self.took = took;
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    pub(super) fn read(
        &self,
        input: impl Read,
        reading: &Reading,
    ) -> Result<Recording, RecordingError> {
        let series = self.series(self.answer(input)?, reading)?;
        let step = match self.step {
            Some(step) => step.as_secs_f64(),
            None => shortest_gap(&series).ok_or_else(|| {
                wrong(
                    "data.result",
                    "expected two values of a series, or a `step`",
                )
            })?,
        };
        let mut spread = Spread {
            query: self,
            step,
            chance: Chance::new(self.seed, Of::Arrivals, 0),
            gathered: Gathered::new(reading),
            most: reading.most_calls,
        };
        for group in &groups(series) {
            spread.group(group)?;
        }
        spread.gathered.sorted()
    }

    fn answer(&self, input: impl Read) -> Result<Answer, RecordingError> {
        let mut text = Vec::new();
        let most = self.longest;
        input.take(most.saturating_add(1)).read_to_end(&mut text)?;
        if text.len() as u64 > most {
            let what = format!("it is longer than {most} bytes");
            return Err(wrong("the answer", what));
        }
        serde_json::from_slice(&text).map_err(|error| wrong("the answer", error.to_string()))
    }

    fn series(&self, answer: Answer, reading: &Reading) -> Result<Vec<Series>, RecordingError> {
        if let Some(error) = &answer.error {
            let what = format!(
                "the server has refused the query: {}",
                shown(error.as_bytes())
            );
            return Err(wrong("error", what));
        }
        let data = answer.data;
        let data = data.ok_or_else(|| wrong("data", "expected the result of a query"))?;
        if data.result_type != "matrix" {
            let found = shown(data.result_type.as_bytes());
            let what = format!("expected \"matrix\", as of a range query, found {found}");
            return Err(wrong("data.resultType", what));
        }
        let has_buckets = data.result.iter().any(|it| it.metric.contains_key("le"));
        let one = |(number, found)| self.one(number, found, has_buckets, reading);
        data.result.into_iter().enumerate().map(one).collect()
    }

    fn one(
        &self,
        number: usize,
        found: Found,
        has_buckets: bool,
        reading: &Reading,
    ) -> Result<Series, RecordingError> {
        let place = format!("data.result[{number}]");
        let mut labels = found.metric;
        let status = labels.get(&self.status_label);
        let status = status.ok_or_else(|| {
            let what = format!("expected a label `{}`", self.status_label);
            wrong(format!("{place}.metric"), what)
        })?;
        let fate = fate(status, reading).ok_or_else(|| {
            let what = format!(
                "expected {STATUS} or 5xx, found {}",
                shown(status.as_bytes())
            );
            wrong(format!("{place}.metric.{}", self.status_label), what)
        })?;
        let bound = match labels.remove("le") {
            None if has_buckets => {
                return Err(wrong(format!("{place}.metric"), "expected a label `le`"));
            }
            None => None,
            Some(le) => Some(bound(&le).ok_or_else(|| {
                let found = shown(le.as_bytes());
                let what = format!("expected a duration in seconds or +Inf, found {found}");
                wrong(format!("{place}.metric.le"), what)
            })?),
        };
        if let Some((at, found)) = found.values.bad {
            let what = format!("expected a time and a count of calls, found {found}");
            return Err(wrong(format!("{place}.values[{at}]"), what));
        }
        Ok(Series {
            labels,
            fate,
            bound,
            values: found.values.good,
        })
    }
}

fn wrong(place: impl Into<String>, what: impl Into<String>) -> RecordingError {
    RecordingError::Answer {
        place: place.into(),
        what: what.into(),
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Option<Data>,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    #[serde(default)]
    result: Vec<Found>,
}

#[derive(Deserialize)]
struct Found {
    metric: BTreeMap<String, String>,
    #[serde(default)]
    values: Values,
}

/// Times and counts, read one by one: as texts they would take four times the memory.
#[derive(Default)]
struct Values {
    good: Vec<(f64, f64)>,
    /// The number of the first that is none, and what it is. None is kept after it.
    bad: Option<(usize, String)>,
}

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ReadValues)
    }
}

struct ReadValues;

impl<'de> Visitor<'de> for ReadValues {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of values")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
        let mut values = Values::default();
        while let Some(value) = list.next_element::<(f64, String)>()? {
            match counted(&value) {
                _ if values.bad.is_some() => {}
                Some(value) => values.good.push(value),
                None => {
                    let found = shown(format!("{}, {}", value.0, value.1).as_bytes());
                    values.bad = Some((values.good.len(), found));
                }
            }
        }
        Ok(values)
    }
}

/// Counts of one status, of calls up to a bound of their duration.
struct Series {
    /// All but `le`.
    labels: BTreeMap<String, String>,
    fate: Fate,
    bound: Option<f64>,
    /// At the end of a step, in seconds since 1970, so many calls.
    values: Vec<(f64, f64)>,
}

/// A status, or a class of them.
fn fate(status: &str, reading: &Reading) -> Option<Fate> {
    match status.as_bytes() {
        [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => {
            reading.fate_of_text(&[*class, b'0', b'0'])
        }
        status => reading.fate_of_text(status),
    }
}

fn bound(le: &str) -> Option<f64> {
    let bound = le.parse::<f64>().ok()?;
    (bound >= 0.0).then_some(bound)
}

fn counted((time, count): &(f64, String)) -> Option<(f64, f64)> {
    let count = count.parse::<f64>().ok()?;
    let is_time = (0.0..=9e9).contains(time);
    (is_time && count >= 0.0 && count.is_finite()).then_some((*time, count))
}

fn shortest_gap(series: &[Series]) -> Option<f64> {
    let gaps = series.iter().flat_map(|series| {
        let pairs = series.values.windows(2);
        pairs.map(|pair| pair[1].0 - pair[0].0)
    });
    gaps.filter(|gap| *gap > 0.0).min_by(f64::total_cmp)
}

/// The buckets of one status, the lowest bound first.
fn groups(series: Vec<Series>) -> Vec<Vec<Series>> {
    let mut groups: BTreeMap<_, Vec<Series>> = BTreeMap::new();
    for series in series {
        groups
            .entry(series.labels.clone())
            .or_default()
            .push(series);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by(|one, other| {
            let bounds = [one, other].map(|it| it.bound.unwrap_or_default());
            bounds[0].total_cmp(&bounds[1])
        });
    }
    groups
}

struct Spread<'a> {
    query: &'a Prometheus,
    step: f64,
    chance: Chance,
    gathered: Gathered<'a>,
    most: usize,
}

impl Spread<'_> {
    fn group(&mut self, group: &[Series]) -> Result<(), RecordingError> {
        // Of each step, how many calls there are in the buckets before: each count has those below it in it.
        let mut below: BTreeMap<u64, f64> = BTreeMap::new();
        let mut lower = 0.0;
        for series in group {
            let took = self.query.took.as_secs_f64();
            let upper = match series.bound {
                None => took,
                Some(bound) if bound.is_finite() => bound,
                Some(_) if group.len() > 1 => lower,
                Some(_) => took,
            };
            // All of one duration.
            if series.bound.is_none_or(|bound| bound.is_infinite()) {
                lower = upper;
            }
            for (time, count) in &series.values {
                let before = match series.bound {
                    Some(_) => below.insert(time.to_bits(), *count).unwrap_or(0.0),
                    None => 0.0,
                };
                self.calls(*time, count - before, (lower, upper), series.fate)?;
            }
            lower = upper;
        }
        Ok(())
    }

    fn calls(
        &mut self,
        time: f64,
        count: f64,
        (lower, upper): (f64, f64),
        fate: Fate,
    ) -> Result<(), RecordingError> {
        if count > self.most as f64 {
            return Err(RecordingError::TooManyCalls { most: self.most });
        }
        for _ in 0..whole(count + self.chance.share()) {
            let at = time - self.step * (1.0 - self.chance.share());
            let took = lower + (upper - lower) * self.chance.share();
            let took = if fate == Fate::Unknown { 0.0 } else { took };
            let longest = 366.0 * 86_400.0;
            let (at, took) = (nanos(at.max(0.0)), nanos(took.min(longest)));
            let kept = Kept::new(at.unwrap_or_default(), took.unwrap_or_default(), fate);
            self.gathered.keep(kept)?;
        }
        Ok(())
    }
}
