//! The little of a GPT (UEFI 2.10 §5.3) that tells our layout from somebody else's.

use crate::marker;

/// The type GUID of the marker's partition, minted for muster.
pub const MARKER_TYPE: &str = "5F6D7573-7465-4B8E-9A1C-6D61726B6572";

/// [`MARKER_TYPE`] as it stands in the table: its first three fields are little-endian.
pub(crate) const MARKER_TYPE_BYTES: [u8; 16] = [
    0x73, 0x75, 0x6d, 0x5f, 0x65, 0x74, 0x8e, 0x4b, 0x9a, 0x1c, 0x6d, 0x61, 0x72, 0x6b, 0x65, 0x72,
];

/// Whether the table in a disk's first mebibyte has the marker's partition, first and in its place.
///
/// An installed marker counts only together with it: whoever partitions the disk anew may leave the
/// marker's sector as it is, but not this entry.
pub fn has_marker_partition(head: &[u8]) -> bool {
    [512, 4096].into_iter().any(|sector: usize| {
        let field =
            |at: usize| -> Option<u64> { Some(u64::from_le_bytes(head.get(at..at + 8)?.try_into().ok()?)) };
        let entry = || -> Option<bool> {
            if head.get(sector..sector + 8)? != b"EFI PART" {
                return None;
            }
            let at = usize::try_from(field(sector + 72)?).ok()?.checked_mul(sector)?;
            let kind = head.get(at..at.checked_add(16)?)?;
            let start = field(at + 32)?.checked_mul(u64::try_from(sector).ok()?)?;
            Some(kind == MARKER_TYPE_BYTES && start == marker::OFFSET)
        };
        entry().unwrap_or(false)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(sector: usize, kind: [u8; 16], start_sector: u64) -> Vec<u8> {
        let mut head = vec![0; 1 << 20];
        head[sector..sector + 8].copy_from_slice(b"EFI PART");
        head[sector + 72..sector + 80].copy_from_slice(&2_u64.to_le_bytes());
        head[2 * sector..2 * sector + 16].copy_from_slice(&kind);
        head[2 * sector + 32..2 * sector + 40].copy_from_slice(&start_sector.to_le_bytes());
        head
    }

    #[test]
    fn only_our_layout_is_ours() {
        assert!(has_marker_partition(&table(512, MARKER_TYPE_BYTES, 2048)));
        assert!(has_marker_partition(&table(4096, MARKER_TYPE_BYTES, 256)));
        assert!(!has_marker_partition(&table(512, [7; 16], 2048)), "another type");
        assert!(
            !has_marker_partition(&table(512, MARKER_TYPE_BYTES, 4096)),
            "another place"
        );
        assert!(!has_marker_partition(&vec![0; 1 << 20]), "no table");
        assert!(!has_marker_partition(b"short"));
    }

    #[test]
    fn a_mad_table_is_not_followed() {
        let mut head = table(512, MARKER_TYPE_BYTES, 2048);
        head[512 + 72..512 + 80].fill(0xff);
        assert!(!has_marker_partition(&head));
    }
}
