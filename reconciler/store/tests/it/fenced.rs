//! Machines that nobody meets any more: seen off by their newest order, or vouched for, each for one generation.

use crate::bed::Bed;
use crate::fleet::{adopt, binding, binding_id, by, machine, plan, power_order, sync};
use rack_api::fact::FactBody;
use rack_api::order::{Action, Order, PowerWanted};
use reconciler_core::admit::Leave;
use reconciler_core::observed::{Binding, BindingState};
use reconciler_store::{Fencing, Intended, Issue, Scope};
use schema_ids::Generation;
use std::collections::{BTreeMap, BTreeSet};

/// Machine 1 leaves its slot in generation 3.
async fn leaving(bed: &Bed) {
    let mut one = plan("p-1", None, &[(1, 2)]);
    one.bindings.insert(binding_id(1), binding(1, 1, 1));
    adopt(bed, &one).await;
    let mut two = plan("p-2", Some("p-1"), &[(1, 3)]);
    let leaving = Binding {
        state: BindingState::Leaving,
        ..binding(1, 1, 1)
    };
    two.bindings.insert(binding_id(1), leaving);
    adopt(bed, &two).await;
}

async fn order(bed: &Bed, generation: u64, number: u32, wanted: PowerWanted) -> Order {
    let life = bed.identity().await.unwrap().incarnation;
    let order = Order {
        action: Action::Power(wanted),
        ..power_order(life, 1, generation, number)
    };
    let orders = [Intended {
        order: order.clone(),
        leave: Leave::Unneeded,
    }];
    let issue = Issue {
        plan: "p-2",
        permits_epoch: 0,
        decided: schema_ids::Timestamp::from_unix_ms(i64::MAX),
        restraints_epoch: 0,
        orders: &orders,
        goes: None,
        beyond: None,
        who: "musterd",
    };
    bed.issue(&issue).await.unwrap();
    order
}

async fn done(bed: &Bed, sequence: u64, order: &Order) {
    let order = order.reference();
    bed.append_facts(&sync("r1", vec![(sequence, FactBody::OrderDone { order })]))
        .await
        .unwrap();
}

/// In which generation it was seen off, or vouched for; where one is known, since when is known too.
async fn gone_in(bed: &Bed) -> Option<Generation> {
    let seen = bed.observed().await.unwrap().machines[&machine(1)].clone();
    assert_eq!(seen.gone_in.is_some(), seen.gone_at.is_some());
    seen.gone_in
}

#[tokio::test]
async fn a_machine_is_gone_when_its_newest_order_has_switched_it_off() {
    let bed = Bed::new().await;
    leaving(&bed).await;
    let before = order(&bed, 2, 9, PowerWanted::Off).await;
    done(&bed, 1, &before).await;
    assert_eq!(gone_in(&bed).await, Some(Generation(2)), "of another intent");
    let soft = order(&bed, 3, 1, PowerWanted::SoftOff).await;
    assert_eq!(gone_in(&bed).await, None, "only asked to shut down");
    let hard = order(&bed, 3, 2, PowerWanted::Off).await;
    done(&bed, 2, &soft).await;
    assert_eq!(gone_in(&bed).await, None, "an order that was replaced");
    done(&bed, 3, &hard).await;
    assert_eq!(gone_in(&bed).await, Some(Generation(3)));
    let on = order(&bed, 3, 3, PowerWanted::On).await;
    done(&bed, 4, &on).await;
    assert_eq!(gone_in(&bed).await, None, "a person had it switched on again");
}

#[tokio::test]
async fn a_persons_word_is_kept_once_for_the_generation_that_it_was_given_for() {
    let bed = Bed::new().await;
    leaving(&bed).await;
    let (ada, now) = (by(), Generation(3));
    let fence = async |plan| bed.fence(plan, machine(1), now, &ada).await.unwrap();
    assert_eq!(fence("p-1").await, Fencing::PlanSuperseded);
    assert_eq!(gone_in(&bed).await, None);
    assert_eq!(fence("p-2").await, Fencing::Written);
    assert_eq!(fence("p-2").await, Fencing::Written);
    assert_eq!(gone_in(&bed).await, Some(Generation(3)));

    let told = |entry: &reconciler_store::AuditEntry| entry.what == "machine-fenced";
    let audit = bed.audit(None).await.unwrap();
    assert_eq!(audit.iter().filter(|entry| told(entry)).count(), 1, "said once");
    for (generation, known) in [(3, true), (4, false)] {
        let scope = Scope {
            generation: Generation(generation),
            agents: BTreeSet::new(),
        };
        let facts = bed
            .facts_of(&BTreeMap::from([(machine(1), scope)]))
            .await
            .unwrap();
        let fenced = facts[&machine(1)].fenced.as_ref();
        assert_eq!(fenced.is_some_and(|fenced| fenced.who == "ada"), known);
    }
}
