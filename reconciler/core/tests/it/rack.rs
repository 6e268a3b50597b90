//! What a rack agent is told of machines that stand elsewhere, or whose interfaces git does not know.

use crate::world;
use rack_api::config::{Enlist, Known, RackConfig, Relay};
use reconciler_core::plan::Plan;
use reconciler_core::rack;
use schema_ids::{Incarnation, MachineId};
use std::collections::BTreeSet;

/// The agent's configuration.
fn config(plan: &Plan, written: &BTreeSet<MachineId>, agent: &str) -> RackConfig {
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
        stopped: &Default::default(),
        token_key: "",
    };
    rack::desired(&inputs, &agent.parse().unwrap()).config
}

/// It knows machines by these.
fn known(plan: &Plan, written: &BTreeSet<MachineId>, agent: &str) -> Known {
    config(plan, written, agent).known
}

#[test]
fn a_vlan_behind_a_relay_is_served_by_the_agents_that_the_relay_leads_to() {
    let text = r#"
[rack.r2]

[fabric.far]
vlan.pxe = { vid = 300, dhcp = "relay", relay-to = "lab/pxe", giaddr = ["10.78.0.254"] }

[subnet.far]
vlan = "far/pxe"
cidr = "10.78.0.0/24"
gateway = "10.78.0.254"
range = [{ use = "dynamic", from = "10.78.0.200", to = "10.78.0.250" }]

[machine.here]
rack = "r1"
nic.p0 = { mac = "52:54:00:77:00:01", link = "lab/pxe" }

[machine.there]
rack = "r2"
nic.p0 = { mac = "52:54:00:77:00:02", link = "far/pxe" }
"#;
    let plan = world::World::new().plan(&world::fleet("", text));
    let config = config(&plan, &BTreeSet::new(), "rackd-1");
    let link = &config.links["far/pxe"];
    let relay = Relay {
        giaddr: ["10.78.0.254".parse().unwrap()].into(),
    };
    assert_eq!((link.dhcp, link.relay.as_ref()), (true, Some(&relay)));
    assert_eq!(link.subnets[0].dynamic.len(), 1);
    assert_eq!(config.links["lab/pxe"].relay, None);
    let there = config
        .machines
        .values()
        .find(|machine| machine.name.as_str() == "there");
    let nic = &there.expect("its boots are answered here").nics[0];
    assert_eq!(nic.link, "far/pxe");
    let address = nic.address.expect("it has an address of its own");
    assert_eq!(address.octets()[..3], [10, 78, 0]);
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
    let mut plan = world::World::new().plan(&world::fleet("", text));
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
