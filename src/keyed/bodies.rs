//! Bodies of calls whose failure makes the circuit of their key.

use super::first_failure::OnFirstFailure;
use crate::{
    body::{BodyEnd, ClassifyEos, scope::ObservesBodies},
    machine::Outcome,
};

impl<X: ObservesBodies, K> ObservesBodies for OnFirstFailure<X, K> {
    fn measures_to_end_of_body(&self) -> bool {
        self.scope.measures_to_end_of_body()
    }
}

impl<X: ClassifyEos<E>, K, E> ClassifyEos<E> for OnFirstFailure<X, K> {
    fn classify_eos(&self, end: BodyEnd<'_, E>) -> Outcome {
        self.scope.classify_eos(end)
    }

    fn awaits_trailers(&self) -> bool {
        self.scope.awaits_trailers()
    }
}
