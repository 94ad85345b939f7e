//! See `mprpc::fuzz::inflate`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mprpc::fuzz::inflate(data));
