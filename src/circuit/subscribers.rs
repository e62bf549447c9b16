//! Events for async code to await, as slow as it likes (rule L3).

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use super::{
    event::Event,
    log::{Found, Log, Reader, Wait},
};

/// How often those look who are not woken.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// [Events](Event) from some moment on, for async code to await. Made by [`Circuit::events`](crate::Circuit::events),
/// or by its like on a registry.
///
/// It holds the last 256 events for a receiver that is late. A receiver that is later still loses the oldest, and is
/// told how many. Nobody waits for it, and it keeps no circuit and no registry alive.
///
/// ```
/// # use tower_breaker::{Circuit, observe::Told};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let circuit = Circuit::builder("payments").build()?;
/// let mut events = circuit.events();
/// let logging = tokio::spawn(async move {
///     while let Some(told) = events.next().await {
///         match told {
///             Told::Event(event) => println!("{event}"),
///             Told::Lagged(lost) => println!("{lost} events were lost"),
///         }
///     }
/// });
///
/// circuit.force_open();
/// drop(circuit);
/// logging.await?;
/// # Ok(())
/// # }
/// ```
///
/// To hear only the state that holds in the end, as a gauge shows it, use a [`Watch`](crate::observe::Watch).
pub struct Events {
    reader: Reader,
}

/// What a receiver of events is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// Something has happened.
    Event(Arc<Event>),
    /// This many events were lost, because the receiver was too late.
    Lagged(u64),
}

impl Events {
    pub(crate) fn new(log: &Arc<Log>) -> Self {
        Self {
            reader: Reader::new(log),
        }
    }

    /// Waits for the next event. Returns `None` when the circuit or the registry is gone, and all was heard.
    ///
    /// Cancel safe: dropping the future loses nothing.
    ///
    /// If several wait for the same circuit, or for the same registry, 16 of them are woken at once. The others look by
    /// themselves every 50 milliseconds, by tokio's clock. So telling takes no longer, however many there are.
    ///
    /// # Panics
    ///
    /// If 16 are waiting already, and there is no tokio runtime with time enabled.
    pub async fn next(&mut self) -> Option<Told> {
        let mut waiting = Waiting {
            events: self,
            looks_at: None,
        };
        poll_fn(|context| waiting.poll(context)).await
    }

    /// The next event, if there is one already; it does not wait. `None` if there is nothing, or the circuit or the
    /// registry is gone.
    pub fn try_next(&mut self) -> Option<Told> {
        self.read().ok().flatten()
    }

    /// What is there, or that it has ended. An error if there is nothing yet.
    fn read(&mut self) -> Result<Option<Told>, NothingYet> {
        match self.reader.read() {
            Found::Event(event) => Ok(Some(Told::Event(event))),
            Found::Lost(lost) => Ok(Some(Told::Lagged(lost))),
            Found::End => Ok(None),
            Found::Nothing => Err(NothingYet),
        }
    }
}

struct NothingYet;

/// One who waits, and gives its place back.
struct Waiting<'a> {
    events: &'a mut Events,
    /// If it is not woken.
    looks_at: Option<Pin<Box<Sleep>>>,
}

impl Waiting<'_> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Told>> {
        loop {
            if let Ok(told) = self.events.read() {
                return Poll::Ready(told);
            }
            match self.events.reader.wait(context.waker()) {
                Wait::Missed => {}
                Wait::Placed => return Poll::Pending,
                Wait::NoPlace => match self.poll_look(context) {
                    Poll::Ready(()) => {}
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }

    /// Whether it is time to look.
    fn poll_look(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let timer = self
            .looks_at
            .get_or_insert_with(|| Box::pin(sleep(LOOKS_EVERY)));
        let polled = timer.as_mut().poll(context);
        if polled.is_ready() {
            self.looks_at = None;
        }
        polled
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.events.reader.wait_no_more();
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
