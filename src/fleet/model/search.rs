//! A search of everything that can happen: breadth first, so that what breaks a promise is shown by a run that no other
//! one is shorter than.
//!
//! A state is kept as a fingerprint of 128 bits, and as the step that led to it; whole states are there only of the
//! layer that is searched and of the next. A run is told by taking its steps again from the beginning.

use std::{
    any::Any,
    collections::HashSet,
    fmt::{self, Write},
    hash::{BuildHasherDefault, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::{Duration, Instant},
};

/// Something that can happen, and what is then. An error is a promise that is broken.
pub(super) type Step<A, S> = (A, Result<S, String>);

/// What can happen.
pub(super) trait Model: Sync {
    type State: Hash + Send + Sync;
    type Action: fmt::Debug;

    fn begins(&self) -> Vec<Self::State>;

    /// Everything that can happen next, always in the same order.
    fn steps(&self, from: &Self::State) -> Vec<Step<Self::Action, Self::State>>;

    /// What must be so in each state. Asked once of each; `number`: the how many-th that was found.
    fn holds(&self, number: u32, state: &Self::State) -> Result<(), String>;

    /// A bit for each thing that is so here, and must be so somewhere.
    fn marks(&self, state: &Self::State) -> u32;

    fn show(&self, state: &Self::State) -> String;
}

/// How far to search, and with how many threads.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) states: usize,
    pub(super) threads: usize,
}

/// What was found.
pub(super) struct Found {
    pub(super) states: usize,
    pub(super) depth: usize,
    /// The search ended at the limit: there is more.
    pub(super) cut: bool,
    pub(super) marks: u32,
    pub(super) took: Duration,
    /// A promise that was broken, with the run that broke it.
    pub(super) broken: Option<String>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match (self.broken.is_some(), self.cut) {
            (true, _) => "up to what is broken",
            (false, true) => "cut off",
            (false, false) => "complete",
        };
        let seconds = self.took.as_secs_f64();
        write!(f, "{} states, {end}, ", self.states)?;
        write!(f, "{} steps deep, {seconds:.1} s", self.depth)
    }
}

/// Searches all that can happen, to its end or to the limit.
pub(super) fn search<M: Model>(model: &M, limits: Limits) -> Found {
    let began = Instant::now();
    let mut search = Search::begin(model);
    let broken = search.run(limits);
    Found {
        states: search.from.len(),
        depth: search.depth,
        cut: broken.is_none() && !search.layer.is_empty(),
        marks: search.marks,
        took: began.elapsed(),
        broken: broken.map(|broken| search.tell(&broken)),
    }
}

/// So many states are looked at before what was found there is put together.
const BLOCK: usize = 1 << 15;

type Seen = HashSet<u128, BuildHasherDefault<Fingerprinted>>;

struct Search<'a, M: Model> {
    model: &'a M,
    seen: Seen,
    /// For each state, in the order in which they were found, where it comes from.
    from: Vec<From>,
    layer: Vec<(u32, M::State)>,
    depth: usize,
    marks: u32,
}

/// Which state it comes from, by which of that state's steps. The beginnings come from `NOWHERE`.
#[derive(Clone, Copy)]
struct From {
    state: u32,
    step: u16,
}

const NOWHERE: u32 = u32::MAX;

/// A state that was not seen before its block.
struct New<S> {
    fingerprint: u128,
    from: From,
    state: S,
}

/// In this state, or in the step that follows.
struct Broken {
    state: u32,
    step: Option<u16>,
    why: String,
}

/// What was found in a part of a layer.
struct Part<S> {
    new: Vec<New<S>>,
    marks: u32,
    broken: Option<Broken>,
}

impl<'a, M: Model> Search<'a, M> {
    fn begin(model: &'a M) -> Self {
        let mut search = Self {
            model,
            seen: Seen::default(),
            from: Vec::new(),
            layer: Vec::new(),
            depth: 0,
            marks: 0,
        };
        for (step, state) in (0..).zip(model.begins()) {
            let from = From {
                state: NOWHERE,
                step,
            };
            let fingerprint = fingerprint(&state);
            search.keep(New {
                fingerprint,
                from,
                state,
            });
        }
        search
    }

    /// Layer by layer. Ends with what is broken, with an empty layer, or at the limit.
    fn run(&mut self, limits: Limits) -> Option<Broken> {
        while !self.layer.is_empty() && self.from.len() < limits.states {
            let layer = std::mem::take(&mut self.layer);
            for block in layer.chunks(BLOCK) {
                for part in self.parts(block, limits.threads) {
                    self.marks |= part.marks;
                    if part.broken.is_some() {
                        return part.broken;
                    }
                    part.new.into_iter().for_each(|new| self.keep(new));
                }
            }
            self.depth += 1;
        }
        None
    }

    fn parts(&self, block: &[(u32, M::State)], threads: usize) -> Vec<Part<M::State>> {
        if threads < 2 || block.len() < 64 {
            return vec![self.part(block)];
        }
        thread::scope(|scope| {
            let parts = block.chunks(block.len().div_ceil(threads));
            let parts: Vec<_> = parts.map(|part| scope.spawn(|| self.part(part))).collect();
            let joined = parts.into_iter().map(|part| part.join());
            joined
                .map(|part| part.expect("a part is searched to its end"))
                .collect()
        })
    }

    fn part(&self, states: &[(u32, M::State)]) -> Part<M::State> {
        let mut part = Part {
            new: Vec::new(),
            marks: 0,
            broken: None,
        };
        for (number, state) in states {
            part.marks |= self.model.marks(state);
            part.broken = self.look(*number, state, &mut part.new).err();
            if part.broken.is_some() {
                break;
            }
        }
        part
    }

    fn look(
        &self,
        number: u32,
        state: &M::State,
        new: &mut Vec<New<M::State>>,
    ) -> Result<(), Broken> {
        let broken = |step| {
            move |why| Broken {
                state: number,
                step,
                why,
            }
        };
        // What panics has broken a promise, too, and its run is worth as much.
        let steps = caught(|| {
            self.model
                .holds(number, state)
                .map(|()| self.model.steps(state))
        });
        for (step, (_, next)) in (0..).zip(steps.map_err(broken(None))?) {
            let state = next.map_err(broken(Some(step)))?;
            let fingerprint = fingerprint(&state);
            if !self.seen.contains(&fingerprint) {
                let from = From {
                    state: number,
                    step,
                };
                new.push(New {
                    fingerprint,
                    from,
                    state,
                });
            }
        }
        Ok(())
    }

    /// In the layer that comes next, if it was not seen in this block either.
    fn keep(&mut self, new: New<M::State>) {
        let number = u32::try_from(self.from.len()).expect("fewer states than 2^32");
        if self.seen.insert(new.fingerprint) {
            self.from.push(new.from);
            self.layer.push((number, new.state));
        }
    }

    /// The run that ends with what is broken.
    fn tell(&self, broken: &Broken) -> String {
        let mut steps: Vec<u16> = broken.step.into_iter().collect();
        let mut at = broken.state;
        while at != NOWHERE {
            let from = self.from[at as usize];
            steps.push(from.step);
            at = from.state;
        }
        let first = steps.pop().expect("a run has a beginning");
        let mut state = self.model.begins().swap_remove(usize::from(first));
        let mut told = format!("{}\n{}", broken.why, self.model.show(&state));
        for step in steps.into_iter().rev() {
            let (action, next) = self.model.steps(&state).swap_remove(usize::from(step));
            let _ = writeln!(told, "\n-> {action:?}");
            let Ok(next) = next else { break };
            state = next;
            told += &self.model.show(&state);
        }
        told
    }
}

fn caught<T>(look: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|panic| Err(text_of(&*panic)))
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("it panics: {}", text.unwrap_or("with something"))
}

/// 128 bits of a state: two states with the same ones are taken for the same. With 20 million states, that one is taken
/// for another by mistake has a chance of 1 in 10^24.
pub(super) fn fingerprint(state: &impl Hash) -> u128 {
    let mut two = Two([0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344]);
    state.hash(&mut two);
    let [high, low] = two.0;
    u128::from(high) << 64 | u128::from(low)
}

/// Two hashes of 64 bits, by other numbers each.
struct Two([u64; 2]);

impl Two {
    fn add(&mut self, word: u64) {
        let by = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];
        for (hash, by) in self.0.iter_mut().zip(by) {
            let product = u128::from(*hash ^ word) * u128::from(by);
            *hash = hash.rotate_left(23) ^ folded(product) ^ by;
        }
    }
}

/// Both halves of a product matter.
#[expect(clippy::cast_possible_truncation, reason = "each half is looked at")]
fn folded(product: u128) -> u64 {
    product as u64 ^ (product >> 64) as u64
}

impl Hasher for Two {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.add(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, it: u8) {
        self.add(it.into());
    }

    fn write_u32(&mut self, it: u32) {
        self.add(it.into());
    }

    fn write_u64(&mut self, it: u64) {
        self.add(it);
    }

    fn write_usize(&mut self, it: usize) {
        self.add(it as u64);
    }

    #[expect(clippy::cast_sign_loss, reason = "each number is another one")]
    fn write_isize(&mut self, it: isize) {
        self.add(it as u64);
    }

    fn finish(&self) -> u64 {
        self.0[0]
    }
}

/// A fingerprint needs no hash of its own.
#[derive(Default)]
struct Fingerprinted(u64);

impl Hasher for Fingerprinted {
    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("a fingerprint is one number");
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of it is enough")]
    fn write_u128(&mut self, it: u128) {
        self.0 = it as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Model, fingerprint, search};

    /// Two jugs of 3 and 5 litres. A promise that can be broken: there are never 4 litres in the second one.
    struct Jugs {
        promise: bool,
        panics: bool,
    }

    const ALL: Limits = Limits {
        states: 1_000,
        threads: 2,
    };

    impl Model for Jugs {
        type State = (u8, u8);
        type Action = &'static str;

        fn begins(&self) -> Vec<Self::State> {
            vec![(0, 0)]
        }

        fn steps(&self, &(a, b): &Self::State) -> Vec<super::Step<Self::Action, Self::State>> {
            assert!(!self.panics || b < 5, "the jug is full");
            let (over, back) = (a.min(5 - b), b.min(3 - a));
            vec![
                ("fill a", Ok((3, b))),
                ("fill b", Ok((a, 5))),
                ("empty a", Ok((0, b))),
                ("empty b", Ok((a, 0))),
                ("a to b", Ok((a - over, b + over))),
                ("b to a", Ok((a + back, b - back))),
            ]
        }

        fn holds(&self, _number: u32, state: &Self::State) -> Result<(), String> {
            let broken = self.promise && state.1 == 4;
            if broken { Err("four".into()) } else { Ok(()) }
        }

        fn marks(&self, state: &Self::State) -> u32 {
            1 << state.1
        }

        fn show(&self, state: &Self::State) -> String {
            format!("{state:?}")
        }
    }

    #[test]
    fn everything_is_found_once() {
        let jugs = Jugs {
            promise: false,
            panics: false,
        };
        let found = search(&jugs, ALL);
        assert_eq!(
            (found.states, found.cut, found.marks),
            (16, false, 0b11_1111)
        );
        let few = Limits {
            states: 5,
            threads: 1,
        };
        let found = search(&jugs, few);
        assert!(found.cut && found.states < 16);
    }

    #[test]
    fn a_broken_promise_is_told_with_its_shortest_run() {
        let jugs = Jugs {
            promise: true,
            panics: false,
        };
        let told = search(&jugs, ALL).broken.expect("there can be four");
        let steps = told.lines().filter_map(|line| line.strip_prefix("-> "));
        let steps: Vec<_> = steps.collect();
        let shortest = ["fill b", "b to a", "empty a", "b to a", "fill b", "b to a"];
        assert_eq!(steps, shortest.map(|step| format!("{step:?}")));
        assert!(
            told.starts_with("four\n(0, 0)") && told.ends_with("(3, 4)"),
            "{told}"
        );
    }

    #[test]
    fn a_panic_is_told_with_its_run() {
        let jugs = Jugs {
            promise: false,
            panics: true,
        };
        let told = search(&jugs, ALL).broken.expect("a jug can be full");
        assert!(told.starts_with("it panics: the jug is full\n"), "{told}");
        assert!(told.ends_with("(0, 5)"), "{told}");
    }

    #[test]
    fn what_differs_in_a_bit_has_another_fingerprint() {
        let words = (0..64).map(|bit| fingerprint(&(7_u32, 1_u64 << bit)));
        let halves: std::collections::HashSet<_> = words
            .flat_map(|it| [it >> 64, it & u128::from(u64::MAX)])
            .collect();
        assert_eq!(halves.len(), 128);
    }
}
