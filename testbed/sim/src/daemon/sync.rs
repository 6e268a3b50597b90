//! The daemon's door for agents: facts are stored and acknowledged, news goes out, polls wait for it.

use crate::store;
use crate::world::{Event, World};
use rack_api::config::Desired;
use rack_api::sync::{NumbersTaken, SyncRequest, SyncResponse};
use reconciler_core::hold;
use reconciler_core::rack::Inputs;
use schema_ids::{Digest, Name};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

/// What an agent hears of its sync.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Answer(Box<SyncResponse>),
    Taken(NumbersTaken),
}

impl World<'_> {
    /// A sync: its facts are stored, then it is answered when there is news or its patience ends.
    pub(crate) fn sync_arrives(&mut self, agent: Name, request: u64, sync: &SyncRequest) {
        let Some(daemon) = self.some_daemon() else {
            return self.respond(agent, request, None);
        };
        let has_facts = !sync.facts.is_empty();
        if has_facts && self.daemon_dies_here(daemon) {
            return self.respond(agent, request, None);
        }
        let kept = self.code.stores_facts(sync);
        if let Err(taken) = self.store.append(sync, self.now, kept) {
            return self.respond(agent, request, Some(Reply::Taken(taken)));
        }
        if has_facts && self.daemon_dies_here(daemon) {
            return self.respond(agent, request, None);
        }
        let life = self.daemons[daemon].life;
        self.daemons[daemon].polls.insert(request, (agent, sync.have));
        let patience = Duration::from_millis(sync.wait_ms);
        self.later(
            patience,
            Event::PollEnds {
                daemon,
                life,
                request,
            },
        );
        if has_facts {
            self.announce();
        }
        self.answer_poll(daemon, request, false);
    }

    pub(crate) fn poll_ends(&mut self, daemon: usize, life: u64, request: u64) {
        if self.is_living(daemon, life) {
            self.answer_poll(daemon, request, true);
        }
    }

    /// Answers a held poll if there is news for its agent, or its patience has ended.
    pub(super) fn answer_poll(&mut self, daemon: usize, request: u64, ended: bool) {
        let Some((agent, have)) = self.daemons[daemon].polls.get(&request).cloned() else {
            return;
        };
        let desired = self.desired(&agent);
        let news = have != Some(desired.0);
        if !news && !ended {
            return;
        }
        self.daemons[daemon].polls.remove(&request);
        let response = SyncResponse {
            now: self.now,
            acknowledged: self.store.acknowledged(&agent),
            desired: news.then(|| desired.as_ref().clone()),
        };
        self.respond(agent, request, Some(Reply::Answer(Box::new(response))));
    }

    fn respond(&mut self, agent: Name, request: u64, reply: Option<Reply>) {
        let life = self.agents[&agent].life;
        let lost = self.faulty() && self.dice.chance(30);
        let reply = reply.filter(|_| !lost);
        // A connection that breaks is noticed, sooner or later.
        let delay = if reply.is_some() {
            self.delay()
        } else {
            self.seconds(1, 10)
        };
        self.later(
            delay,
            Event::SyncAnswered {
                agent,
                life,
                request,
                reply,
            },
        );
    }

    /// What an agent is to serve and to do, with its digest.
    fn desired(&mut self, agent: &Name) -> Rc<(Digest, Desired)> {
        let version = self.store.version;
        if let Some((_, made)) = self.made.get(agent).filter(|(of, _)| *of == version) {
            return made.clone();
        }
        let orders: Vec<_> = self
            .store
            .orders
            .values()
            .flatten()
            .map(|issued| issued.order.clone())
            .collect();
        let secret = ("bmc".parse().expect("a name"), "sealed".to_owned());
        let stopped = hold::stopped(&self.store.plan, &self.store.restraints);
        let inputs = Inputs {
            plan: &self.store.plan,
            stopped: &stopped,
            incarnation: self.store.incarnation,
            orders: &orders,
            written: &store::written(&self.store).into_keys().collect(),
            secrets: &BTreeMap::from([secret]),
            bmc_times: reconciler_core::roles::BmcTimes::DEFAULT,
            token_key: "00112233445566778899aabbccddeeff",
        };
        let desired = self.code.desired(&inputs, agent);
        let before = self.made.get(agent).filter(|(_, made)| made.1 == desired);
        let made = match before {
            Some((_, made)) => made.clone(),
            None => Rc::new((digest(version), desired)),
        };
        self.made.insert(agent.clone(), (version, made.clone()));
        made
    }
}

/// Tells values apart; nobody forges anything here.
fn digest(version: u64) -> Digest {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&version.to_be_bytes());
    Digest(bytes)
}
