//! See `im_wire::fuzz::lines`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| im_wire::fuzz::lines(data));
