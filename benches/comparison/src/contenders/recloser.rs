//! recloser: a ring of outcomes under a spin lock, its state behind an epoch.

use std::{sync::Arc, time::Duration};

use recloser::{AsyncRecloser, Error, Recloser};

use super::{Contender, LONG, Plan, WINDOW};
use crate::{
    forms::{Row, closure, future},
    scenarios::{CoreSubject, Ended, Scripted, Subject},
    work::work,
};

const NAME: &str = "recloser";

/// For the scenarios.
#[must_use]
pub fn contender() -> Contender {
    Contender {
        name: NAME,
        set_to: "50 % of a ring of 100, which is its default; as many results decide in half-open as there \
                 are permits elsewhere",
        permits: |_| None,
        span: None,
        subject,
    }
}

fn circuit(break_for: Duration, permits: u32) -> Recloser {
    Recloser::custom()
        .error_rate(0.5)
        .closed_len(WINDOW as usize)
        .half_open_len(permits as usize)
        .open_wait(break_for)
        .build()
}

fn subject(plan: Plan, scripted: Scripted) -> Box<dyn Subject> {
    let circuit = AsyncRecloser::from(circuit(plan.break_for, plan.permits));
    Box::new(CoreSubject(move |job| {
        let protected = circuit.call(scripted.clone().later(job));
        async move {
            match protected.await {
                Ok(()) => Ended::Answered,
                Err(Error::Rejected) => Ended::Refused,
                Err(Error::Inner(_)) => Ended::Failed,
            }
        }
    }))
}

/// For the figures.
#[must_use]
pub fn rows() -> Vec<Row> {
    vec![
        future(NAME, |_| {
            let circuit = AsyncRecloser::from(circuit(LONG, 1));
            async move |request| circuit.call(async { work(request) }).await.is_ok()
        }),
        closure(NAME, |_| {
            let circuit = Arc::new(circuit(LONG, 1));
            move |request| circuit.call(|| work(request)).is_ok()
        }),
    ]
}
