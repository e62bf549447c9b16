//! Rejections behind transparent wrappers, which tell the source of what they wrap as their own (rule H3).

use std::{
    error::Error,
    future::{Ready, ready},
    sync::atomic::{AtomicU64, Ordering},
};

use tower::{Service, ServiceBuilder, ServiceExt, retry::Policy, service_fn};
use tower_breaker::{
    Circuit, CircuitError, Outcome, Rejected,
    classify::{Classify, ErrorsOnly, IgnoreRejections},
};

use super::{BoxError, chain, open};

#[derive(Debug, thiserror::Error)]
enum Plain {
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

#[derive(Debug, thiserror::Error)]
enum Twice {
    #[error(transparent)]
    Plain(#[from] Plain),
    #[error(transparent)]
    Boxed(#[from] BoxError),
    #[error(transparent)]
    Anyhow(#[from] anyhow::Error),
    #[error(transparent)]
    Circuit(#[from] CircuitError<std::io::Error>),
    #[error("while asking")]
    Told(#[source] Plain),
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Thrice(#[from] Twice);

fn rejected() -> Rejected {
    open().try_acquire().expect_err("a rejection")
}

/// The same rejection in every wrapper there is here.
fn wrapped(rejected: &Rejected) -> Vec<BoxError> {
    let plain = || Plain::from(rejected.clone());
    let boxed = || BoxError::from(rejected.clone());
    let circuit = || CircuitError::<std::io::Error>::from(rejected.clone());
    let middleware = |error: anyhow::Error| reqwest_middleware::Error::Middleware(error);
    let asked = || anyhow::Error::from(rejected.clone()).context("while asking");
    vec![
        plain().into(),
        Twice::from(plain()).into(),
        Twice::from(boxed()).into(),
        Twice::from(BoxError::from(plain())).into(),
        Twice::from(anyhow::Error::from(rejected.clone())).into(),
        Twice::from(anyhow::Error::from(plain())).into(),
        Twice::from(asked()).into(),
        Twice::from(circuit()).into(),
        Twice::Told(plain()).into(),
        Thrice(Twice::from(plain())).into(),
        Thrice(Twice::from(boxed())).into(),
        middleware(rejected.clone().into()).into(),
        middleware(circuit().into()).into(),
        middleware(plain().into()).into(),
        middleware(asked()).into(),
        middleware(Thrice(Twice::from(plain())).into()).into(),
        std::io::Error::other(rejected.clone()).into(),
        std::io::Error::other(plain()).into(),
    ]
}

// H3
#[test]
fn a_rejection_is_found_behind_any_number_of_transparent_wrappers() {
    let rejected = rejected();
    for error in wrapped(&rejected) {
        assert_eq!(Rejected::find(&*error), Some(&rejected), "{error:?}");
        let anyhow = anyhow::Error::from_boxed(error);
        assert_eq!(Rejected::find(anyhow.as_ref()), Some(&rejected));
    }
}

#[test]
fn nothing_is_found_behind_them_where_there_is_none() {
    let odd = || std::io::Error::other("an odd number");
    let inner = CircuitError::Inner(odd());
    let errors: [BoxError; 3] = [
        Twice::from(BoxError::from(odd())).into(),
        Twice::from(inner).into(),
        reqwest_middleware::Error::Middleware(odd().into()).into(),
    ];
    for error in errors {
        assert_eq!(Rejected::find(&*error), None, "{error:?}");
    }
}

// H3
#[test]
fn a_breaker_around_them_ignores_them() {
    for error in wrapped(&rejected()) {
        let classifier = IgnoreRejections(ErrorsOnly);
        assert_eq!(
            classifier.classify(Err::<&(), _>(&error)),
            Outcome::InnerRejection
        );
    }
}

// What people read: each part once.
#[test]
fn what_is_printed_says_nothing_twice() {
    let rejected = rejected();
    let told = "circuit `inventory` is open: by hand";
    let when = "worth trying again in 10 s";
    let anyhow = anyhow::Error::from(rejected.clone());
    assert_eq!(anyhow.to_string(), told);
    assert_eq!(format!("{anyhow:#}"), format!("{told}: {when}"));
    let report = format!("{anyhow:?}");
    assert!(
        report.starts_with(&format!("{told}\n\nCaused by:\n    {when}")),
        "{report}"
    );
    let context = anyhow.context("while asking");
    assert_eq!(
        format!("{context:#}"),
        format!("while asking: {told}: {when}")
    );
    for error in wrapped(&rejected) {
        let heard = chain(&*error);
        for text in [told, when] {
            let times = heard.iter().filter(|heard| *heard == text).count();
            assert!(times <= 1, "{heard:?}");
        }
        assert!(heard.contains(&when.to_owned()), "{heard:?}");
    }
    let circuit = open();
    circuit.force_open();
    let forced = circuit.try_acquire().expect_err("forced open");
    let heard = [
        "circuit `inventory` is forced open",
        "not worth trying again before somebody releases it",
    ];
    assert_eq!(chain(&forced), heard);
}

// F3: a rejection stays one, whoever has asked for its source: copies, comparisons.
#[test]
fn asking_for_the_source_changes_nothing() {
    let (asked, other) = (rejected(), rejected());
    let debug = format!("{asked:?}");
    assert!(asked.source().is_some());
    assert_eq!(asked, other);
    assert_eq!(asked.clone(), other);
    assert_eq!(format!("{asked:?}"), debug);
}

/// Tries again whatever is no rejection, so often.
#[derive(Clone)]
struct UnlessRejected(u8);

impl Policy<(), (), BoxError> for UnlessRejected {
    type Future = Ready<()>;

    fn retry(&mut self, (): &mut (), result: &mut Result<(), BoxError>) -> Option<Ready<()>> {
        let error = result.as_ref().err()?;
        self.0 = self.0.checked_sub(1)?;
        Rejected::find(&**error).is_none().then(|| ready(()))
    }

    fn clone_request(&mut self, (): &()) -> Option<()> {
        Some(())
    }
}

// A policy that leaves rejections alone does so behind wrappers, too.
#[tokio::test]
async fn a_retry_policy_does_not_try_rejections_again() {
    async fn ask(circuit: &Circuit) -> Result<(), Thrice> {
        let permitted = circuit.try_acquire().map_err(Plain::from);
        permitted.map_err(Twice::from)?.success();
        Ok(())
    }
    let (circuit, tries) = (open(), AtomicU64::new(0));
    let mut service = ServiceBuilder::new()
        .retry(UnlessRejected(3))
        .service(service_fn(|()| {
            tries.fetch_add(1, Ordering::Relaxed);
            let circuit = circuit.clone();
            async move { ask(&circuit).await.map_err(BoxError::from) }
        }));
    let error = service.ready().await.expect("ready").call(()).await;
    assert!(Rejected::find(&*error.expect_err("a rejection")).is_some());
    assert_eq!(tries.load(Ordering::Relaxed), 1);
}
