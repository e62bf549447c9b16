//! [`OfCircuit`]: the budget that a circuit has for its retries, whoever makes them.

use tower::retry::budget::Budget;

use crate::circuit::handle::Circuit;

/// Lasts as long as the circuit does, and obeys what is set of it now.
pub(super) struct OfCircuit(pub(super) Circuit);

impl Budget for OfCircuit {
    fn deposit(&self) {
        self.0.parts().retry_budget.deposit(self.0.now());
    }

    fn withdraw(&self) -> bool {
        let limits = self.0.settings().retries();
        let budget = &self.0.parts().retry_budget;
        limits.is_some_and(|limits| budget.withdraw(self.0.now(), &limits))
    }
}
