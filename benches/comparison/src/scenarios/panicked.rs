//! Panics: probes panic, one after the other, until one is refused.

use super::{
    Scenario, Seen, breaks, quickly,
    stand::{MANY, PATIENCE, Stand, Verdict},
};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "panicking probes",
    question: "Probes panic, one after the other, until one is refused. Does that reopen the circuit, \
               and does it recover?",
    promised: "refuses after 1 panic, recovers after 1 break",
    run: |contender| {
        let stand = Stand::after_break(contender, 1);
        let (panics, at_once) = quickly(|| (panics_until_refused(&stand), stand.lets_in()))?;
        let recovered = stand.recovers(at_once);
        let panics = match panics {
            1 => "1 panic".to_owned(),
            MANY => return Some(unnoticed(recovered)),
            panics => format!("{panics} panics"),
        };
        Some(match recovered {
            Some(count) => Seen::good(format!(
                "refuses after {panics}, recovers after {}",
                breaks(count)
            )),
            None => Seen::bad(format!(
                "wedged after {panics}: refuses everyone for {}",
                breaks(PATIENCE)
            )),
        })
    },
};

fn panics_until_refused(stand: &Stand) -> usize {
    (0..MANY)
        .take_while(|_| {
            let call = stand.start();
            let got_in = call.is_in();
            call.end(Verdict::Panic);
            got_in
        })
        .count()
}

fn unnoticed(recovered: Option<usize>) -> Seen {
    match recovered {
        Some(_) => Seen::plain(format!("not counted: {MANY} of {MANY} let through")),
        None => Seen::bad("not counted, and never closes"),
    }
}
