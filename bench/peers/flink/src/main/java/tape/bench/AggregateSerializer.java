package tape.bench;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** The state of one window: ten longs. */
public final class AggregateSerializer extends Binary<Aggregate> {
    static final Type<Aggregate> TYPE = new Type<>(Aggregate.class, new AggregateSerializer());

    @Override
    public Aggregate createInstance() {
        return new Aggregate();
    }

    @Override
    public Aggregate copy(Aggregate from, Aggregate to) {
        to.set(from);
        return to;
    }

    @Override
    public void serialize(Aggregate window, DataOutputView out) throws IOException {
        out.writeLong(window.trades);
        out.writeLong(window.prices);
        out.writeLong(window.volume);
        out.writeLong(window.notional);
        out.writeLong(window.max);
        out.writeLong(window.min);
        out.writeLong(window.open);
        out.writeLong(window.openTime);
        out.writeLong(window.close);
        out.writeLong(window.closeTime);
    }

    @Override
    public Aggregate deserialize(Aggregate window, DataInputView in) throws IOException {
        window.trades = in.readLong();
        window.prices = in.readLong();
        window.volume = in.readLong();
        window.notional = in.readLong();
        window.max = in.readLong();
        window.min = in.readLong();
        window.open = in.readLong();
        window.openTime = in.readLong();
        window.close = in.readLong();
        window.closeTime = in.readLong();
        return window;
    }

    @Override
    public TypeSerializerSnapshot<Aggregate> snapshotConfiguration() {
        return new Settings();
    }

    public static final class Settings extends Snapshot<Aggregate> {
        public Settings() {
            super(AggregateSerializer::new);
        }
    }
}
