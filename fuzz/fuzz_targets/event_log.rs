#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| dossierd_fuzz::checks::event_log::check(data));
