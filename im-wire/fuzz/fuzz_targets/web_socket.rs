//! See `im_wire::fuzz::web_socket`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| im_wire::fuzz::web_socket(data));
