//! The end of a ramp (D6).

use super::*;

// D6
#[test]
fn a_ramp_ends_once_for_all() {
    model("the end of a ramp", || {
        let fixture = Fixture::open(Numbers {
            ramp: 100,
            ramp_from: WHOLE / 2,
            ..consecutive(2)
        });
        let probe = fixture.enter(OPEN_FOR);
        fixture.record(probe, Outcome::Success, OPEN_FOR);
        let during = fixture.enter(OPEN_FOR);
        let over = OPEN_FOR + 100;
        let (first, second) = (fixture.clone(), fixture.clone());
        race!(
            move || assert!(first.admit(over).is_some()),
            move || assert!(second.admit(over).is_some()),
            fail(&fixture, during, over),
        );
        let view = fixture.core.view(|| over);
        assert_eq!((view.state, view.consecutive_failures), (State::Closed, 1));
        assert_eq!(view.ramp_share, WHOLE);
    });
}
