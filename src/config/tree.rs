//! What a file says, whatever its format.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};

/// A value as it was read. Kept as it is, so that all that is wrong can be told at once, and where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Nothing,
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file, and with whatever is there twice.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// The keys of one of its tables, if it has that.
    pub(super) fn names_in<'a>(&'a self, table: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let maps = |node: &'a Self| match node {
            Self::Map(map) => Some(map),
            _ => None,
        };
        let found = maps(self).and_then(|map| map.iter().find(|(key, _)| key == table));
        let inner = found.and_then(|(_, node)| maps(node)).into_iter().flatten();
        inner.map(|(name, _)| name.as_str())
    }

    /// Of a variable of the environment, which is always text.
    pub(super) fn from_text(text: &str) -> Self {
        if let Ok(number) = text.parse() {
            return Self::Integer(number);
        }
        if let Ok(number) = text.parse() {
            return Self::Float(number);
        }
        match text {
            "true" => Self::Bool(true),
            "false" => Self::Bool(false),
            _ => Self::Text(text.to_owned()),
        }
    }
}

/// As one would write it, in short.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Text(value) => write!(f, "{value:?}"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a table"),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

/// What is no table, but given as one. `serde_json` gives numbers so with its feature `arbitrary_precision`, which any
/// crate of a program may turn on. `toml` gives dates so.
fn hidden_in(map: &[(String, Node)]) -> Option<Node> {
    let [(key, Node::Text(text))] = map else {
        return None;
    };
    match key.as_str() {
        "$serde_json::private::Number" => Some(Node::from_text(text)),
        "$__toml_private_datetime" => Some(Node::Text(text.clone())),
        _ => None,
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Integer(value))
    }

    /// So YAML gives what is above `u64`.
    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        #[expect(clippy::cast_precision_loss, reason = "what is so large is refused")]
        let float = || Node::Float(value as f64);
        Ok(i128::try_from(value).map_or_else(|_| float(), Node::Integer))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element()? {
            list.push(value);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(hidden_in(&map).unwrap_or(Node::Map(map)))
    }
}
