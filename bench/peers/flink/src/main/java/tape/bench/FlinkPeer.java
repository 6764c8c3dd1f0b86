package tape.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.KafkaSourceBuilder;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetResetStrategy;
import org.apache.kafka.clients.producer.ProducerRecord;

/** Sliding windows of trades with Flink's DataStream API, in one process. The README says which settings and why. */
public final class FlinkPeer {
    private FlinkPeer() {}

    public static void main(String[] arguments) {
        Protocol.start();
        Arguments given = new Arguments()
                .with("parallelism", "2")
                .with("checkpoint-ms", "10000")
                .with("state", "hashmap")
                .with("guarantee", "exactly_once")
                .with("plan", "windows")
                .with("bounded", "false")
                .with("restore", "false")
                .parse(arguments);
        try {
            Protocol.logTo(given.text("state-dir"), "flink.log");
            run(given);
        } catch (Throwable error) {
            Protocol.fail(error);
        }
    }

    private static void run(Arguments given) throws Exception {
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(given.integer("parallelism"), settings(given));
        Duration size = Duration.ofMillis(given.integer("window-ms"));
        Duration slide = Duration.ofMillis(given.integer("slide-ms"));
        KeyedStream<Trade, String> trades = environment
                .fromSource(
                        source(given),
                        WatermarkStrategy.<Trade>forBoundedOutOfOrderness(Duration.ofMillis(given.integer("grace-ms")))
                                .withTimestampAssigner((trade, appended) -> trade.time),
                        "trades",
                        TradeSerializer.TYPE)
                .uid("trades")
                .keyBy(trade -> trade.symbol, Types.STRING);
        (given.oneOf("plan", "windows", "panes").equals("panes")
                        ? Windows.panes(trades, size, slide)
                        : Windows.sliding(trades, size, slide))
                .sinkTo(sink(given))
                .uid("rows");
        JobClient job = environment.executeAsync(given.text("app-id"));
        // Not the future of the callback, which is not done yet when the callback ends the waiting.
        CompletableFuture<?> end = job.getJobExecutionResult();
        end.whenComplete((result, error) -> {
            if (error != null) {
                Protocol.fail(error);
            }
            Protocol.terminate();
        });
        Protocol.awaitTermination();
        if (!end.isDone()) {
            // Commits what is open, and leaves a place to start from.
            job.stopWithSavepoint(false, checkpoints(given).resolve("stopped").toUri().toString(), SavepointFormatType.NATIVE)
                    .get(60, TimeUnit.SECONDS);
        }
        Protocol.done();
        System.exit(0);
    }

    private static KafkaSource<Trade> source(Arguments given) {
        KafkaSourceBuilder<Trade> source = KafkaSource.<Trade>builder()
                .setBootstrapServers(given.text("bootstrap"))
                .setTopics(given.text("input"))
                .setGroupId(given.text("app-id"))
                .setStartingOffsets(OffsetsInitializer.committedOffsets(OffsetResetStrategy.EARLIEST))
                .setProperty("commit.offsets.on.checkpoint", "true")
                .setProperty("register.consumer.metrics", "false")
                .setProperty("max.partition.fetch.bytes", "4194304")
                .setProperty("receive.buffer.bytes", "1048576")
                .setProperty("max.poll.records", "2000")
                .setDeserializer(new Decode());
        if (given.flag("bounded")) {
            source.setBounded(OffsetsInitializer.latest());
        }
        return source.build();
    }

    private static final class Decode implements KafkaRecordDeserializationSchema<Trade> {
        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> message, Collector<Trade> out) {
            Trade trade = new Trade();
            trade.symbol = new String(message.key(), StandardCharsets.ISO_8859_1);
            TradeDecoder.decode(message.value(), trade);
            Protocol.count();
            out.collect(trade);
        }

        @Override
        public TypeInformation<Trade> getProducedType() {
            return TradeSerializer.TYPE;
        }
    }

    private static KafkaSink<Tuple2<byte[], byte[]>> sink(Arguments given) {
        String topic = given.text("output");
        boolean once = given.oneOf("guarantee", "exactly_once", "at_least_once").equals("exactly_once");
        return KafkaSink.<Tuple2<byte[], byte[]>>builder()
                .setBootstrapServers(given.text("bootstrap"))
                .setRecordSerializer((row, context, time) -> new ProducerRecord<>(topic, row.f0, row.f1))
                .setDeliveryGuarantee(once ? DeliveryGuarantee.EXACTLY_ONCE : DeliveryGuarantee.AT_LEAST_ONCE)
                .setTransactionalIdPrefix(given.text("app-id"))
                // The longest that brokers allow: a transaction must outlive a checkpoint and a recovery.
                .setProperty("transaction.timeout.ms", "900000")
                .setProperty("register.producer.metrics", "false")
                .setProperty("acks", "all")
                .setProperty("compression.type", "lz4")
                .setProperty("linger.ms", "50")
                .setProperty("batch.size", "262144")
                .build();
    }

    private static Configuration settings(Arguments given) {
        Map<String, String> settings = new HashMap<>();
        settings.put("pipeline.object-reuse", "true");
        // Kryo would be a mistake here, so it ends the job.
        settings.put("pipeline.generic-types", "false");
        settings.put("restart-strategy.type", "none");
        settings.put("execution.checkpointing.interval", given.integer("checkpoint-ms") + " ms");
        settings.put("execution.checkpointing.dir", checkpoints(given).toUri().toString());
        settings.put("execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION");
        settings.put("taskmanager.memory.network.min", "64 mb");
        settings.put("taskmanager.memory.network.max", "64 mb");
        settings.put("state.backend.type", given.oneOf("state", "hashmap", "rocksdb"));
        if (given.text("state").equals("rocksdb")) {
            settings.put("taskmanager.memory.managed.size", "256 mb");
            settings.put("execution.checkpointing.incremental", "true");
            settings.put("state.backend.rocksdb.localdir", Path.of(given.text("state-dir"), "rocksdb").toString());
            settings.put("state.backend.rocksdb.timer-service.factory", "HEAP");
            settings.put("state.backend.rocksdb.predefined-options", "FLASH_SSD_OPTIMIZED");
            settings.put("state.backend.rocksdb.use-bloom-filter", "true");
        }
        if (given.flag("restore")) {
            newestCheckpoint(given).ifPresent(path -> settings.put("execution.state-recovery.path", path));
        }
        return Configuration.fromMap(settings);
    }

    private static Path checkpoints(Arguments given) {
        return Path.of(given.text("state-dir"), "checkpoints").toAbsolutePath();
    }

    /** A checkpoint is complete when its metadata is there. */
    private static Optional<String> newestCheckpoint(Arguments given) {
        try (Stream<Path> files = Files.walk(Files.createDirectories(checkpoints(given)))) {
            return files.filter(file -> file.endsWith("_metadata"))
                    .max(Comparator.comparingLong(file -> file.toFile().lastModified()))
                    .map(file -> file.getParent().toUri().toString());
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
