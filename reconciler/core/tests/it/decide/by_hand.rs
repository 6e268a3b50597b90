//! A person in a case: `by-hand off why`, as `muster machine power` asks for it, and `fenced why`.

use super::{Stage, name};
use reconciler_core::facts::{Fenced, IssuedOrder};
use reconciler_core::next::{Around, PowerWish, Wish, may_vouch};
use std::fmt::Write as _;

impl Stage {
    /// A person vouches that the machine is gone.
    pub(super) fn fenced(&mut self, why: &str) {
        let machine = &self.planning.parent.machines[&self.id];
        if let Err(refused) = may_vouch(machine, &self.folded()) {
            writeln!(self.text, "    {}: {}", refused.code, refused.message).unwrap();
            return;
        }
        let fenced = Fenced {
            at: self.now,
            who: "ada".to_owned(),
            why: why.to_owned(),
        };
        self.fenced = Some((self.generation(), fenced));
    }

    pub(super) fn by_hand(&mut self, text: &str) {
        let (word, why) = text.split_once(' ').unwrap_or((text, ""));
        let power = match word {
            "on" => PowerWish::On,
            "off" => PowerWish::Off,
            "soft-off" => PowerWish::SoftOff,
            "cycle" => PowerWish::Cycle,
            _ => panic!("nobody can be asked to {word:?}"),
        };
        let (facts, step) = (self.folded(), self.tick());
        let around = Around {
            id: self.id,
            incarnation: self.planning.observed.incarnation,
            boot_agents: [name("rackd-1")].into(),
            ephemeral: true,
            deployment: None,
            planned: self.planning.parent.made,
            restored: None,
        };
        let wish = Wish {
            machine: &self.planning.parent.machines[&self.id],
            facts: &facts,
            around: &around,
            decision: &step.decisions[&self.id],
            policy: &self.policy(),
            power,
            who: "ada",
            why,
        };
        match wish.order(self.now) {
            Ok(order) => {
                writeln!(self.text, "    order {}: {}", order.number, order.cause).unwrap();
                self.orders.push(IssuedOrder { order, at: self.now });
            }
            Err(refused) => writeln!(self.text, "    {}: {}", refused.code, refused.message).unwrap(),
        }
    }
}
