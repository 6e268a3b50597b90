//! Which sequence numbers of a session have been heard, so that no packet counts twice (IPMI 2.0 §6.12.13).

/// How far behind the newest packet one may still come. The specification asks for 16 at least.
const BEHIND_MAX: u32 = 32;

/// The newest number heard and the ones just before it.
///
/// A jump ahead is accepted whatever its size: only the BMC can sign such a packet, and boards do jump.
#[derive(Debug, Default)]
pub(crate) struct Window {
    newest: u32,
    /// Bit `n` is set when `newest - n` has been heard.
    heard: u32,
}

impl Window {
    /// Whether this packet is heard for the first time; remembers it.
    pub(crate) fn first(&mut self, sequence: u32) -> bool {
        // Zero is for packets outside of a session.
        if sequence == 0 {
            return false;
        }
        if let Some(ahead @ 1..) = sequence.checked_sub(self.newest) {
            self.heard = self.heard.checked_shl(ahead).unwrap_or(0) | 1;
            self.newest = sequence;
            return true;
        }
        let behind = self.newest - sequence;
        let fresh = behind < BEHIND_MAX && self.heard & (1 << behind) == 0;
        if fresh {
            self.heard |= 1 << behind;
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(sequences: &[u32]) -> Vec<bool> {
        let mut window = Window::default();
        sequences.iter().map(|sequence| window.first(*sequence)).collect()
    }

    #[test]
    fn a_duplicate_counts_once_and_a_packet_out_of_order_counts() {
        assert_eq!(
            heard(&[1, 1, 3, 2, 2, 3, 4]),
            [true, false, true, true, false, false, true]
        );
    }

    #[test]
    fn zero_never_counts() {
        assert_eq!(heard(&[0, 1, 0]), [false, true, false]);
    }

    #[test]
    fn a_packet_too_far_behind_does_not_count() {
        assert_eq!(heard(&[40, 9, 8]), [true, true, false]);
        assert_eq!(heard(&[1, 1000, 999, 1]), [true, true, true, false]);
    }

    #[test]
    fn the_last_number_is_no_trap() {
        assert_eq!(heard(&[u32::MAX, u32::MAX, u32::MAX - 31]), [true, false, true]);
    }
}
