#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dossierd_fuzz::checks::definition::check(data));
