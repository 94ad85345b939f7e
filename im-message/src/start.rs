//! Wiring: everything that im-message consists of is chosen and put together here, once.

use std::sync::Arc;

use im_common::mysql::OpenError;
use im_common::sqlite::DatabaseError;
use im_common::{DataDir, DataDirError, Deps, Running, Tasks};
use mpim_proto::{dead_letter_service, message_service, presence_service, user_service};
use mprpc::{ChannelError, Server, ServerError};

use crate::blocking::Blocking;
use crate::config::Config;
use crate::dead_letters::DeadLetterService;
use crate::dispatch::{self, Dispatchers, Prepared};
use crate::lane::{Lanes, Workers};
use crate::metrics::RetentionMetrics;
use crate::offline::Offline;
use crate::receipts::{ReceiptTeller, Receipts};
use crate::retention::Keeper;
use crate::send::Sender;
use crate::service::MessageService;
use crate::signal::{EventTeller, Signals};
use crate::store::{MysqlTimeline, ReadState, SqliteTimeline, Timeline};
use crate::users::Users;

/// Why im-message did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The timelines in it.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The database of `[database]`.
    #[error(transparent)]
    Server(#[from] OpenError),
    /// A target in `[targets]`.
    #[error(transparent)]
    Target(#[from] ChannelError),
    /// The address to listen on.
    #[error(transparent)]
    Listen(#[from] ServerError),
    /// The work of starting was cut off.
    #[error("starting was cut off")]
    CutOff(#[from] tokio::task::JoinError),
}

/// Starts im-message: opens the timelines, then listens. Returns once calls are answered; waits for
/// a database server that is away, while the services that it calls may come later.
///
/// Cancel safe: a dropped start leaves nothing behind but the files that it made.
///
/// # Errors
/// If the data directory is in use, the timelines cannot be opened, or the port is taken.
pub async fn start(config: Config, deps: Deps) -> Result<Running, StartError> {
    let tasks = Tasks::new("im-message", deps.shutdown.clone());
    // Another database means another adapter, chosen here.
    if config.database.is_configured() {
        let opening = MysqlTimeline::open(&config.database, &deps.readiness, &deps.shutdown);
        let (store, mover) = opening.await?;
        // It does nothing by itself: a start that fails drops the store, and that ends it.
        tasks.spawn("cursors", mover.run());
        return serve(store, config, deps, tasks).await;
    }
    let path = config.data_dir.clone();
    let opening = tokio::task::spawn_blocking(move || {
        SqliteTimeline::open(DataDir::open(&path)?).map_err(StartError::from)
    });
    serve(opening.await??, config, deps, tasks).await
}

async fn serve<T: Timeline + ReadState>(
    store: T,
    config: Config,
    deps: Deps,
    tasks: Tasks,
) -> Result<Running, StartError> {
    let users = user_service::Client::new(&deps.channel(&config.targets.user)?);
    let presence = presence_service::Client::new(&deps.channel(&config.targets.presence)?);
    let Assembled { service, dead_letters, background } =
        assemble(&config, &deps, Arc::new(store), users, Arc::new(presence));
    let clock = deps.clock.clone();
    let server = Server::builder()
        .add_service(message_service::serve(service))
        .add_service(dead_letter_service::serve(dead_letters))
        .add_service(mpim_proto::health(move || clock.now_ms()));
    let server = deps.bind(server, &config.rpc).await?;
    let addr = server.local_addr();
    // Not before the port is ours: a start that fails has told nobody anything.
    background.start(&tasks);
    // Once it has ended, the service is dropped, and with it the way into the lanes: they finish
    // what they have, then the dispatchers do.
    tasks.spawn_essential("server", server.serve(deps.shutdown.into_triggered()));
    Ok(Running::new(addr, tasks))
}

/// The services, and what works behind them once it is started.
pub(crate) struct Assembled<T, U, P> {
    pub(crate) service: MessageService<T, U>,
    pub(crate) dead_letters: DeadLetterService<T, P>,
    pub(crate) background: Background<T, P>,
}

/// Lanes and dispatchers before they run: nothing is read, written or told yet.
#[must_use = "without it the service answers nobody"]
pub(crate) struct Background<T, P> {
    workers: Workers<T>,
    dispatchers: Dispatchers<T, P>,
    teller: EventTeller<P>,
    receipt_teller: ReceiptTeller<T>,
    keeper: Keeper<T>,
}

impl<T: Timeline, P: presence_service::Server> Background<T, P> {
    pub(crate) fn start(self, tasks: &Tasks) {
        self.dispatchers.start(tasks);
        tasks.spawn("events", self.teller.run());
        tasks.spawn("receipts", self.receipt_teller.run());
        self.workers.start(tasks);
        tasks.spawn("retention", self.keeper.run(tasks.shutdown().clone()));
    }
}

/// Puts the service together, over any store and any neighbours.
pub(crate) fn assemble<T, U, P>(
    config: &Config,
    deps: &Deps,
    store: Arc<T>,
    users: U,
    presence: Arc<P>,
) -> Assembled<T, U, P>
where
    T: Timeline + ReadState,
    U: user_service::Server,
    P: presence_service::Server,
{
    let Prepared { outlets, dispatchers, replay } =
        dispatch::prepare(config, &deps.clock, &store, &presence);
    let (lanes, workers) = Lanes::prepare(&config.lane, &store, &deps.clock, outlets);
    let sender = Sender {
        lanes,
        users: Users::new(users, &config.users),
        text_bytes_max: config.text.bytes_max,
    };
    let (signals, teller) = Signals::prepare(&config.events, &store, &presence);
    let (receipts, receipt_teller) =
        Receipts::prepare(config.events.receipts_max, &store, signals.queue());
    let offline = Offline { store: store.clone(), bytes_max: config.answer.bytes_max };
    let blocking = Blocking { clock: deps.clock.clone(), per_user_max: config.blocks.per_user_max };
    let keeper = Keeper {
        store: store.clone(),
        clock: deps.clock.clone(),
        config: config.retention.clone(),
        metrics: RetentionMetrics::new(),
    };
    let answer = config.answer.clone();
    let service = MessageService {
        store: store.clone(),
        sender,
        signals,
        receipts,
        offline,
        answer,
        blocking,
    };
    let dead_letters = DeadLetterService { store, replay };
    let background = Background { workers, dispatchers, keeper, teller, receipt_teller };
    Assembled { service, dead_letters, background }
}
