//! What the original system agreed on with itself in Redis, where ours lives beside it: the key of a
//! user's route, and the Pub/Sub channel of a gateway.

/// The key under which the original keeps the id of the gateway that `user_id` is connected to.
#[must_use]
pub fn route_key(user_id: i64) -> String {
    format!("route:{user_id}")
}

/// The Pub/Sub channel on which a gateway of this id gets what is for its users: a number between
/// 10000 and 59999, in digits. Two gateways may share one; each looks for its own users.
#[must_use]
pub fn channel(gateway_id: &str) -> String {
    format!("{}", 10_000 + hash(gateway_id.as_bytes()) % 50_000)
}

/// `std::hash<std::string>` of libstdc++ on 64-bit machines: MurmurHash64A with a seed of its own.
/// The original's C++ programs compute the channel with it, so it must be this one for ever.
#[must_use]
pub fn hash(bytes: &[u8]) -> u64 {
    const MUL: u64 = 0xc6a4_a793_5bd1_e995;
    const SEED: u64 = 0xc70f_6907;
    let shift_mix = |value: u64| value ^ (value >> 47);
    let mut hash = SEED ^ (bytes.len() as u64).wrapping_mul(MUL);
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let mixed = shift_mix(little_endian(word).wrapping_mul(MUL)).wrapping_mul(MUL);
        hash = (hash ^ mixed).wrapping_mul(MUL);
    }
    let rest = words.remainder();
    if !rest.is_empty() {
        hash = (hash ^ little_endian(rest)).wrapping_mul(MUL);
    }
    shift_mix(shift_mix(hash).wrapping_mul(MUL))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `std::hash<std::string>` and the original's formula gave, compiled with GCC on x86-64.
    const GOLDEN: [(&str, u64, &str); 15] = [
        ("", 0x553e_9390_1e46_2a6e, "33790"),
        ("g", 0xa615_6300_f153_21a2, "28130"),
        ("gw1", 0xbd1f_a88e_0b6b_ccbd, "56781"),
        ("gateway-1", 0xd84c_b067_99f9_00f4, "56852"),
        ("gateway-01", 0x2fdc_dc9a_98d9_db95, "55973"),
        ("127.0.0.1:8014", 0x49ae_377f_1956_a368, "36072"),
        ("127.0.0.1:6000", 0x1df5_2ef3_06ea_ce85, "13077"),
        ("10.0.0.5:8014", 0x2c1d_44a5_26ca_0638, "14888"),
        ("1234567", 0x6d7a_4e79_e8a2_cbf6, "47558"),
        ("12345678", 0x8c5b_90a3_3a04_dca5, "56885"),
        ("123456789012345", 0xb6fa_1a40_7331_1711, "34481"),
        ("1234567890123456", 0x8d72_0941_550d_2885, "13685"),
        ("12345678901234567", 0x426d_e8ac_94c3_4517, "59399"),
        ("中文", 0x88c3_d669_52a4_013e, "27294"),
        ("a-rather-long-gateway-name.example.org:8014", 0xba8d_f934_2244_2be3, "17235"),
    ];

    #[test]
    fn a_gateway_has_the_channel_that_the_cpp_programs_compute() {
        for (gateway_id, hashed, on) in GOLDEN {
            assert_eq!(hash(gateway_id.as_bytes()), hashed, "{gateway_id:?}");
            assert_eq!(channel(gateway_id), on, "{gateway_id:?}");
        }
    }

    #[test]
    fn a_route_has_the_key_that_the_cpp_programs_use() {
        assert_eq!(route_key(42), "route:42");
    }
}
