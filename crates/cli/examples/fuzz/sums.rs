//! Lengths and check sums made right again after a mutation.

/// A PNG file whose chunks have the check sums of what they hold.
pub(crate) fn png(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let mut at = 8;
    while let Some(head) = file.get(at..at + 4) {
        let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(end) = at.checked_add(8).and_then(|n| n.checked_add(len)) else { break };
        let Some(sum) = file.get(at + 4..end).map(crc) else { break };
        let Some(slot) = file.get_mut(end..end + 4) else { break };
        slot.copy_from_slice(&sum.to_be_bytes());
        at = end + 4;
    }
    file
}

fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, &byte: &u8| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 })
    };
    !bytes.iter().fold(!0, step)
}

/// A safetensors file whose header ends at its last brace.
pub(crate) fn safetensors(file: &[u8]) -> Vec<u8> {
    let rest = file.get(8..).unwrap_or_default();
    let end = rest.iter().rposition(|b| *b == b'}').map_or(0, |i| i + 1);
    [&(end as u64).to_le_bytes(), rest].concat()
}
