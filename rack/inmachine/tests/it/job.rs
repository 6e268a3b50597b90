//! What a job has done to a machine, told by hands that only keep what they were asked.

use crate::rack_agent::{Reply, serve};
use crate::sample;
use rack_api::boot_order::{BootOrder, BootOrderSeen};
use rack_api::inventory::Inventory;
use rack_api::job::{Deploy, Erase, Job, JobKind};
use rack_api::ownership::{MarkFound, MarkSeen, MarkWish, OwnershipMark};
use rack_inmachine::inventory::take;
use rack_inmachine::job::{Hands, carry_out};
use rack_inmachine::rack::Rack;
use rack_inmachine::step::{StepFailed, Steps};
use rack_inmachine::sysfs::Sysfs;
use schema_ids::MachineId;

/// A machine on which this mark is found.
struct Kept {
    mark: Option<MarkSeen>,
    /// Whether the boot order was to stay as it is, as often as it was asked for.
    stays: Vec<bool>,
}

impl Hands for Kept {
    fn inspect(&mut self, _mark: Option<&MarkWish>) -> Inventory {
        let root = tempfile::tempdir().unwrap();
        Inventory {
            mark: self.mark.clone(),
            ..take(&Sysfs::below(root.path()), None, |disk| panic!("{disk:?}"))
        }
    }

    fn boot_order(&mut self, stays: bool) -> Option<BootOrderSeen> {
        self.stays.push(stays);
        None
    }

    fn deploy(&mut self, _: &mut Steps<'_>, _: &Deploy, _: String) -> Result<(), StepFailed> {
        panic!("nobody asked for a deployment")
    }

    fn erase(&mut self, _: &mut Steps<'_>, _: &Erase) -> Result<(), StepFailed> {
        panic!("nobody asked for an erasure")
    }
}

#[test]
fn the_boot_order_of_another_s_machine_is_only_read() {
    let plane = |number| OwnershipMark {
        plane: sample::uuid(number),
        fleet: "lab".parse().unwrap(),
        machine: MachineId(sample::uuid(1)),
    };
    let wish = |over: Option<u8>| {
        Some(MarkWish {
            plane: plane(1).plane,
            stands: Some(plane(1)),
            over: over.map(|number| plane(number).owner()),
        })
    };
    let found = |number| Some(MarkSeen::of(MarkFound::Mark(plane(number))));
    let refused = |number| {
        found(number).map(|seen| MarkSeen {
            failed: Some("it is full".to_owned()),
            ..seen
        })
    };
    let table = [
        (false, None, None, false),
        (true, None, None, true),
        (false, wish(None), found(1), false),
        (true, wish(None), found(1), true),
        (false, None, found(9), true),
        (false, wish(None), found(9), true),
        (false, wish(Some(8)), found(9), true),
        // Taken over, and the firmware does not take the mark: it is a machine like any other.
        (false, wish(Some(9)), refused(9), false),
    ];
    for (leaves, wish, mark, stays) in table {
        let (server, _requests) = serve(|_| Reply::bytes(200, vec![]));
        let mut hands = Kept {
            mark: mark.clone(),
            stays: Vec::new(),
        };
        let job = Job {
            job: sample::job(),
            name: "m1".parse().unwrap(),
            boot_order: BootOrder::NetworkFirst,
            leaves,
            mark: wish.clone(),
            kind: JobKind::Inspect,
        };
        let mut rack = Rack::new(&server, "token");
        carry_out(&mut hands, &mut rack, sample::uuid(3), job, String::new());
        assert_eq!(hands.stays, [stays], "leaves {leaves}, {mark:?} under {wish:?}");
    }
}
