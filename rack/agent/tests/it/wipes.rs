//! How many machines are given over to what erases data in use within an hour: the agent counts for itself, whatever any daemon
//! says, and on its own disk; whoever runs its host may let more go.

use crate::boot::{argument, rack_with_job, script};
use crate::dhcp::RANGE;
use crate::rack::{Rack, boot_order, desired, incarnation, machine_id};
use crate::stop::ask;
use rack_api::config::{Desired, Enlist};
use rack_api::fact::FactBody;
use rack_api::job::{DiskErase, Erase, EraseMethod, JobKind};
use rack_api::machine::Verdict;
use rack_api::order::{Action, NextBoot, Order};
use schema_ids::{BindingId, Digest, Generation, Uuid};
use std::fs;

/// An order of this generation to erase what is in use.
fn erase(generation: u64) -> Order {
    let mut order = boot_order(generation, 1);
    if let Action::Boot(NextBoot::Job(job)) = &mut order.action {
        job.kind = JobKind::Erase(Box::new(Erase {
            binding: BindingId(Uuid::from_bytes([1; 16])),
            incarnation: incarnation(),
            spec: Digest([0; 32]),
            method: EraseMethod::Quick,
            disks: vec![DiskErase {
                disk: "serial:d1".parse().unwrap(),
                agreed: "data:theirs".parse().unwrap(),
                size_bytes: 1 << 30,
            }],
        }));
    }
    order
}

fn wanting(generation: u64) -> Desired {
    Desired {
        orders: vec![erase(generation)],
        ..desired(Enlist::Known, RANGE)
    }
}

fn taken(generation: u64) -> impl Fn(&FactBody) -> Option<()> {
    move |fact| match fact {
        FactBody::OrderTaken { order } if order.generation == Generation(generation) => Some(()),
        _ => None,
    }
}

/// Why an order of this generation was refused, and whether the agent said when it would not be.
fn refused(generation: u64) -> impl Fn(&FactBody) -> Option<(String, bool)> {
    move |fact| match fact {
        FactBody::OrderRefused { order, why, until } if order.generation == Generation(generation) => {
            Some((why.clone(), until.is_some()))
        }
        _ => None,
    }
}

fn answers(rack: &Rack) -> bool {
    rack.curl(&["/boot.ipxe"]).status.success()
}

/// Its boot order was counted longer than an hour ago, and others have begun since.
#[test]
fn what_was_given_over_long_ago_is_counted_when_it_is_to_write() {
    let mut rack = rack_with_job(|wanted| wanted.orders = vec![erase(1)]);
    let token = argument(&script(&rack), "muster.token");
    rack.stop_agent();
    let path = rack.path("state/desired.json");
    let mine = format!("[\"{}\",1,", machine_id());
    let kept = fs::read_to_string(&path).unwrap();
    assert_eq!(kept.matches(&mine).count(), 1, "{kept}");
    fs::write(&path, kept.replace(&mine, "[null,1,")).unwrap();

    // New to its work it counts two, and those are three.
    rack.words = vec!["--wipes-per-hour", "3"];
    rack.start_agent();
    rack.await_true("the agent answers HTTP", answers);
    let (status, verdict) = ask(&rack, &token, 1);
    let Some(Verdict::Refuse { code, reason }) = verdict else {
        panic!("it may write: {status} {verdict:?}");
    };
    assert_eq!(code, "RATE_LIMITED");
    assert!(reason.contains("--wipes-per-hour"), "{reason}");

    rack.stop_agent();
    rack.words = vec!["--wipes-per-hour", "4"];
    rack.start_agent();
    rack.await_true("the agent answers HTTP", answers);
    assert_eq!(ask(&rack, &token, 2), (200, Some(Verdict::Go)));
    rack.kill_agent();
    let kept = fs::read_to_string(&path).unwrap();
    assert_eq!(kept.matches(&mine).count(), 1, "{kept}");
}

#[test]
fn an_agent_counts_what_it_erases_for_itself_and_its_own_host_alone_lets_more_go() {
    let mut rack = Rack::start_told(wanting(1), &["--wipes-per-hour", "1"]);
    rack.await_fact("the first is taken", taken(1));
    rack.daemon.want(wanting(2));
    let (why, says_when) = rack.await_fact("the second is refused", refused(2));
    assert!(why.contains("--wipes-per-hour") && says_when, "{why}");

    // It knows after a power cut what it has begun.
    rack.kill_agent();
    rack.start_agent();
    rack.daemon.want(wanting(3));
    rack.await_fact("still refused", refused(3));

    rack.stop_agent();
    rack.words = vec!["--wipes-per-hour", "2"];
    rack.start_agent();
    rack.daemon.want(wanting(4));
    rack.await_fact("one more is taken", taken(4));
    rack.daemon.want(wanting(5));
    rack.await_fact("and no third", refused(5));
    let facts = rack.daemon.facts();
    let kept_back = [2, 3, 5].map(|generation| facts.iter().any(|fact| taken(generation)(fact).is_some()));
    assert_eq!(kept_back, [false; 3]);
}
