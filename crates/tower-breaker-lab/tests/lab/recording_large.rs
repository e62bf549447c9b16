//! That a recording of any size is read in a bounded memory, and that nothing that is read panics.

use std::{
    cell::Cell,
    io::{BufReader, Read},
    rc::Rc,
};

use proptest::prelude::*;
use tower_breaker_lab::{
    AccessLog, Calls, Format, JsonLines, Prometheus, Reading, Recording, RecordingError,
};

use crate::recording::{json, nginx};

/// What is made on the fly: a piece after the other, until there are so many bytes.
struct Made<F> {
    next: F,
    piece: Vec<u8>,
    at: usize,
    left: u64,
    /// How many bytes have been read.
    read: Rc<Cell<u64>>,
}

fn made<F: FnMut() -> Vec<u8>>(next: F, bytes: u64) -> Made<F> {
    Made {
        next,
        piece: Vec::new(),
        at: 0,
        left: bytes,
        read: Rc::default(),
    }
}

impl<F: FnMut() -> Vec<u8>> Read for Made<F> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.piece.len() {
            if self.left == 0 {
                return Ok(0);
            }
            self.piece = (self.next)();
            self.left = self.left.saturating_sub(self.piece.len() as u64);
            self.at = 0;
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// 5 calls a second, each of them with a line of about 150 bytes.
fn log(bytes: u64) -> Made<impl FnMut() -> Vec<u8>> {
    let mut calls = 0_u64;
    let next = move || {
        let seconds = 1_764_309_600 + calls / 5;
        let status = if calls % 100 == 0 { 503 } else { 200 };
        calls += 1;
        format!(
            "203.0.113.9 - - [{seconds}] \"GET /cart/{calls} HTTP/1.1\" {status} 5120 \
             \"https://shop.example/\" \"Mozilla/5.0 (X11; Linux x86_64; rv:140.0)\" 0.123\n"
        )
        .into_bytes()
    };
    made(next, bytes)
}

/// In CI 4 MB. `LAB_LOG_BYTES=1000000000` is a gigabyte.
#[test]
fn what_is_kept_of_a_large_log_is_16_bytes_a_call() {
    let bytes = std::env::var("LAB_LOG_BYTES").ok();
    let bytes = bytes.map_or(4_000_000, |bytes| bytes.parse().expect("a number of bytes"));
    let input = log(bytes);
    let read = input.read.clone();
    let recording = Recording::read(BufReader::new(input), &nginx(), &Reading::new());
    let recording = recording.unwrap_or_else(|error| panic!("{error}"));
    assert!(read.get() >= bytes);
    assert_eq!(recording.bytes(), 16 * recording.len());
    assert!(
        recording.bytes() as u64 * 8 < bytes,
        "{}",
        recording.bytes()
    );
}

#[test]
fn more_calls_than_may_be_kept_are_refused_before_all_is_read() {
    let input = log(1_000_000_000);
    let read = input.read.clone();
    let reading = Reading::new().most_calls(1_000);
    let error = Recording::read(BufReader::new(input), &nginx(), &reading).expect_err("too many");
    let expected = "there are more than 1000 calls; let more be kept, or cut the recording";
    assert_eq!(error.to_string(), expected);
    assert!(read.get() < 200_000, "{} bytes", read.get());
}

#[test]
fn as_many_calls_as_may_be_kept_are() {
    let line = "a - - [0] \"GET / HTTP/1.1\" 200 1 0.5\n".repeat(10);
    let read = |most| {
        let reading = Reading::new().most_calls(most);
        Recording::read(line.as_bytes(), &nginx(), &reading).map(|recording| recording.len())
    };
    assert_eq!(read(10).ok(), Some(10));
    assert!(matches!(
        read(9),
        Err(RecordingError::TooManyCalls { most: 9 })
    ));
}

/// A hundred megabytes without a line break.
#[test]
fn a_line_that_is_far_too_long_is_refused_by_its_number() {
    let input = made(|| vec![b'x'; 65_536], 100_000_000);
    let input = b"\n".chain(input);
    let error = Recording::read(BufReader::new(input), &json(), &Reading::new());
    assert_eq!(
        error.expect_err("too long").to_string(),
        "line 2 is longer than 65536 bytes"
    );
}

fn formats() -> Vec<Format> {
    vec![
        nginx(),
        Format::AccessLog(AccessLog::apache().duration_key("rt")),
        Format::JsonLines(JsonLines::new()),
        Format::Calls(Calls::new()),
        Format::Prometheus(Prometheus::new()),
    ]
}

fn read_all(text: &[u8]) {
    let reading = Reading::new().longest_line(200).skip(3).most_calls(50);
    for format in formats() {
        match Recording::read(text, &format, &reading) {
            Ok(recording) => {
                assert!((1..=50).contains(&recording.len()));
                assert!(
                    recording
                        .calls()
                        .all(|call| call.at + call.took <= recording.length())
                );
            }
            Err(RecordingError::Io(error)) => panic!("{error}"),
            Err(error) => assert!(error.to_string().chars().all(|it| !it.is_control())),
        }
    }
}

/// What is nearly right is more likely to panic than noise.
fn nearly() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("a - - [28/Nov/2026:06:00:00 +0000] \"GET\" 200 1 0.5 rt=7".to_owned()),
        Just(r#"{"time":1764309600,"status":200,"duration":0.5}"#.to_owned()),
        Just(r#"{"at":"2026-11-28T06:00:00Z","circuit":"a","kind":"call","end":"success"}"#.to_owned()),
        Just(
            r#"{"data":{"resultType":"matrix","result":[{"metric":{"status":"200"},"values":[[0,"1"]]}]}}"#
                .to_owned()
        ),
        "[0-9.eE+-]{0,30}",
        "[\\[\\]\"{}:, =\\\\\n\r]{0,5}",
        any::<f64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
    ];
    prop::collection::vec(part, 0..6).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn noise_does_not_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        read_all(&text);
    }

    #[test]
    fn what_is_nearly_right_does_not_panic(text in nearly(), cut in any::<prop::sample::Index>()) {
        read_all(text.as_bytes());
        read_all(&text.as_bytes()[..cut.index(text.len() + 1)]);
    }
}
