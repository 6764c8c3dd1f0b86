package tape.bench;

/** The running aggregate of one window (or pane) of one symbol. Sums that no longer fit end the run rather than wrap. */
public final class Aggregate {
    public static final int BYTES = 10 * Long.BYTES;

    public long trades;
    public long prices;
    public long volume;
    /** Σ price · volume. */
    public long notional;
    public long max = Long.MIN_VALUE;
    public long min = Long.MAX_VALUE;
    public long open;
    public long openTime = Long.MAX_VALUE;
    public long close;
    public long closeTime = Long.MIN_VALUE;

    /** Of trades at the same time the first to arrive is the open, the last the close. */
    public void add(long price, long size, long time) {
        trades++;
        prices = Math.addExact(prices, price);
        volume = Math.addExact(volume, size);
        notional = Math.addExact(notional, Math.multiplyExact(price, size));
        max = Math.max(max, price);
        min = Math.min(min, price);
        if (time < openTime) {
            openTime = time;
            open = price;
        }
        if (time >= closeTime) {
            closeTime = time;
            close = price;
        }
    }

    /** Adds what another pane or session holds; the two never share a time with different trades out of order. */
    public void merge(Aggregate other) {
        trades += other.trades;
        prices = Math.addExact(prices, other.prices);
        volume = Math.addExact(volume, other.volume);
        notional = Math.addExact(notional, other.notional);
        max = Math.max(max, other.max);
        min = Math.min(min, other.min);
        if (other.openTime < openTime) {
            openTime = other.openTime;
            open = other.open;
        }
        if (other.closeTime >= closeTime) {
            closeTime = other.closeTime;
            close = other.close;
        }
    }

    public void set(Aggregate other) {
        trades = other.trades;
        prices = other.prices;
        volume = other.volume;
        notional = other.notional;
        max = other.max;
        min = other.min;
        open = other.open;
        openTime = other.openTime;
        close = other.close;
        closeTime = other.closeTime;
    }
}
