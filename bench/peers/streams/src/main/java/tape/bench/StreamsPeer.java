package tape.bench;

import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;
import org.apache.kafka.streams.state.DslStoreSuppliers;
import org.apache.kafka.streams.state.WindowStore;

/** Sliding windows of trades with the DSL of Kafka Streams. The README says which settings and why. */
public final class StreamsPeer {
    /** The rows of one thread are encoded one after another. */
    private static final ThreadLocal<Row> ROW = ThreadLocal.withInitial(Row::new);

    private StreamsPeer() {}

    public static void main(String[] arguments) {
        Protocol.start();
        Arguments given = new Arguments()
                .with("threads", "2")
                .with("commit-ms", "100")
                .with("cache-mb", "64")
                .with("store", "rocksdb")
                .with("guarantee", "exactly_once_v2")
                .with("emit", "update")
                .with("instance-id", "")
                .with("session-ms", "45000")
                .parse(arguments);
        try {
            Protocol.logTo(given.text("state-dir"), "streams.log");
            run(given);
        } catch (Throwable error) {
            Protocol.fail(error);
        }
    }

    private static void run(Arguments given) throws InterruptedException {
        KafkaStreams streams = new KafkaStreams(topology(given), settings(given));
        Restoration restoration = new Restoration();
        streams.setGlobalStateRestoreListener(restoration);
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                restoration.report();
                Protocol.running();
            }
        });
        streams.setUncaughtExceptionHandler(error -> {
            Protocol.fail(error);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        Protocol.awaitTermination();
        streams.close(Duration.ofSeconds(30));
        Protocol.done();
        System.exit(0);
    }

    private static Topology topology(Arguments given) {
        Duration size = Duration.ofMillis(given.integer("window-ms"));
        Duration grace = Duration.ofMillis(given.integer("grace-ms"));
        Duration slide = Duration.ofMillis(given.integer("slide-ms"));
        boolean last = given.oneOf("emit", "update", "final").equals("final");
        Deserializer<Trade> decode = (topic, bytes) -> {
            Trade trade = new Trade();
            TradeDecoder.decode(bytes, trade);
            return trade;
        };
        Serde<Trade> trades = Serdes.serdeFrom((topic, trade) -> null, decode);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(
                        given.text("input"),
                        Consumed.with(Serdes.ByteArray(), trades)
                                .withTimestampExtractor((message, time) -> ((Trade) message.value()).time))
                .peek((symbol, trade) -> Protocol.count())
                .groupByKey(Grouped.with(Serdes.ByteArray(), trades))
                .windowedBy(TimeWindows.ofSizeAndGrace(size, grace).advanceBy(slide))
                .emitStrategy(last ? EmitStrategy.onWindowClose() : EmitStrategy.onWindowUpdate())
                .aggregate(
                        Aggregate::new,
                        (symbol, trade, window) -> {
                            window.add(trade.price, trade.volume, trade.time);
                            return window;
                        },
                        Materialized.<byte[], Aggregate, WindowStore<Bytes, byte[]>>as(store(given))
                                .withKeySerde(Serdes.ByteArray())
                                .withValueSerde(new AggregateSerde())
                                .withCachingEnabled()
                                .withRetention(size.plus(grace)))
                .toStream()
                .map((key, window) -> KeyValue.pair(
                        key.key(), ROW.get().encode(key.key(), key.window().start(), key.window().end(), window)))
                .to(given.text("output"), Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
        return builder.build();
    }

    private static DslStoreSuppliers store(Arguments given) {
        return given.oneOf("store", "rocksdb", "memory").equals("memory")
                ? new BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers()
                : new BuiltInDslStoreSuppliers.RocksDBDslStoreSuppliers();
    }

    private static Properties settings(Arguments given) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, given.text("app-id"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, given.text("bootstrap"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, given.text("state-dir"));
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, given.integer("threads"));
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, given.integer("commit-ms"));
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, (long) given.integer("cache-mb") << 20);
        settings.put(
                StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
                given.oneOf("guarantee", StreamsConfig.EXACTLY_ONCE_V2, StreamsConfig.AT_LEAST_ONCE));
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.NUM_STANDBY_REPLICAS_CONFIG, 0);
        settings.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, RocksSettings.class);
        settings.put(StreamsConfig.ENABLE_METRICS_PUSH_CONFIG, false);
        // The trades may be years old, and a changelog older than its retention would be deleted under the running program.
        settings.put(
                StreamsConfig.WINDOW_STORE_CHANGE_LOG_ADDITIONAL_RETENTION_MS_CONFIG,
                Duration.ofDays(3650).toMillis());
        settings.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), given.integer("session-ms"));
        settings.put(
                StreamsConfig.mainConsumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG),
                Math.min(3000, given.integer("session-ms") / 3));
        if (!given.text("instance-id").isEmpty()) {
            settings.put(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, given.text("instance-id"));
        }
        tuneClients(settings);
        return settings;
    }

    private static void tuneClients(Properties settings) {
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 << 20);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), 1 << 20);
        settings.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 4000);
        // More than a poll brings, else each poll of a backlog pauses and resumes its partitions.
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 8000);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 100);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 64L << 20);
        settings.put(StreamsConfig.topicPrefix(TopicConfig.COMPRESSION_TYPE_CONFIG), "producer");
    }
}
