//! A project with very many files works like a small one.

use std::fs;
use std::time::Instant;

use crate::kit::Place;

#[test]
fn twenty_thousand_files() {
    let place = Place::with_feature();
    for directory in 0..100 {
        let dir = place.feature("plan-me").join(format!("evidence/set-{directory:02}"));
        fs::create_dir_all(&dir).expect("made");
        for file in 0..200 {
            fs::write(dir.join(format!("{file:03}.md")), format!("{directory} {file}\n"))
                .expect("written");
        }
    }
    let total = 20_004;
    let measure = |what: &str, began: Instant| eprintln!("{what}: {:?}", began.elapsed());
    let present = || {
        let status = place.run(&["status", "plan-me", "--json"]);
        assert_eq!(status.code, 0, "{status:?}");
        status.json()["artifact_counts"]["total"].clone()
    };

    let daemon = place.start();
    let began = Instant::now();
    place.run(&["add", "project"]).fine();
    measure("register and first scan", began);
    assert_eq!(present(), total);

    let began = Instant::now();
    place.write("plan-me/evidence/set-50/new.md", "new\n");
    assert_eq!(present(), total + 1);
    measure("one edit, read fresh", began);

    let began = Instant::now();
    let listed = place.run(&["artifacts", "plan-me", "--json"]).json();
    assert_eq!(listed["artifacts"].as_array().expect("a list").len(), total + 1);
    measure("all artifacts, page by page", began);
    let events = place.log("plan-me").len();
    let began = Instant::now();
    daemon.stop();
    measure("stop", began);

    let began = Instant::now();
    let daemon = place.start();
    measure("restart", began);
    assert_eq!(present(), total + 1);
    assert_eq!(place.log("plan-me").len(), events, "events of nothing");
    daemon.stop();
    let began = Instant::now();
    place.run(&["verify", "project"]).fine();
    measure("verify", began);
}
