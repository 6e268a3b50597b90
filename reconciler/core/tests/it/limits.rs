//! Limits hold over any sequence of plans, not only within each.

use crate::seen::SeenMachine;
use crate::world::{World, fleet};
use proptest::prelude::*;
use reconciler_core::plan::Plan;
use reconciler_core::plan::adoption::adoptable;
use schema_ids::{MachineId, Timestamp};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

const MACHINES: usize = 4;
const MOST: usize = 2;
/// The first machines, which are a pool of their own, of which fewer may go.
const POOLED: usize = 2;
const SETTINGS: &str = "unreviewed = \"allow\"\nlimits.max-destroyed = 2";
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Which image each machine's own deployment has, and which of the first ones are in the pool.
fn text(bumped: [bool; MACHINES], pooled: [bool; POOLED]) -> String {
    let mut text = "[pool.slow]\nlimits.max-destroyed = 1\n".to_owned();
    for (at, is_bumped) in bumped.into_iter().enumerate() {
        let image = if is_bumped { "debian-b" } else { "debian-a" };
        let pool = if pooled.get(at) == Some(&true) {
            "pool = \"slow\"\n"
        } else {
            ""
        };
        writeln!(
            text,
            "[machine.m{at}]\nrack = \"r1\"\n{pool}boot.mode = \"bios\"\n\
             nic.p0 = {{ mac = \"52:54:00:77:00:0{at}\", link = \"lab/pxe\" }}\n\
             [deployment.w{at}]\nmachines = [\"m{at}\"]\nhostname = \"w{at}\"\nimage = \"{image}\"\n\
             storage = \"disk\"\nnetwork = \"auto\""
        )
        .unwrap();
    }
    text
}

/// All machines inspected and installed.
fn installed() -> World {
    let mut world = World::new();
    world.next_commit();
    let first = fleet(SETTINGS, &text([false; MACHINES], [true; POOLED]));
    let plan = world.plan(&first);
    world.adopt(&first, plan);
    for at in 0..MACHINES {
        let (id, _) = world.parent.machine(&format!("m{at}")).unwrap();
        let seen = format!(
            "serial = \"S{at}\"\nmacs = [\"52:54:00:77:00:0{at}\"]\ndisks = [{{ id = \"serial:d{at}\", gb = 20 }}]"
        );
        let seen: SeenMachine = toml::from_str(&seen).unwrap();
        let inventory = seen.inventory(&world.parent);
        world.see(id, inventory);
    }
    let plan = world.plan(&first);
    world.adopt(&first, plan);
    install_all(&mut world);
    world
}

fn install_all(world: &mut World) {
    world.later();
    let ids: Vec<MachineId> = world.parent.machines.keys().copied().collect();
    for id in ids {
        world.install(id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn no_day_destroys_more_than_its_limit(
        wishes in prop::collection::vec(
            (prop::array::uniform4(any::<bool>()), prop::array::uniform2(prop::bool::weighted(0.7)), 0_u64..20),
            1..8,
        )
    ) {
        let mut world = installed();
        // When, which, and whether it was in the pool then or had just been.
        let mut destroyed: Vec<(Timestamp, MachineId, bool)> = Vec::new();
        for (bumped, pooled, hours) in wishes {
            world.observed.at = world.observed.at.plus(Duration::from_secs(hours * 3600));
            world.forget_old();
            world.next_commit();
            let wanted = fleet(SETTINGS, &text(bumped, pooled));
            let plan = world.plan(&wanted);
            if adoptable(&plan, &world.parent, None, wanted.settings.unreviewed, &[]).is_err() {
                continue;
            }
            let at = world.observed.at;
            let is_pooled = |plan: &Plan, id| plan.machines[&id].pool.is_some();
            let newly = plan.destroys.iter();
            destroyed.extend(newly.map(|id| (at, *id, is_pooled(&plan, *id) || is_pooled(&world.parent, *id))));
            world.adopt(&wanted, plan);
            install_all(&mut world);
            let of_day = destroyed.iter().filter(|(when, ..)| at < when.plus(DAY));
            let machines: BTreeSet<MachineId> = of_day.clone().map(|(_, id, _)| *id).collect();
            prop_assert!(machines.len() <= MOST, "{} machines within a day", machines.len());
            let of_pool: BTreeSet<MachineId> = of_day.filter(|(.., pooled)| *pooled).map(|(_, id, _)| *id).collect();
            let of_pool = of_pool.len();
            prop_assert!(of_pool <= 1, "{of_pool} machines of the pool within a day");
        }
    }
}
