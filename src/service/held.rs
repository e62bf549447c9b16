//! What services do whose circuit is held by its fleet (rules N1, N5, G2, A6).

#[cfg(all(test, feature = "fleet", not(tower_breaker_loom)))]
mod tests {
    use std::{
        future::{Ready, poll_fn, ready},
        sync::{
            Arc,
            atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
        },
        task::{Context, Poll},
        time::Duration,
    };

    use tower_layer::Layer;
    use tower_service::Service;

    use crate::{
        circuit::{
            error::{CircuitError, Rejected},
            followed::fake::{FakeFleet, SECOND, hold, seat, shared},
            handle::Circuit,
        },
        machine::{Cause, Led},
        service::{classify::ErrorsOnly, layer::CircuitBreakerLayer, reject::RejectAsError},
    };

    /// Counts its calls.
    #[derive(Clone, Default)]
    struct Inner {
        calls: Arc<AtomicUsize>,
        fails_readiness: Arc<AtomicBool>,
    }

    impl Service<()> for Inner {
        type Response = ();
        type Error = &'static str;
        type Future = Ready<Result<(), &'static str>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
            Poll::Ready(match self.fails_readiness.load(Relaxed) {
                true => Err("not ready"),
                false => Ok(()),
            })
        }

        fn call(&mut self, (): ()) -> Self::Future {
            self.calls.fetch_add(1, Relaxed);
            ready(Ok(()))
        }
    }

    /// As axum calls a service.
    async fn call<S>(service: &mut S) -> Result<(), CircuitError<&'static str>>
    where
        S: Service<(), Response = (), Error = CircuitError<&'static str>>,
    {
        poll_fn(|context| service.poll_ready(context)).await?;
        service.call(()).await
    }

    fn rejected(result: Result<(), CircuitError<&'static str>>) -> Rejected {
        match result {
            Err(CircuitError::Rejected(rejected)) => rejected,
            other => panic!("{other:?}"),
        }
    }

    fn layer(circuit: &Circuit) -> CircuitBreakerLayer<ErrorsOnly, RejectAsError> {
        CircuitBreakerLayer::new(circuit.clone())
            .classifier(ErrorsOnly)
            .reject_as_error()
    }

    fn held() -> (Circuit, FakeFleet, Inner) {
        let (circuit, fleet) = shared(|circuit| circuit);
        hold(&circuit, &fleet, 3 * SECOND);
        (circuit, fleet, Inner::default())
    }

    fn wanted(circuit: &Circuit, fleet: &FakeFleet) -> (usize, u64) {
        (fleet.take_stirred(), circuit.core().take_wanted())
    }

    // N5, G2: such a call never gets to where calls are admitted, and without it no instance behind axum would ever
    // have a seat.
    #[tokio::test(start_paused = true)]
    async fn a_held_service_asks_for_a_seat_and_the_next_call_takes_it() {
        let (circuit, fleet, inner) = held();
        let mut service = layer(&circuit).layer(inner.clone());
        for _ in 0..2 {
            let rejected = rejected(call(&mut service).await);
            assert_eq!(rejected.remaining(), Some(SECOND));
            assert_eq!(rejected.cause(), Some(Cause::Shared));
        }
        assert_eq!(wanted(&circuit, &fleet), (1, 2));
        assert!(matches!(seat(&circuit, 1, SECOND), Led::Told(_)));
        assert!(call(&mut service).await.is_ok());
        let tally = circuit.core().tally().expect("led");
        assert_eq!((tally.ok, inner.calls.load(Relaxed)), (1, 1));
    }

    // G2: its inner service was never asked; but the seat is not lost.
    #[tokio::test(start_paused = true)]
    async fn a_seat_that_comes_between_readiness_and_the_call_is_for_the_next() {
        let (circuit, fleet, inner) = held();
        let mut service = layer(&circuit).layer(inner.clone());
        assert!(poll_fn(|context| service.poll_ready(context)).await.is_ok());
        assert!(matches!(seat(&circuit, 1, SECOND), Led::Told(_)));
        rejected(service.call(()).await);
        assert_eq!(inner.calls.load(Relaxed), 0);
        // There is one already.
        assert_eq!(wanted(&circuit, &fleet).1, 0);
        assert!(call(&mut service).await.is_ok());
    }

    // N5, A6: one that was held says nothing about the inner service.
    #[tokio::test(start_paused = true)]
    async fn readiness_is_not_asked_while_held() {
        let (circuit, _, inner) = held();
        inner.fails_readiness.store(true, Relaxed);
        let mut service = layer(&circuit).layer(inner);
        rejected(call(&mut service).await);
        assert_eq!(circuit.totals().expect("on").failed, 0);
    }

    // N5: who waits need not be rejected to ask for a seat, and is woken by it.
    #[tokio::test(start_paused = true)]
    async fn a_service_that_waits_asks_for_a_seat_and_is_woken() {
        let (circuit, fleet, inner) = held();
        let layer = layer(&circuit).pending_while_open();
        let mut service = layer.layer(inner.clone());
        let waiting = tokio::spawn(async move { call(&mut service).await });
        tokio::task::yield_now().await;
        assert_eq!(wanted(&circuit, &fleet), (1, 1));
        // It is one call, however often it looks.
        tokio::time::sleep(SECOND * 5 / 2).await;
        assert_eq!(wanted(&circuit, &fleet), (1, 1));
        assert!(matches!(seat(&circuit, 1, SECOND), Led::Told(_)));
        let before = tokio::time::Instant::now();
        assert!(waiting.await.expect("no panic").is_ok());
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert_eq!(inner.calls.load(Relaxed), 1);
    }

    // N1, N7: nobody has to be there for it.
    #[tokio::test(start_paused = true)]
    async fn a_service_that_waits_goes_alone_when_the_hold_lapses() {
        let (circuit, _, inner) = held();
        let layer = layer(&circuit).pending_while_open();
        let mut service = layer.layer(inner);
        let before = tokio::time::Instant::now();
        assert!(call(&mut service).await.is_ok());
        assert_eq!(before.elapsed(), 3 * SECOND);
    }
}
