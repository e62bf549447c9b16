//! [`Recording`]: a body that is kept if it comes to its end.

use super::{
    counts::WhyNotKept,
    recordings::Place,
    shared::{Asked, Head},
};

/// Records one body. Dropped before the end, it keeps nothing; but whoever knows the length of a body need not read the
/// end of it.
#[derive(Debug)]
pub(super) struct Recording(Option<Box<Tape>>);

#[derive(Debug)]
struct Tape {
    asked: Asked,
    head: Head,
    place: Place,
}

impl Recording {
    pub(super) fn begin(asked: Asked, head: Head, place: Place) -> Self {
        Self(Some(Box::new(Tape { asked, head, place })))
    }

    /// Some more of the body.
    pub(super) fn add(&mut self, data: &[u8]) {
        if let Some(tape) = self.0.take_if(|tape| !tape.place.add(data)) {
            tape.give_up(WhyNotKept::TooLarge);
        }
    }

    /// The body is at its end.
    pub(super) fn end(&mut self) {
        if let Some(tape) = self.0.take() {
            tape.end();
        }
    }

    /// The body is nothing to keep, but for its size.
    pub(super) fn give_up(&mut self) {
        if let Some(tape) = self.0.take() {
            tape.give_up(WhyNotKept::Incomplete);
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        match self.0.take() {
            Some(tape) if tape.has_all_that_was_announced() => tape.end(),
            Some(tape) => tape.give_up(WhyNotKept::Incomplete),
            None => {}
        }
    }
}

impl Tape {
    fn has_all_that_was_announced(&self) -> bool {
        let announced = self.head.storable.announced;
        announced.is_some() && announced == self.place.length()
    }

    fn end(self) {
        if self.head.storable.announced.is_some() && !self.has_all_that_was_announced() {
            return self.give_up(WhyNotKept::Incomplete);
        }
        let Self { asked, head, place } = self;
        match place.finish() {
            Some(body) => asked.keep(head, body),
            None => asked.is_not_kept(WhyNotKept::NoPlace),
        }
    }

    /// Keeps nothing: for this, unless somebody else has the place, which is why then.
    fn give_up(self, why: WhyNotKept) {
        let lost = self.place.length().is_none();
        self.asked
            .is_not_kept(if lost { WhyNotKept::NoPlace } else { why });
    }
}
