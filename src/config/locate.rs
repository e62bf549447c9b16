//! Where in a file a problem or a lint is: told by the format itself, which is made to fail there.

use std::{convert::Infallible, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{Problem, lint::Lint, read::join};

impl Problem {
    /// The same problem as an error of the format, which has the line and the column, if the format knows them. `None`
    /// if it is not in the file: a [variable](Self::variable) has put it there.
    ///
    /// It takes the same file once more. Of a configuration within something larger, that is only the part that is the
    /// configuration.
    ///
    /// ```
    /// use serde_json::Deserializer;
    /// use tower_breaker::config::{Config, ReadError};
    ///
    /// let file = r#"{
    ///     "circuits": {
    ///         "payments": { "failure_rate": 1.5 }
    ///     }
    /// }"#;
    /// let Err(ReadError::Problems(problems)) = Config::read(&mut Deserializer::from_str(file)) else {
    ///     panic!("1.5 is no share");
    /// };
    /// for problem in problems.iter() {
    ///     let error = problem.locate(&mut Deserializer::from_str(file)).expect("in the file");
    ///     assert_eq!((error.line(), error.column()), (3, 41));
    ///     assert_eq!(error.to_string(), format!("{problem} at line 3 column 41"));
    /// }
    /// ```
    ///
    /// The error is that of the value: for a key that is missing, of the table that it is missing in. How exact its
    /// place is, is up to the format. `toml` shows the line and underlines the value, and has it in `span`.
    /// `serde_json` gives the end of a value, or the first thing in a table or a list. `yaml_serde` gives where a value
    /// begins, in `location`.
    #[must_use]
    pub fn locate<'de, D: Deserializer<'de>>(&self, same_file: D) -> Option<D::Error> {
        if self.variable().is_some() {
            return None;
        }
        Some(fail_at(self.place(), self, same_file))
    }
}

impl Lint {
    /// The same lint as an error of the format, which has the line and the column, if the format knows them.
    ///
    /// It takes the same file once more. What is set nowhere is where it could be: in `defaults`, or in the whole file.
    ///
    /// ```
    /// use serde_json::Deserializer;
    /// use tower_breaker::config::{Config, lint::Traffic};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let file = r#"{
    ///     "circuits": { "payments": { "probe_timeout": "1m" } }
    /// }"#;
    /// let config = Config::read(&mut Deserializer::from_str(file))?;
    /// for lint in config.lints(&Traffic::unknown()) {
    ///     let error = lint.locate(&mut Deserializer::from_str(file));
    ///     assert_eq!((error.line(), error.column()), (2, 53));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// How exact the place is, is up to the format, as [of a problem](Problem::locate).
    #[must_use]
    pub fn locate<'de, D: Deserializer<'de>>(&self, same_file: D) -> D::Error {
        fail_at(self.path(), self, same_file)
    }
}

fn fail_at<'de, D: Deserializer<'de>>(
    place: &str,
    told: &dyn fmt::Display,
    same_file: D,
) -> D::Error {
    let seek = Seek {
        place,
        told,
        path: String::new(),
    };
    match seek.deserialize(same_file) {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

/// Reads on to a place, and fails there.
struct Seek<'a> {
    place: &'a str,
    told: &'a dyn fmt::Display,
    /// Of what is read now.
    path: String,
}

impl<'a> Seek<'a> {
    fn is_here(&self) -> bool {
        self.path == self.place
    }

    /// For what is under a key, if the problem is there.
    fn under(&self, key: &str) -> Option<Self> {
        let path = join(&self.path, key);
        let rest = self.place.strip_prefix(&path)?;
        let leads_there = rest.is_empty() || rest.starts_with('.');
        let (place, told) = (self.place, self.told);
        leads_there.then_some(Self { place, told, path })
    }

    fn found<E: Error>(&self) -> Result<Infallible, E> {
        Err(E::custom(self.told))
    }
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = Infallible;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Infallible, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// A problem is in a plain value if the way to it ends there: `probes.of` is in `"2 of 3"`.
impl<'de> Visitor<'de> for Seek<'_> {
    type Value = Infallible;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Infallible, E> {
        self.found()
    }

    fn visit_none<E: Error>(self) -> Result<Infallible, E> {
        self.found()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Infallible, D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Infallible, E> {
        self.found()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Infallible, E> {
        self.found()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Infallible, E> {
        self.found()
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Infallible, E> {
        self.found()
    }

    /// So YAML gives what is above `u64`.
    fn visit_u128<E: Error>(self, _: u128) -> Result<Infallible, E> {
        self.found()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Infallible, E> {
        self.found()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Infallible, E> {
        self.found()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Infallible, A::Error> {
        if self.is_here() {
            return self.found();
        }
        for number in 0_usize.. {
            let is_over = match self.under(&number.to_string()) {
                Some(seek) => access.next_element_seed(seek)?.is_none(),
                None => access.next_element::<IgnoredAny>()?.is_none(),
            };
            if is_over {
                break;
            }
        }
        self.found()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Infallible, A::Error> {
        if self.is_here() {
            return self.found();
        }
        while let Some(key) = access.next_key::<String>()? {
            match self.under(&key) {
                Some(seek) => match access.next_value_seed(seek)? {},
                None => drop(access.next_value::<IgnoredAny>()?),
            }
        }
        self.found()
    }
}
