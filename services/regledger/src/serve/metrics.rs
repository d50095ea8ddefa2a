//! Metrics that are read when somebody asks: positions, counts, build and process.

use std::sync::Arc;
use std::time::Duration;

use projection::Store;
use prometheus::process_collector::ProcessCollector;
use prometheus::proto::MetricFamily;
use prometheus::{Histogram, HistogramOpts, IntGauge, IntGaugeVec, Opts, Registry, exponential_buckets};
use query::stream::tailer::Tailer;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::stores::Stores;

/// Time between two counts of the store's rows.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// The metrics that are read when somebody asks.
pub(super) struct Gauges {
    registry: Registry,
    state: Option<Arc<dyn Store>>,
    tailer: Option<Arc<Tailer>>,
    clock: admission::Clock,
    counted: Mutex<Option<Instant>>,
    clients: IntGaugeVec,
    quarantined: IntGauge,
    subscribers: IntGauge,
    /// `regledger_stream_delay_seconds`: recorded → sent, of changes that were sent as they came.
    pub stream_delay: Histogram,
}

impl Gauges {
    pub fn new(stores: &Stores, tailer: Option<Arc<Tailer>>) -> prometheus::Result<Self> {
        let registry = stores.registry.clone();
        let gauges = Self {
            counted: Mutex::new(None),
            clients: IntGaugeVec::new(
                Opts::new("regledger_clients", "Rows of the client table."),
                &["integration", "state"],
            )?,
            quarantined: IntGauge::new(
                "regledger_quarantine_messages",
                "Quarantined messages that wait for somebody to decide.",
            )?,
            subscribers: IntGauge::new("regledger_stream_subscribers", "Connections that follow the change stream.")?,
            stream_delay: Histogram::with_opts(
                HistogramOpts::new(
                    "regledger_stream_delay_seconds",
                    "Seconds from recording an event until its change was sent to a subscriber that was current.",
                )
                .buckets(vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
            )?,
            state: stores.state.clone(),
            clock: stores.clock.clone(),
            tailer,
            registry,
        };
        gauges.register()?;
        Ok(gauges)
    }

    fn register(&self) -> prometheus::Result<()> {
        let build = IntGaugeVec::new(
            Opts::new("regledger_build_info", "The version of the executable; always 1."),
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        self.registry.register(Box::new(build))?;
        self.registry.register(Box::new(ProcessCollector::for_self()))?;
        self.registry.register(Box::new(self.clients.clone()))?;
        self.registry.register(Box::new(self.quarantined.clone()))?;
        self.registry.register(Box::new(self.subscribers.clone()))?;
        self.registry.register(Box::new(self.stream_delay.clone()))
    }

    /// Reads what is the case now and gathers all metrics. What cannot be read keeps its last value;
    /// the store is asked once a second at most, since anybody may ask for metrics.
    pub async fn gather(&self) -> Vec<MetricFamily> {
        let mut counted = self.counted.lock().await;
        if counted.is_none_or(|when| when.elapsed() >= COUNT_EVERY) {
            self.count().await;
            *counted = Some(Instant::now());
        }
        drop(counted);
        let subscribers = self.tailer.as_ref().map_or(0, |tailer| tailer.subscribers());
        self.subscribers.set(integer(subscribers as u64));
        self.registry.gather()
    }

    async fn count(&self) {
        let Some(state) = &self.state else {
            return;
        };
        if let Ok(counts) = state.counts().await {
            self.clients.reset();
            for count in counts {
                let labels = [count.integration.as_str(), count.state.as_str()];
                self.clients.with_label_values(&labels).set(integer(count.clients));
            }
        }
        if let Ok(held) = state.count_quarantined_held(self.clock.now()).await {
            self.quarantined.set(integer(held));
        }
    }
}

fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The options of the ledger's writer, which report the size of each commit.
pub(super) fn ledger_options(registry: &Registry) -> prometheus::Result<sqlite::Options> {
    let batches = Histogram::with_opts(
        HistogramOpts::new("regledger_ledger_batch_events", "Events made durable by one commit.")
            .buckets(exponential_buckets(1.0, 2.0, 11)?),
    )?;
    registry.register(Box::new(batches.clone()))?;
    Ok(sqlite::Options {
        observe: Some(Arc::new(move |events| batches.observe(events as f64))),
        ..sqlite::Options::default()
    })
}
