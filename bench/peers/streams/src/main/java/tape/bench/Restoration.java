package tape.bench;

import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.processor.StateRestoreListener;

/** Counts what is read back from the changelogs, and reports it once all of it is there. */
final class Restoration implements StateRestoreListener {
    private final LongAdder records = new LongAdder();
    private boolean started;

    @Override
    public synchronized void onRestoreStart(TopicPartition partition, String store, long from, long to) {
        started = true;
    }

    @Override
    public void onBatchRestored(TopicPartition partition, String store, long end, long count) {
        records.add(count);
    }

    @Override
    public void onRestoreEnd(TopicPartition partition, String store, long total) {
        // Reported when the last one has ended, which the state of the client shows.
    }

    synchronized void report() {
        if (started) {
            Protocol.restored(records.sumThenReset());
            started = false;
        }
    }
}
