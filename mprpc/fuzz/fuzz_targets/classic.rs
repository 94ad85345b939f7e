//! See `mprpc::fuzz::classic`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mprpc::fuzz::classic(data));
