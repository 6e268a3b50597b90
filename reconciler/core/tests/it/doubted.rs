//! A machine of which nobody can say which it is: its rack agent tells it so when it boots.

use crate::world::{World, fleet};
use reconciler_core::rack;

#[test]
fn a_machine_of_doubtful_identity_is_refused_with_the_reason() {
    let text = |serial: &str| {
        format!(
            "[machine.m1]\nrack = \"r1\"\nserial = \"{serial}\"\nboot.mode = \"bios\"\n\
             nic.p0 = {{ mac = \"52:54:00:77:00:01\", link = \"lab/pxe\" }}\n"
        )
    };
    let seen = "serial = \"S1\"\nmacs = [\"52:54:00:77:00:01\"]\ndisks = []";
    let mut world = World::new();
    let mut refusals = Vec::new();
    for serial in ["S1", "S2", "S1"] {
        let declared = fleet("", &text(serial));
        world.next_commit();
        world.adopt(&declared, world.plan(&declared));
        let (id, _) = world.parent.machine("m1").unwrap();
        let inventory = toml::from_str::<crate::seen::SeenMachine>(seen)
            .unwrap()
            .inventory(&world.parent);
        world.see(id, inventory);
        world.adopt(&declared, world.plan(&declared));
        let inputs = rack::Inputs {
            plan: &world.parent,
            incarnation: world.observed.incarnation,
            orders: &[],
            written: &Default::default(),
            secrets: &Default::default(),
            bmc_times: reconciler_core::roles::BmcTimes::DEFAULT,
            stopped: &Default::default(),
            token_key: "",
        };
        let served = rack::desired(&inputs, &"rackd-1".parse().unwrap())
            .config
            .machines;
        refusals.push(served[&id].refuse.clone());
    }
    let [before, doubted, after] = refusals.as_slice() else {
        panic!("{refusals:?}");
    };
    let doubted = doubted.as_deref().unwrap_or_default();
    assert!(
        doubted.starts_with("IDENTITY_AMBIGUOUS: ") && doubted.contains("S1"),
        "{doubted}"
    );
    assert_eq!((before, after), (&None, &None));
}
