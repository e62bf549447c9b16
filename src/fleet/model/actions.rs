//! What can happen next.

use std::sync::Arc;

use super::{
    super::{
        table::Entry,
        wire::{Proposal, Stamp},
    },
    properties::{self, call_holds, calms_down, decision_holds, hearing_holds},
    relative,
    search::{Model, Step},
    stub::{Call, State},
    world::{Action, Heard, NOW, Reply, Request, Said, Scene, World},
};

type Next = Step<Action, World>;

impl Model for Scene {
    type State = World;
    type Action = Action;

    /// In both orders of nonces.
    fn begins(&self) -> Vec<World> {
        let world = self.begin(false);
        let flipped = world.named.then(|| self.begin(true));
        [world].into_iter().chain(flipped).collect()
    }

    fn steps(&self, from: &World) -> Vec<Next> {
        let mut steps = Steps {
            scene: self,
            from,
            next: Vec::with_capacity(16),
        };
        steps.all();
        steps.next
    }

    fn holds(&self, number: u32, world: &World) -> Result<(), String> {
        properties::holds(self, world)?;
        // What is close to each other calms down in the same way.
        let asked = number % self.size.calm_every == 0;
        if asked {
            calms_down(self, world)
        } else {
            Ok(())
        }
    }

    fn marks(&self, world: &World) -> u32 {
        properties::marks(self, world)
    }

    fn show(&self, world: &World) -> String {
        world.to_string()
    }
}

struct Steps<'a> {
    scene: &'a Scene,
    from: &'a World,
    next: Vec<Next>,
}

impl Steps<'_> {
    fn all(&mut self) {
        self.tick();
        self.failover();
        for me in 0..self.from.instances.len() {
            self.says(me);
            self.request(me);
            self.reply(me);
            self.late(me);
            self.call(me);
            self.probe(me);
            self.trip(me);
        }
    }

    fn push(&mut self, action: Action, mut world: World, holds: Result<(), String>) {
        relative::canonical(self.scene, self.from, &mut world);
        self.next.push((action, holds.map(|()| world)));
    }

    /// Whoever waits for an answer for longer than a tick gives up: it is lost before.
    fn tick(&mut self) {
        let is_old = |asked: u64| asked < NOW;
        let waits = self.from.instances.iter().any(|it| {
            let request = it.request.as_ref().is_some_and(|it| is_old(it.asked));
            request || it.reply.as_ref().is_some_and(|it| is_old(it.asked))
        });
        if waits {
            return;
        }
        let mut world = self.from.clone();
        relative::tick(&mut world);
        for me in 0..world.instances.len() {
            self.scene.passes(world.instance(me), true);
            self.scene.sees(world.instance(me), true);
        }
        self.push(Action::Tick, world, Ok(()));
    }

    fn failover(&mut self) {
        if self.from.failovers == 0 || self.from.saved.is_none() {
            return;
        }
        let mut world = self.from.clone();
        world.table = world.saved.take().expect("looked at just now");
        world.failovers -= 1;
        self.push(Action::Failover, world, Ok(()));
    }

    /// One thing at a time is under way of an instance.
    fn says(&mut self, me: usize) {
        let instance = &self.from.instances[me];
        if instance.request.is_some() || instance.reply.is_some() {
            return;
        }
        let (said, decide, look) = self.scene.asks(self.from, me, true);
        // Whoever has no call that waits only looks; what else there is to decide is said first.
        let is_urgent = |it: &Said| !matches!(it, Said::Decide(_, _, Proposal::Lease { .. }));
        let decide = decide.filter(|it| self.may_decide(it));
        // What a look would tell, it has just heard.
        let may_look =
            instance.follow.asked != Some(NOW) && !decide.as_ref().is_some_and(is_urgent);
        let looks = may_look.then_some((Action::Looks(me), look));
        let both = decide
            .map(|it| (Action::Proposes(me), it))
            .into_iter()
            .chain(looks);
        for (action, what) in both {
            let mut world = self.from.clone();
            let mut said = said.clone();
            said.request = Some(Request {
                asked: NOW,
                said: what,
            });
            world.instances[me] = Arc::new(said);
            self.push(action, world, Ok(()));
        }
    }

    /// So that there is an end: no era comes after the last one.
    fn may_decide(&self, said: &Said) -> bool {
        let eras = self.scene.size.eras;
        match said {
            Said::Decide(Stamp { era, .. }, _, Proposal::Open { .. }) => *era < eras,
            Said::Decide(_, _, Proposal::Lease { .. }) => self.from.grants > 0,
            _ => true,
        }
    }

    fn request(&mut self, me: usize) {
        let Some(request) = &self.from.instances[me].request else {
            return;
        };
        let (mut world, heard, holds) = self.served(me, &request.said);
        let asked = request.asked;
        world.instance(me).request = None;
        self.lose(me, request);
        if self.scene.size.answers_fly {
            world.instance(me).reply = Some(Reply { asked, heard });
            self.push(Action::RequestComes(me), world, holds);
        } else {
            let reply = Reply { asked, heard };
            self.heard(Action::RequestComes(me), world, &reply, me, holds);
        }
    }

    /// The request is lost, for good or not; a look is worth nothing when it is late. Or it comes, and the answer does
    /// not.
    fn lose(&mut self, me: usize, request: &Request) {
        if self.from.losses == 0 {
            return;
        }
        let mut lost = self.from.clone();
        lost.losses -= 1;
        let instance = lost.instance(me);
        instance.late = instance.request.take().map(|it| it.said);
        self.scene.passes(instance, true);
        self.push(Action::RequestIsLost(me), lost, Ok(()));

        let (mut world, _, holds) = self.served(me, &request.said);
        world.losses -= 1;
        world.instance(me).request = None;
        self.scene.passes(world.instance(me), true);
        self.push(Action::ReplyIsLost(me), world, holds);
    }

    /// The store answers. What it was before is kept, if a failover can still forget what it has decided or granted.
    fn served(&self, me: usize, said: &Said) -> (World, Heard, Result<(), String>) {
        let mut world = self.from.clone();
        let heard = world.serve(self.scene, me, said);
        let before = self.scene.entry(&self.from.table);
        let after = self.scene.entry(&world.table);
        let holds = decision_holds(before, after, said);
        let granted = given(after) > given(before);
        world.grants -= u8::from(granted && world.grants > 0);
        let matters = granted || stamp(before) != stamp(after);
        if world.failovers > 0 && matters {
            world.saved = Some(self.from.table.clone());
        }
        (world, heard, holds)
    }

    fn reply(&mut self, me: usize) {
        let Some(reply) = &self.from.instances[me].reply else {
            return;
        };
        let mut world = self.from.clone();
        world.instance(me).reply = None;
        self.heard(Action::ReplyComes(me), world, reply, me, Ok(()));
    }

    fn heard(
        &mut self,
        action: Action,
        mut world: World,
        reply: &Reply,
        me: usize,
        holds: Result<(), String>,
    ) {
        self.scene.hear(world.instance(me), reply, true);
        self.scene.sees(world.instance(me), true);
        let heard = hearing_holds(&self.from.instances[me], &world.instances[me]);
        self.push(action, world, holds.and(heard));
    }

    fn late(&mut self, me: usize) {
        let Some(said) = &self.from.instances[me].late else {
            return;
        };
        let (mut world, _, holds) = self.served(me, said);
        world.instance(me).late = None;
        self.push(Action::LostRequestComes(me), world, holds);
    }

    fn call(&mut self, me: usize) {
        let taken = self.scene.size.taken;
        let is_enough = match self.from.instances[me].circuit.state {
            State::Led(seats) => seats.granted - seats.unused >= taken,
            _ => false,
        };
        let mut world = self.from.clone();
        let call = self.scene.call(world.instance(me));
        if matches!(call, Call::Admitted | Call::Held) || is_enough && call == Call::Seated {
            return;
        }
        self.scene.sees(world.instance(me), true);
        let holds = call_holds(self.scene, self.from, &world, me, call);
        self.push(Action::CallComes(me), world, holds);
    }

    fn probe(&mut self, me: usize) {
        if !self.from.instances[me].circuit.is_probing() {
            return;
        }
        for (action, well) in [
            (Action::ProbeSucceeds(me), true),
            (Action::ProbeFails(me), false),
        ] {
            let mut world = self.from.clone();
            self.scene.probe_ends(world.instance(me), well);
            self.scene.sees(world.instance(me), true);
            self.push(action, world, Ok(()));
        }
    }

    fn trip(&mut self, me: usize) {
        let circuit = &self.from.instances[me].circuit;
        if circuit.state != State::Closed || circuit.trips >= self.scene.size.trips {
            return;
        }
        let mut world = self.from.clone();
        world.instance(me).circuit.trip(NOW);
        self.scene.sees(world.instance(me), true);
        self.push(Action::OpensAlone(me), world, Ok(()));
    }
}

fn given(entry: Option<&Entry>) -> u32 {
    let leases = entry.into_iter().flat_map(|it| it.leases.values());
    leases.map(|it| it.given).sum()
}

fn stamp(entry: Option<&Entry>) -> Option<Stamp> {
    entry.map(|it| it.record.stamp)
}
