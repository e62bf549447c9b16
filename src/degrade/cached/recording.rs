//! [`Recording`]: a body that is kept if it comes to its end.

use super::{
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
        if self.0.as_ref().is_some_and(|tape| !tape.place.add(data)) {
            self.give_up();
        }
    }

    /// The body is at its end.
    pub(super) fn end(&mut self) {
        if let Some(tape) = self.0.take() {
            tape.end();
        }
    }

    /// The body is nothing to keep.
    pub(super) fn give_up(&mut self) {
        self.0 = None;
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if let Some(tape) = self
            .0
            .take()
            .filter(|tape| tape.has_all_that_was_announced())
        {
            tape.end();
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
            return;
        }
        let Self { asked, head, place } = self;
        if let Some(body) = place.finish() {
            asked.keep(head, body);
        }
    }
}
