//! Under which state of the permits a step's decisions are carried out, one after the other.
//!
//! A step decides all of its grants together, each with those before it counted. So what it writes itself does not outdate the
//! rest, and what anybody else writes does. Every writer moves the epoch of the permits by one: where it moved by more than
//! the step's own word, somebody came between.

/// The epoch that a step's grants are taken under, while it carries itself out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PermitsEpoch(Option<u64>);

impl PermitsEpoch {
    /// As it was read with the world.
    pub fn read(epoch: u64) -> Self {
        Self(Some(epoch))
    }

    /// Under which the next grant is to be taken; `None` when no grant of this step is, since it has to be decided anew.
    pub fn now(self) -> Option<u64> {
        self.0
    }

    /// The step wrote something, and the epoch is this since.
    pub fn wrote(&mut self, epoch: u64) {
        let is_ours = |before: &u64| epoch == *before || epoch == *before + 1;
        self.0 = self.0.filter(is_ours).map(|_| epoch);
    }

    /// The step was told that it was decided by what holds no more.
    pub fn outdated(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::PermitsEpoch;

    #[test]
    fn a_step_goes_on_behind_its_own_words_and_behind_nobody_elses() {
        let mut epoch = PermitsEpoch::read(7);
        epoch.wrote(8);
        epoch.wrote(8);
        epoch.wrote(9);
        assert_eq!(epoch.now(), Some(9));
        // It wrote the second of two.
        epoch.wrote(11);
        assert_eq!(epoch.now(), None);
        epoch.wrote(12);
        assert_eq!(epoch.now(), None, "it is not found again");
        let mut epoch = PermitsEpoch::read(7);
        epoch.outdated();
        assert_eq!(epoch.now(), None);
    }
}
