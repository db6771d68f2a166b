//! Fresh reads while others write without pause.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use super::bench::Bench;
use crate::watch::BackendChoice;

with_each_backend! {
    a_write_before_a_cookie_is_marked_before_its_barrier,
}

fn a_write_before_a_cookie_is_marked_before_its_barrier(choice: BackendChoice) {
    let bench = Bench::new(choice);
    let storm = bench.home.join("storm");
    fs::create_dir(&storm).expect("made");
    bench.backend.watch_dir(&storm).expect("watched");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (storm, stop) = (&storm, &stop);
            scope.spawn(move || {
                let mut i = 0;
                while !stop.load(Ordering::Relaxed) {
                    let file = storm.join(format!("{writer}-{}", i % 50));
                    fs::write(file, i.to_string()).expect("written");
                    i += 1;
                }
            });
        }
        let rounds = || {
            let mut lost = 0;
            for round in 0..500 {
                let name = format!("f{round}");
                bench.write(&name);
                let batch = bench.fenced();
                let marked = batch.marks.contains_key(&bench.path(&name));
                assert!(marked || batch.overflow.is_some(), "round {round}");
                lost += usize::from(batch.overflow.is_some());
            }
            lost
        };
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(rounds));
        stop.store(true, Ordering::Relaxed);
        let lost = outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(lost < 500, "an overflow in every round proves nothing");
    });
}
