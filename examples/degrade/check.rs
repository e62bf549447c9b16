//! Whether the story is as it should be.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    time::Duration,
};

use tokio::time::timeout;
use tower::BoxError;

use crate::{
    DEATHS, Story,
    page::{Part, Row},
    upstreams::Ledger,
};

/// For the whole story.
const AT_MOST: Duration = Duration::from_secs(18);
/// For each part of the page, whatever has died: its limit, and something for a busy machine.
const PART_AT_MOST: u128 = 600;

pub(crate) async fn run(
    story: impl Future<Output = Result<Story, BoxError>>,
) -> Result<(), BoxError> {
    let told = timeout(AT_MOST, story).await;
    println!();
    let story = match told {
        Ok(Ok(story)) => story,
        Ok(Err(error)) => return Err(format!("the page has failed: {error}").into()),
        Err(_) => return Err("it takes too long".into()),
    };
    demand(true, "the page never failed")?;
    the_page(&story)?;
    the_orders(&story)
}

fn demand(holds: bool, what: &str) -> Result<(), BoxError> {
    let said = if holds { "ok " } else { "BAD" };
    println!("{said}  {what}");
    if holds { Ok(()) } else { Err(what.into()) }
}

impl Story {
    /// The rows that this dependency's part had, while that one was dead.
    fn rows<'a>(&'a self, part: &'a str, dead: &'a str) -> impl Iterator<Item = Row> + 'a {
        let then = self.visits.iter().filter(move |it| it.dead == Some(dead));
        then.map(move |visit| match part {
            "price" => visit.page.price.row,
            "reviews" => visit.page.reviews.row,
            _ => visit.page.order.row,
        })
    }

    fn parts(&self) -> impl Iterator<Item = &Part> {
        let pages = self.visits.iter().map(|visit| &visit.page);
        pages.flat_map(|page| [&page.price, &page.reviews, &page.order])
    }

    /// The orders that were queued.
    fn queued(&self) -> BTreeSet<u32> {
        let queued = self
            .visits
            .iter()
            .filter(|visit| visit.page.order.row == Row::Queued);
        queued.map(|visit| visit.order).collect()
    }
}

fn the_page(story: &Story) -> Result<(), BoxError> {
    for (dead, row) in DEATHS {
        demand(
            story.rows(dead, dead).all(|was| was == row),
            &format!("while {dead} was dead, its part was always {row}"),
        )?;
        for (other, _) in DEATHS.iter().filter(|(name, _)| *name != dead) {
            demand(
                story.rows(other, dead).all(|was| was == Row::Live),
                &format!("… and {other} always live"),
            )?;
        }
    }
    let longest = story.parts().map(|part| part.millis).max().unwrap_or(0);
    demand(
        longest <= PART_AT_MOST,
        &format!("no part took longer than {PART_AT_MOST} ms; the longest took {longest} ms"),
    )
}

fn the_orders(story: &Story) -> Result<(), BoxError> {
    let Ledger {
        placed, arrivals, ..
    } = &story.orders;
    let queued = story.queued();
    demand(
        !queued.is_empty(),
        &format!("{} orders were queued", queued.len()),
    )?;
    demand(
        story.drained.left.is_empty() && story.drained.dead == 0,
        "none is left in the queue, and none was given up",
    )?;
    demand(
        story.drained.delivered == queued.len() as u64,
        "each was delivered once, as the sender knows",
    )?;
    let ordered: BTreeSet<_> = story.visits.iter().map(|visit| visit.order).collect();
    demand(
        placed.iter().copied().collect::<BTreeSet<_>>() == ordered && placed.len() == ordered.len(),
        "each order is placed, and none twice",
    )?;
    let came_again = arrivals.values().filter(|times| **times > 1).count();
    demand(
        arrivals.len() == ordered.len(),
        &format!("none came under two keys, though {came_again} came more than once"),
    )?;
    let queued_parts = story.visits.iter().map(|visit| &visit.page.order);
    let came_as_sent = queued_parts
        .filter(|part| part.row == Row::Queued)
        .all(|part| {
            let key = part.key.as_deref().unwrap_or_default();
            let times = |of: &BTreeMap<String, u32>| of.get(key).copied().unwrap_or(0);
            let (came, sent) = (times(arrivals), times(&story.tries));
            (1..=sent + u32::from(was_sent_before(part))).contains(&came)
        });
    demand(
        came_as_sent,
        "each that was queued came once at least, and no more often than it was sent",
    )?;
    // What was sent before it was queued may have been placed then, and overtakes what is queued.
    let rejected = story.visits.iter().filter(|visit| {
        let part = &visit.page.order;
        part.row == Row::Queued && !was_sent_before(part)
    });
    let rejected: BTreeSet<_> = rejected.map(|visit| visit.order).collect();
    let in_order = placed.iter().filter(|order| rejected.contains(order));
    demand(
        in_order.is_sorted(),
        "of those that only waited in the queue, none was placed before an earlier one",
    )
}

/// What was rejected was not.
fn was_sent_before(part: &Part) -> bool {
    matches!(part.because.as_deref(), Some("failed" | "timed_out"))
}
