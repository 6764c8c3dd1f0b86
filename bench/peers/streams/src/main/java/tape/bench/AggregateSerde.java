package tape.bench;

import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serializer;

/** Eighty bytes, big endian, in the order of the fields. */
final class AggregateSerde implements Serde<Aggregate>, Serializer<Aggregate>, Deserializer<Aggregate> {
    @Override
    public byte[] serialize(String topic, Aggregate window) {
        if (window == null) {
            return null;
        }
        byte[] bytes = new byte[Aggregate.BYTES];
        ByteBuffer.wrap(bytes)
                .putLong(window.trades)
                .putLong(window.prices)
                .putLong(window.volume)
                .putLong(window.notional)
                .putLong(window.max)
                .putLong(window.min)
                .putLong(window.open)
                .putLong(window.openTime)
                .putLong(window.close)
                .putLong(window.closeTime);
        return bytes;
    }

    @Override
    public Aggregate deserialize(String topic, byte[] bytes) {
        if (bytes == null) {
            return null;
        }
        ByteBuffer fields = ByteBuffer.wrap(bytes);
        Aggregate window = new Aggregate();
        window.trades = fields.getLong();
        window.prices = fields.getLong();
        window.volume = fields.getLong();
        window.notional = fields.getLong();
        window.max = fields.getLong();
        window.min = fields.getLong();
        window.open = fields.getLong();
        window.openTime = fields.getLong();
        window.close = fields.getLong();
        window.closeTime = fields.getLong();
        return window;
    }

    @Override
    public Serializer<Aggregate> serializer() {
        return this;
    }

    @Override
    public Deserializer<Aggregate> deserializer() {
        return this;
    }

    @Override
    public void configure(java.util.Map<String, ?> settings, boolean isKey) {
        // Nothing to set; the three interfaces each bring a default.
    }

    @Override
    public void close() {
        // Nothing to close.
    }
}
