//! [`Name`]: what a circuit is called.

use std::{
    borrow::{Borrow, Cow},
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    sync::Arc,
};

/// The name of a circuit.
///
/// It is made of any `&str`, or of a `String`, an `Arc<str>`, a `Cow<'static, str>` or a `&Name`, and is otherwise a
/// `str`.
///
/// Every rejection carries a copy, and a copy allocates nothing. What is copied depends on the name:
///
/// | a name | a copy is | by threads at once |
/// |---|---|---|
/// | of up to 22 bytes | its bytes | nothing is shared |
/// | of [`from_static`](Self::from_static) or `Cow::Borrowed` | a reference | nothing is shared |
/// | longer than that | one more owner of the text | all count its owners at one place |
/// | of an `Arc<str>`, or of a circuit in a registry | the same | the same |
///
/// ```
/// use tower_breaker::{Circuit, Name};
///
/// # fn main() -> Result<(), tower_breaker::ConfigError> {
/// let host = String::from("db1.internal:5432");
/// let database = Circuit::builder(&host).build()?;
///
/// let name: Name = database.snapshot().name;
/// assert_eq!(name, "db1.internal:5432");
/// assert!(name.starts_with("db1"));
///
/// const LONG: Name = Name::from_static("the payments of all those who order from abroad");
/// let payments = Circuit::builder(LONG).build()?;
/// assert_eq!(LONG, payments.name());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Name(Text);

/// To read a short one takes a look at its bytes, since there is no `unsafe` here. So a name that is read in each call,
/// as that of a registry's circuit, is [`Shared`](Self::Shared) however short it is.
#[derive(Clone)]
enum Text {
    Literal(&'static str),
    Short(Short),
    Shared(Arc<str>),
}

/// A text that fits beside its length.
#[derive(Clone, Copy)]
struct Short {
    length: u8,
    bytes: [u8; Self::ROOM],
}

impl Short {
    /// A name with one is no larger than a name without: three words.
    const ROOM: usize = 22;

    /// `None` if it does not fit.
    fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::ROOM];
        bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).ok()?;
        Some(Self { length, bytes })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("copied from a str")
    }
}

impl Name {
    /// The name of a literal of any length, which is never copied.
    #[must_use]
    pub const fn from_static(name: &'static str) -> Self {
        Self(Text::Literal(name))
    }

    /// One that lies at one place with all its copies, for whom its text is read often, or known by where it lies.
    #[cfg(feature = "registry")]
    pub(crate) fn shared(name: &str) -> Self {
        Self(Text::Shared(name.into()))
    }

    /// The name.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Literal(name) => name,
            Text::Short(name) => name.as_str(),
            Text::Shared(name) => name,
        }
    }

    /// Its bytes, which for a short one are had without a look at them.
    fn utf8(&self) -> &[u8] {
        match &self.0 {
            Text::Literal(name) => name.as_bytes(),
            Text::Short(name) => name.as_bytes(),
            Text::Shared(name) => name.as_bytes(),
        }
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        let text = Short::new(name).map_or_else(|| Text::Shared(name.into()), Text::Short);
        Self(text)
    }
}

/// A copy, which allocates nothing.
impl From<&Self> for Name {
    fn from(name: &Self) -> Self {
        name.clone()
    }
}

impl From<&String> for Name {
    fn from(name: &String) -> Self {
        name.as_str().into()
    }
}

impl From<String> for Name {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

impl From<Arc<str>> for Name {
    fn from(name: Arc<str>) -> Self {
        Self(Text::Shared(name))
    }
}

impl From<Cow<'static, str>> for Name {
    fn from(name: Cow<'static, str>) -> Self {
        match name {
            Cow::Borrowed(name) => Self::from_static(name),
            Cow::Owned(name) => name.into(),
        }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.utf8() == other.utf8()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.utf8().cmp(other.utf8())
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.utf8() == other.as_bytes()
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        self.utf8() == other.as_bytes()
    }
}

/// As a `str` hashes, so that a map by name can be asked with one.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        hash::{BuildHasher, RandomState},
        ops::Range,
        thread,
    };

    use super::*;
    use crate::circuit::{error::Rejected, handle::Circuit};

    #[test]
    fn a_name_is_what_it_says_whatever_it_is_made_of() {
        let shared: Arc<str> = "payments".into();
        let names: [Name; 8] = [
            "payments".into(),
            (&Name::from_static("payments")).into(),
            Name::from_static("payments"),
            String::from("payments").into(),
            (&String::from("payments")).into(),
            shared.into(),
            Cow::Borrowed("payments").into(),
            Cow::<'static, str>::Owned("payments".to_owned()).into(),
        ];
        let by_name = HashMap::from([(names[0].clone(), 1)]);
        for name in names {
            assert_eq!(name, "payments");
            assert_eq!(name, *"payments");
            assert_eq!(name, Name::from("payments"));
            assert_ne!(name, Name::from("database"));
            assert!(name != "database" && name != *"database");
            let [before, after] = [Name::from("database"), Name::from_static("payments2")];
            assert!(before < name && name < after);
            assert_eq!(format!("{name:>9} {name:?}"), " payments \"payments\"");
            assert_eq!(by_name.get(&name), by_name.get("payments"));
            assert_eq!((name.len(), name.as_ref()), (8, "payments"));
        }
        assert_eq!(by_name.get("payments"), Some(&1));
    }

    fn addresses<T: ?Sized>(of: &T) -> Range<usize> {
        let begin = (&raw const *of).addr();
        begin..begin + size_of_val(of)
    }

    /// Whether a text lies in the value that holds it, so that a copy of that has one of its own.
    fn is_within<T>(text: &str, holder: &T) -> bool {
        let (text, holder) = (addresses(text), addresses(holder));
        holder.start <= text.start && text.end <= holder.end
    }

    #[test]
    fn a_name_of_up_to_22_bytes_lies_in_itself() {
        for length in 0..=30 {
            let text = "x".repeat(length);
            for name in [Name::from(&text), Name::from(text.clone())] {
                assert_eq!(name, *text);
                assert_eq!(is_within(&name, &name), length <= 22, "{length}");
            }
        }
    }

    #[test]
    fn a_character_is_never_cut() {
        // 'ü' takes 2 bytes, '√' 3, '🦀' 4.
        for last in ['ü', '√', '🦀'] {
            for before in 17..=23 {
                let text = format!("{}{last}", "x".repeat(before));
                let name = Name::from(&text);
                assert_eq!(name, *text);
                assert_eq!(name.chars().last(), Some(last));
                assert_eq!(is_within(&name, &name), text.len() <= 22, "{text}");
            }
        }
    }

    #[test]
    fn a_name_is_three_words() {
        assert_eq!(size_of::<Name>(), 24);
        assert_eq!(size_of::<Option<Name>>(), 24);
    }

    #[test]
    fn a_literal_of_any_length_is_never_copied() {
        const LONG: &str = "the payments of all those who order from abroad";
        const NAME: Name = Name::from_static(LONG);
        for name in [NAME, NAME.clone(), Cow::Borrowed(LONG).into()] {
            assert_eq!(addresses(name.as_str()), addresses(LONG));
        }
    }

    #[test]
    fn an_arc_stays_the_one_it_is() {
        let text: Arc<str> = "payments".into();
        let name = Name::from(text.clone());
        assert_eq!(addresses(name.clone().as_str()), addresses(&*text));
        assert_eq!(Arc::strong_count(&text), 2);
    }

    #[test]
    fn of_a_name_that_is_lent_a_copy_is_made() {
        let shared: Arc<str> = "payments".into();
        let lent = Name::from(shared);
        let circuit = Circuit::builder(&lent).build().expect("valid");
        assert_eq!(addresses(circuit.name()), addresses(&*lent));
    }

    #[test]
    fn names_are_equal_and_hash_alike_whatever_they_are_made_of() {
        let of = |text: &str| {
            let literal: &'static str = String::from(text).leak();
            [
                Name::from_static(literal),
                Name::from(text),
                Name::from(Arc::<str>::from(text)),
            ]
        };
        let state = RandomState::new();
        // Also of the longest one that lies in itself, and of one more.
        for length in [0, 1, 21, 22, 23, 30] {
            let text = "x".repeat(length);
            for (one, other) in of(&text).iter().zip(of(&text).iter().rev()) {
                assert_eq!(one, other, "{length}");
                assert_eq!(one.cmp(other), Ordering::Equal, "{length}");
                assert_eq!(state.hash_one(one), state.hash_one(other), "{length}");
                assert_eq!(state.hash_one(one), state.hash_one(&*text), "{length}");
            }
            // One with another end, and one that goes on, whatever holds it.
            for unlike in [format!("{text}y"), format!("{text}\0")] {
                for (one, other) in of(&text).iter().zip(of(&unlike).iter().rev()) {
                    assert_ne!(one, other, "{length}");
                }
            }
        }
    }

    fn reject(circuit: &Circuit) -> Rejected {
        circuit.try_acquire().expect_err("forced open")
    }

    #[test]
    fn two_threads_that_are_rejected_share_nothing_of_a_short_name() {
        let name = String::from("db1.internal:5432");
        let circuit = Circuit::builder(&*name).build().expect("valid");
        circuit.force_open();
        let (one, other) = thread::scope(|scope| {
            let other = scope.spawn(|| reject(&circuit));
            (reject(&circuit), other.join().expect("no panic"))
        });
        for rejected in [&one, &other] {
            assert_eq!(rejected.circuit(), name);
            assert!(is_within(rejected.circuit(), rejected));
        }
    }
}
