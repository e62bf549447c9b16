//! What scripts answer, and what somebody else in their place could: rules N8 and N9.

use proptest::{collection::vec, prelude::*};
use redis::Value;
use tower_breaker::fleet::wire::{
    Done, Exchange, How, InstanceId, Key, Look, Place, Stamp, Stored, StoredMode,
};

use crate::wire::{decided, exchanged};

fn bulk(text: &str) -> Value {
    Value::BulkString(text.into())
}

/// The answer about one circuit.
fn about(line: &str, cause: &str, who: &str) -> Value {
    let told = vec![bulk(line), bulk(cause), bulk(who)];
    Value::Array(vec![
        bulk("1800000000000"),
        bulk("7"),
        Value::Int(0),
        Value::Array(vec![bulk("pay"), bulk("a name of somebody else's")]),
        Value::Array(told),
    ])
}

/// What asks about so many.
fn asked(circuits: usize) -> Exchange {
    let look = Look {
        name: Key::of("pay"),
        stamp: Stamp::default(),
        report: None,
    };
    Exchange {
        place: Place {
            fleet: "tb1:shop:".into(),
            shard: 0,
        },
        instance: InstanceId(7),
        seen: 0,
        circuits: vec![look; circuits],
    }
}

const LINE: &str = "0 3 9 c n 0 5000 1 20 0 0 0 0 10 5 2 1 300 2 1 4 77 0 0 0";

// N8
#[test]
fn an_answer_is_read() {
    let answer = exchanged(&about(LINE, "recovered", ""), &asked(1)).expect("an answer");
    let told = answer.circuits[0].as_ref().expect("told");
    assert_eq!(told.how, How::Counted);
    assert_eq!(
        (told.window.calls, told.window.agreeing, told.my_seq),
        (10, 1, 4)
    );
    assert_eq!(told.standing.closed_for, Some(20));
    assert_eq!(told.standing.state, Stored::Closed { reset: false });
    let line = "2 1800000000000 3 9 h n 0 5000 1 -1 2 2 1 0 1 990 12 -1";
    let answer = Value::Array(vec![bulk(line), bulk("why"), bulk("")]);
    let decided = decided(&answer).expect("an answer");
    assert_eq!(decided.done, Done::Full { next: 12 });
    assert_eq!(decided.lease.map(|it| (it.seats, it.left)), Some((1, 990)));
    assert_eq!(
        (decided.standing.mode, decided.heard),
        (StoredMode::Normal, None)
    );
}

// N8: what does not fit costs that circuit alone.
#[test]
fn a_field_out_of_its_place_or_range_is_odd() {
    let words: Vec<&str> = LINE.split(' ').collect();
    let is_odd = |line: &str, cause: &str| {
        let answer = exchanged(&about(line, cause, ""), &asked(1)).expect("an answer");
        answer.circuits[0].is_err()
    };
    assert!(!is_odd(LINE, ""));
    for place in 0..words.len() {
        for other in ["x", "", "-3", "+1", "1e9", "99999999999999999999"] {
            let mut words = words.clone();
            words[place] = other;
            assert!(is_odd(&words.join(" "), ""), "{other:?} in place {place}");
        }
    }
    assert!(is_odd(&format!("{LINE} 0"), "") && is_odd(words[1..].join(" ").as_str(), ""));
    assert!(is_odd(LINE, &"x".repeat(121)) && is_odd("odd", "unreadable"));
}

// N9
#[test]
fn an_answer_about_more_or_fewer_circuits_is_none() {
    assert!(exchanged(&about(LINE, "", ""), &asked(0)).is_none());
    assert!(exchanged(&about(LINE, "", ""), &asked(2)).is_none());
    assert!(exchanged(&Value::Okay, &asked(0)).is_none());
    assert!(decided(&Value::Array(vec![])).is_none());
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0_u64..100).prop_map(|number| number.to_string()),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => "[cohnf]",
        1 => "\\PC{0,5}",
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => vec(word(), 0..30).prop_map(|words| bulk(&words.join(" "))),
        1 => vec(any::<u8>(), 0..40).prop_map(Value::BulkString),
        1 => any::<i64>().prop_map(Value::Int),
        1 => "\\PC{0,20}".prop_map(Value::SimpleString),
        1 => any::<f64>().prop_map(Value::Double),
        1 => any::<bool>().prop_map(Value::Boolean),
        1 => Just(Value::Nil),
        1 => Just(Value::Okay),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..7).prop_map(Value::Array),
            vec((inner.clone(), inner.clone()), 0..4).prop_map(Value::Map),
            vec(inner, 0..4).prop_map(Value::Set),
        ]
    })
}

/// Answers of which one word is another: these get further than trees of nonsense.
fn nearly() -> impl Strategy<Value = Value> {
    (0..25_usize, word(), leaf()).prop_map(|(place, other, leaf)| {
        let mut words: Vec<&str> = LINE.split(' ').collect();
        words[place] = &other;
        let Value::Array(mut items) = about(&words.join(" "), "recovered", "") else {
            unreachable!("it is one");
        };
        if let Some(item) = items.get_mut(place) {
            *item = leaf;
        }
        Value::Array(items)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    // N9: whatever comes is an answer, or none. Nothing panics.
    #[test]
    fn any_tree_is_read_or_refused(answer in prop_oneof![tree(), nearly()], circuits in 0..3_usize) {
        if let Some(exchanged) = exchanged(&answer, &asked(circuits)) {
            prop_assert_eq!(exchanged.circuits.len(), circuits);
        }
        let _ = decided(&answer);
    }
}
