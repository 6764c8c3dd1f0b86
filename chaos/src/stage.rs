//! A run is set up: servers behind proxies, topics, schema, processes, a producer.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tape_kafka::Clients;
use tape_service::{Config, Shutdown};
use tokio::runtime::Runtime;

use crate::feed::{Feed, Source};
use crate::fleet::{Member, Recipe};
use crate::proxy::{By, Mode, Proxy};
use crate::run::Spec;
use crate::schedule::{Kind, Target};
use crate::servers::Servers;
use crate::watch::{Group, Watch};
use crate::world::{Disks, PROCESSORS, World, with};

/// Wait for one answer while everything is well.
const ASK: Duration = Duration::from_secs(30);
/// Longest wait for all partitions to move at the start.
const START_LIMIT: Duration = Duration::from_secs(90);
/// Time between two looks at that.
const LOOK: Duration = Duration::from_millis(20);
/// Size of a disk that may become full, MiB.
const DISK_MEBIBYTES: u32 = 192;

/// Everything that a run needs.
pub(crate) struct Stage {
    pub(crate) world: Arc<World>,
    pub(crate) config: Config,
    pub(crate) clients: Clients,
    pub(crate) source: Source,
    pub(crate) feed: Mutex<Option<Feed>>,
    /// Records written, once the feed is over.
    pub(crate) written: Cell<usize>,
}

impl Stage {
    /// Sets everything up, and waits until every partition has moved.
    pub(crate) fn build(spec: &Spec, stop: &Shutdown, runtime: &Runtime, disks: &mut Disks) -> Result<Self> {
        let processes = spec.plan.processors + spec.plan.sinks;
        let mut servers = Servers::prepare(&spec.folder.join("servers"), processes)?;
        let proxy = |port: u16| Proxy::start(runtime.handle(), port).context("start a proxy");
        let to_kafka = servers.proxied_ports().into_iter().map(proxy).collect::<Result<Vec<_>>>()?;
        println!("starting Kafka and PostgreSQL in {}", spec.folder.display());
        servers.start(&to_kafka.iter().map(|proxy| proxy.port).collect::<Vec<_>>())?;
        if !spec.slow.is_zero() {
            to_kafka.iter().for_each(|link| link.set(By::Nature, Mode::Slow(spec.slow)));
        }
        let prefix = format!("chaos-{}", spec.plan.seed);
        let settings = settings(spec, &servers, &prefix)?;
        let config = Config::load(settings.clone(), None).context("the settings of the run")?.config;
        let to_database = (0..spec.plan.sinks).map(|_| proxy(config.db.port)).collect::<Result<Vec<_>>>()?;
        let clients = Clients::new(&config.kafka, &prefix);
        if let Some(mismatch) = clients.admin()?.ensure(&config, ASK)?.first() {
            bail!("{mismatch}");
        }
        runtime.block_on(tape_db::migrate(&Arc::new(config.clone()), stop))?;
        let source = Source {
            seed: spec.plan.seed,
            symbols: spec.symbols,
            rate: spec.rate,
            topic: config.topics.raw_trades.clone(),
            partitions: spec.partitions,
        };
        let watch = Watch::start(clients.clone(), groups(spec, &config))?;
        let ports = |proxies: &[Proxy]| proxies.iter().map(|proxy| proxy.port).collect::<Vec<_>>();
        let recipes =
            Recipes { spec, settings: &settings, kafka: ports(&to_kafka), database: ports(&to_database) };
        let (processors, sinks) = recipes.start_all(disks)?;
        let feed = Feed::start(source.clone(), clients.producer(&config.producer)?);
        let (started, stop, troubles) = (Instant::now(), stop.clone(), Mutex::default());
        let world = World {
            started,
            servers,
            to_kafka,
            to_database,
            processors,
            sinks,
            watch,
            prefix,
            stop,
            troubles,
        };
        let (world, feed, written) = (Arc::new(world), Mutex::new(Some(feed)), Cell::new(0));
        let mut stage = Stage { world, config, clients, source, feed, written };
        stage.await_progress(spec)?;
        // Nobody else has it yet.
        if let Some(world) = Arc::get_mut(&mut stage.world) {
            world.started = Instant::now();
        }
        Ok(stage)
    }

    /// Until every partition has moved.
    fn await_progress(&self, spec: &Spec) -> Result<()> {
        let started = Instant::now();
        loop {
            let moving = self.world.watch.course(PROCESSORS).moving();
            if i32::try_from(moving) == Ok(spec.partitions) {
                return Ok(());
            }
            if started.elapsed() > START_LIMIT || self.world.stop.is_requested() {
                bail!(
                    "{moving} of {} partitions moved at the start; see {}",
                    spec.partitions,
                    spec.folder.display()
                );
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// The processors' group and the sinks', in this order.
fn groups(spec: &Spec, config: &Config) -> Vec<Group> {
    let processors = Group {
        name: tape_processor::group(config),
        topic: config.topics.raw_trades.clone(),
        partitions: spec.partitions,
        markers: 0,
    };
    let sinks = Group {
        name: tape_sink::group(config),
        topic: config.topics.aggregates.clone(),
        partitions: spec.partitions,
        markers: 1,
    };
    vec![processors, sinks]
}

/// What all processes have in common.
fn settings(spec: &Spec, servers: &Servers, prefix: &str) -> Result<BTreeMap<String, String>> {
    let mut settings = servers.settings()?;
    settings.remove("LOCAL_SERVERS");
    let topic = |name: &str| format!("{prefix}-{name}");
    Ok(with(
        &settings,
        [
            ("APP_ID", prefix.to_owned()),
            ("KAFKA_PARTITIONS", spec.partitions.to_string()),
            ("KAFKA_TOPIC_RAW_TRADES", topic("raw")),
            ("KAFKA_TOPIC_AGGREGATES", topic("aggregates")),
            ("KAFKA_TOPIC_ALERTS", topic("alerts")),
            ("KAFKA_TOPIC_LATE", topic("late")),
            ("KAFKA_TOPIC_DEAD_LETTERS", topic("dlq")),
            ("KAFKA_SESSION_TIMEOUT", "6s".to_owned()),
            // A survivor waits for the transaction that a dead process left open: no longer than for its session.
            ("KAFKA_TRANSACTION_TIMEOUT", "6s".to_owned()),
            ("IDLE_TIMEOUT", "0".to_owned()),
            ("HTTP_BIND_PROCESSOR", "off".to_owned()),
            ("HTTP_BIND_SINK", "off".to_owned()),
            ("LOG_FORMAT", "text".to_owned()),
            ("LOG_LEVEL", "info".to_owned()),
            // Somewhere that nobody uses: each processor has its own.
            ("STATE_DIR", spec.folder.join("state/none").display().to_string()),
            ("WORKERS", "1".to_owned()),
        ],
    ))
}

/// How the processes of a run are started.
struct Recipes<'a> {
    spec: &'a Spec,
    settings: &'a BTreeMap<String, String>,
    /// Ports of the proxies: processors, then sinks.
    kafka: Vec<u16>,
    /// Of the sinks.
    database: Vec<u16>,
}

/// Processes.
type Fleet = Vec<Mutex<Member>>;

impl Recipes<'_> {
    /// Starts processors and sinks.
    fn start_all(&self, disks: &mut Disks) -> Result<(Fleet, Fleet)> {
        let start = |recipe: Result<Recipe>| Ok(Mutex::new(Member::start(recipe?)?));
        let count = self.spec.plan.processors;
        let processors = (0..count).map(|number| start(self.processor(number, self.kafka[number], disks)));
        let processors = processors.collect::<Result<Fleet>>()?;
        let ports = self.kafka[count..].iter().zip(&self.database);
        let sinks =
            ports.enumerate().map(|(number, (kafka, database))| start(self.sink(number, *kafka, *database)));
        Ok((processors, sinks.collect::<Result<Fleet>>()?))
    }

    fn processor(&self, number: usize, kafka: u16, disks: &mut Disks) -> Result<Recipe> {
        let name = Target::Processor(number).to_string();
        let folder = self.spec.folder.join("state").join(&name);
        if self.spec.plan.kinds.contains(&Kind::FullDisk) {
            disks.mount(&folder, DISK_MEBIBYTES)?;
        }
        let state = folder.join("state");
        let settings = [
            ("INSTANCE_ID", format!("p{number}")),
            ("KAFKA_BOOTSTRAP_SERVERS", format!("127.0.0.1:{kafka}")),
            ("STATE_DIR", state.display().to_string()),
        ];
        let (program, args) =
            self.spec.broken.clone().unwrap_or_else(|| (self.spec.tape.clone(), vec!["process".to_owned()]));
        let environment = with(self.settings, settings);
        let log = self.spec.folder.join(format!("{name}.log"));
        Ok(Recipe { name, program, args, environment, log, state: Some(state) })
    }

    fn sink(&self, number: usize, kafka: u16, database: u16) -> Result<Recipe> {
        let name = Target::Sink(number).to_string();
        let settings = [
            ("INSTANCE_ID", format!("s{number}")),
            ("KAFKA_BOOTSTRAP_SERVERS", format!("127.0.0.1:{kafka}")),
            ("DB_PORT", database.to_string()),
        ];
        let environment = with(self.settings, settings);
        let log = self.spec.folder.join(format!("{name}.log"));
        let (program, args) = (self.spec.tape.clone(), vec!["sink".to_owned()]);
        Ok(Recipe { name, program, args, environment, log, state: None })
    }
}
