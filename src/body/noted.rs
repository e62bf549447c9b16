//! Bodies of calls whose classifier has a note of the request.

use super::{BodyEnd, ClassifyEnd, ObservesBodies};
use crate::{machine::Outcome, service::noted::Noted};

impl<X: ObservesBodies, N> ObservesBodies for Noted<X, N> {
    fn times_to_end(&self) -> bool {
        self.extent.times_to_end()
    }
}

impl<X: ClassifyEnd<E>, N, E> ClassifyEnd<E> for Noted<X, N> {
    fn classify_end(&self, end: BodyEnd<'_, E>) -> Outcome {
        self.extent.classify_end(end)
    }

    fn awaits_trailers(&self) -> bool {
        self.extent.awaits_trailers()
    }
}
