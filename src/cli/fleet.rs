//! `dossierd fleet`: what each node of a team has, from the events that they published.

use super::args::FleetArgs;
use super::error::ErrorKind;
#[cfg(feature = "nats")]
use super::render::fleet::fleet as page;
use super::{CliError, Context, Verdict};
#[cfg(feature = "nats")]
use crate::daemon::config::Nats;
#[cfg(feature = "nats")]
use crate::dossier::fleet::Fleet;
#[cfg(feature = "nats")]
use crate::sync::nats::{Broker, NoConnection, snapshots};

#[cfg(not(feature = "nats"))]
pub(super) fn run(_: FleetArgs, _: &mut Context) -> Result<Verdict, CliError> {
    let message = "this dossierd was built without NATS".to_owned();
    Err(CliError::new(ErrorKind::Usage, message).hint("install one with `--features nats`"))
}

#[cfg(feature = "nats")]
pub(super) fn run(args: FleetArgs, context: &mut Context) -> Result<Verdict, CliError> {
    let url = args.nats.clone().try_into().map_err(|reason: String| {
        CliError::new(ErrorKind::Usage, reason.replace("url", "--nats"))
    })?;
    let mut broker = Broker::new(&Nats {
        url,
        token_file: args.token_file,
        credentials_file: args.credentials_file,
        ca_file: args.ca_file,
        batch_size: Default::default(),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::io("cannot begin".to_owned(), error))?;
    let mut fleet = Fleet::default();
    let mut damaged = 0;
    let read = async {
        let connection = broker.connect().await.map_err(|error| match error {
            NoConnection::Unauthorised(reason) | NoConnection::Failed(reason) => reason,
        })?;
        snapshots(&connection, |line| damaged += usize::from(fleet.take(line).is_err())).await
    };
    runtime.block_on(read).map_err(|reason| {
        CliError::new(ErrorKind::Io, format!("{} cannot be read", args.nats)).because(reason)
    })?;
    if damaged > 0 {
        context.output.warning(format!("{damaged} messages are no events of dossierd"));
    }
    let features = fleet.features();
    let agree = features.iter().all(|feature| feature.agrees);
    if args.json {
        let document =
            serde_json::json!({ "schema_version": 1, "agree": agree, "features": features });
        context.output.json(document.to_string().as_bytes())?;
    } else {
        context.output.page(&page(&features))?;
    }
    Ok(if agree { Verdict::Fine } else { Verdict::Findings })
}
