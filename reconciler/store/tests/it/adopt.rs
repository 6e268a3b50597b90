//! Plans and their adoption.

use crate::bed::Bed;
use crate::fleet::{adopt, adoption, binding, binding_id, by, job, machine, name, plan, uuid};
use reconciler_core::facts::WriteStart;
use reconciler_core::hold::Effect;
use reconciler_core::observed::{BindingState, DiskContents, Observed};
use reconciler_core::plan::{BmcPlan, Plan};
use reconciler_store::{Adoption, Basis, GoTakes, HandOver, NewHold, StartRecord, StoreError, WorkItem};
use schema_ids::Timestamp;
use std::time::Duration;

#[tokio::test]
async fn a_plan_comes_back_as_it_was_stored() {
    let bed = Bed::new().await;
    let mut stored = plan("p-1", None, &[(1, 1)]);
    stored.machines.get_mut(&machine(1)).unwrap().serial = Some("nul \0 and \u{1f680}".to_owned());
    bed.save_plan(&stored).await.unwrap();
    bed.save_plan(&stored).await.unwrap();
    assert_eq!(bed.plan("p-1").await.unwrap().as_ref(), Some(&stored));
    assert_eq!(bed.plan("p-2").await.unwrap(), None);
    assert_eq!(bed.adopted().await.unwrap(), None, "stored is not adopted");
    let other = plan("p-1", None, &[(2, 1)]);
    assert!(matches!(bed.save_plan(&other).await, Err(StoreError::PlanTaken { id }) if id == "p-1"));
}

#[tokio::test]
async fn a_plan_that_is_made_again_is_stored_once() {
    let bed = Bed::new().await;
    let first = plan("p-1", None, &[(1, 1)]);
    let mut again = first.clone();
    again.made = first.made.plus(Duration::from_secs(60));
    bed.save_plan(&first).await.unwrap();
    bed.save_plan(&again).await.unwrap();
    assert_eq!(bed.plan("p-1").await.unwrap(), Some(first));
    bed.save_shown_plan(&again, "tree").await.unwrap();
    bed.save_shown_plan(&again, "tree").await.unwrap();
    assert_eq!(bed.number("SELECT count(*) FROM shown").await, 1);
    adopt(&bed, &again).await;
}

/// What people agreed to for the tree of this commit, by the plans' ids.
async fn agreed(bed: &Bed, commit: &str) -> Vec<String> {
    let plans = bed.agreed_plans(commit, "tree").await.unwrap();
    plans.into_iter().map(|plan| plan.id).collect()
}

#[tokio::test]
async fn who_looks_after_a_commit_arrived_agrees_to_nothing() {
    let bed = Bed::new().await;
    let [one, two, three] = ["p-1", "p-2", "p-3"].map(|id| plan(id, None, &[(1, 1)]));
    bed.save_shown_plan(&one, "tree").await.unwrap();
    bed.save_shown_plan(&two, "tree").await.unwrap();
    bed.save_shown_plan(&three, "another tree").await.unwrap();
    assert_eq!(agreed(&bed, "commit").await, [""; 0], "it has not arrived");
    bed.sql("SELECT pg_sleep(0.002)").await;
    bed.record_arrival("commit").await.unwrap();
    assert_eq!(agreed(&bed, "commit").await, ["p-2"]);
    bed.save_shown_plan(&three, "tree").await.unwrap();
    bed.record_arrival("commit").await.unwrap();
    assert_eq!(agreed(&bed, "commit").await, ["p-2"], "shown too late");
    bed.sql("SELECT pg_sleep(0.002)").await;
    bed.record_arrival("reverted to it").await.unwrap();
    assert_eq!(agreed(&bed, "reverted to it").await, ["p-3"]);
    bed.approve("p-3", &three.wipe_set.digest, &by()).await.unwrap();
    assert_eq!(agreed(&bed, "commit").await, ["p-2", "p-3"]);
    let arrivals = bed.revision_history("commit").await.unwrap();
    assert_eq!(arrivals.len(), 1, "it arrives once");
}

#[tokio::test]
async fn of_two_adopters_one_wins() {
    let bed = Bed::new().await;
    let rival = bed.another().await;
    let base = plan("p-0", None, &[(1, 1)]);
    adopt(&bed, &base).await;
    for round in 0..20 {
        let parent = bed.adopted_id().await.unwrap();
        let ours = plan(&format!("p-a{round}"), parent.as_deref(), &[(1, 1)]);
        let theirs = plan(&format!("p-b{round}"), parent.as_deref(), &[(1, 1)]);
        let (one, two) = tokio::join!(adoption(&bed, &ours), adoption(&rival, &theirs));
        let (winner, loser) = match (one.unwrap(), two.unwrap()) {
            (Adoption::Adopted, stale) => (ours.id, stale),
            (stale, Adoption::Adopted) => (theirs.id, stale),
            both => panic!("nobody won: {both:?}"),
        };
        assert_eq!(
            loser,
            Adoption::Stale {
                current: Some(winner.clone())
            }
        );
        assert_eq!(bed.adopted_id().await.unwrap(), Some(winner));
    }
    let adoptions = bed.audit(None).await.unwrap();
    assert_eq!(
        adoptions
            .iter()
            .filter(|entry| entry.what == "plan-adopted")
            .count(),
        21
    );
}

fn go(n: u8, generation: u64, nonce: u8) -> WriteStart {
    WriteStart {
        job: job(n, generation, 1),
        boot_id: uuid(50),
        nonce: uuid(nonce),
        at: Timestamp::from_unix_ms(0),
        refused: None,
    }
}

#[tokio::test]
async fn a_plan_that_does_not_know_of_a_go_is_not_adopted() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 2), (2, 1)])).await;
    let parent = bed.adopted().await.unwrap().unwrap();
    let observed = bed.observed().await.unwrap();
    let before = Basis {
        parent: &parent,
        observed: &observed,
    };
    let change = plan("p-2", Some("p-1"), &[(1, 3), (2, 1)]);
    let drop = plan("p-3", Some("p-1"), &[(2, 1)]);
    let other = plan("p-4", Some("p-1"), &[(1, 2), (2, 2)]);
    let begun = Adoption::Begun { machine: name("m1") };

    let refusal = WriteStart {
        refused: Some(("HELD".to_owned(), "held".to_owned())),
        ..go(1, 2, 1)
    };
    bed.record_start("p-1", 0, 0, GoTakes::default(), &refusal)
        .await
        .unwrap();
    bed.record_start("p-1", 0, 0, GoTakes::default(), &go(1, 2, 2))
        .await
        .unwrap();
    for plan in [&change, &drop] {
        assert_eq!(bed.adopt(plan, before, &by()).await.unwrap(), begun);
        assert_eq!(bed.plan(&plan.id).await.unwrap(), None, "nothing is left behind");
    }
    // Nothing new is wanted of the machine that began.
    assert_eq!(bed.adopt(&other, before, &by()).await.unwrap(), Adoption::Adopted);
    let change = plan("p-5", Some("p-4"), &[(1, 3), (2, 2)]);
    assert_eq!(bed.adopt(&change, before, &by()).await.unwrap(), begun);
    adopt(&bed, &change).await;

    let observed = bed.observed().await.unwrap();
    let before = Basis {
        parent: &change,
        observed: &observed,
    };
    bed.record_start("p-5", 0, 0, GoTakes::default(), &go(1, 3, 3))
        .await
        .unwrap();
    let change = plan("p-6", Some("p-5"), &[(1, 4), (2, 2)]);
    assert_eq!(
        bed.adopt(&change, before, &by()).await.unwrap(),
        begun,
        "a later go"
    );
    adopt(&bed, &change).await;
}

/// What a person keeps from machines counts for a plan that was made before it, and nobody carries out what was judged by
/// a time long past.
#[tokio::test]
async fn a_plan_of_an_older_world_is_not_adopted() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 2)])).await;
    let parent = bed.adopted().await.unwrap().unwrap();
    let change = plan("p-2", Some("p-1"), &[(1, 3)]);
    let mut observed = bed.observed().await.unwrap();
    let hold = NewHold {
        targets: vec!["machine:m1".parse().unwrap()],
        effect: Effect::NoAllocate,
        until: Timestamp::from_unix_ms(i64::MAX / 2),
        ticket: None,
    };
    let hold = bed.add_hold(&hold, &by()).await.unwrap();
    let try_with = async |observed: &Observed| {
        let parent = &parent;
        bed.adopt(&change, Basis { parent, observed }, &by())
            .await
            .unwrap()
    };
    assert_eq!(try_with(&observed).await, Adoption::Held);
    observed = bed.observed().await.unwrap();
    bed.end_hold(&hold.id, &by()).await.unwrap();
    assert_eq!(try_with(&observed).await, Adoption::Held);
    observed = bed.observed().await.unwrap();
    let at = observed.at;
    observed.at = at.minus(Duration::from_secs(61));
    let Adoption::TooLate { after } = try_with(&observed).await else {
        panic!("adopted, though it was judged more than a minute ago")
    };
    assert!(after >= Duration::from_secs(61), "{after:?}");
    assert_eq!(bed.adopted_id().await.unwrap().as_deref(), Some("p-1"));
    observed.at = at;
    assert_eq!(try_with(&observed).await, Adoption::Adopted);
}

/// Of a go and an adoption that meet, whichever comes second sees the first.
#[tokio::test]
async fn a_go_and_an_adoption_do_not_pass_each_other() {
    for go_is_first in [true, false] {
        let bed = Bed::new().await;
        let parent = plan("p-1", None, &[(1, 2)]);
        adopt(&bed, &parent).await;
        let basis = Basis {
            parent: &parent,
            observed: &bed.observed().await.unwrap(),
        };
        let next = plan("p-2", Some("p-1"), &[(1, 3)]);
        let (by, start) = (by(), go(1, 2, 1));
        // Both stand in line behind this one, in the order wanted.
        let mut gate = bed.raw.begin().await.unwrap();
        let lock = sqlx::query("SELECT FROM target FOR UPDATE");
        lock.execute(&mut *gate).await.unwrap();
        let started = async {
            bed.waiting(if go_is_first { 0 } else { 1 }).await;
            bed.record_start("p-1", 0, 0, GoTakes::default(), &start)
                .await
                .unwrap()
        };
        let adopted = async {
            bed.waiting(if go_is_first { 1 } else { 0 }).await;
            bed.adopt(&next, basis, &by).await.unwrap()
        };
        let open = async {
            bed.waiting(2).await;
            gate.commit().await.unwrap();
        };
        let (started, adopted, ()) = tokio::join!(started, adopted, open);
        if go_is_first {
            assert!(matches!(started, StartRecord::Recorded(_)), "{started:?}");
            assert_eq!(adopted, Adoption::Begun { machine: name("m1") });
        } else {
            assert_eq!((started, adopted), (StartRecord::Superseded, Adoption::Adopted));
        }
    }
}

#[tokio::test]
async fn a_bmc_that_changes_racks_rests_unless_the_hand_is_the_same() {
    let bed = Bed::new().await;
    let [a, b] = ["a", "b"].map(name);
    let placed = |id: &str, parent: Option<&str>, rack: &str| {
        let mut plan = plan(id, parent, &[(1, 1)]);
        let machine = plan.machines.get_mut(&machine(1)).unwrap();
        machine.rack = Some(name(rack));
        machine.bmc = Some(BmcPlan {
            driver: "ipmi".to_owned(),
            address: "10.0.0.9".parse().unwrap(),
            port: 623,
            secret: None,
        });
        plan
    };
    adopt(&bed, &placed("p-1", None, "r1")).await;
    for (rack, to) in [("r1", &a), ("r2", &a), ("r3", &b)] {
        let wish = HandOver {
            rack: &name(rack),
            from: None,
            to: Some(to),
            silence: Duration::ZERO,
        };
        assert!(bed.hand_over_bmcs(&wish, &by()).await.unwrap());
    }
    let holder = async |rack: &str| bed.bmc_roles().await.unwrap()[&name(rack)].agent.clone();
    adopt(&bed, &placed("p-2", Some("p-1"), "r2")).await;
    assert_eq!(holder("r2").await, Some(a.clone()), "the same hand");
    adopt(&bed, &placed("p-3", Some("p-2"), "r3")).await;
    assert_eq!(holder("r3").await, None, "of b, and a may still act");
    assert_eq!(holder("r2").await, Some(a), "what is left there is not touched");
    adopt(&bed, &placed("p-4", Some("p-3"), "renamed")).await;
    assert_eq!(holder("renamed").await, None, "a rack that nobody had");
}

#[tokio::test]
async fn adoption_is_repeated_without_effect_after_a_lost_answer() {
    let bed = Bed::new().await;
    let first = plan("p-1", Some(&Plan::empty(name("lab")).id), &[(1, 1)]);
    adopt(&bed, &first).await;
    adopt(&bed, &first).await;
    assert_eq!(bed.audit(None).await.unwrap().len(), 1);
    let orphan = plan("p-2", None, &[(1, 2)]);
    assert_eq!(
        adoption(&bed, &orphan).await.unwrap(),
        Adoption::Stale {
            current: Some("p-1".to_owned())
        }
    );
    assert_eq!(
        bed.plan("p-2").await.unwrap(),
        None,
        "a stale plan leaves nothing behind"
    );
}

#[tokio::test]
async fn adoption_claims_renames_and_marks_work() {
    let bed = Bed::new().await;
    adopt(&bed, &plan("p-1", None, &[(1, 1), (2, 5)])).await;
    let mut renamed = plan("p-2", Some("p-1"), &[(1, 2)]);
    renamed.machines.get_mut(&machine(1)).unwrap().name = name("front-1");
    adopt(&bed, &renamed).await;
    let observed = bed.observed().await.unwrap();
    assert_eq!(observed.machines[&machine(1)].name, name("front-1"));
    assert_eq!(
        observed.machines[&machine(2)].name,
        name("m2"),
        "a machine that left the plan stays known"
    );
    let mut items: Vec<_> = bed.claim(9, Duration::from_secs(9)).await.unwrap();
    items.sort_by_key(|claimed| claimed.item);
    let items: Vec<_> = items.into_iter().map(|claimed| claimed.item).collect();
    assert_eq!(
        items,
        [
            WorkItem::Fleet,
            WorkItem::Machine(machine(1)),
            WorkItem::Machine(machine(2))
        ]
    );
}

#[tokio::test]
async fn a_deployment_that_was_renamed_keeps_its_bindings_and_frees_its_name() {
    let bed = Bed::new().await;
    let mut base = plan("p-1", None, &[(1, 1), (2, 1)]);
    base.bindings = [
        (binding_id(1), binding(1, 1, 1)),
        (binding_id(2), binding(2, 2, 2)),
    ]
    .into();
    adopt(&bed, &base).await;
    let mut renamed = plan("p-2", Some("p-1"), &[(1, 1), (2, 1), (3, 1)]);
    renamed.bindings = base.bindings.clone();
    for binding in renamed.bindings.values_mut() {
        binding.deployment = name("site");
    }
    let rival = plan("p-3", Some("p-1"), &[(1, 1), (2, 1)]);
    adopt(&bed, &renamed).await;
    assert!(matches!(
        adoption(&bed, &rival).await.unwrap(),
        Adoption::Stale { .. }
    ));
    assert_eq!(bed.observed().await.unwrap().bindings, renamed.bindings);

    // Its old name's slots are free, those of the new one are not.
    let mut next = plan("p-4", Some("p-2"), &[(1, 1), (2, 1), (3, 1)]);
    next.bindings = renamed.bindings.clone();
    let taken = reconciler_core::observed::Binding {
        deployment: name("site"),
        ..binding(3, 1, 3)
    };
    next.bindings.insert(binding_id(3), taken);
    match adoption(&bed, &next).await {
        Err(StoreError::StillHeld { index, .. }) => assert_eq!(index, "binding_slot_once"),
        other => panic!("{other:?}"),
    }
    next.bindings.insert(binding_id(3), binding(3, 1, 3));
    adopt(&bed, &next).await;
    assert_eq!(bed.observed().await.unwrap().bindings, next.bindings);
}

#[tokio::test]
async fn a_slot_a_machine_a_disk_and_an_address_are_held_once() {
    let bed = Bed::new().await;
    let mut base = plan("p-1", None, &[(1, 1), (2, 1)]);
    base.bindings.insert(binding_id(1), binding(1, 0, 1));
    adopt(&bed, &base).await;
    let (mut disk, mut address) = (binding(2, 1, 2), binding(2, 1, 2));
    disk.disks = binding(1, 0, 1).disks;
    address.addresses = binding(1, 0, 1).addresses;
    let taken = [
        (binding(2, 0, 2), "binding_slot_once"),
        (binding(1, 1, 2), "binding_machine_once"),
        (disk, "binding_disk_once"),
        (address, "binding_address_once"),
    ];
    for (second, expected) in taken {
        let mut next = plan("p-2", Some("p-1"), &[(1, 1), (2, 1)]);
        next.bindings.insert(binding_id(2), second);
        match adoption(&bed, &next).await {
            Err(StoreError::StillHeld { index, .. }) => assert_eq!(index, expected),
            other => panic!("{expected}: {other:?}"),
        }
        assert_eq!(
            bed.adopted_id().await.unwrap().as_deref(),
            Some("p-1"),
            "nothing was adopted"
        );
    }
}

#[tokio::test]
async fn a_leaving_binding_keeps_its_disks_and_frees_its_slot_until_it_ends() {
    let bed = Bed::new().await;
    let mut one = plan("p-1", None, &[(1, 1), (2, 1)]);
    one.bindings.insert(binding_id(1), binding(1, 0, 1));
    adopt(&bed, &one).await;

    let mut two = plan("p-2", Some("p-1"), &[(1, 2), (2, 2)]);
    let leaving = reconciler_core::observed::Binding {
        state: BindingState::Leaving,
        ..binding(1, 0, 1)
    };
    two.bindings = [(binding_id(1), leaving), (binding_id(2), binding(2, 0, 2))].into();
    adopt(&bed, &two).await;
    assert_eq!(bed.observed().await.unwrap().bindings, two.bindings);

    let mut three = plan("p-3", Some("p-2"), &[(1, 2), (2, 2)]);
    three.bindings.insert(binding_id(2), binding(2, 0, 2));
    three.bindings.insert(binding_id(3), binding(1, 1, 1));
    assert!(matches!(
        adoption(&bed, &three).await,
        Err(StoreError::StillHeld { .. })
    ));
    three.ended.insert(binding_id(1));
    adopt(&bed, &three).await;
    assert_eq!(bed.observed().await.unwrap().bindings, three.bindings);

    let mut four = plan("p-4", Some("p-3"), &[]);
    four.bindings.insert(binding_id(1), binding(1, 7, 7));
    assert!(matches!(
        adoption(&bed, &four).await,
        Err(StoreError::BindingEnded { .. })
    ));
}

#[tokio::test]
async fn a_binding_may_change_what_it_owns() {
    let bed = Bed::new().await;
    let mut one = plan("p-1", None, &[(1, 1), (2, 1)]);
    one.bindings.insert(binding_id(1), binding(1, 0, 1));
    adopt(&bed, &one).await;
    let mut two = plan("p-2", Some("p-1"), &[(1, 1), (2, 1)]);
    two.bindings.insert(binding_id(1), binding(1, 0, 3));
    two.bindings.insert(binding_id(2), binding(2, 1, 1));
    adopt(&bed, &two).await;
    assert_eq!(bed.observed().await.unwrap().bindings, two.bindings);
}

#[tokio::test]
async fn approvals_are_kept_once_each() {
    let bed = Bed::new().await;
    bed.save_plan(&plan("p-1", None, &[])).await.unwrap();
    for wipe_set in ["w-1", "w-1", "w-2"] {
        bed.approve("p-1", wipe_set, &by()).await.unwrap();
    }
    let approvals = bed.approvals("p-1").await.unwrap();
    let wipe_sets: Vec<_> = approvals
        .iter()
        .map(|approval| approval.wipe_set.as_str())
        .collect();
    assert_eq!(wipe_sets, ["w-1", "w-2"]);
    assert_eq!(approvals[0].by, by());
    assert!(bed.approve("p-unknown", "w-1", &by()).await.is_err());
}

/// A plan that erases this disk of the first machine, with a wipe-set that is called `w-1` whatever is in it.
fn erasing(id: &str, content: &str) -> Plan {
    let mut plan = plan(id, None, &[(1, 1)]);
    let erased = DiskContents {
        disk: "serial:d1".parse().unwrap(),
        content: content.parse().unwrap(),
    };
    plan.wipe_set.digest = "w-1".to_owned();
    plan.wipe_set.entries = [(machine(1), [erased].into())].into();
    // Text that `jsonb` refuses stands in no one's way.
    plan.machines.get_mut(&machine(1)).unwrap().serial = Some("nul \0".to_owned());
    plan
}

/// Who agreed to what this plan erases.
async fn approvers(bed: &Bed, plan: &Plan) -> Vec<String> {
    let people = bed.approvers(plan, &[machine(1)].into()).await.unwrap();
    people.into_iter().collect()
}

#[tokio::test]
async fn a_word_is_for_what_is_erased_and_not_for_its_name() {
    let bed = Bed::new().await;
    let (one, other) = (erasing("p-1", "data:gpt-1"), erasing("p-2", "data:gpt-2"));
    for plan in [&one, &other] {
        bed.save_plan(plan).await.unwrap();
    }
    bed.approve("p-1", "w-1", &by()).await.unwrap();
    assert_eq!(approvers(&bed, &one).await, ["ada"]);
    assert_eq!(approvers(&bed, &other).await, [""; 0]);

    // By another plan that erases the same and releases nobody more.
    let again = erasing("p-3", "data:gpt-1");
    assert_eq!(approvers(&bed, &again).await, ["ada"]);
    let more = Plan {
        destroys: [machine(2)].into(),
        ..again
    };
    assert_eq!(approvers(&bed, &more).await, [""; 0]);
}

#[tokio::test]
async fn a_word_is_taken_back_until_it_is_given_again() {
    let bed = Bed::new().await;
    let plans = ["p-1", "p-2"].map(|id| erasing(id, "data:gpt-1"));
    let bob = reconciler_store::By {
        who: "bob".to_owned(),
        ..by()
    };
    for plan in &plans {
        bed.save_plan(plan).await.unwrap();
        bed.approve(&plan.id, "w-1", &by()).await.unwrap();
    }
    bed.approve("p-1", "w-1", &bob).await.unwrap();
    assert!(bed.withdraw_approval("w-1", &by()).await.unwrap());
    assert_eq!(
        approvers(&bed, &plans[0]).await,
        ["bob"],
        "hers alone, by both plans"
    );
    assert!(!bed.withdraw_approval("w-1", &by()).await.unwrap());
    assert!(!bed.withdraw_approval("w-2", &bob).await.unwrap());
    bed.approve("p-1", "w-1", &by()).await.unwrap();
    assert_eq!(approvers(&bed, &plans[0]).await, ["ada", "bob"]);
    let said = "SELECT count(*) FROM audit WHERE what = 'approval-withdrawn'";
    assert_eq!(bed.number(said).await, 2);
}

#[tokio::test]
async fn what_a_plan_destroys_counts_for_a_day() {
    let bed = Bed::new().await;
    let mut base = plan("p-1", None, &[(1, 1), (2, 1)]);
    base.bindings.insert(binding_id(1), binding(1, 0, 1));
    adopt(&bed, &base).await;
    // With the plan that destroys it the binding ends, and what it was bound for is known all the same.
    let mut destroying = plan("p-2", Some("p-1"), &[(1, 2), (2, 1)]);
    destroying.ended.insert(binding_id(1));
    destroying.destroys.insert(machine(1));
    adopt(&bed, &destroying).await;
    let known = bed.observed().await.unwrap().destroyed;
    let deployments = known.into_iter().map(|(id, gone)| (id, gone.deployments));
    assert_eq!(
        deployments.collect::<Vec<_>>(),
        [(machine(1), [name("web")].into())]
    );
    bed.sql("UPDATE destroyed SET at_ms = at_ms - 24 * 3600 * 1000")
        .await;
    assert!(bed.observed().await.unwrap().destroyed.is_empty());
}

#[tokio::test]
async fn a_guard_is_opened_by_each_person_once() {
    let bed = Bed::new().await;
    bed.save_plan(&plan("p-1", None, &[(1, 1)])).await.unwrap();
    let say = |why: &str| reconciler_store::By {
        why: why.to_owned(),
        ..by()
    };
    bed.open_guard("p-1", "limits", &say("first")).await.unwrap();
    bed.open_guard("p-1", "limits", &say("second")).await.unwrap();
    bed.open_guard("p-1", "empty", &say("another")).await.unwrap();
    let opened = bed.opened("p-1").await.unwrap();
    let said: Vec<_> = opened
        .iter()
        .map(|one| (one.guard.as_str(), one.why.as_str()))
        .collect();
    assert_eq!(said, [("limits", "second"), ("empty", "another")]);
    assert_eq!(
        bed.number("SELECT count(*) FROM audit WHERE what = 'guard-opened'")
            .await,
        3
    );
    assert!(bed.open_guard("p-2", "limits", &say("of no plan")).await.is_err());
}

/// Zones and pools of a machine as it is destroyed: where it was, and where the plan has it now.
#[tokio::test]
async fn it_is_kept_where_a_machine_was_when_it_was_destroyed() {
    let bed = Bed::new().await;
    let place = |plan: &mut Plan, zone: &str, pool: &str| {
        let machine = plan.machines.get_mut(&machine(1)).unwrap();
        (machine.zone, machine.pool) = (Some(name(zone)), Some(name(pool)));
    };
    let mut first = plan("p-1", None, &[(1, 1)]);
    place(&mut first, "east", "web");
    adopt(&bed, &first).await;
    let mut second = plan("p-2", Some("p-1"), &[(1, 2)]);
    place(&mut second, "east", "db");
    second.destroys = [machine(1)].into();
    let observed = bed.observed().await.unwrap();
    let basis = Basis {
        parent: &first,
        observed: &observed,
    };
    bed.adopt(&second, basis, &by()).await.unwrap();
    // It leaves the fleet, and what was done to it is known all the same.
    adopt(&bed, &plan("p-3", Some("p-2"), &[])).await;
    let known = &bed.observed().await.unwrap().destroyed[&machine(1)];
    assert_eq!(known.zones, [name("east")].into());
    assert_eq!(known.pools, [name("db"), name("web")].into());
}
