//! The forms in which a breaker can be used, each as a loop that a thread runs.
//!
//! Loops of futures run inside of a tokio runtime of their thread, as some breakers sleep when they
//! meet another thread. They are exempt from tokio's budget, which a request that is a task of its own
//! would never use up, and a call that has to wait is polled again at once: parking the thread, which
//! has nothing else to do, would cost far more than a breaker that waits costs a server.

use std::{
    fmt,
    future::poll_fn,
    hint::black_box,
    mem::{size_of, size_of_val},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    runtime::{Builder, Runtime},
    task::unconstrained,
};
use tower::Service;

use crate::work::{Bare, Pace, Path, Request, work};

/// How a breaker is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A Tower service, the same one for every call of a thread.
    Reused,
    /// A Tower service, cloned for every call.
    Cloned,
    /// A future passed to the breaker's own API.
    Future,
    /// A closure passed to the breaker's own API, or a guard around the work.
    Closure,
}

impl Form {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 4] = [Self::Reused, Self::Cloned, Self::Future, Self::Closure];

    /// For a heading.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reused => "Tower, one service reused",
            Self::Cloned => "Tower, one clone per request",
            Self::Future => "core, around a future",
            Self::Closure => "core, around a closure",
        }
    }
}

/// Does so many calls.
pub type Work = Box<dyn FnMut(u64)>;

/// Makes the work of one thread, on that thread. All of them share one breaker.
pub type Maker = Arc<dyn Fn() -> Work + Send + Sync>;

/// A contender in one form.
pub struct Row {
    /// Who.
    pub contender: &'static str,
    /// How.
    pub form: Form,
    /// Bytes of the service and of its response future.
    pub sizes: Option<(usize, usize)>,
    make: Box<dyn Fn(Path) -> Maker>,
}

impl Row {
    /// A breaker in the state of the path, and what makes its work. Without a breaker nothing is ever
    /// refused: there, the work beside a refusal is a call that succeeds.
    #[must_use]
    pub fn maker(&self, path: Path) -> Maker {
        match (self.contender, path) {
            (BARE, Path::Open) => (self.make)(Path::Success),
            (_, path) => (self.make)(path),
        }
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.contender, self.form.name())
    }
}

// ---- Tower -----------------------------------------------------------------------------------

/// Both forms of a Tower service.
pub fn tower<S>(
    contender: &'static str,
    protect: impl Fn(Bare, Path) -> S + Clone + 'static,
) -> Vec<Row>
where
    S: Service<Request> + Clone + Send + 'static,
{
    let sizes = {
        let runtime = runtime();
        let _entered = runtime.enter();
        let service = protect(Bare, Path::Success);
        Some((size_of_val(&service), size_of::<S::Future>()))
    };
    let row = |form, make: fn(S, Path) -> Maker| Row {
        contender,
        form,
        sizes,
        make: {
            let protect = protect.clone();
            Box::new(move |path| make(ready_made(&protect, path), path))
        },
    };
    vec![row(Form::Reused, reused), row(Form::Cloned, cloned)]
}

fn ready_made<S>(protect: &impl Fn(Bare, Path) -> S, path: Path) -> S
where
    S: Service<Request> + Clone + Send + 'static,
{
    let runtime = runtime();
    let mut service = {
        let _entered = runtime.enter();
        protect(Bare, path)
    };
    bring_to(path, |request| {
        runtime.block_on(call(&mut service, request))
    });
    service
}

#[inline]
async fn call<S: Service<Request>>(service: &mut S, request: Request) -> bool {
    match poll_fn(|context| service.poll_ready(context)).await {
        Ok(()) => service.call(request).await.is_ok(),
        Err(_) => false,
    }
}

fn reused<S>(service: S, path: Path) -> Maker
where
    S: Service<Request> + Clone + Send + 'static,
{
    let shared = Mutex::new(service);
    Arc::new(move || {
        let mut service = shared.lock().clone();
        let mut pace = Pace::new(path);
        in_runtime(async move |times| {
            for _ in 0..times {
                black_box(call(&mut service, pace.request()).await);
            }
        })
    })
}

fn cloned<S>(service: S, path: Path) -> Maker
where
    S: Service<Request> + Clone + Send + 'static,
{
    let shared = Mutex::new(service);
    Arc::new(move || {
        let service = shared.lock().clone();
        let mut pace = Pace::new(path);
        in_runtime(async move |times| {
            for _ in 0..times {
                black_box(call(&mut service.clone(), pace.request()).await);
            }
        })
    })
}

// ---- the breaker's own API -------------------------------------------------------------------

/// A breaker's own API around a future. `call` says whether the call succeeded.
pub fn future<F>(contender: &'static str, protect: impl Fn(Path) -> F + 'static) -> Row
where
    F: AsyncFn(Request) -> bool + Clone + Send + 'static,
{
    let make = move |path| -> Maker {
        let call = protect(path);
        let runtime = runtime();
        bring_to(path, |request| runtime.block_on(call(request)));
        let shared = Mutex::new(call);
        Arc::new(move || {
            let call = shared.lock().clone();
            let mut pace = Pace::new(path);
            in_runtime(async move |times| {
                for _ in 0..times {
                    black_box(call(pace.request()).await);
                }
            })
        })
    };
    own_api(contender, Form::Future, Box::new(make))
}

/// A breaker's own API around a closure. `call` says whether the call succeeded.
pub fn closure<F>(contender: &'static str, protect: impl Fn(Path) -> F + 'static) -> Row
where
    F: Fn(Request) -> bool + Clone + Send + 'static,
{
    let make = move |path| -> Maker {
        let call = protect(path);
        bring_to(path, &call);
        let shared = Mutex::new(call);
        Arc::new(move || {
            let call = shared.lock().clone();
            let mut pace = Pace::new(path);
            Box::new(move |times| {
                for _ in 0..times {
                    black_box(call(pace.request()));
                }
            })
        })
    };
    own_api(contender, Form::Closure, Box::new(make))
}

fn own_api(contender: &'static str, form: Form, make: Box<dyn Fn(Path) -> Maker>) -> Row {
    Row {
        contender,
        form,
        sizes: None,
        make,
    }
}

/// The work without a breaker, in every form.
#[must_use]
pub fn bare() -> Vec<Row> {
    let mut rows = tower(BARE, |bare, _| bare);
    rows.push(future(BARE, |_| async |request| work(request).is_ok()));
    rows.push(closure(BARE, |_| |request| work(request).is_ok()));
    rows
}

/// The name of the rows without a breaker.
pub const BARE: &str = "no breaker";

// ---- plumbing --------------------------------------------------------------------------------

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}

fn in_runtime(mut calls: impl AsyncFnMut(u64) + 'static) -> Work {
    let runtime = runtime();
    Box::new(move |times| runtime.block_on(unconstrained(busy(calls(times)))))
}

/// Never lets the thread sleep while `future` is pending.
async fn busy<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let polled = future.as_mut().poll(context);
        if polled.is_pending() {
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

/// Brings a new breaker into the state of `path`, and makes sure that it is in it.
///
/// # Panics
///
/// If it does not get there: then there is nothing to measure.
fn bring_to(path: Path, mut call: impl FnMut(Request) -> bool) {
    let good = Request { fails: false };
    if path == Path::Open {
        trip(&mut call);
    } else {
        assert!(call(good), "a closed breaker lets a call through");
    }
}

fn trip(call: &mut impl FnMut(Request) -> bool) {
    let begun = Instant::now();
    // A policy that judges by the success rate over a time window waits for a whole one.
    while begun.elapsed() < Duration::from_secs(10) {
        for _ in 0..500 {
            call(Request { fails: true });
        }
        if !call(Request { fails: false }) {
            return;
        }
    }
    panic!("the breaker did not trip");
}
