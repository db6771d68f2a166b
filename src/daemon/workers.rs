//! Workers: threads that do jobs. A panic in one is told to the loop, which ends the
//! daemon: it is never a quiet stop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::engine::Event;
use super::job::{Job, JobEnvironment};
use crate::platform::memory;

/// Starts `count` workers. They end when the sender of jobs is gone.
pub(super) fn start(
    count: usize,
    jobs: &Receiver<Job>,
    events: &Sender<Event>,
    environment: &Arc<JobEnvironment>,
) -> std::io::Result<Vec<JoinHandle<()>>> {
    (0..count).map(|number| start_one(number, jobs, events, environment)).collect()
}

/// What starts one more, each time, beside `count`. Nobody waits for their end: the loop waits
/// for what they do.
pub(super) fn more(
    count: usize,
    jobs: Receiver<Job>,
    events: Sender<Event>,
    environment: Arc<JobEnvironment>,
) -> Box<dyn FnMut() -> std::io::Result<()> + Send> {
    let mut number = count;
    Box::new(move || {
        number += 1;
        start_one(number - 1, &jobs, &events, &environment).map(drop)
    })
}

fn start_one(
    number: usize,
    jobs: &Receiver<Job>,
    events: &Sender<Event>,
    environment: &Arc<JobEnvironment>,
) -> std::io::Result<JoinHandle<()>> {
    let (jobs, events, environment) = (jobs.clone(), events.clone(), Arc::clone(environment));
    std::thread::Builder::new()
        .name(format!("worker-{number}"))
        .spawn(move || work(&jobs, &events, &environment))
}

/// After a job that made or stored so many rows, much memory is free.
const LARGE: usize = 1000;

/// So long after such a job, if no other has come, it is given back.
const QUIET: Duration = Duration::from_millis(500);

fn work(jobs: &Receiver<Job>, events: &Sender<Event>, environment: &JobEnvironment) {
    let mut large = false;
    loop {
        let next = if large {
            jobs.recv_timeout(QUIET)
        } else {
            jobs.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        let job = match next {
            Ok(job) => job,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                large = false;
                memory::give_back();
                continue;
            }
        };
        // What a panic leaves half done is in the job, which is lost with it.
        let event = match catch_unwind(AssertUnwindSafe(|| job.run(environment))) {
            Ok(result) => {
                large |= result.turned_over() > LARGE;
                Event::Job(Box::new(result))
            }
            Err(panic) => Event::Panicked(message_of(panic.as_ref())),
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
