//! Calls are gathered from lines, in a bounded memory, and put in order.

use std::io::BufRead;

use super::{
    Notes, Recording,
    call::{Fate, Kept},
    error::{Bad, RecordingError},
    lines::{Lines, Next},
    reading::{Reading, StampOf},
    time::Stamp,
};

const SECOND: u64 = 1_000_000_000;

/// What a line says.
pub(super) enum Said {
    Call {
        stamp: Stamp,
        of: StampOf,
        took: u64,
        fate: Fate,
    },
    /// Something that happened to the circuit.
    Event,
    /// Something of another circuit.
    Other,
}

/// How one line is read.
pub(super) trait Line {
    fn read(&self, line: &[u8], reading: &Reading) -> Result<Said, Bad>;
}

pub(super) fn lines(
    input: impl BufRead,
    format: &impl Line,
    reading: &Reading,
) -> Result<Recording, RecordingError> {
    let mut lines = Lines::new(input, reading.longest_line);
    let mut gathered = Gathered::new(reading);
    loop {
        match lines.next()? {
            Next::Over => return gathered.sorted(),
            Next::TooLong(line) => {
                let most = reading.longest_line;
                gathered.skip(RecordingError::LongLine { line, most })?;
            }
            Next::Line { text, .. } if text.trim_ascii().is_empty() => {}
            Next::Line {
                number,
                text,
                is_last,
            } => match format.read(text, reading) {
                Ok(said) => gathered.said(said)?,
                Err(_) if is_last && !gathered.is_empty() => {
                    gathered.notes.truncated_last_line = true;
                }
                Err(bad) => gathered.skip(bad.at(number))?,
            },
        }
    }
}

pub(super) struct Gathered<'a> {
    reading: &'a Reading,
    calls: Vec<Kept>,
    notes: Notes,
    /// The latest time of a line so far.
    latest: u64,
    /// Of which end the times are, if none has a fraction of a second.
    whole: Option<StampOf>,
    disorder: u64,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(reading: &'a Reading) -> Self {
        Self {
            reading,
            calls: Vec::new(),
            notes: Notes::default(),
            latest: 0,
            whole: None,
            disorder: u64::try_from(reading.disorder.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Whether there was nothing so far that makes sense: the last line may not be cut off, but be no recording.
    fn is_empty(&self) -> bool {
        self.calls.is_empty() && self.notes.events == 0 && self.notes.of_others == 0
    }

    fn skip(&mut self, error: RecordingError) -> Result<(), RecordingError> {
        if self.notes.skipped >= self.reading.skip {
            return Err(error);
        }
        self.notes.skipped += 1;
        Ok(())
    }

    fn said(&mut self, said: Said) -> Result<(), RecordingError> {
        match said {
            Said::Call {
                stamp,
                of,
                took,
                fate,
            } => self.call(stamp, of, took, fate)?,
            Said::Event => self.notes.events += 1,
            Said::Other => self.notes.of_others += 1,
        }
        Ok(())
    }

    fn call(
        &mut self,
        stamp: Stamp,
        of: StampOf,
        took: u64,
        fate: Fate,
    ) -> Result<(), RecordingError> {
        let at = match of {
            StampOf::End => stamp.nanos.saturating_sub(took),
            StampOf::Beginning => stamp.nanos,
        };
        let kept = Kept::new(at, took, fate);
        // Lines are written as calls end, whatever their time is of.
        let written = kept.ends();
        if written.saturating_add(self.disorder) < self.latest {
            self.notes.backwards += 1;
        }
        self.latest = self.latest.max(written);
        let were_whole = self.calls.is_empty() || self.whole.is_some();
        self.whole = (were_whole && stamp.is_whole).then_some(of);
        self.keep(kept)
    }

    pub(super) fn keep(&mut self, kept: Kept) -> Result<(), RecordingError> {
        let most = self.reading.most_calls;
        if self.calls.len() >= most {
            return Err(RecordingError::TooManyCalls { most });
        }
        self.calls.push(kept);
        Ok(())
    }

    /// The first of all calls begins the recording.
    pub(super) fn sorted(mut self) -> Result<Recording, RecordingError> {
        if self.calls.is_empty() {
            return Err(RecordingError::Empty);
        }
        if let Some(of) = self.whole {
            spread(&mut self.calls, of);
        }
        self.calls.shrink_to_fit();
        // Those of one instant stay in the order of their lines.
        self.calls.sort_by_key(|call| call.at);
        Ok(Recording::new(self.calls, self.notes))
    }
}

/// Where times are of whole seconds, those of one second follow each other evenly in it. Else, a burst of calls would
/// begin or end in one instant each second.
fn spread(calls: &mut [Kept], of: StampOf) {
    let stamp = |call: &Kept| match of {
        StampOf::End => call.ends(),
        StampOf::Beginning => call.at,
    };
    // Lines of one second may be apart: Apache writes them at the end of calls, with the time of the beginning.
    calls.sort_by_key(stamp);
    for second in calls.chunk_by_mut(|one, other| stamp(one) == stamp(other)) {
        // At most a billion calls of one second differ.
        let gap = SECOND / (second.len() as u64);
        let middles = (gap / 2..).step_by(usize::try_from(gap).unwrap_or(usize::MAX).max(1));
        for (middle, call) in middles.zip(second) {
            call.at += middle.min(SECOND - 1);
        }
    }
}
