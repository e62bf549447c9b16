//! Circuits that were gone after one call: a mistake that nothing else shows, because nothing fails.

use std::{
    collections::BTreeMap,
    panic::Location,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{machine::Totals, util::panic::catch_panic};

/// After so many from one place, a debug build says so.
const TOLD_AT: u64 = 100;

/// By place, of which there are no more than the code has.
static SHORT_LIVED: Mutex<BTreeMap<&'static Location<'static>, u64>> = Mutex::new(BTreeMap::new());

/// A place in the code, and how many circuits that were built there were gone after one call. Told by
/// [`short_lived_circuits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShortLivedCircuits {
    /// Where [`build`](crate::CircuitBuilder::build) or [`build_layer`](crate::CircuitBuilder::build_layer) was
    /// called.
    pub built_at: &'static Location<'static>,
    /// How many there have been so far, in this process.
    pub circuits: u64,
}

/// The places in the code, in this process, where circuits were built that had exactly one call when they were dropped.
///
/// A circuit that is built anew for each request never opens, and nothing fails because of it. A test of an application
/// can find it by this:
///
/// ```
/// # use std::convert::Infallible;
/// # use tower::{Layer, ServiceExt, service_fn};
/// # use tower_breaker::{Circuit, CircuitBreakerLayer, ConfigError};
/// use tower_breaker::observe::short_lived_circuits;
///
/// # type Request = http::Request<String>;
/// # type Response = http::Response<String>;
/// # async fn client(_: Request) -> Result<Response, Infallible> { Ok(Response::default()) }
/// # async fn ask(layer: &CircuitBreakerLayer) -> Response {
/// #     layer.layer(service_fn(client)).oneshot(Request::default()).await.unwrap()
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ConfigError> {
/// # let layer = Circuit::builder("payments").build_layer()?;
/// # let ask_application = async || drop(ask(&layer).await);
/// for _ in 0..3 {
///     ask_application().await;
/// }
/// // If it fails, it says in which line the layer is built for each request.
/// assert_eq!(short_lived_circuits(), []);
/// # assert_eq!(ask(&Circuit::builder("payments").build_layer()?).await.status(), 200);
/// # assert_eq!(short_lived_circuits()[0].circuits, 1);
/// # Ok(())
/// # }
/// ```
///
/// In builds with debug assertions, the hundredth such circuit from one place also writes a line to standard error,
/// once.
///
/// * Other tests of the same process count, too. If they build circuits for one call each, look for places in the code
///   of the application: `built_at.file()`.
/// * Circuits without [totals](crate::CircuitBuilder::totals) are not counted: nothing knows how many calls they had.
/// * Circuits that a registry has made (feature `registry`) are not counted: they may leave it after one call to make
///   room for others.
#[must_use]
pub fn short_lived_circuits() -> Vec<ShortLivedCircuits> {
    let told = |(&built_at, &circuits)| ShortLivedCircuits { built_at, circuits };
    counts().iter().map(told).collect()
}

/// A circuit is gone.
pub(super) fn count_if_short_lived(totals: Option<Totals>, built_at: &'static Location<'static>) {
    if totals.is_some_and(|totals| totals.ended() + totals.rejected == 1) {
        let circuits = count(built_at);
        if cfg!(debug_assertions) && circuits == TOLD_AT {
            // Nobody reads it, at worst.
            catch_panic(|| eprintln!("{}", line_about(built_at)));
        }
    }
}

fn counts() -> MutexGuard<'static, BTreeMap<&'static Location<'static>, u64>> {
    SHORT_LIVED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(built_at: &'static Location<'static>) -> u64 {
    let mut counts = counts();
    let circuits = counts.entry(built_at).or_default();
    *circuits += 1;
    *circuits
}

fn line_about(built_at: &Location<'_>) -> String {
    format!(
        "tower-breaker: {TOLD_AT} circuits that were built at {built_at} were gone after one call. Such a circuit \
         never opens. Build the circuit or its layer once, and not for each request"
    )
}

#[cfg(all(test, not(tower_breaker_loom)))]
mod tests {
    use super::*;
    use crate::circuit::handle::Circuit;

    /// How many circuits were counted of those built in the line that calls this, after one that was used so.
    #[track_caller]
    fn counted(totals: bool, uses: impl Fn(&Circuit)) -> u64 {
        let built_at = Location::caller();
        let circuit = Circuit::builder("payments").totals(totals).build();
        let circuit = circuit.expect("valid");
        uses(&circuit);
        let handle = circuit.clone();
        drop(circuit);
        // Not before the last handle is gone.
        assert!(
            short_lived_circuits()
                .iter()
                .all(|it| it.built_at != built_at)
        );
        drop(handle);
        let found = short_lived_circuits();
        let here = found.iter().find(|found| found.built_at == built_at);
        here.map_or(0, |here| here.circuits)
    }

    fn call(circuit: &Circuit) {
        circuit.try_acquire().expect("closed").success();
    }

    #[test]
    fn a_circuit_that_is_gone_after_one_call_is_counted() {
        assert_eq!(counted(true, call), 1);
        assert_eq!(counted(true, |circuit| drop(circuit.try_acquire())), 1);
        let turn_away = |circuit: &Circuit| {
            circuit.force_open();
            assert!(circuit.try_acquire().is_err());
        };
        assert_eq!(counted(true, turn_away), 1);
    }

    #[test]
    fn one_that_had_none_or_several_or_no_totals_is_not() {
        assert_eq!(counted(true, |_| {}), 0);
        assert_eq!(
            counted(true, |circuit| [(); 2].iter().for_each(|()| call(circuit))),
            0
        );
        assert_eq!(counted(false, call), 0);
    }

    #[test]
    fn each_place_has_a_count_of_its_own() {
        let build = || Circuit::builder("payments").build().expect("valid");
        let before = Location::caller().line();
        for _ in 0..3 {
            call(&build());
        }
        let found = short_lived_circuits();
        let here = found
            .iter()
            .find(|found| found.built_at.line() == before - 1);
        assert_eq!(here.map(|here| here.circuits), Some(3));
    }

    /// It runs again in a process of its own, whose output it looks at.
    #[test]
    fn the_hundredth_of_a_place_is_told_once() {
        const AGAIN: &str = "TOWER_BREAKER_SHORT_LIVED";
        if std::env::var_os(AGAIN).is_some() {
            for _ in 0..3 * TOLD_AT {
                call(&Circuit::builder("payments").build().expect("valid"));
            }
            return;
        }
        let this = std::env::current_exe().expect("a test");
        let output = std::process::Command::new(this)
            .args(["--nocapture", "the_hundredth_of_a_place_is_told_once"])
            .env(AGAIN, "")
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr);
        let lines = told.matches("100 circuits that were built at src/circuit/short_lived.rs:");
        assert_eq!(lines.count(), usize::from(cfg!(debug_assertions)), "{told}");
    }
}
