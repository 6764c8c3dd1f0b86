package tape.bench;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;
import org.apache.flink.types.StringValue;

/** A trade on its way to the subtask of its symbol. */
public final class TradeSerializer extends Binary<Trade> {
    static final Type<Trade> TYPE = new Type<>(Trade.class, new TradeSerializer());

    @Override
    public Trade createInstance() {
        return new Trade();
    }

    @Override
    public Trade copy(Trade from, Trade to) {
        to.symbol = from.symbol;
        to.price = from.price;
        to.volume = from.volume;
        to.time = from.time;
        return to;
    }

    @Override
    public void serialize(Trade trade, DataOutputView out) throws IOException {
        StringValue.writeString(trade.symbol, out);
        out.writeLong(trade.price);
        out.writeLong(trade.volume);
        out.writeLong(trade.time);
    }

    @Override
    public Trade deserialize(Trade trade, DataInputView in) throws IOException {
        trade.symbol = StringValue.readString(in);
        trade.price = in.readLong();
        trade.volume = in.readLong();
        trade.time = in.readLong();
        return trade;
    }

    @Override
    public TypeSerializerSnapshot<Trade> snapshotConfiguration() {
        return new Settings();
    }

    public static final class Settings extends Snapshot<Trade> {
        public Settings() {
            super(TradeSerializer::new);
        }
    }
}
