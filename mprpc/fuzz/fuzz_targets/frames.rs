//! See `mprpc::fuzz::frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mprpc::fuzz::frames(data));
