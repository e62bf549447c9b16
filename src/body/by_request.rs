//! Bodies of calls whose classifier has a note of the request.

use super::{BodyEnd, ClassifyEos, scope::ObservesBodies};
use crate::{machine::Outcome, service::by_request::WithRequestFacts};

impl<X: ObservesBodies, N> ObservesBodies for WithRequestFacts<X, N> {
    fn measures_to_end_of_body(&self) -> bool {
        self.scope.measures_to_end_of_body()
    }
}

impl<X: ClassifyEos<E>, N, E> ClassifyEos<E> for WithRequestFacts<X, N> {
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome {
        self.scope.classify_eos(end)
    }

    fn awaits_trailers(&self) -> bool {
        self.scope.awaits_trailers()
    }
}
