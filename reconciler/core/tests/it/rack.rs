//! What a rack agent is told of machines that stand elsewhere, or whose interfaces git does not know.

use crate::planning;
use rack_api::config::{Enlist, Known};
use reconciler_core::plan::Plan;
use reconciler_core::rack;
use schema_ids::{Incarnation, MachineId};
use std::collections::BTreeSet;

/// The agent's configuration knows machines by these.
fn known(plan: &Plan, written: &BTreeSet<MachineId>, agent: &str) -> Known {
    let inputs = rack::Inputs {
        plan,
        incarnation: Incarnation {
            number: 1,
            uuid: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
        },
        orders: &[],
        written,
        secrets: &Default::default(),
        bmc_times: reconciler_core::roles::BmcTimes::DEFAULT,
        token_key: "",
    };
    rack::desired(&inputs, &agent.parse().unwrap()).config.known
}

#[test]
fn strangers_are_known_by_all_that_git_says_of_the_whole_fleet() {
    let text = r#"
[rack.r2]
agents = ["rackd-2"]

[machine.here]
rack = "r1"
serial = "S-1"
nic.p0 = { mac = "52:54:00:77:00:01", link = "lab/pxe" }

[machine.elsewhere]
rack = "r2"
serial = " S-2 "
uuid = "00112233-4455-6677-8899-aabbccddeeff"
nic.p0 = { mac = "52:54:00:77:00:02" }
"#;
    let mut plan = planning::World::new().plan(&planning::fleet("", text));
    let all = Known {
        serials: ["S-1".to_owned(), "S-2".to_owned()].into(),
        uuids: ["00112233-4455-6677-8899-aabbccddeeff".parse().unwrap()].into(),
        macs: [
            "52:54:00:77:00:01".parse().unwrap(),
            "52:54:00:77:00:02".parse().unwrap(),
        ]
        .into(),
    };
    let none = BTreeSet::new();
    assert_eq!(known(&plan, &none, "rackd-1"), all);
    assert_eq!(
        known(&plan, &none, "rackd-2"),
        Known::default(),
        "it stands on no link"
    );
    let all_written = plan.machines.keys().copied().collect();
    assert_eq!(
        known(&plan, &all_written, "rackd-1"),
        Known::default(),
        "they boot their disks"
    );

    let gone = plan
        .machines
        .values_mut()
        .find(|machine| machine.name.as_str() == "elsewhere");
    gone.unwrap().declared = false;
    assert_eq!(known(&plan, &none, "rackd-1").serials, ["S-1".to_owned()].into());
    for enlist in [Enlist::Off, Enlist::On] {
        plan.links.get_mut("lab/pxe").unwrap().enlist = enlist;
        assert_eq!(
            known(&plan, &none, "rackd-1"),
            Known::default(),
            "nothing depends on it"
        );
    }
}
