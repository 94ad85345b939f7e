//! See `mprpc::fuzz::client`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mprpc::fuzz::client(data));
