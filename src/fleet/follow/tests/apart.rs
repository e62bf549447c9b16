//! Who is closed here though its fleet is not: after a while it does what the fleet says as if it were new.

use super::*;
use crate::circuit::followed::Act;

fn stands_apart(it: &It, here: Here, mode: Mode) -> bool {
    let local = Local {
        mode,
        ..local(here)
    };
    it.follow.stands_apart(&local, it.now)
}

fn is_closed_alone(standing: Standing) -> It {
    It::that_knows(standing, Here::Closed)
}

// N4: it is closed, by a person say, and takes part; and the break of its fleet is over.
#[test]
fn who_is_closed_alone_after_the_break_stands_apart() {
    let mut it = is_closed_alone(open(1, 900));
    it.passes(899);
    assert!(!stands_apart(&it, Here::Closed, Mode::Normal), "a break");
    it.passes(1);
    assert!(stands_apart(&it, Here::Closed, Mode::Normal), "it is over");
    let probed = is_closed_alone(half(1, 2, 1));
    assert!(stands_apart(&probed, Here::Closed, Mode::Normal));
    let well = is_closed_alone(closed(1));
    assert!(!stands_apart(&well, Here::Closed, Mode::Normal));
}

// N4: or it would ask for a seat by itself, or is closed because somebody wants it so.
#[test]
fn who_is_led_or_open_or_does_not_follow_does_not_stand_apart() {
    let it = is_closed_alone(half(1, 2, 1));
    for here in [WAITS, OPEN_ALONE, OWN_PROBE, seated(1, 0, 0, 0)] {
        assert!(!stands_apart(&it, here, Mode::Normal), "{here:?}");
    }
    for mode in [Mode::Disabled, Mode::Shadow, Mode::ForcedOpen] {
        assert!(!stands_apart(&it, Here::Closed, mode), "{mode:?}");
    }
    // N6: only a person ends forced open, here as in the fleet.
    let released = is_closed_alone(forced(1, None));
    assert!(!stands_apart(&released, Here::Closed, Mode::Normal));
}

// N6, N7: what is not done yet is done anyway, and who is alone has no fleet to follow.
#[test]
fn who_has_yet_to_follow_or_is_alone_does_not_stand_apart() {
    let disabled = Local {
        mode: Mode::Disabled,
        ..local(Here::Closed)
    };
    let mut it = is_closed_alone(closed(1));
    it.told(&told(half(2, 2, 1)), &disabled);
    assert!(!stands_apart(&it, Here::Closed, Mode::Normal), "not done");
    let mut it = is_closed_alone(half(1, 2, 1));
    it.follow.act(Act::Reset, Text::default(), it.now);
    assert!(!stands_apart(&it, Here::Closed, Mode::Normal), "a person");
    let mut it = is_closed_alone(half(1, 2, 1));
    it.passes(3_000);
    assert!(!stands_apart(&it, Here::Closed, Mode::Normal), "alone");
}
