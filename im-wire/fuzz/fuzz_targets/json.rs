//! See `im_wire::fuzz::json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| im_wire::fuzz::json(data));
