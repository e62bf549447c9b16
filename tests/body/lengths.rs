//! Bodies that keep to the length they announce, and bodies that lie about it (rule H5).

use http::{Request, Response};

use crate::{
    stage::{
        AT_END, HEADS, NOW, Says, Scripted, Stage, announcing, answer, body, poll, read,
        read_to_end,
    },
    support::Fixture,
};

fn stage() -> Stage {
    Stage::new(Fixture::new(|c| c.consecutive_failures(1_000)))
}

fn get(stage: &Stage, answer: Response<Scripted>) -> crate::stage::Observed {
    stage.ask(Request::get("/"), answer).into_body()
}

// H5: hyper does not ask for the end of a body that has brought what was announced.
#[test]
fn a_body_is_complete_with_the_announced_length() {
    let stage = stage();
    let mut body = get(&stage, announcing("5", answer(NOW, body("32p"))));
    assert_eq!((poll(&mut body), stage.ended()), ('3', "".into()));
    assert_eq!((poll(&mut body), stage.ended()), ('2', "successful".into()));
    drop(body);
    assert_eq!(stage.ended(), "");
}

// A1: but trailers may come yet.
#[test]
fn where_trailers_are_awaited_the_end_is_awaited() {
    let stage = stage();
    for (script, ending) in [("5", "successful"), ("5t", "successful"), ("5T", "failed")] {
        let mut body = get(&stage, announcing("5", answer(AT_END, body(script))));
        assert_eq!((poll(&mut body), stage.ended()), ('5', "".into()));
        read_to_end(&mut body);
        assert_eq!(stage.ended(), ending, "{script}");
    }
}

// H5: what comes after a complete body is nobody's business.
#[test]
fn what_follows_the_announced_length_changes_nothing() {
    let stage = stage();
    for script in ["5e", "55", "5T"] {
        let mut body = get(&stage, announcing("5", answer(NOW, body(script))));
        assert_eq!(read(&mut body, 2), script);
        drop(body);
        assert_eq!(stage.ended(), "successful", "{script}");
    }
}

// H5: of two lengths nobody knows which is meant.
#[test]
fn a_length_that_is_said_twice_is_believed_only_if_it_is_the_same() {
    let stage = stage();
    for (lengths, ending) in [(["3", "3"], "failed"), (["3", "5"], "successful")] {
        let mut answer = answer(NOW, body("5"));
        for length in lengths {
            answer
                .headers_mut()
                .append("content-length", length.parse().unwrap());
        }
        read_to_end(&mut get(&stage, answer));
        assert_eq!(stage.ended(), ending, "{lengths:?}");
    }
}

// H5
#[test]
fn a_body_that_brings_less_or_more_is_a_failure() {
    let stage = stage();
    for head in HEADS {
        for (script, says) in [
            ("", Says::Nothing),
            ("", Says::Truth),
            ("4", Says::Nothing),
            ("4", Says::Truth),
            ("22", Says::Truth),
            ("4t", Says::Nothing),
            ("6", Says::Nothing),
            ("6", Says::Truth),
            ("33", Says::Nothing),
        ] {
            let scripted = body(script).says(says);
            let mut observed = get(&stage, announcing("5", answer(head, scripted.clone())));
            read_to_end(&mut observed);
            assert_eq!(stage.ended(), "failed", "{head} {script} {says:?}: header");
            read_to_end(&mut get(&stage, answer(head, scripted.hint(5))));
            assert_eq!(stage.ended(), "failed", "{head} {script} {says:?}: hint");
        }
    }
}

// H5: too long is known before the end.
#[test]
fn a_body_has_failed_with_the_frame_that_is_too_much() {
    let stage = stage();
    let mut body = get(&stage, announcing("5", answer(NOW, body("49p"))));
    read(&mut body, 1);
    assert_eq!(stage.ended(), "");
    read(&mut body, 1);
    assert_eq!(stage.ended(), "failed");
}

// H5: the header goes before what the body itself knows.
#[test]
fn the_header_goes_before_the_hint() {
    let stage = stage();
    let mut observed = get(&stage, announcing("5", answer(NOW, body("5p").hint(9))));
    poll(&mut observed);
    assert_eq!(stage.ended(), "successful");
    drop(observed);

    let mut observed = get(&stage, announcing("9", answer(NOW, body("5").hint(5))));
    read_to_end(&mut observed);
    assert_eq!(stage.ended(), "failed");
}

// H5
#[test]
fn the_exact_hint_is_the_length_where_no_header_says_it() {
    let stage = stage();
    let mut observed = get(&stage, answer(NOW, body("5p").hint(5)));
    poll(&mut observed);
    assert_eq!(stage.ended(), "successful");
}

// H5
#[test]
fn a_header_that_cannot_be_read_announces_nothing() {
    let stage = stage();
    for header in [
        "",
        " ",
        "+5",
        "-5",
        "5.0",
        "0x5",
        "5, 5",
        "five",
        "5 5",
        "99999999999999999999",
        "\u{e9}",
    ] {
        for script in ["4", "6"] {
            let mut observed = get(&stage, announcing(header, answer(NOW, body(script))));
            read_to_end(&mut observed);
            assert_eq!(stage.ended(), "successful", "{header:?} {script}");
        }
        // But what the body itself knows does.
        let mut observed = get(&stage, announcing(header, answer(NOW, body("4").hint(5))));
        read_to_end(&mut observed);
        assert_eq!(stage.ended(), "failed", "{header:?}");
    }
}

#[test]
fn leading_zeros_and_enormous_lengths_are_numbers() {
    let stage = stage();
    let mut observed = get(&stage, announcing("0005", answer(NOW, body("5p"))));
    poll(&mut observed);
    assert_eq!(stage.ended(), "successful");

    let most = u64::MAX.to_string();
    let mut observed = get(&stage, announcing(&most, answer(NOW, body("9"))));
    read_to_end(&mut observed);
    assert_eq!(stage.ended(), "failed");
}

// H5: RFC 9112, section 6.3: a transfer coding overrides the length.
#[test]
fn a_length_beside_a_transfer_coding_announces_nothing() {
    let stage = stage();
    for script in ["4", "6"] {
        let mut response = announcing("5", answer(NOW, body(script)));
        let chunked = http::HeaderValue::from_static("chunked");
        response.headers_mut().insert("transfer-encoding", chunked);
        read_to_end(&mut get(&stage, response));
        assert_eq!(stage.ended(), "successful", "{script}");
    }
}

// H5
#[test]
fn a_length_of_nothing_is_complete_with_the_head() {
    let stage = stage();
    let observed = get(&stage, announcing("0", answer(NOW, body("p"))));
    assert_eq!(stage.ended(), "successful");
    drop(observed);
    let observed = get(&stage, answer(NOW, body("p").hint(0)));
    assert_eq!(stage.ended(), "successful");
    drop(observed);
}

// H5: empty frames neither end a body nor complete it.
#[test]
fn empty_frames_count_for_nothing() {
    let stage = stage();
    let mut observed = get(&stage, announcing("3", answer(NOW, body("00300"))));
    read(&mut observed, 2);
    assert_eq!(stage.ended(), "");
    read(&mut observed, 1);
    assert_eq!(stage.ended(), "successful");
}

/// Many frames whose lengths together are more than a `u64` can count.
#[derive(Default)]
struct Endless(u8);

/// Says that it holds more than anybody could.
struct Huge;

impl bytes::Buf for Huge {
    fn remaining(&self) -> usize {
        usize::MAX
    }

    fn chunk(&self) -> &[u8] {
        &[]
    }

    fn advance(&mut self, _: usize) {}
}

impl http_body::Body for Endless {
    type Data = Huge;
    type Error = crate::stage::Broken;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Huge>, Self::Error>>> {
        self.0 += 1;
        std::task::Poll::Ready((self.0 < 5).then_some(Ok(http_body::Frame::data(Huge))))
    }
}

// H5: a count that cannot grow any more does not begin anew.
#[test]
fn a_body_beyond_all_counting_harms_nobody() {
    let stage = stage();
    let mut observed = stage
        .ask(Request::get("/"), answer(NOW, Endless(0)))
        .into_body();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    while let std::task::Poll::Ready(Some(_)) =
        http_body::Body::poll_frame(std::pin::Pin::new(&mut observed), &mut context)
    {}
    assert_eq!(stage.ended(), "successful");
}
