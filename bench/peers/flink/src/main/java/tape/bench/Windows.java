package tape.bench;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.DataStreamUtils;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.functions.windowing.ProcessWindowFunction;
import org.apache.flink.streaming.api.windowing.assigners.SlidingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.assigners.TumblingEventTimeWindows;
import org.apache.flink.streaming.api.windowing.windows.TimeWindow;
import org.apache.flink.util.Collector;

/** From trades to rows (key and value as bytes), in two ways. */
final class Windows {
    /** Opened by the last subtask that starts, all run. They share the process, so a static counts them. */
    private static final AtomicInteger OPENED = new AtomicInteger();

    private static final TypeInformation<Tuple2<byte[], byte[]>> ROWS = Types.TUPLE(
            Types.PRIMITIVE_ARRAY(Types.BYTE), Types.PRIMITIVE_ARRAY(Types.BYTE));

    private Windows() {}

    /** As the API offers it: each trade is added to each of its windows. */
    static DataStream<Tuple2<byte[], byte[]>> sliding(KeyedStream<Trade, String> trades, Duration size, Duration slide) {
        return trades.window(SlidingEventTimeWindows.of(size, slide))
                .aggregate(new Add(), new Rows(), AggregateSerializer.TYPE, AggregateSerializer.TYPE, ROWS)
                .uid("windows");
    }

    /** By hand: each trade is added to its slide, and the slides of a window are merged when they are complete. */
    static DataStream<Tuple2<byte[], byte[]>> panes(KeyedStream<Trade, String> trades, Duration size, Duration slide) {
        TypeInformation<Tuple2<String, Aggregate>> pane = Types.TUPLE(Types.STRING, AggregateSerializer.TYPE);
        DataStream<Tuple2<String, Aggregate>> panes = trades.window(TumblingEventTimeWindows.of(slide))
                .aggregate(new Add(), new Panes(), AggregateSerializer.TYPE, AggregateSerializer.TYPE, pane)
                .uid("panes");
        return DataStreamUtils.reinterpretAsKeyedStream(panes, of -> of.f0, Types.STRING)
                .window(SlidingEventTimeWindows.of(size, slide))
                .aggregate(new Merge(), new Rows(), AggregateSerializer.TYPE, AggregateSerializer.TYPE, ROWS)
                .uid("windows");
    }

    private abstract static class Accumulate<T> implements AggregateFunction<T, Aggregate, Aggregate> {
        @Override
        public Aggregate createAccumulator() {
            return new Aggregate();
        }

        @Override
        public Aggregate getResult(Aggregate window) {
            return window;
        }

        @Override
        public Aggregate merge(Aggregate one, Aggregate other) {
            one.merge(other);
            return one;
        }
    }

    private static final class Add extends Accumulate<Trade> {
        @Override
        public Aggregate add(Trade trade, Aggregate window) {
            window.add(trade.price, trade.volume, trade.time);
            return window;
        }
    }

    private static final class Merge extends Accumulate<Tuple2<String, Aggregate>> {
        @Override
        public Aggregate add(Tuple2<String, Aggregate> pane, Aggregate window) {
            window.merge(pane.f1);
            return window;
        }
    }

    private static final class Panes extends ProcessWindowFunction<Aggregate, Tuple2<String, Aggregate>, String, TimeWindow> {
        @Override
        public void process(
                String symbol, Context context, Iterable<Aggregate> pane, Collector<Tuple2<String, Aggregate>> out) {
            out.collect(Tuple2.of(symbol, pane.iterator().next()));
        }
    }

    private static final class Rows extends ProcessWindowFunction<Aggregate, Tuple2<byte[], byte[]>, String, TimeWindow> {
        private transient Row row;

        @Override
        public void open(OpenContext context) {
            row = new Row();
            if (OPENED.incrementAndGet() == getRuntimeContext().getTaskInfo().getNumberOfParallelSubtasks()) {
                Protocol.running();
            }
        }

        @Override
        public void process(
                String symbol, Context context, Iterable<Aggregate> window, Collector<Tuple2<byte[], byte[]>> out) {
            byte[] key = Row.ascii(symbol);
            TimeWindow bounds = context.window();
            out.collect(Tuple2.of(key, row.encode(key, bounds.getStart(), bounds.getEnd(), window.iterator().next())));
        }
    }
}
