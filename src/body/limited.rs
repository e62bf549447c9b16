//! Bodies of calls that keep the timer of their limit themselves.

use super::{BodyEnd, ClassifyEos, scope::ObservesBodies};
use crate::{machine::Outcome, service::limited::Limited};

impl<X: ObservesBodies, D> ObservesBodies for Limited<X, D> {
    fn measures_to_end_of_body(&self) -> bool {
        self.scope.measures_to_end_of_body()
    }
}

impl<X: ClassifyEos<E>, D, E> ClassifyEos<E> for Limited<X, D> {
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome {
        self.scope.classify_eos(end)
    }

    fn awaits_trailers(&self) -> bool {
        self.scope.awaits_trailers()
    }
}
