//! The exchange with the daemon, effect by effect.

use crate::orders::{boot, desired, life};
use rack_api::{
    fact::{Fact, FactBody, PowerSeen},
    order::Order,
    sync::{LONG_POLL_MS, NumbersTaken, Spooled, SyncRequest, SyncResponse},
};
use rack_proto::session::{Effect, Event, Kept, KeptSpool, Session};
use schema_ids::{Digest, Timestamp, Uuid};

fn session(spool: Option<KeptSpool>) -> Session {
    Session::new(Kept {
        agent: "rackd-1".parse().unwrap(),
        boot: Uuid::from_bytes([1; 16]),
        orders: Default::default(),
        spool,
    })
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(ms)
}

fn fact() -> Fact {
    Fact {
        at: at(1),
        body: FactBody::Power {
            machine: crate::orders::machine(),
            power: PowerSeen::On,
        },
    }
}

fn answer(acknowledged: u64, orders: Option<Vec<Order>>) -> Event {
    Event::Answered(Box::new(SyncResponse {
        now: at(0),
        acknowledged,
        desired: orders.map(|orders| (Digest([7; 32]), desired(orders))),
    }))
}

/// The one request among the effects.
fn sent(effects: &[Effect]) -> &SyncRequest {
    let mut requests = effects.iter().filter_map(|effect| match effect {
        Effect::Send(request) => Some(request.as_ref()),
        _ => None,
    });
    let request = requests.next().expect("a request");
    assert!(requests.next().is_none());
    request
}

fn sequences(facts: &[Spooled]) -> Vec<u64> {
    facts.iter().map(|fact| fact.sequence).collect()
}

/// A session that was started and obeys a word.
fn settled() -> Session {
    let mut session = session(Some(KeptSpool::default()));
    session.handle(Event::Started, at(0));
    let effects = session.handle(answer(0, Some(vec![])), at(10));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Obey(_))));
    assert_eq!(sent(&effects).wait_ms, LONG_POLL_MS);
    assert_eq!(sent(&effects).have, Some(Digest([7; 32])));
    session
}

#[test]
fn the_first_request_wants_all_at_once() {
    let mut session = session(Some(KeptSpool::default()));
    let effects = session.handle(Event::Started, at(0));
    let request = sent(&effects);
    assert_eq!((request.have, request.wait_ms, request.watermark), (None, 0, 0));
}

#[test]
fn a_fact_is_on_disk_before_it_is_sent_and_cuts_the_poll_short() {
    let mut session = settled();
    let effects = session.handle(Event::Facts(vec![fact()]), at(20));
    assert!(matches!(effects.as_slice(), [Effect::Spool(facts)] if sequences(facts) == [1]));
    let effects = session.handle(Event::Durable(1), at(21));
    assert_eq!(effects[0], Effect::Cancel);
    let request = sent(&effects);
    assert_eq!(
        (sequences(&request.facts), request.wait_ms, request.watermark),
        (vec![1], 0, 1)
    );
    // A second fact waits for the answer of the first: that one comes at once.
    session.handle(Event::Facts(vec![fact()]), at(22));
    assert_eq!(session.handle(Event::Durable(2), at(23)), []);
    let effects = session.handle(answer(1, None), at(24));
    assert_eq!(effects[0], Effect::Forget(1));
    assert_eq!(
        (sequences(&sent(&effects).facts), sent(&effects).acknowledged),
        (vec![2], 1)
    );
    let effects = session.handle(answer(2, None), at(25));
    assert_eq!(
        (sequences(&sent(&effects).facts), sent(&effects).wait_ms),
        (vec![], LONG_POLL_MS)
    );
    assert_eq!(session.pending(), 0);
}

#[test]
fn an_answer_to_a_cancelled_request_is_nothing() {
    let mut session = settled();
    session.handle(Event::Facts(vec![fact()]), at(20));
    session.handle(Event::Durable(1), at(21));
    session.handle(answer(1, None), at(22));
    session.handle(Event::Failed, at(23));
    // Nothing is out now; a stray answer neither acknowledges nor sends.
    let effects = session.handle(answer(99, Some(vec![boot(1, 1)])), at(24));
    assert!(matches!(effects.as_slice(), [Effect::WakeAt(_)]), "{effects:?}");
    assert_eq!(session.acknowledged(), Some(1));
}

#[test]
fn failures_back_off_and_facts_do_not_hurry_them() {
    let mut session = settled();
    let mut now = at(100);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let effects = session.handle(Event::Failed, now);
        let [Effect::WakeAt(then)] = effects.as_slice() else {
            panic!("{effects:?}")
        };
        pauses.push(then.since(now).as_millis());
        session.handle(Event::Facts(vec![fact()]), now);
        let last = session.next_sequence() - 1;
        let effects = session.handle(Event::Durable(last), now);
        assert!(matches!(effects.as_slice(), [Effect::WakeAt(_)]));
        now = *then;
        sent(&session.handle(Event::Timer, now));
    }
    assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    // After an answer the next failure begins from the shortest pause.
    session.handle(answer(0, None), now);
    let effects = session.handle(Event::Failed, now);
    assert_eq!(
        effects,
        [Effect::WakeAt(now.plus(std::time::Duration::from_millis(500)))]
    );
}

#[test]
fn a_daemon_that_holds_nothing_back_is_not_asked_in_a_circle() {
    let mut session = settled();
    let effects = session.handle(answer(0, None), at(11));
    assert_eq!(effects, [Effect::WakeAt(at(1010))]);
    sent(&session.handle(Event::Timer, at(1010)));
    // A fact does not wait for that.
    session.handle(answer(0, None), at(1011));
    session.handle(Event::Facts(vec![fact()]), at(1012));
    assert_eq!(
        sequences(&sent(&session.handle(Event::Durable(1), at(1013))).facts),
        [1]
    );
}

#[test]
fn a_fresh_agent_numbers_on_from_what_the_daemon_knows() {
    let mut session = session(None);
    assert_eq!(session.acknowledged(), None);
    let effects = session.handle(Event::Started, at(0));
    assert!(sent(&effects).facts.is_empty());
    assert_eq!(session.handle(Event::Facts(vec![fact()]), at(1)), []);
    let effects = session.handle(answer(41, Some(vec![])), at(2));
    assert_eq!(effects[0], Effect::Forget(41));
    assert!(matches!(&effects[1], Effect::Spool(facts) if sequences(facts) == [42]));
    assert_eq!(session.acknowledged(), Some(41));
    session.handle(Event::Durable(42), at(3));
    assert_eq!(session.next_sequence(), 43);
}

/// A disk on which 10 is acknowledged, and 11 and 12 wait.
fn kept() -> Session {
    let spooled = |sequence| Spooled {
        sequence,
        fact: fact(),
    };
    session(Some(KeptSpool {
        acknowledged: 10,
        facts: vec![spooled(11), spooled(12)],
    }))
}

#[test]
fn a_kept_spool_is_sent_and_numbered_on() {
    let mut session = kept();
    let effects = session.handle(Event::Started, at(0));
    assert_eq!(
        (sequences(&sent(&effects).facts), sent(&effects).acknowledged),
        (vec![11, 12], 10)
    );
    assert_eq!(session.next_sequence(), 13);
}

fn taken(from: u64, acknowledged: u64) -> Event {
    Event::Taken(NumbersTaken {
        reason: String::new(),
        from,
        acknowledged,
    })
}

#[test]
fn an_answer_covers_only_facts_that_were_sent() {
    // The disk was restored: the daemon has up to 20 since.
    let mut session = kept();
    session.handle(Event::Started, at(0));
    session.handle(Event::Facts(vec![fact()]), at(1));
    session.handle(Event::Durable(13), at(2));
    // The daemon's 13 is not this one, which it has not seen.
    let effects = session.handle(answer(20, None), at(3));
    assert_eq!(effects[0], Effect::Forget(12));
    assert_eq!(sequences(&sent(&effects).facts), [13]);
    assert_eq!(sent(&effects).acknowledged, 12);
    let effects = session.handle(Event::Facts(vec![fact()]), at(4));
    assert!(matches!(effects.as_slice(), [Effect::Spool(facts)] if sequences(facts) == [21]));
}

#[test]
fn facts_under_taken_numbers_get_others_and_are_sent_once_those_are_on_disk() {
    let mut session = kept();
    session.handle(Event::Started, at(0));
    session.handle(Event::Facts(vec![fact()]), at(1));
    session.handle(Event::Durable(13), at(2));
    // 11 is stored as it is here, 12 and 13 are not.
    let effects = session.handle(taken(12, 20), at(3));
    assert!(
        matches!(effects.as_slice(), [Effect::Respool(facts), Effect::WakeAt(_)] if sequences(facts) == [21, 22]),
        "{effects:?}"
    );
    assert_eq!((session.acknowledged(), session.next_sequence()), (Some(20), 23));
    let effects = session.handle(Event::Timer, at(600));
    assert!(sent(&effects).facts.is_empty(), "they are not on disk yet");
    let effects = session.handle(Event::Durable(22), at(601));
    assert_eq!(sequences(&sent(&effects).facts), [21, 22]);
    let effects = session.handle(answer(22, None), at(602));
    assert_eq!((&effects[0], session.pending()), (&Effect::Forget(22), 0));
}

#[test]
fn words_about_numbers_that_were_not_sent_change_none() {
    for nonsense in [taken(13, 20), taken(12, 11)] {
        let mut session = kept();
        session.handle(Event::Started, at(0));
        let effects = session.handle(nonsense, at(1));
        assert_eq!(effects, [Effect::WakeAt(at(501))]);
        assert_eq!((session.pending(), session.next_sequence()), (2, 13));
    }
}

#[test]
fn orders_are_told_in_the_same_breath() {
    let mut session = settled();
    let effects = session.handle(answer(0, Some(vec![boot(1, 1)])), at(5000));
    let spooled = effects.iter().find_map(|effect| match effect {
        Effect::Spool(facts) => Some(&facts[0].fact.body),
        _ => None,
    });
    assert_eq!(
        spooled,
        Some(&FactBody::OrderTaken {
            order: boot(1, 1).reference()
        })
    );
    assert!(session.orders().boot(crate::orders::machine()).is_some());
}

#[test]
fn a_foreign_word_changes_nothing_and_is_asked_for_slowly() {
    let mut session = settled();
    let mut foreign = desired(vec![]);
    foreign.incarnation = life(0);
    let event = Event::Answered(Box::new(SyncResponse {
        now: at(0),
        acknowledged: 0,
        desired: Some((Digest([8; 32]), foreign)),
    }));
    let effects = session.handle(event, at(5000));
    assert!(matches!(effects.as_slice(), [Effect::Refuse(_), Effect::WakeAt(then)] if *then == at(20_000)));
    let effects = session.handle(Event::Timer, at(20_000));
    assert_eq!(sent(&effects).have, Some(Digest([7; 32])));
}
